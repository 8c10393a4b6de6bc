"""Appeals: the receipts by which a node shows what oracles acknowledged in one epoch, whatever the report said.

    "EPA1" | node, 20 bytes | epoch u64 | count u16 | count x (length u16 | receipt, as `receipt` encodes it)

Integers are big-endian. Receipts rise strictly by (signer's address, first tick, bytes), so one set of receipts is one
appeal; an appeal is named by the keccak of its bytes. Whoever judges it checks the order: only who recovers the signers
can.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from oracle.ground.address import raw_address
from oracle.ground.errors import InvalidValue, Malformed
from oracle.ground.keccak import keccak256
from oracle.ground.typed_data import Domain
from oracle.telemetry.wire import receipt as wire
from oracle.telemetry.wire.receipt import MalformedReceipt, SignedReceipt

MAX_SIZE: Final = 1 << 20
"""Bytes of an appeal: receipts of a whole day in seconds by forty oracles."""
MOST_OF_ONE: Final = 8
"""Receipts of one oracle in an appeal: it may have several workers, each of which signs for what came to it."""

_MAGIC: Final = b"EPA1"
_HEAD: Final = struct.Struct(">4s20sQH")
_LENGTH: Final = struct.Struct(">H")


@dataclass(frozen=True)
class Appeal:
    """What a node (20 bytes) hands in for one epoch; each receipt as it travels."""

    node: bytes
    epoch: int
    receipts: tuple[bytes, ...]

    def encode(self) -> bytes:
        """The bytes of the appeal; InvalidValue for what they have no room for."""
        if len(self.node) != 20 or not 0 <= self.epoch < 2**64 or len(self.receipts) >= 2**16:
            raise InvalidValue(
                f"appeal of node 0x{self.node.hex()} for epoch {self.epoch} has {len(self.receipts)} receipts: "
                "give 20 bytes, a u64 and fewer than 65536"
            )
        parts = [_HEAD.pack(_MAGIC, self.node, self.epoch, len(self.receipts))]
        for one in self.receipts:
            if len(one) >= 2**16:
                raise InvalidValue(f"a receipt has {len(one)} bytes: an appeal takes those below 65536")
            parts += (_LENGTH.pack(len(one)), one)
        raw = b"".join(parts)
        if len(raw) > MAX_SIZE:
            raise InvalidValue(f"appeal has {len(raw)} bytes: at most {MAX_SIZE}; give fewer receipts")
        return raw

    @staticmethod
    def decode(raw: bytes) -> Appeal:
        """The appeal in exactly these bytes; Malformed for any others.

        Each receipt can be read and is for this node and epoch; signatures and order are not checked here.
        """
        if not _HEAD.size <= len(raw) <= MAX_SIZE:
            raise Malformed(f"appeal has {len(raw)} bytes: give {_HEAD.size} to {MAX_SIZE}")
        magic, node, epoch, count = _HEAD.unpack_from(raw)
        if magic != _MAGIC:
            raise Malformed(f"appeal begins with {magic!r}: this version reads {_MAGIC!r}")
        receipts = []
        at = _HEAD.size
        for _ in range(count):
            start = at + _LENGTH.size
            at = start + int.from_bytes(raw[at:start], "big")
            if at > len(raw) or start > len(raw):
                raise Malformed(f"appeal has {len(raw)} bytes: it is cut")
            receipts.append(raw[start:at])
        if at != len(raw):
            raise Malformed(f"appeal has {len(raw)} bytes: its receipts end at {at}")
        appeal = Appeal(node, epoch, tuple(receipts))
        appeal.read()
        return appeal

    def read(self) -> tuple[SignedReceipt, ...]:
        """Its receipts, decoded; Malformed unless each is one for this node and epoch."""
        found = []
        for raw in self.receipts:
            try:
                one = wire.decode(raw)
            except MalformedReceipt as error:
                raise Malformed(f"appeal for epoch {self.epoch} holds what is no receipt: {error}") from error
            if (raw_address(one.node), one.epoch) != (self.node, self.epoch):
                raise Malformed(
                    f"appeal of 0x{self.node.hex()} for epoch {self.epoch} holds a receipt of {one.node} "
                    f"for epoch {one.epoch}"
                )
            found.append(one)
        return tuple(found)

    @cached_property
    def hash(self) -> bytes:
        """The keccak of its bytes, by which it is named."""
        return keccak256(self.encode())


def receipts_in(raw: bytes) -> int:
    """How many receipts bytes that may be an appeal say that they have; 0 for such as can't have them. Cheap."""
    if not _HEAD.size <= len(raw) <= MAX_SIZE:
        return 0
    count = int(_HEAD.unpack_from(raw)[3])
    return count if len(raw) >= _HEAD.size + count * (_LENGTH.size + wire.MIN_SIZE) else 0


def gather(node: bytes, epoch: int, receipts: Iterable[bytes], domain: Domain) -> Appeal:
    """The canonical appeal from receipts in any order: of each oracle those that add a tick, at most eight.

    `domain` as for a heartbeat. Malformed or InvalidSignature for a receipt that isn't one for this node and epoch;
    InvalidValue when all together are too long.
    """
    by_signer: dict[str, dict[bytes, SignedReceipt]] = {}
    for raw in receipts:
        (one,) = Appeal(node, epoch, (raw,)).read()
        by_signer.setdefault(wire.signed_by(one, domain), {})[raw] = one
    chosen: list[bytes] = []
    for signer in sorted(by_signer):
        left = by_signer[signer]
        held = 0
        taken: list[tuple[int, bytes]] = []
        while left and len(taken) < MOST_OF_ONE:
            best = min(left, key=lambda raw: (-(left[raw].bits & ~held).bit_count(), len(raw), raw))
            one = left.pop(best)
            if not one.bits & ~held:
                break
            held |= one.bits
            taken.append((one.first_tick, best))
        chosen += [raw for _, raw in sorted(taken)]
    appeal = Appeal(node, epoch, tuple(chosen))
    appeal.encode()
    return appeal
