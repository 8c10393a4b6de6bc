# SPDX-License-Identifier: Apache-2.0
"""`epochal oracle doctor` on a network that is well, and then with one thing wrong at a time."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from chain.anvil import Anvil
from chain.client import Chain
from chain.directory import announcement
from chain.network import Network, NetworkSettings, Timing, deploy
from chain.transactions import LiveSender, Wallet
from cli.oracle import oracle
from oracle.peers.server import PeerServer
from oracle.signing.signer import LocalSigner, derive
from oracle.telemetry.store.opening import open_store
from tests.e2e.peer_world import Shelf

SIGNERS = [derive("doctor", f"oracle {i}") for i in range(4)]
PAYER = derive("doctor", "payer")
OURS = SIGNERS[0]


def key_of(signer: LocalSigner) -> str:
    return "0x" + signer._key.secret.hex()


@dataclass(frozen=True)
class Clinic:
    """A network whose four oracles answer, and the settings of the first."""

    network: Network
    folder: Path
    urls: list[str]

    def settings(self, folder: Path) -> dict[str, str]:
        told = {
            "DEPLOYMENT": str(self.folder / "addresses.json"),
            "RPC": self.network.chain.url,
            "STATE": str(folder),
            "KEY_ENV": "ORACLE_KEY",
            "GAS_KEY_ENV": "ORACLE_GAS_KEY",
            "ENDPOINT": self.urls[0],
        }
        keys = {"ORACLE_KEY": key_of(OURS), "ORACLE_GAS_KEY": key_of(PAYER)}
        return {f"EPOCHAL_ORACLE_{name}": value for name, value in told.items()} | keys

    def visit(self, folder: Path, **changes: str) -> tuple[int, dict[str, list[tuple[str, str]]]]:
        """Exit status, and by check what was found: (state, text)."""
        keys = {name: value for name, value in changes.items() if name.endswith("_KEY")}
        told = {f"EPOCHAL_ORACLE_{name}": value for name, value in changes.items() if name not in keys}
        done = CliRunner().invoke(oracle, ["doctor", "--json"], env=self.settings(folder) | told | keys)
        answer = json.loads(done.stdout)
        assert answer["exit"] == done.exit_code
        found: dict[str, list[tuple[str, str]]] = {}
        for one in answer["findings"]:
            found.setdefault(one["check"], []).append((one["state"], one["told"]))
        return done.exit_code, found


@contextmanager
def oracles_at(network: Network) -> Iterator[list[str]]:
    """The four oracles' servers, in a thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    servers = [PeerServer(Shelf(), network.report_domain, one.address) for one in SIGNERS]
    try:
        yield [asyncio.run_coroutine_threadsafe(one.start(), loop).result(10) for one in servers]
    finally:
        for one in servers:
            asyncio.run_coroutine_threadsafe(one.stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clinic]:
    folder = tmp_path_factory.mktemp("clinic")
    with Anvil("--slots-in-an-epoch", "1") as anvil:
        chain = Chain(anvil.url)
        chain.rpc("anvil_setBalance", PAYER.address, hex(10**20))
        timing = Timing.for_epochs(int(time.time()) + 60, 600, 1)
        settings = NetworkSettings(timing, tuple(one.address for one in SIGNERS), 2, 60, 0)
        wallet, sender = Wallet(chain, PAYER._key.secret), LiveSender(chain)
        network = deploy(sender, wallet, settings, PAYER.address, PAYER.address)
        network.addresses.save(folder / "addresses.json")
        with oracles_at(network) as urls:
            sender.send(
                [announcement(network, wallet, one, url, 1, 200_000) for one, url in zip(SIGNERS, urls, strict=True)]
            )
            yield Clinic(network, folder, urls)


def states(found: dict[str, list[tuple[str, str]]]) -> dict[str, set[str]]:
    return {check: {state for state, _ in told} for check, told in found.items()}


def test_doctor__all_is_well__finds_nothing_wrong_and_leaves_nothing(clinic: Clinic, tmp_path: Path) -> None:
    code, found = clinic.visit(tmp_path / "state")
    # The machine's clock and disk are what they are.
    seen = {check: told for check, told in states(found).items() if check not in ("clock", "disk")}
    assert code == 0, found
    assert seen.pop("rpc") == {"fine", "warning"}
    assert set().union(*seen.values()) == {"fine"}
    assert len(found["peers"]) == 3
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    ("changes", "code", "check", "told"),
    [
        (
            {"ORACLE_KEY": key_of(derive("doctor", "nobody"))},
            1,
            "membership",
            "is in no committee, neither in force (1)",
        ),
        ({"ORACLE_GAS_KEY": key_of(derive("doctor", "poor"))}, 1, "gas", "it can pay for nothing; send it some"),
        ({"ORACLE_GAS_KEY": key_of(OURS)}, 78, "keys", "both keys are that of"),
        ({"ORACLE_KEY": "0x12"}, 78, "keys", "key_env ORACLE_KEY: its value (not shown) is no private key"),
        ({"ORACLE_KEY": key_of(PAYER), "ORACLE_GAS_KEY": key_of(OURS)}, 1, "membership", "the two keys are swapped"),
        ({"RPC": "http://127.0.0.1:9"}, 1, "rpc", "0 of 1 endpoints answer, 1 must tell the same; add working ones"),
        ({"TICK": "7"}, 78, "contracts", "tick is 7: give a divisor of the epoch, 600 s"),
        (
            {"ENDPOINT": "https://elsewhere.example"},
            1,
            "endpoint",
            "but endpoint is https://elsewhere.example: epochal",
        ),
        ({"DEPLOYMENT": "none.json"}, 78, "deployment", "No such file or directory"),
        ({"RPC": "http://127.0.0.1:9/secret"}, 1, "rpc", "http://127.0.0.1:9 doesn't answer"),
        ({"REHEARSAL_CLOCK_OFFSET": "-60"}, 1, "clock", "ahead of this clock"),
    ],
    ids="stranger poor one_key no_key swapped no_rpc tick endpoint deployment rpc clock".split(),
)
def test_doctor__one_thing_wrong__is_named(
    clinic: Clinic, tmp_path: Path, changes: dict[str, str], code: int, check: str, told: str
) -> None:
    clinic.network.chain.rpc("evm_mine")
    found_code, found = clinic.visit(tmp_path, **changes)
    wrong = [text for state, text in found[check] if state == "wrong"]
    assert found_code == code
    assert any(told in text for text in wrong), found
    assert "secret" not in json.dumps(found)
    assert all(text.count("http://") < 2 for text in wrong)
    assert "--key" not in json.dumps(found)
    if "swapped" in told:
        assert [check for check, each in states(found).items() if "wrong" in each] == ["membership"]


def test_doctor__one_of_two_endpoints_is_enough__warns_that_it_is_believed(clinic: Clinic, tmp_path: Path) -> None:
    url = clinic.network.chain.url
    _, found = clinic.visit(tmp_path, RPC=f"{url},{url.replace('127.0.0.1', 'localhost')}", RPC_AGREE="1")
    warned = [text for state, text in found["rpc"] if state == "warning"]
    assert warned == ["rpc_agree is 1: what one endpoint says is believed; set it to 2, or leave it out"]


def test_doctor__store_of_another_oracle_and_in_use__tells_both(clinic: Clinic, tmp_path: Path) -> None:
    store = open_store(tmp_path / "oracle.sqlite", clinic.network.clock(10), "31337:0x")
    store.put_state("oracle", SIGNERS[1].address.lower().encode())
    try:
        code, found = clinic.visit(tmp_path)
    finally:
        store.close()
    told = dict(found["store"])
    assert code == 1
    assert f"belongs to oracle {SIGNERS[1].address.lower()}" in told["wrong"]
    assert "has it open to write" in told["fine"]


def test_doctor__endpoints_that_differ__are_told_apart(clinic: Clinic, tmp_path: Path) -> None:
    with Anvil("--slots-in-an-epoch", "1", timestamp=1_700_000_000) as other:
        code, found = clinic.visit(tmp_path, RPC=f"{clinic.network.chain.url},{other.url}")
    assert code == 1
    assert any("find out which of them follows the chain" in text for _, text in found["rpc"])
    assert states(found)["contracts"] == {"skipped"}
