"""What is to be deployed, in which order, with which arguments; every address is known before the first transaction.

A contract's address follows from its deployer's address and nonce alone. So arguments name other contracts of the plan,
earlier or later ones, and contracts that need each other need no setter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from eth_abi.abi import encode
from eth_typing import HexAddress, HexStr
from eth_utils.abi import collapse_if_tuple
from eth_utils.crypto import keccak
from web3.types import Nonce
from web3.utils.address import get_create_address

from chain.compiler import Artifact
from oracle.ground.errors import InvalidValue


@dataclass(frozen=True, slots=True)
class Ref:
    """The address of the plan's contract `key`, as an argument."""

    key: str


@dataclass(frozen=True, slots=True)
class Step:
    """One contract to deploy.

    key          its name in the plan, and in a network's `Addresses`
    contract     its name in Solidity
    arguments    the constructor's, in order; structs as mappings of their fields, addresses as text or as `Ref`
    """

    key: str
    contract: str
    arguments: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Plan:
    """Steps in order: the first takes the deployer's nonce `first_nonce`, each further one the next.

    `known` are addresses of contracts that were there before, such as tokens, by key.
    """

    deployer: str
    first_nonce: int
    steps: tuple[Step, ...]
    artifacts: Mapping[str, Artifact]
    known: Mapping[str, str]

    def __post_init__(self) -> None:
        keys = [step.key for step in self.steps] + list(self.known)
        if twice := {key for key in keys if keys.count(key) > 1}:
            raise InvalidValue(f"the plan names {', '.join(sorted(twice))} twice")

    @cached_property
    def addresses(self) -> dict[str, str]:
        """Where each contract is or will be, by key, the plan's order first."""
        deployer = HexAddress(HexStr(self.deployer))
        return {
            step.key: str(get_create_address(deployer, Nonce(self.first_nonce + index)))
            for index, step in enumerate(self.steps)
        } | dict(self.known)

    def artifact(self, step: Step) -> Artifact:
        """What was compiled of a step's contract."""
        try:
            return self.artifacts[step.contract]
        except KeyError:
            raise InvalidValue(f"the plan's {step.key} is a {step.contract}, but there is no such contract") from None

    def arguments(self, step: Step) -> list[tuple[dict[str, Any], Any]]:
        """The constructor's parameters (their ABI) with their values, references put in."""
        inputs = _constructor(self.artifact(step))
        if len(inputs) != len(step.arguments):
            wanted = ", ".join(f"{one['type']} {one['name']}" for one in inputs)
            raise InvalidValue(
                f"{step.contract} takes {len(inputs)} arguments ({wanted}), the plan gives {len(step.arguments)}"
            )
        return [
            (one, _valued(one, value, self._address, f"{step.contract}.{one['name']}"))
            for one, value in zip(inputs, step.arguments, strict=True)
        ]

    def init_code(self, step: Step) -> str:
        """The data of the transaction that deploys a step's contract."""
        arguments = self.arguments(step)
        types = [collapse_if_tuple(one) for one, _ in arguments]
        return self.artifact(step).bytecode + encode(types, [value for _, value in arguments]).hex()

    def init_hash(self, step: Step) -> str:
        """Hash of `init_code`: what is deployed, with which arguments."""
        return keccak(hexstr=self.init_code(step)).hex()

    def _address(self, key: str) -> str:
        if key not in self.addresses:
            raise InvalidValue(f"the plan refers to {key}, which it doesn't hold")
        return self.addresses[key]


def _constructor(artifact: Artifact) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = next((one["inputs"] for one in artifact.abi if one["type"] == "constructor"), [])
    return found


def _valued(parameter: dict[str, Any], value: Any, address: Callable[[str], str], where: str) -> Any:
    """An argument as eth-abi takes it: references are addresses, mappings are tuples in the struct's order."""
    if isinstance(value, Ref):
        return address(value.key)
    kind: str = parameter["type"]
    if kind.endswith("]"):
        one = {**parameter, "type": kind[: kind.rindex("[")]}
        return [_valued(one, item, address, f"{where}[{index}]") for index, item in enumerate(value)]
    if kind == "tuple":
        parts: Sequence[dict[str, Any]] = parameter["components"]
        if isinstance(value, Mapping):
            names = [part["name"] for part in parts]
            if set(value) != set(names):
                raise InvalidValue(f"{where} has the fields {', '.join(names)}; the plan gives {', '.join(value)}")
            value = tuple(value[name] for name in names)
        return tuple(
            _valued(part, item, address, f"{where}.{part['name']}") for part, item in zip(parts, value, strict=True)
        )
    return value
