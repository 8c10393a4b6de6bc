"""What should run against what runs: the steps from here to there. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from orchestrator.wire.intent_parts import NOTHING, Resources


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one assignment is to run: hash of the intent, and the other replicas as HOST:PORT."""

    intent: bytes
    peers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps; each assignment is in at most one of them. All in order of their ids.

    stop     isn't this node's any more, or is told to stop
    start    runs not yet
    change   runs with another intent
    tell     has other peers than it was told
    """

    stop: tuple[int, ...] = ()
    start: tuple[int, ...] = ()
    change: tuple[int, ...] = ()
    tell: tuple[int, ...] = ()


def plan(wanted: Mapping[int, Wanted], running: Mapping[int, Wanted], fenced: Collection[int]) -> Plan:
    """From `running` to `wanted`. What is `fenced` never runs, whoever wants it.

    Two generations of one slot may run at once: that is how an orchestrator makes before it breaks.
    """
    allowed = {assignment: each for assignment, each in wanted.items() if assignment not in fenced}
    both = sorted(allowed.keys() & running.keys())
    changed = [one for one in both if allowed[one].intent != running[one].intent]
    return Plan(
        stop=tuple(sorted(running.keys() - allowed.keys())),
        start=tuple(sorted(allowed.keys() - running.keys())),
        change=tuple(changed),
        tell=tuple(one for one in both if one not in changed and allowed[one].peers != running[one].peers),
    )


def room(capacity: Resources, others: Collection[Resources]) -> Resources:
    """What is left of the capacity, never below nothing."""
    used = NOTHING
    for each in others:
        used = used + each
    return Resources(
        max(0, capacity.cpu_millis - used.cpu_millis),
        max(0, capacity.memory_mb - used.memory_mb),
        max(0, capacity.storage_mb - used.storage_mb),
    )
