# SPDX-License-Identifier: Apache-2.0
"""`epochal oracle` and `epochal explain` as an operator has them: processes, files, and what they print."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from oracle.ground.bitmap import span
from oracle.ground.clock import EpochClock
from oracle.ground.ids import pack
from oracle.ground.typed_data import Heartbeat
from oracle.signing.signer import LocalSigner, derive
from oracle.telemetry.store.opening import open_store, open_to_read
from oracle.telemetry.store.records import Kind
from oracle.telemetry.wire import heartbeat
from oracle.telemetry.wire.workloads import Health
from tests.project import ROOT

ORACLE = b"\x07" * 32
ATTESTATIONS = "0x" + "11" * 20
DOMAIN = Heartbeat.domain(31337, ATTESTATIONS)
NODE, IDLE = derive("intake", "node"), derive("intake", "idle")
MINE = pack(7, 0, 1)
COMMAND = [sys.executable, "-m", "cli.main"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "ORACLE_KEY": "0x" + ORACLE.hex()}


def epochal(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, *arguments]
    return subprocess.run(command, cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, timeout=60)


@dataclass(frozen=True)
class World:
    """A network told by options, whose epoch 0 began a while ago."""

    folder: Path
    genesis: int

    def options(self, store: str, *more: str) -> list[str]:
        nodes = self.folder / "nodes.json"
        nodes.write_text(json.dumps({NODE.address: [MINE], IDLE.address: []}))
        return [
            *("oracle", "intake", "--store", store, "--listen", "127.0.0.1:0", "--key-env", "ORACLE_KEY"),
            *("--nodes", str(nodes), "--chain-id", "31337", "--attestations", ATTESTATIONS),
            *("--genesis", str(self.genesis), "--epoch-length", "3600", "--tick", "10", *more),
        ]

    @contextmanager
    def intake(self, store: str, *more: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
        """The running process and its URL."""
        with self.running(self.options(store, *more)) as running:
            yield running

    @contextmanager
    def running(self, options: list[str]) -> Iterator[tuple[str, subprocess.Popen[str]]]:
        """As `intake`, with all options."""
        command = [*COMMAND, *options]
        with subprocess.Popen(
            command, cwd=self.folder, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            try:
                line = process.stdout.readline()
                assert ": listening on http://" in line, line
                yield line.split(" listening on ")[1].split(",")[0], process
            finally:
                process.kill()


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, int(time.time()) - 1_000)


def call(url: str, body: bytes | None = None) -> tuple[int, Any]:
    try:
        with urlopen(Request(url, data=body), timeout=10) as response:
            return response.status, json.load(response)
    except HTTPError as error:
        return error.code, json.load(error)


def beat(url: str, sequence: int, signer: LocalSigner = NODE) -> tuple[int, Any]:
    terms = call(url + "/v1/challenge")[1]
    reported = {MINE: Health.STARTING, pack(8, 0, 1): Health.HEALTHY}
    challenge = bytes.fromhex(terms["challenge"][2:])
    body = heartbeat.sign(signer, DOMAIN, terms["oracle"], sequence, challenge, reported)
    return call(url + "/v1/heartbeats", body)


def test_intake__beats_then_sigterm__kept_and_explained(world: World) -> None:
    with world.intake("oracle.sqlite", "--tick", "1") as (url, process):
        assert call(url + "/ready") == (200, {"ready": True, "reason": None})
        time.sleep(1.1)  # the tick in which it started wasn't observed whole
        status, answer = beat(url, 1)
        time.sleep(1.3)  # one that isn't over is pending
        assert (status, answer["fenced"][0]["assignments"]) == (200, [str(pack(8, 0, 1))])
        beside = epochal("explain", NODE.address, "--store", "oracle.sqlite", "--json", cwd=world.folder)
        assert beside.returncode == 0, beside.stderr
        told = json.loads(beside.stdout)
        assert (told["tracks"][0]["evidence"], told["tracks"][0]["up"]) == ("liveness", 1)
        assert told["tracks"][1]["assignment"] == str(MINE)
        assert len(told["tracks"]) == 2  # nobody probed
        assert told["still_running"]
        second = epochal(*world.options("oracle.sqlite"), cwd=world.folder)
        assert (second.returncode, "in use" in second.stderr) == (1, True)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
        assert (process.returncode, err) == (0, "")
        assert out.endswith("stopped after 1 heartbeats\n")
    shown = epochal("explain", NODE.address, "0", "--store", "oracle.sqlite", cwd=world.folder)
    assert shown.returncode == 0, shown.stderr
    assert f"node {NODE.address}, epoch 0" in shown.stdout
    assert "1  workload not healthy\n" in shown.stdout
    assert "before this oracle observed; unmeasured: not paid, not withheld" in shown.stdout
    assert " ... not over yet\n" in shown.stdout
    assert "not over yet = 3,600\n" in shown.stdout
    for line in shown.stdout.splitlines():
        assert len(line) <= 100


def test_explain__epoch_left_out__the_newest_that_is_over(tmp_path: Path) -> None:
    clock = EpochClock(int(time.time()) // 10 * 10 - 5 * 1800 - 900, 1800, 10)
    store = open_store(tmp_path / "oracle.sqlite", clock, "31337:" + ATTESTATIONS)
    way, node = store.way("http"), bytes.fromhex(NODE.address[2:])
    liveness, health = store.track(Kind.LIVENESS, node), store.track(Kind.HEALTH, node + MINE.to_bytes(16, "big"))
    other, probe = store.track(Kind.LIVENESS, b"\x05" * 20), store.track(Kind.PROBE, MINE.to_bytes(16, "big"))
    first, every = span(range(100, 180)), span(range(180))
    store.set_journal_floor(1)
    for epoch, seen in ((2, first), (3, every), (4, every), (5, span(range(40)))):
        store.observe(way, epoch, seen)
        store.mark_bits(other, epoch, seen, way)
        store.mark_bits(probe, epoch, seen)
        store.see(probe, epoch, seen)
    store.mark_bits(liveness, 2, first, way)
    store.mark_bits(health, 2, first, way)
    store.close()
    policy = tmp_path / "policy.json"
    policy.write_text('{"evidence": "health"}')

    def told(*arguments: str) -> dict[str, Any]:
        more = ("--store", "oracle.sqlite", "--policy", "policy.json", "--json")
        done = epochal("explain", NODE.address, *arguments, *more, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    first_epoch, newest = told("2"), told()
    assert [one["totals"] for one in first_epoch["tracks"]] == [{"before_oracle": 100, "up": 80}] * 3
    assert first_epoch["tracks"][1]["by_policy"] == {"earned": 800, "withheld": 0, "unmeasured": 1000}
    assert (newest["epoch"], newest["still_running"]) == (4, False)
    # Down all epoch: what its agent reported on before is told; what its probes found only for whoever asks.
    assert [one["evidence"] for one in newest["tracks"]] == ["liveness", "health"]
    assert newest["tracks"][1]["note"] == "last reported on in epoch 2: it may have ended or moved since"
    assert newest["tracks"][1]["by_policy"] == {"earned": 0, "withheld": 1800, "unmeasured": 0}
    assert [one["evidence"] for one in told("4", "--assignment", "7/0/1")["tracks"]] == ["liveness", "health", "probe"]
    assert told("5")["still_running"]


def test_explain__what_isn_t_there__told_in_one_line(world: World) -> None:
    with world.intake("oracle.sqlite") as (url, _):
        assert beat(url, 1)[0] == 200
        for arguments, told in (
            (["0x" + "99" * 20], "never heard of it"),
            (["0x" + "99" * 20], 'epochal_heartbeats_refused_total{reason="unknown_node"}'),
            (["0x99"], "NODE: address is"),
            ([NODE.address, "77"], "EPOCH 77: isn't kept"),
            ([NODE.address, "-12"], "EPOCH is '-12': give a whole number, 0 or more"),
            ([NODE.address, "twelve"], "EPOCH is 'twelve': give a whole number, 0 or more"),
            ([NODE.address, "--assignment", "7/0"], "--assignment: assignment is '7/0'"),
            ([NODE.address, "--policy", "nowhere.json"], "--policy nowhere.json: "),
            ([NODE.address, "--nothing"], "No such option: --nothing"),
        ):
            done = epochal("explain", *arguments, "--store", "oracle.sqlite", cwd=world.folder)
            assert (done.returncode, done.stdout) == (2, ""), done
            assert told in done.stderr
            assert done.stderr.count("\n") == 1
    missing = epochal("explain", NODE.address, "--store", "nowhere.sqlite", cwd=world.folder)
    assert (missing.returncode, missing.stderr.count("\n")) == (1, 1)
    assert not (world.folder / "nowhere.sqlite").exists()


def test_backup__while_in_use__restores_to_a_store_that_serves(world: World) -> None:
    with world.intake("oracle.sqlite") as (url, _):
        assert beat(url, 1)[0] == 200
        made = epochal("oracle", "backup", "--store", "oracle.sqlite", "copy.sqlite", cwd=world.folder)
        assert made.returncode == 0, made.stderr
        assert made.stdout.startswith("copy.sqlite: ")
    again = epochal("oracle", "backup", "--store", "oracle.sqlite", "copy.sqlite", cwd=world.folder)
    assert (again.returncode, again.stderr.count("\n")) == (1, 1)
    back = epochal("oracle", "restore", "copy.sqlite", "--store", "second.sqlite", cwd=world.folder)
    assert (back.returncode, back.stdout) == (0, "second.sqlite: restored; no epoch is over yet\n"), back.stderr
    with world.intake("second.sqlite") as (url, _):
        status, given = call(f"{url}/v1/receipts/{NODE.address}/0")
        assert (status, "receipt" in given) == (200, True)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--listen", "8600"], "--listen is '8600'"),
        (["--tick", "7"], "--genesis, --epoch-length, --tick"),
        (["--retain", "1"], "--retain 1: give more epochs"),
        (["--chain-id", "0"], "--chain-id is 0"),
        (["--attestations", "0x12"], "--attestations: address is"),
        (["--worker", "a b"], "--worker is 'a b'"),
        (["--rpc", "http://127.0.0.1:1"], "--nodes: leave it out"),
        (["--mqtt", "http://broker"], "--mqtt: the broker's URL is 'http://broker'"),
        (["--mqtt", "mqtt://me:hunter2@broker"], "take them out; --mqtt-username and --mqtt-password-env"),
        (["--prometheus", "http://me:hunter2@prometheus"], "take them out; --prometheus-user"),
        (["--probes", "targets.json", "--probe-refuse", "10.0.0.1/8"], "--probe-allow or --probe-refuse: network is"),
        (["--mqtt", "mqtt://broker", "--mqtt-username", "me"], "belong together"),
        (["--probes", "nowhere.json"], "--probes nowhere.json"),
        (["--challenge-secret-env", "NOT_SET"], "--challenge-secret-env NOT_SET"),
        (["--nodes", "nowhere.json"], "--nodes nowhere.json"),
        (["--key-env", "NOT_SET"], "--key-env NOT_SET: the variable is not set"),
    ],
)
def test_intake__option_that_can_t_work__refused_and_nothing_made(world: World, options: list[str], told: str) -> None:
    done = epochal(*world.options("oracle.sqlite"), *options, cwd=world.folder)
    assert (done.returncode, done.stdout) == (2, ""), done
    assert told in done.stderr
    assert "hunter2" not in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (world.folder / "oracle.sqlite").exists()


def test_intake__new_store_on_a_network_that_runs__signs_nothing_of_the_past(tmp_path: Path) -> None:
    world = World(tmp_path, int(time.time()) - 3 * 3600)
    for _ in range(2):
        with world.intake("oracle.sqlite") as (url, process):
            assert beat(url, time.time_ns())[0] == 200
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=20)
        store = open_to_read(tmp_path / "oracle.sqlite")
        assert store.journal_floor == 2
        store.close()


def test_intake__nodes_in_a_list__none_of_their_workloads_is_fenced(world: World) -> None:
    options = world.options("oracle.sqlite")
    (world.folder / "list.json").write_text(json.dumps([NODE.address]))
    (world.folder / "slots.json").write_text(json.dumps({NODE.address: ["7/0/1"], IDLE.address: None}))
    for name, fenced in (("list.json", False), ("slots.json", True)):
        options[options.index("--nodes") + 1] = str(world.folder / name)
        with world.running(options) as (url, _):
            assert ("fenced" in beat(url, time.time_ns())[1]) is fenced


def test_intake__store_of_another_oracle__refused(world: World) -> None:
    with world.intake("oracle.sqlite") as (url, _):
        assert beat(url, 1)[0] == 200
    environment = {**ENVIRONMENT, "ORACLE_KEY": "0x" + "08" * 32}
    command = [*COMMAND, *world.options("oracle.sqlite")]
    done = subprocess.run(command, cwd=world.folder, env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "oracle.sqlite: belongs to oracle 0x" in done.stderr


def test_intake__chain_that_doesn_t_answer_yet__waited_for(world: World) -> None:
    addresses = dict.fromkeys(("authority", "attestations", "licences", "escrow", "burner", "token"), ATTESTATIONS)
    (world.folder / "addresses.json").write_text(json.dumps({"chain_id": 31337, **addresses}))
    command = [*COMMAND, "oracle", "intake", "--store", "oracle.sqlite", "--key-env", "ORACLE_KEY"]
    command += ["--network", "addresses.json", "--rpc", "http://user:secret@127.0.0.1:9/key", "--listen", "127.0.0.1:0"]
    with subprocess.Popen(
        command, cwd=world.folder, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("--rpc: waiting for the chain; http://127.0.0.1:9 doesn't answer")
        assert "secret" not in line
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
        assert process.returncode == 0
