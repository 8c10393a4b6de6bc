# SPDX-License-Identifier: Apache-2.0
"""A process that keeps a town until nothing is left to do, or kills itself where it is told.

Reads JSON lines {"url", "addresses", "folder", "label", "die", "occurrence", "stagger", "mine", "every"} and forks a
child for each, so that the imports are paid once. The child ends by SIGKILL when its journal comes to the checkpoint
`die` for the `occurrence`-th time. With `mine` it mines a block after each round. The answer, a line once a child has
ended, is its label and exit status.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from chain.client import Chain
from chain.events import EventLog
from chain.journal import FeeLimits, TransactionJournal
from chain.network import Addresses, Network
from oracle.signing.signer import LocalSigner
from scenario.market import key_of
from settlement.keeping.conduct import Conduct
from settlement.keeping.executor import TRANSIENT, Executor
from settlement.keeping.reading import StateReader
from settlement.keeping.trees import KeptTrees
from settlement.planning import PlanSettings
from tests.chain.keeping import KnownTrees


def run(order: dict[str, Any]) -> None:
    seen = 0

    def checkpoint(name: str) -> None:
        nonlocal seen
        seen += name == order["die"]
        if seen == order["occurrence"]:
            os.kill(os.getpid(), signal.SIGKILL)

    chain = Chain(order["url"])
    network = Network(chain, Addresses.load(Path(order["addresses"])))
    folder, signer = Path(order["folder"]), LocalSigner(key_of(order["label"]))
    limits = FeeLimits(max_fee_gwei=100, stuck_seconds=30)
    journal = TransactionJournal(folder / "journal.sqlite", chain, signer, limits, checkpoint)
    reader = StateReader(network, EventLog.of(network, folder / "events.sqlite"))
    conduct = Conduct(stagger_seconds=order["stagger"], retry_seconds=5)
    executor = Executor(network, journal, reader, KeptTrees(folder / "trees", KnownTrees({})), PlanSettings(), conduct)
    for _ in range(600):
        try:
            idle = executor.round(time.time()).idle
        except TRANSIENT:
            idle = False
        if idle:
            break
        if order["mine"]:
            chain.rpc("evm_mine")
        time.sleep(order["every"])
    journal.close()


def main() -> None:
    children: dict[int, str] = {}
    for line in sys.stdin:
        for order in json.loads(line):
            child = os.fork()
            if child == 0:
                status = 1
                try:
                    run(order)
                    status = 0
                finally:
                    os._exit(status)
            children[child] = order["label"]
        answers = {}
        while children:
            child, status = os.wait()
            answers[children.pop(child)] = status
        print(json.dumps(answers), flush=True)


if __name__ == "__main__":
    main()
