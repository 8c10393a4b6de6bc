# SPDX-License-Identifier: Apache-2.0
"""The same sources through ape: a network is deployed, one job is served, reported, settled, paid and left."""

from __future__ import annotations

import ape
import pytest
from eth_utils.crypto import keccak

from chain import compiler
from chain.deployment.contracts import plan_of
from chain.deployment.settings import NetworkSettings, People, Timing
from oracle.ground.ids import KIND_ASSIGNMENT, pack
from oracle.ground.leaves import Leaf
from oracle.ground.merkle import Tree
from oracle.ground.policy import Policy
from oracle.ground.typed_data import Acceptance, EpochReport, NodeConsent
from oracle.signing.signer import derive

EPOCH = 1_000
SETTLE_WINDOW = 300
PRICE = 1_000_003
PROTOCOL_PPM = 50_000
POLICY = Policy(target_ppm=980_000, floor_ppm=900_000, csp_share_ppm=800_000)
FOREVER = 2**64 - 1
MINT = keccak(text="mint(address,uint8)")[:4]


class Network:
    """Contracts of one network, the first epoch of which starts 100 seconds from now."""

    def __init__(self, project, accounts, chain):
        self.chain = chain
        self.admin, self.csp, self.orchestrator, self.holder, self.keeper = accounts[:5]
        self.oracles = sorted((derive("ape", f"oracle {i}") for i in range(4)), key=lambda one: int(one.address, 16))
        self.node = derive("ape", "node")
        # Both compilations before the clock is read: the chain's goes on meanwhile.
        artifacts, _ = compiler.load(), project.JobEscrow
        self.genesis = chain.pending_timestamp + 100
        timing = Timing(self.genesis, EPOCH, 10, 10, 41, 1_900, 1_000, 4_041, 3_500, 500)
        settings = NetworkSettings(timing, tuple(one.address for one in self.oracles), 2, SETTLE_WINDOW, PROTOCOL_PPM)
        deployed = self._deploy(project, settings, artifacts)
        self.authority, self.attestations, self.token = (
            deployed[key] for key in ("authority", "attestations", "token")
        )
        self.licences, self.escrow, self.placements = (deployed[key] for key in ("licences", "escrow", "placements"))
        self.rules, self.lens, self.accounts = (deployed[key] for key in ("admission", "lens", "accounts"))
        self.authority.setTargetFunctionRole(self.licences, [MINT], 2, sender=self.admin)
        self.authority.grantRole(2, self.admin, 0, sender=self.admin)

    def _deploy(self, project, settings: NetworkSettings, artifacts: dict) -> dict:
        """The contracts of the deployment's plan, each as ape compiled it."""
        admin = str(self.admin.address)
        plan = plan_of(settings, People.one(admin), admin, int(self.admin.nonce), artifacts)
        deployed = {}
        for step in plan.steps:
            values = [value for _, value in plan.arguments(step)]
            deployed[step.key] = self.admin.deploy(getattr(project, step.contract), *values)
            assert deployed[step.key].address == plan.addresses[step.key]
        return deployed

    def link(self) -> int:
        self.licences.mint(self.holder, 1, sender=self.admin)
        consent = NodeConsent(1, self.holder.address, self.node.address, 0, FOREVER)
        domain = NodeConsent.domain(self.chain.chain_id, self.licences.address)
        r, vs = halves(self.node.sign(consent.digest(domain)))
        self.licences.link(1, self.node.address, FOREVER, r, vs, sender=self.holder)
        return 1

    def terms(self, **changes):
        fields = {
            "token": self.token.address,
            "price": PRICE,
            "slots": 1,
            "startsAt": self.genesis,
            "endsAt": self.genesis + 5 * EPOCH,
            "orchestrator": self.orchestrator.address,
            "intent": bytes(32),
            "policy": POLICY.abi_values(),
        }
        return tuple({**fields, **changes}.values())

    def create(self) -> int:
        deposit = self.rules.depositFor(self.terms())
        self.token.mint(self.csp, deposit, sender=self.csp)
        self.token.approve(self.escrow, deposit, sender=self.csp)
        self.accounts.open(sender=self.csp)
        self.escrow.createJob(1, self.terms(), sender=self.csp)
        return int(self.escrow.jobCount())  # ape has an int of its own, the typed data take none but int

    def assign(self, job: int, licence: int) -> int:
        terms = self.rules.termsHash(self.terms())
        domain = Acceptance.domain(self.chain.chain_id, self.placements.address)
        acceptance = Acceptance(job, 0, 1, licence, bytes(terms), FOREVER)
        r, vs = halves(self.node.sign(acceptance.digest(domain)))
        self.placements.assign((job, 0, licence, FOREVER), r, vs, sender=self.orchestrator)
        return pack(job, 0, 1)

    def signed(self, epoch: int, root: bytes, members=(0, 1, 2)):
        parent = bytes(self.attestations.lastFinal()[1])
        report = EpochReport(epoch, 1, root, parent, keccak(b"anchor"), keccak(b"evidence"))
        digest = report.digest(EpochReport.domain(self.chain.chain_id, self.attestations.address))
        values = (epoch, 1, root, parent, report.anchor, report.evidence)
        return values, sum(1 << i for i in members), b"".join(self.oracles[i].sign(digest) for i in members)

    def publish(self, epoch: int, leaf: Leaf) -> Tree:
        tree = Tree.build([leaf])
        self.at(self.genesis + (epoch + 1) * EPOCH + 20)
        self.attestations.submit(*self.signed(epoch, tree.root), sender=self.keeper)
        self.at(self.chain.blocks.head.timestamp + 41)
        return tree

    def at(self, time: int) -> None:
        """A block at `time`."""
        self.chain.mine(timestamp=time)


def halves(signature: bytes) -> tuple[bytes, bytes]:
    return signature[:32], signature[32:]


@pytest.fixture
def network(project, accounts, chain):
    return Network(project, accounts, chain)


@pytest.fixture
def serving(network):
    """Job 1, whose only slot has been served since just after the genesis."""
    licence, job = network.link(), network.create()
    network.at(network.genesis)
    return network.assign(job, licence)


def test_job__served_reported_settled__pays_the_licences_holder(network, serving):
    opened = int(network.lens.assignmentOf(serving).openedAt)
    open_seconds = network.genesis + EPOCH - opened
    network.publish(0, Leaf(KIND_ASSIGNMENT, serving, open_seconds - 50, open_seconds))
    receipt = network.escrow.settleAndClaim(0, serving, open_seconds - 50, open_seconds, [], sender=network.keeper)
    gross = PRICE * (open_seconds - 50) // EPOCH
    paid = gross * (1_000_000 - PROTOCOL_PPM) // 1_000_000
    (event,) = receipt.decode_logs(network.escrow.Paid)
    assert (event.recipient, event.amount) == (network.holder.address, paid)
    assert network.token.balanceOf(network.holder) == paid
    assert network.lens.assignmentOf(serving).held == 50


def test_job__left_in_two_steps__returns_the_unproved_rest(network, serving):
    network.escrow.stopJob(1, sender=network.csp)
    with ape.reverts(network.escrow.JobEscrow_NotClosable, job=1):
        network.escrow.closeJob(1, sender=network.csp)
    network.publish(0, Leaf(KIND_ASSIGNMENT, serving, 0, 0))
    network.at(network.chain.blocks.head.timestamp + SETTLE_WINDOW)
    network.escrow.closeJob(1, sender=network.keeper)
    network.escrow.withdrawRefund(1, sender=network.keeper)
    assert network.token.balanceOf(network.escrow) == 0
    assert network.token.balanceOf(network.csp) == network.rules.depositFor(network.terms())


def test_submit__too_few_signatures__is_refused(network):
    network.at(network.genesis + EPOCH)
    with ape.reverts(network.attestations.Committee_QuorumNotReached, given=2, quorum=3):
        network.attestations.submit(*network.signed(0, b"\1" * 32, members=(0, 1)), sender=network.keeper)


def test_settle__forged_leaf__is_refused(network, serving):
    network.publish(0, Leaf(KIND_ASSIGNMENT, serving, 900, 950))
    with ape.reverts(network.escrow.JobEscrow_LeafNotInReport):
        network.escrow.settle(0, serving, 950, 950, [], sender=network.keeper)
