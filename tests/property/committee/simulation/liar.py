# SPDX-License-Identifier: Apache-2.0
"""Members that lie: they run a real core, and twist what it says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from chain.client import Block
from oracle.committee.agreement import Committee
from oracle.committee.effects import Effect, Send, Submit
from oracle.committee.messages import Body, Have, Message, Proposed, Reason, Ref, Refusal, Vote
from oracle.committee.observation import View, commitment
from oracle.committee.schedule import leader
from oracle.ground.keccak import keccak256
from oracle.ground.typed_data import EpochReport
from oracle.ground.uptime import Uptime
from tests.property.committee.simulation.oracle import SimOracle, WatchedMember
from tests.property.committee.simulation.plan import REPORTS, Trait


class LyingMember(WatchedMember):
    """Says anything of the nodes."""

    liar: Liar

    def _view(self, epoch: int, committee: Committee, anchor: Block) -> View:
        return self.liar.lie(super()._view(epoch, committee, anchor))


class Liar(SimOracle):
    """Its traits say what else it does. What it signs is well signed: nobody else could have."""

    made: dict[bytes, bytes]
    """Contents that it serves, by their hash."""

    @property
    def honest(self) -> bool:
        return False

    @property
    def traits(self) -> frozenset[Trait]:
        """What it does."""
        return self.world.plan.liars[self.number]

    def boot(self) -> None:
        self.made = {}
        self.filled: set[tuple[int, int]] = set()
        super().boot()

    def make_member(self) -> WatchedMember:
        made = LyingMember(self.signer, self.store, self.reader, self.world.plan.clock, keep=1)  # type: ignore[arg-type]
        made.liar = self
        return made

    def lie(self, seen: View) -> View:
        """Another view, also of assignments and licences that there aren't."""
        return View(seen.epoch, seen.committee, self._lies(seen.ticks), self._lies(seen.licences))

    def _lies(self, seen: Mapping[int, Uptime]) -> dict[int, Uptime]:
        ticks = {}
        kind = self.chance.random()
        for key, one in seen.items():
            observed = self.chance.choice((one.observed, self.chance.randint(0, 2**20), 0))
            up = {0: 0, 1: observed}.get(int(kind * 3), self.chance.randint(0, observed))
            ticks[key] = Uptime(up, observed)
        if self.chance.random() < 0.3:
            ticks[self.chance.getrandbits(90) | 1] = Uptime(1, 1)
        return ticks

    # What the core wants, and what becomes of it.

    def perform(self, effects: Sequence[Effect]) -> None:
        kept: list[Effect] = []
        for effect in effects:
            if isinstance(effect, Send):
                kept += self._twisted(effect)
            elif not (isinstance(effect, Submit) and Trait.KEEPS in self.traits):
                kept.append(effect)
        super().perform(kept)

    def note_release(self, message: Message) -> None:
        pass

    def _twisted(self, effect: Send) -> list[Effect]:
        traits, chance, body = self.traits, self.chance, effect.message.body
        if Trait.MUTE in traits and chance.random() < 0.9:
            return []
        if Trait.PICKS in traits:
            some = tuple(one for one in effect.to if chance.random() < 0.5)
            late = Send(some, effect.message)
            life = self.life
            self.world.time.after(
                chance.uniform(0, 25), lambda: SimOracle.perform(self, [late]) if self.life == life else None
            )
            return []
        if Trait.OMITS in traits and isinstance(body, Proposed) and body.refs:
            left = tuple(one for one in body.refs if chance.random() < 0.85)
            body = replace(body, refs=left, appeals=body.appeals[: chance.randint(0, len(body.appeals))])
        if Trait.EQUIVOCATES in traits and isinstance(body, Have | Proposed):
            return [self._send((peer,), effect.message, self._other_contents(body)) for peer in effect.to]
        return [self._send(effect.to, effect.message, body)]

    def _send(self, to: tuple[bytes, ...], like: Message, body: Body, turn: int | None = None) -> Send:
        return Send(to, Message(like.epoch, like.committee, like.turn if turn is None else turn, body))

    def _other_contents(self, body: Have | Proposed) -> Have | Proposed:
        round_ = self.core.round
        if round_ is None:
            return body
        refs = tuple(
            self._another(ref.epoch, round_.committee.version) if round_.authors.get(ref) == self.address else ref
            for ref in body.refs
        )
        return replace(body, refs=refs)

    def _another(self, epoch: int, committee: int, ghost: bool = False) -> Ref:
        """A well signed ref to another content, or to none at all."""
        if ghost:
            key = self.chance.randbytes(32)
        else:
            content = self.lie(View(epoch, committee, {one: Uptime(1, 2) for one in self._keys()})).encode()
            key = keccak256(content)
            self.made[key] = content
        typed = commitment(epoch, committee, b"")
        return Ref(epoch, key, self.signer.sign_typed(replace(typed, contentHash=key), REPORTS))

    def _fill(self, like: Message) -> None:
        """Once in each round: three contents of its own for each peer, and none of them for another."""
        round_ = self.core.round
        assert round_ is not None
        if (like.epoch, like.committee) in self.filled:
            return
        self.filled.add((like.epoch, like.committee))
        for peer in round_.committee.members:
            if peer != self.address:
                refs = tuple(self._another(like.epoch, like.committee) for _ in range(3))
                SimOracle.perform(self, [self._send((peer,), like, Have(refs))])

    def _mislabelled(self, epoch: int, version: int) -> list[Ref]:
        """Refs of its own to contents that aren't: of others, of other epochs, of other sets."""
        told = (each for one in self.world.oracles for each in one.released.items())
        keys = [key for (since, _), key in told if since > epoch - 3]
        signed = []
        for key in self.chance.sample(keys, min(3, len(keys))):
            typed = replace(commitment(epoch, version, b""), contentHash=key)
            signed.append(Ref(epoch, key, self.signer.sign_typed(typed, REPORTS)))
        return signed

    def _keys(self) -> list[int]:
        return [one.subject.assignment_id for one in self.world.placed]

    def serve_observation(self, ref: Ref) -> bytes | None:
        if Trait.MISSERVES in self.traits and self.chance.random() < 0.7:
            return self.chance.choice((None, b"", self.chance.randbytes(40)))
        return self.made.get(ref.content_hash) or super().serve_observation(ref)

    def serve_evidence(self, key: bytes) -> bytes | None:
        if Trait.MISSERVES in self.traits:
            return self.chance.choice((None, b"{}"))
        return super().serve_evidence(key)

    # What it thinks of by itself.

    def tick(self) -> None:
        super().tick()
        for trait in sorted(self.traits):
            if self.chance.random() < (0.9 if trait is Trait.FILLS else 0.35):
                self._mischief(trait)

    def _mischief(self, trait: Trait) -> None:
        chance, round_ = self.chance, self.core.round
        raws = self.world.overheard
        if trait is Trait.REPLAYS and raws:
            for raw in chance.sample(raws, min(4, len(raws))):
                self._post_raw(raw)
        if trait is Trait.GARBAGE:
            raw = chance.choice(raws) if raws and chance.random() < 0.7 else chance.randbytes(chance.randint(0, 200))
            at = chance.randrange(len(raw) + 1)
            self._post_raw(raw[:at] + chance.randbytes(chance.randint(0, 3)) + raw[at + chance.randint(0, 3) :])
        if trait is Trait.SUBMITS and self.journal:
            name, made = chance.choice(sorted(self.journal.items()))
            self.world.chain.send(replace(made, name=f"{name} {chance.random()}"))
        if round_ is None:
            return
        version = round_.committee.version
        like = Message(round_.epoch, version, max(round_.turn, 0), Have(()))
        if trait is Trait.FILLS:
            self._fill(like)
        to = tuple(one for one in round_.committee.members if one != self.address and chance.random() < 0.8)
        bodies: list[Body] = []
        if trait is Trait.GHOSTS:
            bodies.append(Have((self._another(round_.epoch, version, ghost=True),), (chance.randbytes(32),)))
        if trait is Trait.MISVOTES:
            bodies.append(self._vote(round_.epoch, version))
        if trait is Trait.MISLABELS:
            bodies.append(Have(tuple(self._mislabelled(round_.epoch, version))[: len(round_.committee.members)]))
        if trait is Trait.REFUSES:
            refs = tuple(self._another(round_.epoch, version, ghost=True) for _ in range(chance.randint(0, 2)))
            some = chance.choice([*(key for _, key in round_.proposals), chance.randbytes(32)])
            bodies.append(Refusal(some, chance.choice(list(Reason)), refs, (chance.randbytes(32),), "no " * 40))
        for body in bodies:
            SimOracle.perform(self, [self._send(to, like, body)])
        if trait in (Trait.FLOODS, Trait.GHOSTS, Trait.OMITS, Trait.GARBAGE, Trait.MISLABELS):
            turns = [one for one in range(12) if leader(round_.committee.members, round_.epoch, one) == self.address]
            for _ in range(6 if trait is Trait.FLOODS else 1):
                SimOracle.perform(self, [self._send(to, like, self._proposal(trait), chance.choice(turns or [0]))])

    def _proposal(self, trait: Trait) -> Proposed:
        chance, round_ = self.chance, self.core.round
        assert round_ is not None
        version = round_.committee.version
        held = self.core.member.held(round_.parent.epoch, round_.epoch, round_.committee)
        refs = [Ref(epoch, one.content_hash, one.signature) for epoch, known in held.items() for one in known.values()]
        appeals: tuple[bytes, ...] = ()
        kind = chance.randint(0, 6)
        if trait is Trait.GHOSTS or kind == 0:
            refs = [one if chance.random() < 0.7 else self._another(one.epoch, version, ghost=True) for one in refs]
        elif trait is Trait.MISLABELS:
            wrong = self._mislabelled(round_.epoch, version)
            refs = [chance.choice(wrong) if wrong and round_.authors.get(one) == self.address else one for one in refs]
        elif kind == 1:
            chance.shuffle(refs)
        elif kind == 2:
            refs = refs + refs[:1]
        elif kind == 3:
            appeals = (chance.randbytes(32),)
        elif kind == 4:
            refs = [Ref(one.epoch + chance.choice((0, 1, 2**40)), one.content_hash, one.signature) for one in refs]
        elif kind == 5:
            refs = [one for one in refs if chance.random() < 0.8]
        # Or just what an honest leader will propose: what is wrong with this one must not be held against that.
        parent = round_.parent.root if chance.random() < 0.8 else chance.randbytes(32)
        anchor = bytes.fromhex(round_.anchor.hash[2:]) if chance.random() < 0.8 else chance.randbytes(32)
        return Proposed(parent, anchor, tuple(refs), appeals)

    def _vote(self, epoch: int, version: int) -> Vote:
        rubbish = [self.chance.randbytes(32) for _ in range(5)]
        report = EpochReport(epoch, version, *rubbish[1:])
        signature = self.signer.sign_typed(report, REPORTS)
        if self.chance.random() < 0.2:
            signature = self.chance.randbytes(64)
        return Vote(*rubbish, signature)

    def _post_raw(self, raw: bytes) -> None:
        for one in self.world.oracles:
            if one is not self and self.chance.random() < 0.6:
                self.world.network.post(self.number, one.number, raw)
