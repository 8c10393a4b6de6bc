"""Where oracles are reached: reading their endpoints from the chain, and announcing one.

An endpoint is whatever its oracle signed, so it is judged here before anybody connects to it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from web3.contract.contract import Contract, ContractFunction
from web3.types import TxReceipt

from chain.client import Block
from chain.network import Network, WrongDeployment
from chain.transactions import Call, Sender, Wallet
from oracle.ground.address import checksummed
from oracle.ground.errors import InvalidValue
from oracle.ground.typed_data import Announcement
from oracle.signing.signer import Signer

MAX_ENDPOINT = 200
"""Bytes; the contract takes no more."""


@dataclass(frozen=True, slots=True)
class Listed:
    """What stands in the directory for one oracle: empty and 0 where it never announced anything.

    The bytes are the oracle's own and may be no text at all.
    """

    endpoint: bytes
    sequence: int


def check_endpoint(url: str) -> str:
    """The base URL under which an oracle is reached, without a slash at its end.

    InvalidValue unless it is http:// or https:// with a host, of at most 200 bytes of printable ASCII, without user,
    query or fragment: it stands on chain for everybody to read.
    """
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    odd = not url.isascii() or not url.isprintable() or any(one in url for one in ' @?#\\"<>')
    if not good or odd or len(url) > MAX_ENDPOINT:
        raise InvalidValue(
            f"endpoint is {url[:MAX_ENDPOINT]!r}: write it like https://oracle.example.org:8610, in at most "
            f"{MAX_ENDPOINT} ASCII characters, without user, query or fragment"
        )
    return url.rstrip("/")


def listed(network: Network, oracle: bytes, block: Block) -> Listed:
    """What stands for an oracle in the state of `block`. WrongDeployment for a network without a directory."""
    return _listed(network, [oracle], block)[0]


def endpoints_of(network: Network, oracles: Iterable[bytes], block: Block) -> dict[bytes, str]:
    """Endpoints of those of the 20-byte addresses that have a usable one in the state of `block`.

    Who announced what is no URL is left out, as who announced nothing is. WrongDeployment for a network without a
    directory, RpcError when the chain doesn't answer.
    """
    asked = list(oracles)
    found: dict[bytes, str] = {}
    for oracle, one in zip(asked, _listed(network, asked, block), strict=True):
        try:
            found[oracle] = check_endpoint(one.endpoint.decode("ascii"))
        except (UnicodeDecodeError, InvalidValue):
            continue
    return found


def announcing(network: Network, signer: Signer, endpoint: str, sequence: int) -> ContractFunction:
    """The call that lists `endpoint` for the signer, signed by it; anyone may send it.

    InvalidValue for what is no endpoint, WrongDeployment for a network without a directory.
    """
    message = Announcement(signer.address, check_endpoint(endpoint), sequence)
    functions = _directory(network).functions
    signature = signer.sign_typed(message, network.announcement_domain)
    return functions.announce(signer.address, message.endpoint, sequence, signature[:32], signature[32:])


def next_sequence(network: Network, oracle: bytes, now: int) -> int:
    """A sequence above what stands for an oracle; `now` in UNIX seconds, wherever that is enough."""
    # Above what stands even where this clock is behind the one that was announced with.
    return max(now, listed(network, oracle, network.chain.block("latest")).sequence + 1)


def announcement(
    network: Network, wallet: Wallet, signer: Signer, endpoint: str, sequence: int, gas: int | None = None
) -> Call:
    """As `announcing`, paid for by `wallet`."""
    return Call.of("announce", wallet, announcing(network, signer, endpoint, sequence), gas)


def announce(network: Network, sender: Sender, wallet: Wallet, signer: Signer, endpoint: str, now: int) -> TxReceipt:
    """List `endpoint` for the signer and wait until that is mined; `now` in UNIX seconds.

    Errors as of `announcement`, and what the sender raises.
    """
    sequence = next_sequence(network, bytes.fromhex(signer.address[2:]), now)
    call = announcement(network, wallet, signer, endpoint, sequence)
    return sender.send([call])[0]


def _directory(network: Network) -> Contract:
    if network.directory is None:
        raise WrongDeployment(
            "the network's addresses name no directory of oracles, so nobody's endpoint can be looked up; "
            'add its address as "directory" to the file that its deployment wrote'
        )
    return network.directory


def _listed(network: Network, oracles: list[bytes], block: Block) -> list[Listed]:
    contract = _directory(network)
    calls = [contract.functions.endpointOf(checksummed(one))._encode_transaction_data() for one in oracles]
    raws = network.chain.batch([("eth_call", [{"to": contract.address, "data": one}, block.hash]) for one in calls])
    try:
        # As bytes: Solidity's strings needn't be UTF-8, and one oracle's rubbish may not hide all the others.
        return [Listed(*decode(["bytes", "uint64"], bytes.fromhex(raw[2:]))) for raw in raws]
    except DecodingError as error:
        raise WrongDeployment(
            f"there is no directory of oracles at {contract.address}; use the addresses that the deployment wrote"
        ) from error
