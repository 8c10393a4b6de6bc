# SPDX-License-Identifier: Apache-2.0
"""A network as a node operator meets it: a sale with an issuer, a CSP's job, and a committee that reports."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pytest

from chain.anvil import Anvil
from chain.client import Chain
from chain.deployment.settings import Licences, Schedule
from chain.transactions import Wallet
from oracle.ground.ids import KIND_ASSIGNMENT, KIND_LICENCE, pack
from oracle.ground.leaves import Leaf
from oracle.ground.merkle import Tree
from oracle.ground.policy import Policy
from oracle.ground.typed_data import Acceptance, EpochReport, NodeConsent, ReallocationBatch
from oracle.signing.signer import LocalSigner, derive
from scenario.market import oracle_signers
from tests.chain.csp_world import EPOCH, CspWorld, Terminal

USD = 10**6
PRICE = 6 * USD  # of a slot for one epoch: 0.01 for each second
COOLDOWN = 1_800
CAP = 600 * 10**18
LICENCES = Licences(
    relink_cooldown=COOLDOWN,
    supply=(1_000, 10, 1),
    schedules=(Schedule(0, 1, CAP, (10**18).to_bytes(8, "big")), Schedule(), Schedule()),
    tiers=((10 * USD, 1), (20 * USD, 50)),
)
POLICY = Policy(
    target_ppm=980_000,
    floor_ppm=900_000,
    csp_share_ppm=800_000,
    penalty_ppm=500_000,
    outage_seconds=60,
    answer_seconds=600,
    maintenance_seconds=300,
)
FOREVER = 2**40 - 1


class LicenceWorld(CspWorld):
    """Its people have keys in the environment, by their names: KEY_HOLDER, KEY_NODE, KEY_ISSUER and so on."""

    def __init__(self, chain: Chain, folder: Path) -> None:
        super().__init__(chain, folder, licences=LICENCES)
        self.holder, self.node = self.person("holder"), self.person("node")
        self.issuer = self.person("issuer")
        self.csp, self.orchestrator = self.person("csp"), self.person("orchestrator")
        self.committee = sorted(oracle_signers(5), key=lambda one: int(one.address, 16))
        self.do(self.admin, self.network.sale.functions.setIssuer(self.issuer.address, True))
        self.genesis = self.network.timing.genesis

    def signer(self, name: str) -> LocalSigner:
        found = derive("csp", name)
        assert isinstance(found, LocalSigner)
        return found

    @property
    def now(self) -> int:
        return self.chain.block("latest").timestamp

    def until(self, time: int) -> None:
        """Mine a block at a time, unless that is past."""
        if time > self.now:
            self.chain.rpc("evm_setNextBlockTimestamp", time)
            self.chain.rpc("evm_mine")

    @contextmanager
    def undone(self) -> Iterator[None]:
        snapshot = self.chain.rpc("evm_snapshot")
        try:
            yield
        finally:
            self.chain.rpc("evm_revert", snapshot)
            shutil.rmtree(self.folder / "state", ignore_errors=True)  # of transactions that never were

    # Licences

    def mint_licence(self, holder: Wallet) -> int:
        self.do(self.admin, self.network.licences.functions.mint(holder.address, 1))
        return int(self.network.licences.functions.totalMinted().call())

    def linked(self, holder: Wallet, node: str) -> int:
        """A new licence, linked to the person `node`."""
        number, signer = self.mint_licence(holder), self.signer(node)
        licences = self.network.licences.functions
        nonce = licences.consentNonce(signer.address).call()
        consent = NodeConsent(number, holder.address, signer.address, nonce, FOREVER)
        signature = signer.sign_typed(consent, self.network.consent_domain)
        self.do(holder, licences.link(number, signer.address, FOREVER, signature[:32], signature[32:]))
        return number

    # Jobs

    def job(self, slots: int = 1, epochs: int = 20) -> int:
        """A job that runs from the next epoch's start on, which is now: so a whole epoch is ahead."""
        escrow, accounts = self.network.escrow.functions, self.network.accounts.functions
        self.mint(self.csp.address, 1_000 * slots * PRICE)
        if accounts.accountCount().call() == 0:
            self.do(self.csp, accounts.open())
        self.do(self.csp, self.network.token.functions.approve(self.network.escrow.address, 1_000 * slots * PRICE))
        start = self.end_of(self.epoch_of(self.now + 30))
        token = self.network.addresses.token
        terms = (token, PRICE, slots, start, start + epochs * EPOCH, self.orchestrator.address, bytes(32))
        self.do(self.csp, escrow.createJob(1, (*terms, POLICY.abi_values())))
        self.until(start)
        return int(escrow.jobCount().call())

    def terms_hash(self, job: int) -> bytes:
        return bytes(self.network.job(job)["terms"])

    def assign(self, job: int, slot: int, licence: int, node: str) -> int:
        """The assignment's id; it opens in the next block."""
        generation = self.network.escrow.functions.generations(job, slot).call() + 1
        expiry = FOREVER
        message = Acceptance(job, slot, generation, licence, self.terms_hash(job), expiry)
        signature = self.signer(node).sign_typed(message, self.network.acceptance_domain)
        placement = (job, slot, licence, expiry)
        call = self.network.placements.functions.assign(placement, signature[:32], signature[32:])
        self.do(self.orchestrator, call)
        return pack(job, slot, generation)

    # Reports

    def epoch_of(self, time: int) -> int:
        return (time - self.genesis) // EPOCH

    def end_of(self, epoch: int) -> int:
        return self.genesis + (epoch + 1) * EPOCH

    def publish(self, epoch: int, leaves: Sequence[Leaf]) -> Tree:
        """The committee reports an epoch, and the report becomes final."""
        tree, timing = Tree.build(sorted(leaves)), self.network.timing
        self.until(self.end_of(epoch) + timing.settle_delay + 1)
        functions = self.network.attestations.functions
        parent = bytes(functions.lastFinal().call()[1])
        report = EpochReport(epoch, 1, tree.root, parent, b"\1" * 32, b"\2" * 32)
        digest = report.digest(self.network.report_domain)
        signatures = b"".join(one.sign(digest) for one in self.committee)
        fields = (report.epoch, report.committee, report.root, report.parent, report.anchor, report.evidence)
        self.do(self.admin, functions.submit(fields, 0b11111, signatures))
        self.until(self.now + timing.activation_delay + 1)
        return tree

    def settle(self, epoch: int, tree: Tree) -> None:
        escrow = self.network.escrow.functions
        for place, leaf in enumerate(tree.leaves):
            if leaf.kind == KIND_ASSIGNMENT:
                proof = list(tree.proof(place))
                self.do(self.admin, escrow.settle(epoch, leaf.id, leaf.earned, leaf.accounted, proof))

    def reported(self, earned: dict[int, tuple[int, int]], rewards: dict[int, tuple[int, int]] | None = None) -> int:
        """The present epoch ends and is reported and settled: (earned, accounted) by assignment, and by licence."""
        epoch = self.epoch_of(self.now)
        leaves = [Leaf(KIND_ASSIGNMENT, key, *seconds) for key, seconds in earned.items()]
        leaves += [Leaf(KIND_LICENCE, key, *seconds) for key, seconds in (rewards or {}).items()]
        self.settle(epoch, self.publish(epoch, leaves))
        return epoch

    def opened_at(self, assignment: int) -> int:
        return int(self.network.lens.functions.assignmentOf(assignment).call()[4])

    def reallocate(self, assignment: int, job: int, as_of: int) -> None:
        """The committee asks for another node, for an outage."""
        functions = self.network.reallocations.functions
        leaf = (b"\7" * 32, assignment, 2, as_of)
        root = bytes(functions.leafOf(leaf).call())
        batch = ReallocationBatch(1, self.epoch_of(self.now), root, FOREVER)
        digest = batch.digest(self.network.reallocation_domain)
        signatures = b"".join(one.sign(digest) for one in self.committee)
        entry = (leaf, self.network.addresses.token, PRICE, POLICY.abi_values(), bytes(32), [])
        values = (batch.committee, batch.epoch, batch.root, batch.expiry)
        self.do(self.admin, functions.request(values, 0b11111, signatures, entry))

    # What stands against somebody, and tokens that pay nobody

    def freeze(self, subject: int, span: int) -> int:
        until = self.now + span
        self.do(self.admin, self.network.trust.functions.freeze(subject, until, 7, b"\3" * 32))
        return until

    def pause_token(self) -> None:
        """From now on the test token refuses transfers, as paused ones do; all else it does as before."""
        token = self.network.token.address
        code = self.chain.rpc("eth_getCode", token, "latest")
        behind = "0x" + "ab" * 20
        self.chain.rpc("anvil_setCode", behind, code)
        head = "5f3560e01c63a9059cbb14"  # is the selector that of transfer?
        body = "365f5f375f5f365f73" + behind[2:] + "5af43d5f5f3e"
        size = len(head) // 2 + 3
        done = size + len(body) // 2 + 3 + 3
        wrong = done + 4
        wrapped = f"{head}60{wrong:02x}57{body}60{done:02x}573d5ffd5b3d5ff35b5f5ffd"
        self.chain.rpc("anvil_setCode", token, "0x" + wrapped)


_World = TypeVar("_World", bound=LicenceWorld)


@contextmanager
def licence_world(folder: Path, kind: type[_World] = LicenceWorld) -> Iterator[_World]:  # type: ignore[assignment]
    with Anvil() as anvil:
        yield kind(Chain(anvil.url), folder)


@pytest.fixture(scope="module")
def licensed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LicenceWorld]:
    with licence_world(tmp_path_factory.mktemp("licences")) as one:
        yield one


@pytest.fixture
def world(licensed: LicenceWorld) -> Iterator[LicenceWorld]:
    with licensed.undone():
        yield licensed


@pytest.fixture
def run(world: LicenceWorld, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(world, monkeypatch, capsys)
