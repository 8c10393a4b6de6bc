"""The cheap form of heartbeats: a session with one oracle, opened with one signature and renewed when it ends."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable

from node.answers import Terms, hexadecimal, one_line, read_refusal, read_session
from node.errors import LinkError
from node.transport import Transport
from oracle.ground.typed_data import Domain
from oracle.signing.signer import Signer
from oracle.telemetry.wire.answers import Reason
from oracle.telemetry.wire.session import Session, WrongSessionKey, open_session

NOT_OFFERED = (404, 405, 501)
"""Answers of a way or a gateway that carries no sessions."""
TRY_AGAIN = 300.0
"""Seconds, about, until an oracle that refused a session is asked again; meanwhile heartbeats are signed."""
_TRIES = 2


class StaleTerms(LinkError):
    """The oracle goes by other terms than it told, such as another session key: ask it again."""


class Sealing:
    """The session with one oracle, if there is one. `say` gets a line when heartbeats have to be signed instead."""

    def __init__(self, transport: Transport, signer: Signer, domain: Domain, say: Callable[[str], None]) -> None:
        self._transport = transport
        self._signer = signer
        self._domain = domain
        self._say = say
        self._session: Session | None = None
        self._expires = 0.0
        # The oracle's key that was tried last, when it may be tried again, and why it failed if it did.
        self._tried = b""
        self._not_before = 0.0
        self._why = ""
        self._doubtful = False
        self._told = ""

    def drop(self) -> None:
        """Forget the session: the oracle doesn't know it."""
        self._session = None

    async def session(self, terms: Terms, challenge: bytes) -> tuple[Session | None, bytes]:
        """(The open session or None: sign; the challenge to go on with). Opens one where there is none.

        LinkError if the oracle can't be reached; StaleTerms if it has a new session key.
        """
        now = terms.now()
        if self._session is not None and now < self._expires - terms.tick:
            return self._session, challenge
        self._session = None
        if terms.session_key is None:
            self._tell("it offers none")
            return None, challenge
        if terms.session_key == self._tried and time.monotonic() < self._not_before:
            self._tell(self._why)
            return None, challenge
        if terms.session_key == self._tried and self._doubtful:
            self._doubtful = False
            raise StaleTerms("it refused the session key that it told; it may have another by now")
        return await self._open(terms, terms.session_key, challenge)

    async def _open(self, terms: Terms, key: bytes, challenge: bytes) -> tuple[Session | None, bytes]:
        self._tried, self._doubtful = key, False
        for _ in range(_TRIES):
            try:
                opening, session = open_session(
                    self._signer, self._domain, terms.oracle, challenge, key, os.urandom(32)
                )
            except WrongSessionKey as error:
                raise self._wrong_key() from error
            status, answer = await self._transport.open_session(opening)
            if status == 200:
                told, expires = read_session(answer)
                if told != session.id:
                    raise LinkError("it opened another session than the one that was asked for")
                self._session, self._expires = session, expires
                self._not_before, self._told = 0.0, ""
                return session, challenge
            if status in NOT_OFFERED:
                self._wait(TRY_AGAIN, "no sessions on this way")
                break
            if status >= 500:  # busy, as it is when all nodes come back at once
                self._wait(3 * terms.tick, "it is busy")
                break
            refusal = read_refusal(status, answer)
            if refusal.reason == Reason.WRONG_ORACLE:
                raise self._wrong_key()
            self._wait(TRY_AGAIN, f"{refusal.reason}; {refusal.cure}")
            if refusal.reason != Reason.STALE_CHALLENGE or "challenge" not in answer:
                break
            challenge = hexadecimal(answer["challenge"], 32, "challenge")
        return None, challenge

    def _wrong_key(self) -> StaleTerms:
        """The oracle doesn't go by this key: not tried again for a while, in case it goes on telling it."""
        self._wait(TRY_AGAIN, "it refuses its own session key")
        self._doubtful = True
        return StaleTerms("it has another session key than it told")

    def _wait(self, seconds: float, why: str) -> None:
        self._not_before = time.monotonic() + seconds * random.uniform(0.5, 1.0)
        self._why = why

    def _tell(self, why: str) -> None:
        if why != self._told:
            self._told = why
            self._say(f"no session ({one_line(why)}): heartbeats are signed one by one")
