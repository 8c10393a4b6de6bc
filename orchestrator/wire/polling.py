"""What a node's agent and its orchestrator say to each other, `POST /v1/poll`.

The request is `{"poll": {…}, "signature": "0x…"}`, signed as `NodePoll` over the hash of the poll's canonical JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from oracle.ground.address import raw_address
from oracle.ground.errors import InvalidValue
from oracle.ground.ids import parse_assignment, show_assignment
from oracle.ground.policy import Policy
from oracle.ground.typed_data import Acceptance, Domain
from oracle.signing.compact import recover
from oracle.signing.signer import Signer
from orchestrator.wire.canonical import decode, encode, hash_of
from orchestrator.wire.consents import SignedAcceptance as SignedAcceptance
from orchestrator.wire.consents import SignedOffer as SignedOffer
from orchestrator.wire.consents import amount
from orchestrator.wire.fields import Fields, text
from orchestrator.wire.intent import read_tag
from orchestrator.wire.intent_parts import PORT_NAME, Resources
from orchestrator.wire.typed_data import NodePoll

MAX_POLL: Final = 262_144
"""Bytes of a poll's request."""
CLOCK_SECONDS: Final = 60
"""How far a poll's time may be from the orchestrator's."""
MOST_RUNNING: Final = 1_000
HOST: Final = r"[A-Za-z0-9._:\[\]-]{1,253}"
STATES: Final = (
    "uninitialized",
    "starting",
    "running",
    "stopping",
    "stopped",
    "failed",
    "restarting",
    "paused",
)
ORDERS: Final = ("prepare", "run", "stop")
_U32, _U64, _U256 = 2**32 - 1, 2**64 - 1, 2**256 - 1


@dataclass(frozen=True, slots=True)
class Running:
    """What a node says of one workload. `ports` are those of the node's host, by the intent's names."""

    assignment: int
    intent: bytes
    state: str
    healthy: bool
    reason: str = ""
    ports: Mapping[str, int] = field(default_factory=dict)
    detail: str = ""

    def to_json(self) -> dict[str, Any]:
        """As `read` takes it."""
        return {
            "assignment": show_assignment(self.assignment),
            "intent": "0x" + self.intent.hex(),
            "state": self.state,
            "healthy": self.healthy,
            "reason": self.reason,
            "ports": dict(self.ports),
            "detail": self.detail,
        }

    @staticmethod
    def read(value: object, where: str) -> Running:
        """From JSON; InvalidValue."""
        f = Fields(value, where)
        found = Running(
            assignment=parse_assignment(f.text("assignment", longest=128)),
            intent=f.raw("intent", 32),
            state=f.one_of("state", STATES),
            healthy=f.flag("healthy"),
            reason=f.text("reason", default="", longest=1_024),
            ports={
                text(name, f"{where}.ports", PORT_NAME): port
                for name, port in f.mapping("ports", {}, most=16).items()
                if _is_port(port, f"{where}.ports.{name}")
            },
            detail=f.text("detail", default="", longest=4_096),
        )
        f.done()
        return found


@dataclass(frozen=True, slots=True)
class Poll:
    """What a node says of itself. `time` is UNIX seconds; `host` where its workloads are reached; `capacity` is all it
    has for workloads, whatever runs already."""

    node: str
    licence: int
    time: int
    host: str
    capacity: Resources
    tags: tuple[str, ...] = ()
    running: tuple[Running, ...] = ()
    acceptances: tuple[SignedAcceptance, ...] = ()
    offers: tuple[SignedOffer, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As `read` takes it."""
        return {
            "node": self.node.lower(),
            "licence": self.licence,
            "time": self.time,
            "host": self.host,
            "capacity": self.capacity.to_json(),
            "tags": list(self.tags),
            "running": [one.to_json() for one in self.running],
            "acceptances": [one.to_json() for one in self.acceptances],
            "offers": [one.to_json() for one in self.offers],
        }

    @staticmethod
    def read(value: object, where: str = "poll") -> Poll:
        """From JSON; InvalidValue."""
        f = Fields(value, where)
        found = Poll(
            node=f.address("node"),
            licence=f.number("licence", 1, _U256),
            time=f.number("time", 0, _U64),
            host=f.text("host", HOST, cure="give a host's name or IP address"),
            capacity=Resources.read(f.take("capacity"), f"{where}.capacity"),
            tags=f.list_of("tags", read_tag, [], most=64),
            running=f.list_of("running", Running.read, [], most=MOST_RUNNING),
            acceptances=f.list_of("acceptances", SignedAcceptance.read, [], most=MOST_RUNNING),
            offers=f.list_of("offers", SignedOffer.read, [], most=64),
        )
        f.done()
        return found

    def message(self) -> NodePoll:
        """What the node signs."""
        return NodePoll(self.node, self.licence, self.time, hash_of(self.to_json(), "poll"))


@dataclass(frozen=True, slots=True)
class Proposal:
    """A placement that the orchestrator asks the node to accept.

    terms    the job's terms hash, which the acceptance names; it is the hash of token, price, policy and intent
    expiry   UNIX seconds that the acceptance is to carry
    price    of the slot for one epoch, in the token's smallest unit
    token    in lower case
    """

    job: int
    slot: int
    generation: int
    terms: bytes
    expiry: int
    price: int
    token: str
    intent: bytes
    policy: Policy

    def to_json(self) -> dict[str, Any]:
        """As `read` takes it."""
        names = Policy.__dataclass_fields__
        return {
            "job": self.job,
            "slot": self.slot,
            "generation": self.generation,
            "terms": "0x" + self.terms.hex(),
            "expiry": self.expiry,
            "price": str(self.price),
            "token": self.token,
            "intent": "0x" + self.intent.hex(),
            "policy": {name: getattr(self.policy, name) for name in names},
        }

    @staticmethod
    def read(value: object, where: str) -> Proposal:
        """From JSON; InvalidValue."""
        f = Fields(value, where)
        found = Proposal(
            job=f.number("job", 1, _U64),
            slot=f.number("slot", 0, _U32),
            generation=f.number("generation", 1, _U32),
            terms=f.raw("terms", 32),
            expiry=f.number("expiry", 0, _U64),
            price=amount(f.take("price"), f"{where}.price"),
            token=f.address("token"),
            intent=f.raw("intent", 32),
            policy=_policy(f.take("policy"), f"{where}.policy"),
        )
        f.done()
        return found

    def acceptance(self, licence: int) -> Acceptance:
        """What the node signs to take it."""
        return Acceptance(self.job, self.slot, self.generation, licence, self.terms, self.expiry)


@dataclass(frozen=True, slots=True)
class Work:
    """What the node is to do with one assignment: "prepare" it before it is on chain, "run" or "stop" it. `intent` is
    the document (empty with "stop"), `peers` are HOST:PORT of the job's other replicas."""

    assignment: int
    order: str
    intent: Mapping[str, Any] = field(default_factory=dict)
    peers: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As `read` takes it."""
        return {
            "assignment": show_assignment(self.assignment),
            "intent": dict(self.intent),
            "order": self.order,
            "peers": list(self.peers),
        }

    @staticmethod
    def read(value: object, where: str) -> Work:
        """From JSON; InvalidValue. The intent isn't looked into: see `wire.intent.from_document`."""
        f = Fields(value, where)
        found = Work(
            assignment=parse_assignment(f.text("assignment", longest=128)),
            intent=f.mapping("intent", {}),
            order=f.one_of("order", ORDERS),
            peers=f.list_of("peers", lambda v, at: text(v, at, r"[!-~]{1,300}"), [], most=20_000),
        )
        f.done()
        return found


@dataclass(frozen=True, slots=True)
class Refused:
    """Something of the poll that the orchestrator didn't take, and why."""

    what: str
    why: str

    @staticmethod
    def read(value: object, where: str) -> Refused:
        """From JSON; InvalidValue."""
        f = Fields(value, where)
        found = Refused(f.text("what"), f.text("why"))
        f.done()
        return found


@dataclass(frozen=True, slots=True)
class PollAnswer:
    """What the orchestrator wants. A workload that `work` doesn't list is fenced off: it is stopped. `time` is the
    orchestrator's, `poll_seconds` when it wants to hear of the node again."""

    time: int
    poll_seconds: int
    proposals: tuple[Proposal, ...] = ()
    work: tuple[Work, ...] = ()
    refused: tuple[Refused, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As `read` takes it."""
        return {
            "time": self.time,
            "poll_seconds": self.poll_seconds,
            "proposals": [one.to_json() for one in self.proposals],
            "work": [one.to_json() for one in self.work],
            "refused": [{"what": one.what, "why": one.why} for one in self.refused],
        }

    @staticmethod
    def read(value: object, where: str = "answer") -> PollAnswer:
        """From JSON; InvalidValue."""
        f = Fields(value, where)
        found = PollAnswer(
            time=f.number("time", 0, _U64),
            poll_seconds=f.number("poll_seconds", 1, 86_400),
            proposals=f.list_of("proposals", Proposal.read, [], most=MOST_RUNNING),
            work=f.list_of("work", Work.read, [], most=MOST_RUNNING),
            refused=f.list_of("refused", Refused.read, [], most=10 * MOST_RUNNING),
        )
        f.done()
        return found


def sign_poll(poll: Poll, signer: Signer, domain: Domain) -> bytes:
    """The request's body. `domain` is `NodePoll.domain(chain id, address of Placements)`; errors as of the signer."""
    signature = signer.sign_typed(poll.message(), domain)
    return encode({"poll": poll.to_json(), "signature": "0x" + signature.hex()}, "request")


def open_poll(body: bytes, domain: Domain) -> Poll:
    """The poll in a request's body, signed by its node.

    InvalidValue for what is no poll or is signed by another, InvalidSignature for what is no signature.
    """
    f = Fields(decode(body, "request", MAX_POLL), "request")
    given = f.take("poll")
    poll, signature = Poll.read(given), f.raw("signature", 64)
    f.done()
    # The hash is of what was sent, so that a field left out or an address in mixed case is as the node signed it.
    signed = NodePoll(poll.node, poll.licence, poll.time, hash_of(given, "poll"))
    signer = recover(signed.digest(domain), signature)
    if signer != raw_address(poll.node):
        raise InvalidValue(f"poll.node is {poll.node}, but 0x{signer.hex()} signed: check key, chain id and Placements")
    return poll


def _policy(value: object, where: str) -> Policy:
    f = Fields(value, where)
    names = Policy.__dataclass_fields__
    given = {name: f.take(name) for name in names}
    f.done()
    try:
        return Policy(**given)
    except InvalidValue as error:
        raise InvalidValue(where + str(error).removeprefix("policy")) from None


def _is_port(port: object, where: str) -> bool:
    if type(port) is not int or not 0 < port <= 65_535:
        raise InvalidValue(f"{where} is {port!r}: use a port from 1 to 65535")
    return True
