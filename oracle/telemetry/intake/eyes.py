"""The oracle's own eyes: in which ticks each way in could have brought a heartbeat.

An oracle's blindness is not a node's downtime, so a tick counts as observed by a way only when the process
ran through the whole of it, its clock went on evenly, its store took what came, and the way was healthy. The
rule for a network that seems dark as a whole is in `ground.darkness`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from math import floor

from oracle.ground.bitmap import by_epoch, span
from oracle.ground.clock import EpochClock
from oracle.telemetry.store.bitmaps import BitmapStore
from oracle.telemetry.store.records import Kind

LARGEST_STEP = 1.0
"""Seconds by which the wall clock may run ahead of or behind the steady one between two pulses."""


class Way:
    """A way in. Its adapter says in `trouble` why it can't bring heartbeats now; None: it can."""

    __slots__ = ("_next_tick", "blind_until", "index", "name", "observed", "trouble")

    def __init__(self, name: str, index: int) -> None:
        self.name = name
        self.index = index
        self.trouble: str | None = "not started yet"
        self.blind_until = 0.0
        """Seconds of the steady clock until which it is blind: it turned heartbeats away because of the load."""
        self.observed = 0
        """Ticks that it observed since it was opened."""
        self._next_tick: int | None = None


class Eyes:
    """Watches over the ways of one store. `now` tells UNIX seconds, `steady` seconds that never step.

    `longest_gap`: seconds between two pulses beyond which the process wasn't there; a tick unless said otherwise.
    """

    def __init__(
        self,
        store: BitmapStore,
        clock: EpochClock,
        now: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
        longest_gap: float | None = None,
    ) -> None:
        self.ways: dict[str, Way] = {}
        self.conditions: list[Callable[[], str | None]] = []
        """Each says what keeps the whole oracle from observing now, or None."""
        self.gaps = 0
        """How often the pulse came too late or the clock stepped."""
        self._store = store
        self._clock = clock
        self._now = now
        self.steady = steady
        self._longest_gap = longest_gap or clock.tick
        self._furthest = -1
        self._void_until = -1
        self._last: tuple[float, float] | None = None
        self._epoch = -1

    def way(self, name: str) -> Way:
        """The way of that name, made where there is none yet."""
        if name not in self.ways:
            self.ways[name] = Way(name, self._store.way(name))
            self._epoch = -1
        return self.ways[name]

    def trouble(self) -> str | None:
        """What keeps the whole oracle from observing now, or None."""
        for condition in self.conditions:
            found = condition()
            if found:
                return found
        return None

    def pulse(self) -> None:
        """Say that the oracle runs. Call it several times a tick.

        A tick is observed by a way when pulses without a gap span the whole of it and the way was well at
        each of them. A gap is a pulse that comes too late, or a clock that stepped. Ticks that the clock had passed
        before it was set back are void: what was marked in them came at another time.
        """
        moment, steady = self._now(), self.steady()
        tick, genesis = self._clock.tick, self._clock.genesis
        steps_from = self._last
        self._last = (moment, steady)
        even = False
        if steps_from is not None:
            went = moment - steps_from[0]
            even = 0 <= went <= self._longest_gap and abs(went - (steady - steps_from[1])) <= LARGEST_STEP
            self.gaps += not even
        blind = self.trouble() is not None
        over = floor((moment - genesis) / tick)
        self._enter(over)
        self._pass(over, steps_from is not None and moment < steps_from[0] - LARGEST_STEP)
        first_whole = max(0, -floor((genesis - moment) / tick))
        for way in self.ways.values():
            if blind or way.trouble is not None or steady < way.blind_until:
                way._next_tick = None
            elif not even or way._next_tick is None:
                way._next_tick = first_whole
            elif way._next_tick < over:
                self._observe(way, way._next_tick, over)
                way._next_tick = over

    def _enter(self, now: int) -> None:
        """In each epoch note which ways there are: one that brings nothing all day is blind, and not absent."""
        epoch = now // self._clock.ticks_per_epoch
        if epoch != self._epoch and epoch >= 0:
            self._epoch = epoch
            for way in self.ways.values():
                self._store.observe(way.index, epoch, 0)

    def _pass(self, tick: int, set_back: bool) -> None:
        """The clock is in this tick, counted from genesis. Where it has been before, what was marked is void."""
        if self._furthest < 0:
            self._void_until = self._furthest = self._been_before(tick)
        if set_back:
            self._void_until = max(self._void_until, self._furthest)
        self._furthest = max(self._furthest, tick)
        if 0 <= tick <= self._void_until:
            epoch, inside = divmod(tick, self._clock.ticks_per_epoch)
            self._store.see(self._store.track(Kind.VOID, b""), epoch, 1 << inside)

    def _been_before(self, tick: int) -> int:
        """The furthest tick that an earlier run's clock was in, if that lies ahead of this one; else −1."""
        per_epoch = self._clock.ticks_per_epoch
        kept = self._store.epochs()
        if not kept or kept[-1] < tick // per_epoch:
            return -1
        record = self._store.read(kept[-1])
        marked = record.void
        for _, observed in record.ways:
            marked |= observed
        furthest = kept[-1] * per_epoch + marked.bit_length() - 1
        return furthest if furthest > tick else -1

    def _observe(self, way: Way, start: int, stop: int) -> None:
        """The way observed the ticks from `start` up to, not including, `stop`, counted from genesis."""
        way.observed += stop - start
        for epoch, bits in by_epoch(span(range(stop - start)), start, self._clock.ticks_per_epoch):
            self._store.observe(way.index, epoch, bits)
