"""The file that `epochal deploy` reads: which preset, whose oracles, who holds the roles."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from chain.deployment import presets
from chain.deployment.errors import UnfitSettings
from chain.deployment.presets import Oracle
from chain.deployment.settings import Delays, NetworkSettings, People, Schedule, Swap
from oracle.ground.address import checksummed, raw_address
from oracle.ground.errors import InvalidValue
from settlement import emission

_TOP: Final = {
    "preset": str,
    "genesis": int,
    "epoch_length": int,
    "test_network": bool,
    "tokens": list,
    "genesis_wallets": list,
    "oracles": list,
    "people": dict,
    "delays": dict,
    "swap": dict,
}
_PEOPLE: Final = tuple(one.name for one in fields(People) if one.name != "delays")
_LEAST_ORACLES: Final = 4


@dataclass(frozen=True, slots=True)
class Told:
    """What is to be deployed, and who holds the roles."""

    settings: NetworkSettings
    people: People


def read(path: Path, genesis: int | None) -> Told:
    """The file's network; `genesis` is the one that a deployment was begun with. UnfitSettings names what is wrong."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UnfitSettings(f"--settings {path}: {error.strerror}; give a file, see docs/deployment.md") from error
    try:
        return parse(tomllib.loads(text), genesis)
    except tomllib.TOMLDecodeError as error:
        raise UnfitSettings(f"--settings {path}: is no TOML ({error})") from error
    except UnfitSettings as error:
        raise UnfitSettings(f"--settings {path}: {error}") from error


def parse(told: Mapping[str, Any], genesis: int | None) -> Told:
    """See `read`."""
    _known("", told, _TOP)
    begins = told.get("genesis", genesis)
    if begins is None:
        raise UnfitSettings("genesis is missing: give the UNIX time at which epoch 0 starts")
    oracles = _oracles(told.get("oracles", []))
    preset = told.get("preset")
    if preset == "local":
        settings = presets.local(begins, told.get("epoch_length", 600), oracles)
    elif preset == "ratio1":
        settings = _ratio1(told, begins, oracles)
    else:
        raise UnfitSettings(f"preset is {preset!r}; give 'local' or 'ratio1'")
    given = told.get("delays", {})
    _known("delays.", given, {"governance": int, "replacement": int})
    usual = presets.delays_for(settings.timing)
    delays = Delays(given.get("governance", usual.governance), given.get("replacement", usual.replacement))
    return Told(settings, _people(told.get("people", {}), delays))


def ratio1_schedules() -> presets.Schedules:
    """The emission of the three kinds of licences."""
    supplies = emission.RATIO1_STANDARD, emission.RATIO1_MASTER, emission.RATIO1_GENESIS
    one, two, three = (supply.schedule for supply in supplies)
    return _handed(one), _handed(two), _handed(three)


def _handed(schedule: emission.Schedule) -> Schedule:
    return Schedule(schedule.start_epoch, schedule.step_epochs, schedule.cap, schedule.packed)


def _ratio1(told: Mapping[str, Any], genesis: int, oracles: list[Oracle]) -> NetworkSettings:
    if "epoch_length" in told:
        raise UnfitSettings("epoch_length is fixed by the preset ratio1; leave it out, or set test_network")
    tokens = [_address(f"tokens[{index}]", one) for index, one in enumerate(told.get("tokens", []))]
    if not tokens:
        raise UnfitSettings("tokens is missing: give the addresses of the tokens in which jobs pay, of 6 decimals")
    wallets = [_address(f"genesis_wallets[{index}]", one) for index, one in enumerate(told.get("genesis_wallets", []))]
    if not wallets:
        raise UnfitSettings("genesis_wallets is missing: give those that share the genesis licence's reward")
    swap = None
    if "swap" in told:
        numbers = {one.name: int for one in fields(Swap) if one.name != "router"}
        _known("swap.", told["swap"], {"router": str, **numbers})
        swap = Swap(**{**told["swap"], "router": _address("swap.router", told["swap"].get("router"))})
    return presets.ratio1(
        genesis, oracles, tokens, ratio1_schedules(), wallets, swap, bool(told.get("test_network", False))
    )


def _oracles(told: list[Any]) -> list[Oracle]:
    if len(told) < _LEAST_ORACLES:
        raise UnfitSettings(f"oracles: {len(told)} are too few; give at least {_LEAST_ORACLES} tables [[oracles]]")
    found = []
    for index, one in enumerate(told):
        where = f"oracles[{index}]."
        if not isinstance(one, dict):
            raise UnfitSettings(f"oracles[{index}] is no table; write [[oracles]]")
        _known(where, one, {"signer": str, "member": str, "operator": str})
        signer = _address(where + "signer", one.get("signer"))
        member = _address(where + "member", one.get("member"))
        found.append(Oracle(signer, member, _address(where + "operator", one.get("operator", member))))
    return found


def _people(told: Mapping[str, Any], delays: Delays) -> People:
    _known("people.", told, dict.fromkeys(_PEOPLE, str))
    if missing := [name for name in _PEOPLE if name not in told]:
        raise UnfitSettings(f"people.{missing[0]} is missing: give an address")
    return People(**{name: _address(f"people.{name}", told[name]) for name in _PEOPLE}, delays=delays)


def _address(where: str, value: object) -> str:
    try:
        return checksummed(raw_address(str(value)))
    except InvalidValue as error:
        raise UnfitSettings(f"{where} is {value!r}, which is no address ({error})") from error


def _known(where: str, told: Mapping[str, Any], kinds: Mapping[str, type]) -> None:
    for name, value in told.items():
        if name not in kinds:
            raise UnfitSettings(f"{where}{name} is unknown; known are {', '.join(kinds)}")
        if not isinstance(value, kinds[name]) or (kinds[name] is int and isinstance(value, bool)):
            raise UnfitSettings(f"{where}{name} is {value!r}; give a value of the type {kinds[name].__name__}")
