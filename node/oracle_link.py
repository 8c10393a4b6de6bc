"""One node's link to one oracle: one heartbeat in each tick, whatever happens on the way.

The link learns from the oracle's answers what it needs: its address and challenge, the tick, and how far
its clock is from here, so that heartbeats fall inside ticks and not on their edges. Nothing of it is
trusted: the oracle can spoil only its own link.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Protocol

from node.answers import (
    LATEST,
    Acknowledged,
    ContradictsTerms,
    Refusal,
    Terms,
    hexadecimal,
    number,
    one_line,
    read_acknowledged,
    read_refusal,
    read_terms,
)
from node.errors import LinkError
from node.sealing import Sealing, StaleTerms
from node.transport import Transport
from oracle.ground.typed_data import Domain
from oracle.signing.signer import Signer
from oracle.telemetry.wire import heartbeat, session
from oracle.telemetry.wire.answers import Reason
from oracle.telemetry.wire.workloads import Health

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 30.0
UNKNOWN_PERIOD = 5.0
"""Seconds between tries, before the oracle has told its tick."""
ASK_AGAIN = 600.0
"""Seconds, at most, until an oracle is asked for its terms again, or an epoch if that is shorter."""
MOST_BELIEVED = 2**63
"""An oracle that claims to have accepted a sequence above isn't believed: too few would be left above it. If one did
accept such a sequence, it forgets it two rotations later."""
MOST_TRIES = 3
"""Heartbeats sent in a row for one tick when the oracle asks for another challenge, sequence or session."""


class Listener(Protocol):
    """Who is told what an oracle acknowledged."""

    def acknowledged(self, terms: Terms, heard: Acknowledged, reported: Mapping[int, Health]) -> None:
        """The oracle took a heartbeat that carried `reported`."""


class OracleLink:
    """Beats to the oracle behind `transport` until cancelled. `say` gets one line whenever the link's state changes.

    `url` is its name in those lines. `health` gives what each beat reports. `tick` in seconds overrides the
    oracle's own. With `sealed`, heartbeats go under a session where the oracle offers one. Sequences start at the time
    in milliseconds, so they rise over restarts; if the clock was set back meanwhile, the oracle tells the last one
    that it accepted. The terms are asked for again now and then, and whenever an answer contradicts them: nothing
    that an oracle says lasts for long.
    """

    def __init__(
        self,
        url: str,
        transport: Transport,
        signer: Signer,
        domain: Domain,
        say: Callable[[str], None],
        *,
        health: Callable[[], Mapping[int, Health]] = dict,
        listeners: tuple[Listener, ...] = (),
        tick: float | None = None,
        sealed: bool = False,
    ) -> None:
        self.url = url.rstrip("/")
        self.sent = 0
        """Heartbeats that the oracle accepted."""
        self.terms: Terms | None = None
        self._transport = transport
        self._signer = signer
        self._domain = domain
        self._say = say
        self._health = health
        self._listeners = listeners
        self._tick = tick
        self._sealing = Sealing(transport, signer, domain, self.tell) if sealed else None
        self._challenge = b""
        self._sequence = 0
        # On the steady clock: when the terms are asked for again, and when the next heartbeat is due.
        self._ask_at = 0.0
        self._beat_at = 0.0
        self._state = ""
        # Each node has its own place in the first half of the tick, so that they don't all come at once.
        self._phase = 0.1 + 0.4 * (int(signer.address[-4:], 16) / 0xFFFF)

    def tell(self, line: str) -> None:
        """Say a line about this oracle; its own words in it may hold anything."""
        self._say(f"oracle {self.url}: {one_line(line)}")

    async def run(self) -> None:
        """Beat until cancelled. Failures of the oracle are said and retried, never raised."""
        failures = stale = 0
        while True:
            try:
                pause = await self.once()
                failures = stale = 0
            except StaleTerms:
                # It was started again: asked at once, however long it was away, so that this tick isn't lost too.
                self.terms = None
                stale += 1
                pause = self._pause(stale)
            except LinkError as error:
                self._turn("unreachable", f"unreachable ({error}); retrying")
                failures += 1
                pause = self._pause(failures)
            await asyncio.sleep(pause)

    def _pause(self, failures: int) -> float:
        """Seconds after so many failures in a row: growing and irregular."""
        longest = min(LONGEST_PAUSE, self._period())
        return min(longest, FIRST_PAUSE * 2 ** min(failures, 16)) * random.uniform(0.5, 1.0)

    async def once(self) -> float:
        """What is due of the question for the terms and a heartbeat; seconds until something is due again."""
        # Half a tick, so that a heartbeat without an answer can be sent once more in the same tick.
        self._transport.patience = min(10.0, max(1.0, self._period() / 2))
        news = self.terms is None
        if self.terms is None:
            self.terms = await self._ask()
            self._challenge, self._beat_at = self.terms.challenge, 0.0
        if time.monotonic() >= self._beat_at:
            await self._beat(self.terms, news)
            self._beat_at = time.monotonic() + self._until_next(self.terms)
        if time.monotonic() >= self._ask_at:
            await self._ask_again(self.terms)
        return max(0.0, min(self._beat_at, self._ask_at) - time.monotonic())

    async def _ask(self) -> Terms:
        asked_at = time.monotonic()
        status, answer = await self._transport.terms()
        terms = read_terms(status, answer, self._domain, asked_at)
        self._ask_at = time.monotonic() + min(terms.length, ASK_AGAIN) * random.uniform(0.5, 1.0)
        return terms

    async def _ask_again(self, known: Terms) -> None:
        """Ask for the terms although they are known. If that fails, heartbeats go on with those."""
        self._ask_at = time.monotonic() + ASK_AGAIN * random.uniform(0.05, 0.1)
        try:
            terms = await self._ask()
        except LinkError:
            return
        if (terms.oracle, terms.rhythm) == (known.oracle, known.rhythm):
            # Answers to heartbeats tell the challenge and the clock sooner and better.
            self.terms = replace(terms, ahead=known.ahead)
        else:
            self.terms, self._challenge, self._beat_at = terms, terms.challenge, 0.0

    def _period(self) -> float:
        return self._tick or (self.terms.tick if self.terms else UNKNOWN_PERIOD)

    def _until_next(self, terms: Terms) -> float:
        """Seconds until this node's place in the oracle's next tick."""
        period = self._period()
        there = terms.now() - terms.genesis
        place = self._phase * period
        return period - (there - place) % period

    async def _beat(self, terms: Terms, news: bool) -> None:
        """Send one heartbeat. LinkError if the oracle can't be reached; a refusal is said.

        `news`: the terms were asked for a moment ago; otherwise StaleTerms for an answer that contradicts them.
        """
        reported = self._health()
        refusal = Refusal("", "", None)
        for _ in range(MOST_TRIES):
            wire = await self._next_heartbeat(terms, reported)
            used, sent_at = self._challenge, time.monotonic()
            status, answer = await self._transport.beat(wire)
            if "challenge" in answer:
                self._challenge = hexadecimal(answer["challenge"], 32, "challenge")
            if "now" in answer:
                terms = self.terms = replace(terms, ahead=number(answer, "now", LATEST) - sent_at)
            if status == 200 and answer.get("accepted") == 1:
                try:
                    heard = read_acknowledged(answer, terms)
                except ContradictsTerms as error:
                    raise error if news else StaleTerms(str(error)) from error
                self._accepted(terms, heard, reported)
                return
            refusal = read_refusal(status, answer)
            if status >= 500:
                raise LinkError(f"it can't take heartbeats now: {refusal.cure}")
            if not self._can_mend(refusal, used):
                break
        self._turn(f"refused {refusal.reason}", f"refused: {refusal.reason}; {refusal.cure}")

    async def _next_heartbeat(self, terms: Terms, reported: Mapping[int, Health]) -> bytes:
        self._sequence = max(self._sequence + 1, time.time_ns() // 1_000_000)
        if self._sealing is not None:
            opened, self._challenge = await self._sealing.session(terms, self._challenge)
            if opened is not None:
                return session.seal(opened, self._challenge, self._sequence, reported)
        return heartbeat.sign(self._signer, self._domain, terms.oracle, self._sequence, self._challenge, reported)

    def _can_mend(self, refusal: Refusal, used: bytes) -> bool:
        """Whether another try for the same tick makes sense after this refusal; `used`: the challenge it had."""
        if refusal.reason == Reason.WRONG_ORACLE:
            self.terms = None
            raise LinkError("another oracle answers at this URL")
        if refusal.reason == Reason.REPLAYED_SEQUENCE:
            if refusal.last_sequence is None or refusal.last_sequence > MOST_BELIEVED:
                return False
            self._sequence = max(self._sequence, refusal.last_sequence)
            return True
        if self._sealing is not None and refusal.reason in (Reason.UNKNOWN_SESSION, Reason.BAD_TAG):
            # A tag under an old challenge looks like a wrong one: then the session is still good.
            if refusal.reason == Reason.UNKNOWN_SESSION or self._challenge == used:
                self._sealing.drop()
            return True
        return refusal.reason == Reason.STALE_CHALLENGE

    def _accepted(self, terms: Terms, heard: Acknowledged, reported: Mapping[int, Health]) -> None:
        self.sent += 1
        self._turn("beating", f"beating every {self._period():g} s, accepted by {terms.oracle}")
        for listener in self._listeners:
            listener.acknowledged(terms, heard, reported)

    def _turn(self, state: str, line: str) -> None:
        if state != self._state:
            self._state = state
            self.tell(line)
