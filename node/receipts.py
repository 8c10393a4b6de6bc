"""Receipts on disk: what each oracle signed that it saw of this node, kept for appeals.

    DIR/owner.json                       whose receipts these are, and of which network
    DIR/<oracle>/<epoch>.receipt         one of that oracle for that epoch, as it travelled
    DIR/<oracle>/<epoch>.<n>.receipt     others that hold ticks which that one lacks

Files appear whole or not at all. Receipts of one epoch add up: a bit that isn't set says nothing.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import reduce
from operator import or_
from pathlib import Path

from node.errors import SettingsError
from oracle.ground.address import raw_address
from oracle.ground.errors import EpochalError
from oracle.ground.typed_data import Domain, Heartbeat
from oracle.signing.compact import InvalidSignature
from oracle.telemetry.wire import receipt as wire
from oracle.telemetry.wire.receipt import MalformedReceipt, SignedReceipt

MOST = 10
"""Receipts kept of one oracle and epoch: it may have several workers, but one that contradicts itself mustn't fill the
disk."""
_OWNER = "owner.json"
_NAME = re.compile(r"(0|[1-9][0-9]{0,19})(?:\.([1-9]))?\.receipt")
_FOLDER = re.compile(r"0x[0-9a-f]{40}")


class WrongReceipt(EpochalError):
    """The bytes are no receipt of that oracle for that node and epoch."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A receipt found on disk. `fault` says what is wrong with it; None: it is good.

    `oracle` and `epoch` are those of its place; `ticks` counts those that it holds.
    """

    path: Path
    oracle: str
    epoch: int
    ticks: int
    fault: str | None


def read_receipt(raw: bytes, oracle: str, node: str, epoch: int, domain: Domain) -> SignedReceipt:
    """The receipt in these bytes. WrongReceipt unless `oracle` signed it for that node (lower-case addresses), epoch
    and network."""
    try:
        found = wire.decode(raw)
        signer = wire.signed_by(found, domain)
    except (MalformedReceipt, InvalidSignature) as error:
        raise WrongReceipt(str(error)) from error
    if signer != oracle:
        raise WrongReceipt(f"{signer} signed it, not {oracle}")
    if (found.node, found.epoch) != (node, epoch):
        raise WrongReceipt(f"it is for epoch {found.epoch} of node {found.node}, not for epoch {epoch} of {node}")
    return found


class ReceiptFolder:
    """The receipts of one node on one network. SettingsError if `path` can't hold them or holds another node's."""

    def __init__(self, path: Path, node: str, domain: Domain) -> None:
        self._path = path
        self._node = node.lower()
        self._domain = domain
        owner = {"node": self._node, "chainId": domain.chain_id, "attestations": domain.contract.lower()}
        try:
            path.mkdir(parents=True, exist_ok=True)
            if (path / _OWNER).exists():
                found = json.loads((path / _OWNER).read_text(encoding="utf-8"))
            else:
                _write(path / _OWNER, json.dumps(owner, indent=2).encode() + b"\n")
                found = owner
        except (OSError, ValueError) as error:
            raise SettingsError(f"--receipts {path}: can't be used ({error}); name a folder of this node's") from error
        if found != owner:
            raise SettingsError(f"--receipts {path}: holds those of {found}; give each node and network its own folder")

    def bits(self, oracle: str, epoch: int) -> int:
        """The ticks of that epoch that the kept receipts of that oracle hold together."""
        return _all(self._bits_of(place, oracle, epoch) for place in self._places(oracle, epoch) if place.exists())

    def keep(self, raw: bytes, oracle: str, epoch: int) -> None:
        """Keep this receipt, which was checked; OSError if that fails.

        It takes the place of those that it covers; one that holds nothing new is dropped. When there are too many, the
        one goes that holds the fewest ticks of which there is no other.
        """
        bits = wire.decode(raw).bits
        places = self._places(oracle, epoch)
        held = {place: self._bits_of(place, oracle, epoch) for place in places if place.exists()}
        if not bits & ~_all(held.values()):
            return
        covered = [place for place, ticks in held.items() if not ticks & ~bits]
        free = [place for place in places if place not in held]
        if not covered and not free:
            # How many ticks would go with each of them, if it went.
            loss = {p: (held[p] & ~_all([bits, *(held[q] for q in places if q != p)])).bit_count() for p in places}
            least = min(places, key=lambda place: loss[place])
            if loss[least] >= (bits & ~_all(held.values())).bit_count():
                return
            free = [least]
        places[0].parent.mkdir(parents=True, exist_ok=True)
        _write([*covered, *free][0], raw)
        for place in covered[1:]:
            place.unlink()

    def _bits_of(self, path: Path, oracle: str, epoch: int) -> int:
        try:
            return read_receipt(path.read_bytes(), oracle, self._node, epoch, self._domain).bits
        except (WrongReceipt, OSError):
            return 0

    def _places(self, oracle: str, epoch: int) -> list[Path]:
        """Where receipts of that oracle and epoch may lie."""
        names = [f"{epoch}.receipt", *(f"{epoch}.{number}.receipt" for number in range(1, MOST))]
        return [self._path / oracle / name for name in names]


def owner_of(path: Path) -> tuple[str, Domain]:
    """Whose receipts lie in `path`, a node's lower-case address, and the domain that they were signed in. SettingsError
    if it holds none of a node."""
    try:
        owner = json.loads((path / _OWNER).read_text(encoding="utf-8"))
        node = "0x" + raw_address(owner["node"]).hex()
        domain = Heartbeat.domain(owner["chainId"], owner["attestations"])
        domain.separator()
    except (OSError, ValueError, KeyError, TypeError, EpochalError) as error:
        raise SettingsError(f"{path}: is no folder of receipts ({error}); name the one of --receipts") from error
    return node, domain


def verify_folder(path: Path) -> Iterator[Kept]:
    """Every kept receipt in order of epoch and oracle, checked. SettingsError if `path` holds none of a node."""
    node, domain = owner_of(path)
    found = []
    for file in path.glob("*/*.receipt"):
        name = _NAME.fullmatch(file.name)
        if name and _FOLDER.fullmatch(file.parent.name):
            found.append((int(name[1]), file.parent.name, file))
    for epoch, oracle, file in sorted(found):
        try:
            held = read_receipt(file.read_bytes(), oracle, node, epoch, domain)
            yield Kept(file, oracle, epoch, held.bits.bit_count(), None)
        except (WrongReceipt, OSError) as error:
            yield Kept(file, oracle, epoch, 0, str(error))


def _all(masks: Iterable[int]) -> int:
    """The ticks of these masks together."""
    return reduce(or_, masks, 0)


def _write(path: Path, content: bytes) -> None:
    """Write the file whole or not at all, durably."""
    half = path.with_name(f".{path.name}.part")
    with half.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    half.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
