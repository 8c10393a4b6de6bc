"""Commands of a local network as real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from chain.anvil import die_with_parent
from chain.compiler import ROOT

_KEY_VARIABLE = "EPOCHAL_NODE_KEY"


class CommandProcess:
    """One `epochal` command in a process of its own; its output goes to the end of `log`.

    It dies with the thread that makes it, whatever ends that.
    """

    def __init__(self, name: str, arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self.name = name
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "cli.main", *arguments],
                cwd=ROOT,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # A Ctrl-C at the terminal is for whoever started it to handle.
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

    @property
    def status(self) -> int | None:
        """Its exit status, negative for a signal; None while it runs."""
        return self._process.poll()

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


class NodeProcess(CommandProcess):
    """One agent, `epochal node run`."""

    def __init__(
        self,
        name: str,
        key: bytes,
        oracles: Sequence[str],
        chain_id: int,
        attestations: str,
        tick: int,
        log: Path,
        receipts: Path | None = None,
        further: Sequence[str] = (),
    ) -> None:
        """`receipts`: folder in which it keeps the oracles' receipts. `further`: options beside these."""
        arguments = ["node", "run", *(option for url in oracles for option in ("--oracle", url))]
        arguments += ["--chain-id", str(chain_id), "--attestations", attestations]
        arguments += ["--key-env", _KEY_VARIABLE, "--tick", str(tick)]
        if receipts is not None:
            arguments += ["--receipts", str(receipts)]
        arguments += further
        super().__init__(name, arguments, {_KEY_VARIABLE: "0x" + key.hex()}, log)


class OracleProcess(CommandProcess):
    """One oracle, `epochal oracle run`, with its settings in a file and its keys in variables."""

    def __init__(self, name: str, config: Path, keys: Mapping[str, bytes], log: Path) -> None:
        variables = {variable: "0x" + key.hex() for variable, key in keys.items()}
        super().__init__(name, ["oracle", "run", "--config", str(config)], variables, log)
