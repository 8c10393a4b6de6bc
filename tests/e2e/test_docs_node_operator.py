# SPDX-License-Identifier: Apache-2.0
"""docs/node-operator.md, followed literally: its blocks, one after the other, in one shell."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from chain.anvil import binary
from tests.project import ROOT

PAGE = (ROOT / "docs" / "node-operator.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
LOGS = ("network.log", "orchestrator.log", "node.log", "keeper.log")


def free_port() -> str:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return str(listening.getsockname()[1])


@pytest.mark.long
@pytest.mark.timeout(420)
def test_operator_page__followed_literally__ends_with_a_paid_operator(tmp_path: Path) -> None:
    assert len(BLOCKS) >= 12
    # Another port, since others' tests run beside this one; nothing else is changed.
    blocks = [one.replace("8630", PORT) for PORT in [free_port()] for one in BLOCKS]
    script = "set -e -o pipefail\n" + "".join(f"echo; echo '== block {n}'\n{block}" for n, block in enumerate(blocks))
    commands = tmp_path / "bin"
    commands.mkdir()
    (commands / "epochal").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m cli.main "$@"\n')
    (commands / "epochal").chmod(0o755)
    path = os.pathsep.join([str(commands), str(Path(sys.executable).parent), str(Path(binary()).parent)])
    environment = {name: value for name, value in os.environ.items() if not name.startswith("EPOCHAL_")}
    # A file, not a pipe: what the page leaves running would keep a pipe open for ever.
    output = tmp_path / "said.txt"
    with (
        output.open("w") as said_here,
        subprocess.Popen(
            ["bash", "-c", script],
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            stdout=said_here,
            stderr=subprocess.STDOUT,
            env={**environment, "PATH": os.pathsep.join([path, os.environ["PATH"]]), "PYTHONPATH": str(ROOT)},
            start_new_session=True,
        ) as shell,
    ):
        try:
            shell.wait(timeout=380)
        except subprocess.TimeoutExpired:
            pytest.fail(f"the page doesn't end:\n{output.read_text()[-4000:]}{logs(tmp_path)}")
        finally:
            # The network ends what it started when it is asked to, and only then.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGTERM)
                deadline = time.monotonic() + 20
                while time.monotonic() < deadline:
                    os.killpg(shell.pid, 0)
                    time.sleep(0.2)
                os.killpg(shell.pid, signal.SIGKILL)
    said = output.read_text()
    assert shell.returncode == 0, said[-4000:] + logs(tmp_path)
    assert re.search(r"^licence \d+ is yours$", said, flags=re.MULTILINE)
    assert re.search(r"^paid: [0-9.]+ LUSD$", said, flags=re.MULTILINE)
    assert re.search(r"^  epoch \d+ +up \d+ of \d+ s observed", said, flags=re.MULTILINE)
    assert re.search(r"^licence \d+ is unlinked$", said, flags=re.MULTILINE)


def logs(folder: Path) -> str:
    return "".join(f"\n{one}:\n{(folder / one).read_text()[-1500:]}" for one in LOGS if (folder / one).exists())
