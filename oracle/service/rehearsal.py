"""Oracles that misbehave on purpose, so that it can be seen what the others do about it. On local chains only."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

from chain.client import Block
from oracle.committee.agreement import Committee
from oracle.committee.breach_watch import BreachWatch
from oracle.committee.core import Core
from oracle.committee.effects import Effect, Send
from oracle.committee.member import Member
from oracle.committee.messages import Have, Message, Ref, Refusal
from oracle.committee.messages import Reason as Why
from oracle.committee.observation import SignedObservation, View, commitment
from oracle.committee.placing_book import Serving
from oracle.ground.breaches import Breach, Reason
from oracle.ground.uptime import Uptime

SPAM = 50
"""Messages at each tick."""


class Liar(Member):
    """Says that every node was down all the time, however it was."""

    def _view(self, epoch: int, committee: Committee, anchor: Block) -> View:
        seen = super()._view(epoch, committee, anchor)
        return down(seen)


def down(seen: View) -> View:
    """The same view, in which nothing was up."""
    ticks, licences = (
        {key: Uptime(0, one.observed) for key, one in told.items()} for told in (seen.ticks, seen.licences)
    )
    return View(seen.epoch, seen.committee, ticks, licences)


class LyingWatch(BreachWatch):
    """Says that every node has been down since the epoch began."""

    def breaches(self, epoch: int, now: float) -> dict[tuple[int, Reason], Breach]:
        """See BreachWatch."""
        self.book.refresh()
        start = self.clock.start(epoch)
        lies = [Breach(one.assignment, Reason.OUTAGE, start, start, int(now)) for one in self._all()]
        return {(one.assignment, one.reason): one for one in lies}

    def _all(self) -> list[Serving]:
        return [one for _, one in sorted(self.book.open.items())]


class Equivocator(Core):
    """Signs two observations of each epoch and tells each half of the committee of another."""

    def _take_effects(self) -> list[Effect]:
        return [each for effect in super()._take_effects() for each in self._doubled(effect)]

    def _doubled(self, effect: Effect) -> Sequence[Effect]:
        round_ = self.round
        if round_ is None or not isinstance(effect, Send) or not isinstance(effect.message.body, Have):
            return [effect]
        own = self.member.pool.of(round_.epoch, round_.committee.version).get(self.member.address)
        if own is None:
            return [effect]
        other = self._other(own)
        refs = tuple(
            Ref(ref.epoch, other.content_hash, other.signature) if ref.signature == own.signature else ref
            for ref in effect.message.body.refs
        )
        lie = replace(effect.message, body=replace(effect.message.body, refs=refs))
        half = len(effect.to) // 2
        return [Send(effect.to[:half], effect.message), Send(effect.to[half:], lie)]

    def _other(self, own: SignedObservation) -> SignedObservation:
        view = own.view()
        content = down(view)
        typed = commitment(view.epoch, view.committee, content.encode())
        made = SignedObservation(content.encode(), self.member.signer.sign_typed(typed, self.member.domain))
        # Held like any other, so that it is served to those who were told of it.
        self.member.pool.add(self.member.address, made)
        return made


class Spammer(Core):
    """Sends refusals of proposals that nobody made, many at each tick."""

    def tick(self, now: float) -> list[Effect]:
        """See Core."""
        effects = super().tick(now)
        round_ = self.round
        if round_ is None:
            return effects
        peers = tuple(one for one in round_.committee.members if one != self.member.address)
        bodies = [Refusal(os.urandom(32), Why.DISAGREES, text="spam" * 100) for _ in range(SPAM)]
        version = round_.committee.version
        return [*effects, *(Send(peers, Message(round_.epoch, version, 0, body)) for body in bodies)]


def member_class(rehearsal: str | None) -> type[Member]:
    """What the rehearsal's member is."""
    return Liar if rehearsal == "liar" else Member


def watch_class(rehearsal: str | None) -> type[BreachWatch]:
    """What the rehearsal's watch is."""
    return LyingWatch if rehearsal == "liar" else BreachWatch


def core_class(rehearsal: str | None) -> type[Core]:
    """What the rehearsal's core is."""
    return {"equivocator": Equivocator, "spammer": Spammer}.get(rehearsal or "", Core)
