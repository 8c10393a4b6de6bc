"""What a CSP asks of the orchestrator for a running job: another intent, or another node. Bodies of
`POST /v1/jobs/N/update` and `…/move`."""

from __future__ import annotations

from typing import Any, Final

from oracle.ground.typed_data import Domain
from oracle.signing.compact import recover
from oracle.signing.signer import Signer
from orchestrator.wire.canonical import decode, encode
from orchestrator.wire.fields import Fields
from orchestrator.wire.typed_data import IntentUpdate, SlotMove

MAX_BODY: Final = 4_096
_U32, _U64, _U256 = 2**32 - 1, 2**64 - 1, 2**256 - 1


def sign_update(update: IntentUpdate, signer: Signer, domain: Domain) -> bytes:
    """The request's body; `domain` is `IntentUpdate.domain(chain id, address of Placements)`."""
    plain: dict[str, Any] = {"job": update.job, "intent": "0x" + update.intent.hex(), "sequence": update.sequence}
    return _signed({**plain, "expiry": update.expiry}, signer.sign_typed(update, domain))


def sign_move(move: SlotMove, signer: Signer, domain: Domain) -> bytes:
    """The request's body; `domain` is `SlotMove.domain(chain id, address of Placements)`."""
    plain = {"job": move.job, "slot": move.slot, "toLicence": move.toLicence, "sequence": move.sequence}
    return _signed({**plain, "expiry": move.expiry}, signer.sign_typed(move, domain))


def open_update(body: bytes, domain: Domain) -> tuple[IntentUpdate, bytes]:
    """The update and the 20-byte address that signed it; InvalidValue, InvalidSignature."""
    f = Fields(decode(body, "update", MAX_BODY), "update")
    update = IntentUpdate(
        job=f.number("job", 1, _U64),
        intent=f.raw("intent", 32),
        sequence=f.number("sequence", 1, _U64),
        expiry=f.number("expiry", 0, _U64),
    )
    signature = f.raw("signature", 64)
    f.done()
    return update, recover(update.digest(domain), signature)


def open_move(body: bytes, domain: Domain) -> tuple[SlotMove, bytes]:
    """The move and the 20-byte address that signed it; InvalidValue, InvalidSignature."""
    f = Fields(decode(body, "move", MAX_BODY), "move")
    move = SlotMove(
        job=f.number("job", 1, _U64),
        slot=f.number("slot", 0, _U32),
        toLicence=f.number("toLicence", 0, _U256),
        sequence=f.number("sequence", 1, _U64),
        expiry=f.number("expiry", 0, _U64),
    )
    signature = f.raw("signature", 64)
    f.done()
    return move, recover(move.digest(domain), signature)


def _signed(plain: dict[str, Any], signature: bytes) -> bytes:
    return encode({**plain, "signature": "0x" + signature.hex()}, "request")
