"""Reading a chain: finalized blocks, calls at a block hash, batches of requests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from web3 import HTTPProvider, Web3
from web3.contract.contract import Contract, ContractFunction
from web3.types import RPCEndpoint

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


class Chain:
    """One RPC endpoint. Reads that must agree between oracles are made at a block hash."""

    def __init__(self, url: str, timeout: float = 60.0) -> None:
        self.url = url
        # web3 asks for the chain id before each call unless it may remember it.
        once = {RPCEndpoint("eth_chainId")}
        self._provider = HTTPProvider(
            url, request_kwargs={"timeout": timeout}, cache_allowed_requests=True, cacheable_requests=once
        )
        self.w3 = Web3(self._provider)
        try:
            self.chain_id: int = self.w3.eth.chain_id
        except (OSError, ValueError) as error:
            raise ChainUnavailable(f"{url} doesn't answer as an Ethereum node ({error}); check the address") from error
        self._lower_bound = 0

    def rpc(self, method: str, *params: Any) -> Any:
        """One request's result; raises RpcError."""
        return self._result(method, self.w3.provider.make_request(method, list(params)))  # type: ignore[arg-type]

    def batch(self, requests: Sequence[tuple[str, list[Any]]]) -> list[Any]:
        """Results of many requests sent at once, in their order; raises RpcError for the first that failed."""
        results: list[Any] = []
        for start in range(0, len(requests), 500):
            part = requests[start : start + 500]
            answers: Any = self._provider.make_batch_request(part)  # type: ignore[arg-type]
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
            raise RpcError(f"there is no block {which} at {self.url}")
        return Block(int(raw["number"], 16), raw["hash"], int(raw["timestamp"], 16))

    def finalized(self) -> Block:
        """The newest finalized block."""
        return self.block("finalized")

    def anchor(self, time: int) -> Block | None:
        """The first finalized block whose timestamp is at or after `time`; None while there is none."""
        head = self.finalized()
        if head.timestamp < time:
            return None
        low, high, found = self._lower_bound, head.number, head
        if low > high or self.block(low).timestamp >= time:
            low = 0
        while low < high:
            # Anchors are asked for in rising order: look near the last one first, in doubling steps.
            middle = min(low + 2 * max(1, low - self._lower_bound), (low + high) // 2)
            block = self.block(middle)
            if block.timestamp >= time:
                high, found = middle, block
            else:
                low = middle + 1
        self._lower_bound = max(0, found.number - 1)
        return found

    def call(self, function: ContractFunction, block: Block) -> Any:
        """The decoded result of a view function in the state of `block`, addressed by its hash."""
        return function.call(block_identifier=block.hash)  # type: ignore[arg-type]

    def contract(self, address: str, abi: Sequence[dict[str, Any]]) -> Contract:
        """A contract bound to this chain."""
        return self.w3.eth.contract(address=Web3.to_checksum_address(address), abi=list(abi))
