# SPDX-License-Identifier: Apache-2.0
"""What the compose file's first container does: a network on a chain that is there, and what its oracles need."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from chain.anvil import Anvil
from chain.client import Chain
from chain.directory import endpoints_of
from chain.network import Addresses, Network, named
from oracle.ground.errors import UserError
from oracle.ground.ids import pack
from oracle.service.doctor import examine
from oracle.service.patient import Patient, State
from scenario.compose import NODES, ORACLES, prepare
from scenario.market import oracle_signers
from tests.project import ROOT


@pytest.mark.long
def test_prepare__on_a_new_chain__leaves_all_that_oracles_need(tmp_path: Path) -> None:
    services = yaml.safe_load((ROOT / "deploy" / "compose" / "compose.yaml").read_text())["services"]
    with Anvil("--slots-in-an-epoch", "1", "--block-time", "1", "--mixed-mining") as anvil:
        assert prepare(anvil.url, tmp_path, lead=7)
        assert not prepare(anvil.url, tmp_path)
        network = Network(Chain(anvil.url), Addresses.load(tmp_path / "addresses.json"))
        assert (tmp_path / "attestations").read_text().strip() == network.addresses.attestations
        raw = [bytes.fromhex(one.address[2:]) for one in oracle_signers(ORACLES)]
        told = endpoints_of(network, raw, network.chain.block("latest"))
        assert [told[one] for one in raw] == [f"http://oracle-{number}:8610" for number in range(1, ORACLES + 1)]
        for slot in range(NODES):
            view = network.lens.functions.assignmentOf(pack(1, slot, 1)).call()
            assert named(network.lens, "assignmentOf", view)["openedAt"] >= network.timing.genesis
        for number in range(1, ORACLES + 1):
            settings: dict[str, str] = services[f"oracle-{number}"]["environment"]
            settings = {name: value.replace("/network", str(tmp_path)) for name, value in settings.items()}
            here = {"EPOCHAL_ORACLE_RPC": anvil.url, "EPOCHAL_ORACLE_STATE": str(tmp_path / "state")}
            found = examine(Patient(None, settings | here))
            # Nobody answers at a container's name here; all else has to be in order.
            states = {one.check: one.state for one in found if one.check not in ("peers", "clock", "disk", "rpc")}
            assert states.pop("endpoint") is State.WARNING
            assert set(states.values()) == {State.FINE}, found
    assert not any(path.stat().st_mode & 0o077 for path in (tmp_path / "password", *tmp_path.glob("*-?.json")))


def test_prepare__on_a_real_chain__refuses(tmp_path: Path) -> None:
    with Anvil("--slots-in-an-epoch", "1") as anvil:
        Chain(anvil.url).rpc("anvil_setChainId", 1)
        with pytest.raises(UserError, match="is chain 1: keys that everybody knows are for chain 31337"):
            prepare(anvil.url, tmp_path)
