# SPDX-License-Identifier: Apache-2.0
"""What travels between a node and an oracle, for other implementations to make and read byte by byte.

Every secret is in the file, so all of it can be made again; signatures are deterministic (RFC 6979).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from coincurve import PrivateKey

from oracle.ground import typed_data
from oracle.ground.ids import pack
from oracle.ground.keccak import keccak256
from oracle.signing.signer import LocalSigner
from oracle.telemetry.wire import frames, heartbeat, receipt, session, workloads
from oracle.telemetry.wire.workloads import Health

SECRETS: Final = {
    name: keccak256(b"Epochal heartbeat vectors: " + name.encode()) for name in ("node", "oracle", "session", "opening")
}
"""Keys of the node and the oracle, the oracle's session secret, and the node's secret for one session."""
NODE: Final = LocalSigner(SECRETS["node"])
ORACLE: Final = LocalSigner(SECRETS["oracle"])
DOMAIN: Final = typed_data.Heartbeat.domain(31_337, "0x" + keccak256(b"Epochal heartbeat vectors: contract")[12:].hex())
CHALLENGE: Final = keccak256(b"Epochal heartbeat vectors: challenge")
REPORTS: Final[tuple[Mapping[int, Health], ...]] = (
    {},
    {pack(7, 2, 1): Health.HEALTHY},
    {0: Health.STOPPED, 2**64: Health.STARTING, pack(7, 2, 1): Health.UNHEALTHY, 2**128 - 1: Health.HEALTHY},
    {pack(1, slot, 1): Health.HEALTHY for slot in range(workloads.MAX_WORKLOADS)},
)


def heartbeats() -> dict[str, Any]:
    """Each message with the fields it is made of."""
    signed = [_signed(8_640 + number, report) for number, report in enumerate(REPORTS)]
    signed.append(_signed(2**64 - 1, {}))
    oracle_key = session.session_public_key(SECRETS["session"])
    opening, opened = session.open_session(NODE, DOMAIN, ORACLE.address, CHALLENGE, oracle_key, SECRETS["opening"])
    sealed = [_sealed(opened, 8_640 + number, report) for number, report in enumerate(REPORTS)]
    sealed.append(_sealed(opened, 2**64 - 1, {}))
    body = b"".join(bytes.fromhex(each["raw"][2:]) for each in (signed[1], sealed[0], sealed[2], signed[0]))
    return {
        "domain": {
            "name": DOMAIN.name,
            "version": DOMAIN.version,
            "chainId": DOMAIN.chain_id,
            "verifyingContract": DOMAIN.contract,
        },
        "secrets": {name: _hex(secret) for name, secret in SECRETS.items()},
        "node": NODE.address,
        "oracle": ORACLE.address,
        "challenge": _hex(CHALLENGE),
        "signed": signed,
        "opening": _opening(opening, opened, oracle_key),
        "sealed": sealed,
        "receipts": [
            _receipt(17, 0, [0, 1, 9, 23]),
            _receipt(17, 8_632, [8_632, 8_639]),
            _receipt(2**64 - 1, 0, []),
        ],
        "bodies": [_body(body), _body(body + b"\4"), _body(b"\1" + body), _body(body[:-1])],
    }


def _signed(sequence: int, report: Mapping[int, Health]) -> dict[str, Any]:
    raw = heartbeat.sign(NODE, DOMAIN, ORACLE.address, sequence, CHALLENGE, report)
    written = workloads.encode(report)
    digest = typed_data.Heartbeat(ORACLE.address, sequence, CHALLENGE, written).digest(DOMAIN)
    return {**_report(sequence, report), "digest": _hex(digest), "raw": _hex(raw)}


def _sealed(opened: session.Session, sequence: int, report: Mapping[int, Health]) -> dict[str, Any]:
    raw = session.seal(opened, CHALLENGE, sequence, report)
    return {**_report(sequence, report), "tag": _hex(session.decode_sealed(raw).tag), "raw": _hex(raw)}


def _opening(raw: bytes, opened: session.Session, oracle_key: bytes) -> dict[str, str]:
    fields = session.decode_opening(raw)
    typed = typed_data.Session(ORACLE.address, CHALLENGE, oracle_key, fields.node_key)
    return {
        "oracleKey": _hex(oracle_key),
        "nodeKey": _hex(fields.node_key),
        "digest": _hex(typed.digest(DOMAIN)),
        "shared": _hex(PrivateKey(SECRETS["opening"]).ecdh(oracle_key)),
        "session": _hex(opened.id),
        "key": _hex(opened.key),
        "raw": _hex(raw),
    }


def _receipt(epoch: int, first_tick: int, up: list[int]) -> dict[str, Any]:
    bits = sum(1 << tick - first_tick for tick in up)
    ticks = bits.to_bytes(-(-bits.bit_length() // 8), "little")
    digest = typed_data.Receipt(NODE.address, epoch, first_tick, ticks).digest(DOMAIN)
    raw = receipt.encode(receipt.SignedReceipt(NODE.address, epoch, first_tick, ticks, ORACLE.sign(digest)))
    return {
        "epoch": str(epoch),
        "firstTick": first_tick,
        "up": up,
        "ticks": _hex(ticks),
        "digest": _hex(digest),
        "raw": _hex(raw),
    }


def _body(body: bytes) -> dict[str, Any]:
    return {"raw": _hex(body), "sizes": [len(frame) for frame in frames.split(body)]}


def _report(sequence: int, report: Mapping[int, Health]) -> dict[str, Any]:
    listed = [{"assignment": str(assignment), "health": health.value} for assignment, health in sorted(report.items())]
    return {"sequence": str(sequence), "workloads": listed}


def _hex(raw: bytes) -> str:
    return "0x" + raw.hex()
