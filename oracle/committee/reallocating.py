"""One oracle's part in asking for other nodes: told the time and what came, it says what to send. No clock, no network.

An epoch is cut into slots. In each, every member that knows of breaches claims them, and one member, another in each
slot, proposes a batch of requests that a quorum's claims agree with. Who knows of all of them signs; a quorum of
signatures can be brought on chain by anybody. Nothing here is durable, and nothing needs to be: the chain carries a
request out once, and a slot that comes to nothing is followed by the next one. docs/protocol.md says it in full.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from oracle.committee.committee import Committee
from oracle.committee.effects import Effect, Note, Send, SubmitRequests
from oracle.committee.errors import Disagreement
from oracle.committee.member import describe, printable
from oracle.committee.messages import Message
from oracle.committee.reallocation_choice import choose
from oracle.committee.reallocation_messages import (
    MAX_CLAIMS,
    Asked,
    Batch,
    Claims,
    Endorsement,
    Objection,
    ReallocationBody,
)
from oracle.committee.round import TRANSIENT
from oracle.ground.breaches import SLOT_TICKS, Breach, Reason, request_id
from oracle.ground.clock import EpochClock
from oracle.ground.ids import show_assignment
from oracle.ground.reallocations import Reallocation, RequestTree
from oracle.ground.typed_data import Domain, ReallocationBatch
from oracle.signing.compact import InvalidSignature, recover
from oracle.signing.signer import Signer
from oracle.telemetry.store.errors import StoreError

LIFE_SLOTS: Final = 20
"""Slots from its proposal until a batch expires; never beyond the epoch."""
_PAUSE_SECONDS: Final = 1.0
"""Until what failed is tried again: peers' messages must not make an oracle ask a chain that doesn't answer."""
_SKEW_SLOTS: Final = 1
"""By how many slots a claim or a batch may be ahead of or behind this oracle's clock."""

Breaches = Mapping[tuple[int, Reason], Breach]
"""By assignment and reason."""


class Watch(Protocol):
    """What the oracle itself sees and reads. Any of it may raise what passes by itself (`round.TRANSIENT`)."""

    def committee(self) -> Committee:
        """The set in force now: only its signatures count."""

    def breaches(self, epoch: int, now: float) -> Breaches:
        """What this oracle would ask for now, of assignments that are open at the newest block. None while blind."""

    def askable(self, requests: Sequence[Asked], now: float) -> list[Asked]:
        """Those of the requests that the chain would carry out now: not those that were, or whose slot cools down."""


@dataclass(slots=True)
class _Proposed:
    """A batch in its slot, as this oracle has it."""

    proposer: bytes
    turn: int
    body: Batch
    tree: RequestTree
    signed: ReallocationBatch
    judged: bool = False
    quorum_at: float | None = None
    submitted: bool = False
    objected: set[bytes] = field(default_factory=set)


@dataclass(slots=True)
class _Epoch:
    """What is held of the epoch and the committee at hand."""

    number: int
    committee: Committee
    claims: dict[bytes, tuple[int, Claims]] = field(default_factory=dict)
    """By member: the turn of its last claims, and these."""
    batches: dict[int, _Proposed] = field(default_factory=dict)
    """By turn; the first that came stands."""
    signatures: dict[tuple[int, bytes], tuple[bytes, int, bytes]] = field(default_factory=dict)
    """By turn and member: root, expiry and signature of its endorsement."""
    held_back: dict[int, float] = field(default_factory=dict)
    """Assignments that a quorum has asked for, and until when that is given time to be on chain."""


class Reallocating:
    """The state machine. `tick` and `take` return what has to be done, in order; one thread only may call them."""

    def __init__(self, signer: Signer, domain: Domain, watch: Watch, clock: EpochClock, *, acts: bool = True) -> None:
        """`domain` is that of `ReallocationBatch`; without `acts` the oracle signs and proposes nothing."""
        self.signer = signer
        self.domain = domain
        self.watch = watch
        self.clock = clock
        self.acts = acts
        self.address = bytes.fromhex(signer.address[2:])
        self.known: Breaches = {}
        """What this oracle saw when it last looked."""
        self.trouble = ""
        """Why it couldn't look, in words."""
        self._slot = (-1, -1)
        self._looked = self._chose = -1
        """The ticks, counted from genesis, in which it last looked, and last chose requests to propose."""
        self._failed_at = 0.0
        self._told: frozenset[tuple[int, Reason]] = frozenset()
        self._epoch: _Epoch | None = None
        self._proposed_in = (-1, -1)
        self._effects: list[Effect] = []

    @property
    def slot_seconds(self) -> int:
        """How long a slot lasts."""
        return SLOT_TICKS * self.clock.tick

    # What happens.

    def tick(self, now: float) -> list[Effect]:
        """What is due at `now` (UNIX seconds). To be called several times in a slot."""
        waits = self.trouble and 0 <= now - self._failed_at < _PAUSE_SECONDS
        if not self.acts or now < self.clock.genesis or waits:
            return []
        try:
            self._advance(now)
            self.trouble = ""
        except (*TRANSIENT, StoreError) as error:
            self.trouble, self._failed_at = describe(error), now
        return self._take_effects()

    def take(self, sender: bytes, message: Message, now: float) -> list[Effect]:
        """A peer's message; `sender` is its recovered signer. Disagreement for one that breaks the protocol."""
        at, body, turn = self._epoch, message.body, message.turn
        if at is None or (message.epoch, message.committee) != (at.number, at.committee.version):
            return []  # of an epoch that this oracle isn't in yet, or any more: the next slot says it again
        if sender not in at.committee.members:
            raise Disagreement(f"0x{sender.hex()} isn't of committee {at.committee.version}")
        distance = turn - self._turn_at(now)
        if distance > _SKEW_SLOTS or distance < (-LIFE_SLOTS if isinstance(body, Endorsement) else -_SKEW_SLOTS):
            return []
        match body:
            case Claims():
                if at.claims.get(sender, (-1, None))[0] <= turn:
                    at.claims[sender] = turn, body
            case Batch():
                self._take_batch(at, sender, turn, body)
            case Endorsement():
                self._take_endorsement(at, sender, turn, body)
            case Objection():
                self._take_objection(at, sender, turn, body)
        return [*self._take_effects(), *self.tick(now)]

    # In a slot.

    def _advance(self, now: float) -> None:
        epoch, turn = self.clock.epoch_at(int(now)), self._turn_at(now)
        if self._slot != (epoch, turn):
            self._enter(epoch, turn, now)
            self._slot = epoch, turn
        at = self._epoch
        if at is None or self.address not in at.committee.members:
            return
        for one in list(at.batches.values()):
            if not one.judged and turn - one.turn <= _SKEW_SLOTS:
                self._judge(at, one, now)
        if self._proposer(at, turn) == self.address and self._proposed_in != (epoch, turn):
            self._propose_when_due(at, turn, now)
        self._submit_when_due(at, now)

    def _enter(self, epoch: int, turn: int, now: float) -> None:
        """A slot begins: look, and claim what there is."""
        committee = self.watch.committee()
        at = self._epoch
        if at is None or (at.number, at.committee) != (epoch, committee):
            at = self._epoch = _Epoch(epoch, committee)
        oldest = turn - LIFE_SLOTS
        at.batches = {key: one for key, one in at.batches.items() if key >= oldest}
        at.signatures = {key: told for key, told in at.signatures.items() if key[0] >= oldest}
        at.held_back = {key: until for key, until in at.held_back.items() if until > now}
        if self.address not in committee.members:
            self.known = {}
            return
        self._look(at, now)
        mine = [one for key, one in sorted(self.known.items()) if key[0] not in at.held_back]
        if mine:
            body = Claims(tuple(mine[:MAX_CLAIMS]))
            at.claims[self.address] = turn, body
            self._send(at, turn, body)
        else:
            at.claims.pop(self.address, None)

    def _look(self, at: _Epoch, now: float) -> None:
        self.known = self.watch.breaches(at.number, now)
        self._looked = self.clock.ticks_since_genesis(int(now))
        told = frozenset(self.known)
        for assignment, reason in sorted(told - self._told):
            one = self.known[assignment, reason]
            self._note("breach_seen", f"{_about(assignment, reason)}, as of {one.as_of}")
        self._told = told

    def _propose_when_due(self, at: _Epoch, turn: int, now: float) -> None:
        claims = {one: told for one, (since, told) in at.claims.items() if turn - since <= _SKEW_SLOTS}
        whole = all(since == turn for since, _ in at.claims.values()) and len(claims) == len(at.committee.members)
        begin = self.clock.start(at.number) + turn * self.slot_seconds
        if self.address not in claims or (not whole and now < begin + self.slot_seconds / 2):
            return
        last, tick = self.clock.end(at.number) - 1, self.clock.ticks_since_genesis(int(now))
        if now + self.slot_seconds > last or self._chose == tick:
            return  # it could hardly be carried out in this epoch; or there was nothing a moment ago
        self._chose = tick
        known = {one: told.breaches for one, told in claims.items()}
        found = [
            one
            for one in choose(self.address, known, at.committee.quorum, turn, int(now))
            if one.assignment not in at.held_back
        ]
        if not (found and (found := self.watch.askable(found, now))):
            return
        self._proposed_in = at.number, turn
        expiry = min(last, int(begin) + LIFE_SLOTS * self.slot_seconds)
        body = Batch(expiry, tuple(sorted(found)))
        self._note("batch_proposed", f"0x{body.hash.hex()}, {len(found)} requests")
        self._send(at, turn, body)
        self._take_batch(at, self.address, turn, body)
        self._judge(at, at.batches[turn], now)

    def _take_batch(self, at: _Epoch, sender: bytes, turn: int, body: Batch) -> None:
        if self._proposer(at, turn) != sender:
            raise Disagreement(f"epoch {at.number}: slot {turn} isn't 0x{sender.hex()}'s to propose in")
        known = at.batches.get(turn)
        if known is None:
            tree = RequestTree(self._requests(at, body))
            signed = ReallocationBatch(at.committee.version, at.number, tree.root, body.expiry)
            at.batches[turn] = _Proposed(sender, turn, body, tree, signed)
        elif known.body != body:
            raise Disagreement(f"epoch {at.number}: 0x{sender.hex()} proposed another batch in slot {turn}")

    def _judge(self, at: _Epoch, one: _Proposed, now: float) -> None:
        """Sign a batch, or say why not."""
        if self._looked != self.clock.ticks_since_genesis(int(now)):
            self._look(at, now)
        why = self._objection(at, one, now)
        if why:
            one.judged = True
            self._note("batch_refused", f"0x{one.body.hash.hex()}: {why}")
            if one.proposer != self.address:
                self._send(at, one.turn, Objection(one.body.hash, why), (one.proposer,))
            return
        signature = self.signer.sign_typed(one.signed, self.domain)
        one.judged = True
        at.signatures[one.turn, self.address] = one.tree.root, one.body.expiry, signature
        self._note("batch_signed", f"0x{one.body.hash.hex()}, {len(one.body.requests)} requests")
        self._send(at, one.turn, Endorsement(one.tree.root, one.body.expiry, signature))

    def _objection(self, at: _Epoch, one: _Proposed, now: float) -> str:
        """Why this oracle doesn't sign a batch; "" when it does."""
        latest = min(self.clock.end(at.number) - 1, int(now) + (LIFE_SLOTS + 2 * _SKEW_SLOTS) * self.slot_seconds)
        if not now <= one.body.expiry <= latest:
            return f"it expires at {one.body.expiry}, which isn't from now to {latest}"
        for asked in one.body.requests:
            about = _about(asked.assignment, asked.reason)
            mine = self.known.get((asked.assignment, asked.reason))
            if mine is None:
                return f"{about}: this oracle doesn't see that, or the chain says that it is over"
            if not mine.admits(asked.as_of):
                return f"{about}: as of {asked.as_of}, here it is from {mine.earliest} to {mine.latest}"
            if not self.clock.start(at.number) < asked.as_of <= now:
                return f"{about}: as of {asked.as_of}, which isn't in the epoch's past"
        return ""

    def _take_endorsement(self, at: _Epoch, sender: bytes, turn: int, body: Endorsement) -> None:
        typed = ReallocationBatch(at.committee.version, at.number, body.root, body.expiry)
        try:
            signer = recover(typed.digest(self.domain), body.signature)
        except InvalidSignature as error:
            raise Disagreement(f"0x{sender.hex()} endorses with no valid signature: {error}") from error
        if signer != sender:
            raise Disagreement(f"0x{sender.hex()} endorses with a signature of 0x{signer.hex()}")
        at.signatures.setdefault((turn, sender), (body.root, body.expiry, body.signature))

    def _take_objection(self, at: _Epoch, sender: bytes, turn: int, body: Objection) -> None:
        mine = at.batches.get(turn)
        if mine is None or (mine.proposer, mine.body.hash) != (self.address, body.batch) or sender in mine.objected:
            return
        mine.objected.add(sender)
        self._note("batch_refused_by_peer", f"0x{sender.hex()}: {printable(body.text)}")

    # With a quorum.

    def _submit_when_due(self, at: _Epoch, now: float) -> None:
        """The proposer submits at once, who comes after it in its place when the chain doesn't show it by then."""
        members = at.committee.members
        for one in at.batches.values():
            if one.submitted or now > one.body.expiry:
                continue
            wanted = one.tree.root, one.body.expiry
            given = {
                who: told[2] for (turn, who), told in at.signatures.items() if turn == one.turn and told[:2] == wanted
            }
            if len(given) < at.committee.quorum:
                continue
            if one.quorum_at is None:
                one.quorum_at = now
                self._note("batch_quorum", f"0x{one.body.hash.hex()}, {len(given)} signatures")
                until = now + (len(members) - at.committee.quorum + 2) * self.slot_seconds
                at.held_back |= {asked.assignment: until for asked in one.body.requests}
            behind = (members.index(self.address) - members.index(one.proposer)) % len(members)
            if now < one.quorum_at + behind * self.slot_seconds:
                continue
            left = set(self.watch.askable(one.body.requests, now))
            one.submitted = True
            if not left:
                continue
            places = tuple(place for place, asked in enumerate(one.body.requests) if asked in left)
            signers = [index for index, member in enumerate(members) if member in given]
            self._effects.append(
                SubmitRequests(
                    one.signed,
                    one.tree.requests,
                    places,
                    sum(1 << index for index in signers),
                    b"".join(given[members[index]] for index in signers),
                )
            )

    # Small things.

    def _requests(self, at: _Epoch, body: Batch) -> list[Reallocation]:
        chain_id, contract = self.domain.chain_id, self.domain.contract
        return [
            Reallocation(
                request_id(chain_id, contract, one.assignment, at.number, one.reason.value),
                one.assignment,
                one.reason.value,
                one.as_of,
            )
            for one in body.requests
        ]

    def _turn_at(self, now: float) -> int:
        """The slot of its epoch that it is at `now`."""
        return self.clock.tick_at(int(now))[1] // SLOT_TICKS

    def _proposer(self, at: _Epoch, turn: int) -> bytes:
        return at.committee.members[(at.number + turn) % len(at.committee.members)]

    def _send(self, at: _Epoch, turn: int, body: ReallocationBody, to: tuple[bytes, ...] | None = None) -> None:
        peers = to if to is not None else tuple(one for one in at.committee.members if one != self.address)
        self._effects.append(Send(peers, Message(at.number, at.committee.version, turn, body)))

    def _note(self, kind: str, text: str) -> None:
        assert self._epoch is not None
        self._effects.append(Note(kind, self._epoch.number, text))

    def _take_effects(self) -> list[Effect]:
        effects, self._effects = self._effects, []
        return effects


def _about(assignment: int, reason: Reason) -> str:
    return f"assignment {show_assignment(assignment)}, {reason.name.lower().replace('_', ' ')}"
