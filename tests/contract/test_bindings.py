# SPDX-License-Identifier: Apache-2.0
"""Who runs an oracle or a keeper has the ABIs from files: they must be those of the contracts."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from chain import bindings
from chain.client import Chain
from chain.network import Network, WrongDeployment
from tests.contract.world import World
from tests.project import ROOT
from tests.rpc_proxy import proxies

# Neither is there where an oracle runs; both were asked for when it started.
WITHOUT_A_COMPILER = """
import sys
sys.modules["solcx"] = None
from oracle.committee.anchor import AnchorReader
from oracle.service.chain_roster import ChainRoster
from settlement.keeping.executor import Executor
from chain.errors import decode_revert
from chain.network import Network
assert Network.job and type(decode_revert("call", "0x" + "e7" * 4)).__name__ == "ContractReverted"
"""


def test_abis__committed__are_those_of_the_contracts() -> None:
    committed = {path.name: path.read_text(encoding="utf-8") for path in bindings.FOLDER.glob("*.json")}
    differ = {
        name
        for name in committed.keys() | bindings.compiled().keys()
        if committed.get(name) != bindings.compiled().get(name)
    }
    assert not differ, f"{sorted(differ)} in chain/abi aren't of the contracts any more. Cure: make abi"


def test_oracle_and_keeper__without_a_compiler__are_imported() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_A_COMPILER], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.parametrize(
    ("of", "to", "told"),
    [("1", "2", "version '2', but this version of Epochal knows"), ("Epochal", "Xpochal", "is 'Xpochal ")],
)
def test_network__contract_of_another_version__is_refused(world: World, of: str, to: str, told: str) -> None:
    # A single letter is found by the length before it.
    old, new = (f"{len(one):02x}{one.encode().hex()}" if len(one) == 1 else one.encode().hex() for one in (of, to))
    with proxies(world.chain.url, 1) as (proxy,):
        proxy.change = lambda method, params, answer: (
            {**answer, "result": answer["result"].replace(old, new)} if method == "eth_call" else answer
        )
        with pytest.raises(WrongDeployment, match=told):
            Network(Chain(proxy.url), world.network.addresses)


def test_network__addresses_mixed_up__are_refused(world: World) -> None:
    at = world.network.addresses
    with pytest.raises(WrongDeployment, match=r"is 'Epochal Placements', version '1', but .* 'Epochal NodeLicense'"):
        Network(world.chain, replace(at, licences=at.placements))
