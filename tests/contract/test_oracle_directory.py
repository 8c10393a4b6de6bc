# SPDX-License-Identifier: Apache-2.0
"""The oracles' directory: each endpoint under its own oracle's key, whoever pays for it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from eth_abi.abi import encode
from web3.types import TxReceipt

from chain.client import Block
from chain.directory import Listed, announce, announcement, check_endpoint, endpoints_of, listed
from chain.network import Network, WrongDeployment
from chain.transactions import Call
from oracle.ground.errors import InvalidValue
from oracle.ground.keccak import keccak256
from oracle.ground.typed_data import Announcement
from oracle.signing.compact import sign
from oracle.signing.signer import LocalSigner
from tests.contract.world import ZERO_ADDRESS, World, halves, refused

URL = "https://oracle.example.org:8610"
TOP64 = 2**64 - 1


def raw(signer: LocalSigner) -> bytes:
    return bytes.fromhex(signer.address[2:])


def latest(world: World) -> Block:
    return world.chain.block("latest")


def say(world: World, signer: LocalSigner, endpoint: str, sequence: int) -> TxReceipt:
    (receipt,) = world.sender.send([announcement(world.network, world.keeper.wallet, signer, endpoint, sequence)])
    return receipt


def bring(world: World, oracle: str, endpoint: str, sequence: int, signature: bytes) -> TxReceipt:
    assert world.network.directory is not None
    call = world.network.directory.functions.announce(oracle, endpoint, sequence, *halves(signature))
    return world.do(world.stranger, call)


def test_announce__signed_by_the_oracle__stands_whoever_pays(world: World) -> None:
    oracle = world.committee[0]
    receipt = say(world, oracle, URL, 7)
    assert world.network.directory is not None
    (event,) = world.network.directory.events.EndpointAnnounced().process_receipt(receipt)
    assert dict(event["args"]) == {"oracle": oracle.address, "endpoint": URL, "sequence": 7}
    assert world.network.directory.functions.endpointOf(oracle.address).call() == [URL, 7]
    assert listed(world.network, raw(world.committee[1]), latest(world)) == Listed(b"", 0)


def test_announce__newer__replaces_a_longer_one(world: World) -> None:
    oracle = world.committee[0]
    say(world, oracle, "https://" + "a" * 192, 1)
    say(world, oracle, URL, TOP64)
    assert listed(world.network, raw(oracle), latest(world)) == Listed(URL.encode(), TOP64)


@pytest.mark.parametrize("sequence", [0, 6, 7])
def test_announce__not_newer__is_refused(world: World, sequence: int) -> None:
    oracle = world.committee[0]
    say(world, oracle, URL, 7)
    with refused("OracleDirectory_StaleSequence", sequence=sequence, standing=7):
        say(world, oracle, URL + "/other", sequence)


@pytest.mark.parametrize("length", [0, 201])
def test_announce__endpoint_of_no_length_it_takes__is_refused(world: World, length: int) -> None:
    oracle, text = world.committee[0], "x" * length
    signature = oracle.sign_typed(Announcement(oracle.address, text, 1), world.network.announcement_domain)
    with refused("OracleDirectory_EndpointLength", length=length):
        bring(world, oracle.address, text, 1, signature)


@pytest.mark.parametrize("changes", [{"oracle": ZERO_ADDRESS}, {"endpoint": URL + "0"}, {"sequence": 2}], ids=str)
def test_announce__signature_says_something_else__is_refused(world: World, changes: dict[str, Any]) -> None:
    oracle = world.committee[0]
    said = replace(Announcement(oracle.address, URL, 1), **changes)
    signature = oracle.sign_typed(said, world.network.announcement_domain)
    with refused("OracleDirectory_WrongSigner", oracle=oracle.address):
        bring(world, oracle.address, URL, 1, signature)


@pytest.mark.parametrize("chain", [True, False], ids=["another chain", "another contract"])
def test_announce__signed_for_elsewhere__is_refused(world: World, chain: bool) -> None:
    oracle, at = world.committee[0], world.network.addresses
    domain = Announcement.domain(1, at.directory) if chain else Announcement.domain(at.chain_id, at.escrow)
    signature = oracle.sign_typed(Announcement(oracle.address, URL, 1), domain)
    with refused("OracleDirectory_WrongSigner", oracle=oracle.address):
        bring(world, oracle.address, URL, 1, signature)


def test_announce__by_nobody_or_with_a_high_s__is_refused(world: World) -> None:
    """No signature may recover to the zero address, and none has a second form."""
    with refused("ECDSAInvalidSignature"):
        bring(world, ZERO_ADDRESS, URL, 1, bytes(64))
    oracle = world.committee[0]
    signature = oracle.sign_typed(Announcement(oracle.address, URL, 1), world.network.announcement_domain)
    # EIP-2098 leaves s 255 bits; nearly all of them above half the order have no room, the highest one has.
    top = signature[:32] + ((1 << 255) - 1).to_bytes(32, "big")
    with refused("ECDSAInvalidSignatureS"):
        bring(world, oracle.address, URL, 1, top)


def test_domain__read_from_the_contract__is_ours(world: World) -> None:
    assert world.network.directory is not None
    found = world.network.directory.functions.eip712Domain().call()
    ours = world.network.announcement_domain
    assert found[:5] == [b"\x0f", ours.name, ours.version, ours.chain_id, ours.contract]


def test_announce_function__clock_behind_the_standing_one__still_replaces_it(world: World) -> None:
    oracle = world.committee[0]
    for url, now in ((URL, 2_000_000_000), (URL + "/", 5), (URL + "/v2/", 2_000_000_100)):
        announce(world.network, world.sender, world.keeper.wallet, oracle, url, now)
    assert listed(world.network, raw(oracle), latest(world)) == Listed(f"{URL}/v2".encode(), 2_000_000_100)


def test_endpoints_of__some_announced_rubbish__gives_the_usable_ones(world: World) -> None:
    good, silent, garbled, rude = world.committee
    say(world, good, URL, 1)
    # A string that is no UTF-8, as a hostile member can sign one: our own library makes none.
    text = b"http://\xff\xfe"
    assert world.network.directory is not None
    said = Announcement.TYPE_HASH + encode(["address", "bytes32", "uint64"], [garbled.address, keccak256(text), 1])
    digest = keccak256(b"\x19\x01" + world.network.announcement_domain.separator() + keccak256(said))
    signature = sign(garbled._key.secret, digest)
    selector = world.network.directory.functions.announce("0x" + "00" * 20, "", 0, bytes(32), bytes(32)).selector
    types = ["address", "bytes", "uint64", "bytes32", "bytes32"]
    data = selector + encode(types, [garbled.address, text, 1, *halves(signature)]).hex()
    world.sender.send([Call("announce", world.keeper.wallet, world.network.addresses.directory, data)])
    bring(
        world,
        rude.address,
        "http://user@host",
        1,
        rude.sign_typed(Announcement(rude.address, "http://user@host", 1), world.network.announcement_domain),
    )
    assert listed(world.network, raw(garbled), latest(world)).endpoint == text
    asked = [raw(one) for one in (good, silent, garbled, rude)]
    assert endpoints_of(world.network, asked, latest(world)) == {raw(good): URL}


def test_endpoints_of__block_before__gives_the_state_of_then(world: World) -> None:
    oracle, before = world.committee[0], latest(world)
    say(world, oracle, URL, 1)
    assert endpoints_of(world.network, [raw(oracle)], before) == {}
    assert endpoints_of(world.network, [raw(oracle)], latest(world)) == {raw(oracle): URL}


def test_endpoints_of__network_without_a_directory__says_so(world: World) -> None:
    at, oracle = world.network.addresses, raw(world.committee[0])
    with pytest.raises(WrongDeployment, match="name no directory"):
        endpoints_of(Network(world.chain, replace(at, directory="")), [oracle], latest(world))
    for wrong in (world.person("nobody").address, at.escrow):
        with pytest.raises(WrongDeployment):
            Network(world.chain, replace(at, directory=wrong))


@pytest.mark.parametrize("url", [URL, "http://127.0.0.1:8610", "http://[::1]:1/", "https://a.example/oracle"])
def test_check_endpoint__base_url__passes(url: str) -> None:
    assert check_endpoint(url) == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        *(
            "",
            "oracle.example.org",
            "ftp://a",
            "http://",
            "http://a:0",
            "http://a:99999",
            "http://u:p@a",
            "http://a/?b",
        ),
        *("http://a#b", "http://a b", "http://ä.example", "http://a\n", "http://" + "a" * 194, "http://[::1"),
    ],
)
def test_check_endpoint__no_base_url__is_refused(url: str) -> None:
    with pytest.raises(InvalidValue, match="endpoint is"):
        check_endpoint(url)
