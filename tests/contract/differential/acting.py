# SPDX-License-Identifier: Apache-2.0
"""What all parts of a play share: the network and the model, what is going on, and single transactions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from web3.contract.contract import ContractFunction

from oracle.ground.maintenance import Span
from oracle.ground.merkle import Tree
from settlement.model import NEVER, Escrow
from tests.contract.differential.comparing import LICENCE, NODE, Compared
from tests.contract.differential.histories import History, Visit
from tests.contract.differential.oracles import Core
from tests.contract.differential.placing_model import Asked, Placing
from tests.contract.differential.stage import Stage
from tests.contract.world import Licence, Person


@dataclass(frozen=True)
class Act:
    """One transaction: what the model does of it, which may refuse, and what is sent. `tells`: what the model returns
    is what the transaction's events say of requests for other nodes."""

    who: Person
    call: ContractFunction
    model: Callable[[int], Any]
    tells: bool = False


class Acting(Compared):
    """One example. `lawful`: nothing happens that lets a keeper's ways change amounts: no lies, no early closing,
    nothing is released before what was raised is settled, and whom no keeper serves sees to his own last leaf."""

    def __init__(self, stage: Stage, history: History, visits: Sequence[Visit], lawful: bool = False) -> None:
        self.stage, self.world = stage, stage.world
        self.history, self.visits, self.lawful = history, visits, lawful
        self.place = stage.enter(history.network)
        self.network, self.linked = self.place.network, self.place.linked
        self.rules = self.place.rules
        self.clock = self.rules.clock
        self.model = Escrow(self.rules)
        self.placing = Placing(self.model)
        self.core = Core(history.seed, self.clock, self.rules.appeal_epochs, self._windows, history.clear)
        self.trees: dict[int, Tree] = {}
        self.committee = 1
        self.terms: list[bytes] = []
        self.licence_of = {one.id: one for one in self.linked}
        self.blocks = 0
        self.next = 0
        """When the block is mined whose transactions are being made."""
        self.seen_to = -1
        """The last report in which those who serve no more looked for their leaves."""
        self.asked: list[Asked] = []
        """Requests for other nodes, carried out or not."""
        self.judged: list[tuple[int, str]] = []
        """Whom a suspension or blacklisting was imposed on."""
        self.told: list[str] = []
        """What happened, for people who look into an example."""

    def _open(self) -> list[int]:
        return [key for key, one in self.model.accounts.items() if one.closed_at == NEVER]

    def _open_in(self, job: int, slot: int) -> bool:
        return any(self.model.accounts[key].closed_at == NEVER for key in self.model.of_slot(job, slot)[-1:])

    def _windows(self, licence: int, within: Span) -> list[Span]:
        """Declared maintenance, as oracles read it in the newest block."""
        return self.place.reader.maintenance(licence, within, self.world.chain.block("latest"))


def subjects_of(licence: Licence) -> tuple[int, int]:
    """A licence and its node as subjects of trust."""
    return LICENCE | licence.id, NODE | int(licence.node.address, 16)
