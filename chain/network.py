"""A network of Epochal's contracts: its settings, its deployment in one go, and bindings to what was deployed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from web3.contract.contract import Contract

from chain import bindings
from chain.addresses import Addresses as Addresses
from chain.client import Chain, NoContract
from chain.deployment.contracts import CONTRACTS
from chain.deployment.errors import WrongDeployment as WrongDeployment
from chain.deployment.roles import Role
from chain.deployment.settings import NetworkSettings as NetworkSettings
from chain.deployment.settings import Timing as Timing
from chain.transactions import Sender, Wallet
from oracle.ground.clock import EpochClock
from oracle.ground.typed_data import (
    Acceptance,
    Announcement,
    Credential,
    Domain,
    EpochReport,
    Heartbeat,
    NodeConsent,
    ReallocationBatch,
)

ROLE_GUARDIAN = int(Role.GUARDIAN)
ROLE_LICENSOR = int(Role.LICENSOR)


class _Part:
    """A contract of a network, bound when it is first used. WrongDeployment where the network has none."""

    def __set_name__(self, _: type, key: str) -> None:
        self._key = key

    def __get__(self, network: Network, _: type) -> Contract:
        if self._key not in network.bound:
            name, address = CONTRACTS[self._key], getattr(network.addresses, self._key)
            if not address:
                raise WrongDeployment(
                    f"the network's addresses tell of no {name}: it was deployed by an earlier version of Epochal; use "
                    "that one"
                )
            network.bound[self._key] = network.chain.contract(address, bindings.abi(name))
        return network.bound[self._key]


class Network:
    """The contracts of one network, bound to a chain, and the facts about it that never change."""

    authority = _Part()
    attestations = _Part()
    licences = _Part()
    escrow = _Part()
    burner = _Part()
    swap_burner = _Part()
    token = _Part()
    placements = _Part()
    reallocations = _Part()
    maintenance = _Part()
    trust = _Part()
    registry = _Part()
    equivocations = _Part()
    bonds = _Part()
    accounts = _Part()
    credentials = _Part()
    admission = _Part()
    oracle_pay = _Part()
    network_token = _Part()
    rewards = _Part()
    sale = _Part()
    lens = _Part()

    def __init__(self, chain: Chain, addresses: Addresses) -> None:
        if addresses.chain_id != chain.chain_id:
            raise WrongDeployment(
                f"the deployment is for chain {addresses.chain_id}, but {chain.where} is chain {chain.chain_id}; "
                "use the RPC of that chain"
            )
        self.chain = chain
        self.addresses = addresses
        self.bound: dict[str, Contract] = {}
        at = addresses.directory
        self.directory = chain.contract(at, bindings.abi("OracleDirectory")) if at else None
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

    def _check_versions(self) -> None:
        """Whatever is signed counts for one version of a contract. WrongDeployment for another than is known here."""
        signed = [(self.attestations, self.report_domain), (self.licences, self.consent_domain)]
        if self.addresses.placements:
            signed.append((self.placements, self.acceptance_domain))
        if self.addresses.reallocations:
            signed.append((self.reallocations, self.reallocation_domain))
        if self.addresses.credentials:
            signed.append((self.credentials, self.credential_domain))
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

    @property
    def rules(self) -> Contract:
        """What terms a job may have, and what they cost: a part of admission."""
        return self.admission

    def job(self, job: int) -> dict[str, Any]:
        """A job as it stands: the fields of the contracts' `JobView` by name."""
        return named(self.lens, "jobOf", self.lens.functions.jobOf(job).call())

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
        return Acceptance.domain(self.chain.chain_id, self.addresses.placements)

    @property
    def reallocation_domain(self) -> Domain:
        """EIP-712 domain of the committee's requests for other nodes."""
        return ReallocationBatch.domain(self.chain.chain_id, self.addresses.reallocations)

    @property
    def announcement_domain(self) -> Domain:
        """EIP-712 domain of oracles' announcements of their endpoints."""
        return Announcement.domain(self.chain.chain_id, self.addresses.directory)

    @property
    def credential_domain(self) -> Domain:
        """EIP-712 domain of verifiers' credentials."""
        return Credential.domain(self.chain.chain_id, self.addresses.credentials)

    @property
    def credential_kinds(self) -> int:
        """Which kinds of credentials admit a CSP now, a bit each; 0: none is asked for."""
        settings = self.admission.functions.settings().call()
        return int(named(self.admission, "settings", settings)["credentialKinds"])


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


def deploy(
    sender: Sender, deployer: Wallet, settings: NetworkSettings, guardian: str, licensor: str, **others: str
) -> Network:
    """Deploy a network, give the roles, and check the wiring: for local networks, as nothing is written down and the
    deployer stays the AccessManager's admin. It holds all roles but the named ones; `others` are `People` by name."""
    from chain.deployment.run import deploy_local  # here alone: who only reads a network needs no compiler

    return deploy_local(sender, deployer, settings, {"guardian": guardian, "licensor": licensor, **others})
