"""Tasks that are to run until they are cancelled, and what is told when one ends by a bug instead."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, Final, Protocol

STOPPED: Final = "stopped after a bug, see the log; restart the oracle"


class Troubled(Protocol):
    """What says in `trouble` why it can't work now; None: it can."""

    trouble: str | None


def watched(work: Coroutine[Any, Any, None], whose: Troubled, log: logging.Logger, name: str) -> asyncio.Task[None]:
    """Run `work` as a task. What it raises comes into the log, and `whose` is in trouble from then on."""
    task = asyncio.create_task(work)

    def ended(task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            whose.trouble = STOPPED
            log.critical("%s has stopped after a bug; restart the oracle", name, exc_info=error)

    task.add_done_callback(ended)
    return task


async def together(*works: Coroutine[Any, Any, None]) -> None:
    """Run them all. When one raises anything, the others are cancelled before that goes on."""
    async with asyncio.TaskGroup() as group:
        for work in works:
            group.create_task(work)
