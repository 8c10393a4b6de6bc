# SPDX-License-Identifier: Apache-2.0
"""Several RPC endpoints as one: failing over, agreeing on what matters, and saying who said what."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from chain.anvil import Anvil
from chain.client import Chain, ChainUnavailable, RpcError
from chain.endpoint import EndpointState
from chain.endpoints import EndpointsDisagree
from chain.transactions import Call, signed
from oracle.ground.errors import InvalidValue
from tests.coin import Coin
from tests.rpc_proxy import Answer, RpcProxy, behind, proxies
from tests.services import free_port

MINTS = 6


@pytest.fixture(scope="module")
def coin() -> Iterator[Coin]:
    with Anvil("--slots-in-an-epoch", "1") as anvil:
        made = Coin(anvil.url)
        made.mint(MINTS)
        made.finalize()
        yield made


@pytest.fixture
def three(coin: Coin) -> Iterator[list[RpcProxy]]:
    with proxies(coin.url, 3) as opened:
        yield opened


def urls(opened: list[RpcProxy]) -> list[str]:
    return [f"{one.url}/v3/SECRET" for one in opened]


def facts(coin: Coin, chain: Chain) -> tuple[Any, ...]:
    """Each kind of read that matters."""
    head, token = chain.finalized(), coin.at(chain)
    supply = chain.call(token.functions.totalSupply(), head)
    return head, chain.block(head.number - 1), supply, len(chain.logs(token.events.Transfer, 0, head.number))


def test_chain__several_endpoints__reads_what_one_reads(coin: Coin, three: list[RpcProxy]) -> None:
    chain = Chain(urls(three))
    assert facts(coin, chain) == facts(coin, coin.chain)
    assert chain.batch([("eth_blockNumber", []), ("eth_chainId", [])])[1] == hex(31337)
    assert [(one.healthy, one.head) for one in chain.endpoints] == [(True, chain.finalized().number)] * 3
    assert "eth_call" in three[1].asked, "state at a block's hash is asked of two"
    assert "eth_call" not in three[2].asked, "and not of more"


def test_chain__endpoint_dies__the_next_answers_in_the_same_request(coin: Coin, three: list[RpcProxy]) -> None:
    chain = Chain(urls(three), timeout=5)
    three[0].dead = True
    assert facts(coin, chain) == facts(coin, coin.chain)
    assert [one.healthy for one in chain.endpoints] == [False, True, True]
    three[1].dead = True
    assert chain.block("latest").number > 0, "one is enough for what may differ"
    with pytest.raises(RpcError, match=r"1 of 3 endpoints answered, needed are 2 \(http://127") as few:
        chain.finalized()
    assert "SECRET" not in str(few.value)
    three[0].dead = three[1].dead = False
    deadline = time.monotonic() + 20
    while not all(one.healthy for one in chain.endpoints) and time.monotonic() < deadline:
        time.sleep(0.1)
        chain.block("latest")
        with suppress(RpcError):
            chain.finalized()
    assert facts(coin, chain) == facts(coin, coin.chain)


def test_chain__endpoint_rests_after_it_failed__is_not_asked(three: list[RpcProxy]) -> None:
    with proxies(three[0].target, 1) as (slow,):
        chain = Chain([slow.url, three[1].url, three[2].url], timeout=1)
        slow.change = lambda method, params, told: time.sleep(2) or told
        chain.finalized()
        asked = len(slow.asked)
        for _ in range(5):
            chain.finalized()
        assert len(slow.asked) <= asked + 1, "the request that is under way comes in late"


def test_chain__start__needs_one_endpoint_that_answers(coin: Coin, three: list[RpcProxy]) -> None:
    nobody = f"http://127.0.0.1:{free_port()}/SECRET"
    chain = Chain([nobody, three[0].url], timeout=5)
    assert chain.fact(coin.at(chain).functions.decimals()) == 6
    with pytest.raises(RpcError, match="1 of 2 endpoints answered"):
        chain.finalized()
    with pytest.raises(ChainUnavailable, match="none of these answers") as none:
        Chain([nobody, nobody + "2"], timeout=5)
    assert "SECRET" not in str(none.value)
    with pytest.raises(InvalidValue, match="named twice"):
        Chain([three[0].url, three[0].url])
    with pytest.raises(InvalidValue, match="3 endpoints are to agree, of 2"):
        Chain(urls(three[:2]), agree=3)


def test_chain__endpoint_of_another_chain__both_are_named(three: list[RpcProxy]) -> None:
    with Anvil() as other:
        Chain(other.url).rpc("anvil_setChainId", 5)
        with pytest.raises(ChainUnavailable) as refused:
            Chain([three[0].url, other.url])
    assert str(refused.value).startswith(f"{other.url} is chain 5, but {three[0].url} is chain 31337")


def test_chain__endpoint_comes_back_as_another_chain__is_not_used(coin: Coin, three: list[RpcProxy]) -> None:
    chain = Chain(urls(three), timeout=5)
    three[0].dead = True
    chain.finalized()
    three[0].dead = False
    three[0].change = lambda method, params, told: {**told, "result": "0x5"} if method == "eth_chainId" else told
    deadline = time.monotonic() + 20
    while chain.endpoints[0].error != "it is chain 5 now, not 31337" and time.monotonic() < deadline:
        time.sleep(0.1)
        chain.finalized()
    assert facts(coin, chain) == facts(coin, coin.chain)
    assert chain.endpoints[0] == EndpointState(three[0].url, False, "it is chain 5 now, not 31337", None)


def swapped(asked: str, alter: Callable[[Any], Any]) -> Answer:
    return lambda method, params, told: {**told, "result": alter(told["result"])} if method == asked else told


LIES = {
    "a block's time": swapped("eth_getBlockByNumber", lambda block: {**block, "timestamp": "0x1"}),
    "a block's hash": swapped("eth_getBlockByNumber", lambda block: {**block, "hash": "0x" + "66" * 32}),
    "a call's result": swapped("eth_call", lambda result: result[:-1] + "7"),
    "a log less": swapped("eth_getLogs", lambda logs: logs[:-1]),
    "a log's data": swapped("eth_getLogs", lambda logs: [{**log, "data": "0x" + "01" * 32} for log in logs]),
}


@pytest.mark.parametrize("liar", [0, 1])
@pytest.mark.parametrize("lie", LIES)
def test_chain__one_of_two_lies__both_are_named(coin: Coin, three: list[RpcProxy], lie: str, liar: int) -> None:
    chain = Chain(urls(three[:2]))
    three[liar].change = LIES[lie]
    with pytest.raises(EndpointsDisagree) as told:
        facts(coin, chain)
    assert three[0].url in str(told.value)
    assert three[1].url in str(told.value)
    assert "SECRET" not in str(told.value)
    assert chain.disagreements == 1


@pytest.mark.parametrize("lie", LIES)
def test_chain__one_of_three_lies__two_that_agree_are_believed(coin: Coin, three: list[RpcProxy], lie: str) -> None:
    chain = Chain(urls(three))
    three[0].change = LIES[lie]
    assert facts(coin, chain) == facts(coin, coin.chain)
    assert chain.disagreements > 0
    assert "it contradicts 2 others" in chain.endpoints[0].error
    assert [one.error for one in chain.endpoints[1:]] == ["", ""]


def test_chain__one_of_three_makes_a_height_up__the_others_height_is_final(coin: Coin, three: list[RpcProxy]) -> None:
    chain = Chain(urls(three))
    three[1].change = behind(3)  # its block 3 is none of the chain's either
    three[0].change = swapped("eth_getBlockByNumber", lambda block: {**block, "number": "0xffffff"})
    with pytest.raises(EndpointsDisagree, match="says"):
        chain.finalized()
    three[1].change = None
    assert facts(coin, chain) == facts(coin, coin.chain)


ODD: dict[str, Answer] = {
    "a block without a number": swapped("eth_getBlockByNumber", lambda block: {"hash": "0x1"}),
    "a block's number in words": swapped("eth_getBlockByNumber", lambda block: {**block, "number": "0xten"}),
    "neither result nor error": lambda method, params, told: {"jsonrpc": "2.0", "id": told["id"], "error": None},
    "no object": lambda method, params, told: ["x"],
    "a call without data": swapped("eth_call", lambda result: 5),
    "half a byte": swapped("eth_call", lambda result: result[:-1]),
    "logs that are none": swapped("eth_getLogs", lambda logs: ["x"]),
    "a log without topics": swapped("eth_getLogs", lambda logs: [{**log, "topics": None} for log in logs]),
}


@pytest.mark.parametrize("odd", ODD)
def test_chain__answers_of_odd_shape__are_that_endpoints_failure(coin: Coin, three: list[RpcProxy], odd: str) -> None:
    chain = Chain(urls(three))
    three[0].change = ODD[odd]
    assert facts(coin, chain) == facts(coin, coin.chain)
    assert chain.disagreements == 0
    assert "not as this method has it" in chain.endpoints[0].error
    three[1].change = ODD[odd]
    with pytest.raises(RpcError, match="needed are 2"):
        facts(coin, chain)


def test_anchor__asked_for_again__is_remembered_until_forgotten(coin: Coin, three: list[RpcProxy]) -> None:
    chain = Chain(three[0].url)
    time_ = chain.block(3).timestamp
    found = chain.anchor(time_)
    assert found == coin.chain.anchor(time_)
    asked = len(three[0].asked)
    assert chain.anchor(time_) == found
    assert len(three[0].asked) == asked
    assert chain.anchor(2**40) is None, "what isn't there yet isn't remembered"
    chain.forget_anchors()
    assert chain.anchor(time_) == found
    assert len(three[0].asked) > asked + 2


def test_chain__fields_that_nodes_tell_differently__are_no_disagreement(coin: Coin, three: list[RpcProxy]) -> None:
    chain = Chain(urls(three))

    def another(method: str, params: list[Any], told: Any) -> Any:
        result = told["result"]
        if method == "eth_getBlockByNumber":
            return {**told, "result": {**result, "hash": result["hash"].upper().replace("0X", "0x"), "size": "0x9"}}
        if method == "eth_getLogs":
            return {**told, "result": [{**log, "blockTimestamp": None} for log in reversed(result)]}
        return told

    three[0].change = another
    assert len(chain.logs(coin.at(chain).events.Transfer, 0, chain.finalized().number)) == MINTS
    refused = coin.at(chain).functions.transfer("0x" + "11" * 20, 10**30)
    with pytest.raises(RpcError, match="revert"):
        chain.call(refused, chain.finalized())


def test_chain__endpoint_is_behind__others_are_asked(coin: Coin, three: list[RpcProxy]) -> None:
    chain = Chain(urls(three))
    three[0].change = behind(3)
    assert facts(coin, chain) == facts(coin, coin.chain)
    assert chain.endpoints[0].head == 3
    chain = Chain(urls(three[:2]))
    with pytest.raises(EndpointsDisagree):
        chain.finalized()  # its block 3 is none of the chain's


def test_chain__transaction__goes_to_all(coin: Coin, three: list[RpcProxy]) -> None:
    chain = Chain(urls(three), timeout=5)
    raw = signed(coin.chain, Call("pay", coin.wallet, coin.wallet.address, "0x"), 10**10, 50_000)
    three[2].dead = True
    assert len(chain.rpc("eth_sendRawTransaction", raw)) == 66
    assert [one.asked[-1] for one in three[:2]] == ["eth_sendRawTransaction"] * 2
