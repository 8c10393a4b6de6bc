# SPDX-License-Identifier: Apache-2.0
"""What must stay below a limit of gas however large the network: measured on the code that is deployed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from chain.transactions import GAS_CAP, Call
from oracle.ground.typed_data import Address, Credential, TypedStruct, UInt64, UInt256
from tests.contract.world import FOREVER, Person, World, halves, start_of

MEMBERS = 255
INTRINSIC, COLD_ACCOUNT = 21_000, 2_600
ADMISSION_COLD = 18_500


@dataclass(frozen=True, slots=True)
class SignerConsent(TypedStruct):
    """A key's word that it is to be a member's."""

    DOMAIN: ClassVar[str] = "Epochal OracleRegistry"
    member: Address
    signer: Address
    nonce: UInt256
    deadline: UInt64


class Crowd:
    """A registry with as many oracles as a committee can have; all sit in the one that takes over with epoch 2."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.registry = world.network.registry.functions
        first = list(self.registry.membersOf(1).call())
        self.people = [world.person(f"crowd {number}") for number in range(MEMBERS - len(first))]
        calls = [self.admission(one, number) for number, one in enumerate(self.people)]
        for start in range(0, len(calls), 100):
            world.sender.send(calls[start : start + 100])
        self.members = [*first, *(one.address for one in self.people)]
        self.scheduled = world.do(world.admin, self.registry.scheduleCommittee(self.members, 2))["gasUsed"]
        # The takeover from the first committee is written down, and a set of newer keys announced for epoch 5.
        world.at(start_of(3))
        self.rotate(0, 1)

    def admission(self, one: Person, number: int) -> Call:
        key = self.world.person(f"crowd key {number}")
        function = self.registry.admit(one.address, key.address, one.address, FOREVER, *self.consent(one, key, 0))
        return Call.of("admit", self.world.admin.wallet, function, 250_000)

    def consent(self, one: Person, key: Person, nonce: int) -> tuple[bytes, bytes]:
        message = SignerConsent(one.address, key.address, nonce, FOREVER)
        domain = SignerConsent.domain(31_337, self.world.network.addresses.registry)
        return halves(key.signer.sign_typed(message, domain))

    def rotate(self, number: int, nonce: int) -> int:
        one, key = self.people[number], self.world.person(f"newer key {number}, {nonce}")
        call = self.registry.rotateSigner(key.address, FOREVER, *self.consent(one, key, nonce))
        return int(self.world.do(one, call)["gasUsed"])

    def seconds(self) -> Any:
        return self.registry.membershipSeconds(self.people[-1].address).call()


@pytest.fixture(scope="module")
def crowd(deployed: World) -> Iterator[Crowd]:
    with deployed.undone():
        yield Crowd(deployed)


def test_require_admitted__all_cold__stays_cheap(world: World) -> None:
    """Three contracts and a word of each, with a credential and without a deed, as the escrow asks."""
    network = world.deploy(credential_kinds=1)
    world.do(world.csp, network.accounts.functions.open())
    world.do(world.admin, network.credentials.functions.setVerifier(world.keeper.address, 1))
    credential = Credential(world.csp.address, 1, bytes(31) + b"\1", world.now, world.now + 10**6)
    signature = world.keeper.signer.sign_typed(credential, network.credential_domain)
    fields = (credential.subject, credential.kind, credential.document, credential.issuedAt, credential.expiry)
    world.do(world.csp, network.credentials.functions.present(fields, *halves(signature)))

    ask = network.admission.functions.requireAdmitted(1, world.csp.address, network.addresses.token)
    used = world.do(world.stranger, ask)["gasUsed"]
    data = bytes.fromhex(ask._encode_transaction_data()[2:])
    used -= INTRINSIC + sum(16 if byte else 4 for byte in data)
    assert used + COLD_ACCOUNT < ADMISSION_COLD


def test_schedule__largest_committee__fits_one_transaction(crowd: Crowd) -> None:
    assert crowd.scheduled < GAS_CAP


def test_rotate__largest_committee_writes_down_everybodys_seconds__fits_one_transaction(crowd: Crowd) -> None:
    with crowd.world.undone() as world:
        world.at(start_of(6))
        assert 5_000_000 < crowd.rotate(1, 1) < GAS_CAP  # 255 words are written for the first time
        assert crowd.seconds() == 4_000


def test_replace__largest_committee_after_a_takeover__fits_one_transaction(crowd: Crowd) -> None:
    """The dearest there is: two spans are written down for everybody."""
    with crowd.world.undone() as world:
        receipt = world.at(start_of(6)).do(world.admin, crowd.registry.replaceCommittee(crowd.members))
        assert 5_000_000 < receipt["gasUsed"] < GAS_CAP
