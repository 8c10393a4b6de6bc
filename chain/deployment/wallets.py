"""A deployer's wallet over any signer: a key file, a hardware wallet, a remote signer."""

from __future__ import annotations

from typing import Any

from eth_account.typed_transactions.typed_transaction import TypedTransaction
from eth_typing import HexAddress, HexStr

from chain.client import Chain
from chain.transactions import Wallet
from oracle.signing.signer import Signer


class SignerWallet(Wallet):
    """Pays for gas with the key of a signer of digests."""

    def __init__(self, chain: Chain, signer: Signer) -> None:
        self._signer = signer
        self.address = signer.address
        address = HexAddress(HexStr(signer.address))
        self.nonce = chain.w3.eth.get_transaction_count(address, "pending")  # type: ignore[arg-type]

    def sign(self, transaction: dict[str, Any]) -> str:
        """See Wallet."""
        fields = {"to": b"", "accessList": (), **transaction}
        signature = self._signer.sign(bytes(TypedTransaction.from_dict(fields).hash()))
        packed = int.from_bytes(signature[32:], "big")
        parts = {"r": int.from_bytes(signature[:32], "big"), "s": packed & (1 << 255) - 1, "v": packed >> 255}
        return "0x" + TypedTransaction.from_dict({**fields, **parts}).encode().hex()
