# SPDX-License-Identifier: Apache-2.0
"""A chain with the rules of the Attestations contract, that loses transactions and its newest blocks when told to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from oracle.ground.clock import EpochClock
from oracle.ground.keccak import keccak256
from oracle.ground.median import quorum
from oracle.ground.typed_data import EpochReport
from oracle.signing.compact import InvalidSignature, recover
from tests.property.committee.simulation.plan import ACTIVATION, BLOCK, GENESIS, GRACE, REPORTS, REVIEW

NEVER: Final = 1 << 60


class Reverted(Exception):
    """A transaction that the contract refuses."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A report that is pending or final."""

    report: EpochReport
    final_at: int


@dataclass(frozen=True, slots=True)
class State:
    """What the contract holds. Sets by version, from 1 on."""

    sets: tuple[tuple[bytes, ...], ...]
    pending: Kept | None = None
    last: Kept | None = None
    reviewed_below: int = 0
    current: int = 1
    since: int = GENESIS
    previous: int = 0
    announced: int = 0
    until: int = NEVER

    def at(self, time: int) -> State:
        """The state as it counts at `time`: with what became final, and with a takeover that is due."""
        state = self
        if state.pending is not None and time >= state.pending.final_at:
            state = replace(state, pending=None, last=state.pending)
        if time >= state.until:
            state = replace(
                state,
                current=state.announced,
                since=state.until,
                previous=state.current,
                announced=0,
                until=NEVER,
            )
        return state


Action = Callable[[State, int], State]
"""What a transaction does to the state at a time; Reverted."""


@dataclass(frozen=True, slots=True)
class Transaction:
    """`name` is told once per chain: the same transaction can't be mined twice."""

    name: str
    action: Action
    report: EpochReport | None = None


@dataclass(frozen=True, slots=True)
class Mined:
    """A block; `cleared` are the epochs whose pending report was vetoed or dropped in it."""

    number: int
    hash: str
    timestamp: int
    state: State
    done: tuple[str, ...] = ()
    submitted: tuple[EpochReport, ...] = ()
    cleared: tuple[int, ...] = ()


@dataclass(slots=True)
class SimChain:
    """Blocks come every `BLOCK` seconds, the first one at genesis."""

    clock: EpochClock
    first: tuple[bytes, ...]
    blocks: list[Mined] = field(default_factory=list)
    waiting: dict[str, Transaction] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)
    forks: int = 0
    on_submitted: Callable[[EpochReport, Mined], None] = lambda report, block: None

    def __post_init__(self) -> None:
        self._seal(GENESIS, State((self.first,)), [])

    @property
    def head(self) -> Mined:
        return self.blocks[-1]

    def send(self, transaction: Transaction) -> None:
        """Have a transaction wait for a block, unless it was mined."""
        if transaction.name not in self.done:
            self.waiting.setdefault(transaction.name, transaction)

    def try_out(self, transaction: Transaction, block: Mined) -> None:
        """Reverted if it would fail on top of a block."""
        transaction.action(block.state, block.timestamp + BLOCK)

    def mine(self, chosen: list[Transaction]) -> None:
        """The next block, with these transactions in this order; those that fail are spent all the same."""
        self._seal(self.head.timestamp + BLOCK, self.head.state, chosen)

    def reorganise(self, depth: int) -> None:
        """Take the newest blocks back and put empty ones in their place: what they held is lost until it is resent."""
        depth = min(depth, len(self.blocks) - 1)
        taken = self.blocks[len(self.blocks) - depth :]
        del self.blocks[len(self.blocks) - depth :]
        self.forks += 1
        for block in taken:
            self.done -= set(block.done)
        for _ in taken:
            self.mine([])

    def _seal(self, timestamp: int, state: State, chosen: list[Transaction]) -> None:
        submitted: list[EpochReport] = []
        cleared: list[int] = []
        for one in chosen:
            self.waiting.pop(one.name, None)
            self.done.add(one.name)
            before = state.at(timestamp)
            try:
                state = one.action(state, timestamp)
            except Reverted:
                continue
            if one.report is not None:
                submitted.append(one.report)
            elif before.pending is not None and state.pending is None:
                cleared.append(before.pending.report.epoch)
        state = state.at(timestamp)
        number = len(self.blocks)
        digest = "0x" + keccak256(f"block {number} of fork {self.forks}".encode()).hex()
        names = tuple(one.name for one in chosen)
        block = Mined(number, digest, timestamp, state, names, tuple(submitted), tuple(cleared))
        self.blocks.append(block)
        for report in submitted:
            self.on_submitted(report, block)

    # What the contract does.

    def submit(self, report: EpochReport, members: int, signatures: bytes) -> Transaction:
        """See Attestations.submit."""

        def action(state: State, time: int) -> State:
            state = state.at(time)
            _require(report.root != bytes(32), "zero root")
            _require(time >= self.clock.end(report.epoch), "epoch not over")
            _require(state.pending is None, "report pending")
            last = state.last.report.root if state.last else bytes(32)
            _require(state.last is None or report.epoch > state.last.report.epoch, "epoch out of order")
            _require(report.parent == last, "wrong parent")
            in_grace = state.previous and time < state.since + GRACE
            allowed = report.committee == state.current or (in_grace and report.committee == state.previous)
            _require(bool(allowed), "committee not in force")
            _require_quorum(state.sets[report.committee - 1], report, members, signatures)
            delay = REVIEW if report.epoch < state.reviewed_below else ACTIVATION
            return replace(state, pending=Kept(report, time + delay))

        name = f"submit {report} {members:x} {keccak256(signatures).hex()}"
        return Transaction(name, action, report)

    def veto(self, name: str) -> Transaction:
        """See Attestations.veto."""

        def action(state: State, time: int) -> State:
            state = state.at(time)
            if state.pending is None or state.pending.report.epoch < state.reviewed_below:
                raise Reverted("nothing to veto")
            return replace(state, pending=None, reviewed_below=state.pending.report.epoch + 1)

        return Transaction(name, action)

    def schedule(self, name: str, members: tuple[bytes, ...]) -> Transaction:
        """See Committee.scheduleCommittee; from the earliest epoch on that may be."""

        def action(state: State, time: int) -> State:
            state = state.at(time)
            from_epoch = (time - GENESIS) // self.clock.length + 2
            version = len(state.sets) + 1
            return replace(state, sets=(*state.sets, members), announced=version, until=self.clock.start(from_epoch))

        return Transaction(name, action)

    def supplant(self, name: str, members: tuple[bytes, ...]) -> Transaction:
        """See Committee.replaceCommittee: for cause, at once."""

        def action(state: State, time: int) -> State:
            state = state.at(time)
            return replace(
                state,
                sets=(*state.sets, members),
                current=len(state.sets) + 1,
                since=time,
                previous=0,
                announced=0,
                until=NEVER,
                pending=None,
            )

        return Transaction(name, action)


def _require_quorum(members: tuple[bytes, ...], report: EpochReport, mask: int, signatures: bytes) -> None:
    named = [member for index, member in enumerate(members) if mask >> index & 1]
    _require(mask >> len(members) == 0 and len(signatures) == 64 * len(named), "malformed signatures")
    _require(len(named) >= quorum(len(members)), "no quorum")
    digest = report.digest(REPORTS)
    for index, member in enumerate(named):
        try:
            signer = recover(digest, signatures[64 * index : 64 * index + 64])
        except InvalidSignature:
            raise Reverted("no signature") from None
        _require(signer == member, "foreign signer")


def _require(holds: bool, why: str) -> None:
    if not holds:
        raise Reverted(why)
