"""The actors of a local network and what they do on chain: governor, CSP, orchestrator, node operators, keeper.

Their keys are derived from a public seed: for local networks only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from web3.logs import DISCARD

from chain.network import Network, NetworkSettings, deploy
from chain.transactions import Call, Sender, Wallet
from oracle.ground.ids import pack
from oracle.ground.keccak import keccak256
from oracle.ground.policy import Policy
from oracle.ground.typed_data import Acceptance, Credential, NodeConsent
from oracle.signing.signer import LocalSigner, derived_key

SEED = "epochal local network"
# Licences of nodes are standard ones, the first of the contracts' kinds.
STANDARD = 1
# What a verifier of a local network says of its CSP: it is a person it knows; the first bit of the contracts' kinds.
KYC = 1
# Of jobs whose nodes run nothing.
INTENT = bytes(32)
# Large enough for any run, in wei; anvil gives it away.
_PURSE = 10**24
_PAGE = 200


def key_of(label: str) -> bytes:
    """The 32-byte key of an actor of local networks; everybody can derive it."""
    return keccak256(f"{SEED}/{label}".encode())


def oracle_signers(count: int) -> tuple[LocalSigner, ...]:
    """The signers of a local committee."""
    return tuple(LocalSigner(oracle_key(index)) for index in range(count))


def oracle_key(index: int) -> bytes:
    """The key of an oracle of a local committee, numbered from 0."""
    return derived_key(SEED, f"oracle {index}")


@dataclass(frozen=True, slots=True)
class Serving:
    """A node of the run: its name, its key, and the licence it serves under."""

    name: str
    key: bytes
    signer: LocalSigner
    licence: int

    @property
    def address(self) -> str:
        """The node's address, lower case."""
        return self.signer.address.lower()

    def operator_key(self) -> bytes:
        """The key of its operator."""
        return operator_key(self.name)

    @staticmethod
    def of(name: str, key: bytes, licence: int) -> Serving:
        """A node by its key."""
        return Serving(name, key, LocalSigner(key), licence)


@dataclass(frozen=True, slots=True)
class JobSpec:
    """What the CSP pays for; price in the token's smallest unit, times in UNIX seconds. `intent`: hash of the document
    that says what is to run."""

    price: int
    slots: int
    starts_at: int
    ends_at: int
    policy: Policy
    intent: bytes = INTENT


def node_key(name: str) -> bytes:
    """The key of a node of a local network."""
    return key_of(f"node {name}")


def operator_key(name: str) -> bytes:
    """The key of a node's operator, who holds its licence and is paid."""
    return key_of(f"operator {name}")


def deployed(sender: Sender, settings: NetworkSettings) -> Network:
    """A new network on a local chain whose actors are funded; the governor holds all roles."""
    chain = sender.chain
    actors = [Wallet(chain, key_of(label)) for label in ("governor", "csp", "orchestrator", "keeper")]
    chain.batch([("anvil_setBalance", [actor.address, hex(_PURSE)]) for actor in actors])
    governor = actors[0]
    return deploy(sender, governor, settings, guardian=governor.address, licensor=governor.address)


class Market:
    """Everything that people and orchestrators do in a run; oracles and keepers are elsewhere."""

    def __init__(self, sender: Sender, network: Network, job: JobSpec) -> None:
        self.sender = sender
        self.network = network
        self.job = job
        self.csp = Wallet(sender.chain, key_of("csp"))
        self.orchestrator = Wallet(sender.chain, key_of("orchestrator"))
        self._policy = job.policy.abi_values()

    @staticmethod
    def open(sender: Sender, settings: NetworkSettings, job: JobSpec) -> Market:
        """Fund the actors of a new chain and deploy the network."""
        return Market(sender, deployed(sender, settings), job)

    def license_nodes(self, names: Sequence[str]) -> list[Serving]:
        """Mint a licence to each node's operator and link the node with its consent."""
        chain, licences = self.sender.chain, self.network.licences.functions
        governor = Wallet(chain, key_of("governor"))
        operators = [Wallet(chain, operator_key(name)) for name in names]
        chain.batch([("anvil_setBalance", [one.address, hex(_PURSE)]) for one in operators])
        first = licences.totalMinted().call() + 1
        mints = [licences.mint(one.address, STANDARD) for one in operators]
        self._paged([Call.of("mint licence", governor, mint, 250_000) for mint in mints])
        nodes, links = [], []
        for index, (name, operator) in enumerate(zip(names, operators, strict=True)):
            node = Serving.of(name, node_key(name), first + index)
            deadline = self.job.ends_at
            consent = NodeConsent(node.licence, operator.address, node.signer.address, 0, deadline)
            signature = node.signer.sign_typed(consent, self.network.consent_domain)
            function = licences.link(node.licence, node.signer.address, deadline, signature[:32], signature[32:])
            nodes.append(node)
            links.append(Call.of("link node", operator, function, 200_000))
        self._paged(links)
        return nodes

    def create_job(self) -> tuple[int, int]:
        """The CSP funds the job; returns its id and the deposit."""
        network, token = self.network, self.network.token.functions
        terms = self.terms()
        deposit: int = network.rules.functions.depositFor(terms).call()
        self.identify()
        address = network.escrow.address
        self.sender.send([Call.of("mint test tokens", self.csp, token.mint(self.csp.address, deposit), 200_000)])
        self.sender.send([Call.of("approve", self.csp, token.approve(address, deposit), 100_000)])
        account = self.open_account()
        create = network.escrow.functions.createJob(account, terms)
        (receipt,) = self.sender.send([Call.of("create and fund job", self.csp, create, 1_000_000)])
        (event,) = network.escrow.events.JobCreated().process_receipt(receipt, errors=DISCARD)
        return event["args"]["job"], deposit

    def identify(self) -> None:
        """Where CSPs must show a credential: the governor registers a verifier, and the CSP brings that one's word."""
        network, credentials = self.network, self.network.credentials.functions
        if not network.credential_kinds & KYC:
            return
        governor, verifier = Wallet(self.sender.chain, key_of("governor")), LocalSigner(key_of("verifier"))
        register = credentials.setVerifier(verifier.address, KYC)
        self.sender.send([Call.of("register verifier", governor, register, 200_000)])
        issued_at = self.sender.chain.block("latest").timestamp
        file = keccak256(b"a salted file of the verifier's")
        credential = Credential(self.csp.address, KYC, file, issued_at, self.job.ends_at)
        signature = verifier.sign_typed(credential, network.credential_domain)
        fields = (credential.subject, credential.kind, credential.document, credential.issuedAt, credential.expiry)
        present = credentials.present(fields, signature[:32], signature[32:])
        self.sender.send([Call.of("present credential", self.csp, present, 300_000)])

    def open_account(self) -> int:
        """The CSP's account, which its jobs belong to."""
        accounts = self.network.accounts
        (receipt,) = self.sender.send([Call.of("open account", self.csp, accounts.functions.open(), 150_000)])
        (event,) = accounts.events.AccountOpened().process_receipt(receipt, errors=DISCARD)
        return int(event["args"]["account"])

    def terms(self) -> tuple[object, ...]:
        """The job's terms, as the contract's struct `JobTerms`."""
        return (
            self.network.addresses.token,
            self.job.price,
            self.job.slots,
            self.job.starts_at,
            self.job.ends_at,
            self.orchestrator.address,
            self.job.intent,
            self._policy,
        )

    def assign(self, job: int, slot: int, generation: int, node: Serving, terms_hash: bytes) -> Call:
        """The call with which the orchestrator places a node that accepts."""
        expiry = self.job.ends_at
        acceptance = Acceptance(job, slot, generation, node.licence, terms_hash, expiry)
        signature = node.signer.sign_typed(acceptance, self.network.acceptance_domain)
        function = self.network.placements.functions.assign(
            (job, slot, node.licence, expiry), signature[:32], signature[32:]
        )
        return Call.of("assign", self.orchestrator, function, 500_000)

    def close_assignment(self, job: int, slot: int, generation: int) -> Call:
        """The call with which the orchestrator ends a placement."""
        function = self.network.placements.functions.closeAssignment(pack(job, slot, generation))
        return Call.of("close assignment", self.orchestrator, function, 200_000)

    def terms_hash(self) -> bytes:
        """What a node accepts: the hash of token, price, policy and intent."""
        return bytes(self.network.rules.functions.termsHash(self.terms()).call())

    def _paged(self, calls: Sequence[Call]) -> None:
        for start in range(0, len(calls), _PAGE):
            self.sender.send(calls[start : start + _PAGE])
