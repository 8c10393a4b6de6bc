"""The plan: what to send now, what will follow once that is mined, and what has to wait. Pure.

All actions of one plan may be sent in any order, or twice, and by several keepers at once: whatever would change what
another one comes to (closing a job that still settles, releasing what an appeal still raises) isn't planned yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from oracle.ground.ids import KIND_ASSIGNMENT
from oracle.ground.leaves import Leaf
from oracle.ground.merkle import Tree
from settlement.planning import gas
from settlement.planning.actions import (
    Action,
    BurnBonds,
    Claim,
    CloseJob,
    Expire,
    Kind,
    Observe,
    Refund,
    Release,
    SendToBurn,
    SendToProtocol,
    Settle,
    SettleRange,
    Swap,
    What,
    key_of,
)
from settlement.planning.allowed import Settled, Times, settled
from settlement.planning.burning import next_step
from settlement.planning.settings import PlanSettings
from settlement.planning.settling import Mover, Piece, call_of, pieces
from settlement.planning.snapshot import Book, JobState, Snapshot, TokenState

_NEVER = 1 << 256
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Plan:
    """actions: to be sent now, in any order. follows: payments that become due once they are mined. waiting: what isn't
    done yet and why, a line each."""

    actions: tuple[Action, ...]
    follows: tuple[Action, ...]
    waiting: tuple[str, ...]

    @property
    def gas(self) -> int:
        """What the actions take together."""
        return sum(one.gas for one in self.actions)


def plan(snapshot: Snapshot, trees: Mapping[int, Tree], settings: PlanSettings) -> Plan:
    """What to do at a snapshot, with the trees of final reports by epoch, as far as they are known.

    A tree that isn't that of the report makes transactions that the contracts refuse: check its root first.
    """
    return _Planning(snapshot, trees, settings).run()


@dataclass(frozen=True, slots=True)
class _Moving:
    """A leaf of the newest report that would move something."""

    index: int
    leaf: Leaf
    done: Settled
    due: bool


class _Planning:
    def __init__(self, snapshot: Snapshot, trees: Mapping[int, Tree], settings: PlanSettings) -> None:
        self.snapshot = snapshot
        self.settings = settings
        self.times = Times(snapshot)
        self.waiting: list[str] = []
        self.reports = [one for one in self.times.final if one.epoch in trees]
        self.report = self.reports[-1] if self.reports else None
        self.tree = trees[self.report.epoch] if self.report else None
        self.newest = self.times.final[-1] if self.times.final else None
        self.moving: dict[int, _Moving] = {}
        self.unknown: set[int] = set()
        if self.report and self.tree:
            for index, leaf in enumerate(self.tree.leaves):
                if leaf.kind != KIND_ASSIGNMENT:
                    continue
                if leaf.id not in snapshot.books:
                    self.unknown |= {leaf.id >> 64} if leaf.id not in snapshot.left_out else set()
                else:
                    book = snapshot.books[leaf.id]
                    job = snapshot.jobs.get(book.job)
                    if job is None:
                        continue
                    done = settled(snapshot.rules, book, job, self.report.epoch, leaf)
                    if done.moves:
                        self.moving[leaf.id] = _Moving(index, leaf, done, self._is_due(done, job))
        # Without the newest tree, what it still pays isn't known.
        self.knows_all = self.newest is None or self.report == self.newest or self._patience_over(self.newest.final_at)

    def run(self) -> Plan:
        kinds = self.settings.kinds
        actions: list[Action] = []
        follows: list[Action] = []
        if Kind.SETTLE in kinds:
            actions += self._settling()
        if Kind.CLAIM in kinds:
            paid = {key for one in actions for key in _paid_by(one.what)}
            booked = [book for key, book in self.snapshot.books.items() if key not in paid]
            actions += self._claims([book for book in booked if not self._is_settled_now(book.id)])
            after = [self.moving[book.id].done.book for book in booked if self._is_settled_now(book.id)]
            follows += self._claims(after)
        if Kind.RELEASE in kinds:
            actions += self._releases({key for one in actions for key in _settled_by(one.what)})
        if Kind.CLOSE in kinds:
            actions += self._closing()
        if Kind.EXPIRE in kinds:
            actions += self._expiring()
        busy = {job for one in (*actions, *follows) for job in _jobs_of(one.what)}
        actions += self._sends(busy)
        actions += self._burns(busy, {one.token for one in actions if one.kind in (Kind.PROTOCOL, Kind.BURN)})
        self._tell_missing()
        return Plan(tuple(actions), tuple(follows), tuple(self.waiting))

    # Seconds

    def _is_due(self, done: Settled, job: JobState) -> bool:
        """Whether a leaf that moves is to be settled now: the last seconds and appeals are, others wait for company."""
        if done.book.through >= done.book.stop or done.raised:
            return True
        least = self.settings.least_paid.get(job.token, 0)
        enough = job.rates.gross(done.room) >= least
        return enough and done.room > (self.settings.batch_epochs - 1) * self.snapshot.rules.clock.length

    def _is_settled_now(self, key: int) -> bool:
        moving = self.moving.get(key)
        return moving is not None and moving.due and Kind.SETTLE in self.settings.kinds

    def _settling(self) -> Iterator[Action]:
        if self.report is None or self.tree is None:
            return
        due = [one for one in self.moving.values() if one.due]
        movers = [Mover(one.index, self._effort(one), self._pays(one)) for one in due]
        by_index = {one.index: one for one in due}
        for piece in pieces(self.tree, movers, self.settings.max_gas):
            inside = [by_index[index] for index in range(piece.first, piece.last + 1) if index in by_index]
            yield self._settling_one(inside[0]) if piece.alone else self._settling_many(piece, inside)

    def _settling_one(self, one: _Moving) -> Action:
        assert self.tree is not None
        assert self.report is not None
        proof, pays = self.tree.proof(one.index), self._pays(one)
        what = Settle(self.report.epoch, one.leaf, proof, pays)
        spent = gas.single(pays, len(proof), self._effort(one))
        spent += gas.FRESH * (pays and not one.done.book.claimed) + self._fresh_tally([one])
        amount = self._unpaid(one.done.book) if pays else 0
        return self._action(Kind.SETTLE, what, spent, one.leaf.id >> 64, [self._state(one)], amount)

    def _settling_many(self, piece: Piece, inside: Sequence[_Moving]) -> Action:
        assert self.tree is not None
        assert self.report is not None
        call = call_of(self.tree, piece)
        leaves = self.tree.leaves[inside[0].index : inside[-1].index + 1]
        more = sum(self._effort(one) for one in inside)
        spent = gas.in_range(leaves, len(inside), more, len(call.proof)) + self._fresh_tally(inside)
        state = [self._state(one) for one in inside]
        return self._action(Kind.SETTLE, SettleRange(self.report.epoch, call, leaves), spent, call.job, state)

    def _fresh_tally(self, inside: Sequence[_Moving]) -> int:
        """A job's tally that nothing was booked in takes more to write."""
        return gas.FRESH * (not any(self.snapshot.books[one.leaf.id].accounted for one in inside))

    def _state(self, one: _Moving) -> tuple[int, ...]:
        book = self.snapshot.books[one.leaf.id]
        return one.leaf.id, book.through, book.earned, book.accounted

    def _effort(self, one: _Moving) -> int:
        before = self.snapshot.books[one.leaf.id]
        return gas.effort(one.done, before, self.snapshot.jobs[before.job])

    def _pays(self, one: _Moving) -> bool:
        return Kind.CLAIM in self.settings.kinds and self._is_payable(one.done.book)

    # Payments

    def _unpaid(self, book: Book) -> int:
        rates = self.snapshot.jobs[book.job].rates
        return rates.net(book.earned) - rates.net(book.claimed)

    def _is_payable(self, book: Book) -> bool:
        job = self.snapshot.jobs.get(book.job)
        if job is None or book.earned <= book.claimed or book.refused or self.times.waits(book):
            return False
        if book.through >= book.stop or job.closed:
            # Seconds that come to nothing are claimed with the last ones: then the job's rounding is its CSP's.
            return self._unpaid(book) >= self.settings.least_closed.get(job.token, 0)
        return self._unpaid(book) >= max(1, self.settings.least_paid.get(job.token, 0))

    def _claims(self, books: Sequence[Book]) -> Iterator[Action]:
        payable = [book for book in sorted(books, key=lambda one: one.id) if self._is_payable(book)]
        for page in _pages(payable, _payment, self.settings.max_gas - gas.CLAIM):
            state = [(one.id, one.claimed, one.earned, one.refusals) for one in page]
            tokens = {self.snapshot.jobs[one.job].token for one in page}
            amount = sum(map(self._unpaid, page)) if len(tokens) == 1 else 0
            what = Claim(tuple(one.id for one in page))
            yield self._action(Kind.CLAIM, what, gas.CLAIM + sum(map(_payment, page)), None, state, amount, tokens)

    # What is held

    def _releases(self, settled: set[int]) -> Iterator[Action]:
        """`settled`: what this plan's settlements touch, be it as company in a range; they release on their way."""
        releasable = [one for one in self.snapshot.books.values() if self.times.releasable(one)]
        due = [one for one in releasable if one.id not in settled]
        free = [one for one in sorted(due, key=lambda one: one.id) if self._is_releasable(one)]
        if len(free) < len(due):
            self.waiting.append(
                f"{len(due) - len(free)} assignments: to be settled before anything of them is released"
            )

        def one_of(book: Book) -> int:
            return gas.RELEASED + gas.PENALTY * self.snapshot.jobs[book.job].penal

        for page in _pages(free, one_of, self.settings.max_gas - gas.RELEASE):
            penal = sum(self.snapshot.jobs[one.job].penal for one in page)
            spent = gas.release(penal, len(page) - penal)
            what = Release(tuple(one.id for one in page))
            yield self._action(Kind.RELEASE, what, spent, None, [(one.id, one.held) for one in page])

    def _is_releasable(self, book: Book) -> bool:
        """An appeal that the newest report grants comes out of the held: it is settled first."""
        if book.job not in self.snapshot.jobs:
            return False
        moving = self.moving.get(book.id)
        return self.knows_all and (moving is None or not (moving.due or moving.done.raised))

    # Ends

    def _closing(self) -> Iterator[Action]:
        moving = {key >> 64 for key in self.moving}
        for job in self.snapshot.jobs.values():
            if not self.times.closable(job):
                continue
            if job.number in moving or job.number in self.unknown or not self.knows_all:
                self.waiting.append(f"job {job.number}: its last seconds are to be settled before it is closed")
            else:
                yield self._action(Kind.CLOSE, CloseJob(job.number), gas.CLOSE_JOB, job.number, [])

    def _expiring(self) -> Iterator[Action]:
        over = {job.number for job in self.snapshot.jobs.values() if self.times.over(job)}
        left = sorted(one.id for one in self.snapshot.books.values() if one.open and one.job in over)
        for page in _pages(left, lambda _: gas.EXPIRED, self.settings.max_gas - gas.EXPIRE):
            yield self._action(Kind.EXPIRE, Expire(tuple(page)), gas.expire(len(page)), None, page)

    # Money that isn't a payee's

    def _sends(self, busy: set[int]) -> Iterator[Action]:
        """`busy` jobs come to more soon: what they owe goes out together."""
        for job in self.snapshot.jobs.values():
            if job.number in busy:
                continue
            least = self._least(job)
            if job.refundable >= least and not self.times.refund_waits(job):
                yield from self._send(Kind.REFUND, Refund(job.number), gas.REFUND, job, job.refunded, job.refundable)
            if job.protocol_due >= least:
                what = SendToProtocol(job.number)
                yield from self._send(Kind.PROTOCOL, what, gas.SEND, job, job.to_protocol, job.protocol_due)
            if job.burnable >= least:
                yield from self._send(Kind.BURN, SendToBurn(job.number), gas.SEND, job, job.burned, job.burnable)

    def _send(self, kind: Kind, what: What, spent: int, job: JobState, before: int, amount: int) -> Iterator[Action]:
        if kind in self.settings.kinds:
            yield self._action(kind, what, spent, job.number, [job.number, before, amount], amount, {job.token})

    def _least(self, job: JobState) -> int:
        if job.closed:
            return max(1, self.settings.least_closed.get(job.token, 0))
        return max(1, self.settings.least_sent.get(job.token, _NEVER))

    def _burns(self, busy: set[int], coming: set[str]) -> Iterator[Action]:
        """`coming`: tokens of which more is sent to the burner by this plan."""
        if Kind.BURN not in self.settings.kinds:
            return
        penal = {self.snapshot.jobs[number].token for number in busy if self.snapshot.jobs[number].penal}
        for token, state in self.snapshot.tokens.items():
            least = max(1, self.settings.least_sent.get(token, _worth_swapping(state)))
            if token in penal or token in coming:
                continue
            if state.in_bonds >= least:
                what, spent = BurnBonds(token), gas.SEND
                yield self._action(Kind.BURN, what, spent, None, [token, state.in_bonds], state.in_bonds, {token})
            elif state.at_burner >= least:
                yield from self._burn(token, state)

    def _burn(self, token: str, state: TokenState) -> Iterator[Action]:
        what, route, amount = next_step(token, state, self.snapshot.now), state.route, state.at_burner
        if what is None:
            if route is not None:
                self.waiting.append(f"{token}: the burner swaps some of it once its cooldown and its price allow")
            return
        spent, known = gas.BURN, [token, amount]
        if route is not None:
            known += [route.swappable_at, route.observed_at]
            amount = 0 if isinstance(what, Observe) else min(amount, route.most)
            spent = gas.SWAP if isinstance(what, Swap) else gas.OBSERVE
        yield self._action(Kind.BURN, what, spent, None, known, amount, {token})

    # Both

    def _action(
        self,
        kind: Kind,
        what: What,
        spent: int,
        job: int | None,
        state: Sequence[object],
        amount: int = 0,
        tokens: set[str] | None = None,
    ) -> Action:
        epoch = self.newest.epoch if self.newest else -1
        name = type(what).__name__
        key = key_of(kind, name, job, getattr(what, "epoch", -1), *state)
        lane = f"{name} {job if job is not None else getattr(what, 'token', 'all')} {epoch}"
        if tokens is None and job is not None:
            tokens = {self.snapshot.jobs[job].token}
        token = next(iter(tokens)) if tokens and len(tokens) == 1 else ""
        return Action(kind, what, key, lane, spent, amount, token)

    def _patience_over(self, final_at: int) -> bool:
        return self.snapshot.now >= final_at + self.settings.evidence_patience

    def _tell_missing(self) -> None:
        if self.newest is not None and self.report != self.newest:
            self.waiting.append(f"the tree of epoch {self.newest.epoch}: nobody gave its evidence yet")
        late = sum(not one.due for one in self.moving.values())
        if late:
            self.waiting.append(f"{late} assignments: settled once more of their seconds came together")
        held_back = sum(self.times.waits(book) and book.earned > book.claimed for book in self.snapshot.books.values())
        if held_back:
            self.waiting.append(f"{held_back} assignments: frozen, their payees are paid when that ends")
        refused = sum(book.refused for book in self.snapshot.books.values())
        if refused:
            self.waiting.append(f"{refused} assignments: the token refuses to pay their payees")


def _worth_swapping(state: TokenState) -> int:
    """Of what is swapped first so little isn't sent that anybody could have keepers pay for next to nothing."""
    return state.route.most // 100 if state.route is not None else 0


def _settled_by(what: What) -> Iterator[int]:
    match what:
        case Settle(_, leaf, _, _):
            yield leaf.id
        case SettleRange(_, _, leaves):
            yield from (leaf.id for leaf in leaves)


def _paid_by(what: What) -> Iterator[int]:
    if isinstance(what, Settle) and what.claims:
        yield what.leaf.id


def _jobs_of(what: What) -> set[int]:
    match what:
        case Settle(_, leaf, _, _):
            return {leaf.id >> 64}
        case SettleRange(_, call, _):
            return {call.job}
        case Claim(assignments) | Release(assignments):
            return {key >> 64 for key in assignments}
        case CloseJob(job):
            return {job}
        case _:
            return set()


def _payment(book: Book) -> int:
    """A payee who was never paid may have no balance yet."""
    return gas.PAYMENT + gas.FRESH * (not book.claimed)


def _pages(items: Sequence[_T], gas_of: Callable[[_T], int], room: int) -> Iterator[list[_T]]:
    """Parts of a list of which each stays within `room`, in gas; one that exceeds it stands alone."""
    page: list[_T] = []
    spent = 0
    for one in items:
        mine = gas_of(one)
        if page and spent + mine > room:
            yield page
            page, spent = [], 0
        page.append(one)
        spent += mine
    if page:
        yield page
