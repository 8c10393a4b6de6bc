# SPDX-License-Identifier: Apache-2.0
"""What is written down of a deployment, and the presets and files that one is made from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chain.compiler import Artifact
from chain.deployment import presets
from chain.deployment.errors import UnfitSettings, WrongDeployment
from chain.deployment.journal import Done, Folder, Journal
from cli.deploy_file import parse, ratio1_schedules, read

GENESIS = 1_800_000_000
JOURNAL = Journal(1, "0xab", "0xde", 3, GENESIS, 9, {"burner": Done("Burner", "0x01", "cd", 12)})


def address(number: int) -> str:
    return f"0x{number:040d}"


def ratio1(**changes: Any) -> dict[str, Any]:
    people = "governor guardian licensor replacer freezer suspender blacklister judge registrar treasury".split()
    told = {
        "preset": "ratio1",
        "genesis": GENESIS,
        "tokens": [address(70)],
        "genesis_wallets": [address(80 + index) for index in range(5)],
        "people": {name: address(index) for index, name in enumerate(people, 1)},
        "oracles": [{"signer": address(20 + index), "member": address(30 + index)} for index in range(4)],
    }
    return {**told, **changes}


def test_folder__written__is_read_again(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "31337")
    assert folder.read() is None
    folder.write(JOURNAL)
    folder.write_abi(Artifact("Burner", [{"type": "fallback"}], "0x", 0))
    assert folder.read() == JOURNAL
    assert sorted(path.name for path in folder.path.rglob("*.json")) == ["Burner.json", "deployment.json"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"contracts": {"burner": {"at": 1}}}'])
def test_folder__state_is_no_state__is_refused(tmp_path: Path, text: str) -> None:
    folder = Folder(tmp_path)
    folder.state.write_text(text)
    with pytest.raises(WrongDeployment, match="is no state of a deployment"):
        folder.read()


def test_ratio1__figures__fit_each_other() -> None:
    settings = parse(ratio1(), None).settings
    licences = settings.licences
    assert licences.supply == (46_224, 500, 1)
    assert sum(count for _, count in licences.tiers) == licences.supply[0]
    assert licences.tiers[0] == (500 * 10**6, 89)
    caps = [count * one.cap for count, one in zip(licences.supply, ratio1_schedules(), strict=True)]
    assert 0.999 * settings.own_token.cap < sum(caps) <= settings.own_token.cap
    assert (settings.timing.epoch_length, settings.protocol_share_ppm) == (86_400, 150_000)


def test_ratio1__test_network__has_epochs_of_four_hours() -> None:
    assert parse(ratio1(test_network=True), None).settings.timing.epoch_length == 4 * 3_600


@pytest.mark.parametrize("length", [5, 600, 4 * 3_600, 86_400])
@pytest.mark.parametrize("appeal_epochs", [0, 1, 2, 3, 9])
def test_for_epochs__of_any_length_and_appeal_span__fits(length: int, appeal_epochs: int) -> None:
    timing = presets.Timing.for_epochs(GENESIS, length, appeal_epochs)
    assert presets.delays_for(timing).replacement <= timing.replacement_span < timing.review_delay
    held_up = timing.review_delay + timing.settle_delay + timing.agreement_span + timing.activation_delay
    assert appeal_epochs == 0 or appeal_epochs * length > held_up
    assert timing.review_delay == 2 * length or appeal_epochs in (1, 2)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"preset": "ratio2"}, "preset is 'ratio2'"),
        ({"tokens": []}, "tokens is missing"),
        ({"genesis": "soon"}, "genesis is 'soon'"),
        ({"genesis_wallets": []}, "genesis_wallets is missing"),
        ({"people": {"governor": address(1)}}, "people.guardian is missing"),
        ({"people": {"king": address(1)}}, "people.king is unknown"),
        ({"oracles": []}, "0 are too few"),
        ({"oracles": [{"signer": address(1)}] * 4}, r"oracles\[0\].member is None, which is no address"),
        ({"delays": {"governance": True}}, "delays.governance is True"),
        ({"swap": {"router": "0x12"}}, "swap.router is '0x12', which is no address"),
        ({"epoch_length": 5}, "epoch_length is fixed"),
    ],
)
def test_parse__setting_is_wrong__is_named(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(UnfitSettings, match=told):
        parse(ratio1(**changes), None)


def local(**changes: Any) -> dict[str, Any]:
    told = {**ratio1(), "preset": "local", "epoch_length": 600}
    for name in ("tokens", "genesis_wallets", "swap", "test_network"):
        told.pop(name, None)
    return told | changes


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"genesis": 0}, "genesis is 0; give a UNIX time"),
        ({"genesis": 2**40}, "genesis is 1099511627776"),
        ({"epoch_length": 4}, "epoch_length is 4; give seconds, 5 to"),
        ({"epoch_length": 2**30}, "epoch_length is 1073741824"),
        ({"delays": {"governance": -1}}, "delays.governance is -1"),
        ({"delays": {"replacement": 2**40}}, "delays.replacement is 1099511627776"),
        ({"tokens": ["0x" + "11" * 20]}, "tokens is for the preset ratio1; leave it out"),
        ({"oracles": ratio1()["oracles"][:3]}, "3 are too few; give at least 4"),
        ({"oracles": [ratio1()["oracles"][0]] * 4}, r"oracles\[1\].signer is 0x.*, which oracles\[0\].signer is too"),
        ({"people": ratio1()["people"] | {"governor": "0x" + "00" * 20}}, "people.governor is the zero address"),
    ],
)
def test_parse__value_out_of_bounds__is_named_with_its_bounds(changes: dict[str, Any], told: str) -> None:
    assert parse(local(), None).settings.timing.epoch_length == 600
    with pytest.raises(UnfitSettings, match=told):
        parse(local(**changes), None)


def test_parse__genesis_left_out__is_that_of_the_deployment_begun() -> None:
    told = ratio1()
    del told["genesis"]
    assert parse(told, GENESIS).settings.timing.genesis == GENESIS
    with pytest.raises(UnfitSettings, match="genesis is missing"):
        parse(told, None)


def test_read__no_toml__names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "network.toml"
    with pytest.raises(UnfitSettings, match=r"network\.toml: No such file"):
        read(path, None)
    path.write_text("preset =")
    with pytest.raises(UnfitSettings, match=r"network\.toml: is no TOML"):
        read(path, None)
