"""A network of Epochal's contracts: its settings, its deployment in one go, and bindings to what was deployed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import Any

from eth_typing import HexAddress, HexStr
from eth_utils.abi import function_signature_to_4byte_selector
from eth_utils.address import to_checksum_address
from web3.contract.contract import Contract
from web3.types import Nonce
from web3.utils.address import get_create_address

from chain import bindings, compiler
from chain.client import Chain, NoContract
from chain.transactions import Call, Sender, Wallet
from oracle.ground.clock import EpochClock
from oracle.ground.errors import UserError
from oracle.ground.typed_data import Acceptance, Announcement, Domain, EpochReport, Heartbeat, NodeConsent

# Roles of the AccessManager. Role 0, its admin, governs the committee.
ROLE_GUARDIAN = 1
ROLE_LICENSOR = 2


class WrongDeployment(UserError):
    """What is on chain isn't the network that was asked for."""


@dataclass(frozen=True, slots=True)
class Timing:
    """The network's spans in seconds, in the order of the contracts' struct `Timing`, which says what each means."""

    genesis: int
    epoch_length: int
    settle_delay: int
    agreement_span: int
    activation_delay: int
    review_delay: int
    replacement_span: int
    stall_span: int
    attestable_span: int
    grace: int

    @staticmethod
    def for_epochs(genesis: int, length: int) -> Timing:
        """Spans in proportion to an epoch of `length` seconds, at least 5, that meet the contracts' inequalities."""
        part = max(1, length // 24)
        review = 2 * length
        replacement = length
        return Timing(
            genesis=genesis,
            epoch_length=length,
            settle_delay=max(1, part // 4),
            agreement_span=max(1, part // 4),
            activation_delay=part,
            review_delay=review,
            replacement_span=replacement,
            stall_span=2 * length + review + part,
            attestable_span=2 * length + replacement + review,
            grace=length // 2,
        )


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """What is fixed when a network is deployed.

    signers              addresses of the first committee, in any order, at least 4
    appeal_epochs        epochs in which an appeal can turn withheld seconds into earned ones
    settle_window        seconds, below the epoch's length
    protocol_share_ppm   the protocol's share of the earned, in millionths
    tokens               ERC-20 tokens in which jobs may pay; empty: a LocalToken is deployed
    """

    timing: Timing
    signers: tuple[str, ...]
    appeal_epochs: int
    settle_window: int
    protocol_share_ppm: int
    tokens: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the contracts of one network are, on one chain.

    directory     the OracleDirectory; empty where a network was deployed without one
    first_block   the first block that may hold events of theirs; 0 where that isn't known
    """

    chain_id: int
    authority: str
    attestations: str
    licences: str
    escrow: str
    burner: str
    token: str
    directory: str = ""
    first_block: int = 0

    def save(self, path: Path) -> None:
        """Write as JSON, whole or not at all."""
        part = path.with_suffix(".part")
        part.write_text(json.dumps(asdict(self), indent=2) + "\n")
        part.replace(path)

    @staticmethod
    def load(path: Path) -> Addresses:
        """Read what `save` wrote."""
        return Addresses(**json.loads(path.read_text()))


class Network:
    """The contracts of one network, bound to a chain, and the facts about it that never change."""

    def __init__(self, chain: Chain, addresses: Addresses) -> None:
        if addresses.chain_id != chain.chain_id:
            raise WrongDeployment(
                f"the deployment is for chain {addresses.chain_id}, but {chain.where} is chain {chain.chain_id}; "
                "use the RPC of that chain"
            )
        self.chain = chain
        self.addresses = addresses
        self.authority = self._bind("Authority", addresses.authority)
        self.attestations = self._bind("Attestations", addresses.attestations)
        self.licences = self._bind("NodeLicense", addresses.licences)
        self.escrow = self._bind("JobEscrow", addresses.escrow)
        self.burner = self._bind("Burner", addresses.burner)
        self.token = self._bind("LocalToken", addresses.token)
        self.directory = self._bind("OracleDirectory", addresses.directory) if addresses.directory else None
        try:
            self._check_versions()
            self.timing = Timing(*chain.fact(self.attestations.functions.timing()))
            self.appeal_epochs: int = chain.fact(self.escrow.functions.appealEpochs())
            self.settle_window: int = chain.fact(self.escrow.functions.settleWindow())
            self.protocol_share_ppm: int = chain.fact(self.escrow.functions.protocolSharePpm())
        except NoContract as error:
            raise WrongDeployment(
                f"the network's contracts aren't at {addresses.attestations} and {addresses.escrow} on chain "
                f"{chain.chain_id}; use the addresses that this chain's deployment wrote"
            ) from error

    def _bind(self, name: str, address: str) -> Contract:
        return self.chain.contract(address, bindings.abi(name))

    def _check_versions(self) -> None:
        """Whatever is signed counts for one version of a contract. WrongDeployment for another than is known here."""
        signed = [(self.attestations, self.report_domain), (self.licences, self.consent_domain)]
        signed.append((self.escrow, self.acceptance_domain))
        if self.directory is not None:
            signed.append((self.directory, self.announcement_domain))
        for contract, wanted in signed:
            _, name, version, chain_id, at, _, extensions = self.chain.fact(contract.functions.eip712Domain())
            if (name, version, extensions) != (wanted.name, wanted.version, ()):
                raise WrongDeployment(
                    f"the contract at {contract.address} is {name!r}, version {version!r}, but this version of Epochal "
                    f"knows {wanted.name!r}, version {wanted.version!r}; check the deployment's addresses, or use the "
                    "Epochal that the network was deployed with"
                )
            if (chain_id, at) != (wanted.chain_id, wanted.contract.lower()):
                raise WrongDeployment(
                    f"the contract at {contract.address} verifies signatures for {at} on chain {chain_id}, not for "
                    "itself; use the addresses that this chain's deployment wrote"
                )

    def job(self, job: int) -> dict[str, Any]:
        """A job as it stands: the fields of the contracts' `JobView` by name."""
        return named(self.escrow, "jobOf", self.escrow.functions.jobOf(job).call())

    def clock(self, tick: int) -> EpochClock:
        """The network's epochs, measured in ticks of `tick` seconds."""
        return EpochClock(self.timing.genesis, self.timing.epoch_length, tick)

    @property
    def report_domain(self) -> Domain:
        """EIP-712 domain of reports and observations."""
        return EpochReport.domain(self.chain.chain_id, self.addresses.attestations)

    @property
    def heartbeat_domain(self) -> Domain:
        """EIP-712 domain of heartbeats."""
        return Heartbeat.domain(self.chain.chain_id, self.addresses.attestations)

    @property
    def consent_domain(self) -> Domain:
        """EIP-712 domain of nodes' consents to a licence."""
        return NodeConsent.domain(self.chain.chain_id, self.addresses.licences)

    @property
    def acceptance_domain(self) -> Domain:
        """EIP-712 domain of nodes' acceptances of a placement."""
        return Acceptance.domain(self.chain.chain_id, self.addresses.escrow)

    @property
    def announcement_domain(self) -> Domain:
        """EIP-712 domain of oracles' announcements of their endpoints."""
        return Announcement.domain(self.chain.chain_id, self.addresses.directory)


def named(contract: Contract, function: str, value: Any) -> dict[str, Any]:
    """A struct that a view function returned, alone or in a list, as a dict of its fields by name; nested ones too."""
    (item,) = (item for item in contract.abi if item["type"] == "function" and item["name"] == function)
    return _named(item["outputs"][0]["components"], value)


def _named(components: Sequence[Any], value: Any) -> dict[str, Any]:
    return {
        one["name"]: _named(one["components"], part) if "components" in one else part
        for one, part in zip(components, _values(value), strict=True)
    }


def _values(decoded: Any) -> tuple[Any, ...]:
    return tuple(decoded.values()) if isinstance(decoded, dict) else tuple(decoded)


def deploy(sender: Sender, deployer: Wallet, settings: NetworkSettings, guardian: str, licensor: str) -> Network:
    """Deploy a network, give the roles, and check the wiring. The deployer stays the AccessManager's admin."""
    chain = sender.chain
    first_block = chain.block("latest").number + 1

    def coming(after: int) -> str:
        """The address of the deployer's contract that comes `after` transactions from now."""
        return str(get_create_address(HexAddress(HexStr(deployer.address)), Nonce(deployer.nonce + after)))

    authority = _create(sender, deployer, "Authority", deployer.address)
    tokens = list(settings.tokens) or [_create(sender, deployer, "LocalToken")]
    burner = _create(sender, deployer, "Burner")
    signers = sorted((to_checksum_address(one) for one in settings.signers), key=lambda one: int(one, 16))
    attestations = _create(sender, deployer, "Attestations", authority, astuple(settings.timing), signers)
    # Licences and escrow name each other, so the escrow's address is worked out before it is there.
    licences = _create(sender, deployer, "NodeLicense", authority, coming(1))
    escrow = _create(
        sender,
        deployer,
        "JobEscrow",
        attestations,
        licences,
        burner,
        settings.appeal_epochs,
        settings.settle_window,
        settings.protocol_share_ppm,
        tokens,
    )
    directory = _create(sender, deployer, "OracleDirectory")
    addresses = Addresses(
        chain.chain_id, authority, attestations, licences, escrow, burner, tokens[0], directory, first_block
    )
    network = Network(chain, addresses)
    manager = network.authority.functions
    mint = function_signature_to_4byte_selector("mint(address)")
    veto = function_signature_to_4byte_selector("veto()")
    sender.send(
        [
            Call.of("govern", deployer, function)
            for function in (
                manager.setTargetFunctionRole(licences, [mint], ROLE_LICENSOR),
                manager.setTargetFunctionRole(attestations, [veto], ROLE_GUARDIAN),
                manager.grantRole(ROLE_LICENSOR, licensor, 0),
                manager.grantRole(ROLE_GUARDIAN, guardian, 0),
            )
        ]
    )
    verify(network, settings, signers)
    return network


def verify(network: Network, settings: NetworkSettings, signers: Sequence[str]) -> None:
    """Raise WrongDeployment unless the contracts are wired to each other and hold the settings."""
    at = network.addresses
    escrow = network.escrow.functions
    wired: list[tuple[str, Any, Any]] = [
        ("escrow's attestations", escrow.attestations().call(), at.attestations),
        ("escrow's licences", escrow.licences().call(), at.licences),
        ("escrow's burner", escrow.burner().call(), at.burner),
        ("attestations' authority", network.attestations.functions.authority().call(), at.authority),
        ("licences' authority", network.licences.functions.authority().call(), at.authority),
        ("licences' escrow", network.licences.functions.escrow().call(), at.escrow),
        ("token allowed", escrow.tokenAllowed(at.token).call(), True),
        ("first committee", network.attestations.functions.committee(1).call()[0], list(signers)),
        ("timing", network.timing, settings.timing),
    ]
    for what, found, wanted in wired:
        if found != wanted:
            raise WrongDeployment(f"{what} is {found}, not {wanted}; deploy the network again")


def _create(sender: Sender, deployer: Wallet, name: str, *arguments: Any) -> str:
    artifact = compiler.load()[name]
    constructor = sender.chain.w3.eth.contract(abi=artifact.abi, bytecode=artifact.bytecode).constructor(*arguments)
    data = constructor.data_in_transaction
    (receipt,) = sender.send([Call(f"deploy {name}", deployer, None, data)])
    return str(receipt["contractAddress"])
