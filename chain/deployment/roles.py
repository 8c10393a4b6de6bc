"""Who may do what: every restricted function with its role, every role with its holders, each no more than it needs.

The tables are the whole truth: the deployment sets what they say, then reads the AccessManager and refuses any
difference. A test reads the contracts' sources and finds the functions that the table lacks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from eth_utils.abi import function_signature_to_4byte_selector
from eth_utils.address import to_checksum_address

from chain.deployment.settings import People


class Role(IntEnum):
    """Roles of the AccessManager by number. Role 0, its admin, governs: it also gives and takes the other roles."""

    GOVERNOR = 0
    GUARDIAN = 1
    LICENSOR = 2
    COMMITTEE = 3
    REPLACER = 4
    FREEZER = 5
    SUSPENDER = 6
    BLACKLISTER = 7
    JUDGE = 8
    EQUIVOCATIONS = 9
    REGISTRAR = 10


@dataclass(frozen=True, slots=True)
class Restricted:
    """A restricted function: of which contract of the plan, by its Solidity signature, and who may call it."""

    key: str
    signature: str
    role: Role

    @property
    def selector(self) -> bytes:
        """The function's four bytes."""
        return function_signature_to_4byte_selector(self.signature)


RESTRICTED: Final = (
    # The committee: people act on the registry, which alone acts on the attestations.
    Restricted("attestations", "scheduleCommittee(address[],uint64)", Role.COMMITTEE),
    Restricted("attestations", "replaceCommittee(address[])", Role.COMMITTEE),
    Restricted("attestations", "veto(uint64,bytes32)", Role.GUARDIAN),
    Restricted("registry", "scheduleCommittee(address[],uint64)", Role.GOVERNOR),
    Restricted("registry", "replaceCommittee(address[])", Role.REPLACER),
    Restricted("registry", "admit(address,address,address,uint64,bytes32,bytes32)", Role.GOVERNOR),
    # Licences.
    Restricted("licences", "mint(address,uint8)", Role.LICENSOR),
    Restricted("sale", "setIssuer(address,bool)", Role.GOVERNOR),
    Restricted("sale", "setToken(address,bool)", Role.GOVERNOR),
    Restricted("sale", "pause(uint32)", Role.GUARDIAN),
    # Trust: each status has its own authority, and none of them judges its own acts.
    Restricted("trust", "freeze(uint256,uint40,uint32,bytes32)", Role.FREEZER),
    Restricted("trust", "liftFreeze(uint256)", Role.FREEZER),
    Restricted("trust", "suspend(uint256,uint32,bytes32)", Role.SUSPENDER),
    Restricted("trust", "liftSuspension(uint256)", Role.SUSPENDER),
    Restricted("trust", "suspendFor(uint256,bytes32)", Role.EQUIVOCATIONS),
    Restricted("trust", "blacklist(uint256,uint32,bytes32)", Role.BLACKLISTER),
    Restricted("trust", "liftBlacklist(uint256)", Role.BLACKLISTER),
    Restricted("trust", "decideAppeal(uint256,uint8,uint40,bool,bytes32)", Role.JUDGE),
    # Customers.
    Restricted("credentials", "setVerifier(address,uint8)", Role.REGISTRAR),
    Restricted("credentials", "removeVerifier(address,bool)", Role.REGISTRAR),
    Restricted("credentials", "revokeAll(address,uint8)", Role.REGISTRAR),
    Restricted("admission", "allowToken(address)", Role.GOVERNOR),
    Restricted("admission", "forbidToken(address)", Role.GOVERNOR),
    Restricted("admission", "changeSettings((uint8,bool,uint32))", Role.GOVERNOR),
    Restricted("admission", "pause(uint40)", Role.GUARDIAN),
    Restricted("admission", "resume()", Role.GUARDIAN),
    # Burning.
    Restricted("swap_burner", "setRoute(address,uint112)", Role.GOVERNOR),
)


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a role: a contract of the plan or one of the `People`, by name.

    delay    what the holder waits between scheduling and executing: the name of one of the `Delays`, or "" for none
    """

    role: Role
    name: str
    delay: str = ""


HOLDERS: Final = (
    Holder(Role.GOVERNOR, "governor", "governance"),
    Holder(Role.GUARDIAN, "guardian"),
    Holder(Role.LICENSOR, "licensor", "governance"),  # mints without pay
    Holder(Role.LICENSOR, "sale"),
    Holder(Role.COMMITTEE, "registry"),
    Holder(Role.REPLACER, "replacer", "replacement"),
    Holder(Role.FREEZER, "freezer"),
    Holder(Role.SUSPENDER, "suspender"),
    Holder(Role.BLACKLISTER, "blacklister"),
    Holder(Role.JUDGE, "judge"),
    Holder(Role.EQUIVOCATIONS, "equivocations"),
    Holder(Role.REGISTRAR, "registrar"),
)


@dataclass(frozen=True, slots=True)
class Access:
    """Who may do what: role by function (contract's address, selector), and seconds of delay by role and holder."""

    functions: dict[tuple[str, bytes], int]
    holders: dict[int, dict[str, int]]


def wanted(addresses: Mapping[str, str], people: People, admin: str | None) -> Access:
    """What the tables say for a network at these addresses; `admin` governs without delay too, on local networks."""
    functions = {(addresses[one.key], one.selector): int(one.role) for one in RESTRICTED if one.key in addresses}
    holders: dict[int, dict[str, int]] = {int(role): {} for role in Role}
    for one in HOLDERS:
        address = addresses.get(one.name) or getattr(people, one.name, "")
        if address:
            holders[one.role][to_checksum_address(address)] = getattr(people.delays, one.delay) if one.delay else 0
    if admin is not None:
        holders[Role.GOVERNOR][admin] = 0
    return Access(functions, holders)
