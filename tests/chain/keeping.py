# SPDX-License-Identifier: Apache-2.0
"""Keepers in a town: whatever the town's committee reports, they have the trees of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from chain.client import Chain
from chain.events import EventLog
from chain.journal import FeeLimits, TransactionJournal
from chain.network import Network
from oracle.committee.in_process import agree_on
from oracle.ground.ids import pack
from oracle.ground.merkle import Tree
from oracle.signing.signer import LocalSigner
from scenario.market import key_of
from settlement.keeping.conduct import Conduct
from settlement.keeping.executor import Executor, Round
from settlement.keeping.reading import StateReader
from settlement.keeping.trees import KeptTrees, TreeUnavailable
from settlement.planning import PlanSettings
from tests.chain.town import ALL, EPOCHS, Town

LIMITS = FeeLimits(max_fee_gwei=100, stuck_seconds=10)
AT_ONCE = Conduct(stagger_seconds=0, retry_seconds=5)


class KnownTrees:
    """A TreeSource that was told."""

    def __init__(self, trees: Mapping[int, Tree]) -> None:
        self.trees = trees
        self.asked = 0

    def tree(self, epoch: int, root: bytes) -> Tree:
        self.asked += 1
        if epoch not in self.trees:
            raise TreeUnavailable(f"epoch {epoch}: nobody has it")
        return self.trees[epoch]


class Keeping:
    """One keeper of a town, in this process."""

    def __init__(
        self,
        town: Town,
        folder: Path,
        trees: Mapping[int, Tree],
        label: str = "a keeper",
        conduct: Conduct = AT_ONCE,
        settings: PlanSettings | None = None,
        checkpoint: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.town = town
        chain = Chain(town.at.chain.url)
        network = Network(chain, town.at.addresses)
        signer = LocalSigner(key_of(label))
        chain.rpc("anvil_setBalance", signer.address, hex(10**20))
        folder.mkdir(parents=True, exist_ok=True)
        self.source = KnownTrees(trees)
        self.journal = TransactionJournal(folder / "journal.sqlite", chain, signer, LIMITS, checkpoint)
        self.events = EventLog.of(network, folder / "events.sqlite")
        town.stack.callback(self.close)
        reader = StateReader(network, self.events)
        kept = KeptTrees(folder / "trees", self.source, 0)
        self.executor = Executor(network, self.journal, reader, kept, settings or PlanSettings(), conduct)
        self.now = 0.0

    def close(self) -> None:
        self.journal.close()
        self.events.close()

    def round(self) -> Round:
        self.now += 1
        return self.executor.round(self.now)

    def until_idle(self, most: int = 60) -> list[str]:
        """Rounds with a block after each, until nothing is left to do; what was planned on the way."""
        labels: list[str] = []
        for _ in range(most):
            found = self.round()
            labels += [one.label for one in found.planned]
            if found.idle:
                return labels
            self.town.timeline.send(())
        raise AssertionError(f"not idle: {self.journal.pending()}")


def reported(town: Town, epoch: int, trees: dict[int, Tree]) -> None:
    """The committee reports an epoch, and the report becomes final."""
    town.see(epoch, (ALL, ALL >> 3, ALL >> 30 if epoch in (0, EPOCHS - 1) else ALL))
    town.end(epoch)
    signed = agree_on(epoch, town.members)
    town.attest(signed)
    trees[epoch] = signed.draft.tree


def assignments(town: Town) -> list[int]:
    return [pack(town.at.job, slot, 1) for slot in range(3)]


def escrow_balance(town: Town) -> int:
    network = town.network
    return int(network.token.functions.balanceOf(network.escrow.address).call())
