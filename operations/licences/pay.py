"""What assignments of licences earned, as it is booked on chain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from chain.client import Block
from chain.network import Network
from operations import reading
from operations.csp import job_view
from operations.csp.job_view import Job
from operations.events import events_of
from operations.licences import standing
from operations.policies import told
from oracle.ground.address import checksummed, raw_address
from oracle.ground.ids import show_assignment
from oracle.ground.policy import Policy

_PAGE: Final = 200


@dataclass(frozen=True, slots=True)
class Served:
    """An assignment as it is booked: seconds are cumulative, times UNIX seconds, `claimable` in the token's smallest
    unit. policy is None where the chain's logs don't reach back to the job's creation. frozen_until: 0, or until when
    its payment waits for a freeze of licence or node."""

    id: int
    licence: int
    node: str
    payee: str
    opened_at: int
    closed_at: int
    stop: int
    through: int
    earned: int
    accounted: int
    claimed: int
    held: int
    marked: bool
    claimable: int
    job: Job
    policy: Policy | None
    frozen_until: int

    @property
    def name(self) -> str:
        """job/slot/generation."""
        return show_assignment(self.id)

    @property
    def waits(self) -> bool:
        """Whether a payment would wait for the end of a freeze."""
        return self.marked and self.frozen_until > 0


def assignments_of(
    network: Network, licences: Sequence[int] | None, payee: str | None = None, block: Block | None = None
) -> list[int]:
    """Ids of the assignments that these licences ever had, or all licences; only those of one payee where it is given.
    RpcError."""
    told = events_of(network, "escrow", network.escrow, ("AssignmentOpened",), licences, block, place=2)
    return [one.args["assignment"] for one in told if payee is None or one.args["payee"].lower() == payee.lower()]


def served(network: Network, ids: Sequence[int], block: Block | None = None, *, policies: bool = False) -> list[Served]:
    """These assignments as they stand; with the jobs' policies if wanted. Refused for an unknown one, RpcError."""
    at = block or network.chain.block("latest")
    views: list[dict[str, Any]] = []
    claimable: list[int] = []
    for start in range(0, len(ids), _PAGE):
        page = list(ids[start : start + _PAGE])
        views += reading.struct(network, network.lens, network.lens.functions.assignmentsOf(page), "assignments", at)
        claimable += reading.read(network, network.lens.functions.claimable(page), "assignments", at)
    jobs = {number: job_view.of(network, number, at) for number in sorted({one >> 64 for one in ids})}
    known = told(network, sorted(jobs)) if policies else {}
    frozen: dict[tuple[int, str], int] = {}
    found = []
    for view, due in zip(views, claimable, strict=True):
        licence, node = view["licence"], checksummed(raw_address(view["node"]))
        if (licence, node) not in frozen:
            frozen[licence, node] = standing.frozen_until(network, licence, node)
        found.append(
            Served(
                view["id"],
                licence,
                node,
                checksummed(raw_address(view["payee"])),
                view["openedAt"],
                view["closedAt"],
                view["stop"],
                view["through"],
                view["earned"],
                view["accounted"],
                view["claimed"],
                view["held"],
                view["marked"],
                due,
                jobs[view["id"] >> 64],
                known.get(view["id"] >> 64),
                frozen[licence, node],
            )
        )
    return found
