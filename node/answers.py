"""What an oracle answers, checked before anything is done with it. Nothing of it is trusted: LinkError for nonsense."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from node.errors import LinkError
from oracle.ground.address import raw_address
from oracle.ground.errors import InvalidValue
from oracle.ground.typed_data import Domain
from oracle.telemetry.wire.receipt import END_OF_TICKS
from oracle.telemetry.wire.workloads import MAX_WORKLOADS

SHORTEST_TICK = 1
"""Seconds; ticks are whole ones. A shorter one would have the agent send heartbeats without pause."""
LONGEST_TICK = 86_400
LATEST = 2**40
"""Whole UNIX seconds above this are no time that an oracle may tell."""


class ContradictsTerms(LinkError):
    """The oracle counts epochs and ticks otherwise than it told."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What an oracle says of itself.

    Its address (lower case), challenge and public session key (None: no sessions); genesis (UNIX seconds), epoch
    length and tick (seconds); `ahead` is its clock less our steady one.
    """

    oracle: str
    challenge: bytes
    session_key: bytes | None
    genesis: float
    length: float
    tick: float
    ahead: float

    @property
    def rhythm(self) -> tuple[float, float, float]:
        """What its epochs and ticks follow from."""
        return self.genesis, self.length, self.tick

    @property
    def ticks_per_epoch(self) -> int:
        """Ticks in one of its epochs."""
        return round(self.length / self.tick)

    def now(self) -> float:
        """Its clock, UNIX seconds."""
        return time.monotonic() + self.ahead

    def epoch_at(self, moment: float) -> int:
        """The epoch that contains this moment, or the first one before genesis."""
        return max(0, int((moment - self.genesis) // self.length))

    def count(self, epoch: int, tick: int) -> int:
        """That tick of that epoch, counted from genesis."""
        return epoch * self.ticks_per_epoch + tick

    def counted_at(self, moment: float) -> int:
        """The tick that contains this moment, counted from genesis; the first one before it."""
        epoch = self.epoch_at(moment)
        return self.count(epoch, max(0, int((moment - self.genesis - epoch * self.length) // self.tick)))

    def end(self, epoch: int) -> float:
        """UNIX seconds of the end of an epoch."""
        return self.genesis + (epoch + 1) * self.length


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an oracle refused, and what it says can be done. `last_sequence`: the last one that it accepted."""

    reason: str
    cure: str
    last_sequence: int | None


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The oracle took a heartbeat in that tick. `fenced`: assignments it says aren't this node's any more."""

    epoch: int
    tick: int
    fenced: frozenset[int]


def read_terms(status: int, answer: dict[str, Any], domain: Domain, asked_at: float) -> Terms:
    """The terms in the answer to a question that was asked at `asked_at` of the steady clock.

    LinkError for an oracle of another network than the one that `domain` names.
    """
    if status != 200:
        raise LinkError(f"it answers {status} to the question for its challenge; is this an oracle's URL?")
    oracle = _address(answer.get("oracle"), "address of its own")
    network = (answer.get("chainId"), _address(answer.get("attestations"), "address of Attestations"))
    if network != (domain.chain_id, "0x" + raw_address(domain.contract).hex()):
        raise LinkError(
            f"it serves chain {_brief(network[0])} with Attestations {network[1]}; "
            "check --oracle, --chain-id and --attestations"
        )
    key = answer.get("sessionKey")
    tick = number(answer, "tick", LONGEST_TICK)
    length = number(answer, "epochLength", LATEST)
    if tick < SHORTEST_TICK:
        raise LinkError(f"its tick of {tick:g} s is shorter than any")
    if not 1 <= length / tick <= END_OF_TICKS:
        raise LinkError(f"its epoch of {length:g} s holds no sensible number of ticks of {tick:g} s")
    return Terms(
        oracle=oracle,
        challenge=hexadecimal(answer.get("challenge"), 32, "challenge"),
        session_key=None if key is None else hexadecimal(key, 33, "session key"),
        genesis=number(answer, "genesis", LATEST),
        length=length,
        tick=tick,
        ahead=number(answer, "now", LATEST) - asked_at,
    )


def read_acknowledged(answer: dict[str, Any], terms: Terms) -> Acknowledged:
    """What the acceptance of one heartbeat says beyond "yes".

    ContradictsTerms for a tick more than one away from the present one of its own clock.
    """
    epoch, tick = (_whole(answer, key) for key in ("epoch", "tick"))
    if tick >= terms.ticks_per_epoch or abs(terms.count(epoch, tick) - terms.counted_at(terms.now())) > 1:
        present = terms.epoch_at(terms.now())
        raise ContradictsTerms(f"it acknowledges tick {tick} of epoch {epoch}; its clock is in epoch {present}")
    return Acknowledged(epoch, tick, frozenset(_fenced(answer.get("fenced", []))))


def read_refusal(status: int, answer: dict[str, Any]) -> Refusal:
    """The first refusal in an answer."""
    refused = answer.get("refused")
    first = refused[0] if isinstance(refused, list) and refused else None
    if not isinstance(first, dict) or not isinstance(first.get("reason"), str):
        raise LinkError(f"it answers {status} with neither acceptance nor reason")
    last = first.get("last_sequence")
    known = last if isinstance(last, int) and not isinstance(last, bool) else None
    return Refusal(first["reason"], str(first.get("cure", "")), known)


def read_session(answer: dict[str, Any]) -> tuple[bytes, float]:
    """(id of the opened session, UNIX seconds at which it ends)."""
    return hexadecimal(answer.get("session"), 8, "session"), number(answer, "expires", LATEST)


def hexadecimal(text: Any, size: int, name: str) -> bytes:
    """The `size` bytes of a hexadecimal text."""
    raw = hexadecimal_text(text, name)
    if len(raw) != size:
        raise LinkError(f"its {name} has {len(raw)} bytes, not {size}")
    return raw


def hexadecimal_text(text: Any, name: str) -> bytes:
    """The bytes of a hexadecimal text, 0x before it or not."""
    try:
        return bytes.fromhex(text.removeprefix("0x"))
    except (ValueError, AttributeError, TypeError) as error:
        raise LinkError(f"its {name} is not hexadecimal") from error


def number(answer: dict[str, Any], key: str, most: int) -> float:
    """A number from 0 to `most` in the answer."""
    value = answer.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise LinkError(f"its {key} is not a number from 0 to {most}")
    return float(value)


def one_line(text: str) -> str:
    """`text` fit for a terminal: an oracle's words may hold anything."""
    return "".join(c if c.isprintable() else " " for c in text)[:300]


def _whole(answer: dict[str, Any], key: str) -> int:
    value = answer.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**64:
        raise LinkError(f"its {key} is not a whole number")
    return value


def _address(text: Any, what: str) -> str:
    try:
        return "0x" + raw_address(text if isinstance(text, str) else "").hex()
    except InvalidValue as error:
        raise LinkError(f"it tells no {what}; is this an oracle's URL?") from error


def _fenced(told: Any) -> list[int]:
    """The ids that the answer to a single heartbeat calls fenced."""
    if not isinstance(told, list) or len(told) > 1:
        raise LinkError("its fenced assignments are no list for one heartbeat")
    names = told[0].get("assignments") if told and isinstance(told[0], dict) else []
    if not isinstance(names, list) or len(names) > MAX_WORKLOADS:
        raise LinkError("its fenced assignments are no list for one heartbeat")
    if not all(isinstance(name, str) and name.isascii() and name.isdigit() and len(name) <= 39 for name in names):
        raise LinkError("its fenced assignments are no decimal ids")
    return [int(name) for name in names]


def _brief(value: Any) -> str:
    return str(value)[:30]
