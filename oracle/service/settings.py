"""Settings of `epochal oracle intake`, checked before anything is opened."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from oracle.ground.clock import EpochClock
from oracle.ground.errors import EpochalError
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
        domain = Heartbeat.domain(network.chain_id, network.attestations)
        domain.separator()
    except EpochalError as error:
        raise SettingsError(f"--genesis, --epoch-length, --tick, --chain-id or --attestations: {error}") from error
    return clock, domain


def load_nodes(path: Path) -> dict[str, list[int]]:
    """The roster of a JSON file: a list of addresses, or an object of address to its assignment ids. SettingsError."""
    try:
        read: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise SettingsError(f"--nodes {path}: can't be read as JSON ({error}); give a list of addresses") from error
    try:
        nodes = dict.fromkeys(read, ()) if isinstance(read, list) else dict(read)
        roster = {str(node): [int(one) for one in served] for node, served in nodes.items()}
        FixedRoster(roster)
    except (TypeError, ValueError, EpochalError) as error:
        raise SettingsError(
            f"--nodes {path}: {error}; give a JSON list of addresses, or an object of address to assignment ids"
        ) from error
    return roster
