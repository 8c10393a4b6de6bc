# SPDX-License-Identifier: Apache-2.0
"""A small network on a private anvil whose clock is moved by hand: what every contract test stands on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
from eth_utils.crypto import keccak
from web3.contract.contract import ContractFunction
from web3.types import TxReceipt

from chain.client import Chain
from chain.deployment.roles import Role
from chain.errors import error_class
from chain.network import Network, NetworkSettings, Timing, deploy
from chain.transactions import Call, SteppedSender, Wallet
from oracle.ground.ids import KIND_ASSIGNMENT, pack
from oracle.ground.leaves import EMPTY, Leaf
from oracle.ground.merkle import Tree
from oracle.ground.policy import Policy
from oracle.ground.typed_data import Acceptance, Domain, EpochReport, NodeConsent
from oracle.signing.signer import LocalSigner, derive

SEED = "contract tests"
START = 1_800_000_000
GENESIS = START + 1_000
EPOCH = 1_000
SETTLE_WINDOW = 300
APPEAL_EPOCHS = 2
PROTOCOL_PPM = 50_000
PRICE = 1_000_003  # no round number: what rounding loses must show
FOREVER = 2**64 - 1
ZERO_ADDRESS = "0x" + "00" * 20
ZERO_ROOT = bytes(32)
STANDARD, MASTER, GENESIS_KIND = 1, 2, 3
INTENT = keccak(text="what the job is to run")
STRICT = Policy(target_ppm=980_000, floor_ppm=900_000, csp_share_ppm=800_000)

Signed = tuple[EpochReport, int, bytes]


def timing_for(appeal_epochs: int) -> Timing:
    """The spans of a network whose appeals take so many epochs."""
    return replace(Timing.for_epochs(GENESIS, EPOCH, appeal_epochs), attestable_span=3_500)


TIMING = timing_for(APPEAL_EPOCHS)


@dataclass(frozen=True)
class Person:
    """Someone who signs messages and pays for gas with one key."""

    signer: LocalSigner
    wallet: Wallet

    @property
    def address(self) -> str:
        return self.signer.address


@dataclass(frozen=True)
class Licence:
    """A licence that is linked to `node`."""

    id: int
    holder: Person
    node: Person


def by_address(signers: Sequence[LocalSigner]) -> list[LocalSigner]:
    return sorted(signers, key=lambda signer: int(signer.address, 16))


def oracles(label: str, count: int = 4) -> list[LocalSigner]:
    """A committee in the contract's order."""
    return by_address([derive(SEED, f"{label} {i}") for i in range(count)])


def end_of(epoch: int) -> int:
    return GENESIS + (epoch + 1) * EPOCH


def start_of(epoch: int) -> int:
    return GENESIS + epoch * EPOCH


def gross(seconds: int, price: int = PRICE) -> int:
    return price * seconds // EPOCH


def protocol_share(seconds: int, price: int = PRICE) -> int:
    return gross(seconds, price) * PROTOCOL_PPM // 1_000_000


def net(seconds: int, price: int = PRICE) -> int:
    return gross(seconds, price) * (1_000_000 - PROTOCOL_PPM) // 1_000_000


def halves(signature: bytes) -> tuple[bytes, bytes]:
    return signature[:32], signature[32:]


def joined(signatures: Sequence[bytes]) -> bytes:
    return b"".join(signatures)


def packed_leaf(leaf: Leaf) -> int:
    """A leaf as `settleRange` takes it: slot, generation, earned, accounted."""
    return (leaf.id & (1 << 64) - 1) << 128 | leaf.earned << 64 | leaf.accounted


@contextmanager
def refused(name: str, **values: Any) -> Iterator[None]:
    """The block reverts with the custom error `name`; of its values those given here must be as given."""
    with pytest.raises(error_class(name)) as caught:
        yield
    told = {key: caught.value.values[key] for key in values}
    assert told == {key: v.lower() if isinstance(v, str) and v.startswith("0x") else v for key, v in values.items()}


class World:
    """A deployed network, its people, and short words for what they do. Each call is a block of its own."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self.sender = SteppedSender(chain)
        self._wallets: list[Wallet] = []
        self.admin = self.person("admin")
        self.guardian = self.person("guardian")
        self.licensor = self.person("licensor")
        self.csp = self.person("csp")
        self.orchestrator = self.person("orchestrator")
        self.keeper = self.person("keeper")
        self.stranger = self.person("stranger")
        self.committee = oracles("oracle")
        self.enter(self.deploy())

    def enter(self, network: Network) -> None:
        """Go to a network just deployed: bind it, give the CSP tokens, link five licences."""
        self._bind(network)
        self.do(self.csp, self.token.mint(self.csp.address, 10**15))
        self.do(self.csp, self.token.approve(network.addresses.escrow, 10**15))
        self.do(self.csp, self.accounts.open())
        # Committees are the registry's business; tests of Attestations act in its place.
        grant = network.authority.functions.grantRole(int(Role.COMMITTEE), self.admin.address, 0)
        self.do(self.admin, grant)
        self.account = 1
        self.linked = [self.new_licence(i) for i in range(1, 6)]

    def _bind(self, network: Network) -> None:
        self.network = network
        self.attestations = network.attestations.functions
        self.escrow = network.escrow.functions
        self.lens = network.lens.functions
        self.rules = network.rules.functions
        self.accounts = network.accounts.functions
        self.placements = network.placements.functions
        self.licences = network.licences.functions
        self.token = network.token.functions

    def deploy(self, timing: Timing | None = None, **changes: Any) -> Network:
        """A network; the world's own is like this one."""
        timing = timing or timing_for(changes.get("appeal_epochs", APPEAL_EPOCHS))
        settings = NetworkSettings(
            timing=timing,
            signers=tuple(signer.address for signer in self.committee),
            appeal_epochs=APPEAL_EPOCHS,
            settle_window=SETTLE_WINDOW,
            protocol_share_ppm=PROTOCOL_PPM,
        )
        return deploy(
            self.sender,
            self.admin.wallet,
            replace(settings, **changes),
            self.guardian.address,
            self.licensor.address,
        )

    # People and blocks

    def person(self, label: str) -> Person:
        signer = derive(SEED, label)
        wallet = Wallet(self.chain, signer._key.secret)
        self._wallets.append(wallet)
        return Person(signer, wallet)

    @property
    def now(self) -> int:
        return self.sender.now

    def at(self, time: int) -> World:
        """The next block's time."""
        self.sender.at(time)
        return self

    def wait_until(self, time: int) -> None:
        """Mine an empty block at `time`."""
        self.sender.at(time).send([])

    def do(self, who: Person, function: ContractFunction) -> TxReceipt:
        (receipt,) = self.together((who, function))
        return receipt

    def together(self, *calls: tuple[Person, ContractFunction]) -> list[TxReceipt]:
        """Mine all calls in one block, so at one time."""
        return self.sender.send([Call.of(function.fn_name, who.wallet, function) for who, function in calls])

    @contextmanager
    def undone(self) -> Iterator[World]:
        """What happens inside never happened."""
        nonces = [(wallet, wallet.nonce) for wallet in self._wallets]
        now, network, linked = self.sender.now, self.network, self.linked
        snapshot = self.chain.rpc("evm_snapshot")
        try:
            yield self
        finally:
            self.chain.rpc("evm_revert", snapshot)
            self.sender.now = now
            self.sender._next = None
            self._bind(network)
            self.linked = linked
            for wallet, nonce in nonces:
                wallet.nonce = nonce

    # Licences

    def consent(
        self, licence: int, holder: Person, node: Person, /, domain: Domain | None = None, **changes: Any
    ) -> bytes:
        fields = {
            "licence": licence,
            "holder": holder.address,
            "node": node.address,
            "nonce": self.licences.consentNonce(node.address).call(),
            "deadline": FOREVER,
        }
        message = NodeConsent(**{**fields, **changes})
        return node.signer.sign_typed(message, domain or self.network.consent_domain)

    def mint(self, holder: Person) -> int:
        self.do(self.licensor, self.licences.mint(holder.address, STANDARD))
        return int(self.licences.totalMinted().call())

    def link(
        self, licence: int, holder: Person, node: Person, signature: bytes | None = None, deadline: int = FOREVER
    ) -> TxReceipt:
        signed = self.consent(licence, holder, node, deadline=deadline) if signature is None else signature
        return self.do(holder, self.licences.link(licence, node.address, deadline, *halves(signed)))

    def new_licence(self, number: int) -> Licence:
        holder, node = self.person(f"holder {number}"), self.person(f"node {number}")
        licence = self.mint(holder)
        self.link(licence, holder, node)
        return Licence(licence, holder, node)

    # Jobs and assignments

    def terms(self, **changes: Any) -> tuple[Any, ...]:
        fields = {
            "token": self.network.addresses.token,
            "price": PRICE,
            "slots": 3,
            "startsAt": GENESIS,
            "endsAt": end_of(9),
            "orchestrator": self.orchestrator.address,
            "intent": INTENT,
            "policy": STRICT,
        }
        fields = {**fields, **changes}
        policy = fields["policy"]
        return (*tuple(fields.values())[:-1], policy.abi_values() if isinstance(policy, Policy) else policy)

    def create_job(self, **changes: Any) -> int:
        self.do(self.csp, self.escrow.createJob(self.account, self.terms(**changes)))
        return int(self.escrow.jobCount().call())

    def acceptance(
        self, job: int, slot: int, licence: Licence, /, domain: Domain | None = None, **changes: Any
    ) -> tuple[tuple[int, int, int, int], bytes, bytes]:
        """Arguments of `assign`; `changes` are to what the node signs, not to what is asked for."""
        fields = {
            "job": job,
            "slot": slot,
            "generation": self.escrow.generations(job, slot).call() + 1,
            "licence": licence.id,
            "terms": self.job(job)["terms"],
            "expiry": FOREVER,
        }
        message = Acceptance(**{**fields, **changes})
        signature = licence.node.signer.sign_typed(message, domain or self.network.acceptance_domain)
        return (job, slot, licence.id, message.expiry), *halves(signature)

    def assign(self, job: int, slot: int, licence: Licence) -> int:
        self.do(self.orchestrator, self.placements.assign(*self.acceptance(job, slot, licence)))
        return pack(job, slot, self.escrow.generations(job, slot).call())

    def assign_all(self, job: int, time: int, count: int = 3) -> list[int]:
        """Open slots 0 to `count` - 1 of a job at `time`, with the first licences."""
        calls = [
            (self.orchestrator, self.placements.assign(*self.acceptance(job, slot, self.linked[slot])))
            for slot in range(count)
        ]
        self.at(time).together(*calls)
        return [pack(job, slot, 1) for slot in range(count)]

    def close(self, assignment: int, who: Person | None = None) -> TxReceipt:
        return self.do(who or self.orchestrator, self.placements.closeAssignment(assignment))

    def stop(self, job: int) -> TxReceipt:
        return self.do(self.csp, self.escrow.stopJob(job))

    def close_job(self, job: int) -> TxReceipt:
        return self.do(self.keeper, self.escrow.closeJob(job))

    def refund(self, job: int) -> TxReceipt:
        return self.do(self.keeper, self.escrow.withdrawRefund(job))

    def job(self, job: int) -> Any:
        return named(self.lens.jobOf(job))

    def assignment(self, assignment: int) -> Any:
        return named(self.lens.assignmentOf(assignment))

    def balance(self, address: str) -> int:
        return int(self.token.balanceOf(address).call())

    @property
    def escrow_balance(self) -> int:
        return self.balance(self.network.addresses.escrow)

    # Reports

    def report(self, epoch: int, root: bytes | None = None, **changes: Any) -> EpochReport:
        """What the first committee would say of `epoch` now."""
        fields = {
            "epoch": epoch,
            "committee": 1,
            "root": Tree.build([EMPTY]).root if root is None else root,
            "parent": bytes(self.attestations.lastFinal().call()[1]),
            "anchor": keccak(text=f"anchor {epoch}"),
            "evidence": keccak(text=f"evidence {epoch}"),
        }
        return EpochReport(**{**fields, **changes})

    def signed(
        self,
        report: EpochReport,
        members: Sequence[int] = (0, 1, 2),
        committee: Sequence[LocalSigner] | None = None,
        domain: Domain | None = None,
    ) -> Signed:
        digest = report.digest(domain or self.network.report_domain)
        signers = self.committee if committee is None else committee
        return report, sum(1 << i for i in members), joined([signers[i].sign(digest) for i in members])

    def submit(self, signed: Signed, who: Person | None = None) -> TxReceipt:
        report, members, signatures = signed
        values = (report.epoch, report.committee, report.root, report.parent, report.anchor, report.evidence)
        return self.do(who or self.keeper, self.attestations.submit(values, members, signatures))

    def veto(self) -> ContractFunction:
        """The guardian's call against what is pending now."""
        epoch, root, _ = self.attestations.pendingReport().call()
        return self.attestations.veto(epoch, root)

    def publish(self, epoch: int, leaves: Sequence[Leaf] = (EMPTY,)) -> Tree:
        """Report `epoch` as soon as it is over, and let the report become final."""
        tree = Tree.build(sorted(leaves))
        submitted = max(self.now + 1, end_of(epoch) + TIMING.settle_delay)
        self.at(submitted).submit(self.signed(self.report(epoch, tree.root)))
        self.wait_until(submitted + TIMING.activation_delay)
        return tree

    # Settling

    def settle(
        self, epoch: int, tree: Tree, index: int = 0, who: Person | None = None, claim: bool = False
    ) -> TxReceipt:
        leaf = tree.leaves[index]
        function = self.escrow.settleAndClaim if claim else self.escrow.settle
        arguments = (epoch, leaf.id, leaf.earned, leaf.accounted, list(tree.proof(index)))
        return self.do(who or self.keeper, function(*arguments))

    def settle_range(self, epoch: int, tree: Tree, first: int, last: int) -> TxReceipt:
        leaves = tree.leaves[first : last + 1]
        proof = tree.range_proof(first, last)
        return self.do(
            self.keeper,
            self.escrow.settleRange(
                epoch, leaves[0].id >> 64, proof.tree_index, [packed_leaf(leaf) for leaf in leaves], list(proof.proof)
            ),
        )

    def release(self, *assignments: int) -> TxReceipt:
        return self.do(self.keeper, self.escrow.releaseHeld(list(assignments)))

    def claim(self, *assignments: int) -> TxReceipt:
        return self.do(self.keeper, self.escrow.claim(list(assignments)))

    def events(self, name: str, receipt: TxReceipt) -> list[Any]:
        """Arguments of the escrow's events of one name."""
        event = self.network.escrow.events[name]()
        address = self.network.addresses.escrow.lower()
        logs = [
            log
            for log in receipt["logs"]
            if log["address"].lower() == address and log["topics"][0] == keccak(text=event.signature)
        ]
        return [event.process_log(log)["args"] for log in logs]


def named(function: ContractFunction) -> dict[str, Any]:
    """The struct that a view function returns, by the names of its fields."""
    (output,) = function.abi["outputs"]
    return _by_name(output["components"], function.call())


def _by_name(components: Sequence[Any], values: Sequence[Any]) -> dict[str, Any]:
    return {
        part["name"]: _by_name(part["components"], value) if "components" in part else value
        for part, value in zip(components, values, strict=True)
    }


def leaf(assignment: int, earned: int, accounted: int) -> Leaf:
    return Leaf(KIND_ASSIGNMENT, assignment, earned, accounted)
