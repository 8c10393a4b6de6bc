"""What oracles tell of double signing, and what of that proves something. Pure; nothing told is believed.

Observations of all oracles are put together by epoch, committee and the key that their signatures recover to: any two
of different contents prove that this key equivocated, whoever told which. So one proof that many tell counts once, and
what an oracle makes up keeps none out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from oracle.ground.errors import EpochalError
from oracle.ground.typed_data import Domain, Observation
from oracle.signing.compact import InvalidSignature, recover

MAX_TOLD: Final = 256
"""Entries of one oracle that are read: oracles keep no more."""
MAX_OBSERVATIONS: Final = 3
"""In one entry: oracles hold no more of one author and epoch."""

_FIELDS: Final = ("author", "epoch", "committee", "observations")
_SIGNED: Final = ("contentHash", "signature")
_HEX: Final = re.compile(r"0x[0-9a-fA-F]*")


class _Malformed(EpochalError):
    """An entry, or one of its observations, isn't what the protocol says."""


@dataclass(frozen=True, slots=True, order=True)
class Signed:
    """The hash of an observation's content and its EIP-2098 signature, 64 bytes."""

    content_hash: bytes
    signature: bytes

    def abi_values(self) -> tuple[bytes, bytes, bytes]:
        """As the contracts' `SignedObservation`."""
        return self.content_hash, self.signature[:32], self.signature[32:]


@dataclass(frozen=True, slots=True)
class Proof:
    """Two observations that one key of a committee signed of one epoch. `key` is its address, 20 bytes."""

    epoch: int
    committee: int
    key: bytes
    first: Signed
    second: Signed


@dataclass(frozen=True, slots=True)
class Chosen:
    """What proves something, in order of epoch, committee and key; and what was passed over, a line for each oracle."""

    proofs: tuple[Proof, ...]
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Entry:
    epoch: int
    committee: int
    author: bytes
    signed: tuple[Signed, ...]


def choose(told: Mapping[str, list[Any]], domain: Domain, keys_of: Callable[[int], Collection[bytes]]) -> Chosen:
    """Choose from what oracles told, by their names: JSON lists as of `GET /v1/equivocations`.

    `domain` is that of reports. `keys_of` gives a committee's keys by its version, 20 bytes each; none where there is
    no such committee. Raises nothing but what `keys_of` does.
    """
    found: dict[tuple[int, int, bytes], dict[bytes, Signed]] = {}
    problems = []
    for oracle, listed in told.items():
        wrong: list[str] = []
        for place, value in enumerate(listed[:MAX_TOLD]):
            try:
                entry = _entry(value)
                keys = _keys(entry, domain, keys_of(entry.committee), wrong, place)
            except _Malformed as error:
                wrong.append(f"[{place}]{error}")
                continue
            for key, observations in keys.items():
                held = found.setdefault((entry.epoch, entry.committee, key), {})
                for one in observations:
                    held[one.content_hash] = min(one, held.get(one.content_hash, one))
        if len(listed) > MAX_TOLD:
            wrong.append(f"it lists {len(listed)}, of which the first {MAX_TOLD} are read")
        if wrong:
            more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
            problems.append(f"{oracle}: /v1/equivocations: {wrong[0]}{more}; ask its operator")
    proofs = [Proof(*about, *sorted(held.values())[:2]) for about, held in sorted(found.items()) if len(held) > 1]
    return Chosen(tuple(proofs), tuple(problems))


def _keys(
    entry: _Entry, domain: Domain, members: Collection[bytes], wrong: list[str], place: int
) -> dict[bytes, list[Signed]]:
    """The entry's observations by the members' keys that signed them; what is wrong with it is added to `wrong`."""
    keys: dict[bytes, list[Signed]] = {}
    before = len(wrong)
    for number, one in enumerate(entry.signed):
        at = f"[{place}].observations[{number}].signature"
        try:
            key = recover(Observation(entry.epoch, entry.committee, one.content_hash).digest(domain), one.signature)
        except InvalidSignature as error:
            wrong.append(f"{at}: {error}")
            continue
        if key not in members:
            wrong.append(f"{at}: is by 0x{key.hex()}, which is no key of committee {entry.committee}")
        else:
            keys.setdefault(key, []).append(one)
            if key != entry.author:
                wrong.append(f"{at}: is by 0x{key.hex()}, not by the author 0x{entry.author.hex()}")
    if len(wrong) == before and len({one.content_hash for one in entry.signed}) < 2:
        wrong.append(f"[{place}].observations: all have one contentHash, which proves nothing")
    return keys


def _entry(value: Any) -> _Entry:
    told = _object("", value, _FIELDS)
    observations = told["observations"]
    if not isinstance(observations, list) or not 2 <= len(observations) <= MAX_OBSERVATIONS:
        raise _Malformed(f".observations: isn't a list of 2 to {MAX_OBSERVATIONS}")
    signed = []
    for number, one in enumerate(observations):
        at = f".observations[{number}]"
        fields = _object(at, one, _SIGNED)
        signed.append(
            Signed(
                _bytes(f"{at}.contentHash", fields["contentHash"], 32),
                _bytes(f"{at}.signature", fields["signature"], 64),
            )
        )
    epoch, committee = _uint(".epoch", told["epoch"], 64), _uint(".committee", told["committee"], 32)
    return _Entry(epoch, committee, _bytes(".author", told["author"], 20), tuple(signed))


def _object(at: str, value: Any, fields: tuple[str, ...]) -> Mapping[str, Any]:
    """An object with these fields; others are passed over, a later version may tell more."""
    if not isinstance(value, dict):
        raise _Malformed(f"{at}: isn't an object")
    missing = [one for one in fields if one not in value]
    if missing:
        raise _Malformed(f"{at}.{missing[0]}: is missing")
    return value


def _uint(at: str, value: Any, bits: int) -> int:
    if type(value) is not int or not 0 <= value < 1 << bits:
        raise _Malformed(f"{at}: is {_shown(value)}, no whole number below 2^{bits}")
    return value


def _bytes(at: str, value: Any, size: int) -> bytes:
    if not isinstance(value, str) or len(value) != 2 + 2 * size or not _HEX.fullmatch(value):
        raise _Malformed(f"{at}: is {_shown(value)}, not 0x and {2 * size} hexadecimal digits")
    return bytes.fromhex(value[2:])


def _shown(value: Any) -> str:
    """Of scalars, what they are: nested ones are only named, and nothing long or unprintable gets to a screen."""
    if isinstance(value, str):
        return ascii(value[:60])
    if value is None or isinstance(value, bool | float):
        return str(value)
    return str(value) if isinstance(value, int) and abs(value) < 1 << 256 else f"a {type(value).__name__}"
