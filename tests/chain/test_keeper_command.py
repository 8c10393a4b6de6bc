# SPDX-License-Identifier: Apache-2.0
"""`epochal keeper`, as an operator calls it: trees come from an oracle's evidence, blocks from a chain that goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.keeper import keeper
from oracle.signing.signer import LocalSigner
from scenario.market import key_of
from tests.chain.history import History
from tests.chain.keeping import assignments
from tests.project import ROOT

pytestmark = pytest.mark.chain
KEY = key_of("keeper by command")


@contextmanager
def going_on(history: History) -> Iterator[None]:
    """A block a second, while a command runs."""
    chain = history.town.at.chain
    with history.undone():
        chain.rpc("anvil_setBalance", LocalSigner(KEY).address, hex(10**20))
        chain.rpc("evm_setIntervalMining", 1)
        try:
            yield
        finally:
            chain.rpc("evm_setIntervalMining", 0)


def run(history: History, *arguments: str) -> tuple[int, str]:
    options = ["--network", str(history.addresses), "--rpc", history.town.at.chain.url, "--tick", "10"]
    found = CliRunner().invoke(
        keeper, [arguments[0], *options, *arguments[1:]], env={"KEEPER_KEY": "0x" + KEY.hex()}, catch_exceptions=True
    )
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    return found.exit_code, found.output


def test_plan__of_settled_reports__tells_the_payments_and_what_they_cost(history: History) -> None:
    code, text = run(history, "plan")
    assert code == 0
    assert "pay 3 assignments, 1/0/1 first" in text
    assert "1 transactions, about" in text
    told = json.loads(run(history, "plan", "--json")[1])
    (action,) = told["actions"]
    assert (action["kind"], int(action["gas"]) > 60_000) == ("claim", True)
    token = history.town.network.addresses.token
    assert "nothing to send now" in run(history, "plan", "--least-paid", f"{token}=1000")[1]


def test_run__once__pays_all_and_ends(history: History, tmp_path: Path) -> None:
    settings = tmp_path / "keeper.toml"
    settings.write_text('every = 0.3\nkey_env = "KEEPER_KEY"\npatience = 60\n', encoding="utf-8")
    with going_on(history):
        arguments = ("run", "--config", str(settings), "--state", str(tmp_path / "state"), "--once")
        assert run(history, *arguments)[0] == 0
        books = history.town.keeper.booked(assignments(history.town))
        assert all(one.claimed == one.earned > 0 for one in books.values())
        assert "nothing to send now" in run(history, *arguments[:-1], "--plan")[1]
    newest = history.reports[-1].draft
    kept = tmp_path / "state" / "trees" / f"{newest.report.epoch}.tree.json"
    assert len(json.loads(kept.read_text(encoding="utf-8"))) == len(newest.tree.leaves)


def test_run__with_an_unknown_setting__names_it_and_the_known_ones(history: History, tmp_path: Path) -> None:
    settings = tmp_path / "keeper.toml"
    settings.write_text("staggger = 3\n", encoding="utf-8")
    with pytest.raises(Exception, match=r"staggger is no setting; those are .*stagger"):
        run(history, "run", "--config", str(settings))


def test_run__as_a_process__keeps_until_it_is_told_to_stop(history: History, tmp_path: Path) -> None:
    options = ["--network", str(history.addresses), "--rpc", history.town.at.chain.url, "--tick", "10"]
    command = [sys.executable, "-m", "cli.main", "keeper", "run", *options, "--key-env", "KEEPER_KEY", "--every", "0.3"]
    command += ["--stagger", "1", "--state", str(tmp_path / "state")]
    log = tmp_path / "log"
    with going_on(history), log.open("wb") as output:
        environment = {**os.environ, "KEEPER_KEY": "0x" + KEY.hex()}
        with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=output) as process:
            end = time.monotonic() + 60
            while b"final: pay 3 assignments" not in log.read_bytes() and time.monotonic() < end:
                time.sleep(0.2)
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0, log.read_text(encoding="utf-8")
        books = history.town.keeper.booked(assignments(history.town))
        assert all(one.claimed == one.earned > 0 for one in books.values()), log.read_text(encoding="utf-8")
