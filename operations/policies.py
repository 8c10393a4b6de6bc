"""Jobs' policies: as the events of their creation told them, and in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from chain.network import Network
from operations.events import events_of
from oracle.ground import times
from oracle.ground.amounts import percent
from oracle.ground.policy import EVIDENCE_CODES, Policy

EVIDENCE: Final = {
    "liveness": "the node's heartbeats",
    "health": "its agent's word on the workload",
    "probe": "the oracles' own probes of the workload",
}
"""What counts, in words, by its name in a policy."""
_NAMES: Final = {code: name for name, code in EVIDENCE_CODES.items()}


def told(network: Network, jobs: Sequence[int]) -> dict[int, Policy]:
    """By job; one is missing where the chain's logs don't reach back to its creation. RpcError."""
    found = {}
    for one in events_of(network, "escrow", network.escrow, ("JobCreated",), jobs, once=True):
        found[one.args["job"]] = of_event(one.args)
    return found


def of_event(args: Mapping[str, Any]) -> Policy:
    """Of the arguments of a job's creation."""
    evidence, *rest = args["details"]["policy"].values()
    return Policy(_NAMES[evidence], *rest)


def text(policy: Policy) -> str:
    """A policy in one line."""
    said = (
        f"all is paid from {percent(policy.target_ppm)} uptime on, nothing up to {percent(policy.floor_ppm)}, by "
        f"{EVIDENCE[policy.evidence]} ({policy.evidence}) over {policy.window_epochs} "
        f"epoch{'s' if policy.window_epochs > 1 else ''}; "
        f"{percent(policy.csp_share_ppm)} of what is withheld comes back"
    )
    wants = []
    if policy.missed_epochs:
        wants.append(f"{policy.missed_epochs} missed epochs")
    if policy.outage_seconds:
        wants.append(f"{times.show_span(policy.outage_seconds)} of outage")
    return said + (f"; another node is asked for after {' or '.join(wants)}" if wants else "")
