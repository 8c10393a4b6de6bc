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
from chain.deployment.settings import DAY, Delays, NetworkSettings, People, Schedule, Swap
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
_RATIO1_ONLY: Final = ("test_network", "tokens", "genesis_wallets", "swap")
_LEAST_ORACLES: Final = 4
_MOST_ORACLES: Final = 128
"""More don't fit the transaction that deploys their registry; they can be admitted later."""
_MOST_WALLETS: Final = 16
_YEAR: Final = 365 * DAY


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
    _within("genesis", begins, 1, 2**40 - 1, "a UNIX time in seconds")
    oracles = _oracles(told.get("oracles", []))
    preset = told.get("preset")
    if preset == "local":
        if found := [name for name in _RATIO1_ONLY if name in told]:
            raise UnfitSettings(f"{found[0]} is for the preset ratio1; leave it out with local")
        length = told.get("epoch_length", 600)
        _within("epoch_length", length, 5, _YEAR, "seconds")
        settings = presets.local(begins, length, oracles)
    elif preset == "ratio1":
        settings = _ratio1(told, begins, oracles)
    else:
        raise UnfitSettings(f"preset is {'missing' if preset is None else repr(preset)}; give 'local' or 'ratio1'")
    given = told.get("delays", {})
    _known("delays.", given, {"governance": int, "replacement": int})
    for name, value in given.items():
        _within(f"delays.{name}", value, 0, _YEAR, "seconds")
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
    tokens = _addresses("tokens", told)
    if not tokens:
        raise UnfitSettings("tokens is missing: give the addresses of the tokens in which jobs pay, of 6 decimals")
    wallets = _addresses("genesis_wallets", told)
    if not wallets:
        raise UnfitSettings("genesis_wallets is missing: give those that share the genesis licence's reward")
    if len(wallets) > _MOST_WALLETS:
        raise UnfitSettings(f"genesis_wallets: {len(wallets)} are too many; give at most {_MOST_WALLETS}")
    swap = _swap(told["swap"]) if "swap" in told else None
    return presets.ratio1(
        genesis, oracles, tokens, ratio1_schedules(), wallets, swap, bool(told.get("test_network", False))
    )


def _swap(told: Mapping[str, Any]) -> Swap:
    numbers = {one.name: int for one in fields(Swap) if one.name != "router"}
    _known("swap.", told, {"router": str, **numbers})
    swap = Swap(**{**told, "router": _address("swap.router", told.get("router"))})
    for name in ("min_period", "max_period", "cooldown"):
        _within(f"swap.{name}", getattr(swap, name), 1, _YEAR, "seconds")
    _within("swap.max_slippage_ppm", swap.max_slippage_ppm, 0, 10**6 - 1, "millionths")
    if swap.max_period < 2 * swap.min_period:
        raise UnfitSettings(
            f"swap.max_period is {swap.max_period}; give at least twice swap.min_period, {2 * swap.min_period}"
        )
    return swap


def _oracles(told: list[Any]) -> list[Oracle]:
    if len(told) < _LEAST_ORACLES:
        raise UnfitSettings(f"oracles: {len(told)} are too few; give at least {_LEAST_ORACLES} tables [[oracles]]")
    if len(told) > _MOST_ORACLES:
        raise UnfitSettings(f"oracles: {len(told)} are too many; give at most {_MOST_ORACLES}")
    found: list[Oracle] = []
    keys: dict[str, str] = {}
    for index, one in enumerate(told):
        where = f"oracles[{index}]."
        if not isinstance(one, dict):
            raise UnfitSettings(f"oracles[{index}] is no table; write [[oracles]]")
        _known(where, one, {"signer": str, "member": str, "operator": str})
        signer = _address(where + "signer", one.get("signer"))
        member = _address(where + "member", one.get("member"))
        for name, address in (("signer", signer), ("member", member)):
            _once(keys, where + name, address)
        found.append(Oracle(signer, member, _address(where + "operator", one.get("operator", member))))
    return found


def _people(told: Mapping[str, Any], delays: Delays) -> People:
    _known("people.", told, dict.fromkeys(_PEOPLE, str))
    if missing := [name for name in _PEOPLE if name not in told]:
        raise UnfitSettings(f"people.{missing[0]} is missing: give an address")
    return People(**{name: _address(f"people.{name}", told[name]) for name in _PEOPLE}, delays=delays)


def _addresses(name: str, told: Mapping[str, Any]) -> list[str]:
    seen: dict[str, str] = {}
    for index, one in enumerate(told.get(name, [])):
        _once(seen, f"{name}[{index}]", _address(f"{name}[{index}]", one))
    return list(seen)


def _address(where: str, value: object) -> str:
    if value is None:
        raise UnfitSettings(f"{where} is None, which is no address: give one")
    try:
        raw = raw_address(str(value))
    except InvalidValue as error:
        cure = str(error).rpartition(": ")[2]
        raise UnfitSettings(f"{where} is {value!r}, which is no address: {cure}") from error
    if not any(raw):
        raise UnfitSettings(f"{where} is the zero address, whose key nobody has; give another one")
    return checksummed(raw)


def _once(seen: dict[str, str], where: str, address: str) -> None:
    if address in seen:
        raise UnfitSettings(f"{where} is {address}, which {seen[address]} is too; give another one")
    seen[address] = where


def _within(where: str, value: int, least: int, most: int, what: str) -> None:
    if not least <= value <= most:
        raise UnfitSettings(f"{where} is {value}; give {what}, {least} to {most}")


def _known(where: str, told: Mapping[str, Any], kinds: Mapping[str, type]) -> None:
    for name, value in told.items():
        if name not in kinds:
            raise UnfitSettings(f"{where}{name} is unknown; known are {', '.join(kinds)}")
        if not isinstance(value, kinds[name]) or (kinds[name] is int and isinstance(value, bool)):
            raise UnfitSettings(f"{where}{name} is {value!r}; give a value of the type {kinds[name].__name__}")
