# SPDX-License-Identifier: Apache-2.0
"""What travels between oracles, and what they sign, for other implementations to make and read byte by byte.

Every secret is in the file, so all of it can be made again; signatures are deterministic (RFC 6979).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from oracle.committee.agreement import Committee, Proposal, bundle
from oracle.committee.messages import Body, Have, Message, Proposed, Reason, Ref, Refusal, Vote
from oracle.committee.observation import SignedObservation, View, commitment
from oracle.committee.reallocation_messages import Asked, Batch, Claims, Endorsement, Objection
from oracle.ground.breaches import Breach, request_id
from oracle.ground.breaches import Reason as Why
from oracle.ground.ids import pack
from oracle.ground.keccak import keccak256
from oracle.ground.ledger import Ledger
from oracle.ground.reallocations import Reallocation, RequestTree
from oracle.ground.typed_data import Announcement, Domain, EpochReport, Heartbeat, PeerMessage, ReallocationBatch
from oracle.ground.uptime import Uptime
from oracle.signing.signer import LocalSigner
from oracle.telemetry.wire.appeal import Appeal, gather
from oracle.telemetry.wire.receipt import issue

EPOCH: Final = 17
COMMITTEE: Final = 3
TOP32, TOP64, TOP128 = 2**32 - 1, 2**64 - 1, 2**128 - 1
_CONTRACT: Final = "0x" + keccak256(b"Epochal protocol vectors: contract")[12:].hex()
REPORTS: Final = EpochReport.domain(31_337, _CONTRACT)
HEARTBEATS: Final = Heartbeat.domain(31_337, _CONTRACT)
ANNOUNCEMENTS: Final = Announcement.domain(31_337, _CONTRACT)
REQUESTS: Final = ReallocationBatch.domain(31_337, _CONTRACT)
SECRETS: Final = {
    name: keccak256(b"Epochal protocol vectors: " + name.encode())
    for name in ("oracle 0", "oracle 1", "oracle 2", "oracle 3", "node")
}
ORACLES: Final = [LocalSigner(SECRETS[f"oracle {index}"]) for index in range(4)]
"""As they are named, not in the order of a committee."""
NODE: Final = LocalSigner(SECRETS["node"])
A, B, C, D = (keccak256(letter) for letter in (b"a", b"b", b"c", b"d"))

VIEWS: Final = (
    View(EPOCH, COMMITTEE, {}),
    View(EPOCH, COMMITTEE, {pack(7, 2, 1): Uptime(8_000, 8_640)}),
    View(EPOCH, COMMITTEE, {pack(7, 2, 1): Uptime(8_640, 8_640), 1: Uptime(0, 0), TOP128: Uptime(1, TOP32)}),
    View(TOP64, TOP64, {2**64: Uptime(0, 1)}),
    View(
        EPOCH,
        COMMITTEE,
        {pack(7, 2, 1): Uptime(1, 2)},
        {2: Uptime(0, 8_640), 1: Uptime(8_640, 8_640), TOP128: Uptime(0, 0)},
    ),
)


CLAIMED: Final = (
    Breach(pack(7, 2, 1), Why.MISSED_EPOCHS, 1_800_000_000, 1_800_000_000, 1_800_000_000),
    Breach(pack(7, 2, 1), Why.OUTAGE, 1_800_000_000, 1_800_000_030, 1_800_000_060),
    Breach(TOP128, Why.MAINTENANCE, 0, 0, 2**40 - 1),
)
ASKED: Final = (
    Asked(1, Why.OUTCAST, 1_800_000_777),
    Asked(pack(7, 2, 1), Why.OUTAGE, 1_800_000_030),
    Asked(pack(8, 0, 3), Why.MAINTENANCE, 2**40 - 1),
)


def protocol() -> dict[str, Any]:
    """Each thing with the fields it is made of."""
    observations = [_observation(view, ORACLES[index % 4]) for index, view in enumerate(VIEWS)]
    held = [_signed(view, ORACLES[index]) for index, view in enumerate(VIEWS[:4])]
    appeals = _appeals()
    keys = sorted(appeal.hash for appeal in appeals)
    refs = [Ref(EPOCH, one.content_hash, one.signature) for one in held[:3]]
    refs.sort(key=lambda ref: ref.author(REPORTS, COMMITTEE))
    proposed = Proposed(A, B, tuple(refs), tuple(keys))
    report = EpochReport(EPOCH, COMMITTEE, C, A, B, D)
    vote = Vote(proposed.hash, C, A, B, D, ORACLES[2].sign_typed(report, REPORTS))
    batch = Batch(1_800_001_200, ASKED)
    endorsed = _endorsement(batch, ORACLES[1])
    text = "the proposal omits the observation of 0x…: é"
    return {
        "domains": {name: _domain(one) for name, one in _DOMAINS.items()},
        "secrets": {name: _hex(secret) for name, secret in SECRETS.items()},
        "oracles": [oracle.address for oracle in ORACLES],
        "node": NODE.address,
        "observations": observations,
        "messages": [
            _message(0, EPOCH, COMMITTEE, 0, Have((), ())),
            _message(1, EPOCH, COMMITTEE, 1, Have(tuple(refs), tuple(keys))),
            _message(0, EPOCH, COMMITTEE, 0, proposed),
            _message(1, TOP64, TOP64, TOP32, Proposed(bytes(32), b"\xff" * 32, ())),
            _message(2, EPOCH, COMMITTEE, 0, vote),
            _message(3, EPOCH, COMMITTEE, 2, Refusal(proposed.hash, Reason.OMITS, (refs[0],), (keys[0],), text)),
            _message(3, EPOCH, COMMITTEE, 2, Refusal(bytes(32), Reason.DISAGREES)),
            _message(0, EPOCH, COMMITTEE, 1_439, Claims(())),
            _message(1, EPOCH, COMMITTEE, 0, Claims(CLAIMED)),
            _message(2, EPOCH, COMMITTEE, 7, batch),
            _message(1, EPOCH, COMMITTEE, 7, endorsed),
            _message(3, EPOCH, COMMITTEE, 7, Objection(batch.hash, "assignment 1: it isn't down: é")),
        ],
        "requests": _requests(batch, endorsed),
        "report": {
            "signer": 2,
            "value": {name: _plain(getattr(report, name)) for name, _ in EpochReport._members},
            "digest": _hex(report.digest(REPORTS)),
            "signature": _hex(vote.signature),
        },
        "appeals": [_appeal(appeal) for appeal in appeals],
        "announcement": _announcement(0, "https://oracle-1.example:8610", 1_800_000_000),
        "evidence": _evidence(held[:3], appeals[0]),
    }


_DOMAINS: Final = {
    "reports": REPORTS,
    "heartbeats": HEARTBEATS,
    "announcements": ANNOUNCEMENTS,
    "requests": REQUESTS,
}


def _tree(batch: Batch) -> RequestTree:
    def id_of(one: Asked) -> bytes:
        return request_id(REQUESTS.chain_id, REQUESTS.contract, one.assignment, EPOCH, one.reason.value)

    return RequestTree(
        [Reallocation(id_of(one), one.assignment, one.reason.value, one.as_of) for one in batch.requests]
    )


def _endorsement(batch: Batch, oracle: LocalSigner) -> Endorsement:
    root = _tree(batch).root
    typed = ReallocationBatch(COMMITTEE, EPOCH, root, batch.expiry)
    return Endorsement(root, batch.expiry, oracle.sign_typed(typed, REQUESTS))


def _requests(batch: Batch, endorsed: Endorsement) -> dict[str, Any]:
    """What the endorsement is of: the leaves of the batch's tree, and the typed message."""
    tree = _tree(batch)
    typed = ReallocationBatch(COMMITTEE, EPOCH, tree.root, batch.expiry)
    return {
        "signer": 1,
        "leaves": [
            {
                "value": [_plain(value) for value in one.abi_values()],
                "hash": _hex(one.leaf()),
                "proof": [_hex(each) for each in tree.proof(place)],
            }
            for place, one in enumerate(tree.requests)
        ],
        "value": {name: _plain(getattr(typed, name)) for name, _ in ReallocationBatch._members},
        "digest": _hex(typed.digest(REQUESTS)),
        "signature": _hex(endorsed.signature),
    }


def _signed(view: View, oracle: LocalSigner) -> SignedObservation:
    content = view.encode()
    return SignedObservation(content, oracle.sign_typed(commitment(view.epoch, view.committee, content), REPORTS))


def _observation(view: View, oracle: LocalSigner) -> dict[str, Any]:
    one = _signed(view, oracle)
    return {
        "signer": ORACLES.index(oracle),
        "epoch": str(view.epoch),
        "committee": str(view.committee),
        "ticks": [
            {"assignment": str(key), "up": seen.up, "observed": seen.observed}
            for key, seen in sorted(view.ticks.items())
        ],
        "licences": [
            {"licence": str(key), "up": seen.up, "observed": seen.observed}
            for key, seen in sorted(view.licences.items())
        ],
        "content": _hex(one.content),
        "contentHash": _hex(one.content_hash),
        "digest": _hex(commitment(view.epoch, view.committee, one.content).digest(REPORTS)),
        "signature": _hex(one.signature),
    }


def _message(signer: int, epoch: int, committee: int, turn: int, body: Body) -> dict[str, Any]:
    message = Message(epoch, committee, turn, body)
    payload = body.encode()
    made: dict[str, Any] = {
        "signer": signer,
        "kind": int(body.KIND),
        "epoch": str(epoch),
        "committee": str(committee),
        "turn": turn,
        "body": _body(body),
        "payload": _hex(payload),
        "digest": _hex(PeerMessage(int(body.KIND), epoch, committee, turn, payload).digest(REPORTS)),
        "raw": _hex(message.seal(ORACLES[signer], REPORTS)),
    }
    if isinstance(body, Proposed | Batch):
        made["hash"] = _hex(body.hash)
    return made


def _body(body: Body) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name in body.__dataclass_fields__:
        value = getattr(body, name)
        if name == "refs":
            made[name] = [
                {"epoch": str(ref.epoch), "contentHash": _hex(ref.content_hash), "signature": _hex(ref.signature)}
                for ref in value
            ]
        elif name in ("breaches", "requests"):
            made[name] = [{field: _plain(getattr(row, field)) for field in row.__dataclass_fields__} for row in value]
        elif name == "appeals":
            made[name] = [_hex(key) for key in value]
        else:
            made[name] = value if isinstance(value, str) else _plain(value)
    return made


def _appeals() -> list[Appeal]:
    """One with receipts of three oracles, one of which has two; and one without any."""
    masks: Sequence[tuple[int, int]] = ((0, 0b1011), (1, 0xFFFF << 100), (2, 1), (2, 1 << 8_639))
    receipts = [issue(ORACLES[index], HEARTBEATS, NODE.address, EPOCH, bits, 8_640) for index, bits in masks]
    node = bytes.fromhex(NODE.address[2:])
    return [gather(node, EPOCH, receipts, HEARTBEATS), Appeal(node, TOP64, ())]


def _appeal(appeal: Appeal) -> dict[str, Any]:
    return {
        "node": _hex(appeal.node),
        "epoch": str(appeal.epoch),
        "receipts": [_hex(one) for one in appeal.receipts],
        "raw": _hex(appeal.encode()),
        "hash": _hex(appeal.hash),
    }


def _announcement(signer: int, endpoint: str, sequence: int) -> dict[str, Any]:
    oracle = ORACLES[signer]
    said = Announcement(oracle.address, endpoint, sequence)
    return {
        "signer": signer,
        "endpoint": endpoint,
        "sequence": str(sequence),
        "digest": _hex(said.digest(ANNOUNCEMENTS)),
        "signature": _hex(oracle.sign_typed(said, ANNOUNCEMENTS)),
    }


def _evidence(observations: Sequence[SignedObservation], appeal: Appeal) -> dict[str, Any]:
    """A bundle over the empty ledger, as the network's first report has it."""
    ordered = tuple(sorted(observations, key=lambda one: one.author(REPORTS)))
    committee = Committee(COMMITTEE, tuple(sorted(bytes.fromhex(one.address[2:]) for one in ORACLES)))
    proposal = Proposal(EPOCH, bytes(32), B, {EPOCH: ordered}, (appeal,))
    made = bundle(proposal, committee, Ledger(), {EPOCH: committee})
    return {"content": json.loads(made), "size": len(made), "hash": _hex(keccak256(made))}


def _domain(domain: Domain) -> Mapping[str, Any]:
    return {
        "name": domain.name,
        "version": domain.version,
        "chainId": domain.chain_id,
        "verifyingContract": domain.contract,
    }


def _plain(value: int | bytes) -> str:
    return _hex(value) if isinstance(value, bytes) else str(int(value))


def _hex(raw: bytes) -> str:
    return "0x" + raw.hex()
