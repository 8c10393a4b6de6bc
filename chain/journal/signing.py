"""An EIP-1559 transaction, signed by any signer of digests."""

from __future__ import annotations

from typing import Any

from eth_account.typed_transactions.typed_transaction import TypedTransaction

from chain.journal.fees import Fee
from oracle.ground.keccak import keccak256
from oracle.signing.signer import Signer

CANCEL_GAS = 21_000
"""Gas of a transaction that does nothing."""


def sign_transaction(
    signer: Signer, chain_id: int, nonce: int, to: str, data: str, gas: int, fee: Fee
) -> tuple[str, str]:
    """(hash, raw transaction), both 0x-hex. Sends no value."""
    fields: dict[str, Any] = {
        "type": 2,
        "chainId": chain_id,
        "nonce": nonce,
        "maxFeePerGas": fee.max_fee,
        "maxPriorityFeePerGas": fee.max_priority,
        "gas": gas,
        "to": to,
        "value": 0,
        "data": data,
        "accessList": (),
    }
    signature = signer.sign(bytes(TypedTransaction.from_dict(fields).hash()))
    packed = int.from_bytes(signature[32:], "big")
    parts = {"r": int.from_bytes(signature[:32], "big"), "s": packed & (1 << 255) - 1, "v": packed >> 255}
    raw = TypedTransaction.from_dict({**fields, **parts}).encode()
    return "0x" + keccak256(raw).hex(), "0x" + raw.hex()
