"""What the doctor looks at, each thing asked for once: settings, keys, chain, contracts, peers."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import requests

from chain.client import Block, Chain
from chain.network import Addresses, Network
from oracle.ground.errors import EpochalError
from oracle.service.errors import SettingsError
from oracle.service.oracle_settings import OracleSettings, load
from oracle.signing.keys import KeyUnusable, load_key
from oracle.signing.signer import Signer

TIMEOUT: Final = 5.0
_LONGEST_ANSWER: Final = 4096


class NoOracleThere(EpochalError):
    """An oracle's endpoint doesn't answer, or something else does."""


class State(StrEnum):
    """How it is with something."""

    FINE = "fine"
    WARNING = "warning"
    WRONG = "wrong"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """How something is. fatal: what stands on this check can't be looked at."""

    state: State
    told: str
    fatal: bool = True


def fine(told: str) -> Finding:
    """As it should be."""
    return Finding(State.FINE, told)


def warning(told: str) -> Finding:
    """The oracle runs, but somebody should know."""
    return Finding(State.WARNING, told)


def wrong(told: str, fatal: bool = False) -> Finding:
    """It can't be left so."""
    return Finding(State.WRONG, told, fatal)


@dataclass(frozen=True)
class Told:
    """What an oracle's endpoint says of itself."""

    oracle: str
    chain_id: int
    attestations: str


_KEY_OPTIONS: Final = re.compile(r"--(key-env|keystore|password-file|remote-signer(?:-ca-file)?|signer-address)\b")


def _as_settings(text: str, prefix: str = "") -> str:
    """A message that names options, with settings named instead: who reads it has a file of settings."""
    return _KEY_OPTIONS.sub(lambda found: prefix + found[1].replace("-", "_"), text)


class Patient:
    """An oracle, by its settings. Each property raises an EpochalError, and again each time."""

    def __init__(
        self,
        config: Path | None,
        environment: Mapping[str, str],
        clock: Callable[[], float] = time.time,
        watching: bool = False,
    ) -> None:
        self.config = config
        self.environment = environment
        self.clock = clock
        """UNIX seconds."""
        self.watching = watching
        """It signs and pays nothing, so its settings need no keys."""

    @cached_property
    def settings(self) -> OracleSettings:
        """SettingsError."""
        return load(self.config, self.environment, self.watching)

    @cached_property
    def addresses(self) -> Addresses:
        """SettingsError for a file that can't be read or tells something else."""
        path = self.settings.deployment
        try:
            return Addresses.load(path)
        except (OSError, ValueError, TypeError) as error:
            why = getattr(error, "strerror", None) or error
            raise SettingsError(
                f"deployment {path}: is no file of a network's addresses ({why}); give the one that its deployment "
                "wrote"
            ) from error

    @cached_property
    def key(self) -> Signer:
        """KeyUnusable."""
        told = self.settings
        try:
            return load_key(
                told.key_env,
                told.keystore,
                told.password_file,
                self.environment,
                told.remote_signer,
                told.signer_address,
                told.remote_signer_ca_file,
            )
        except KeyUnusable as error:
            raise KeyUnusable(_as_settings(str(error))) from error

    @cached_property
    def gas_key(self) -> Signer:
        """KeyUnusable."""
        told = self.settings
        try:
            return load_key(told.gas_key_env, told.gas_keystore, told.gas_password_file, self.environment)
        except KeyUnusable as error:
            raise KeyUnusable(_as_settings(str(error), "gas_")) from error

    def endpoint_alone(self, url: str) -> Chain:
        """One RPC endpoint. ChainUnavailable."""
        return Chain(url, timeout=TIMEOUT)

    @cached_property
    def chain(self) -> Chain:
        """All endpoints as one. ChainUnavailable."""
        return Chain(self.settings.rpc, timeout=TIMEOUT, agree=self.settings.rpc_agree)

    @cached_property
    def network(self) -> Network:
        """The contracts. WrongDeployment."""
        return Network(self.chain, self.addresses)

    @cached_property
    def head(self) -> Block:
        """The newest block. RpcError."""
        return self.chain.block("latest")

    def members(self, version: int) -> list[str]:
        """The addresses of a committee, as the chain has them."""
        signers, _ = self.network.attestations.functions.committee(version).call()
        return [str(one) for one in signers]

    def ask(self, url: str) -> Told:
        """Who answers at an oracle's endpoint. NoOracleThere."""
        try:
            with requests.Session() as session:
                session.trust_env = False
                answer = session.get(f"{url}/v1/oracle", timeout=TIMEOUT, allow_redirects=False, stream=True)
                raw = answer.raw.read(_LONGEST_ANSWER, decode_content=True)
            if answer.status_code != 200:
                raise NoOracleThere(f"answers with status {answer.status_code}; is another server there?")
            told: Any = json.loads(raw)
            return Told(str(told["oracle"]), int(told["chainId"]), str(told["attestations"]))
        except (requests.RequestException, OSError) as error:
            raise NoOracleThere(f"doesn't answer ({type(error).__name__})") from error
        except (ValueError, KeyError, TypeError) as error:
            raise NoOracleThere("answers, but not as an oracle; is another server there?") from error
