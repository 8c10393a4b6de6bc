"""What a job's money asks of uptime: data, hashed into the job when it is created, never changed for it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Final, NoReturn

from oracle.ground.errors import InvalidValue
from oracle.ground.keccak import keccak256

PPM: Final = 1_000_000
EVIDENCE_CODES: Final = {"liveness": 1, "health": 2, "probe": 3}


@dataclass(frozen=True, slots=True)
class Policy:
    """A job's terms of measurement. InvalidValue when a value makes no sense.

    evidence              which evidence counts: "liveness" (the node's heartbeats), "health" (what its agent reports of
                          the workload) or "probe" (the oracles' own probes of the workload)
    target_ppm            share of observed time from which all of it is earned, 1 to 1,000,000
    floor_ppm             share at or below which nothing is earned; linear up to the target, binary if equal
    window_epochs         epochs that are scored together, 1 to 65,535
    min_observed_seconds  a window observed for less than this earns just its up-time
    csp_share_ppm         share of withheld money that returns to the CSP; the rest is burned
    penalty_ppm           what withheld money costs the licence's bond, as a share of that money; burned
    missed_epochs         whole epochs without up-time after which another node is asked for; 0: never
    outage_seconds        length of an outage within an epoch after which another node is asked for; 0: never
    answer_seconds        how long the orchestrator has to name another node, at least 1 where one may be asked for
    cooldown_seconds      between two requests for one slot
    maintenance_seconds   declared maintenance that counts as unmeasured, at most, in one window
    """

    evidence: str = "liveness"
    target_ppm: int = 980_000
    floor_ppm: int = 900_000
    window_epochs: int = 1
    min_observed_seconds: int = 0
    csp_share_ppm: int = 800_000
    penalty_ppm: int = 0
    missed_epochs: int = 0
    outage_seconds: int = 0
    answer_seconds: int = 3_600
    cooldown_seconds: int = 3_600
    maintenance_seconds: int = 0

    def __post_init__(self) -> None:
        if self.evidence not in EVIDENCE_CODES:
            _refuse("policy", "evidence", self.evidence, 'use "liveness", "health" or "probe"')
        for name, low, high in _RANGES:
            value = getattr(self, name)
            if type(value) is not int or not low <= value <= high:
                _refuse("policy", name, value, f"use a whole number from {low} to {high}")
        if self.floor_ppm > self.target_ppm:
            _refuse("policy", "floor_ppm", self.floor_ppm, f"use at most target_ppm, {self.target_ppm}")
        if (self.missed_epochs or self.outage_seconds) and not self.answer_seconds:
            _refuse("policy", "answer_seconds", 0, "use at least 1 where missed_epochs or outage_seconds is set")

    def abi_values(self) -> tuple[int, ...]:
        """The evidence's code and the other fields: the contracts' order."""
        return (EVIDENCE_CODES[self.evidence], *(getattr(self, name) for name, _, _ in _RANGES))

    def hash(self) -> bytes:
        """`keccak(abi.encode(abi_values))`: what a job stores of its policy."""
        return keccak256(b"".join(value.to_bytes(32, "big") for value in self.abi_values()))

    def to_json(self) -> str:
        """One line that `from_json` reads back."""
        return json.dumps(asdict(self))


# In the order of the contracts' struct, after the evidence.
_RANGES: Final = (
    ("target_ppm", 1, PPM),
    ("floor_ppm", 0, PPM),
    ("window_epochs", 1, 65_535),
    ("min_observed_seconds", 0, 2**32 - 1),
    ("csp_share_ppm", 0, PPM),
    ("penalty_ppm", 0, PPM),
    ("missed_epochs", 0, 65_535),
    ("outage_seconds", 0, 2**32 - 1),
    ("answer_seconds", 0, 2**32 - 1),
    ("cooldown_seconds", 0, 2**32 - 1),
    ("maintenance_seconds", 0, 2**32 - 1),
)


def from_json(text: str, source: str = "policy", evidence: str = "liveness") -> Policy:
    """A policy from a JSON object; keys that are missing take their defaults, and `evidence` that one.

    InvalidValue, in one line that begins with `source`, for unknown or repeated keys, for values of a wrong
    type (true and 1.0 are no whole numbers here) and for values out of range.
    """
    try:
        # Pairs, because a dict would keep the last of two equal keys without a word.
        pairs = json.loads(text, object_pairs_hook=tuple)
    except (ValueError, RecursionError) as error:
        raise InvalidValue(f"{source}: not readable as JSON ({error}): give one object of policy keys") from error
    if not isinstance(pairs, tuple):
        raise InvalidValue(f"{source}: is {_short(pairs)}, not an object: give one object of policy keys")
    known = {name: type(default) for name, default in asdict(Policy()).items()}
    values: dict[str, Any] = {"evidence": evidence}
    told = set[str]()
    for key, value in pairs:
        if key not in known:
            _refuse(source, key, value, "the key is unknown, use any of " + ", ".join(known))
        if key in told:
            _refuse(source, key, value, "the key is given twice, keep one")
        if type(value) is not known[key]:
            kind = "a text in quotes" if known[key] is str else "a whole number without quotes or point"
            _refuse(source, key, value, f"use {kind}")
        values[key] = value
        told.add(key)
    try:
        return Policy(**values)
    except InvalidValue as error:
        raise InvalidValue(source + str(error).removeprefix("policy")) from None


def _refuse(source: str, key: str, value: object, cure: str) -> NoReturn:
    raise InvalidValue(f"{source}: {_short(key)} is {_short(value)}: {cure}")


def _short(value: object) -> str:
    """A value as one short line, however long or strange it came."""
    text = value if isinstance(value, str) and value.isidentifier() else ascii(value)
    return text if len(text) <= 60 else text[:57] + "..."
