"""What happens after a workload ended: started again, when, or not any more. Pure: times come in as whole seconds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from orchestrator.wire.intent_parts import Restart


@dataclass(frozen=True, slots=True)
class History:
    """Restarts in a row, and UNIX seconds of the last start."""

    restarts: int = 0
    started: int = 0


class Verdict(StrEnum):
    """What becomes of a workload that ended."""

    AGAIN = "again"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Decision:
    """`at`: UNIX seconds at which it is started again; without meaning unless the verdict says so."""

    verdict: Verdict
    history: History
    at: int = 0


def decide(rule: Restart, history: History, failed: bool, now: int) -> Decision:
    """After an end that nobody asked for. `failed`: it ended otherwise than by exit status 0.

    "always" and "unless-stopped" are one here: what was stopped by order isn't asked about. A clock that was set back
    counts as no time up.
    """
    if rule.policy == "no" or (rule.policy == "on-failure" and not failed):
        return Decision(Verdict.FAILED if failed else Verdict.STOPPED, history)
    if now - history.started >= rule.reset_seconds:
        history = replace(history, restarts=0)
    if rule.max_restarts and history.restarts >= rule.max_restarts:
        return Decision(Verdict.FAILED, history)
    pause = backoff(rule.backoff_seconds, rule.backoff_longest_seconds, history.restarts)
    return Decision(Verdict.AGAIN, replace(history, restarts=history.restarts + 1), now + pause)


def backoff(first: int, longest: int, failures: int) -> int:
    """Seconds of the pause after so many failures before: `first`, doubled by each, at most `longest`."""
    return min(longest, first << min(failures, 64))
