"""What `epochal oracle run` is told: a TOML file, environment variables above it, checked before anything is opened."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, ClassVar, Final

from pydantic import ValidationError, model_validator
from pydantic_settings import EnvSettingsSource

from oracle.service.errors import SettingsError
from oracle.service.setting_declarations import PREFIX, DeclaredSettings
from oracle.service.setting_values import cure_of, is_hidden, is_path
from oracle.service.settings import parse_listen

LOCAL_CHAIN: Final = 31_337
"""The chain id of local chains, and the only one where an oracle may misbehave for a rehearsal."""


class OracleSettings(DeclaredSettings):
    """What one oracle is told; `load` makes one. Its fields are in `DeclaredSettings`."""

    needs_keys: ClassVar[bool] = True
    """Whether it signs and pays; who only watches does neither."""

    @model_validator(mode="after")
    def _belong_together(self) -> OracleSettings:
        """What single values can't tell. ValueError with the names and the cure."""
        keys = [name for name in ("key_env", "keystore", "remote_signer") if getattr(self, name) is not None]
        least = 1 if self.needs_keys else 0
        if not least <= len(keys) <= 1:
            raise ValueError(f"the oracle's key: {_both(keys)}; give one of key_env, keystore and remote_signer")
        gas = [name for name in ("gas_key_env", "gas_keystore") if getattr(self, name) is not None]
        if not least <= len(gas) <= 1:
            raise ValueError(f"the key that pays: {_both(gas)}; give one of gas_key_env and gas_keystore")
        for one, other in (
            ("keystore", "password_file"),
            ("remote_signer", "signer_address"),
            ("gas_keystore", "gas_password_file"),
            ("mqtt_username", "mqtt_password_env"),
        ):
            if (getattr(self, one) is None) != (getattr(self, other) is None):
                raise ValueError(f"{one} and {other} belong together: give both or neither")
        if self.remote_signer_ca_file is not None and self.remote_signer is None:
            raise ValueError("remote_signer_ca_file is of no use without remote_signer: leave it out")
        if self.key_env is not None and self.key_env == self.gas_key_env:
            raise ValueError(f"key_env and gas_key_env are both {self.key_env}: the key that pays must be another one")
        if self.rpc_agree is not None and not 1 <= self.rpc_agree <= len(self.rpc):
            raise ValueError(f"rpc_agree is {self.rpc_agree}: give 1 to {len(self.rpc)}, the number of rpc's endpoints")
        self._check_numbers()
        listens = [text for text in (self.heartbeat_listen, self.peer_listen, self.health_listen) if text]
        twice = sorted({text for text in listens if listens.count(text) > 1 and not text.endswith(":0")})
        if twice:
            raise ValueError(f"{twice[0]} is told for two servers: give each *_listen a port of its own")
        return self

    def _check_numbers(self) -> None:
        least = {"compact_after": 0, "max_priority_gwei": 1, "min_balance_gwei": 0, "evidence_retain": 1}
        least |= {"max_fee_gwei": 1, "stuck_seconds": 1, "tick": 1, "probe_period": 1}
        wrong = [name for name, low in least.items() if getattr(self, name) < low]
        if self.retain is not None and self.retain <= self.compact_after:
            wrong.append("retain")
        if self.max_priority_gwei > self.max_fee_gwei:
            wrong.append("max_priority_gwei")
        if self.max_clock_error is not None and not 0 < self.max_clock_error < self.tick:
            wrong.append("max_clock_error")
        if not abs(self.rehearsal_clock_offset) < 1e9:
            wrong.append("rehearsal_clock_offset")
        for name in wrong:
            raise ValueError(f"{name} is {getattr(self, name)}: {cure_of(OracleSettings.model_fields[name])}")

    @property
    def store_location(self) -> str:
        """Where what was seen and signed is kept: a path or a URL."""
        return self.store or str(self.state / "oracle.sqlite")

    @property
    def chain_path(self) -> Path:
        """The file of the chain's events."""
        return self.state / "chain.sqlite"

    @property
    def placing_path(self) -> Path:
        """The file of the chain's events about those who serve."""
        return self.state / "placing.sqlite"

    @property
    def transactions_path(self) -> Path:
        """The file of the transaction journal."""
        return self.state / "transactions.sqlite"

    def address(self, name: str) -> tuple[str, int] | None:
        """(host, port) of `heartbeat_listen`, `peer_listen` or `health_listen`; None where nothing listens."""
        text: str = getattr(self, name)
        return parse_listen(text) if text else None

    def check_chain(self, chain_id: int) -> None:
        """SettingsError for a rehearsal on a chain that is no local one."""
        for name in ("rehearsal", "rehearsal_clock_offset"):
            if getattr(self, name) and chain_id != LOCAL_CHAIN:
                raise SettingsError(
                    f"{name} is {getattr(self, name)} on chain {chain_id}: leave it out; an oracle may misbehave "
                    f"only on a local chain, whose id is {LOCAL_CHAIN}"
                )

    @property
    def secret_variables(self) -> tuple[str, ...]:
        """Names of the environment variables that hold secrets."""
        return tuple(name for name in (self.key_env, self.gas_key_env, self.mqtt_password_env) if name)


class WatchingSettings(OracleSettings):
    """Those of an oracle that only watches: they need no keys."""

    needs_keys: ClassVar[bool] = False


def load(config: Path | None, environment: Mapping[str, str], watching: bool = False) -> OracleSettings:
    """The settings of a TOML file and, above it, of the variables EPOCHAL_ORACLE_*. Opens nothing else.

    A path in the file is taken from the file's folder. SettingsError names the setting, its value and the cure;
    settings that nobody knows are refused, for they are mostly misspelt. watching: no key is required.
    """
    told = _from_file(config) if config is not None else {}
    told |= _from_environment(environment, told)
    try:
        return (WatchingSettings if watching else OracleSettings)(**told)
    except ValidationError as error:
        raise _first(error, told, environment, config) from None


class _Environment(EnvSettingsSource):
    """Reads the variables that it is given, not the process's own."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        super().__init__(OracleSettings)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return {name.lower(): value for name, value in self._environment.items()}


def _from_environment(environment: Mapping[str, str], told: dict[str, Any]) -> dict[str, Any]:
    fields = OracleSettings.model_fields
    found = _Environment(environment)()
    # An empty variable is how a container's file says that there is none.
    found = {name: None if value == "" and fields[name].default is None else value for name, value in found.items()}
    both = told | found
    named = {both.get(name) for name in ("key_env", "gas_key_env", "mqtt_password_env")}
    for name in environment:
        if name.startswith(PREFIX) and name not in named and name.removeprefix(PREFIX).lower() not in fields:
            near = _meant(name.removeprefix(PREFIX).lower(), PREFIX)
            raise SettingsError(f"{name}: no setting has this name; {near}docs/oracle-settings.md lists them")
    return found


def _from_file(config: Path) -> dict[str, Any]:
    try:
        told = tomllib.loads(config.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"--config {config}: {error.strerror}; check the path and its rights") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"--config {config}: is no TOML ({error}); see deploy/oracle.sample.toml") from error
    fields = OracleSettings.model_fields
    folder = config.absolute().parent
    for name, value in told.items():
        if name not in fields:
            raise SettingsError(
                f"--config {config}: no setting is named {name}; {_meant(name)}docs/oracle-settings.md lists them"
            )
        if is_path(fields[name]):
            told[name] = _beside(folder, value)
        elif name in ("store", "intake_stores"):
            told[name] = (
                [_beside(folder, each) for each in value] if isinstance(value, list) else _beside(folder, value)
            )
    return told


def _meant(name: str, prefix: str = "") -> str:
    """The setting that a misspelt name is nearest to, as a part of a message; "" where none is near."""
    near = get_close_matches(name, OracleSettings.model_fields, n=1)
    if not near:
        return ""
    return f"did you mean {prefix + near[0].upper() if prefix else near[0]}? "


def _beside(folder: Path, value: object) -> object:
    """A path of the file, which is taken from the file's folder; what is no path stays."""
    return str(folder / value) if isinstance(value, str) and value and "://" not in value else value


def _first(
    error: ValidationError, told: dict[str, Any], environment: Mapping[str, str], config: Path | None
) -> SettingsError:
    """The first thing that is wrong, as our own error."""
    wrong = error.errors(include_url=False)[0]
    why = str(wrong["msg"]).removeprefix("Value error, ")
    if not wrong["loc"]:
        return SettingsError(why)
    name = str(wrong["loc"][0])
    field = OracleSettings.model_fields[name]
    where = f"{PREFIX}{name.upper()}" if f"{PREFIX}{name.upper()}" in environment else name
    value = told.get(name)
    if value in (None, ""):
        otherwise = "" if config else ", or give --config FILE, which tells it"
        return SettingsError(f"{where} is missing: {cure_of(field)}{otherwise}")
    if is_hidden(field):
        return SettingsError(f"{where}: its value (not shown) is wrong ({why}): {cure_of(field)}")
    if "@" in str(value):
        return SettingsError(f"{where}: its value (not shown) holds a user or a password: {cure_of(field)}")
    return SettingsError(f"{where} is {value!r}: {cure_of(field)}")


def _both(names: list[str]) -> str:
    return f"{' and '.join(names)} are given" if names else "none is given"
