"""Observations: one oracle's signed view of one epoch, in its canonical encoding.

    content = "EOB1" | epoch u64 | committee u64 | count u32 | count x (assignment 16 bytes | up u32 | observed u32)

Where licences were observed too:

    content = "EOB2" | epoch u64 | committee u64 | count u32 | licences u32 | count x as above
              | licences x (licence 16 bytes | up u32 | observed u32)

Numbers are big-endian; assignments rise strictly, and so do licences; up and observed are ticks. Equal views are equal
bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from oracle.committee.errors import Malformed
from oracle.ground.errors import InvalidValue
from oracle.ground.keccak import keccak256
from oracle.ground.typed_data import Domain, Observation
from oracle.ground.uptime import Uptime
from oracle.signing.compact import recover

_HEADER: Final = struct.Struct(">4sQQI")
_ENTRY: Final = struct.Struct(">QQII")
_WIDE: Final = struct.Struct(">4sQQII")
_MAGIC: Final = b"EOB1"
_WITH_LICENCES: Final = b"EOB2"
MAX_ENTRIES: Final = 2_000_000
_LOW: Final = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class View:
    """What one oracle saw in one epoch: ticks by assignment, and by licence where the network rewards these."""

    epoch: int
    committee: int
    ticks: Mapping[int, Uptime]
    licences: Mapping[int, Uptime] = field(default_factory=dict)

    def encode(self) -> bytes:
        """The canonical encoding."""
        if not self.licences:
            return _HEADER.pack(_MAGIC, self.epoch, self.committee, len(self.ticks)) + _packed(self.ticks)
        head = _WIDE.pack(_WITH_LICENCES, self.epoch, self.committee, len(self.ticks), len(self.licences))
        return head + _packed(self.ticks) + _packed(self.licences)

    @staticmethod
    def decode(content: bytes) -> View:
        """The view of `encode`; Malformed for any other bytes."""
        if (len(content) < _WIDE.size and content[:4] == _WITH_LICENCES) or len(content) < _HEADER.size:
            raise Malformed(f"an observation of {len(content)} bytes is shorter than its header")
        if content[:4] == _WITH_LICENCES:
            magic, epoch, committee, count, licences = _WIDE.unpack_from(content)
            start, known = _WIDE.size, licences > 0
        else:
            magic, epoch, committee, count = _HEADER.unpack_from(content)
            start, licences, known = _HEADER.size, 0, magic == _MAGIC
        middle = start + count * _ENTRY.size
        if not known or count + licences > MAX_ENTRIES or len(content) != middle + licences * _ENTRY.size:
            raise Malformed(f"an observation of {len(content)} bytes that starts with {magic!r} is of no known version")
        ticks = _unpacked("assignment", content[start:middle])
        return View(epoch, committee, ticks, _unpacked("licence", content[middle:]))


def _packed(seen: Mapping[int, Uptime]) -> bytes:
    return b"".join([_ENTRY.pack(key >> 64, key & _LOW, one.up, one.observed) for key, one in sorted(seen.items())])


def _unpacked(what: str, raw: bytes) -> dict[int, Uptime]:
    found: dict[int, Uptime] = {}
    last = -1
    for high, low, up, observed in _ENTRY.iter_unpack(raw):
        key = high << 64 | low
        if key <= last:
            raise Malformed(f"an observation names {what} {key} out of order")
        try:
            found[key] = Uptime(up, observed)
        except InvalidValue as error:
            raise Malformed(f"an observation of {what} {key}: {error}") from error
        last = key
    return found


@dataclass(frozen=True)
class SignedObservation:
    """A view's encoding and its author's 64-byte signature of `Observation(epoch, committee, contentHash)`.

    What follows from the content is worked out once: that of a whole network is a megabyte.
    """

    content: bytes
    signature: bytes

    @cached_property
    def content_hash(self) -> bytes:
        """The content's keccak-256."""
        return keccak256(self.content)

    @cached_property
    def _view(self) -> View:
        return View.decode(self.content)

    def view(self) -> View:
        """The decoded view; Malformed."""
        return self._view

    def signed_as(self, signature: bytes) -> SignedObservation:
        """The same content with another oracle's signature: equal views are equal bytes."""
        other = SignedObservation(self.content, signature)
        other.__dict__.update(content_hash=self.content_hash, _view=self._view)
        return other

    def author(self, domain: Domain) -> bytes:
        """The 20-byte address that signed, recovered; Malformed or InvalidSignature."""
        view = self.view()
        return recover(Observation(view.epoch, view.committee, self.content_hash).digest(domain), self.signature)


def content_size(entries: int, licences: int = 0) -> int:
    """Bytes of the content of a view of so many assignments and licences."""
    return (_WIDE.size if licences else _HEADER.size) + (entries + licences) * _ENTRY.size


def commitment(epoch: int, committee: int, content: bytes) -> Observation:
    """What an oracle signs, in the report domain, to stand for `content`."""
    return Observation(epoch, committee, keccak256(content))


def digest(domain: Domain, epoch: int, committee: int, content: bytes) -> bytes:
    """The 32 bytes of that message which a signature covers."""
    return commitment(epoch, committee, content).digest(domain)
