"""Reading a chain: finalized blocks, calls at a block hash, batches of requests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_utils.abi import collapse_if_tuple
from web3 import Web3
from web3.contract.contract import Contract, ContractFunction
from web3.exceptions import Web3Exception

from chain.endpoint import ChainUnavailable as ChainUnavailable
from chain.endpoint import Endpoint, EndpointState, refusal, where_is
from chain.endpoint import RpcError as RpcError
from chain.endpoints import Endpoints
from oracle.ground.errors import InvalidValue


@dataclass(frozen=True, slots=True)
class Block:
    """A block's header as far as it matters here; `timestamp` in UNIX seconds."""

    number: int
    hash: str
    timestamp: int


# Blocks in one request for events: public nodes refuse many more.
_LOG_PAGE = 5_000
# Anchors that are remembered: those of the epochs of which a report or an appeal may speak.
_ANCHORS = 1_024


class NoContract(RpcError):
    """There is no contract at the address, or one that doesn't know the function."""


class Chain:
    """A chain, read through RPC endpoints. Reads that must agree between oracles are made at a block hash.

    Of several endpoints, those that don't answer are left alone for a while, and what can't be different between honest
    nodes is asked of `agree` of them: see `chain.endpoints`.
    """

    def __init__(self, url: str | Sequence[str], timeout: float = 60.0, agree: int | None = None) -> None:
        """`timeout` in seconds; `agree` is 2, or 1 with one endpoint, unless given. ChainUnavailable when none answers,
        and when they are of different chains."""
        self.urls = (url,) if isinstance(url, str) else tuple(url)
        many = len(self.urls)
        agree = min(2, many) if agree is None else agree
        if not 1 <= agree <= many:
            raise InvalidValue(f"{agree} endpoints are to agree, of {many}; give as many endpoints, or a lower number")
        if len(set(self.urls)) < many:
            raise InvalidValue("an RPC endpoint is named twice: it would agree with itself; name each once")
        self.agree = agree
        """How many endpoints must say the same of what can't be different."""
        self.url = self.urls[0]
        self.where = where_is(self.url) + (f" and {many - 1} more" if many > 1 else "")
        """The endpoints for messages: without what may be a key."""
        self._provider: Endpoint | Endpoints
        if many == 1:
            self._provider = Endpoint(self.url, timeout, alone=True)
        else:
            self._provider = Endpoints(self.urls, timeout, agree)
        self.w3 = Web3(self._provider)
        try:
            self.chain_id: int = self.w3.eth.chain_id
        except (RpcError, ValueError) as error:
            why = str(error) if isinstance(error, RpcError) else type(error).__name__
            told = f"{self.where} doesn't answer as an Ethereum node ({why}); check the address"
            raise ChainUnavailable(told) from error
        self._lower_bound = 0
        self._anchors: dict[int, Block] = {}

    @property
    def endpoints(self) -> list[EndpointState]:
        """How each endpoint does at present, in the order in which they were named."""
        provider = self._provider
        return [one.state for one in (provider.members if isinstance(provider, Endpoints) else [provider])]

    @property
    def disagreements(self) -> int:
        """How often two endpoints said different things of what can't be different."""
        return self._provider.disagreements if isinstance(self._provider, Endpoints) else 0

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

    def views(self, requests: Sequence[tuple[str, list[Any]]]) -> Iterator[list[Any]]:
        """The results of a few requests sent at once by one endpoint after the other, each when it is drawn: for what
        may be different. RpcError at the end, if fewer than `agree` gave all."""
        if isinstance(self._provider, Endpoint):
            yield self.batch(requests)
            return
        for answers in self._provider.each(list(requests)):  # type: ignore[arg-type]
            yield [answer["result"] for answer in answers]

    @staticmethod
    def _result(method: str, answer: Any) -> Any:
        if error := answer.get("error"):
            raise refusal(method, error)
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
        """The first finalized block whose timestamp is at or after `time`; None while there is none.

        The last ones found are remembered, and not looked at again: see `forget_anchors`.
        """
        if (known := self._anchors.get(time)) is not None:
            return known
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
        while len(self._anchors) >= _ANCHORS:
            self._anchors.pop(next(iter(self._anchors)), None)
        self._anchors[time] = found
        return found

    def forget_anchors(self) -> None:
        """Look for each anchor again: for readers that find that finalized blocks were taken back."""
        self._anchors = {}
        self._lower_bound = 0

    def call(self, function: ContractFunction, block: Block | None = None) -> Any:
        """The decoded result of a view function in the state of `block`, addressed by its hash; or of the newest.
        Addresses come in lower case. RpcError when the contract refuses, NoContract if none is there."""
        return _decoded(function, self.call_data(function.address, function._encode_transaction_data(), block))

    def calls(self, functions: Sequence[ContractFunction], block: Block) -> list[Any]:
        """As `call`, of many functions at once in the state of one block."""
        asked = [
            ("eth_call", [{"to": one.address, "data": one._encode_transaction_data()}, {"blockHash": block.hash}])
            for one in functions
        ]
        told = self.batch(asked)
        return [_decoded(one, bytes.fromhex(raw[2:])) for one, raw in zip(functions, told, strict=True)]

    def call_data(self, to: str, data: str, block: Block | None = None) -> bytes:
        """What a call returns, as bytes, in the state of `block`, or of the newest one."""
        # Not by web3: given a hash, it looks up the block's number and asks for the state at that.
        raw = self.rpc("eth_call", {"to": to, "data": data}, {"blockHash": block.hash} if block else "latest")
        return bytes.fromhex(raw[2:])

    def reverts(self, to: str, data: str, block: Block | str = "latest", sender: str | None = None) -> bool:
        """Whether a call, as by `sender`, is refused in the state of a block, or of "latest" or "pending". RpcError for
        anything else that goes wrong."""
        request = {"to": to, "data": data} | ({"from": sender} if sender is not None else {})
        try:
            self.rpc("eth_call", request, {"blockHash": block.hash} if isinstance(block, Block) else block)
        except RpcError as error:
            if not error.reverted:
                raise
            return True
        return False

    def fact(self, function: ContractFunction) -> Any:
        """As `call` for a view function whose answer never changes. Of several endpoints, as many are asked as answer,
        up to `agree`: enough to start with. NoContract also when the contract refuses."""
        asked = "eth_call", [{"to": function.address, "data": function._encode_transaction_data()}, "latest"]
        answer: Any
        if isinstance(self._provider, Endpoints):
            answer = self._provider.agreed(*asked, need=1)  # type: ignore[arg-type]
        else:
            answer = self._provider.make_request(*asked)  # type: ignore[arg-type]
        try:
            return _decoded(function, bytes.fromhex(self._result("eth_call", answer)[2:]))
        except RpcError as error:
            if error.reverted:
                raise NoContract(f"{function.fn_name} of {function.address}: {error}") from error
            raise

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


def _decoded(function: ContractFunction, data: bytes) -> Any:
    outputs: Any = function.abi["outputs"]
    try:
        values = decode([collapse_if_tuple(one) for one in outputs], data)
    except DecodingError as error:
        raise NoContract(f"{function.fn_name}: no such contract at {function.address}") from error
    return values[0] if len(values) == 1 else values
