"""ERC-20 tokens as people see them: symbol, decimals, what one has, what one allowed, and permits (ERC-2612)."""

from __future__ import annotations

from dataclasses import dataclass

from web3.contract.contract import Contract

from chain import bindings
from chain.client import NoContract, RpcError
from chain.network import Network
from oracle.ground import amounts
from oracle.ground.address import checksummed, raw_address
from oracle.ground.errors import InvalidValue

_SYMBOL_LENGTH = 16


@dataclass(frozen=True, slots=True)
class Token:
    """A token on the network's chain."""

    address: str
    symbol: str
    decimals: int

    def parse(self, name: str, text: str) -> int:
        """The smallest units of what a person wrote. InvalidValue."""
        return amounts.parse(name, text, self.decimals, self.symbol)

    def show(self, units: int) -> str:
        """An amount for people."""
        return amounts.show(units, self.decimals, self.symbol)


def contract(network: Network, address: str) -> Contract:
    """The token bound as an ERC-20 with permits."""
    return network.chain.contract(address, bindings.abi("NetworkToken"))


def read(network: Network, address: str) -> Token:
    """The token at an address. InvalidValue where none is."""
    at = _address(address)
    functions = contract(network, at).functions
    try:
        decimals = int(network.chain.call(functions.decimals()))
    except (NoContract, RpcError) as error:
        if isinstance(error, NoContract) or error.data or error.reverted:
            raise InvalidValue(f"token {at}: is no ERC-20 with decimals on this chain; check the address") from error
        raise
    try:
        symbol = str(network.chain.call(functions.symbol()))
    except RpcError:
        symbol = ""  # old tokens have none, or one that isn't text
    shown = "".join(one for one in symbol if one.isprintable() and not one.isspace())[:_SYMBOL_LENGTH]
    return Token(at, shown or at[:8], decimals)


def allowed(network: Network) -> list[Token]:
    """The tokens in which new deposits are allowed."""
    return [read(network, one) for one in network.chain.call(network.admission.functions.tokens())]


def find(network: Network, wanted: str | None) -> Token:
    """The token of an address or of a symbol on the network's list; without one, the network's first. InvalidValue."""
    if wanted is None:
        return read(network, network.addresses.token)
    if wanted.startswith("0x"):
        return read(network, wanted)
    known = allowed(network)
    found = [one for one in known if one.symbol.lower() == wanted.lower()]
    if len(found) == 1:
        return found[0]
    listed = ", ".join(f"{one.symbol} ({one.address})" for one in known) or "none"
    what = "is the symbol of more than one token" if found else "is no symbol of a token that the network takes"
    raise InvalidValue(f"token {wanted!r} {what}: give an address; the network takes {listed}")


def balance(network: Network, token: Token, owner: str) -> int:
    """What an account has."""
    return int(network.chain.call(contract(network, token.address).functions.balanceOf(owner)))


def allowance(network: Network, token: Token, owner: str, spender: str) -> int:
    """What a spender may still take of it."""
    return int(network.chain.call(contract(network, token.address).functions.allowance(owner, spender)))


def _address(text: str) -> str:
    try:
        return checksummed(raw_address(text))
    except InvalidValue as error:
        raise InvalidValue(f"token {text!r} is no address: {error}") from error
