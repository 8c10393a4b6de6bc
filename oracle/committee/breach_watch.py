"""What one oracle would ask other nodes for: from its own stores and from the chain."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from eth_utils.abi import function_signature_to_4byte_selector

from chain.client import Block, RpcError
from chain.network import Network, named
from chain.words import StructList, uint_list
from oracle.committee.committee import Committee
from oracle.committee.placing_book import SUSPENDED, PlacingBook, Serving, Terms
from oracle.committee.reallocation_messages import MAX_CLAIMS, Asked
from oracle.ground.breaches import Breach, Reason, Seen, away, missed, outage, outcast, was_silent
from oracle.ground.clock import EpochClock
from oracle.ground.maintenance import Span, counted, declared_within, policy_window, ticks_of
from oracle.telemetry.store.bitmaps import BitmapStore
from oracle.telemetry.store.records import EpochRecord, merged

_PAGE: Final = 500
_ASSIGNMENTS_OF: Final = function_signature_to_4byte_selector("assignmentsOf(uint256[])")
_PAST_AT_ONCE: Final = 2
"""Epochs of the past that one look reads: each may take a second."""
_MOST_PAST: Final = 366


@dataclass(frozen=True, slots=True)
class _Watched:
    """An assignment that runs, with the times in which it does (UNIX seconds)."""

    serving: Serving
    terms: Terms
    opened_at: int
    stop: int


class BreachWatch:
    """See `reallocating.Watch`. Of what it saw it says nothing while it is blind: see `ground.breaches`."""

    def __init__(self, network: Network, book: PlacingBook, clock: EpochClock, stores: Sequence[BitmapStore]) -> None:
        """`stores`: this oracle's own, and those of its further intakes."""
        self.network = network
        self.book = book
        self.clock = clock
        self._stores = tuple(stores)
        self._views = StructList(network.lens.abi, "assignmentsOf", ("id", "openedAt", "closedAt", "stop"))
        self._committees: dict[int, Committee] = {}
        self._generation = -1
        self._opened: dict[int, int] = {}
        self._silent: dict[int, frozenset[int]] = {}
        self._imposed_at: dict[int, int] = {}

    # What the machine asks for.

    def committee(self) -> Committee:
        """See `reallocating.Watch`: by the newest block."""
        calls, chain = self.network.attestations.functions, self.network.chain
        version = chain.call(calls.committeeInForce())[0]
        if version not in self._committees:
            signers, _ = chain.call(calls.committee(version))
            self._committees = {version: Committee(version, tuple(bytes.fromhex(one[2:]) for one in signers))}
        return self._committees[version]

    def breaches(self, epoch: int, now: float) -> Mapping[tuple[int, Reason], Breach]:
        """See `reallocating.Watch`. At most as many as `MAX_CLAIMS`."""
        self.book.refresh()
        head = self.book.head
        watched = self._watched(head, now)
        found = [*self._by_sight(watched, epoch, now), *self._by_the_chain(watched, epoch, now, head)]
        found = sorted(found)[:MAX_CLAIMS]
        still = self._open_now({one.assignment for one in found}, now) if found else set()
        return {(one.assignment, one.reason): one for one in found if one.assignment in still}

    def askable(self, requests: Sequence[Asked], now: float) -> list[Asked]:
        """See `reallocating.Watch`: by the newest block."""
        lens, found = self.network.lens, []
        for one in requests:
            job, slot = one.assignment >> 64, one.assignment >> 32 & 0xFFFFFFFF
            views = self.network.chain.call(lens.functions.slotsOf(job, slot, 1))
            for view in (named(lens, "slotsOf", each) for each in views):
                here, last = view["assignment"], view["request"]
                is_open = here["id"] == one.assignment and not here["closedAt"] and here["stop"] > now
                if is_open and last["cooldownEnds"] <= now:
                    found.append(one)
        return found

    def terms(self, assignment: int) -> Terms:
        """The terms of an assignment's job. RpcError where its creation isn't final (any more)."""
        found = self.book.terms.get(assignment >> 64)
        if found is None:
            raise RpcError(f"job {assignment >> 64} isn't among the finalized events; try again later")
        return found

    # What runs.

    def _watched(self, head: Block, now: float) -> list[_Watched]:
        """The assignments that run and whose policy may ask for another node."""
        book = self.book
        if self._generation != book.generation:
            self._generation = book.generation
            self._opened, self._silent, self._imposed_at = {}, {}, {}
        running = [
            one
            for key, one in sorted(book.open.items())
            if book.stops.get(key >> 64, 0) > now and book.terms[key >> 64].policy.answer_seconds
        ]
        opened = self._opened_at([one.assignment for one in running], head)
        return [
            _Watched(one, book.terms[job], opened[one.assignment], book.stops[job])
            for one in running
            for job in [one.assignment >> 64]
        ]

    def _opened_at(self, assignments: Iterable[int], head: Block) -> Mapping[int, int]:
        """By assignment, when it opened; asked for once."""
        lacking = [one for one in assignments if one not in self._opened]
        for key, opened_at, _, _ in self._read(lacking, head):
            self._opened[key] = opened_at
        return self._opened

    def _open_now(self, assignments: Collection[int], now: float) -> set[int]:
        return {
            key for key, _, closed_at, stop in self._read(sorted(assignments), None) if not closed_at and stop > now
        }

    def _read(self, assignments: Sequence[int], at: Block | None) -> Iterable[tuple[int, int, int, int]]:
        for start in range(0, len(assignments), _PAGE):
            asked = uint_list(_ASSIGNMENTS_OF, assignments[start : start + _PAGE])
            for row in self._views.decode(self.network.chain.call_data(self.network.lens.address, asked, at)):
                yield row[0], row[1], row[2], row[3]

    # What the oracle saw.

    def _by_sight(self, watched: Sequence[_Watched], epoch: int, now: float) -> list[Breach]:
        asking = [one for one in watched if one.terms.policy.outage_seconds or one.terms.policy.missed_epochs]
        if not asking:
            return []
        record = self._record(epoch, watched)
        newest = (int(now) - self.clock.start(epoch)) // self.clock.tick - 1
        found: list[Breach] = []
        never_up: list[tuple[_Watched, Seen]] = []
        for one in asking:
            seen = self._seen(one, record, newest)
            breach = outage(one.serving.assignment, one.terms.policy, self.clock, epoch, seen)
            if breach is not None:
                found.append(breach)
            if one.terms.policy.missed_epochs and not seen.up:
                never_up.append((one, seen))
        silent = self._silent_epochs([one for one, _ in never_up], asking, epoch)
        for one, seen in never_up:
            key, policy = one.serving.assignment, one.terms.policy
            breach = missed(key, policy, self.clock, epoch, seen, one.opened_at, silent.get(key, 0))
            if breach is not None:
                found.append(breach)
        return found

    def _record(self, epoch: int, watched: Iterable[_Watched]) -> EpochRecord:
        return merged(store.read(epoch) for store in self._stores).judged_by(one.serving.node for one in watched)

    def _seen(self, one: _Watched, record: EpochRecord, newest: int) -> Seen:
        up, observed = record.bits(one.terms.policy.evidence, one.serving.node, one.serving.assignment)
        declared = self._declared(one, record.epoch)
        if declared:
            unmeasured = counted(declared, one.terms.policy.maintenance_seconds)
            observed &= ~ticks_of(unmeasured, self.clock, record.epoch)
        span = self.clock.whole_ticks(record.epoch, one.opened_at, one.stop)
        mask = (1 << span.stop) - (1 << span.start)
        return Seen(up & mask, observed & mask, span, newest)

    def _silent_epochs(self, asked: Sequence[_Watched], watched: Sequence[_Watched], epoch: int) -> dict[int, int]:
        """By assignment, how many epochs on end it was silent up to the last one, as far as its policy asks."""
        runs: dict[int, int] = {}
        left = {one.serving.assignment: one.terms.policy.missed_epochs for one in asked}
        self._silent = {each: told for each, told in self._silent.items() if each >= epoch - _MOST_PAST}
        room = _PAST_AT_ONCE
        for each in range(epoch - 1, max(-1, epoch - 1 - _MOST_PAST), -1):
            left = {key: most for key, most in left.items() if runs.get(key, 0) == epoch - 1 - each < most}
            if not left:
                break
            if each not in self._silent:
                if not room:
                    break  # the next look goes on
                room -= 1
                self._silent[each] = self._silent_in(each, watched)
            for key in left:
                if key in self._silent[each]:
                    runs[key] = runs.get(key, 0) + 1
        return runs

    def _silent_in(self, epoch: int, watched: Sequence[_Watched]) -> frozenset[int]:
        record = self._record(epoch, watched)
        ticks = self.clock.ticks_per_epoch
        found = set()
        for one in watched:
            if one.terms.policy.missed_epochs and one.opened_at <= self.clock.start(epoch):
                seen = self._seen(one, record, ticks - 1)
                if was_silent(seen.up, seen.observed, ticks):
                    found.add(one.serving.assignment)
        return frozenset(found)

    # What the chain says.

    def _by_the_chain(self, watched: Sequence[_Watched], epoch: int, now: float, head: Block) -> list[Breach]:
        found: list[Breach | None] = []
        for one in watched:
            key, policy = one.serving.assignment, one.terms.policy
            since = self._outcast_since(one.serving, head)
            if since is not None:
                found.append(outcast(key, policy, self.clock, epoch, one.opened_at, since))
            declared = self._declared(one, epoch)
            if declared:
                found.append(away(key, policy, self.clock, epoch, one.opened_at, declared, int(now)))
        return [one for one in found if one is not None]

    def _outcast_since(self, serving: Serving, head: Block) -> int | None:
        """Since when the licence or its node is suspended or blacklisted; None: it isn't at the finalized block."""
        times = []
        for subject in serving.subjects:
            blocks = self.book.imposed.get(subject)
            if not blocks:
                continue
            # A status may have lapsed without an event.
            status = self.network.chain.call(self.network.trust.functions.statusOf(subject), head)
            if status >= SUSPENDED:
                times.append(self._time_of(min(blocks.values())))
        return min(times, default=None)

    def _time_of(self, block: int) -> int:
        if block not in self._imposed_at:
            self._imposed_at[block] = self.network.chain.block(block).timestamp
        return self._imposed_at[block]

    def _declared(self, one: _Watched, epoch: int) -> list[Span]:
        """The licence's maintenance in the epoch's policy window, in which it had this slot."""
        windows = self.book.maintenance.get(one.serving.licence)
        if not windows or not one.terms.policy.maintenance_seconds:
            return []
        within = policy_window(self.clock, one.terms.policy, epoch)
        windows = [each for each in windows if each[0] < within[1] and within[0] < each[1]]
        if not windows:
            return []
        served = [(one.opened_at, one.stop)]
        past = self.book.past.get(one.serving.assignment >> 32, ())
        mine = [(was, closed_at) for was, closed_at in past if was.licence == one.serving.licence]
        if mine:
            opened = self._opened_at([was.assignment for was, _ in mine], self.book.head)
            served += [(opened[was.assignment], closed_at) for was, closed_at in mine]
        return declared_within(windows, served, within)
