# SPDX-License-Identifier: Apache-2.0
"""Sends what is in a queue: `python -m tests.e2e.delivery_worker QUEUE URL`. A test kills it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from delivery.http import HttpTransport, Request
from delivery.queue import Queue
from delivery.rules import Backoff
from delivery.sender import Sender


async def main(queue: Queue, url: str) -> None:
    transport = HttpTransport(lambda message, _: Request(url + message.destination, {}), timeout=1.0)
    await Sender(queue, {"http": transport}, Backoff(first=0.05, longest=0.3)).run(asyncio.Event())


if __name__ == "__main__":
    asyncio.run(main(Queue(Path(sys.argv[1])), sys.argv[2]))
