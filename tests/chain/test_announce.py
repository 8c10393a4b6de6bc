# SPDX-License-Identifier: Apache-2.0
"""`epochal oracle announce`: the oracle's key signs, another pays, and what stands isn't sent again."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from chain.anvil import Anvil
from chain.client import Chain
from chain.directory import announcement, endpoints_of, listed
from chain.journal import FeeLimits, TransactionJournal
from chain.network import Network, NetworkSettings, Timing, deploy
from chain.transactions import LiveSender, NotMined, Wallet
from cli.oracle import oracle
from oracle.ground.errors import EpochalError, UserError
from oracle.ground.typed_data import Domain, TypedStruct
from oracle.service import announcing
from oracle.service.announcing import NotAnnounced, announce_endpoint
from oracle.signing.signer import LocalSigner, derive

URL = "https://oracle-1.example:8610"
SIGNERS = tuple(derive("announce", f"oracle {i}") for i in range(4))
PAYER, OTHER, POOR = (derive("announce", name) for name in ("payer", "other", "poor"))
RAW = [bytes.fromhex(one.address[2:]) for one in SIGNERS]
ENV = {
    "ORACLE_KEY": "0x" + SIGNERS[0]._key.secret.hex(),
    "GAS_KEY": "0x" + PAYER._key.secret.hex(),
    "PURSE": "0x" + OTHER._key.secret.hex(),
    "POOR": "0x" + POOR._key.secret.hex(),
}


@dataclass(frozen=True)
class Place:
    """A network, and the folder with its addresses and an oracle's settings."""

    network: Network
    folder: Path

    def announce(self, *options: str) -> Result:
        return CliRunner().invoke(oracle, ["announce", *options], env=ENV)

    @property
    def by_config(self) -> list[str]:
        return ["--config", str(self.folder / "oracle.toml")]

    @property
    def by_hand(self) -> list[str]:
        return ["--network", str(self.folder / "addresses.json"), "--rpc", self.network.chain.url]

    def standing(self) -> tuple[str, int]:
        found = listed(self.network, RAW[0], self.network.chain.block("latest"))
        return found.endpoint.decode(), found.sequence


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("announce")
    with Anvil("--slots-in-an-epoch", "1") as anvil:
        chain = Chain(anvil.url)
        for signer in (PAYER, OTHER):
            chain.rpc("anvil_setBalance", signer.address, hex(10**20))
        timing = Timing.for_epochs(int(time.time()) + 60, 600, 1)
        settings = NetworkSettings(timing, tuple(one.address for one in SIGNERS), 2, 60, 0)
        wallet = Wallet(chain, OTHER._key.secret)
        network = deploy(LiveSender(chain), wallet, settings, OTHER.address, OTHER.address)
        network.addresses.save(folder / "addresses.json")
        told = f'''
            deployment = "addresses.json"
            rpc = ["{anvil.url}"]
            state = "state"
            key_env = "ORACLE_KEY"
            gas_key_env = "GAS_KEY"
            endpoint = "{URL}"
        '''
        (folder / "oracle.toml").write_text(told)
        yield Place(network, folder)


def test_announce__by_settings__signs_and_pays_with_their_keys_and_sends_nothing_twice(place: Place) -> None:
    done = place.announce(*place.by_config)
    assert (done.exit_code, done.output.startswith(f"{SIGNERS[0].address} is reached at {URL}: 0x")) == (0, True)
    endpoint, sequence = place.standing()
    assert (endpoint, abs(sequence - time.time()) < 60) == (URL, True)
    sent = place.network.chain.w3.eth.get_transaction_count(PAYER.address)  # type: ignore[arg-type]
    again = place.announce(*place.by_config)
    assert (again.exit_code, "nothing was sent" in again.output) == (0, True)
    assert place.network.chain.w3.eth.get_transaction_count(PAYER.address) == sent  # type: ignore[arg-type]
    moved = place.announce(*place.by_config, "--endpoint", URL + "/v2/")
    assert moved.exit_code == 0
    assert place.standing() == (URL + "/v2", max(sequence + 1, place.standing()[1]))


def test_announce__the_oracle_runs__asks_for_another_key_to_pay_with(place: Place) -> None:
    path = place.folder / "state" / "transactions.sqlite"
    path.parent.mkdir(exist_ok=True)
    with closing(TransactionJournal(path, place.network.chain, PAYER, FeeLimits())):
        busy = place.announce(*place.by_config, "--endpoint", URL + "/v3")
        assert isinstance(busy.exception, UserError)
        assert "--gas-key-env" in str(busy.exception)
        assert place.announce(*place.by_config, "--endpoint", URL + "/v3", "--gas-key-env", "PURSE").exit_code == 0
    assert place.standing()[0] == URL + "/v3"


def test_announce__without_settings__takes_all_from_options(place: Place) -> None:
    keys = ["--key-env", "ORACLE_KEY", "--gas-key-env", "PURSE"]
    assert place.announce(*place.by_hand, *keys, "--endpoint", "http://127.0.0.1:8610").exit_code == 0
    assert endpoints_of(place.network, RAW, place.network.chain.block("latest")) == {RAW[0]: "http://127.0.0.1:8610"}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--endpoint", "ftp://a", "--key-env", "ORACLE_KEY", "--gas-key-env", "PURSE"], "endpoint is"),
        (["--key-env", "ORACLE_KEY", "--gas-key-env", "PURSE"], "--endpoint is missing"),
        (["--endpoint", URL, "--key-env", "ORACLE_KEY"], "key"),
        (["--endpoint", URL, "--config", "oracle.toml"], "leave it out"),
    ],
    ids=["no URL", "no endpoint", "nobody pays", "settings and options"],
)
def test_announce__options_that_cant_work__say_so(place: Place, options: list[str], told: str) -> None:
    before = place.standing()
    done = place.announce(*place.by_hand, *options)
    assert isinstance(done.exception, UserError)
    assert told in str(done.exception)
    assert place.standing() == before


def test_announce__nobody_can_pay__says_so_at_once_and_plans_nothing(place: Place) -> None:
    begun = time.monotonic()
    done = place.announce(*place.by_hand, "--key-env", "ORACLE_KEY", "--gas-key-env", "POOR", "--endpoint", URL + "/v9")
    assert isinstance(done.exception, NotAnnounced)
    told = rf"{POOR.address} has 0 ether; announcing costs about 0\.000\d+: send it some"
    assert re.fullmatch(told, str(done.exception))
    assert time.monotonic() - begun < 4


def test_announce__no_block_comes__tells_what_it_waits_for(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(announcing, "_QUIET", 0.5)
    monkeypatch.setattr(announcing, "_PATIENCE", 3.0)
    place.network.chain.rpc("evm_setAutomine", False)
    said: list[str] = []
    try:
        with pytest.raises(NotMined, match="not in a block after 3 s"):
            announce_endpoint(place.network, SIGNERS[3], OTHER, URL + "/late", tell=said.append)
    finally:
        place.network.chain.rpc("evm_setAutomine", True)
        place.network.chain.rpc("evm_mine")
    assert said == ["waiting for a block with it (it is sent)"]


def test_announce__overtaken_by_a_newer_one__tells_that_it_failed(place: Place) -> None:
    class Raced(LocalSigner):
        """Somebody brings an announcement from the future just before this one is sent."""

        def sign_typed(self, message: TypedStruct, domain: Domain) -> bytes:
            purse = Wallet(place.network.chain, OTHER._key.secret)
            first = announcement(place.network, purse, SIGNERS[1], URL + "/future", 2**63)
            LiveSender(place.network.chain).send([first])
            return super().sign_typed(message, domain)

    with pytest.raises(NotAnnounced, match="OracleDirectory_StaleSequence"):
        announce_endpoint(place.network, Raced(SIGNERS[1]._key.secret), PAYER, URL)
    with pytest.raises(EpochalError):
        announce_endpoint(place.network, SIGNERS[2], PAYER, "x" * 300)
