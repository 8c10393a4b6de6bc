"""The chain, the contracts, the money and the keys of a network on this machine."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chain.anvil import Anvil
from chain.client import Block, Chain
from chain.deployment.contracts import local_member
from chain.deployment.settings import Licences
from chain.directory import announcement
from chain.network import Network, NetworkSettings
from chain.transactions import Call, LiveSender, SteppedSender, Wallet
from oracle.ground.clock import EpochClock
from oracle.ground.ids import pack
from oracle.signing.signer import LocalSigner
from scenario import audit
from scenario.market import KYC, JobSpec, Market, Serving, key_of, oracle_signers
from scenario.network.options import PRICE, PROTOCOL_SHARE_PPM, TICK, NetworkOptions
from scenario.settler import Settler

GWEI: Final = 10**9
_ANVIL: Final = ("--no-mining", "--order", "fifo", "--slots-in-an-epoch", "1", "--base-fee", "0", "--gas-price", "0")
_PURSE: Final = 10**20
# Blocks of the setting-up are a second apart and lie in the past.
_SETUP_BLOCKS: Final = 60
# Licences on sale: price in the test token's smallest unit, and how many.
_TIERS: Final = ((10 * 10**6, 10), (20 * 10**6, 90))


def gas_key(oracle: int) -> bytes:
    """The key that pays an oracle's gas (numbered from 1)."""
    return key_of(f"gas of oracle {oracle}")


@dataclass(frozen=True, slots=True)
class World:
    """A network that is deployed, funded and licensed, on a chain that makes a block a second."""

    options: NetworkOptions
    network: Network
    anvil_port: int
    clock: EpochClock
    market: Market
    nodes: tuple[Serving, ...]
    oracles: tuple[LocalSigner, ...]
    job: int
    deposit: int

    @property
    def chain(self) -> Chain:
        """The harness's own client of it."""
        return self.network.chain

    @property
    def addresses_file(self) -> Path:
        """Where the network's addresses are written."""
        return self.options.out / "addresses.json"

    @property
    def assignments(self) -> list[int]:
        """The ids of the nodes' assignments, in order of the nodes, where `assign` placed them."""
        return [pack(self.job, slot, 1) for slot in range(len(self.nodes))]

    def head(self) -> Block:
        """The newest block."""
        return self.chain.block("latest")

    def keeper(self) -> Settler:
        """A keeper with fresh nonces: a reorg may have taken some back."""
        return Settler(self.network, LiveSender(self.chain), Wallet(self.chain, key_of("keeper")))

    def assign(self) -> None:
        """Place every node, once a block lies inside the job's window."""
        while self.head().timestamp < self.clock.genesis:
            time.sleep(0.1)
        market, terms = self.market, self.market.terms_hash()
        market.sender.send([market.assign(self.job, slot, 1, node, terms) for slot, node in enumerate(self.nodes)])

    def elect(self, oracles: Sequence[int], *, at_once: bool) -> None:
        """The governor makes these oracles (numbered from 1) and all guests the committee: for cause and at once, or
        from the earliest epoch that a set announced now can take over."""
        staying = [
            *(self.oracles[number - 1].address for number in oracles),
            *(one.address for one in self.options.guests),
        ]
        chosen = [local_member(one).address for one in staying]
        calls = self.network.registry.functions
        if at_once:
            function = calls.replaceCommittee(chosen)
        else:
            # A bit on: the block that takes it may be in the next epoch.
            function = calls.scheduleCommittee(chosen, self.clock.epoch_at(int(time.time()) + 2) + 2)
        governor = Wallet(self.chain, key_of("governor"))
        self.market.sender.send([Call.of("committee", governor, function, 2_000_000)])

    def totals(self, assignments: Sequence[int] | None = None) -> audit.Totals:
        """Where the job's money is; NotConserved unless all of it is somewhere. `assignments`: all there ever were;
        None: those of `assign`."""
        payees = [Wallet(self.chain, node.operator_key()).address for node in self.nodes]
        known = self.assignments if assignments is None else assignments
        found = audit.totals(self.network, self.job, known, payees, self.market.csp.address, self.deposit)
        found.check()
        return found


def build(options: NetworkOptions, endpoints: Sequence[str], stack: AsyncExitStack) -> World:
    """Start anvil, deploy, announce the oracles' endpoints, license nodes, and fund the job.

    To be called from the thread that lives as long as the network: anvil dies with it.
    """
    began = int(time.time())
    genesis = began + options.lead
    log = options.out / "logs" / "anvil.log"
    anvil = stack.enter_context(Anvil(*_ANVIL, timestamp=began - _SETUP_BLOCKS, log=log))
    chain = Chain(anvil.url)
    signers = oracle_signers(options.oracles)
    settings = NetworkSettings(
        options.timing(genesis),
        (*(one.address for one in signers), *(one.address for one in options.guests)),
        options.appeal_epochs,
        2,
        PROTOCOL_SHARE_PPM,
        credential_kinds=KYC,
        licences=Licences(tiers=_TIERS),
    )
    ends_at = genesis + options.funded_epochs * options.epoch_length
    slots = options.slots or options.nodes
    job = JobSpec(PRICE, slots, genesis, ends_at, options.policy, options.intent)
    market = Market.open(SteppedSender(chain), settings, job)
    nodes = market.license_nodes([f"node-{index + 1}" for index in range(options.nodes)])
    job_id, deposit = market.create_job()
    wallets = [Wallet(chain, gas_key(index + 1)) for index in range(options.oracles)]
    paying = [*(one.address for one in wallets), *options.funded]
    chain.batch([("anvil_setBalance", [one, hex(_PURSE)]) for one in paying])
    market.sender.send(
        [
            announcement(market.network, wallet, signer, endpoint, 1, 200_000)
            for wallet, signer, endpoint in zip(wallets, signers, endpoints, strict=True)
        ]
    )
    world = World(
        options=options,
        network=market.network,
        anvil_port=int(anvil.url.rpartition(":")[2]),
        clock=EpochClock(genesis, options.epoch_length, TICK),
        market=Market(LiveSender(chain), market.network, job),
        nodes=tuple(nodes),
        oracles=signers,
        job=job_id,
        deposit=deposit,
    )
    market.network.addresses.save(world.addresses_file)
    return world


def go_live(world: World) -> None:
    """From here on the chain's time is the machine's, with a block a second and fees as on a public chain."""
    world.chain.rpc("anvil_setNextBlockBaseFeePerGas", hex(GWEI))
    world.chain.rpc("evm_setTime", int(time.time()))
    world.chain.rpc("evm_setIntervalMining", 1)
