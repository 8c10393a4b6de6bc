"""Several RPC endpoints as one: what matters must come equal from more than one of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from web3.providers.base import JSONBaseProvider
from web3.types import RPCEndpoint, RPCResponse

from chain.endpoint import ChainUnavailable, Endpoint, RpcError, is_revert, refusal
from oracle.ground.errors import EpochalError

# JSON-RPC codes by which an endpoint says that it can't, not that it may not be: too many requests, no such method.
_UNABLE = {-32005, -32601}
_BLOCK_FACTS = ("number", "hash", "parentHash", "timestamp")
_LOG_FACTS = ("blockNumber", "logIndex", "blockHash", "transactionHash", "address", "topics", "data")
# Where each method has the block that its answer is of.
_AT_BLOCK = {"eth_call": 1, "eth_getBalance": 1, "eth_getCode": 1, "eth_getTransactionCount": 1, "eth_getStorageAt": 2}


class EndpointsDisagree(EpochalError):
    """Two RPC endpoints say different things of what can't be different."""


class Endpoints(JSONBaseProvider):
    """Several endpoints of one chain as one of web3's providers.

    A request goes to the first that answers. What can't be different between honest nodes (blocks and logs up to the
    finalized height, state at a block's hash) is asked of `agree` of them and must come equal. "finalized" is the
    highest block that `agree` of them have finalized.
    """

    def __init__(self, urls: Sequence[str], timeout: float, agree: int) -> None:
        """ChainUnavailable unless one answers, and all that do are of one chain."""
        super().__init__()
        self.members = [Endpoint(url, timeout, alone=False) for url in urls]
        self.agree = agree
        self.disagreements = 0
        self._finalized_height = -1
        self._chain_id: int | None = None
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
        """The answer of `agree` endpoints, which must be equal; of fewer, if only so many answer, but of `need`."""
        need = self.agree if need is None else need
        answers: list[tuple[Endpoint, RPCResponse]] = []
        refused: RpcError | None = None
        for one in self._usable():
            if len(answers) == self.agree:
                break
            try:
                if self._is_behind(one, method, params):
                    continue
                answer = one.make_request(method, params)
                if error := answer.get("error"):
                    if not is_revert(error):
                        refused = refusal(method, error)
                        one.error = str(refused)
                        continue
                elif answer["result"] is None:
                    one.error = f"{method}: it has no such block"
                    continue
            except RpcError:
                continue
            answers.append((one, answer))
        if len(answers) < need:
            raise self._too_few(method, len(answers), need, refused)
        self._compare(method, params, answers)
        return answers[0][1]

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
        chosen = heads[: self.agree]
        height, _, answer = chosen[-1]
        answers = [(one, told) for number, one, told in chosen if number == height]
        for number, one, _ in chosen:
            if number != height:
                lower = one.make_request(method, [hex(height), False])
                if lower.get("result") is None:
                    one.error = f"it has block {number}, but not {height}"
                    raise self._too_few(f"{method} {height}", len(answers), self.agree)
                answers.append((one, lower))
        self._compare(method, [hex(height), False], answers)
        self._finalized_height = max(self._finalized_height, height)
        return answer["result"]

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

    def _compare(self, method: RPCEndpoint, params: Any, answers: list[tuple[Endpoint, RPCResponse]]) -> None:
        first, wanted = answers[0][0], _form(method, answers[0][1])
        for one, answer in answers[1:]:
            form = _form(method, answer)
            if form != wanted:
                self.disagreements += 1
                raise EndpointsDisagree(
                    f"{method} {_short(params)}: {first.where} says {_short(wanted)}, {one.where} says {_short(form)}; "
                    "find out which of them follows the chain and leave the other out"
                )

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


def _form(method: str, answer: RPCResponse) -> Any:
    """What of an answer must be equal: nodes differ in the further fields that they tell."""
    if error := answer.get("error"):
        return "a revert" if is_revert(error) else f"an error ({refusal(method, error)})"
    result: Any = answer["result"]
    if method == "eth_getLogs":
        return sorted([_facts(log, _LOG_FACTS) for log in result], key=lambda one: [int(part, 16) for part in one[:2]])
    return _facts(result, _BLOCK_FACTS) if method == "eth_getBlockByNumber" else _lower(result)


def _facts(told: Any, names: Sequence[str]) -> Any:
    return [_lower(told.get(name)) for name in names] if isinstance(told, dict) else told


def _lower(value: Any) -> Any:
    if isinstance(value, str):
        return value.lower()
    return [_lower(part) for part in value] if isinstance(value, list) else value


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 160 else text[:160] + "…"
