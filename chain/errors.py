"""Reverts of the contracts as exceptions: a custom error becomes a class of the same name."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_utils.abi import abi_to_signature, function_signature_to_4byte_selector

from chain import bindings
from oracle.ground.errors import EpochalError

_PANIC = bytes.fromhex("4e487b71")
_ERROR = bytes.fromhex("08c379a0")


class ContractReverted(EpochalError):
    """A contract refused a call. `label` names the call, `values` are the custom error's, by name."""

    def __init__(self, label: str, values: dict[str, Any], text: str) -> None:
        super().__init__(text)
        self.label = label
        self.values = values


@lru_cache(maxsize=1)
def _known() -> dict[bytes, dict[str, Any]]:
    """Custom errors of all contracts, by selector."""
    return {
        function_signature_to_4byte_selector(abi_to_signature(item)): item  # type: ignore[arg-type]
        for item in bindings.errors()
    }


@cache
def error_class(name: str) -> type[ContractReverted]:
    """The exception class of the custom error `name`; one class for each name."""
    return type(name, (ContractReverted,), {"__doc__": f"The contracts' custom error {name}."})


def _shown(value: Any) -> str:
    return "0x" + value.hex() if isinstance(value, bytes) else str(value)


def decode_revert(label: str, data: str) -> ContractReverted:
    """The exception for revert data (hex) of the call `label`. What no contract gives is shown as it is."""
    try:
        return _decoded(label, data)
    except (DecodingError, ValueError):  # also text that isn't UTF-8, or no hex: endpoints say what they like
        return ContractReverted(label, {}, f"{label}: reverted with {data[:200]}")


def _decoded(label: str, data: str) -> ContractReverted:
    raw = bytes.fromhex(data.removeprefix("0x"))
    selector, body = raw[:4], raw[4:]
    if item := _known().get(selector):
        types = [argument["type"] for argument in item["inputs"]]
        names = [argument["name"] or f"value{i}" for i, argument in enumerate(item["inputs"])]
        values = dict(zip(names, decode(types, body), strict=True))
        told = ", ".join(f"{name}={_shown(value)}" for name, value in values.items())
        return error_class(item["name"])(label, values, f"{label}: {item['name']}({told})")
    if selector == _ERROR:
        return ContractReverted(label, {}, f"{label}: {decode(['string'], body)[0]}")
    if selector == _PANIC:
        return ContractReverted(label, {}, f"{label}: panic 0x{decode(['uint256'], body)[0]:02x}")
    return ContractReverted(label, {}, f"{label}: reverted" + (f" with {data}" if raw else " without a reason"))
