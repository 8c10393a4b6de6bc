"""Which reports are pending and final at which time, as the contracts see it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from oracle.ground.clock import EpochClock
from oracle.ground.errors import EpochalError


class Refused(EpochalError):
    """The contracts would refuse the call. `name` is their custom error's."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def require(holds: bool, name: str) -> None:
    """Refused with `name` unless it holds."""
    if not holds:
        raise Refused(name)


@dataclass(frozen=True, slots=True)
class Rules:
    """What a network fixed when it was deployed: spans in seconds (`appeal_epochs` in epochs), shares in millionths."""

    clock: EpochClock
    activation_delay: int
    review_delay: int
    stall_span: int
    attestable_span: int
    settle_window: int
    appeal_epochs: int
    protocol_share_ppm: int

    def mark(self, epoch: int) -> int:
        """The span of epochs under which seconds that a report of `epoch` withholds are held."""
        return epoch // max(1, self.appeal_epochs)

    def release_epoch(self, mark: int) -> int:
        """The first epoch whose report ends the appeal span of all that is held under a mark."""
        return (mark + 1) * max(1, self.appeal_epochs) + self.appeal_epochs


@dataclass(frozen=True, slots=True)
class Report:
    """A submitted report: its epoch, and since when it is or will be final (UNIX seconds)."""

    epoch: int
    final_at: int


class Reports:
    """The pending report and the last two final ones, which are all that is kept. Times that are told never go back."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.pending: Report | None = None
        self.final: tuple[Report, ...] = ()
        self.reviewed_below = 0

    def at(self, now: int) -> Reports:
        """These reports, with a pending one taken for final whose delay has passed."""
        if self.pending is not None and now >= self.pending.final_at:
            self.final, self.pending = (*self.final[-1:], self.pending), None
        return self

    def submit(self, now: int, epoch: int) -> None:
        """A report that a quorum signed."""
        self.at(now)
        require(now >= self.rules.clock.end(epoch), "Attestations_EpochNotOver")
        require(self.pending is None, "Attestations_ReportPending")
        require(not self.final or epoch > self.final[-1].epoch, "Attestations_EpochOutOfOrder")
        vetoed = epoch < self.reviewed_below
        self.pending = Report(epoch, now + (self.rules.review_delay if vetoed else self.rules.activation_delay))

    def veto(self, now: int) -> None:
        """The guardian takes the pending report away, once for an epoch."""
        pending = self.at(now).pending
        if pending is None:
            raise Refused("Attestations_NothingPending")
        require(pending.epoch >= self.reviewed_below, "Attestations_VetoedBefore")
        self.pending, self.reviewed_below = None, pending.epoch + 1

    def drop(self, now: int) -> None:
        """The committee was replaced: what it has pending is gone."""
        self.at(now).pending = None

    def require_final(self, now: int, epoch: int) -> None:
        """Refused unless leaves of that epoch's report can be settled."""
        require(any(one.epoch == epoch for one in self.at(now).final), "Attestations_NotFinal")

    def settled_long_enough(self, now: int, epoch: int) -> bool:
        """Whether a report of `epoch` or later, of those kept, has been final for a settle window."""
        since = [one.final_at for one in self.at(now).final if one.epoch >= epoch]
        return bool(since) and now >= min(since) + self.rules.settle_window

    def stalled_at(self, now: int) -> int:
        """When the network counts as stalled, if it makes no progress until then."""
        final = self.at(now).final
        if not final:
            return self.rules.clock.genesis + self.rules.stall_span
        # A report made up for long afterwards is no sign of life for longer than one in time would be.
        return min(final[-1].final_at, self.rules.clock.end(final[-1].epoch + 1)) + self.rules.stall_span

    def quiet(self, now: int) -> bool:
        """Whether nothing is pending, and the last report has been final for a settle window."""
        self.at(now)
        since = self.final[-1].final_at if self.final else 0
        return self.pending is None and now >= since + self.rules.settle_window

    def stalled(self, now: int) -> bool:
        """Whether there was no progress for the stall span."""
        return self.quiet(now) and now >= self.stalled_at(now)

    def abandoned(self, now: int, stop: int = 0) -> bool:
        """Whether nothing before `stop` (UNIX seconds) will be attested any more."""
        return self.quiet(now) and now >= max(self.stalled_at(now), stop) + self.rules.attestable_span
