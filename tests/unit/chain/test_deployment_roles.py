# SPDX-License-Identifier: Apache-2.0
"""The tables of roles against the contracts' sources, and what a deployment's settings may not be."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields, replace

import pytest
from eth_utils.address import to_checksum_address

from chain.deployment import wiring
from chain.deployment.contracts import CONTRACTS
from chain.deployment.errors import UnfitSettings
from chain.deployment.presets import local, ratio1
from chain.deployment.roles import HOLDERS, RESTRICTED, Access, Role, wanted
from chain.deployment.settings import LEAVE_NOTICE_EPOCHS, Delays, NetworkSettings, People, Schedule, Timing
from tests.project import ROOT

FUNCTION = re.compile(r"function\s+(\w+)\s*\(([^)]*)\)([^{;]*)[{;]")
CONTRACT = re.compile(r"^(abstract )?contract (\w+)(?: is ([^{]*))?", re.MULTILINE)
TIMING = Timing.for_epochs(1_800_000_000, 600, 2)
SETTINGS = NetworkSettings(TIMING, ("0x" + "01" * 20,) * 4, 2, 60, 0)
PEOPLE = People(*(to_checksum_address(f"0x{number:040x}") for number in range(1, 11)))


def ratio1_like() -> NetworkSettings:
    """The preset's figures, of nobody."""
    return ratio1(1_800_000_000, [], [], (Schedule(), Schedule(), Schedule()), [], None)


def restricted() -> Iterator[tuple[str, str, int]]:
    """(contract that can be deployed, function, number of its parameters) for each `restricted` in the sources."""
    sources = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "contracts").rglob("*.sol"))]
    own: dict[str, list[tuple[str, int]]] = {}
    parents: dict[str, list[str]] = {}
    for text in sources:
        text = re.sub(r"//[^\n]*", "", text)
        if found := CONTRACT.search(text):
            parents[found[2]] = re.findall(r"\w+", found[3] or "")
            own[found[2]] = [
                (one[1], len([each for each in one[2].split(",") if each.strip()]))
                for one in FUNCTION.finditer(text)
                if re.search(r"\brestricted\b", one[3])
            ]

    def inherited(name: str) -> list[tuple[str, int]]:
        return [*own.get(name, []), *(one for parent in parents.get(name, []) for one in inherited(parent))]

    for contract in CONTRACTS.values():
        for function, count in inherited(contract):
            yield contract, function, count


def count_of(signature: str) -> int:
    """Parameters of a Solidity signature, a struct counted as one."""
    inside = signature.partition("(")[2][:-1]
    while "(" in inside:
        inside = re.sub(r"\([^()]*\)", "struct", inside)
    return len([one for one in inside.split(",") if one])


def test_restricted_functions__in_the_sources__are_all_in_the_table_and_no_others() -> None:
    table = [(CONTRACTS[one.key], one.signature.partition("(")[0], count_of(one.signature)) for one in RESTRICTED]
    assert sorted(table) == sorted(restricted())


def test_table__holders__are_contracts_or_people_and_every_role_has_one() -> None:
    people = {one.name for one in fields(People)}
    assert {one.name for one in HOLDERS} <= people | set(CONTRACTS)
    assert {one.role for one in HOLDERS} == set(Role)
    assert {one.delay for one in HOLDERS} <= {"", *(one.name for one in fields(Delays))}


def test_wanted__without_admin__the_deployer_holds_nothing() -> None:
    addresses = {key: to_checksum_address(f"0x{number:040x}") for number, key in enumerate(CONTRACTS, 100)}
    access = wanted(addresses, replace(PEOPLE, delays=Delays(50, 20)), None)
    assert access.holders[Role.GOVERNOR] == {PEOPLE.governor: 50}
    assert access.holders[Role.REPLACER] == {PEOPLE.replacer: 20}
    assert access.holders[Role.LICENSOR] == {PEOPLE.licensor: 50, addresses["sale"]: 0}
    assert access.holders[Role.COMMITTEE] == {addresses["registry"]: 0}


def test_differences__function_for_another_role_and_a_stranger_with_one__are_told() -> None:
    mint = next(one for one in RESTRICTED if one.signature.startswith("mint"))
    right = Access({("L", mint.selector): Role.LICENSOR}, {Role.LICENSOR: {"A": 0}, Role.GOVERNOR: {"G": 9}})
    found = Access({("L", mint.selector): 0}, {Role.LICENSOR: {"A": 0, "B": 0}, Role.GOVERNOR: {"G": 0}})
    assert wiring.differences(right, found, {"L": "licences", "B": "stranger"}) == [
        "licences.mint(address,uint8) is for GOVERNOR, not for LICENSOR",
        "G may act as GOVERNOR at once, and is to after 9 s",
        "stranger may act as LICENSOR at once, and is to not at all",
    ]


def test_check__replacement_as_long_as_its_span__fits() -> None:
    SETTINGS.check(replace(PEOPLE, delays=Delays(0, TIMING.replacement_span)))


def test_check__governance_waits_longer_than_notices_to_leave__is_refused() -> None:
    longest = (LEAVE_NOTICE_EPOCHS - 2) * TIMING.epoch_length
    SETTINGS.check(replace(PEOPLE, delays=Delays(longest, 0)))
    with pytest.raises(UnfitSettings, match=r"delays\.governance is [\d,]+ s, but .* wish to leave counts"):
        SETTINGS.check(replace(PEOPLE, delays=Delays(longest + 1, 0)))


def test_check__replacement_waits_longer_than_its_span__is_refused() -> None:
    with pytest.raises(
        UnfitSettings,
        match=r"delays\.replacement is 582 s, but an emergency replacement must fit timing\.replacement_span, 581 s",
    ):
        SETTINGS.check(replace(PEOPLE, delays=Delays(0, TIMING.replacement_span + 1)))


@pytest.mark.parametrize("settings", [SETTINGS, local(1_800_000_000, 600, []), ratio1_like()])
def test_bond_withdrawal_delay__left_out__outlasts_penalties_and_proofs(settings: NetworkSettings) -> None:
    settings.check(PEOPLE)
    t = settings.timing
    least = (settings.bond_window_epochs + 2) * t.epoch_length + t.stall_span + t.attestable_span + t.review_delay
    proofs = (settings.equivocation_epochs + 2) * t.epoch_length
    assert settings.bond_withdrawal_delay == max(least, proofs)


def test_check__bond_gone_before_a_proof_runs_out__is_refused() -> None:
    proofs = (SETTINGS.equivocation_epochs + 2) * TIMING.epoch_length
    replace(SETTINGS, bond_delay=proofs).check(PEOPLE)
    with pytest.raises(UnfitSettings, match=r"bond_delay is 19,199 s, but .* \(equivocation_epochs \+ 2\) .* 19,200 s"):
        replace(SETTINGS, bond_delay=proofs - 1).check(PEOPLE)


def test_check__fewer_members_than_signers__is_refused() -> None:
    with pytest.raises(UnfitSettings, match="members: 1 for 4 signers"):
        replace(SETTINGS, members=("0x" + "02" * 20,)).check(PEOPLE)
