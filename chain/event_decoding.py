"""What events say: decoded from topics and data by the contracts' ABIs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from eth_abi.abi import decode
from eth_utils.abi import collapse_if_tuple, event_abi_to_log_topic
from eth_utils.address import to_checksum_address


@dataclass(frozen=True, slots=True)
class _Shape:
    """An event: its inputs by where they are. Of an indexed input that is longer than a word the topic has the hash."""

    indexed: list[tuple[dict[str, Any], str]]
    plain: list[dict[str, Any]]
    plain_types: list[str]

    @staticmethod
    def of(item: dict[str, Any]) -> _Shape:
        indexed = [one for one in item["inputs"] if one["indexed"]]
        plain = [one for one in item["inputs"] if not one["indexed"]]
        return _Shape(
            [(one, one["type"] if _is_word(one["type"]) else "bytes32") for one in indexed],
            plain,
            [collapse_if_tuple(one) for one in plain],
        )

    def args(self, topics: bytes, data: bytes) -> dict[str, Any]:
        words = [topics[start : start + 32] for start in range(32, len(topics), 32)]
        told = {one["name"]: decode([kind], word)[0] for (one, kind), word in zip(self.indexed, words, strict=True)}
        values = decode(self.plain_types, data)
        return told | {one["name"]: _named(one, value) for one, value in zip(self.plain, values, strict=True)}


class EventDecoder:
    """Decodes the events of some contracts, each given by a name, its address and its ABI."""

    def __init__(self, contracts: Mapping[str, tuple[str, Sequence[Any]]]) -> None:
        self._names: dict[tuple[str, str], tuple[str, str]] = {}
        self._shapes: dict[tuple[str, str], _Shape] = {}
        topics: set[str] = set()
        for contract, (address, abi) in contracts.items():
            for item in abi:
                if item["type"] == "event" and not item.get("anonymous"):
                    topic = "0x" + event_abi_to_log_topic(item).hex()
                    topics.add(topic)
                    self._names[address.lower(), topic] = contract, item["name"]
                    self._shapes[contract, item["name"]] = _Shape.of(item)
        self.filter = {
            "address": [to_checksum_address(address) for address, _ in contracts.values()],
            "topics": [sorted(topics)],
        }
        """What of a request for logs picks these events."""
        self.contracts = " ".join(f"{name}={address.lower()}" for name, (address, _) in sorted(contracts.items()))
        self.topics_hash = sha256(" ".join(sorted(topics)).encode()).hexdigest()

    def name(self, address: str, topics: Sequence[str]) -> tuple[str, str] | None:
        """A log's contract and event; None if it is none of these."""
        return self._names.get((address.lower(), topics[0].lower())) if topics else None

    def args(self, contract: str, event: str, topics: bytes, data: bytes) -> dict[str, Any]:
        """The arguments of an event by name: `topics` one after the other, its own first."""
        return self._shapes[contract, event].args(topics, data)


def _is_word(kind: str) -> bool:
    return kind not in ("string", "bytes") and not kind.startswith("tuple") and not kind.endswith("]")


def _named(item: dict[str, Any], value: Any) -> Any:
    """A struct as a dict of its fields, a list of structs as a list of dicts."""
    if item["type"] == "tuple":
        return {one["name"]: _named(one, part) for one, part in zip(item["components"], value, strict=True)}
    if item["type"] == "tuple[]":
        return [_named({**item, "type": "tuple"}, part) for part in value]
    return value
