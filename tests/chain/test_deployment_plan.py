# SPDX-License-Identifier: Apache-2.0
"""A whole deployment: once, again, after crashes, and against a chain that isn't as it was left."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from eth_utils.abi import abi_to_signature
from web3.contract.contract import ContractFunction
from web3.types import TxReceipt

from chain import compiler
from chain.addresses import Addresses
from chain.anvil import Anvil
from chain.client import Chain
from chain.deployment import presets, verifying
from chain.deployment.contracts import CONTRACTS, plan_of
from chain.deployment.errors import UnfitSettings, WrongDeployment
from chain.deployment.journal import Folder
from chain.deployment.roles import RESTRICTED, Role
from chain.deployment.run import Order, Outcome, deploy, preview
from chain.deployment.settings import DAY, Delays, NetworkSettings, People, Swap, Timing
from chain.deployment.wallets import SignerWallet
from chain.errors import error_class
from chain.network import Network
from chain.transactions import Call, LiveSender, Wallet
from cli.deploy import deploy as command
from cli.deploy_file import ratio1_schedules
from oracle.signing.signer import derive

GENESIS = 2_000_000_000
TIMING = Timing.for_epochs(GENESIS, 600, 2)
DEPLOYER = derive("deployment", "deployer")
GUARDIAN = derive("deployment", "guardian")
LICENSOR = derive("deployment", "licensor")


def address(label: str) -> str:
    return derive("deployment", label).address


SETTINGS = NetworkSettings(
    TIMING,
    tuple(address(f"signer {index}") for index in range(4)),
    2,
    60,
    50_000,
    members=tuple(address(f"member {index}") for index in range(4)),
)
PEOPLE = People(
    governor=address("governor"),
    guardian=GUARDIAN.address,
    licensor=LICENSOR.address,
    replacer=address("replacer"),
    freezer=address("freezer"),
    suspender=address("suspender"),
    blacklister=address("blacklister"),
    judge=address("judge"),
    registrar=address("registrar"),
    treasury=address("treasury"),
    delays=Delays(1_000, 500),
)


def pass_time(chain: Chain, seconds: int = 1_001) -> None:
    """By default longer than governance waits."""
    chain.rpc("evm_increaseTime", seconds)
    chain.rpc("evm_mine")


def govern(chain: Chain, network: Network, function: ContractFunction) -> None:
    """The governor does something with the AccessManager, after his delay."""
    chain.rpc("anvil_setBalance", PEOPLE.governor, hex(10**20))
    chain.rpc("anvil_impersonateAccount", PEOPLE.governor)
    at = network.authority.address
    for step in (network.authority.functions.schedule(at, function._encode_transaction_data(), 0), function):
        sent = chain.rpc(
            "eth_sendTransaction", {"from": PEOPLE.governor, "to": at, "data": step._encode_transaction_data()}
        )
        assert chain.w3.eth.wait_for_transaction_receipt(sent)["status"] == 1
        pass_time(chain)


class Power(Exception):
    """The machine stopped."""


class Mortal(LiveSender):
    """Sends until it has sent so many times; then the machine stops, before or after the next one is on chain."""

    def __init__(self, chain: Chain, sends: int, after: bool) -> None:
        super().__init__(chain)
        self._left, self._after = sends, after

    def send(self, calls: Sequence[Call]) -> list[TxReceipt]:
        if self._left == 0:
            if self._after:
                super().send(calls)
            raise Power
        self._left -= 1
        return super().send(calls)


@dataclass
class Place:
    """A chain on which nothing was deployed, and a folder."""

    chain: Chain
    folder: Folder

    def order(self, settings: NetworkSettings = SETTINGS, people: People = PEOPLE) -> Order:
        """What is asked for, by a process that was just started."""
        return Order(settings, people, SignerWallet(self.chain, DEPLOYER), folder=self.folder)

    def run(self, sender: LiveSender | None = None, order: Order | None = None) -> Outcome:
        return deploy(sender or LiveSender(self.chain), order or self.order(), lambda _: None)

    @property
    def sent(self) -> int:
        return SignerWallet(self.chain, DEPLOYER).nonce

    def names(self) -> set[str]:
        return {path.relative_to(self.folder.path).as_posix() for path in self.folder.path.rglob("*.*")}


@pytest.fixture(scope="module")
def chain() -> Iterator[Chain]:
    with Anvil() as anvil:
        found = Chain(anvil.url)
        for one in (DEPLOYER, GUARDIAN, LICENSOR):
            found.rpc("anvil_setBalance", one.address, hex(10**20))
        yield found


@pytest.fixture
def place(chain: Chain, tmp_path: Path) -> Iterator[Place]:
    snapshot = chain.rpc("evm_snapshot")
    yield Place(chain, Folder(tmp_path / "31337"))
    chain.rpc("evm_revert", snapshot)


def test_deploy__finished_and_run_again__sends_nothing_and_changes_no_file(place: Place) -> None:
    first = place.run()
    assert (first.deployed, first.granted > 0) == (len(first.network.addresses.by_key()), True)
    sent, kept = place.sent, {name: (place.folder.path / name).read_bytes() for name in place.names()}
    again = place.run()
    assert (again.deployed, again.granted, place.sent) == (0, 0, sent)
    assert kept == {name: (place.folder.path / name).read_bytes() for name in place.names()}
    assert again.powers == first.powers
    assert Network(place.chain, Addresses.load(place.folder.addresses)).timing == TIMING
    assert json.loads((place.folder.path / "abi/NodeLicense.json").read_text())


@pytest.mark.parametrize(("sends", "after"), [(0, False), (1, True), (5, False), (14, True), (21, True), (22, False)])
def test_deploy__stopped_in_the_middle__goes_on_from_there(place: Place, sends: int, after: bool) -> None:
    with pytest.raises(Power):
        place.run(Mortal(place.chain, sends, after))
    assert "addresses.json" not in place.names()
    place.run()
    assert place.sent == len(place.folder.read().contracts) + 1
    assert place.run().deployed == 0


def test_deploy__other_settings_after_a_crash__are_refused(place: Place) -> None:
    with pytest.raises(Power):
        place.run(Mortal(place.chain, 5, True))
    other = replace(SETTINGS, licences=replace(SETTINGS.licences, relink_cooldown=9))
    with pytest.raises(WrongDeployment, match=r"NodeLicense at .* was deployed with other settings"):
        place.run(order=place.order(other))
    place.run()


def test_deploy__nonce_went_to_something_else__says_so_and_sends_nothing(place: Place) -> None:
    with pytest.raises(Power):
        place.run(Mortal(place.chain, 3, False))
    wallet = SignerWallet(place.chain, DEPLOYER)
    LiveSender(place.chain).send([Call("elsewhere", wallet, GUARDIAN.address, "0x")])
    with pytest.raises(WrongDeployment, match=r"Attestations was to be the deployer's transaction .* for something"):
        place.run()
    assert place.sent == wallet.nonce


def test_deploy__other_code_at_an_address__is_refused(place: Place) -> None:
    at = place.run().network.addresses
    code = place.chain.rpc("eth_getCode", at.burner, "latest")
    place.chain.rpc("anvil_setCode", at.burner, code[:-2] + "00")
    with pytest.raises(WrongDeployment, match="isn't that of this version's Burner"):
        place.run()


def test_deploy__chain_begun_anew_with_the_same_id__is_told(place: Place) -> None:
    with pytest.raises(Power):
        place.run(Mortal(place.chain, 1, False))
    text = place.folder.state.read_text()
    journal = place.folder.read()
    place.folder.state.write_text(text.replace(journal.chain_start, "0x" + "00" * 32))
    with pytest.raises(WrongDeployment, match="on another chain"):
        place.run()


def test_deploy__real_people__deployer_holds_nothing_and_each_only_his_own(place: Place) -> None:
    network = place.run().network
    manager, at = network.authority.functions, network.addresses.by_key()
    for role in Role:
        assert not manager.hasRole(role, DEPLOYER.address).call()[0]
    everyone = {**PEOPLE.named(), "deployer": DEPLOYER.address, "sale": at["sale"], "registry": at["registry"]}
    everyone["equivocations"] = at["equivocations"]
    may = {
        (one.key, one.signature): {
            name for name, who in everyone.items() if manager.canCall(who, at[one.key], one.selector).call()[0]
        }
        for one in RESTRICTED
        if one.key in at
    }
    assert may["licences", "mint(address,uint8)"] == {"sale"}  # the licensor schedules it first
    assert may["sale", "setIssuer(address,bool)"] == set()  # as the governor does what is his
    assert may["attestations", "veto(uint64,bytes32)"] == {"guardian"}
    assert may["attestations", "replaceCommittee(address[])"] == {"registry"}
    assert may["registry", "replaceCommittee(address[])"] == set()  # the replacer schedules it first
    assert may["trust", "suspendFor(uint256,bytes32)"] == {"equivocations"}
    assert may["trust", "decideAppeal(uint256,uint8,uint40,bool,bytes32)"] == {"judge"}
    sender = LiveSender(place.chain)
    mint = network.licences.functions.mint(address("holder"), 1)
    licensor = SignerWallet(place.chain, LICENSOR)
    scheduled = manager.schedule(network.addresses.licences, mint._encode_transaction_data(), 0)
    sender.send([Call.of("schedule", licensor, scheduled)])
    with pytest.raises(error_class("AccessManagerNotReady")):
        sender.send([Call.of("mint", licensor, mint)])
    pass_time(place.chain)
    sender.send([Call.of("mint", licensor, mint)])
    with pytest.raises(error_class("AccessManagedUnauthorized")):
        sender.send([Call.of("mint", SignerWallet(place.chain, DEPLOYER), mint)])


def test_deploy__somebody_was_given_a_role_since__is_told(place: Place) -> None:
    network = place.run().network
    govern(place.chain, network, network.authority.functions.grantRole(int(Role.GUARDIAN), DEPLOYER.address, 0))
    with pytest.raises(WrongDeployment, match=r"may act as GUARDIAN at once, and is to not at all"):
        place.run()


def test_deploy__a_role_was_given_for_later__is_told(place: Place) -> None:
    """As in the audit: a delay of grants keeps the grant out of sight until governance has been handed over."""
    network = place.run().network
    manager = network.authority.functions
    govern(place.chain, network, manager.setGrantDelay(int(Role.FREEZER), 3 * DAY))
    with pytest.raises(WrongDeployment, match=r"grants of FREEZER take effect after 259,200 s"):
        place.run()  # though it isn't in force for five days
    pass_time(place.chain, 5 * DAY)
    govern(place.chain, network, manager.grantRole(int(Role.FREEZER), DEPLOYER.address, 0))
    assert not manager.hasRole(int(Role.FREEZER), DEPLOYER.address).call()[0]
    with pytest.raises(WrongDeployment) as told:
        place.run()
    assert "deployer may act as FREEZER at once, and is to not at all" in str(told.value)
    assert "deployer was given FREEZER from " in str(told.value)
    assert "grants of FREEZER take effect after 259,200 s" in str(told.value)


def test_deploy__a_shorter_delay_is_under_way__is_told(place: Place) -> None:
    network = place.run().network
    manager = network.authority.functions
    govern(place.chain, network, manager.grantRole(int(Role.REPLACER), PEOPLE.replacer, 10**6))
    govern(place.chain, network, manager.grantRole(int(Role.REPLACER), PEOPLE.replacer, 500))
    with pytest.raises(WrongDeployment, match=r"replacer is to act as REPLACER after 500 s from \d+ on"):
        place.run()


def test_deploy__delay_of_a_targets_admin__is_told(place: Place) -> None:
    network = place.run().network
    at = network.addresses.admission
    govern(place.chain, network, network.authority.functions.setTargetAdminDelay(at, DAY))
    with pytest.raises(WrongDeployment, match=r"what admission may be called by changes after 86,400 s"):
        place.run()


def test_preview__nothing_deployed__tells_all_and_sends_nothing(place: Place) -> None:
    lines = preview(place.chain, place.order())
    assert (place.sent, place.folder.path.exists()) == (0, False)
    network = place.run().network
    told = "\n".join(lines)
    assert all(at in told for at in network.addresses.by_key().values())
    assert sum("to deploy" in line for line in lines) == len(network.addresses.by_key())
    assert not any("to deploy" in line for line in preview(place.chain, place.order()))


@pytest.mark.parametrize(
    ("people", "told"),
    [
        (replace(PEOPLE, guardian=DEPLOYER.address), "guardian is the deployer"),
        (replace(PEOPLE, judge=PEOPLE.freezer), "judge decides appeals"),
        (replace(PEOPLE, governor=""), "governed by nobody"),
    ],
)
def test_deploy__people_unfit__is_refused_before_anything_is_sent(place: Place, people: People, told: str) -> None:
    with pytest.raises(UnfitSettings, match=told):
        place.run(order=place.order(people=people))
    assert place.sent == 0


def test_check_outside__token_that_holders_can_t_burn__needs_a_swap(place: Place) -> None:
    token = address("unburnable")
    # Answers 6 to decimals(), and reverts whatever else it is asked.
    place.chain.rpc("anvil_setCode", token, "0x60003560e01c63313ce56714601257" + "5f5ffd5b60066000526020" + "6000f3")
    settings = replace(SETTINGS, tokens=(token,))
    with pytest.raises(UnfitSettings, match=r"tokens\[0\] is 0x.*, which its holders can't burn.*give \[swap\]"):
        verifying.check_outside(place.chain, settings)
    verifying.check_outside(place.chain, replace(settings, swap=Swap(token)))


def test_deploy__ratio1__stands(place: Place) -> None:
    wallet = SignerWallet(place.chain, DEPLOYER)
    token = compiler.load()["LocalToken"].bytecode
    (receipt,) = LiveSender(place.chain).send([Call("token", wallet, None, token)])
    oracles = [presets.Oracle(address(f"s{i}"), address(f"m{i}"), address(f"o{i}")) for i in range(4)]
    settings = presets.ratio1(
        GENESIS,
        oracles,
        [str(receipt["contractAddress"])],
        ratio1_schedules(),
        [address(f"g{i}") for i in range(5)],
        None,
    )
    people = replace(PEOPLE, delays=presets.delays_for(settings.timing))
    network = place.run(order=place.order(settings, people)).network
    assert network.licences.functions.supplyOf(1).call() == [46_224, 0]
    assert network.sale.functions.offered().call() == 46_224


def test_command__on_a_local_chain__deploys_once(chain: Chain, tmp_path: Path) -> None:
    arguments = ["--rpc", chain.url, "--folder", str(tmp_path)]
    snapshot = chain.rpc("evm_snapshot")
    first = CliRunner().invoke(command, arguments, catch_exceptions=False)
    again = CliRunner().invoke(command, arguments, catch_exceptions=False)
    chain.rpc("evm_revert", snapshot)
    assert (first.exit_code, again.exit_code) == (0, 0)
    assert "\n0 contracts deployed, 0 settings of roles changed" in "\n" + again.stdout
    assert (tmp_path / "addresses.json").exists()


def test_plan__references__each_is_told_by_a_getter_but_those_listed() -> None:
    """What no getter tells is checked by the journal's hash of the init code alone: let it be little."""
    plan = plan_of(SETTINGS, PEOPLE, DEPLOYER.address, 0, compiler.load())
    silent = {(one.key, one.parameter.strip("_")) for one in verifying.wires(plan) if not one.getter}
    addresses = {
        (one.key, one.parameter.strip("_")) for one in verifying.wires(plan) if one.value in plan.addresses.values()
    }
    assert silent & addresses <= {(key, "attestations") for key in ("admission", "bonds", "maintenance")}


def test_table__signatures__are_in_the_contracts() -> None:
    artifacts = compiler.load()
    for one in RESTRICTED:
        there = {abi_to_signature(item) for item in artifacts[CONTRACTS[one.key]].abi if item["type"] == "function"}
        assert one.signature in there


def test_signer_wallet__creation__is_signed_as_by_a_wallet(chain: Chain) -> None:
    fields = {"type": 2, "chainId": 1, "nonce": 0, "maxFeePerGas": 2, "maxPriorityFeePerGas": 1, "gas": 9, "value": 0}
    both = SignerWallet(chain, DEPLOYER), Wallet(chain, DEPLOYER._key.secret)
    assert len({one.sign({**fields, "data": "0x6001"}) for one in both}) == 1
    assert len({one.sign({**fields, "data": "0x", "to": GUARDIAN.address}) for one in both}) == 1
