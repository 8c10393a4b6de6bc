"""Whether a run was as it must be: nothing double, nothing lost, no lie believed. Pure."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from oracle.committee.agreement import Draft, Evidence
from oracle.ground.typed_data import Domain
from oracle.ground.uptime import ZERO
from scenario.network.result import EpochResult, NodeSeconds
from scenario.network.watching import Mined, Told

_EARNED_LEAST_PERCENT: Final = 95
_NEVER: Final = ("bug", "wrong_report")
"""Events of oracles that no fault of a network excuses."""


def epoch_results(
    epochs: Iterable[int],
    end_of: Mapping[int, int],
    reports: Mapping[int, Mined],
    told: Mapping[int, Mapping[int, Told]],
) -> list[EpochResult]:
    """How each epoch ended, by the chain's reports and by what each oracle told. end_of: UNIX seconds by epoch."""
    results = []
    for epoch in epochs:
        if (mined := reports.get(epoch)) is not None:
            results.append(EpochResult(epoch, "attested", mined.signatures, mined.mined - end_of[epoch]))
            continue
        entries = [oracle[epoch] for oracle in told.values() if epoch in oracle]
        why = sorted({one.why for one in entries if one.kind == "failed" and one.why})
        later = min((one for one in reports if one > epoch), default=None)
        outcome = "failed" if later is None else "carried"
        results.append(EpochResult(epoch, outcome, carried_by=later, why=tuple(why)))
    return results


def unrecorded(
    results: Iterable[EpochResult], told: Mapping[int, Mapping[int, Told]], there: Mapping[int, Collection[int]]
) -> list[str]:
    """What oracles tell otherwise than the chain, or not at all. there: by oracle, the epochs in which it could act
    from their rounds' beginning to the next."""
    problems = []
    for result in results:
        attested = result.outcome == "attested"
        for oracle, entries in sorted(told.items()):
            entry = entries.get(result.epoch)
            if entry is None:
                if result.epoch in there.get(oracle, ()):
                    problems.append(f"epoch {result.epoch}: oracle {oracle} was there and tells no outcome")
            elif entry.kind == "attested" and not attested:
                problems.append(f"epoch {result.epoch}: oracle {oracle} calls it attested, the chain has no report")
            elif entry.kind != "attested" and attested:
                problems.append(
                    f"epoch {result.epoch}: oracle {oracle} calls it {entry.kind}, the chain has its report"
                )
            elif entry.kind == "failed" and not entry.why:
                problems.append(f"epoch {result.epoch}: oracle {oracle} calls it failed and tells no reason")
        if not attested and not any(result.epoch in entries for entries in told.values()):
            problems.append(f"epoch {result.epoch}: no report, and no oracle recorded that it failed")
    return problems


def believed_lies(
    followed: Mapping[int, tuple[Evidence, Draft]], honest: Collection[bytes], domain: Domain, tick: int
) -> list[str]:
    """Measured ratios that lie outside of what honest oracles observed. honest: their 20-byte addresses."""
    problems = []
    for given, made in followed.values():
        for epoch, signed in given.proposal.observations.items():
            views = {one.author(domain): one.view() for one in signed}
            seen_by = [view for author, view in views.items() if author in honest]
            for key, agreed in made.agreed[epoch].items():
                if not agreed.observed:
                    continue
                # A second's part of a tick is lost where seconds are rounded down.
                seen = [one for view in seen_by if (one := view.ticks.get(key, ZERO)).observed]
                low = any(one.up * agreed.observed <= (agreed.up + tick) * one.observed for one in seen)
                high = any(one.up * agreed.observed >= agreed.up * one.observed for one in seen)
                if not (low and high):
                    problems.append(
                        f"epoch {epoch}: assignment {key} is {agreed.up} of {agreed.observed} s up, and no honest "
                        "oracles lie about that"
                    )
    return problems


def underpaid(seconds: Iterable[NodeSeconds], unhurt: Collection[str]) -> list[str]:
    """Nodes that no fault hit, and which lost seconds that were accounted."""
    return [
        f"{one.name} served all the time, earned {one.earned} s and lost {one.withheld} s"
        for one in seconds
        if one.name in unhurt and one.earned * 100 < _EARNED_LEAST_PERCENT * (one.earned + one.withheld)
    ]


def alarms(name: str, log: Iterable[str]) -> list[str]:
    """What in an oracle's log must never be there, each kind once: tracebacks above all."""
    found: dict[str, str] = {}
    for line in log:
        if not line.startswith("{"):
            continue
        entry = json.loads(line)
        kind = str(entry.get("event"))
        if kind not in found and (kind in _NEVER or "exception" in entry):
            told = str(entry.get("exception") or entry.get("text") or "").strip().splitlines()
            found[kind] = told[-1] if told else ""
    return [f"{name}: {kind}: {told}" for kind, told in sorted(found.items())]
