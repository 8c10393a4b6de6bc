"""A deployment from beginning to end: contracts, roles, checks; as often as it takes, and once more without harm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

from eth_utils.address import to_checksum_address

from chain import compiler
from chain.addresses import Addresses
from chain.client import Chain
from chain.deployment import building, verifying, wiring
from chain.deployment.contracts import plan_of
from chain.deployment.errors import UnfitSettings, WrongDeployment
from chain.deployment.journal import Folder, Journal
from chain.deployment.plan import Plan
from chain.deployment.roles import Access, wanted
from chain.deployment.settings import NetworkSettings, People
from chain.network import Network
from chain.transactions import Sender, Wallet

LOCAL_CHAINS = (31_337, 1_337)


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be deployed, by whom, and where it is written down.

    keep_admin   the deployer goes on governing, without a delay: for local networks
    folder       None: nothing is written down, and nothing is taken up again
    """

    settings: NetworkSettings
    people: People
    deployer: Wallet
    keep_admin: bool = False
    folder: Folder | None = None

    def check(self) -> None:
        """UnfitSettings unless this can be deployed."""
        self.settings.check(self.people)
        if self.keep_admin:
            return
        for name, address in self.people.named().items():
            if address.lower() == self.deployer.address.lower():
                raise UnfitSettings(
                    f"people.{name} is the deployer, {address}, who keeps no role; name another address"
                )
        if {self.people.freezer, self.people.suspender, self.people.blacklister} & {self.people.judge} - {""}:
            raise UnfitSettings(
                f"people.judge decides appeals against statuses, but {self.people.judge} imposes one; name another"
            )
        if not self.settings.members:
            raise UnfitSettings("members is missing: give the cold address of each oracle; it isn't the one that signs")
        if not self.people.governor:
            raise UnfitSettings("people.governor is missing: the network would be governed by nobody")

    def planned(self, chain: Chain) -> tuple[Plan, Journal]:
        """The plan, and how far it is as the folder tells."""
        journal = self.folder.read() if self.folder is not None else None
        if journal is None:
            head, start = chain.block("latest").number, chain.block(0).hash
            genesis = self.settings.timing.genesis
            journal = Journal(chain.chain_id, start, self.deployer.address, self.deployer.nonce, genesis, head + 1)
        else:
            self._fits(chain, journal)
        artifacts = compiler.load()
        return plan_of(self.settings, self.people, journal.deployer, journal.first_nonce, artifacts), journal

    def _fits(self, chain: Chain, journal: Journal) -> None:
        assert self.folder is not None
        begun = f"{self.folder.state} tells of a deployment"
        if journal.chain_id != chain.chain_id or journal.chain_start != chain.block(0).hash:
            raise WrongDeployment(
                f"{begun} on another chain than {chain.where}; use that one's RPC, another --folder, or remove "
                "the folder when that chain is gone"
            )
        if journal.deployer.lower() != self.deployer.address.lower():
            raise WrongDeployment(f"{begun} by {journal.deployer}; use its key, or another --folder")
        if journal.genesis != self.settings.timing.genesis:
            raise WrongDeployment(
                f"{begun} of a network whose genesis is {journal.genesis}, not {self.settings.timing.genesis}; use "
                "that, or another --folder"
            )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run did: how many contracts it deployed and settings of roles it changed; and what stands now."""

    network: Network
    deployed: int
    granted: int
    wires: int
    powers: list[str] = field(default_factory=list)


def deploy(sender: Sender, order: Order, say: building.Say) -> Outcome:
    """Deploy what is missing, give the roles that are missing, and check all. WrongDeployment, UnfitSettings."""
    order.check()
    chain = sender.chain
    plan, journal = order.planned(chain)
    deployed = building.build(sender, order.deployer, plan, say, order.folder, journal)
    addresses = Addresses.of(chain.chain_id, journal.first_block, plan.addresses)
    network = Network(chain, addresses)
    right = _wanted(order, plan)
    found = wiring.read(network.authority, chain, right, journal.first_block)
    granted = 0
    if right != found and order.deployer.address in found.holders[0]:
        granted = wiring.wire(sender, order.deployer, network.authority, right, found)
        found = wiring.read(network.authority, chain, right, journal.first_block)
    checked = verifying.check_wires(chain, plan)
    verifying.check_facts(network.attestations, order.settings)
    names = _names(order, plan)
    wrong = wiring.differences(right, found, names) + wiring.unguarded(
        network.authority, chain, right, found, journal.first_block, names
    )
    if wrong:
        raise WrongDeployment("roles differ from what they are to be: " + "; ".join(wrong))
    if order.folder is not None:
        order.folder.write_addresses(asdict(addresses))
    return Outcome(network, deployed, granted, checked, wiring.who_can_do_what(found, names))


def deploy_local(sender: Sender, deployer: Wallet, settings: NetworkSettings, people: Mapping[str, str]) -> Network:
    """A network that is written down nowhere and that its deployer governs."""
    everyone = replace(People.one(deployer.address), **people)  # type: ignore[arg-type]
    return deploy(sender, Order(settings, everyone, deployer, keep_admin=True), lambda _: None).network


def preview(chain: Chain, order: Order) -> Sequence[str]:
    """What a run would do, a line each; nothing is sent and nothing is written."""
    order.check()
    plan, journal = order.planned(chain)
    lines, total = [], 0
    for index, state in enumerate(building.states(chain, plan)):
        gas = building.gas_estimate(plan, state.step)
        told = "is there" if state.there else f"to deploy, nonce {plan.first_nonce + index}, about {gas:,} gas"
        total += 0 if state.there else gas
        lines.append(f"{state.step.contract:<16} {state.address}  {told}")
    for key, address in plan.known.items():
        lines.append(f"{key:<16} {address}  was there before")
    right = _wanted(order, plan)
    lines += ["", *wiring.who_can_do_what(right, _names(order, plan))]
    lines += ["", f"deployer {journal.deployer}, chain {journal.chain_id}, genesis {journal.genesis}"]
    if not total:
        return [*lines, "all contracts are there; a run gives the roles that are missing, and checks all"]
    return [*lines, f"contracts: about {total:,} gas in all; roles: about 1,500,000 in one transaction"]


def _wanted(order: Order, plan: Plan) -> Access:
    return wanted(plan.addresses, order.people, order.deployer.address if order.keep_admin else None)


def _names(order: Order, plan: Plan) -> dict[str, str]:
    """Addresses' names, contracts first; who has several has them all."""
    names = {address: key for key, address in plan.addresses.items()}
    for name, address in order.people.named().items():
        if address:
            known = to_checksum_address(address)
            names[known] = f"{names[known]}, {name}" if known in names else name
    return names | {order.deployer.address: "deployer"}
