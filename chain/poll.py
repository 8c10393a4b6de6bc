"""What several RPC endpoints say to one question, and whether enough of them say the same. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from web3.types import RPCResponse

from chain.endpoint import Endpoint, is_revert, refusal

_BLOCK_FACTS = ("number", "hash", "parentHash", "timestamp")
_LOG_FACTS = ("blockNumber", "logIndex", "blockHash", "transactionHash", "address", "topics", "data")


class Poll:
    """What endpoints say to one question, until as many as must agree have said the same."""

    def __init__(self, method: str, params: Any, agree: int) -> None:
        self.method = method
        self.params = params
        self.count = 0
        self._agree = agree
        self._said: list[tuple[Any, list[Endpoint], RPCResponse]] = []

    def add(self, one: Endpoint, answer: RPCResponse) -> bool:
        """Hear one; whether enough agree now."""
        form = _form(self.method, answer)
        known = next((each for each in self._said if each[0] == form), None)
        if known is None:
            self._said.append((form, [one], answer))
        else:
            known[1].append(one)
        self.count += 1
        return len(max(self._said, key=lambda each: len(each[1]))[1]) >= self._agree

    @property
    def answer(self) -> RPCResponse:
        """What most said; of equally many, those who were asked first."""
        return max(self._said, key=lambda each: len(each[1]))[2]

    @property
    def agreed(self) -> bool:
        """Whether nobody said otherwise, or enough said the same."""
        return len(self._said) == 1 or any(len(ones) >= self._agree for _, ones, _ in self._said)

    @property
    def contradicted(self) -> list[Endpoint]:
        """Who said something else than `answer`."""
        return [one for _, ones, answer in self._said if answer is not self.answer for one in ones]

    def __str__(self) -> str:
        told = ", ".join(f"{one.where} says {_short(form)}" for form, ones, _ in self._said for one in ones)
        return (
            f"{self.method} {_short(self.params)}: {told}; find out which of them follows the chain and leave the "
            "others out"
        )


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
