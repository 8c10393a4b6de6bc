# SPDX-License-Identifier: Apache-2.0
"""A network of any size on anvil within a minute: one contract mints, links and places many nodes in a transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from eth_utils.abi import function_signature_to_4byte_selector

from chain import compiler
from chain.client import Chain
from chain.errors import decode_revert
from chain.network import ROLE_LICENSOR, Network, NetworkSettings
from chain.transactions import Call, SteppedSender, Wallet, signed
from oracle.ground.ids import pack
from oracle.ground.typed_data import Acceptance, NodeConsent
from oracle.signing.signer import LocalSigner, derive
from scenario.market import JobSpec, Market, key_of

_SEATS: Final = 200
_IN_BLOCK: Final = 60
"""Transactions. Anvil keeps a copy of its whole state for each block: few large ones take less memory, and time."""
_GAS_OF_ONE: Final = 550_000
_SEAT: Final = function_signature_to_4byte_selector(
    "seat(uint64,uint32,uint64,(address,bytes32,bytes32,bytes32,bytes32)[])"
)


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
        network.addresses.licences, network.addresses.placements
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
    sent = []
    for first in range(0, len(signers), _SEATS):
        page = signers[first : first + _SEATS]
        seats = [_seat(network, one, job_id, first + i, contract.address, terms, job) for i, one in enumerate(page)]
        # By hand: web3 takes a millisecond for each seat's words, and another for the logs of its receipt.
        words = b"".join(value.to_bytes(32) for value in (job_id, first, job.ends_at, 4 * 32, len(page)))
        data = "0x" + (_SEAT + words + b"".join(seats)).hex()
        call = Call("seat", governor, contract.address, data, _GAS_OF_ONE * len(page))
        sent.append(chain.rpc("eth_sendRawTransaction", signed(chain, call, 0, call.gas or 0)))
        if len(sent) == _IN_BLOCK or first + len(page) == len(signers):
            _mine(chain, sent)
            sent = []
    return Crowd(network, SteppedSender(chain), job_id, [bytes.fromhex(one.address[2:]) for one in signers])


def _seat(network: Network, node: LocalSigner, job: int, slot: int, holder: str, terms: bytes, spec: JobSpec) -> bytes:
    """A seat's words."""
    consent = NodeConsent(slot + 1, holder, node.address, 0, spec.ends_at)
    acceptance = Acceptance(job, slot, 1, slot + 1, terms, spec.ends_at)
    signatures = node.sign_typed(consent, network.consent_domain) + node.sign_typed(
        acceptance, network.acceptance_domain
    )
    return bytes(12) + bytes.fromhex(node.address[2:]) + signatures


def _mine(chain: Chain, sent: list[str]) -> None:
    chain.rpc("evm_mine")
    for one in sent:
        if int(chain.rpc("eth_getTransactionReceipt", one)["status"], 16) != 1:
            trace = chain.rpc("debug_traceTransaction", one, {"tracer": "callTracer"})
            raise decode_revert("seat", trace.get("output", "0x"))
