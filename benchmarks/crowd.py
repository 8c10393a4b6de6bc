# SPDX-License-Identifier: Apache-2.0
"""A network of any size on anvil within a minute: one contract mints, links and places many nodes in a transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final


from chain import compiler
from chain.client import Chain
from chain.network import ROLE_LICENSOR, Network, NetworkSettings
from chain.transactions import Call, SteppedSender, Wallet
from oracle.ground.ids import pack
from oracle.ground.typed_data import Acceptance, NodeConsent
from oracle.signing.signer import LocalSigner, derive
from scenario.market import JobSpec, Market, key_of

_SEATS: Final = 200
_GAS_OF_ONE: Final = 450_000


@dataclass(frozen=True, slots=True)
class Crowd:
    """A network whose only job has one node in each slot."""

    network: Network
    sender: SteppedSender
    job: int
    nodes: list[bytes]
    """Addresses, in order of the slots."""

    @property
    def assignments(self) -> list[int]:
        """In order of the slots."""
        return [pack(self.job, slot, 1) for slot in range(len(self.nodes))]


class _CrowdMarket(Market):
    """A market whose orchestrator is the contract."""

    orchestrating = ""

    def terms(self) -> tuple[object, ...]:
        terms = super().terms()
        return (*terms[:5], self.orchestrating, *terms[6:])


def gather(chain: Chain, settings: NetworkSettings, job: JobSpec) -> Crowd:
    """Deploy, fund the job, and place a node in each of its slots once it has begun. The chain's blocks are stepped."""
    sender = SteppedSender(chain)
    opened = Market.open(sender, settings, job)
    market = _CrowdMarket(sender, opened.network, job)
    network, governor = market.network, Wallet(chain, key_of("governor"))
    artifact = compiler.load("benchmarks/solidity")["Crowd"]
    made = chain.w3.eth.contract(abi=artifact.abi, bytecode=artifact.bytecode).constructor(
        network.addresses.licences, network.addresses.escrow
    )
    (receipt,) = sender.send([Call("deploy Crowd", governor, None, made.data_in_transaction)])
    contract = chain.contract(str(receipt["contractAddress"]), artifact.abi)
    grant = network.authority.functions.grantRole(ROLE_LICENSOR, contract.address, 0)
    sender.send([Call.of("grant", governor, grant)])
    market.orchestrating = contract.address
    job_id, _ = market.create_job()
    signers = [derive("crowd", str(number)) for number in range(job.slots)]
    sender.at(job.starts_at).send([])
    terms = market.terms_hash()
    for first in range(0, len(signers), _SEATS):
        page = signers[first : first + _SEATS]
        seats = [_seat(network, one, job_id, first + i, contract.address, terms, job) for i, one in enumerate(page)]
        function = contract.functions.seat(job_id, first, job.ends_at, seats)
        sender.send([Call.of("seat", governor, function, _GAS_OF_ONE * len(page))])
    return Crowd(network, sender, job_id, [bytes.fromhex(one.address[2:]) for one in signers])


def _seat(
    network: Network, node: LocalSigner, job: int, slot: int, holder: str, terms: bytes, spec: JobSpec
) -> Sequence[Any]:
    consent = NodeConsent(slot + 1, holder, node.address, 0, spec.ends_at)
    acceptance = Acceptance(job, slot, 1, slot + 1, terms, spec.ends_at)
    first = node.sign_typed(consent, network.consent_domain)
    second = node.sign_typed(acceptance, network.acceptance_domain)
    return node.address, first[:32], first[32:], second[:32], second[32:]
