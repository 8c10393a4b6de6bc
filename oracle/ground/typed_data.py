"""EIP-712 for messages of flat fields, and every message of the system that is signed.

Each message has a type of its own and a domain bound to chain and contract, so a signature says one thing in
one place. The Solidity type is derived from the dataclass: the two can't drift apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, ClassVar, Final, get_origin, get_type_hints

from oracle.ground.address import raw_address
from oracle.ground.errors import InvalidValue
from oracle.ground.keccak import keccak256
from oracle.ground.widths import bytes32, uint

UInt8 = Annotated[int, "uint8"]
UInt32 = Annotated[int, "uint32"]
UInt64 = Annotated[int, "uint64"]
UInt256 = Annotated[int, "uint256"]
Bytes32 = Annotated[bytes, "bytes32"]
Bytes = Annotated[bytes, "bytes"]
String = Annotated[str, "string"]
Address = Annotated[str, "address"]

VERSION: Final = "1"
ATTESTATIONS: Final = "Epochal Attestations"
NODE_LICENSE: Final = "Epochal NodeLicense"
PLACEMENTS: Final = "Epochal Placements"
HEARTBEAT: Final = "Epochal Heartbeat"
ORACLE_DIRECTORY: Final = "Epochal OracleDirectory"
CREDENTIALS: Final = "Epochal Credentials"
REALLOCATIONS: Final = "Epochal Reallocations"

_DOMAIN_TYPE: Final = b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"


@dataclass(frozen=True, slots=True)
class Domain:
    """Where a signature counts: `contract` is its address in text, see `ground.address`."""

    name: str
    version: str
    chain_id: int
    contract: str

    def separator(self) -> bytes:
        """The EIP-712 domain separator."""
        return _separator(self)


@lru_cache(maxsize=64)  # a service signs in a handful of domains, a heartbeat comes 5,000 times a second
def _separator(domain: Domain) -> bytes:
    return keccak256(
        keccak256(_DOMAIN_TYPE)
        + keccak256(domain.name.encode())
        + keccak256(domain.version.encode())
        + _word("uint256", "chain id", domain.chain_id)
        + _word("address", "contract", domain.contract)
    )


class TypedStruct:
    """A frozen dataclass of annotated fields becomes an EIP-712 struct by deriving from this.

    A class says in `DOMAIN` where it counts; `TYPE` and `TYPE_HASH` follow from its fields.
    """

    __slots__ = ()
    DOMAIN: ClassVar[str]
    TYPE: ClassVar[str]
    TYPE_HASH: ClassVar[bytes]
    _members: ClassVar[tuple[tuple[str, str], ...]]

    def __init_subclass__(cls) -> None:
        hints = get_type_hints(cls, include_extras=True).items()
        cls._members = tuple((name, h.__metadata__[0]) for name, h in hints if get_origin(h) is Annotated)
        cls.TYPE = f"{cls.__name__}({','.join(f'{kind} {name}' for name, kind in cls._members)})"
        cls.TYPE_HASH = keccak256(cls.TYPE.encode())

    @classmethod
    def domain(cls, chain_id: int, contract: str) -> Domain:
        """The domain in which this message counts."""
        return Domain(cls.DOMAIN, VERSION, chain_id, contract)

    def struct_hash(self) -> bytes:
        """EIP-712 `hashStruct`; InvalidValue when a field doesn't fit its type."""
        words = [_word(kind, name, getattr(self, name)) for name, kind in self._members]
        return keccak256(self.TYPE_HASH + b"".join(words))

    def preimage(self, domain: Domain) -> bytes:
        """The 66 bytes whose keccak is `digest`, for signers that hash by themselves; errors as for `digest`."""
        if domain.name != self.DOMAIN:
            raise InvalidValue(
                f"domain is {domain.name!r} for {type(self).__name__}: use {self.DOMAIN!r}, its only one"
            )
        return b"\x19\x01" + _separator(domain) + self.struct_hash()

    def digest(self, domain: Domain) -> bytes:
        """The 32 bytes to sign; InvalidValue for a domain of another purpose or a field of wrong width."""
        return keccak256(self.preimage(domain))


@dataclass(frozen=True, slots=True)
class EpochReport(TypedStruct):
    """The committee's agreed statement for one epoch."""

    DOMAIN: ClassVar[str] = ATTESTATIONS
    epoch: UInt64
    committee: UInt64
    root: Bytes32
    parent: Bytes32
    anchor: Bytes32
    evidence: Bytes32


@dataclass(frozen=True, slots=True)
class Observation(TypedStruct):
    """One oracle's commitment to its view of one epoch."""

    DOMAIN: ClassVar[str] = ATTESTATIONS
    epoch: UInt64
    committee: UInt64
    contentHash: Bytes32  # noqa: N815  the name in Solidity


@dataclass(frozen=True, slots=True)
class NodeConsent(TypedStruct):
    """A node agrees to serve under a licence of `holder`."""

    DOMAIN: ClassVar[str] = NODE_LICENSE
    licence: UInt256
    holder: Address
    node: Address
    nonce: UInt256
    deadline: UInt64


@dataclass(frozen=True, slots=True)
class Acceptance(TypedStruct):
    """A node agrees to one placement under the terms it read."""

    DOMAIN: ClassVar[str] = PLACEMENTS
    job: UInt64
    slot: UInt32
    generation: UInt32
    licence: UInt256
    terms: Bytes32
    expiry: UInt64


@dataclass(frozen=True, slots=True)
class PeerMessage(TypedStruct):
    """What an oracle sends its peers; `kind` and `payload` as in `committee.messages`."""

    DOMAIN: ClassVar[str] = ATTESTATIONS
    kind: UInt8
    epoch: UInt64
    committee: UInt64
    turn: UInt32
    payload: Bytes


@dataclass(frozen=True, slots=True)
class Heartbeat(TypedStruct):
    """A node's "I am alive" to one oracle, with the health of what it runs as `telemetry.wire.workloads` writes it.

    The contract of this domain, and of those of the next two, is Attestations.
    """

    DOMAIN: ClassVar[str] = HEARTBEAT
    oracle: Address
    sequence: UInt64
    challenge: Bytes32
    workloads: Bytes


@dataclass(frozen=True, slots=True)
class Session(TypedStruct):
    """A node's wish to send one oracle heartbeats under a key that both derive from these two public keys."""

    DOMAIN: ClassVar[str] = HEARTBEAT
    oracle: Address
    challenge: Bytes32
    oracleKey: Bytes  # noqa: N815  the name in the EIP-712 type
    nodeKey: Bytes  # noqa: N815


@dataclass(frozen=True, slots=True)
class Receipt(TypedStruct):
    """An oracle's word on the ticks of one epoch in which it took a node's heartbeats; for the bits see
    `telemetry.wire.receipt`."""

    DOMAIN: ClassVar[str] = HEARTBEAT
    node: Address
    epoch: UInt64
    firstTick: UInt32  # noqa: N815
    ticks: Bytes


@dataclass(frozen=True, slots=True)
class Announcement(TypedStruct):
    """An oracle's word on where it is reached; the highest sequence stands."""

    DOMAIN: ClassVar[str] = ORACLE_DIRECTORY
    oracle: Address
    endpoint: String
    sequence: UInt64


@dataclass(frozen=True, slots=True)
class Credential(TypedStruct):
    """A verifier's word on a subject, whom it knows. `document` is a salted hash of its file; kinds are 1, a person,
    and 2, a business; times are UNIX seconds."""

    DOMAIN: ClassVar[str] = CREDENTIALS
    subject: Address
    kind: UInt8
    document: Bytes32
    issuedAt: UInt64  # noqa: N815
    expiry: UInt64


@dataclass(frozen=True, slots=True)
class ReallocationBatch(TypedStruct):
    """Requests for other nodes, as a quorum of the committee signs them. `root` is that of the tree of requests (see
    `ground.reallocations`), `expiry` the last UNIX second in which it counts."""

    DOMAIN: ClassVar[str] = REALLOCATIONS
    committee: UInt64
    epoch: UInt64
    root: Bytes32
    expiry: UInt64


def _word(kind: str, name: str, value: int | bytes | str) -> bytes:
    """A field as its 32-byte word."""
    if kind == "bytes32" and isinstance(value, bytes):
        return bytes32(name, value)
    if kind == "address" and isinstance(value, str):
        return bytes(12) + raw_address(value)
    if kind == "bytes" and type(value) is bytes:
        return keccak256(value)
    if kind == "string" and type(value) is str:
        return keccak256(value.encode())
    if kind.startswith("uint") and isinstance(value, int):
        return uint(name, value, int(kind[4:])).to_bytes(32, "big")
    raise InvalidValue(f"{name} is {value!r}: give a {kind}")
