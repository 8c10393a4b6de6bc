"""Reading a chain: finalized blocks, calls at a block hash, batches of requests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from web3 import HTTPProvider, Web3
from web3.contract.contract import Contract, ContractFunction
from web3.exceptions import Web3Exception
from web3.types import RPCEndpoint, RPCResponse

from oracle.ground.errors import EpochalError, UserError


class ChainUnavailable(UserError):
    """The RPC endpoint doesn't answer."""


class RpcError(EpochalError):
    """The RPC endpoint refused a request; `data` is what it said beside the message, a revert's data for one."""

    def __init__(self, message: str, data: str = "") -> None:
        super().__init__(message)
        self.data = data


@dataclass(frozen=True, slots=True)
class Block:
    """A block's header as far as it matters here; `timestamp` in UNIX seconds."""

    number: int
    hash: str
    timestamp: int


class _Provider(HTTPProvider):
    """web3's provider, with an endpoint that doesn't answer as an RpcError."""

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """See HTTPProvider."""
        try:
            return super().make_request(method, params)
        except OSError as error:
            raise RpcError(f"{method}: no answer ({_why(error)})") from error


def _where(url: str) -> str:
    """Scheme, host and port: the rest of an endpoint's URL often holds a key."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "the RPC endpoint"
    if not parts.netloc:
        return "the RPC endpoint (not shown, it is no http:// address)"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _why(error: Exception) -> str:
    """Why there was no answer. HTTP libraries show the whole URL in their texts, so only what lies below tells."""
    response = getattr(error, "response", None)
    if response is not None:
        return f"status {response.status_code}"
    told, below = type(error).__name__, error.__cause__ or error.__context__
    while below is not None:
        told = (below.strerror if isinstance(below, OSError) else None) or told
        below = below.__cause__ or below.__context__
    return told


# Blocks in one request for events: public nodes refuse many more.
_LOG_PAGE = 5_000


class Chain:
    """One RPC endpoint. Reads that must agree between oracles are made at a block hash."""

    def __init__(self, url: str, timeout: float = 60.0) -> None:
        self.url = url
        self.where = _where(url)
        """The endpoint for messages: without what may be a key."""
        # web3 asks for the chain id before each call unless it may remember it.
        once = {RPCEndpoint("eth_chainId")}
        self._provider = _Provider(
            url, request_kwargs={"timeout": timeout}, cache_allowed_requests=True, cacheable_requests=once
        )
        self.w3 = Web3(self._provider)
        try:
            self.chain_id: int = self.w3.eth.chain_id
        except (RpcError, ValueError) as error:
            why = str(error) if isinstance(error, RpcError) else _why(error)
            told = f"{self.where} doesn't answer as an Ethereum node ({why}); check the address"
            raise ChainUnavailable(told) from error
        self._lower_bound = 0

    def rpc(self, method: str, *params: Any) -> Any:
        """One request's result; raises RpcError."""
        return self._result(method, self.w3.provider.make_request(method, list(params)))  # type: ignore[arg-type]

    def batch(self, requests: Sequence[tuple[str, list[Any]]]) -> list[Any]:
        """Results of many requests sent at once, in their order; raises RpcError for the first that failed."""
        results: list[Any] = []
        for start in range(0, len(requests), 500):
            part = requests[start : start + 500]
            try:
                answers: Any = self._provider.make_batch_request(part)  # type: ignore[arg-type]
            except OSError as error:
                raise RpcError(f"{part[0][0]} and others: no answer ({_why(error)})") from error
            by_id = sorted(answers, key=lambda answer: int(answer["id"]))
            results += [self._result(method, answer) for (method, _), answer in zip(part, by_id, strict=True)]
        return results

    @staticmethod
    def _result(method: str, answer: Any) -> Any:
        if error := answer.get("error"):
            data = error.get("data") if isinstance(error, dict) else None
            message = error.get("message", error) if isinstance(error, dict) else error
            raise RpcError(f"{method}: {message}", data if isinstance(data, str) else "")
        return answer["result"]

    def block(self, which: int | str) -> Block:
        """A block by number or tag; raises RpcError when there is none."""
        shown = hex(which) if isinstance(which, int) else which
        raw = self.rpc("eth_getBlockByNumber", shown, False)
        if raw is None:
            raise RpcError(f"there is no block {which} at {self.where}")
        return Block(int(raw["number"], 16), raw["hash"], int(raw["timestamp"], 16))

    def finalized(self) -> Block:
        """The newest finalized block."""
        return self.block("finalized")

    def anchor(self, time: int) -> Block | None:
        """The first finalized block whose timestamp is at or after `time`; None while there is none."""
        head = self.finalized()
        if head.timestamp < time:
            return None
        start, high, found = self._lower_bound, head.number, head
        if start > high or self.block(start).timestamp >= time:
            start = 0
        low = start
        while low < high:
            # Anchors are mostly asked for in rising order: look near the last one first, in doubling steps.
            middle = min(low + 2 * max(1, low - start), (low + high) // 2)
            block = self.block(middle)
            if block.timestamp >= time:
                high, found = middle, block
            else:
                low = middle + 1
        self._lower_bound = max(0, found.number - 1)
        return found

    def call(self, function: ContractFunction, block: Block) -> Any:
        """The decoded result of a view function in the state of `block`, addressed by its hash."""
        try:
            return function.call(block_identifier=block.hash)  # type: ignore[arg-type]
        except Web3Exception as error:
            raise RpcError(f"{function.fn_name} at block {block.number}: {error}") from error

    def logs(self, event: Any, first: int, last: int) -> list[Any]:
        """The decoded events of the blocks `first` to `last`, both included; asked for in pages."""
        found: list[Any] = []
        for start in range(first, last + 1, _LOG_PAGE):
            try:
                found += event().get_logs(from_block=start, to_block=min(last, start + _LOG_PAGE - 1))
            except Web3Exception as error:
                raise RpcError(f"{event.event_name} of blocks {start} and later: {error}") from error
        return found

    def contract(self, address: str, abi: Sequence[dict[str, Any]]) -> Contract:
        """A contract bound to this chain."""
        return self.w3.eth.contract(address=Web3.to_checksum_address(address), abi=list(abi))
