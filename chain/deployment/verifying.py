"""Whether the contracts on chain are wired as planned: every getter that tells a constructor's argument is asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple, dataclass
from typing import Any

from eth_typing import HexAddress, HexStr
from web3.contract.contract import Contract

from chain.client import Chain
from chain.deployment.contracts import committee
from chain.deployment.errors import UnfitSettings, WrongDeployment
from chain.deployment.plan import Plan, Ref
from chain.deployment.settings import NetworkSettings
from oracle.ground.errors import EpochalError

_DECIMALS = 6  # of the tokens; prices are told in them
_ASK_DECIMALS = "0x313ce567"  # decimals()
_BURN_NOTHING = "0x42966c68" + "00" * 32  # burn(0)
_TELLABLE = ("address", "uint", "int", "bool", "bytes32", "string")


def check_outside(chain: Chain, settings: NetworkSettings) -> None:
    """UnfitSettings unless the contracts that the settings name are there, and the tokens have the decimals that prices
    are told in and can be burned by whoever holds them, where they aren't swapped for what can."""
    named = {f"tokens[{index}]": token for index, token in enumerate(settings.tokens)}
    if settings.swap is not None:
        named["swap.router"] = settings.swap.router
    for name, address in named.items():
        if not chain.w3.eth.get_code(HexAddress(HexStr(address))):  # type: ignore[arg-type]
            raise UnfitSettings(f"{name} is {address}, but no contract is there; give one of chain {chain.chain_id}")
    for index, token in enumerate(settings.tokens):
        try:
            told = int.from_bytes(chain.call_data(token, _ASK_DECIMALS))
        except EpochalError:
            told = None
        if told != _DECIMALS:
            tells = "doesn't tell its decimals" if told is None else f"has {told} decimals"
            raise UnfitSettings(f"tokens[{index}] is {token}, which {tells}; give a token of {_DECIMALS}")
        if settings.swap is None and chain.reverts(token, _BURN_NOTHING):
            raise UnfitSettings(
                f"tokens[{index}] is {token}, which its holders can't burn: what is to be burned would stay with the "
                "burner for ever; give [swap], or a token with the burn(uint256) of OpenZeppelin's ERC20Burnable"
            )


@dataclass(frozen=True, slots=True)
class Wire:
    """An argument of the plan's contract `key`, and the getter that tells it; "" where none does."""

    key: str
    parameter: str
    getter: str
    value: Any


def wires(plan: Plan) -> Iterator[Wire]:
    """The arguments of all constructors, structs taken apart."""
    for step in plan.steps:
        abi = plan.artifact(step).abi
        getters = {
            one["name"]: one["outputs"][0]["type"]
            for one in abi
            if one["type"] == "function" and not one["inputs"] and len(one["outputs"]) == 1
        }
        for parameter, value in _flat(plan.arguments(step)):
            name: str = parameter["name"].strip("_")
            told = getters.get(name) == parameter["type"] and parameter["type"].startswith(_TELLABLE)
            yield Wire(step.key, parameter["name"], name if told and "[" not in parameter["type"] else "", value)


def check_wires(chain: Chain, plan: Plan) -> int:
    """Ask every getter; returns how many. WrongDeployment for the first that tells something else than planned."""
    checked = 0
    bound: dict[str, Contract] = {
        step.key: chain.contract(plan.addresses[step.key], plan.artifact(step).abi) for step in plan.steps
    }
    for wire in wires(plan):
        if wire.getter:
            _equal(f"{wire.key}.{wire.getter}", bound[wire.key].functions[wire.getter]().call(), wire.value)
            checked += 1
    return checked


def check_facts(attestations: Contract, settings: NetworkSettings) -> None:
    """The spans and the first committee, which no plain getter tells."""
    _, signers, _ = committee(settings)
    _equal("attestations.timing", tuple(attestations.functions.timing().call()), astuple(settings.timing))
    _equal("the first committee", list(attestations.functions.committee(1).call()[0]), signers)


def referred(plan: Plan) -> set[tuple[str, str]]:
    """(key, other key) of every reference in the plan."""
    return {(step.key, ref.key) for step in plan.steps for ref in _refs(step.arguments)}


def _refs(value: Any) -> Iterator[Ref]:
    if isinstance(value, Ref):
        yield value
    elif isinstance(value, dict):
        yield from _refs(list(value.values()))
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from _refs(one)


def _flat(arguments: list[tuple[dict[str, Any], Any]]) -> Iterator[tuple[dict[str, Any], Any]]:
    for parameter, value in arguments:
        if parameter["type"] == "tuple":
            yield from _flat(list(zip(parameter["components"], value, strict=True)))
        else:
            yield parameter, value


def _equal(what: str, found: Any, wanted: Any) -> None:
    same = found.lower() == wanted.lower() if isinstance(found, str) and isinstance(wanted, str) else found == wanted
    if not same:
        raise WrongDeployment(f"{what} is {found}, not {wanted}; deploy the network again")
