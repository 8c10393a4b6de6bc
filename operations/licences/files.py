"""Signed words as JSON files, which people send to each other."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from chain.network import Network
from oracle.ground.address import checksummed, raw_address
from oracle.ground.errors import InvalidValue


def load(path: Path, fields: Sequence[str], what: str, sender: str) -> dict[str, Any]:
    """The object in a file, with exactly these fields. InvalidValue says whom (`sender`) to ask for a `what`."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidValue(f"{path}: {error.strerror}; give the file that {sender} made") from error
    except ValueError as error:
        raise InvalidValue(f"{path}: is no JSON ({error}); give the file that {sender} made") from error
    if not isinstance(told, dict) or set(told) != set(fields):
        raise InvalidValue(f"{path}: is no {what}; one has exactly the fields {', '.join(fields)}")
    return told


def save(path: Path, values: Mapping[str, Any]) -> None:
    """Write as JSON. InvalidValue where that can't be written."""
    try:
        path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise InvalidValue(f"--out {path}: {error.strerror}; give a file that can be written") from error


def unreadable(path: Path, error: Exception, sender: str) -> InvalidValue:
    """A field that isn't what it should be."""
    return InvalidValue(f"{path}: a field can't be read ({error}); ask {sender} for the file again")


def check_place(network: Network, what: str, chain_id: int, contract: str, here: str, maker: str) -> None:
    """InvalidValue unless a signed word is for this network's contract."""
    if (chain_id, contract.lower()) != (network.chain.chain_id, here.lower()):
        raise InvalidValue(
            f"the {what} is for contract {contract} on chain {chain_id}, not for {here} on chain "
            f"{network.chain.chain_id}: use that network, or have {maker} make one for this network"
        )


def address(name: str, text: str) -> str:
    """An address that a person wrote, with its checksum. InvalidValue."""
    try:
        return checksummed(raw_address(text))
    except InvalidValue as error:
        raise InvalidValue(f"{name}: {error}") from error


def raw(text: str, size: int) -> bytes:
    """Bytes of 0x and hex digits. ValueError."""
    value = bytes.fromhex(text.removeprefix("0x"))
    if len(value) != size:
        raise ValueError(f"{text} has {len(value)} bytes, not {size}")
    return value
