"""Asking again and again until something shows, for so long and no longer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from chain.endpoint import RpcError
from oracle.ground.errors import InvalidValue
from orchestrator.deeploy.errors import OutcomeUnknown, Unreachable

_T = TypeVar("_T")
_TRANSIENT: Final = (Unreachable, OutcomeUnknown, RpcError)


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds from one look to the next, and until it is given up. InvalidValue unless both are above 0."""

    every: float = 5.0
    longest: float = 600.0

    def __post_init__(self) -> None:
        if not (0 < self.every <= 3_600 and 0 < self.longest <= 86_400):
            raise InvalidValue(
                f"poll_seconds is {self.every} and poll_longest_seconds {self.longest}: give seconds above 0, at most "
                "3600 and 86400"
            )


async def poll(look: Callable[[], Awaitable[_T | None]], patience: Patience) -> _T | None:
    """The first answer of `look` that isn't None; None when the time is over. It looks at least once.

    A look that fails because API or chain don't answer is one that shows nothing; the last look's failure is raised.
    """
    end = time.monotonic() + patience.longest
    while True:
        try:
            found, failure = await look(), None
        except _TRANSIENT as error:
            found, failure = None, error
        if found is not None:
            return found
        left = end - time.monotonic()
        if left <= 0:
            if failure is not None:
                raise failure
            return None
        await asyncio.sleep(min(patience.every, left))
