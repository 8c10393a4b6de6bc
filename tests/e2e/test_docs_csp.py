# SPDX-License-Identifier: Apache-2.0
"""docs/csp.md, followed literally: its shell blocks are run as one script, on a chain of their own."""

from __future__ import annotations

import csv
import os
import re
import socket
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

from chain.anvil import binary
from tests.project import ROOT

BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def free_port() -> str:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return str(listening.getsockname()[1])


def test_csp_page__followed_literally__leads_to_a_closed_job(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "csp.md").read_text(encoding="utf-8")
    blocks = BLOCK.findall(page)
    assert len(blocks) >= 8
    # Another port, since others' tests run beside this one; nothing else is changed.
    script = "set -e\n" + "".join(blocks).replace("8545", free_port())
    commands = tmp_path / "bin"
    commands.mkdir()
    (commands / "epochal").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m cli.main "$@"\n')
    (commands / "epochal").chmod(0o755)
    path = os.pathsep.join([str(commands), str(Path(binary()).parent), os.environ["PATH"]])
    try:
        done = subprocess.run(
            ["sh", "-c", script],
            cwd=tmp_path,
            env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=280,
        )
    finally:
        if (tmp_path / "anvil.pid").exists():
            subprocess.run(["kill", (tmp_path / "anvil.pid").read_text().strip()], capture_output=True)
    assert done.returncode == 0, done.stdout[-3_000:] + done.stderr[-3_000:]
    assert "job 1 is created" in done.stdout
    assert "job 1: closed" in done.stdout
    with (tmp_path / "job1.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert sum(Decimal(row["in"] or 0) - Decimal(row["out"] or 0) for row in rows) == 0
    assert "<svg" in (tmp_path / "job1.html").read_text(encoding="utf-8")
