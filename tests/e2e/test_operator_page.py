# SPDX-License-Identifier: Apache-2.0
"""docs/operator.md as a newcomer reads it: its blocks, one after the other, in one shell."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from tests.project import ROOT

PAGE = (ROOT / "docs" / "operator.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
PORTS = (8600, 8610, 8620)
# What tells a block by which something is judged below.
NAMES = ("|| echo", "announce", "of 5 oracles signed", "explain", "v1/reports")


def project_in(folder: Path) -> Path:
    """The project's folder, with nothing of this page's in it yet."""
    for entry in ROOT.iterdir():
        if entry.name != "trial":
            (folder / entry.name).symlink_to(entry)
    return folder


def taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.timeout(420)
def test_operator_page__followed_to_the_letter__ends_with_an_oracle_that_votes(tmp_path: Path) -> None:
    if any(map(taken, PORTS)):
        pytest.skip(f"the page's ports {PORTS} are in use here")
    folder = project_in(tmp_path)
    script = "set -e -o pipefail\n" + "".join(f"echo; echo '== block {n}'\n{block}" for n, block in enumerate(BLOCKS))
    # A file, not a pipe: what the page leaves running would keep a pipe open for ever.
    output = tmp_path / "said.txt"
    with (
        output.open("w") as said_here,
        subprocess.Popen(
            ["bash", "-c", script],
            cwd=folder,
            stdout=said_here,
            stderr=subprocess.STDOUT,
            env={name: value for name, value in os.environ.items() if not name.startswith("EPOCHAL_ORACLE_")},
            start_new_session=True,
        ) as shell,
    ):
        try:
            shell.wait(timeout=400)
        except subprocess.TimeoutExpired:
            pytest.fail(f"the page doesn't end:\n{output.read_text()[-4000:]}")
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)
    said = output.read_text()
    trial = folder / "trial"
    logs = "".join(
        f"\n{one}:\n{(trial / one).read_text()[-2000:]}"
        for one in ("oracle.log", "again.log")
        if (trial / one).exists()
    )
    assert shell.returncode == 0, said[-4000:] + logs
    parts = re.split(r"^== block \d+\n", said, flags=re.MULTILINE)[1:]
    told = {name: part for part, block in zip(parts, BLOCKS, strict=True) for name in NAMES if name in block}
    assert "the doctor found something wrong" in told["|| echo"]
    assert "WRONG" not in told["announce"]
    assert "of 5 oracles signed" in told["of 5 oracles signed"]
    # In both runs, before and after the kill.
    votes: dict[int, set[str]] = {}
    for name in ("oracle.log", "again.log"):
        for line in (trial / name).read_text().splitlines():
            event = json.loads(line)
            assert event["event"] != "bug", line
            if event["event"] == "voted":
                votes.setdefault(event["epoch"], set()).add(event["text"])
    assert len(votes) >= 2
    assert all(len(reports) == 1 for reports in votes.values())
    assert "up" in told["explain"]
    assert '"attested"' in told["v1/reports"]
    assert (trial / "backup.sqlite").stat().st_size > 0


def test_operator_page__its_commands__are_all_in_blocks_that_run() -> None:
    prose = re.sub(r"^```sh\n.*?^```$", "", PAGE, flags=re.MULTILINE | re.DOTALL)
    assert "```" not in prose
    assert not re.search(r"^ {4}\S", prose, flags=re.MULTILINE)
