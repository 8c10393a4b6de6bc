# SPDX-License-Identifier: Apache-2.0
"""The event log has each finalized event once: killed at any moment, and when finalized blocks are taken back."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from chain import events
from chain.anvil import Anvil
from chain.client import Chain, RpcError
from chain.events import Event, EventLog, EventLogUnusable, Mark
from chain.network import NetworkSettings, Timing
from chain.transactions import SteppedSender
from oracle.committee.anchor import AnchorReader
from oracle.ground.ids import pack
from oracle.ground.policy import Policy
from oracle.service.chain_roster import ChainRoster
from scenario.market import JobSpec, Market, oracle_signers
from scenario.timeline import Timeline
from tests.coin import FINAL_AFTER, Coin
from tests.project import ROOT
from tests.rpc_proxy import behind, proxies

MINTED = ("Transfer",)

# Takes up events a few blocks at a time, and ends itself before the statement given runs for the n-th time.
KILLED = """
import os, signal, sys
from pathlib import Path
from chain import bindings, events
from chain.client import Chain
url, address, path, statement, after = sys.argv[1:]
events._PAGE = 3
chain = Chain(url)
log = events.EventLog(Path(path), chain, {"coin": chain.contract(address, bindings.abi("LocalToken"))})
left = int(after)
def trace(sql):
    global left
    left -= sql.startswith(statement)
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
log._db.set_trace_callback(trace)
log.advance()
"""


@pytest.fixture
def coin() -> Iterator[Coin]:
    with Anvil("--slots-in-an-epoch", "1") as anvil:
        yield Coin(anvil.url)


def log_of(coin: Coin, path: Path | None = None, chain: Chain | None = None) -> EventLog:
    chain = chain or coin.chain
    return EventLog(path, chain, {"coin": coin.at(chain)})


def amounts(told: list[Event]) -> list[int]:
    return [one.args["value"] for one in told]


def check_exact(log: EventLog, coin: Coin) -> None:
    """The log has what the chain has, in its order, and each once."""
    wanted = coin.chain.logs(coin.at(coin.chain).events.Transfer, 0, coin.chain.finalized().number)
    held = log.events(MINTED)
    assert [(one.block, one.block_hash, one.log_index) for one in held] == [
        (one["blockNumber"], one["blockHash"].to_0x_hex(), one["logIndex"]) for one in wanted
    ]
    assert amounts(held) == [one["args"]["value"] for one in wanted]
    positions = [one.position for one in held]
    assert positions == sorted(set(positions))


def test_event_log__blocks_become_final__events_are_there_once(coin: Coin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_PAGE", 2)
    log = log_of(coin)
    coin.mint(5)
    assert log.advance() == 5 - FINAL_AFTER
    assert log.advance() == 0
    coin.finalize()
    assert log.advance() == FINAL_AFTER
    assert amounts(log.events(MINTED)) == [1, 2, 3, 4, 5]
    assert log.events(["Approval"]) == []
    assert log.head == coin.chain.finalized()
    news = log.news(MINTED, Mark())
    assert (amounts(news.events), news.anew) == ([1, 2, 3, 4, 5], True)
    coin.mint()
    coin.finalize()
    log.advance()
    later = log.news(MINTED, news.mark)
    assert (amounts(later.events), later.anew) == ([6], False)
    assert log.news(MINTED, later.mark).events == []


@pytest.mark.parametrize("asked_for", [3, 50])
def test_event_log__endpoint_refuses_long_pages__asks_for_less(coin: Coin, asked_for: int) -> None:
    coin.mint(4)
    coin.finalize()
    with proxies(coin.url, 1) as (proxy,):
        refused = []

        def picky(method: str, params: list[dict[str, str]], told: object) -> object:
            if method == "eth_getLogs" and int(params[0]["toBlock"], 16) - int(params[0]["fromBlock"], 16) >= asked_for:
                refused.append(params)
                return {"jsonrpc": "2.0", "id": 0, "error": {"code": -32005, "message": "too many results"}}
            return told

        proxy.change = picky
        log = log_of(coin, chain=Chain(proxy.url))
        assert log.advance() == 4
        assert bool(refused) == (asked_for == 3)
        proxy.change = lambda method, params, told: {"id": 0, "error": {"code": -32005, "message": "too many requests"}}
        with pytest.raises(RpcError, match="too many requests"):
            log.advance()


def test_event_log__killed_before_each_statement__goes_on_where_it_was(coin: Coin, tmp_path: Path) -> None:
    path = tmp_path / "chain.sqlite"
    coin.mint(12)
    coin.finalize()
    for statement, after in (("INSERT INTO events", 4), ("INSERT INTO checkpoints", 1), ("COMMIT", 1)):
        arguments = [coin.url, coin.address, str(path), statement, str(after)]
        killed = subprocess.run([sys.executable, "-c", KILLED, *arguments], cwd=ROOT, check=False)
        assert killed.returncode == -signal.SIGKILL
    log = log_of(coin, path)
    so_far = log.events(MINTED)
    assert 0 < len(so_far) < 12
    log.advance()
    assert log.events(MINTED)[: len(so_far)] == so_far
    check_exact(log, coin)
    assert log.generation == 0


def test_event_log__two_on_one_file__each_event_once(coin: Coin, tmp_path: Path) -> None:
    first, second = log_of(coin, tmp_path / "chain.sqlite"), log_of(coin, tmp_path / "chain.sqlite")
    coin.mint(3)
    coin.finalize()
    page = second._page
    second._page = lambda *a: (page(*a), first.advance())[0]  # type: ignore[method-assign]  it is faster
    assert second.advance() == 0
    check_exact(second, coin)
    assert first.events(MINTED) == second.events(MINTED)


def test_event_log__reorganised_below_finality__goes_back_and_says_so(coin: Coin, tmp_path: Path) -> None:
    log = log_of(coin, tmp_path / "chain.sqlite")
    for _ in range(4):
        coin.mint(2)
        coin.finalize()
        log.advance()
    old = log.news(MINTED, Mark())
    assert amounts(old.events) == [1, 2, 3, 4, 5, 6, 7, 8]
    coin.chain.rpc("anvil_reorg", 2 * (2 + FINAL_AFTER) - 1, [])
    coin.wallet.nonce = coin.chain.w3.eth.get_transaction_count(coin.wallet.address)
    log.advance()
    assert log.generation == 1
    check_exact(log, coin)
    assert amounts(log.events(MINTED)) == [1, 2, 3, 4, 5]
    coin.mint()
    coin.finalize()
    log.advance()
    check_exact(log, coin)
    told = log.news(MINTED, old.mark)
    assert told.anew
    assert amounts(told.events) == [1, 2, 3, 4, 5, 9]
    assert told.events[-1].position > old.mark.position, "no position is given twice"
    log.close()
    assert log_of(coin, tmp_path / "chain.sqlite").generation == 1, "a restart doesn't hide it"


def test_event_log__endpoint_is_behind__keeps_what_it_has(coin: Coin) -> None:
    coin.mint(4)
    coin.finalize()
    with proxies(coin.url, 1) as (proxy,):
        log = log_of(coin, chain=Chain(proxy.url))
        log.advance()
        proxy.change = behind(0)
        assert log.advance() == 0
        assert (len(log.events(MINTED)), log.generation) == (4, 0)


def test_event_log__chain_changes_while_a_page_is_read__takes_nothing_of_it(coin: Coin) -> None:
    coin.mint(4)
    coin.finalize()
    with proxies(coin.url, 1) as (proxy,):
        log = log_of(coin, chain=Chain(proxy.url))

        def reorganise(method: str, params: object, told: object) -> object:
            if method == "eth_getLogs":
                proxy.change = None
                coin.chain.rpc("anvil_reorg", 5, [])
            return told

        proxy.change = reorganise
        with pytest.raises(events.ChainUnsettled):
            log.advance()
        assert log.head is None
        log.advance()
        check_exact(log, coin)


def test_event_log__endpoint_takes_long__readers_do_not_wait(coin: Coin) -> None:
    coin.mint(1)
    coin.finalize()
    asked, answer = threading.Event(), threading.Event()

    def slow(method: str, params: object, told: object) -> object:
        asked.set()
        answer.wait(30)
        return told

    with proxies(coin.url, 1) as (proxy,):
        log = log_of(coin, chain=Chain(proxy.url))
        proxy.change = slow
        thread = threading.Thread(target=log.advance)
        thread.start()
        assert asked.wait(30)
        assert (log.head, log.events(MINTED), log.generation) == (None, [], 0)
        answer.set()
        thread.join()
        assert amounts(log.events(MINTED)) == [1]


def test_event_log__file_of_another_contract__is_refused(coin: Coin, tmp_path: Path) -> None:
    log_of(coin, tmp_path / "chain.sqlite").close()
    coin.address = "0x" + "22" * 20
    with pytest.raises(EventLogUnusable, match="its contracts are 31337 coin=0x"):
        log_of(coin, tmp_path / "chain.sqlite")


def test_event_log__many_checkpoints__are_thinned_out_with_age(coin: Coin) -> None:
    log = log_of(coin)
    for _ in range(150):
        coin.chain.rpc("anvil_mine", "0x1")
        log.advance()
    blocks = [row[0] for row in log._db.execute("SELECT block FROM checkpoints ORDER BY block DESC")]
    assert len(blocks) < 90
    head = blocks[0]
    assert all((newer - older) * 8 <= head - older + 16 for newer, older in pairwise(blocks))


STEPPED = "--no-mining --order fifo --slots-in-an-epoch 1 --disable-block-gas-limit --base-fee 0 --gas-price 0".split()
GENESIS = 1_700_000_000
SPEC = JobSpec(price=10**6, slots=1, starts_at=GENESIS, ends_at=GENESIS + 1_800, policy=Policy())


def test_readers__finalized_blocks_are_taken_back__start_anew_from_the_log(tmp_path: Path) -> None:
    with Anvil(*STEPPED, timestamp=GENESIS - 3_600) as anvil, ExitStack() as stack:
        sender = SteppedSender(Chain(anvil.url))
        signers = tuple(one.address for one in oracle_signers(4))
        settings = NetworkSettings(Timing.for_epochs(GENESIS, 600, 1), signers, 1, 60, 0)
        network = Market.open(sender, settings, SPEC).network
        assert 0 < network.addresses.first_block < sender.chain.block("latest").number
        timeline = Timeline(sender)
        market = Market(timeline, network, SPEC)
        (node,) = market.license_nodes(["one"])
        job, _ = market.create_job()
        timeline.reach(GENESIS)
        before = sender.chain.block("latest").number
        timeline.send([market.assign(job, 0, 1, node, market.terms_hash())])
        timeline.finalize(sender.chain.block("latest"))

        log = EventLog.of(network, tmp_path / "chain.sqlite")
        stack.callback(log.close)
        roster, reader = ChainRoster(network, log), AnchorReader(network, log)
        roster.refresh()
        key = pack(job, 0, 1)
        assert roster.fenced("0x" + "99" * 20, key), "another node serves it"
        anchor = reader.finalized()
        assert [one.subject.assignment_id for one in reader.placed(anchor, -1)] == [key]
        assert reader.committee_of(1) == reader.committee(anchor)
        with pytest.raises(RpcError, match="revert"):
            reader.committee_of(2)

        sender.chain.rpc("anvil_reorg", sender.chain.block("latest").number - before, [])
        roster.refresh()
        assert log.generation == 1
        assert roster.knows(node.address), "linked before"
        assert not roster.fenced("0x" + "99" * 20, key), "nobody was placed any more"
        again = reader.finalized()
        assert again != anchor
        assert reader.placed(again, -1) == []
        with pytest.raises(RpcError, match="aren't final"):
            reader.placed(replace(again, number=again.number + 9, hash="0x" + "77" * 32), -1)


def test_events__of_a_network__are_decoded_as_web3_does() -> None:
    with Anvil(*STEPPED, timestamp=GENESIS - 3_600) as anvil:
        sender = SteppedSender(Chain(anvil.url))
        signers = tuple(one.address for one in oracle_signers(4))
        settings = NetworkSettings(Timing.for_epochs(GENESIS, 600, 1), signers, 1, 60, 0)
        market = Market.open(sender, settings, SPEC)
        network, chain = market.network, sender.chain
        market.license_nodes(["one"])
        market.create_job()
        Timeline(sender).finalize(chain.block("latest"))
        log = EventLog.of(network)
        log.advance()
        head = chain.finalized().number
        seen = set()
        for contract, name in (("licences", "NodeLinked"), ("escrow", "JobCreated"), ("licences", "Transfer")):
            told = chain.logs(getattr(network, contract).events[name], 0, head)
            held = log.events([name])
            assert [plain(dict(one["args"])) for one in told] == [one.args for one in held]
            assert {one.contract for one in held} == {contract}
            seen.update(one.name for one in held)
        assert len(seen) == 3


def plain(value: Any) -> Any:
    """web3's decoded values as the log has them: dicts, and addresses in lower case."""
    if isinstance(value, Mapping):
        return {key: plain(part) for key, part in value.items()}
    return value.lower() if isinstance(value, str) else value
