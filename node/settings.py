"""What the node agent is told: where the oracles are, on which network, and which key signs."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from oracle.ground.address import raw_address
from oracle.ground.errors import EpochalError, UserError


class SettingsError(UserError):
    """The agent can't run with these settings. The text names the option, its value and the cure."""


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """Settings of one agent, in the order of the options of `epochal node run`.

    `oracles` are base URLs. `chain_id` and `attestations` (a 0x address) name the network that heartbeats are
    signed for. The key comes from the environment variable `key_env` (0x and 64 hex digits) or from the JSON
    `keystore` with the password in the first line of `password_file`. `tick` is the time between heartbeats
    in seconds; None asks each oracle for its own. SettingsError for anything that can't work.
    """

    oracles: tuple[str, ...]
    chain_id: int
    attestations: str
    key_env: str | None = None
    keystore: Path | None = None
    password_file: Path | None = None
    tick: float | None = field(default=None)

    def __post_init__(self) -> None:
        if not self.oracles:
            raise SettingsError("--oracle is missing: name the URL of each oracle, one option apiece")
        for url in self.oracles:
            _check_url(url)
        if len({url.rstrip("/") for url in self.oracles}) != len(self.oracles):
            raise SettingsError("--oracle names one URL twice: name each oracle once")
        if type(self.chain_id) is not int or self.chain_id <= 0:
            raise SettingsError(f"--chain-id is {self.chain_id!r}: give the network's whole number above 0")
        try:
            raw_address(self.attestations)
        except EpochalError as error:
            raise SettingsError(f"--attestations: {error}") from error
        if self.tick is not None and not (math.isfinite(self.tick) and 0 < self.tick <= 86_400):
            raise SettingsError(f"--tick is {self.tick}: give seconds above 0, at most 86400")
        if (self.key_env is None) == (self.keystore is None):
            raise SettingsError("the node's key: give either --key-env NAME or --keystore FILE")
        if (self.keystore is None) != (self.password_file is None):
            raise SettingsError("--keystore and --password-file belong together: give both or neither")


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise SettingsError(f"--oracle is {url!r}: give a URL such as http://127.0.0.1:8600")
    if parts.query or parts.fragment or parts.username is not None:
        raise SettingsError(f"--oracle is {url!r}: give the base URL alone, without query, fragment or user")
