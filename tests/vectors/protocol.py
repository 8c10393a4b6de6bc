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
from oracle.ground.ids import pack
from oracle.ground.keccak import keccak256
from oracle.ground.ledger import Ledger
from oracle.ground.typed_data import Announcement, Domain, EpochReport, Heartbeat, PeerMessage
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
)


def protocol() -> dict[str, Any]:
    """Each thing with the fields it is made of."""
    observations = [_observation(view, ORACLES[index]) for index, view in enumerate(VIEWS)]
    held = [_signed(view, ORACLES[index]) for index, view in enumerate(VIEWS)]
    appeals = _appeals()
    keys = sorted(appeal.hash for appeal in appeals)
    refs = [Ref(EPOCH, one.content_hash, one.signature) for one in held[:3]]
    refs.sort(key=lambda ref: ref.author(REPORTS, COMMITTEE))
    proposed = Proposed(A, B, tuple(refs), tuple(keys))
    report = EpochReport(EPOCH, COMMITTEE, C, A, B, D)
    vote = Vote(proposed.hash, C, A, B, D, ORACLES[2].sign_typed(report, REPORTS))
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
        ],
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


_DOMAINS: Final = {"reports": REPORTS, "heartbeats": HEARTBEATS, "announcements": ANNOUNCEMENTS}


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
    if isinstance(body, Proposed):
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
