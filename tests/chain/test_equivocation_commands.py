# SPDX-License-Identifier: Apache-2.0
"""`epochal equivocation`: what oracles can prove of each other, brought on chain, and the bond that it costs."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest

from chain.client import Chain, RpcError
from chain.directory import announcing
from oracle.committee.observation import SignedObservation, View, commitment
from oracle.committee.pool import Pool
from oracle.ground.address import raw_address
from oracle.ground.ids import pack
from oracle.ground.uptime import Uptime
from oracle.signing.signer import LocalSigner, derive
from tests.chain.csp_world import Terminal
from tests.chain.history import served
from tests.chain.licence_world import USD, LicenceWorld, licence_world
from tests.chain.test_csp_commands import KILLED
from tests.e2e.peer_world import Shelf

PURSE = ("--key-env", "KEY_HOLDER")
BOND = 700 * USD
SUSPENDED = 2


@dataclass
class Witness(Shelf):
    """A desk that tells the double signatures of a pool, as an oracle does, or what it is told to tell."""

    pool: Pool = field(default_factory=Pool)
    says: list[Any] | None = None

    async def equivocations(self) -> list[dict[str, Any]]:
        return [one.as_json() for one in self.pool.equivocations] if self.says is None else self.says


class Court(LicenceWorld):
    """A network whose oracles' members and keys are known."""

    def member(self, index: int) -> str:
        """Of the oracle with that place in the committee."""
        return str(self.network.registry.functions.memberOf(1, index).call())

    def observation(self, signer: LocalSigner, epoch: int, up: int, committee: int = 1) -> SignedObservation:
        content = View(epoch, committee, {pack(1, 0, 1): Uptime(up, 60)}).encode()
        signature = signer.sign_typed(commitment(epoch, committee, content), self.network.report_domain)
        return SignedObservation(content, signature)

    def sees(self, witness: Witness, index: int, epoch: int) -> None:
        """Two observations of an oracle's come to a witness."""
        signer = self.committee[index]
        for up in (59, 60):
            proof = witness.pool.add(raw_address(signer.address), self.observation(signer, epoch, up))
        assert proof is not None
        witness.pool.equivocations.append(proof)

    def bonded(self, member: str) -> None:
        self.mint(self.holder.address, BOND)
        self.do(self.holder, self.network.token.functions.approve(self.network.bonds.address, BOND))
        bonds = self.network.bonds.functions
        self.do(self.holder, bonds.deposit(4 << 248 | int(member, 16), self.network.token.address, BOND))

    def suspended(self, member: str) -> bool:
        return int(self.network.trust.functions.statusOf(4 << 248 | int(member, 16)).call()) == SUSPENDED


@dataclass
class Bench:
    """Oracles with their URLs, and commands that ask them."""

    court: Court
    run: Terminal
    witness: Witness
    url: str
    second: Witness
    second_url: str
    epoch: int

    @property
    def both(self) -> tuple[str, ...]:
        return ("--oracle", self.url, "--oracle", self.second_url)


@pytest.fixture(scope="module")
def court(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Court]:
    with licence_world(tmp_path_factory.mktemp("court"), Court) as one:
        one.until(one.end_of(2) + 5)
        yield one


@pytest.fixture
def bench(court: Court, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Bench]:
    first, second = Witness(), Witness()
    with court.undone(), ExitStack() as stack:
        urls = [stack.enter_context(served(court, one)) for one in (first, second)]
        run = Terminal(court, monkeypatch, capsys)
        yield Bench(court, run, first, urls[0], second, urls[1], court.epoch_of(court.now) - 1)


def test_prove__two_observations__suspend_the_member_and_nothing_is_left(bench: Bench) -> None:
    court, member = bench.court, bench.court.member(2)
    court.bonded(member)
    court.sees(bench.witness, 2, bench.epoch)
    court.sees(bench.second, 2, bench.epoch)

    (shown,) = bench.run.done("equivocation", "show", *bench.both, "--json").json["equivocations"]
    assert (shown["member"], shown["key"]) == (member, court.committee[2].address)
    assert (shown["epoch"], shown["committee"], shown["proved"], shown["provable"]) == (bench.epoch, 1, False, True)
    text = bench.run.done("equivocation", "show", *bench.both).out
    assert "can be proved: `epochal equivocation prove`" in text
    assert "nothing stands against it" in text

    dry = bench.run.done("equivocation", "prove", *bench.both, *PURSE, "--dry-run")
    assert f"prove that {member} signed two observations of epoch {bench.epoch}" in dry.out
    assert not court.suspended(member)
    bench.run.refused("nothing was sent", "equivocation", "prove", *bench.both, *PURSE)

    said = bench.run.done("equivocation", "prove", *bench.both, *PURSE, "--yes")
    assert f"{member}: proved for epoch {bench.epoch}" in said.out
    assert "its bond of 700 LUSD can be slashed from" in said.out
    assert court.suspended(member)
    assert court.network.equivocations.functions.proved(member, bench.epoch).call()

    bench.run.refused(
        "nothing is left to prove: 1 proved before", "equivocation", "prove", *bench.both, *PURSE, status=2
    )
    text = bench.run.done("equivocation", "show", *bench.both).out
    assert "; proved on chain" in text
    assert "it can be appealed until" in text


def test_prove__second_oracle_with_rubbish__is_told_and_disturbs_nothing(bench: Bench) -> None:
    court = bench.court
    court.sees(bench.witness, 1, bench.epoch)
    (real,) = [one.as_json() for one in bench.witness.pool.equivocations]
    bench.second.says = [{"author": "0x12"}, {**real, "epoch": str(bench.epoch)}, "nothing", real]
    said = bench.run.done("equivocation", "prove", *bench.both, *PURSE, "--yes", "--json")
    assert said.json["proved"] == [{"member": court.member(1), "epoch": bench.epoch}]
    assert f"{bench.second_url}: /v1/equivocations: [0].epoch: is missing (and 2 more); ask its operator" in said.err
    assert court.suspended(court.member(1))


def test_prove__more_than_one__brings_what_is_taken_and_tells_the_rest(bench: Bench) -> None:
    court, now = bench.court, bench.epoch + 1
    court.sees(bench.witness, 0, bench.epoch)
    court.sees(bench.witness, 3, bench.epoch - 1)
    court.sees(bench.witness, 3, bench.epoch)  # one is enough to suspend it
    court.sees(bench.second, 4, now + 5)  # isn't over
    said = bench.run.done("equivocation", "prove", *bench.both, *PURSE, "--yes", "--json")
    proved = [(one["member"], one["epoch"]) for one in said.json["proved"]]
    assert proved == [(court.member(3), bench.epoch - 1), (court.member(0), bench.epoch)]
    assert f"epoch {bench.epoch} of {court.member(3)}: another proof, of an earlier epoch, suspends it" in said.err
    assert f"epoch {now + 5} isn't over before" in said.err
    assert not court.suspended(court.member(4))
    last = bench.run.refused("nothing is left to prove: 2 proved before", "equivocation", "prove", *bench.both, *PURSE)
    assert f"a suspension of oracle {court.member(3).lower()} is in force until it is lifted" in last
    shown = bench.run.done("equivocation", "show", *bench.both, "--json").json["equivocations"]
    assert [one["provable"] for one in shown] == [False] * 4


def test_prove__authors__by_key_or_member_and_a_foreign_one_is_refused(bench: Bench) -> None:
    court = bench.court
    court.sees(bench.witness, 0, bench.epoch)
    court.sees(bench.witness, 1, bench.epoch)
    prove = ("equivocation", "prove", "--oracle", bench.url, *PURSE, "--yes")
    stranger = derive("csp", "nobody").address
    bench.run.refused(f"proves anything of {stranger}", *prove, stranger, status=2)
    bench.run.refused("AUTHOR: ", *prove, "0x12", status=2)
    bench.run.done(*prove, court.committee[0].address)
    assert [court.suspended(court.member(one)) for one in (0, 1)] == [True, False]
    bench.run.done(*prove, court.member(1))
    assert court.suspended(court.member(1))


def test_prove__too_late__says_from_which_epoch_on(bench: Bench) -> None:
    court = bench.court
    court.sees(bench.witness, 0, 0)
    span = court.network.equivocations.functions.validEpochs().call()
    court.until(court.end_of(span + 1) + 5)
    bench.run.refused(
        "epoch 0 is too long ago; epochs from 2 on", "equivocation", "prove", "--oracle", bench.url, *PURSE
    )


def test_prove__no_oracle_tells__is_refused(bench: Bench) -> None:
    nobody = ("--oracle", "http://127.0.0.1:9")
    bench.run.refused("no oracle told of equivocations: http://127.0.0.1:9", "equivocation", "show", *nobody, status=1)
    bench.run.refused("has announced an endpoint; give --oracle", "equivocation", "show", status=1)
    said = bench.run.done("equivocation", "show", "--oracle", bench.url, *nobody)
    assert "proves anything of anybody" in said.out
    assert "http://127.0.0.1:9" in said.err
    bench.run.refused("there is nothing to do", "equivocation", "prove", "--oracle", bench.url, *PURSE, status=2)


def test_show__no_oracle_named__asks_those_in_the_directory(bench: Bench) -> None:
    court = bench.court
    court.sees(bench.witness, 0, bench.epoch)
    court.do(court.admin, announcing(court.network, court.committee[3], bench.url, 1))
    (shown,) = bench.run.done("equivocation", "show", "--json").json["equivocations"]
    assert shown["member"] == court.member(0)


@pytest.mark.parametrize("step", ["begun", "signed", "sent", "done"])
def test_prove__killed_and_run_again__goes_on_and_proves_once(bench: Bench, step: str) -> None:
    court = bench.court
    court.sees(bench.witness, 0, bench.epoch)
    prove = ("equivocation", "prove", "--oracle", bench.url, *PURSE, "--yes")
    process = court.start(*prove, code=KILLED.format(step=step, times=1))
    _, err = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, err
    bench.witness.says = []  # what was confirmed is written down: nobody is asked again
    said = bench.run.done(*prove, "--json").json
    assert said["resumed"]
    assert said["proved"] == [{"member": court.member(0), "epoch": bench.epoch}]
    bench.run.refused("there is nothing to do", *prove, status=2)


def test_prove__node_that_simulates_nothing__tells_refusals_too(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, court = Chain.rpc, bench.court

    def older(chain: Chain, method: str, *params: Any) -> Any:
        if method == "eth_simulateV1":
            raise RpcError("eth_simulateV1: the method doesn't exist", code=-32601)
        return whole(chain, method, *params)

    monkeypatch.setattr(Chain, "rpc", older)
    court.sees(bench.witness, 0, bench.epoch)
    court.sees(bench.witness, 0, bench.epoch + 5)
    said = bench.run.done("equivocation", "prove", "--oracle", bench.url, *PURSE, "--yes", "--json")
    assert [one["epoch"] for one in said.json["proved"]] == [bench.epoch]
    assert "isn't over before" in said.err


def test_slash__once_the_appeal_is_over__burns_the_bond(bench: Bench) -> None:
    court, member = bench.court, bench.court.member(2)
    slash = ("equivocation", "slash", member, *PURSE, "--yes")
    bench.run.refused("neither a proven equivocation nor a blacklisting", *slash, status=2)
    court.bonded(member)
    court.sees(bench.witness, 2, bench.epoch)
    bench.run.done("equivocation", "prove", "--oracle", bench.url, *PURSE, "--yes")
    bench.run.refused("can be slashed from", *slash, status=1)
    court.until(court.network.trust.functions.standingOf(4 << 248 | int(member, 16), SUSPENDED).call()[1])
    shown = bench.run.done("equivocation", "show", "--oracle", bench.url).out
    assert f"its bond of 700 LUSD can be slashed: `epochal equivocation slash {member}`" in shown
    said = bench.run.done(*slash, "--json").json
    assert said["slashed"] == [{"member": member, "token": court.network.token.address, "units": str(BOND)}]
    assert court.network.bonds.functions.burnable(court.network.token.address).call() == BOND
    bench.run.refused("no bond is left to slash", *slash, status=2)
    assert "it has no bond to slash" in bench.run.done("equivocation", "show", "--oracle", bench.url).out


def test_slash__blacklisting_under_appeal__waits(bench: Bench) -> None:
    court, member = bench.court, bench.court.member(2)
    subject, trust = 4 << 248 | int(member, 16), bench.court.network.trust.functions
    court.bonded(member)
    court.do(court.admin, trust.blacklist(subject, 7, b"\1" * 32))
    court.do(court.admin, trust.appeal(subject, 3, b"\2" * 32))
    bench.run.refused("is under appeal", "equivocation", "slash", member, *PURSE, status=1)
