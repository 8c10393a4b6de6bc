"""The two names of a node: `0xai_…`, by which Deeploy knows it, and the EVM address that goes on chain. Pure.

`0xai_…` is the node's compressed secp256k1 public key in URL-safe base64, so the EVM address follows from it. A table
in the settings names those that are otherwise (nodes whose name isn't a key, as on test networks).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Final

from coincurve import PublicKey

from oracle.ground.address import checksummed, raw_address
from oracle.ground.errors import InvalidValue
from oracle.signing.compact import address_of

PREFIX: Final = "0xai_"
_LONGEST: Final = 128


def node_name(text: str) -> str:
    """A node's name as it is; InvalidValue for a text that is none."""
    digits = text.removeprefix(PREFIX)
    good = text.startswith(PREFIX) and 0 < len(digits) <= _LONGEST and digits.replace("_", "a").replace("-", "a")
    if not good or not (good.isascii() and good.isalnum()):
        raise InvalidValue(f"node is {text[:80]!r}: give 0xai_ and letters, digits, - or _")
    return text


def derived(name: str) -> str:
    """The EVM address (EIP-55) of a node whose name is its public key; InvalidValue where it is none."""
    digits = node_name(name).removeprefix(PREFIX)
    try:
        raw = base64.b64decode(digits + "=" * (-len(digits) % 4), altchars=b"-_", validate=True)
        if len(raw) != 33:
            raise ValueError("a compressed key has 33 bytes")
        return checksummed(address_of(PublicKey(raw)))
    except (ValueError, binascii.Error) as error:
        raise InvalidValue(
            f"node {name}: its name is no public key ({error}): name its EVM address in the settings' [nodes]"
        ) from error


class NodeAddresses:
    """Names to EVM addresses: those of the table, and for all others what follows from the name."""

    def __init__(self, table: Mapping[str, str] | None = None) -> None:
        """InvalidValue for a name or address that is none, and for two names of one address."""
        self._of = {node_name(name): checksummed(raw_address(address)) for name, address in (table or {}).items()}
        self._named = {address: name for name, address in self._of.items()}
        if len(self._named) != len(self._of):
            twice = sorted(address for address in self._named if list(self._of.values()).count(address) > 1)
            raise InvalidValue(f"[nodes]: {', '.join(twice)} has more than one name: give each node once")

    def evm(self, name: str) -> str:
        """The EVM address (EIP-55) of a node; InvalidValue if it can't be told."""
        known = self._of.get(node_name(name))
        return derived(name) if known is None else known

    def name(self, address: str) -> str:
        """The name of an EVM address; InvalidValue if the table hasn't it: a key doesn't follow from its address."""
        found = self._named.get(checksummed(raw_address(address)))
        if found is None:
            raise InvalidValue(f"node {address}: no 0xai_ name is known: add it to the settings' [nodes]")
        return found
