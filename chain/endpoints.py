"""Several RPC endpoints as one: what matters must come equal from more than one of them."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Any

from web3.providers.base import JSONBaseProvider
from web3.types import RPCEndpoint, RPCResponse

from chain.endpoint import ChainUnavailable, Endpoint, RpcError, is_revert, refusal
from chain.poll import Poll
from oracle.ground.errors import EpochalError

_LOG = logging.getLogger(__name__)
# JSON-RPC codes by which an endpoint says that it can't, not that it may not be: too many requests, no such method.
_UNABLE = {-32005, -32601}
# Where each method has the block that its answer is of.
_AT_BLOCK = {"eth_call": 1, "eth_getBalance": 1, "eth_getCode": 1, "eth_getTransactionCount": 1, "eth_getStorageAt": 2}


class EndpointsDisagree(EpochalError):
    """RPC endpoints say different things of what can't be different, and too few of them the same."""


class Endpoints(JSONBaseProvider):
    """Several endpoints of one chain as one of web3's providers.

    A request goes to the first that answers. What can't be different between honest nodes (blocks and logs up to the
    finalized height, state at a block's hash) must come equal from `agree` of them: where some say otherwise, further
    ones are asked. "finalized" is the highest block that `agree` of them have finalized.
    """

    def __init__(self, urls: Sequence[str], timeout: float, agree: int) -> None:
        """ChainUnavailable unless one answers, and all that do are of one chain."""
        super().__init__()
        self.members = [Endpoint(url, timeout, alone=False) for url in urls]
        self.agree = agree
        self.disagreements = 0
        self._finalized_height = -1
        self._chain_id: int | None = None
        self._told: set[tuple[str, str]] = set()
        answering = [one for one in self.members if self._ask_chain_id(one) is not None]
        if not answering:
            told = "; ".join(f"{one.where} ({one.error})" for one in self.members)
            raise ChainUnavailable(f"none of these answers as an Ethereum node: {told}; check the addresses")
        first = answering[0]
        for one in answering[1:]:
            if one.chain_id != first.chain_id:
                raise ChainUnavailable(
                    f"{one.where} is chain {one.chain_id}, but {first.where} is chain {first.chain_id}; give endpoints "
                    "of one chain"
                )
        self._chain_id = first.chain_id

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """See the class; RpcError when too few answer, EndpointsDisagree when answers differ that can't."""
        match method, params:
            case "eth_chainId", _:
                return _answer(hex(self._chain_id or 0))
            case "eth_getBlockByNumber", ["finalized", *_]:
                return _answer(self._finalized())
            case "eth_sendRawTransaction", _:
                return self._broadcast(params)
        return self.agreed(method, params) if self._matters(method, params) else self._first(method, params)

    def make_batch_request(self, batch_requests: list[tuple[RPCEndpoint, Any]]) -> list[RPCResponse]:
        """See the class. Of requests that matter, each is asked for by itself."""
        if any(method == "eth_chainId" or self._matters(method, params) for method, params in batch_requests):
            answers = [self.make_request(method, params) for method, params in batch_requests]
            return [{**answer, "id": place} for place, answer in enumerate(answers)]
        for one in self._usable():
            try:
                return one.make_batch_request(batch_requests)
            except RpcError:
                continue
        raise self._too_few(f"{batch_requests[0][0]} and others", 0, 1)

    def agreed(self, method: RPCEndpoint, params: Any, need: int | None = None) -> RPCResponse:
        """What `agree` endpoints answer alike; what fewer do, if only so many answer and all the same, but `need`."""
        need = self.agree if need is None else need
        poll = Poll(method, params, self.agree)
        refused: RpcError | None = None
        for one in self._usable():
            try:
                if self._is_behind(one, method, params):
                    continue
                answer = one.make_request(method, params)
            except RpcError:
                continue
            if error := answer.get("error"):
                if not is_revert(error):
                    refused = refusal(method, error)
                    one.error = str(refused)
                    continue
            elif answer["result"] is None:
                one.error = f"{method}: it has no such block"
                continue
            if poll.add(one, answer):
                break
        if poll.count < need:
            raise self._too_few(method, poll.count, need, refused)
        self._judge(poll)
        return poll.answer

    def each(self, batch_requests: list[tuple[RPCEndpoint, Any]]) -> Iterator[list[RPCResponse]]:
        """What each endpoint answers to requests that are sent to it at once; RpcError at the end if they were fewer
        than `agree`. Those that refuse one of them are passed over. Nothing is compared."""
        given = 0
        label = f"{batch_requests[0][0]} and others"
        for one in self._usable():
            try:
                answers = one.make_batch_request(batch_requests)
            except RpcError:
                continue
            if error := next((answer["error"] for answer in answers if answer.get("error")), None):
                one.error = str(refusal(label, error))
                continue
            given += 1
            yield answers
        if given < self.agree:
            raise self._too_few(label, given, self.agree)

    def _first(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        unable: RPCResponse | None = None
        for one in self._usable():
            try:
                answer = one.make_request(method, params)
            except RpcError:
                continue
            error = answer.get("error")
            if not isinstance(error, dict) or error.get("code") not in _UNABLE:
                return answer
            unable = unable or answer
        if unable is None:
            raise self._too_few(method, 0, 1)
        return unable

    def _broadcast(self, params: Any) -> RPCResponse:
        """A transaction goes to all: one endpoint that sits on it holds up nothing."""
        refused: RPCResponse | None = None
        taken: RPCResponse | None = None
        for one in self._usable():
            try:
                answer = one.make_request(RPCEndpoint("eth_sendRawTransaction"), params)
            except RpcError:
                continue
            if answer.get("error"):
                refused = refused or answer
            else:
                taken = taken or answer
        if answered := taken or refused:
            return answered
        raise self._too_few("eth_sendRawTransaction", 0, 1)

    def _finalized(self) -> Any:
        method = RPCEndpoint("eth_getBlockByNumber")
        heads: list[tuple[int, Endpoint, RPCResponse]] = []
        for one in self._usable():
            try:
                if head := self._head(one):
                    heads.append(head)
            except RpcError:
                continue
        heads.sort(key=lambda head: -head[0])  # stable: of equally high ones, those named first
        if len(heads) < self.agree:
            raise self._too_few(f"{method} finalized", len(heads), self.agree)
        # A height that one endpoint alone stands for may be made up: then the next lower one.
        poll = None
        for height in dict.fromkeys(number for number, _, _ in heads[self.agree - 1 :]):
            asked = Poll(method, [hex(height), False], self.agree)
            if any(asked.add(one, told) for one, told in self._at(height, heads)):
                self._judge(asked)
                self._finalized_height = max(self._finalized_height, height)
                return asked.answer["result"]
            poll = poll or asked
        assert poll is not None
        self._judge(poll)
        raise self._too_few(str(method), poll.count, self.agree)

    def _at(
        self, height: int, heads: Sequence[tuple[int, Endpoint, RPCResponse]]
    ) -> Iterator[tuple[Endpoint, RPCResponse]]:
        """The block of that height by those that have finalized it."""
        for number, one, told in heads:
            if number == height:
                yield one, told
            elif number > height:
                try:
                    lower = one.make_request(RPCEndpoint("eth_getBlockByNumber"), [hex(height), False])
                except RpcError:
                    continue
                if lower.get("result") is not None:
                    yield one, lower
                else:
                    one.error = f"it has block {number}, but not {height}"

    def _head(self, one: Endpoint) -> tuple[int, Endpoint, RPCResponse] | None:
        answer = one.make_request(RPCEndpoint("eth_getBlockByNumber"), ["finalized", False])
        if not isinstance(block := answer.get("result"), dict):
            one.error = "it has no finalized block"
            return None
        one.head = int(block["number"], 16)
        return one.head, one, answer

    def _is_behind(self, one: Endpoint, method: RPCEndpoint, params: Any) -> bool:
        """Whether an endpoint doesn't have all blocks that logs are asked of: it wouldn't say, but leave some out."""
        if method != "eth_getLogs" or "toBlock" not in params[0]:
            return False
        last = int(params[0]["toBlock"], 16)
        if one.head is None or one.head < last:
            self._head(one)
        if one.head is not None and one.head >= last:
            return False
        one.error = f"behind: its finalized block is {one.head}, not yet {last}"
        return True

    def _matters(self, method: RPCEndpoint, params: Any) -> bool:
        if method == "eth_getBlockByNumber":
            return self._is_final(params[0])
        if method == "eth_getLogs":
            return self._is_final(params[0].get("toBlock", "latest"))
        place = _AT_BLOCK.get(method)
        if place is None or len(params) <= place:
            return False
        at = params[place]
        return isinstance(at, dict) or (isinstance(at, str) and len(at) == 66)

    def _is_final(self, which: Any) -> bool:
        if which in ("finalized", "earliest"):
            return True
        return isinstance(which, str) and which.startswith("0x") and int(which, 16) <= self._finalized_height

    def _judge(self, poll: Poll) -> None:
        """Count and tell a contradiction; EndpointsDisagree where too few say the same."""
        if not poll.contradicted:
            return
        self.disagreements += 1
        if not poll.agreed:
            raise EndpointsDisagree(str(poll))
        for one in poll.contradicted:
            one.error = f"{poll.method}: it contradicts {self.agree} others"
            if (one.where, poll.method) not in self._told:
                self._told.add((one.where, poll.method))
                _LOG.error("%s", poll)

    def _usable(self) -> Iterator[Endpoint]:
        """Those to ask, in the order in which they were named."""
        for one in self.members:
            if not one.rests and (one.chain_id is not None or self._ask_chain_id(one) is not None):
                yield one

    def _ask_chain_id(self, one: Endpoint) -> int | None:
        """Have an endpoint tell its chain id; None where it doesn't, or it isn't this chain's any more."""
        try:
            answer = one.make_request(RPCEndpoint("eth_chainId"), [])
            found = int(answer["result"], 16)
        except RpcError:
            return None
        except (KeyError, ValueError, TypeError):
            one.reject("it tells no chain id")
            return None
        if self._chain_id is not None and found != self._chain_id:
            one.reject(f"it is chain {found} now, not {self._chain_id}")
            return None
        one.chain_id = found
        return found

    def _too_few(self, label: str, given: int, need: int, refused: RpcError | None = None) -> RpcError:
        told = "; ".join(f"{one.where}: {one.error}" for one in self.members if one.error)
        data, code = (refused.data, refused.code) if refused else ("", None)
        return RpcError(
            f"{label}: {given} of {len(self.members)} endpoints answered, needed are {need} ({told})", data, code
        )


def _answer(result: Any) -> RPCResponse:
    return {"jsonrpc": "2.0", "id": 0, "result": result}
