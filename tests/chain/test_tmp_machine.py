# SPDX-License-Identifier: Apache-2.0
"""Random lives of a journal on a real chain: it crashes anywhere, the chain reorganises, forgets, gets dear, and
somebody else uses the key. In the end all that was planned has settled once."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from chain.anvil import Anvil
from chain.client import Chain, RpcError
from chain.journal import FeeLimits, State, TransactionJournal
from chain.journal.fees import Fee
from chain.journal.signing import sign_transaction
from tests.chain.counters import COUNTER, Purse, place_counter

pytestmark = pytest.mark.chain

GWEI = 10**9
LIMITS = FeeLimits(max_fee_gwei=100, max_priority_gwei=2, stuck_seconds=10)
STEPS = (
    "estimated signed persisted sent recorded receipt mined finalized settled replacing replaced reorged freed".split()
)
FRESH = count()


class Crash(BaseException):
    """The process is gone."""


class JournalLife(RuleBasedStateMachine):
    chain: Chain

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.now = 0.0
        self.planned = 0
        self.dies_at = ""
        self.chain.rpc("anvil_dropAllTransactions")
        place_counter(self.chain)
        self.purse = Purse(self.chain, f"life {next(FRESH)}")
        self.price(1)
        self.chain.rpc("anvil_mine", "0x4")  # no reorganisation undoes this
        self.journal = self.opened()

    def opened(self) -> TransactionJournal:
        path = Path(self.folder.name) / "transactions.sqlite"
        return TransactionJournal(path, self.chain, self.purse.signer, LIMITS, self.checkpoint)

    def checkpoint(self, name: str) -> None:
        if name == self.dies_at:
            raise Crash

    @rule()
    def plan(self) -> None:
        self.journal.plan(f"report {self.planned}", "submit", COUNTER, self.purse.calldata)
        self.planned += 1

    @rule(seconds=st.sampled_from([1, 11]), dies_at=st.sampled_from(["", "", *STEPS]))
    def step(self, seconds: int, dies_at: str) -> None:
        self.now += seconds
        self.dies_at = dies_at
        try:
            self.journal.step(self.now)
        except Crash:
            self.journal.close()
            self.journal = self.opened()
        self.dies_at = ""

    @rule(blocks=st.integers(1, 4))
    def mine(self, blocks: int) -> None:
        self.chain.rpc("anvil_mine", hex(blocks))

    @rule(depth=st.integers(1, 2))
    def reorganise(self, depth: int) -> None:
        self.chain.rpc("anvil_reorg", depth, [])

    @rule()
    def forget(self) -> None:
        self.chain.rpc("anvil_dropAllTransactions")

    @rule(gwei=st.sampled_from([1, 40, 150]))
    def price(self, gwei: int) -> None:
        self.chain.rpc("anvil_setNextBlockBaseFeePerGas", hex(gwei * GWEI))
        self.chain.rpc("anvil_mine", "0x1")

    @precondition(lambda self: self.planned)
    @rule()
    def somebody_else(self) -> None:
        nonce = self.purse.nonce()
        address = self.purse.signer.address
        fee = Fee(900 * GWEI, 200 * GWEI)
        _, raw = sign_transaction(self.purse.signer, self.chain.chain_id, nonce, address, "0x77", 30_000, fee)
        with suppress(RpcError):
            self.chain.rpc("eth_sendRawTransaction", raw)

    @invariant()
    def never_more_than_planned(self) -> None:
        assert self.purse.count() <= self.planned

    def teardown(self) -> None:
        for _ in range(20):
            self.price(1)
            self.now += 11
            self.journal.step(self.now)
            self.chain.rpc("anvil_mine", "0x3")
            if not self.journal.pending():
                break
        assert self.journal.pending() == []
        for number in range(self.planned):
            entry = self.journal.entry(f"report {number}")
            assert entry is not None
            assert entry.state is State.FINAL, entry
        assert self.purse.count() == self.planned
        self.journal.close()
        self.folder.cleanup()


@pytest.fixture(scope="module")
def chain() -> Iterator[Chain]:
    with Anvil("--slots-in-an-epoch", "1", "--no-mining") as anvil:
        yield Chain(anvil.url)


def test_journal__random_life__each_plan_settles_once(chain: Chain) -> None:
    JournalLife.chain = chain
    run_state_machine_as_test(
        JournalLife,
        settings=settings(
            max_examples=300, phases=[Phase.generate],
            stateful_step_count=45,
            deadline=None,
            derandomize=False, database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
