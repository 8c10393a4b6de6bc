# SPDX-License-Identifier: Apache-2.0
"""`epochal orchestrator …` that kills itself at the checkpoint DIE_AT, the DIE_COUNT-th time it comes there."""

from __future__ import annotations

import os
import signal
from functools import partial

import cli.orchestrator as command
from cli.main import main

_left = int(os.environ.get("DIE_COUNT", "1"))


def _die(name: str) -> None:
    global _left
    if name == os.environ.get("DIE_AT"):
        _left -= 1
        if _left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    command.run_orchestrator = partial(command.run_orchestrator, checkpoint=_die)  # type: ignore[assignment]
    main()
