# SPDX-License-Identifier: Apache-2.0
"""The journal of transactions against a real chain that stalls, reorganises, forgets and gets dear."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_utils.abi import function_signature_to_4byte_selector

from chain.anvil import Anvil
from chain.client import Chain
from chain.journal import Entry, FeeLimits, JournalBusy, JournalUnusable, State, TransactionJournal
from oracle.ground.errors import InvalidValue
from tests.chain.counters import COUNTER, ETHER, GATE, REVERTER, Purse, place_counter
from tests.rpc_proxy import Answer, proxies

pytestmark = pytest.mark.chain

GWEI = 10**9
LIMITS = FeeLimits(max_fee_gwei=100, max_priority_gwei=2, stuck_seconds=10, min_balance_wei=ETHER)


@pytest.fixture(scope="module")
def anvil() -> Iterator[Anvil]:
    with Anvil("--slots-in-an-epoch", "1", "--no-mining") as anvil:
        yield anvil


@pytest.fixture
def chain(anvil: Anvil) -> Chain:
    """Cheap, with the contracts there, and nothing that a reorganisation of two blocks could undo."""
    chain = Chain(anvil.url)
    chain.rpc("anvil_dropAllTransactions")
    place_counter(chain)
    chain.rpc("anvil_setStorageAt", GATE, "0x" + "00" * 32, "0x" + "00" * 32)
    chain.rpc("anvil_setNextBlockBaseFeePerGas", hex(GWEI))
    chain.rpc("anvil_mine", "0x1")
    return chain


@pytest.fixture
def purse(chain: Chain, request: pytest.FixtureRequest) -> Purse:
    purse = Purse(chain, request.node.name)
    chain.rpc("anvil_mine", "0x3")
    return purse


@pytest.fixture
def journal(chain: Chain, purse: Purse, tmp_path: Path) -> Iterator[TransactionJournal]:
    with TransactionJournal(tmp_path / "transactions.sqlite", chain, purse.signer, LIMITS) as journal:
        yield journal


def mine(chain: Chain, blocks: int = 1) -> None:
    chain.rpc("anvil_mine", hex(blocks))


def base_fee(chain: Chain, gwei: int) -> None:
    """The next blocks' base fee, as fee histories tell it: empty blocks let it fall slowly."""
    chain.rpc("anvil_setNextBlockBaseFeePerGas", hex(gwei * GWEI * 8 // 7))
    mine(chain)


def the(journal: TransactionJournal, key: str = "a") -> Entry:
    entry = journal.entry(key)
    assert entry is not None
    return entry


def settle(journal: TransactionJournal, chain: Chain, now: float) -> Entry:
    mine(chain)
    journal.step(now)
    mine(chain, 3)
    journal.step(now + 1)
    return the(journal)


def raw_of(chain: Chain, entry: Entry) -> dict[str, str]:
    found: dict[str, str] = chain.rpc("eth_getTransactionByHash", entry.hash)
    return found


def test_journal__planned_twice__one_transaction_settles(
    journal: TransactionJournal, chain: Chain, purse: Purse
) -> None:
    planned = journal.plan("a", "submit", COUNTER, purse.calldata)
    assert journal.plan("a", "another", REVERTER, "0x") == planned
    assert [entry.state for entry in journal.step(0)] == [State.SENT]
    assert journal.step(1) == []
    mine(chain)
    (mined,) = journal.step(2)
    assert (mined.state, mined.nonce) == (State.MINED, 0)
    mine(chain, 2)
    (final,) = journal.step(3)
    assert final.state is State.FINAL
    assert final.spent == purse.spent() > 0
    assert (purse.count(), purse.nonce()) == (1, 1)
    assert journal.step(4) == journal.pending() == []
    assert journal.status.counts[State.FINAL] == 1
    assert journal.status.balance == journal.balance() == 10 * ETHER - final.spent


def test_journal__several_at_once__nonces_in_the_order_of_planning(
    journal: TransactionJournal, chain: Chain, purse: Purse
) -> None:
    for key in "abc":
        journal.plan(key, "submit", COUNTER, purse.calldata)
    assert [(entry.key, entry.nonce) for entry in journal.step(0)] == [("a", 0), ("b", 1), ("c", 2)]
    settle(journal, chain, 1)
    assert purse.count() == 3
    assert journal.pending() == []


def test_journal__not_mined__replaced_by_a_dearer_one(journal: TransactionJournal, chain: Chain, purse: Purse) -> None:
    journal.plan("a", "submit", COUNTER, purse.calldata)
    (first,) = journal.step(0)
    assert journal.step(9.9) == []
    offered = raw_of(chain, first)
    (second,) = journal.step(10)
    assert (second.attempts, second.nonce) == (2, first.nonce)
    for part in ("maxFeePerGas", "maxPriorityFeePerGas"):
        assert int(raw_of(chain, second)[part], 16) * 8 >= int(offered[part], 16) * 9
    assert journal.step(19.9) == []
    assert journal.status.stuck == 1
    assert journal.step(20)[0].attempts == 3
    assert settle(journal, chain, 21).state is State.FINAL
    assert purse.count() == 1
    assert journal.status.stuck == 0


def test_journal__base_fee_rises__dearer_up_to_the_ceiling_then_waits(
    journal: TransactionJournal, chain: Chain, purse: Purse
) -> None:
    journal.plan("a", "submit", COUNTER, purse.calldata)
    (first,) = journal.step(0)
    base_fee(chain, 40)
    (second,) = journal.step(10)
    assert 80 * GWEI <= int(raw_of(chain, second)["maxFeePerGas"], 16) <= 100 * GWEI
    base_fee(chain, 150)
    journal.plan("b", "submit", COUNTER, purse.calldata)
    stuck, planned = journal.step(30)
    assert (stuck.attempts, stuck.state, planned.state) == (2, State.SENT, State.PLANNED)
    assert "above the ceiling of 100: waits" in stuck.reason
    assert "above the ceiling of 100: waits" in planned.reason
    assert journal.status.above_ceiling
    assert any("above the ceiling" in line for line in journal.status.troubles)
    base_fee(chain, 1)
    journal.step(31)
    assert not journal.status.above_ceiling
    assert settle(journal, chain, 32).state is State.FINAL
    assert the(journal, "b").state is State.FINAL
    assert purse.count() == 2
    assert first.hash != second.hash


@pytest.mark.parametrize("again", [True, False], ids=["sent_again", "another_in_its_place"])
def test_journal__reorganisation__sent_again_and_settled_once(
    journal: TransactionJournal, chain: Chain, purse: Purse, again: bool
) -> None:
    journal.plan("a", "submit", COUNTER, purse.calldata)
    journal.step(0)
    mine(chain)
    assert journal.step(1)[0].state is State.MINED
    chain.rpc("anvil_reorg", 1, [])
    assert purse.count() == 0
    (out,) = journal.step(2)
    assert (out.state, out.block) == (State.SENT, None)
    assert "reorganisation" in out.reason
    if not again:
        journal.step(12)
        assert the(journal).attempts == 2
    assert settle(journal, chain, 13).state is State.FINAL
    assert (purse.count(), purse.nonce()) == (1, 1)


def test_journal__reorganisation_deeper_than_finality__settled_again(
    journal: TransactionJournal, chain: Chain, purse: Purse
) -> None:
    journal.plan("a", "submit", COUNTER, purse.calldata)
    journal.step(0)
    assert settle(journal, chain, 1).state is State.FINAL
    chain.rpc("anvil_reorg", 4, [])
    assert purse.count() == 0
    journal.plan("b", "submit", COUNTER, purse.calldata)
    assert [entry.state for entry in journal.step(3)] == [State.SENT, State.SENT]
    journal.step(4)
    settle(journal, chain, 5)
    assert [the(journal, key).state for key in "ab"] == [State.FINAL, State.FINAL]
    assert (purse.count(), purse.nonce()) == (2, 2)


def test_journal__dropped_from_the_pool__sent_again(journal: TransactionJournal, chain: Chain, purse: Purse) -> None:
    journal.plan("a", "submit", COUNTER, purse.calldata)
    (sent,) = journal.step(0)
    chain.rpc("anvil_dropTransaction", sent.hash)
    assert chain.rpc("eth_getTransactionByHash", sent.hash) is None
    journal.step(1)
    assert chain.rpc("eth_getTransactionByHash", sent.hash) is not None
    assert settle(journal, chain, 2).attempts == 1
    assert purse.count() == 1


def test_journal__would_revert__refused_with_the_reason_and_nothing_spent(
    journal: TransactionJournal, chain: Chain, purse: Purse
) -> None:
    selector = function_signature_to_4byte_selector("Committee_QuorumNotReached(uint256,uint256)")
    data = "0x" + (selector + encode(["uint256", "uint256"], [2, 3])).hex()
    journal.plan("a", "submit report 7", REVERTER, data)
    (refused,) = journal.step(0)
    assert refused.state is State.REFUSED
    assert refused.reason == "submit report 7: Committee_QuorumNotReached(given=2, quorum=3)"
    assert (refused.nonce, purse.spent()) == (None, 0)
    assert journal.step(1) == []
    assert journal.again("a") is not None
    chain.rpc("anvil_setCode", REVERTER, "0x00")
    journal.step(2)
    assert settle(journal, chain, 3).state is State.FINAL


@pytest.mark.parametrize("stuck", [False, True], ids=["mined_first", "stuck_first"])
def test_journal__reverts_by_the_time__failed_or_replaced_by_nothing(
    journal: TransactionJournal, chain: Chain, purse: Purse, stuck: bool
) -> None:
    selector = function_signature_to_4byte_selector("Committee_QuorumNotReached(uint256,uint256)")
    data = "0x" + (selector + encode(["uint256", "uint256"], [2, 3])).hex()
    journal.plan("a", "submit", GATE, data)
    journal.step(0)
    chain.rpc("anvil_setStorageAt", GATE, "0x" + "00" * 32, "0x" + "00" * 31 + "01")
    if stuck:
        journal.step(10)
    ended = settle(journal, chain, 11)
    assert ended.state is (State.DROPPED if stuck else State.FAILED)
    assert ended.reason.endswith("submit: Committee_QuorumNotReached(given=2, quorum=3)")
    assert ended.spent == purse.spent() > 0
    assert purse.nonce() == 1


@pytest.mark.parametrize("limit", [None, 60_000])
def test_journal__gas_limit__as_asked_or_estimated(
    journal: TransactionJournal, chain: Chain, purse: Purse, limit: int | None
) -> None:
    journal.plan("a", "submit", COUNTER, purse.calldata, limit)
    (sent,) = journal.step(0)
    gas = int(raw_of(chain, sent)["gas"], 16)
    assert gas == limit if limit else 60_000 < gas < 90_000


def test_journal__too_little_gas_asked_for__failed_and_told(
    journal: TransactionJournal, chain: Chain, purse: Purse
) -> None:
    journal.plan("a", "submit", COUNTER, purse.calldata, 25_000)
    journal.step(0)
    failed = settle(journal, chain, 1)
    assert (failed.state, purse.count()) == (State.FAILED, 0)
    assert "gas" in failed.reason.lower()


def test_journal__nonce_used_by_another_journal__told_and_settled_once_each(
    journal: TransactionJournal, chain: Chain, purse: Purse, tmp_path: Path
) -> None:
    with TransactionJournal(tmp_path / "another.sqlite", chain, purse.signer, LIMITS) as other:
        journal.plan("a", "submit", COUNTER, purse.calldata)
        (ours,) = journal.step(0)
        chain.rpc("anvil_dropTransaction", ours.hash)
        other.plan("b", "submit", COUNTER, purse.calldata, 100_000)
        (theirs,) = other.step(0)
        assert ours.nonce == theirs.nonce
        mine(chain)
        (told,) = journal.step(1)
        assert told.state is State.SENT
        assert "does another process use this key?" in told.reason
        mine(chain, 3)
        (told,) = journal.step(2)
        assert (told.state, told.nonce) == (State.SENT, 1)
        assert journal.status.foreign_nonces == 1
        assert any("nothing else may use this key" in line for line in journal.status.troubles)
        assert settle(journal, chain, 3).state is State.FINAL
        other.step(4)
        assert the(other, "b").state is State.FINAL
    assert (purse.count(), purse.nonce()) == (2, 2)


def test_journal__little_or_no_money__told_and_waits(journal: TransactionJournal, chain: Chain, purse: Purse) -> None:
    chain.rpc("anvil_setBalance", purse.signer.address, hex(ETHER // 2))
    journal.step(0)
    assert journal.status.balance_low
    assert "less than 1000000000000000000: fill it" in journal.status.troubles[0]
    chain.rpc("anvil_setBalance", purse.signer.address, "0x0")
    journal.plan("a", "submit", COUNTER, purse.calldata)
    (waits,) = journal.step(1)
    assert waits.state is State.PLANNED
    assert "has 0 wei, needs " in waits.reason
    chain.rpc("anvil_setBalance", purse.signer.address, hex(2 * ETHER))
    journal.step(2)
    assert settle(journal, chain, 3).state is State.FINAL
    assert not journal.status.balance_low
    assert journal.status.troubles == ()


def liar(purse: Purse) -> Answer:
    """What a node tells that makes up nonces, balances and receipts."""

    def change(method: str, params: list[Any], told: Any) -> Any:
        made_up = {
            "eth_getTransactionCount": hex(1_000_000),
            "eth_getBalance": "0x0",
            "eth_getTransactionReceipt": {
                "blockNumber": "0x1",
                "blockHash": purse.chain.block(1).hash,
                "status": "0x0",
                "gasUsed": "0x5208",
                "effectiveGasPrice": "0x1",
            },
        }
        return {**told, "result": made_up[method]} if method in made_up else told

    return change


def test_journal__one_of_three_endpoints_lies__moves_nothing(chain: Chain, purse: Purse, tmp_path: Path) -> None:
    with proxies(chain.url, 3) as (first, *others):
        first.change = liar(purse)
        several = Chain([first.url, *(one.url for one in others)])
        with TransactionJournal(tmp_path / "several.sqlite", several, purse.signer, LIMITS) as journal:
            for key in "ab":
                journal.plan(key, "submit", COUNTER, purse.calldata)
            assert [(entry.state, entry.nonce) for entry in journal.step(0)] == [(State.SENT, 0), (State.SENT, 1)]
            assert settle(journal, chain, 1).state is State.FINAL
            assert journal.pending() == []
            assert journal.status.balance == 10 * ETHER - purse.spent()
            assert "say different things of the nonces used" in journal.status.troubles[0]
    assert purse.count() == purse.nonce() == 2


def test_journal__one_of_two_endpoints_makes_a_receipt_up__nothing_is_settled_by_it(
    chain: Chain, purse: Purse, tmp_path: Path
) -> None:
    with proxies(chain.url, 2) as opened:
        two = Chain([one.url for one in opened])
        with TransactionJournal(tmp_path / "two.sqlite", two, purse.signer, LIMITS) as journal:
            journal.plan("a", "submit", COUNTER, purse.calldata)
            journal.step(0)
            opened[0].change = liar(purse)
            (told,) = journal.step(10)
            assert (told.state, told.nonce, told.attempts) == (State.SENT, 0, 1)
            assert "too few RPC endpoints agree" in told.reason
            opened[0].change = None
            assert settle(journal, chain, 11).state is State.FINAL


def test_journal__nonce_made_up_by_the_only_endpoint__planned_again_from_the_next_one(
    chain: Chain, purse: Purse, tmp_path: Path
) -> None:
    def lie(method: str, params: list[Any], told: Any) -> Any:
        return {**told, "result": hex(1_000_000)} if method == "eth_getTransactionCount" else told

    with (
        proxies(chain.url, 1) as (one,),
        TransactionJournal(tmp_path / "one.sqlite", Chain(one.url), purse.signer, LIMITS) as journal,
    ):
        one.change = lie
        for key in "ab":
            journal.plan(key, "submit", COUNTER, purse.calldata)
        assert [entry.nonce for entry in journal.step(0)] == [1_000_000, 1_000_001]
        one.change = None
        journal.step(9)
        assert [the(journal, key).nonce for key in "ab"] == [1_000_000, 1_000_001]
        assert [entry.nonce for entry in journal.step(10)] == [0, 1]
        assert "nonce 1000000 of submit (a) is far above the next one, 0" in journal.status.troubles[0]
        assert settle(journal, chain, 11).state is State.FINAL
        assert (journal.pending(), journal.status.troubles) == ([], ())
    assert purse.count() == purse.nonce() == 2, "and nothing was spent on the nonces between"


def test_journal__cancelled__only_before_it_is_signed(journal: TransactionJournal, chain: Chain, purse: Purse) -> None:
    journal.plan("a", "submit", COUNTER, purse.calldata)
    assert journal.cancel("a")
    assert journal.step(0) == []
    assert the(journal).state is State.DROPPED
    journal.plan("b", "submit", COUNTER, purse.calldata)
    journal.step(1)
    assert not journal.cancel("b")
    assert not journal.cancel("unknown")
    mine(chain)
    assert purse.nonce() == 1


def test_journal__file_of_another__refused(
    journal: TransactionJournal, chain: Chain, purse: Purse, tmp_path: Path
) -> None:
    path = tmp_path / "transactions.sqlite"
    with pytest.raises(JournalBusy, match="kept by another process"):
        TransactionJournal(path, chain, purse.signer, LIMITS)
    journal.close()
    with pytest.raises(JournalUnusable, match=f"another key, {purse.signer.address}"):
        TransactionJournal(path, chain, Purse(chain, "another").signer, LIMITS)
    with Anvil(timestamp=1_700_000_000) as elsewhere, pytest.raises(JournalUnusable, match="another chain, 31337 of"):
        TransactionJournal(path, Chain(elsewhere.url), purse.signer, LIMITS)
    (tmp_path / "text").write_text("no database at all, but long enough to be read as the head of one: " * 2)
    with pytest.raises(JournalUnusable, match="text: file is not a database"):
        TransactionJournal(tmp_path / "text", chain, purse.signer, LIMITS)
    TransactionJournal(path, chain, purse.signer, LIMITS).close()


def test_journal__what_cannot_be_a_transaction__refused(journal: TransactionJournal) -> None:
    for to, data, gas, told in (
        ("0x12", "0x", None, "0x12"),
        (COUNTER, "0x1", None, "the data is no hex"),
        (COUNTER, "0x", 20_000, "at least 21000"),
    ):
        with pytest.raises(InvalidValue, match=told):
            journal.plan("a", "submit", to, data, gas)
    assert journal.pending() == []
