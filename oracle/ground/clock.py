"""The epoch clock: from UTC seconds to epochs and ticks, and back."""

from __future__ import annotations

from dataclasses import dataclass

from oracle.ground.errors import InvalidValue
from oracle.ground.widths import uint


@dataclass(frozen=True, slots=True)
class EpochClock:
    """Epoch e is `[genesis + e*length, genesis + (e+1)*length)`, cut into ticks of `tick` seconds.

    All three are whole seconds. InvalidValue unless a whole number of ticks makes an epoch.
    """

    genesis: int
    length: int
    tick: int = 1

    def __post_init__(self) -> None:
        uint("genesis", self.genesis, 64)
        uint("epoch length", self.length, 64)
        uint("tick", self.tick, 64)
        if self.length == 0 or self.tick == 0 or self.length % self.tick:
            raise InvalidValue(
                f"epoch length is {self.length} s with a tick of {self.tick} s: "
                "give positive seconds and a whole number of ticks to an epoch"
            )

    @property
    def ticks_per_epoch(self) -> int:
        return self.length // self.tick

    def start(self, epoch: int) -> int:
        """The first second of an epoch."""
        return self.genesis + epoch * self.length

    def end(self, epoch: int) -> int:
        """The second after the epoch's last, which is the next epoch's first."""
        return self.genesis + (epoch + 1) * self.length

    def epoch_at(self, t: int) -> int:
        """The epoch that contains second `t`; InvalidValue before genesis."""
        self._after_genesis(t)
        return (t - self.genesis) // self.length

    def tick_at(self, t: int) -> tuple[int, int]:
        """(epoch, index of the tick in it) that contains second `t`; InvalidValue before genesis."""
        self._after_genesis(t)
        epoch, inside = divmod(t - self.genesis, self.length)
        return epoch, inside // self.tick

    def ticks_since_genesis(self, t: int) -> int:
        """The tick that contains second `t`, counted from genesis through all epochs; negative before genesis."""
        return (t - self.genesis) // self.tick

    def whole_ticks(self, epoch: int, start: int, stop: int) -> range:
        """Indexes of the epoch's ticks that lie wholly inside `[start, stop)`; may be empty.

        A tick that is only partly inside can't tell on which side its heartbeat came, so it counts for
        nobody.
        """
        begin = self.start(epoch)
        first = -(-(max(start, begin) - begin) // self.tick)
        after = (min(stop, self.end(epoch)) - begin) // self.tick
        return range(first, max(first, after))

    def covering(self, t: int) -> int:
        """The smallest epoch whose end is at or after `t`: the first report that covers all before `t`.

        InvalidValue before genesis.
        """
        self._after_genesis(t)
        return max(0, -(-(t - self.genesis) // self.length) - 1)

    def settled_until(self, window_epochs: int, stop: int, epoch: int) -> int:
        """The time up to which a report of `epoch` settles an assignment that stops at `stop`.

        That is the stop once the epoch covers it, else the end of the last whole policy window. The latter
        may lie before the assignment opened; the caller clamps.
        """
        if stop <= self.genesis + (epoch + 1) * self.length:
            return stop
        return self.genesis + (epoch + 1) // window_epochs * window_epochs * self.length

    def _after_genesis(self, t: int) -> None:
        if t < self.genesis:
            raise InvalidValue(f"time is {t}, genesis is {self.genesis}: give a second at or after genesis")
