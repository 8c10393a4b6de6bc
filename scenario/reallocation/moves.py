"""What happens when in a replay with reallocation: pure, from the trace alone, and never ahead of its time.

Every time is looked at with what was known by then. So all of a replay can be worked out before the chain is asked to
carry it out, block by block; whatever the chain then sees otherwise ends the replay with an error.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from heapq import heappop, heappush
from itertools import count
from typing import Final

from oracle.committee.committee import Committee
from oracle.committee.reallocation_choice import choose
from oracle.committee.reallocation_messages import Asked
from oracle.ground.bitmap import span
from oracle.ground.breaches import Breach, Seen, missed, outage, was_silent
from oracle.ground.ids import pack
from oracle.ground.policy import Policy
from oracle.telemetry.traces.trace import Trace
from orchestrator.placing.facts import Request, RequestState, Rules
from scenario.options import Reallocation, Schedule, Span
from scenario.reallocation.facts import Batch, Move, Moves
from scenario.reallocation.pool import Pool

_JOB: Final = 1
"""Where the job's number doesn't matter."""
# What comes first where several things come in one second.
_CLOSE, _LOOK, _FORFEIT, _REOPEN, _ANSWER, _WANT, _FILL = range(7)


@dataclass(slots=True)
class _Slot:
    """A slot as it stands. `wanted`: the trace enrols its first node; `asked`: the node that is about to accept."""

    number: int
    home: str
    generation: int = 0
    wanted: bool = False
    node: str = ""
    opened_at: int = 0
    silent: int = 0
    last: int | None = None
    """Place of its last request among the moves."""
    span: int = 0
    """Place of its last assignment among the spans."""
    reopened: bool = False
    asked: str = ""
    declined: dict[str, int] = field(default_factory=dict)


def plan_moves(trace: Trace, plan: Schedule, policy: Policy, rules: Reallocation, committee: Committee) -> Moves:
    """Who serves which slot when, who is asked to go, and who comes."""
    return _World(trace, plan, policy, rules, committee).run()


class _World:
    def __init__(self, trace: Trace, plan: Schedule, policy: Policy, rules: Reallocation, committee: Committee) -> None:
        self.plan, self.clock, self.policy, self.rules, self.committee = plan, plan.clock, policy, rules, committee
        self.pool = Pool(trace, plan.clock, plan.nodes)
        self.enrolled = {name: trace.enrolments(name) for name in plan.nodes}
        self.slots = [_Slot(number, plan.nodes[number]) for number in range(plan.slots)]
        # Whoever was up in the last tick that is over was heard of.
        self.choosing = replace(Rules(), alive=plan.clock.tick)
        self.spans: list[Span] = []
        self.moves: list[Move] = []
        self.batches: list[Batch] = []
        self.closings: list[tuple[int, int, int]] = []
        self.reopenings: list[tuple[int, int]] = []
        self.refills = self.declined = 0
        self.cooling: set[int] = set()
        self._queue: list[tuple[int, int, int, Callable[[int], None]]] = []
        self._order = count()

    def run(self) -> Moves:
        """From the first second to the last."""
        for one in self.plan.spans:
            slot = self.slots[one.slot]
            self._at(one.start, _WANT, partial(self._want, slot))
            self._at(one.end, _CLOSE, partial(self._no_longer_wanted, slot))
        for name, times in self.enrolled.items():
            for _, end in times:
                self._at(end, _CLOSE, partial(self._leaves, name))
        for tick in range(self.clock.ticks_per_epoch * self.plan.first, self.clock.ticks_per_epoch * self.plan.after):
            end = self.clock.genesis + (tick + 1) * self.clock.tick
            self._at(end + 1, _LOOK, partial(self._look, tick))
        while self._queue:
            now, _, _, happens = heappop(self._queue)
            happens(now)
        return Moves(
            self.plan.spans,
            tuple(sorted(self.spans, key=lambda one: (one.slot, one.generation))),
            tuple(self.moves),
            tuple(self.batches),
            tuple(self.closings),
            tuple(self.reopenings),
            self.refills,
            self.declined,
            len(self.cooling),
        )

    def _at(self, time: int, order: int, happens: Callable[[int], None]) -> None:
        if self.plan.starts_at <= time < self.plan.ends_at:
            heappush(self._queue, (time, order, next(self._order), happens))

    # Nodes and slots come and go with the trace.

    def _want(self, slot: _Slot, now: int) -> None:
        """The trace enrols a slot's first node: it is placed as in a replay without reallocation."""
        slot.wanted = True
        request = self._request(slot)
        barred = request is not None and request.failed == self.pool.licences[slot.home] and now < request.cooldown_ends
        if self._closed_to(slot, now) or barred:
            self._fill(slot, now)
        else:
            self._open(slot, slot.home, now)

    def _no_longer_wanted(self, slot: _Slot, now: int) -> None:
        slot.wanted, slot.asked = False, ""
        if slot.node:
            self.closings.append((now, slot.number, slot.generation))
            self._close(slot, now)

    def _leaves(self, node: str, now: int) -> None:
        """The trace leaves a node uncovered: where it serves another's slot, that is filled again."""
        for slot in self.slots:
            if slot.node == node:
                self.closings.append((now, slot.number, slot.generation))
                self._close(slot, now)
                self._at(now, _FILL, partial(self._fill, slot))

    def _open(self, slot: _Slot, node: str, now: int) -> None:
        slot.generation += 1
        slot.node, slot.opened_at, slot.silent, slot.asked, slot.declined = node, now, 0, "", {}
        slot.span = len(self.spans)
        self.spans.append(Span(slot.number, slot.generation, node, now, self.plan.ends_at))
        move = self._move(slot)
        if move is not None and move.answered_at is None and slot.last is not None:
            self.moves[slot.last] = replace(move, answered_at=now, answered_by=node)
        elif node != slot.home:
            self.refills += 1

    def _close(self, slot: _Slot, as_of: int) -> None:
        self.spans[slot.span] = replace(self.spans[slot.span], end=as_of)
        slot.node = ""

    # After each tick the committee looks.

    def _look(self, tick: int, now: int) -> None:
        epoch, place = divmod(tick, self.clock.ticks_per_epoch)
        if place + 1 < self.clock.ticks_per_epoch:
            self._ask(epoch, place, now)
        else:
            # What was seen in an epoch that is over asks for nothing but by its silence.
            self._epoch_over(epoch)
        for slot in self.slots:
            self._fill(slot, now)

    def _ask(self, epoch: int, newest: int, now: int) -> None:
        found: dict[int, list[Breach]] = {}
        for slot in self.slots:
            # Whoever was up in the newest tick breaks nothing.
            if slot.node and not self.pool.bits(slot.node, epoch).up >> newest & 1:
                breaches = self._breaches(slot, epoch, newest)
                if breaches and self._cools_down(slot, now):
                    self.cooling.add(pack(_JOB, slot.number, slot.generation))
                elif breaches:
                    found[slot.number] = breaches
        if not found:
            return
        members = self.committee.members
        proposer = (epoch + newest) % len(members)
        told = [one for breaches in found.values() for one in breaches]
        asked = choose(
            members[proposer], dict.fromkeys(members, told), self.committee.quorum, newest, now
        )  # every oracle sees the same trace
        places = []
        for one in asked:
            slot = self.slots[one.assignment >> 32 & 0xFFFFFFFF]
            places.append((slot.number, slot.generation, one.reason, one.as_of))
            self._take_away(slot, one, now)
        if places:
            self.batches.append(Batch(now, epoch, proposer, tuple(places)))

    def _breaches(self, slot: _Slot, epoch: int, newest: int) -> list[Breach]:
        key = pack(_JOB, slot.number, slot.generation)
        seen = self._seen(slot, epoch, newest)
        found = (
            outage(key, self.policy, self.clock, epoch, seen),
            missed(key, self.policy, self.clock, epoch, seen, slot.opened_at, slot.silent),
        )
        return [one for one in found if one is not None]

    def _seen(self, slot: _Slot, epoch: int, newest: int) -> Seen:
        ticks, bits = self.clock.whole_ticks(epoch, slot.opened_at, self.plan.ends_at), self.pool.bits(slot.node, epoch)
        # A tick that isn't over hasn't been seen by anybody.
        mask = span(ticks) & ((1 << newest + 1) - 1)
        return Seen(bits.up & mask, bits.seen & mask, ticks, newest)

    def _take_away(self, slot: _Slot, asked: Asked, now: int) -> None:
        deadline, cooldown_ends = now + self.policy.answer_seconds, now + self.policy.cooldown_seconds
        self.pool.failed(slot.node)
        place = slot.last = len(self.moves)
        slot.reopened = False
        self.moves.append(
            Move(
                slot.number,
                slot.generation,
                slot.node,
                asked.reason,
                asked.as_of,
                self._down_since(slot, asked.as_of),
                now,
                deadline,
                cooldown_ends,
            )
        )
        self._close(slot, asked.as_of)
        self._at(deadline + 1, _FORFEIT, partial(self._forfeit, slot, place))

    def _down_since(self, slot: _Slot, as_of: int) -> int:
        """When the outage began that is asked about as of then, where it goes back beyond its epoch."""
        epoch = self.clock.epoch_at(as_of)
        # A request is as of a second into its epoch at the earliest, wherever the outage began.
        since = self.clock.start(epoch) if as_of == self.clock.start(epoch) + 1 else as_of
        while since == self.clock.start(epoch) and since > max(slot.opened_at, self.plan.starts_at):
            epoch -= 1
            seen = self._seen(slot, epoch, self.clock.ticks_per_epoch - 1)
            down = seen.observed >> seen.up.bit_length() << seen.up.bit_length()
            if not down:
                break
            since = self.clock.start(epoch) + ((down & -down).bit_length() - 1) * self.clock.tick
            if seen.up:
                break
        return since

    def _forfeit(self, slot: _Slot, move: int, now: int) -> None:
        if self.moves[move].answered_at is not None:
            return
        self.moves[move] = replace(self.moves[move], forfeited=True)
        if self.rules.reopen_after:
            later = now - 1 + self.rules.reopen_after
            self._at(later, _REOPEN, partial(self._reopen, slot))

    def _reopen(self, slot: _Slot, now: int) -> None:
        slot.reopened = True
        self.reopenings.append((now, slot.number))
        self._at(now, _FILL, partial(self._fill, slot))

    def _epoch_over(self, epoch: int) -> None:
        ticks = self.clock.ticks_per_epoch
        for slot in self.slots:
            if slot.node and slot.opened_at <= self.clock.start(epoch):
                seen = self._seen(slot, epoch, ticks - 1)
                slot.silent = slot.silent + 1 if was_silent(seen.up, seen.observed, ticks) else 0
        self.pool.epoch_over(epoch)

    # The orchestrator fills what is empty.

    def _fill(self, slot: _Slot, now: int) -> None:
        """Choose a free node that was up lately; it accepts after the answer delay, if it is up then."""
        arrives = now + self.rules.answer_delay
        if not slot.wanted or slot.node or slot.asked or self._closed_to(slot, arrives):
            return
        taken = {one.node for one in self.slots} | {one.asked for one in self.slots}
        free = [name for name in self.plan.nodes if name not in taken and self._is_enrolled(name, now)]
        free = [name for name in free if self.pool.up_in_tick(name, self.clock.ticks_since_genesis(now) - 1)]
        slot.asked = self.pool.best(free, now, self._request(slot), slot.declined, self.choosing)
        if slot.asked:
            self._at(arrives, _ANSWER, partial(self._answer, slot, slot.asked))

    def _answer(self, slot: _Slot, node: str, now: int) -> None:
        if slot.asked != node or slot.node:
            return  # it is no longer wanted there
        busy = any(one.node == node for one in self.slots)
        if (
            not busy
            and self._is_enrolled(node, now)
            and self.pool.up_in_tick(node, self.clock.ticks_since_genesis(now))
        ):
            self._open(slot, node, now)
            return
        self.declined += 1
        slot.asked, slot.declined[node] = "", now + self.choosing.declined
        self._fill(slot, now)

    def _is_enrolled(self, node: str, now: int) -> bool:
        return any(start <= now < end for start, end in self.enrolled[node])

    # What the chain says of a slot.

    def _move(self, slot: _Slot) -> Move | None:
        return None if slot.last is None else self.moves[slot.last]

    def _closed_to(self, slot: _Slot, at: int) -> bool:
        """Whether the chain takes no assignment for the slot then: its request wasn't answered in time."""
        move = self._move(slot)
        return move is not None and move.answered_at is None and at > move.deadline and not slot.reopened

    def _cools_down(self, slot: _Slot, now: int) -> bool:
        move = self._move(slot)
        return move is not None and now < move.cooldown_ends

    def _request(self, slot: _Slot) -> Request | None:
        move = self._move(slot)
        if move is None:
            return None
        state = RequestState.OPEN if move.answered_at is None else RequestState.ANSWERED
        failed = self.pool.licences[move.node]
        return Request(b"", state, move.deadline, move.cooldown_ends, failed, move.reason)
