# SPDX-License-Identifier: Apache-2.0
"""A process that keeps a journal and kills itself where it is told.

Reads a JSON line {"path", "url", "key", "die", "plan", "limits", "steps", "rpc"} and forks a child for it, so that the
imports are paid once. The child calls each of `plan`, then steps at the times `steps`, before each of which it sends
the `rpc` requests of that step; it ends by SIGKILL at the checkpoint `die`. The answer is the child's exit status.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from chain.client import Chain
from chain.journal import FeeLimits, TransactionJournal
from oracle.signing.signer import LocalSigner


def run(order: dict[str, Any]) -> None:
    def checkpoint(name: str) -> None:
        if name == order["die"]:
            os.kill(os.getpid(), signal.SIGKILL)

    chain = Chain(order["url"])
    signer = LocalSigner(bytes.fromhex(order["key"]))
    journal = TransactionJournal(Path(order["path"]), chain, signer, FeeLimits(**order["limits"]), checkpoint)
    for planned in order["plan"]:
        journal.plan(*planned)
    for now, requests in order["steps"]:
        for method, params in requests:
            chain.rpc(method, *params)
        journal.step(now)
    journal.close()


def main() -> None:
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                run(json.loads(line))
                status = 0
            finally:
                os._exit(status)
        print(os.waitpid(child, 0)[1], flush=True)


if __name__ == "__main__":
    main()
