"""One RPC endpoint: what it tells when it doesn't answer, and for how long it is left alone then."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from web3 import HTTPProvider
from web3.types import RPCEndpoint, RPCResponse

from chain.shapes import fits
from oracle.ground.errors import EpochalError, UserError

# Seconds for which an endpoint that didn't answer is left alone: twice as long each time, up to the last.
_FIRST_REST, _LONGEST_REST = 0.5, 30.0
# An endpoint that took long to fail rests this many times as long: else one that hangs would hold up all requests.
_REST_PER_WAIT = 4

_UNFIT = "no JSON-RPC, or not as this method has it"


class ChainUnavailable(UserError):
    """No RPC endpoint answers, or they are of different chains."""


class RpcError(EpochalError):
    """An RPC endpoint refused a request, or none answered.

    data   what it said beside the message; of a revert, the revert's data
    code   the JSON-RPC code of its refusal; None where there was no answer
    """

    def __init__(self, message: str, data: str = "", code: int | None = None) -> None:
        super().__init__(message)
        self.data = data
        self.code = code
        self.reverted = code is not None and is_revert({"code": code, "message": message})
        """Whether a contract refused the call, rather than the endpoint."""


@dataclass(frozen=True, slots=True)
class EndpointState:
    """How an endpoint does: `error` is why it didn't answer the last time that it didn't, or what others contradicted;
    `head` is the newest finalized block that it told of."""

    where: str
    healthy: bool
    error: str
    head: int | None


def where_is(url: str) -> str:
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


def is_revert(error: Any) -> bool:
    if not isinstance(error, dict):
        return False
    return error.get("code") in (3, -32015) or "revert" in str(error.get("message", "")).lower()


def refusal(method: str, error: Any) -> RpcError:
    """A JSON-RPC error object as an exception."""
    if not isinstance(error, dict):
        return RpcError(f"{method}: {error}", code=0)
    data, code = error.get("data"), error.get("code", 0)
    text = f"{method}: {error.get('message', error)}"
    return RpcError(text, data if isinstance(data, str) else "", code if isinstance(code, int) else 0)


class Endpoint(HTTPProvider):
    """One RPC endpoint: what doesn't answer, or not as the method has it, is an RpcError that shows no key, and is left
    alone for a while."""

    def __init__(self, url: str, timeout: float, alone: bool) -> None:
        # web3 asks for the chain id before each call unless it may remember it.
        once = {RPCEndpoint("eth_chainId")} if alone else set()
        super().__init__(
            url, request_kwargs={"timeout": timeout}, cache_allowed_requests=alone, cacheable_requests=once
        )
        if not alone:
            self.exception_retry_configuration = None  # type: ignore[assignment]  # the next endpoint is the second try
        self.where = where_is(url)
        self.chain_id: int | None = None
        """None until it told it, and again after it didn't answer: another node may be behind the address then."""
        self.head: int | None = None
        self.error = ""
        self._healthy = True
        self._failures = 0
        self._rests_until = 0.0

    @property
    def state(self) -> EndpointState:
        """How it does at present."""
        return EndpointState(self.where, self._healthy, self.error, self.head)

    @property
    def rests(self) -> bool:
        """Whether it is being left alone, since it failed a moment ago."""
        return not self._healthy and time.monotonic() < self._rests_until

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """See HTTPProvider; RpcError when there is no answer."""
        began = time.monotonic()
        try:
            answer: Any = super().make_request(method, params)
        except (OSError, ValueError, RecursionError) as error:
            raise self._failed(method, _why(error), began) from error
        if not fits(method, params, answer):
            raise self._failed(method, _UNFIT, began)
        self._answered()
        return answer

    def make_batch_request(self, batch_requests: list[tuple[RPCEndpoint, Any]]) -> list[RPCResponse]:
        """See HTTPProvider; RpcError when there is no answer."""
        label, began = f"{batch_requests[0][0]} and others", time.monotonic()
        try:
            answers: Any = super().make_batch_request(batch_requests)
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise self._failed(label, _why(error), began) from error
        if not isinstance(answers, list) or len(answers) != len(batch_requests):
            raise self._failed(label, "no JSON-RPC batch", began)
        if not all(isinstance(answer.get("id"), int) for answer in answers) or not all(
            fits(method, params, answer) for (method, params), answer in zip(batch_requests, answers, strict=True)
        ):
            raise self._failed(label, _UNFIT, began)
        self._answered()
        return answers

    def reject(self, why: str) -> None:
        """Leave it alone for a while: it answers, but it is no good."""
        self._failed("", why, time.monotonic())

    def _answered(self) -> None:
        self._healthy, self._failures = True, 0

    def _failed(self, label: str, why: str, began: float) -> RpcError:
        now = time.monotonic()
        rest = min(_LONGEST_REST, _FIRST_REST * 2 ** min(self._failures, 10))
        self._healthy, self._failures, self.chain_id, self.error = False, self._failures + 1, None, why
        self._rests_until = now + max(rest, _REST_PER_WAIT * (now - began))
        return RpcError(f"{label}: no answer ({why})")
