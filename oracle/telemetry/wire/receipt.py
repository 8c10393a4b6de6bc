"""Receipts: an oracle's signed word on the ticks in which it took a node's heartbeats.

    version u8 = 1 | node, 20 bytes | epoch u64 | first tick u32 | length u16 | ticks, `length` bytes
    | signature, 64 bytes                                                                    99 + length bytes

Integers are big-endian. Bit i (lowest first) of byte j of `ticks` is tick `first tick + 8 j + i`; the first tick is a
multiple of 8. A bit that isn't set says nothing: several receipts of one epoch add up.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from oracle.ground.address import raw_address
from oracle.ground.bitmap import to_bytes
from oracle.ground.errors import EpochalError, InvalidValue
from oracle.ground.typed_data import Domain, Receipt
from oracle.signing import compact
from oracle.signing.signer import Signer

VERSION: Final = 1
MIN_SIZE: Final = 99
MAX_BYTES: Final = 65_535
END_OF_TICKS: Final = 1 << 24
"""Ticks that a receipt may speak of are below: an epoch of half a year in seconds. A mask takes as much memory as its
highest tick, and receipts come from others."""

_HEAD: Final = struct.Struct(">B20sQIH")
_SIGNATURE: Final = 64


class MalformedReceipt(EpochalError):
    """The bytes can't be a receipt."""


@dataclass(frozen=True, slots=True)
class SignedReceipt:
    """A receipt as it travels. `node` is an address in text, lower case when decoded."""

    node: str
    epoch: int
    first_tick: int
    ticks: bytes
    signature: bytes

    @property
    def bits(self) -> int:
        """The mask in which bit i stands for tick i of the epoch."""
        return int.from_bytes(self.ticks, "little") << self.first_tick


def issue(signer: Signer, domain: Domain, node: str, epoch: int, bits: int, ticks: int) -> bytes:
    """The oracle's receipt for one epoch of `ticks` ticks, encoded: from tick 0 on, trailing zero bytes cut.

    `domain` as for a heartbeat. InvalidValue for bits that the epoch doesn't have, for bits from tick 524,280 on, which
    65,535 bytes don't reach, and for a value of the wrong width.
    """
    written = to_bytes(bits, ticks).rstrip(b"\0")
    if len(written) > MAX_BYTES:
        raise InvalidValue(f"receipt goes up to tick {bits.bit_length() - 1}: it holds those below {8 * MAX_BYTES}")
    signature = signer.sign_typed(Receipt(node, epoch, 0, written), domain)
    return encode(SignedReceipt(node, epoch, 0, written, signature))


def signed_by(receipt: SignedReceipt, domain: Domain) -> str:
    """The oracle, as a lower-case 0x address, recovered from the signature.

    `signing.compact.InvalidSignature` where nobody signed. A receipt altered or made for another domain recovers to an
    address that is no oracle's.
    """
    digest = Receipt(receipt.node, receipt.epoch, receipt.first_tick, receipt.ticks).digest(domain)
    return "0x" + compact.recover(digest, receipt.signature).hex()


def encode(receipt: SignedReceipt) -> bytes:
    """The bytes of the receipt. MalformedReceipt for a field of the wrong width."""
    if len(receipt.signature) != _SIGNATURE or not 0 <= receipt.epoch < 2**64:
        raise MalformedReceipt(
            f"epoch is {receipt.epoch}, signature has {len(receipt.signature)} bytes: give a u64 and 64 bytes"
        )
    _check_ticks(receipt.first_tick, len(receipt.ticks))
    head = _HEAD.pack(VERSION, raw_address(receipt.node), receipt.epoch, receipt.first_tick, len(receipt.ticks))
    return head + receipt.ticks + receipt.signature


def decode(raw: bytes) -> SignedReceipt:
    """The receipt in exactly these bytes; its signature is not checked here. MalformedReceipt for any other bytes."""
    if raw and raw[0] != VERSION:
        raise MalformedReceipt(f"receipt version is {raw[0]}, this one reads {VERSION}: update the node agent")
    if len(raw) < MIN_SIZE:
        raise MalformedReceipt(f"receipt has {len(raw)} bytes: the shortest has {MIN_SIZE}")
    _, node, epoch, first_tick, length = _HEAD.unpack_from(raw)
    if len(raw) != MIN_SIZE + length:
        raise MalformedReceipt(
            f"receipt has {len(raw)} bytes: one with {length} bytes of ticks has {MIN_SIZE + length}"
        )
    _check_ticks(first_tick, length)
    return SignedReceipt("0x" + node.hex(), epoch, first_tick, raw[_HEAD.size : -_SIGNATURE], raw[-_SIGNATURE:])


def _check_ticks(first_tick: int, length: int) -> None:
    if length > MAX_BYTES or first_tick % 8 or not 0 <= first_tick <= END_OF_TICKS - 8 * length:
        raise MalformedReceipt(
            f"receipt has {length} bytes of ticks from {first_tick} on: give at most {MAX_BYTES}, from a multiple of 8 "
            f"on, all below tick {END_OF_TICKS}"
        )
