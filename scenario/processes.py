"""Node agents as real processes of a local network."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from chain.anvil import die_with_parent
from chain.compiler import ROOT

_KEY_VARIABLE = "EPOCHAL_NODE_KEY"


class NodeProcess:
    """One agent, `epochal node run`, in a process of its own; its output goes to `log`."""

    def __init__(
        self, name: str, key: bytes, oracles: Sequence[str], chain_id: int, attestations: str, tick: int, log: Path
    ) -> None:
        self.name = name
        arguments = [option for url in oracles for option in ("--oracle", url)]
        arguments += ["--chain-id", str(chain_id), "--attestations", attestations]
        arguments += ["--key-env", _KEY_VARIABLE, "--tick", str(tick)]
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "cli.main", "node", "run", *arguments],
                cwd=ROOT,
                env={**os.environ, _KEY_VARIABLE: "0x" + key.hex()},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # A Ctrl-C at the terminal is for the demonstration to handle.
                start_new_session=True,
                preexec_fn=die_with_parent,
            )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process is there (a paused one is)."""
        return self._process.poll() is None

    def kill(self) -> None:
        """As the power failing: SIGKILL."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def pause(self) -> None:
        """Stop it where it is: SIGSTOP."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on: SIGCONT."""
        self._process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """End it, whatever state it is in."""
        if self.running:
            self.kill()
