"""What an RPC endpoint's results must look like, so that one which sends something else is at fault and nobody trips.

Pure. Only methods whose results are read here are known; a result of any other passes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

_QUANTITY: Final = re.compile(r"0x[0-9a-fA-F]{1,64}")
_SHORT: Final = re.compile(r"0x[0-9a-fA-F]{1,16}")
_DATA: Final = re.compile(r"0x[0-9a-fA-F]*")
_WORD: Final = re.compile(r"0x[0-9a-fA-F]{64}")
_ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]{40}")

_Check = Callable[[Any], bool]


def _text(pattern: re.Pattern[str]) -> _Check:
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


_quantity, _short, _word, _address = (_text(one) for one in (_QUANTITY, _SHORT, _WORD, _ADDRESS))


def _data(value: Any) -> bool:
    return isinstance(value, str) and len(value) % 2 == 0 and _DATA.fullmatch(value) is not None


def _fields(checks: Mapping[str, _Check]) -> _Check:
    return lambda value: isinstance(value, dict) and all(check(value.get(name)) for name, check in checks.items())


def _list(check: _Check) -> _Check:
    return lambda value: isinstance(value, list) and all(map(check, value))


def _or_none(check: _Check) -> _Check:
    return lambda value: value is None or check(value)


_block = _fields({"number": _short, "hash": _word, "parentHash": _word, "timestamp": _short})
_log = _fields(
    {
        "blockNumber": _short,
        "logIndex": _short,
        "blockHash": _word,
        "transactionHash": _word,
        "address": _address,
        "topics": _list(_word),
        "data": _data,
    }
)
_receipt = _fields(
    {
        "blockNumber": _short,
        "blockHash": _word,
        "status": _short,
        "gasUsed": _short,
        "effectiveGasPrice": _quantity,
    }
)


def _fees(value: Any) -> bool:
    if not isinstance(value, dict) or not _list(_quantity)(value.get("baseFeePerGas")) or not value["baseFeePerGas"]:
        return False
    return _or_none(_list(_or_none(_list(_quantity))))(value.get("reward"))


_SHAPES: Final[Mapping[str, _Check]] = {
    "eth_getBlockByNumber": _or_none(_block),
    "eth_getLogs": _list(_log),
    "eth_call": _data,
    "eth_getCode": _data,
    "eth_getStorageAt": _data,
    "eth_chainId": _short,
    "eth_blockNumber": _short,
    "eth_getTransactionCount": _short,
    "eth_getBalance": _quantity,
    "eth_estimateGas": _short,
    "eth_gasPrice": _quantity,
    "eth_getTransactionReceipt": _or_none(_receipt),
    "eth_getTransactionByHash": _or_none(_fields({"hash": _word})),
    "eth_sendRawTransaction": _word,
    "eth_feeHistory": _fees,
}


def fits(method: str, params: Any, answer: Any) -> bool:
    """Whether a JSON-RPC answer (as decoded) is an error, or has a result that `method` can have.

    A block that is still pending has neither number nor hash: of that one, only that it is an object is asked.
    """
    if not isinstance(answer, dict):
        return False
    if answer.get("error"):
        return True
    if "result" not in answer:
        return False
    result = answer["result"]
    if method == "eth_getBlockByNumber" and params and params[0] == "pending":
        return result is None or isinstance(result, dict)
    check = _SHAPES.get(method)
    return check is None or check(result)
