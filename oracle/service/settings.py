"""Settings of `epochal oracle intake`, checked before anything is opened."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from oracle.ground.clock import EpochClock
from oracle.ground.errors import EpochalError
from oracle.ground.ids import parse_assignment
from oracle.ground.typed_data import Domain, Heartbeat
from oracle.service.errors import SettingsError
from oracle.telemetry.intake.roster import FixedRoster


@dataclass(frozen=True, slots=True)
class FixedNetwork:
    """A network told by options: for one without a chain at hand, and for tests."""

    nodes: Path
    chain_id: int
    attestations: str
    genesis: int
    epoch_length: int


@dataclass(frozen=True, slots=True)
class ChainNetwork:
    """A network read from its chain: `deployment` is the JSON file of its addresses."""

    deployment: Path
    rpc: str


@dataclass(frozen=True, slots=True)
class IntakeSettings:
    """What one intake is told.

    store         a path (SQLite) or postgresql://…
    listen        host and port for HTTP; port 0: any free one
    tick          seconds
    worker        tells intakes of one oracle apart that share a load; None for a single one
    max_clock_error   seconds; while the kernel says that the clock may be off by more, nothing is observed
    secret        the 32 bytes of the challenges that such intakes share; None for a single one
    compact_after, retain   epochs after which bitmaps are compressed, or deleted; None: never
    """

    store: str
    network: FixedNetwork | ChainNetwork
    listen: tuple[str, int] = ("127.0.0.1", 8600)
    tick: int = 10
    worker: str | None = None
    secret: bytes | None = field(default=None, repr=False)
    trust_forwarded: bool = False
    max_clock_error: float | None = None
    compact_after: int | None = 2
    retain: int | None = None

    def __post_init__(self) -> None:
        if self.worker is not None and not re.fullmatch(r"[A-Za-z0-9_.-]{1,32}", self.worker):
            raise SettingsError(
                f"--worker is {self.worker!r}: give up to 32 letters, digits, dots, dashes or underlines"
            )
        if self.tick < 1:
            raise SettingsError(f"--tick is {self.tick}: give whole seconds, 1 or more")
        if self.max_clock_error is not None and not 0 < self.max_clock_error < self.tick:
            raise SettingsError(f"--max-clock-error is {self.max_clock_error}: give seconds above 0, below a tick")
        for name in ("compact_after", "retain"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise SettingsError(f"--{name.replace('_', '-')} is {value}: give epochs, 1 or more")
        if self.retain is not None and self.compact_after is not None and self.retain <= self.compact_after:
            raise SettingsError(f"--retain {self.retain}: give more epochs than --compact-after {self.compact_after}")

    def way(self, name: str) -> str:
        """The name of a way in, which tells the worker."""
        return name if self.worker is None else f"{name}@{self.worker}"


def parse_listen(text: str) -> tuple[str, int]:
    """(host, port) of `HOST:PORT` or `[IPV6]:PORT`; SettingsError."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise SettingsError(f"--listen is {text!r}: give HOST:PORT, such as 127.0.0.1:8600 or [::]:8600")
    return host.removeprefix("[").removesuffix("]"), int(port)


def parse_secret(name: str, text: str | None) -> bytes:
    """The secret of the challenges from the environment variable `name`; SettingsError, which doesn't tell it."""
    digits = (text or "").strip().removeprefix("0x")
    try:
        secret = bytes.fromhex(digits)
    except ValueError:
        secret = b""
    if len(secret) != 32:
        raise SettingsError(f"--challenge-secret-env {name}: its value (not shown) isn't 64 hex digits: make it so")
    return secret


def fixed_clock(network: FixedNetwork, tick: int) -> tuple[EpochClock, Domain]:
    """Clock and heartbeat domain of a network told by options; SettingsError."""
    try:
        clock = EpochClock(network.genesis, network.epoch_length, tick)
    except EpochalError as error:
        raise SettingsError(f"--genesis, --epoch-length, --tick: {error}") from error
    if network.chain_id <= 0:
        raise SettingsError(f"--chain-id is {network.chain_id}: give the network's whole number above 0")
    domain = Heartbeat.domain(network.chain_id, network.attestations)
    try:
        domain.separator()
    except EpochalError as error:
        raise SettingsError(f"--attestations: {error}") from error
    return clock, domain


def load_nodes(path: Path) -> dict[str, list[int] | None]:
    """The roster of a JSON file: a list of addresses, or an object of address to its assignments. SettingsError.

    An assignment is a number, a decimal text or job/slot/generation. Of nodes in a list they aren't known.
    """
    cure = 'give a JSON list of addresses, or an object such as {"0x…": ["7/0/1"]}'
    try:
        read: Any = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"--nodes {path}: {error.strerror}; {cure}") from error
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"--nodes {path}: is no JSON ({error}); {cure}") from error
    try:
        roster: dict[str, list[int] | None] = {}
        for node in read if isinstance(read, list | dict) else [read]:
            served = read[node] if isinstance(read, dict) else None
            if not isinstance(node, str) or not (served is None or isinstance(served, list)):
                raise SettingsError(f"{node!r} with {served!r} is no node with its assignments")
            roster[node] = None if served is None else [parse_assignment(str(one)) for one in served]
        FixedRoster(roster)
    except EpochalError as error:
        raise SettingsError(f"--nodes {path}: {error}; {cure}") from error
    return roster
