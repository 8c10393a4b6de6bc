# SPDX-License-Identifier: Apache-2.0
"""`epochal duty`: an oracle's operator has settled and paid what the committee's own reports tell."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from chain.deployment.contracts import local_member
from chain.transactions import Call, LiveSender
from cli.duty import duty
from operations.duty import NoMember, NothingDue, PayWaits
from oracle.committee.in_process import agree_on
from oracle.ground.errors import EpochalError, InvalidValue
from tests.chain.history import served
from tests.chain.town import ALL, CLOCK, SIGNERS, Deployed, Town, deployment
from tests.e2e.peer_world import Shelf

PAY = 6_000_000
"""For an epoch of duty, in the token's smallest unit."""
MEMBERS = [local_member(one.address) for one in SIGNERS]
COLD = [one.address for one in MEMBERS]
ELSEWHERE = "0x00000000000000000000000000000000000000e1"


@dataclass
class Office:
    """A town with one final report, an oracle that serves its evidence, and commands."""

    town: Town
    url: str
    run: Callable[..., Any]

    def tokens_of(self, owner: str) -> int:
        return int(self.town.network.token.functions.balanceOf(owner).call())

    def fill(self, units: int) -> None:
        network = self.town.network
        self.do("csp", network.token.functions.mint(network.oracle_pay.address, units))

    def freeze(self, member: str) -> None:
        subject, until = 4 << 248 | int(member, 16), self.town.at.chain.block("latest").timestamp + 3_600
        self.do("governor", self.town.network.trust.functions.freeze(subject, until, 7, b"\1" * 32))

    def do(self, who: str, function: Any) -> None:
        """In a block of its own, at whatever time anvil says it is: commands' blocks aren't at the timeline's."""
        LiveSender(self.town.at.chain).send([Call.of(function.fn_name, self.town.wallet(who), function)])


@pytest.fixture(scope="module")
def paying() -> Iterator[Deployed]:
    with deployment(PAY) as made:
        yield made


@pytest.fixture
def office(paying: Deployed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    chain, file = paying.chain, tmp_path / "addresses.json"
    paying.addresses.save(file)
    snapshot = chain.rpc("evm_snapshot")
    for number, one in enumerate(MEMBERS):
        monkeypatch.setenv(f"KEY_{number}", "0x" + one._key.secret.hex())
        chain.rpc("anvil_setBalance", one.address, hex(10**20))

    def run(command: str, *arguments: str, tick: bool = False) -> Any:
        options = ["--network", str(file), "--rpc", chain.url]
        options += ["--tick", str(CLOCK.tick)] if tick else []
        options += [] if command == "show" else ["--state", str(tmp_path / "state"), "--patience", "20"]
        return CliRunner(mix_stderr=False).invoke(duty, [command, *options, *arguments], catch_exceptions=False)

    town, shelf = Town(paying, tmp_path), Shelf()
    with town.stack, served(town, shelf) as url:
        town.see(0, (ALL, ALL, ALL))
        town.end(0)
        signed = agree_on(0, town.members[:3])  # the fourth was silent
        town.attest(signed)
        shelf.put(signed.draft.evidence)
        chain.rpc("evm_setAutomine", True)
        yield Office(town, url, run)
    chain.rpc("evm_setAutomine", False)
    chain.rpc("evm_revert", snapshot)


def claim(office: Office, *arguments: str) -> Any:
    done = office.run("claim", "--oracle", office.url, "--key-env", "KEY_0", "--yes", *arguments, tick=True)
    assert done.exit_code == 0, done.stderr
    return done


def test_claim__nobody_named__settles_and_pays_those_who_served(office: Office) -> None:
    office.fill(10 * PAY)
    told = json.loads(claim(office, "--json").stdout)
    assert told["paid"] == {one: str(PAY) for one in COLD[:3]}
    assert [office.tokens_of(one) for one in COLD] == [PAY, PAY, PAY, 0]

    shown = json.loads(office.run("show", "--json").stdout)
    assert {one["member"]: one["earned"] for one in shown["members"]} == {
        one: 0 if one == COLD[3] else CLOCK.length for one in COLD
    }
    assert int(shown["pot"]) == 7 * PAY
    assert f"{COLD[0]}: 600 of 600 s earned" in office.run("show").stdout
    with pytest.raises(NothingDue, match="nothing is due to"):
        claim(office)


def test_claim__pot_runs_dry__says_what_stays_due_and_pays_it_later(office: Office) -> None:
    office.fill(PAY + 1)
    first = claim(office, *COLD[:2]).stdout
    assert f"{COLD[1]}: 5.999999 LUSD stays due until the pot has it" in first
    office.fill(PAY)
    claim(office, *COLD[:2])
    assert [office.tokens_of(one) for one in COLD[:2]] == [PAY, PAY]


def test_claim__evidence_nowhere__pays_what_was_booked(office: Office) -> None:
    office.fill(10 * PAY)
    with pytest.raises(NothingDue):
        office.run("claim", "--oracle", "http://127.0.0.1:9", "--key-env", "KEY_0", "--yes", tick=True)


def test_claim__frozen_member__waits_and_stops_nobody_else(office: Office) -> None:
    office.fill(10 * PAY)
    office.freeze(COLD[0])
    with pytest.raises(PayWaits, match=f"{COLD[0]} is frozen until"):
        claim(office, COLD[0])
    claim(office, *COLD[:2])
    assert [office.tokens_of(one) for one in COLD[:2]] == [0, PAY]


def test_recipient__another__gets_what_is_due_too(office: Office) -> None:
    office.fill(10 * PAY)
    office.run("recipient", ELSEWHERE, "--key-env", "KEY_1", "--yes")
    with pytest.raises(NothingDue, match=f"goes to {ELSEWHERE} already"):
        office.run("recipient", ELSEWHERE, "--key-env", "KEY_1", "--yes")
    claim(office, COLD[1])
    assert office.tokens_of(ELSEWHERE) == PAY
    assert office.tokens_of(COLD[1]) == 0
    office.run("recipient", COLD[1], "--key-env", "KEY_1", "--yes")
    assert f"to {ELSEWHERE}" not in office.run("show", COLD[1]).stdout


def test_claim__dry_run__sends_nothing(office: Office) -> None:
    office.fill(10 * PAY)
    told = claim(office, "--dry-run").stdout
    assert "settle the duty of" in told
    assert [office.tokens_of(one) for one in COLD] == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("member", "error", "cure"),
    [
        (SIGNERS[0].address, NoMember, "not that of the key which signs reports"),
        ("0x12", InvalidValue, "MEMBER: "),
    ],
)
def test_members__wrong_ones__are_told_apart(office: Office, member: str, error: type[EpochalError], cure: str) -> None:
    with pytest.raises(error, match=cure):
        office.run("show", member)


def test_show__network_that_pays_nothing__says_so(tmp_path: Path) -> None:
    with deployment() as at:
        at.addresses.save(tmp_path / "addresses.json")
        options = ["show", "--network", str(tmp_path / "addresses.json"), "--rpc", at.chain.url]
        done = CliRunner(mix_stderr=False).invoke(duty, options, catch_exceptions=False)
    assert "this network pays oracles nothing" in done.stdout
