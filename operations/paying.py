"""Letting a contract take tokens: what it needs and never more, by a permit (ERC-2612) where the token has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from web3.contract.contract import ContractFunction

from chain.client import NoContract, RpcError
from chain.errors import ContractReverted
from chain.network import Network
from operations import tokens
from operations.plans import PlannedCall
from operations.simulating import try_calls
from operations.tokens import Token
from oracle.ground.errors import UserError
from oracle.ground.keccak import keccak256
from oracle.ground.typed_data import Domain
from oracle.ground.widths import uint
from oracle.signing.signer import Signer

_PERMIT_TYPE: Final = keccak256(b"Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)")
_PERMIT_SPAN: Final = 3_600
"""Seconds for which a permit counts."""


class TooFewTokens(UserError):
    """Who is to pay hasn't enough of the token."""


class NotAllowed(UserError):
    """Who is to pay hasn't allowed enough, and another's key signs here."""


@dataclass(frozen=True, slots=True)
class Payment:
    """How a contract gets what it needs: calls to send first, a permit to be shown in the same transaction, or neither
    where enough is allowed already. `told` says it in words."""

    calls: tuple[PlannedCall, ...] = ()
    permit: tuple[str, str, int, int, int, bytes, bytes] | None = None
    """token, owner, value, deadline, v, r, s: the escrow's `permit` takes them."""
    told: str = ""


def prepare(
    network: Network, signer: Signer, token: Token, owner: str, spender: str, amount: int, *, permits: bool
) -> Payment:
    """How `spender` gets `amount` of the owner's tokens; `permits` where it takes them. TooFewTokens, NotAllowed.

    What is allowed already is used if it is enough; else exactly the amount is allowed in its place.
    """
    have = tokens.balance(network, token, owner)
    if have < amount:
        missing = token.show(amount - have)
        raise TooFewTokens(
            f"{owner} has {token.show(have)} and this takes {token.show(amount)}: send it {missing} (token "
            f"{token.address}), then run the command again"
        )
    allowed = tokens.allowance(network, token, owner, spender)
    if allowed >= amount:
        return Payment(told=f"of the {token.show(allowed)} that are allowed already")
    if owner.lower() != signer.address.lower():
        raise NotAllowed(
            f"{owner}, who pays, has allowed {token.show(allowed)} and this takes {token.show(amount)}: its owner runs "
            f"`epochal csp approve {token.show(amount).split()[0]} --token {token.address}`, then run the command again"
        )
    if permits and (separator := permit_separator(network, token)) is not None:
        return Payment(permit=_permit(network, signer, token, spender, amount, separator), told="by a signed permit")
    return Payment(approve(network, token, owner, spender, amount), told="by an approval of exactly that")


def approve(network: Network, token: Token, owner: str, spender: str, amount: int) -> tuple[PlannedCall, ...]:
    """Calls of the owner after which `spender` may take exactly `amount`. ContractReverted."""
    functions = tokens.contract(network, token.address).functions
    direct = PlannedCall.of(f"allow {spender} to take {token.show(amount)}", functions.approve(spender, amount))
    if amount and tokens.allowance(network, token, owner, spender):
        try:
            try_calls(network.chain, owner, [direct])
        except ContractReverted:
            # Some tokens change an allowance only by way of nothing.
            return PlannedCall.of(f"take back what {spender} may take", functions.approve(spender, 0)), direct
    return (direct,)


def permit_separator(network: Network, token: Token) -> bytes | None:
    """The token's EIP-712 domain separator; None where it has no permits, or none that are understood."""
    contract = tokens.contract(network, token.address)
    told = _asked(network, contract.functions.DOMAIN_SEPARATOR())
    if not isinstance(told, bytes) or _asked(network, contract.functions.nonces(token.address)) is None:
        return None
    domains = [
        Domain(name, version, network.chain.chain_id, token.address)
        for name in [_asked(network, contract.functions.name())]
        if isinstance(name, str)
        for version in ("1", "2")
    ]
    # A separator of another make might sign something else: then an approval is safer.
    return next((told for one in domains if one.separator() == told), None)


def _permit(
    network: Network, signer: Signer, token: Token, spender: str, amount: int, separator: bytes
) -> tuple[str, str, int, int, int, bytes, bytes]:
    nonce = int(network.chain.call(tokens.contract(network, token.address).functions.nonces(signer.address)))
    deadline = network.chain.block("latest").timestamp + _PERMIT_SPAN
    words = [_word(signer.address), _word(spender)]
    words += [uint(name, value, 256).to_bytes(32, "big") for name, value in (("value", amount), ("nonce", nonce))]
    struct = keccak256(_PERMIT_TYPE + b"".join(words) + uint("deadline", deadline, 256).to_bytes(32, "big"))
    signature = signer.sign(keccak256(b"\x19\x01" + separator + struct))
    packed = int.from_bytes(signature[32:], "big")
    s = (packed & (1 << 255) - 1).to_bytes(32, "big")
    return token.address, signer.address, amount, deadline, 27 + (packed >> 255), signature[:32], s


def _word(address: str) -> bytes:
    return bytes.fromhex(address[2:]).rjust(32, b"\0")


def _asked(network: Network, function: ContractFunction) -> object:
    """What a token says, None where it doesn't know the question."""
    try:
        return network.chain.call(function)
    except NoContract:
        return None
    except RpcError as error:
        if error.reverted:
            return None
        raise
