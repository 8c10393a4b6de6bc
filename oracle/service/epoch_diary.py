"""When each step of an epoch's round was reached, for `/v1/reports` and the metrics of phases."""

from __future__ import annotations

from typing import Final

from oracle.committee.schedule import Schedule
from oracle.service.metrics import DaemonMetrics, Series

_KEPT: Final = 64
_STEPS: Final = frozenset("round_begun observed voted quorum submitted attested final failed dropped".split())
_PHASES: Final = {
    "observed": ("round_begun", "observing"),
    "voted": ("observed", "gathering"),
    "quorum": ("voted", "agreeing"),
    "attested": ("quorum", "submitting"),
    "final": ("attested", "finalizing"),
}
"""By the step that ends it, a phase and the step that begins it."""


class EpochDiary:
    """The first time of each step, by epoch, in UNIX seconds by this oracle's clock."""

    def __init__(self, schedule: Schedule, metrics: DaemonMetrics) -> None:
        self._schedule = schedule
        self._metrics = metrics
        self._times: dict[int, dict[str, float]] = {}

    def note(self, step: str, epoch: int, now: float) -> None:
        """A step was reached; steps that the diary doesn't know are passed over."""
        if step not in _STEPS:
            return
        times = self._times.setdefault(epoch, {})
        if step in times:
            return
        times[step] = now
        if step == "observed":
            self._metrics.set(Series.LAST_SIGNED_EPOCH, max(epoch, self._metrics.value(Series.LAST_SIGNED_EPOCH)))
        before, phase = _PHASES.get(step, ("", ""))
        if before in times:
            self._metrics.phase(phase, now - times[before])
        for old in sorted(self._times)[:-_KEPT]:
            del self._times[old]

    def times(self, epoch: int) -> dict[str, float]:
        """What is known of an epoch; "closed" is its end."""
        return {"closed": float(self._schedule.clock.end(epoch)), **self._times.get(epoch, {})}
