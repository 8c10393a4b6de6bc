# SPDX-License-Identifier: Apache-2.0
"""A network with epochs of a day, on an anvil whose blocks and clock are moved by hand, to measure gas in.

All keys and times are fixed, so that every figure is the same in each run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from web3.contract.contract import ContractFunction

from chain import compiler, network
from chain.anvil import Anvil
from chain.client import Chain
from chain.network import NetworkSettings, Timing
from chain.transactions import Call, SteppedSender, Wallet
from oracle.ground.ids import KIND_ASSIGNMENT, pack
from oracle.ground.keccak import keccak256
from oracle.ground.leaves import Leaf
from oracle.ground.merkle import Tree
from oracle.ground.typed_data import Acceptance, EpochReport, NodeConsent
from oracle.signing.signer import LocalSigner

ANVIL_ARGUMENTS = "--no-mining --order fifo --gas-limit 100000000000 --base-fee 0 --gas-price 0".split()
STARTED_AT = 1_767_225_600  # 2026-01-01
DAY = 86_400
PRICE = 10_000_000  # ten tokens for a slot and a day
APPEAL_EPOCHS = 2
PROTOCOL_SHARE_PPM = 20_000
NOBODY = "0x" + "00" * 20
FOREVER = 2**63
BATCH = 500


def key(label: str) -> bytes:
    """A private key, the same for the same label."""
    return keccak256(b"Epochal gas " + label.encode())


@contextmanager
def stepped_chain() -> Iterator[SteppedSender]:
    """An anvil of one's own."""
    with Anvil(*ANVIL_ARGUMENTS, timestamp=STARTED_AT) as anvil:
        yield SteppedSender(Chain(anvil.url))


@dataclass(frozen=True, slots=True)
class Licence:
    """A licence that is linked to a node."""

    id: int
    node: LocalSigner


@dataclass(frozen=True, slots=True)
class Job:
    """A funded job, and how much gas that took."""

    id: int
    terms: tuple[Any, ...]
    terms_hash: bytes
    gas: int

    def assignment(self, slot: int = 0) -> int:
        """The id of the slot's first assignment."""
        return pack(self.id, slot, 1)


class World:
    """A deployed network with a committee of `members`, and everybody who acts in it."""

    def __init__(self, sender: SteppedSender, members: int) -> None:
        self.sender = sender
        self.chain = sender.chain
        self.name = f"committee of {members}"
        self.signers = sorted(
            (LocalSigner(key(f"oracle {i} of {members}")) for i in range(members)),
            key=lambda one: int(one.address, 16),
        )
        self.quorum = 2 * members // 3 + 1
        self.deployer = self.wallet("deployer")
        self.keeper = self.wallet("keeper")
        self.csp = self.wallet("csp")
        self.orchestrator = self.wallet("orchestrator")
        genesis = sender.now - sender.now % DAY + DAY
        self.network = network.deploy(
            sender,
            self.deployer,
            NetworkSettings(
                timing=Timing.for_epochs(genesis, DAY, APPEAL_EPOCHS),
                signers=tuple(one.address for one in self.signers),
                appeal_epochs=APPEAL_EPOCHS,
                settle_window=DAY // 24,
                protocol_share_ppm=PROTOCOL_SHARE_PPM,
            ),
            guardian=self.deployer.address,
            licensor=self.deployer.address,
        )
        self.clock = self.network.clock(10)
        self.timing = self.network.timing
        self.attestations = self.network.attestations.functions
        self.escrow = self.network.escrow.functions
        self.licences = self.network.licences.functions
        self.token = self.network.token.functions
        self._parent = bytes(32)
        self._final_at = 0
        self._jobs = 0
        self._licences = 0
        self._fund_csp()

    def wallet(self, label: str) -> Wallet:
        """Somebody of this network."""
        return Wallet(self.chain, key(f"{self.name}: {label}"))

    def _fund_csp(self) -> None:
        self.send(self.csp, self.token.mint(self.csp.address, 10**18))
        self.send(self.csp, self.token.approve(self.network.addresses.escrow, 2**256 - 1))
        self.send(self.csp, self.network.accounts.functions.open())

    def send(self, wallet: Wallet, *functions: ContractFunction) -> list[int]:
        """Gas used by each call, all in one block."""
        calls = [Call.of(function.fn_name, wallet, function) for function in functions]
        return [receipt["gasUsed"] for receipt in self.sender.send(calls)]

    def deploy(self, name: str, *arguments: Any) -> Any:
        """The functions of a contract of benchmarks/solidity, deployed."""
        artifact = compiler.load("benchmarks/solidity")[name]
        constructor = self.chain.w3.eth.contract(abi=artifact.abi, bytecode=artifact.bytecode).constructor(*arguments)
        (receipt,) = self.sender.send([Call(f"deploy {name}", self.deployer, None, constructor.data_in_transaction)])
        return self.chain.contract(str(receipt["contractAddress"]), artifact.abi).functions

    # --- reports ---

    @property
    def coming_epoch(self) -> int:
        """The epoch that the next block lies in, or epoch 0 before the genesis."""
        after = self.sender.now + 1
        return self.clock.epoch_at(after) if after >= self.timing.genesis else 0

    def attest(self, epoch: int, root: bytes, signatures: int | None = None) -> int:
        """Gas of reporting an epoch, with a quorum or as many signatures; the next block finds the report final."""
        count = signatures or self.quorum
        report = EpochReport(
            epoch=epoch,
            committee=1,
            root=root,
            parent=self._parent,
            anchor=keccak256(b"anchor %d" % epoch),
            evidence=keccak256(b"evidence %d" % epoch),
        )
        digest = report.digest(self.network.report_domain)
        fields = (report.epoch, report.committee, report.root, report.parent, report.anchor, report.evidence)
        bundle = b"".join(one.sign(digest) for one in self.signers[:count])
        self.sender.at(max(self.sender.now + 1, self._final_at, self.clock.end(epoch) + self.timing.settle_delay))
        (gas,) = self.send(self.keeper, self.attestations.submit(fields, (1 << count) - 1, bundle))
        self._parent = root
        self._final_at = self.sender.now + self.timing.activation_delay
        self.sender.at(self._final_at)
        return gas

    # --- jobs ---

    def register(self, count: int, holder: Wallet) -> list[Licence]:
        """Mints licences to a holder and links each to a node of its own."""
        first = self._licences + 1
        self._licences += count
        licences = [
            Licence(number, LocalSigner(key(f"{self.name}: node {number}"))) for number in range(first, first + count)
        ]
        for part in _parts(licences):
            self.send(self.deployer, *(self.licences.mint(holder.address, 1) for _ in part))
            links = []
            for licence in part:
                consent = NodeConsent(licence.id, holder.address, licence.node.address, 0, FOREVER)
                signature = licence.node.sign_typed(consent, self.network.consent_domain)
                links.append(
                    self.licences.link(licence.id, licence.node.address, FOREVER, signature[:32], signature[32:])
                )
            self.send(holder, *links)
        return licences

    def create(self, slots: int, days: int) -> Job:
        """Creates a job that runs from the coming day's start."""
        starts = self.clock.start(self.coming_epoch + 1)
        policy = (1, 990_000, 900_000, 1, 60, 500_000, 0, 3, 1_800, 3_600, 3_600, 7_200)
        terms = (
            self.network.addresses.token,
            PRICE,
            slots,
            starts,
            starts + days * DAY,
            self.orchestrator.address,
            keccak256(b"intent"),
            policy,
        )
        (gas,) = self.send(self.csp, self.escrow.createJob(1, terms))
        self._jobs += 1
        return Job(self._jobs, terms, self.network.rules.functions.termsHash(terms).call(), gas)

    def start(self, *placed: tuple[Job, Sequence[Licence]]) -> int:
        """Fills the slots of jobs 7 seconds after they start, so that some seconds are never measured; their epoch."""
        jobs_start = max(job.terms[3] for job, _ in placed)
        self.sender.at(jobs_start + 7)
        for job, licences in placed:
            for part in _parts(list(enumerate(licences))):
                self.send(self.orchestrator, *(self._assign(job, slot, licence) for slot, licence in part))
        return self.clock.epoch_at(jobs_start)

    def _assign(self, job: Job, slot: int, licence: Licence) -> ContractFunction:
        acceptance = Acceptance(job.id, slot, 1, licence.id, job.terms_hash, FOREVER)
        signature = licence.node.sign_typed(acceptance, self.network.acceptance_domain)
        return self.network.placements.functions.assign(
            (job.id, slot, licence.id, FOREVER), signature[:32], signature[32:]
        )


def tree_of(leaves: Sequence[Leaf], size: int, before: int = 0) -> Tree:
    """A tree of `size` leaves: `before` made-up ones, those given, and made-up ones."""
    after = size - before - len(leaves)
    return Tree.build(
        [
            *(Leaf(KIND_ASSIGNMENT, pack(0, slot, 1), slot, DAY) for slot in range(before)),
            *leaves,
            *(Leaf(KIND_ASSIGNMENT, pack(2**32, slot, 1), slot, DAY) for slot in range(after)),
        ]
    )


def packed(leaf: Leaf) -> int:
    """A leaf as `settleRange` takes it: slot, generation, earned, accounted."""
    return (leaf.id & (2**64 - 1)) << 128 | leaf.earned << 64 | leaf.accounted


def _parts(items: list[Any]) -> Iterator[list[Any]]:
    for start in range(0, len(items), BATCH):
        yield items[start : start + BATCH]
