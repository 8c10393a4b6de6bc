# SPDX-License-Identifier: Apache-2.0
"""The real process under load: `epochal oracle intake` on a network told by options, watched from outside."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.epoch import CONTRACT
from benchmarks.load import LoadFailed
from oracle.ground.clock import EpochClock
from oracle.telemetry.store.bitmaps import BitmapStore
from oracle.telemetry.store.opening import open_store

ROOT: Final = Path(__file__).resolve().parents[1]
CHAIN: Final = 31_337
ORACLE_KEY: Final = "0x" + "42" * 32
START_SECONDS: Final = 120
STOP_SECONDS: Final = 60

_LISTENING: Final = re.compile(rb"listening on (http://\S+),")
_TICKS_A_SECOND: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process has used: processor seconds, and bytes of memory now."""

    cpu: float
    resident: int


class IntakeProcess:
    """One intake on one store; it may be killed and started again. `clock.genesis` lies in the past."""

    def __init__(
        self, folder: Path, store: str, clock: EpochClock, addresses: list[str], hurried: str | None = None
    ) -> None:
        """`hurried`: Python that runs before the process begins, to have it do often what it does seldom."""
        self.clock = clock
        self.store = store
        self.url = ""
        self._log = folder / "intake.log"
        nodes = folder / "nodes.json"
        nodes.write_text(json.dumps(addresses), encoding="utf-8")
        options = {
            "store": store,
            "listen": "127.0.0.1:0",
            "key-env": "ORACLE_KEY",
            "nodes": nodes,
            "chain-id": CHAIN,
            "attestations": CONTRACT,
            "genesis": clock.genesis,
            "epoch-length": clock.length,
            "tick": clock.tick,
        }
        start = "import sys; from cli.main import main; sys.argv[0] = 'epochal'; sys.exit(main())"
        self._command = [sys.executable, "-c", f"{hurried or ''}\n{start}", "oracle", "intake"]
        for name, value in options.items():
            self._command += [f"--{name}", str(value)]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def launch(self) -> None:
        """Start it, without waiting until it listens."""
        with self._log.open("wb") as log:
            environment = {**os.environ, "ORACLE_KEY": ORACLE_KEY}
            self._process = subprocess.Popen(self._command, cwd=ROOT, env=environment, stdout=log, stderr=log)

    def wait(self) -> str:
        """The URL it listens on. LoadFailed with what it said if it doesn't."""
        assert self._process is not None
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            found = _LISTENING.search(self._log.read_bytes())
            if found:
                self.url = found[1].decode()
                return self.url
            if self._process.poll() is not None:
                break
            time.sleep(0.01)
        self.kill()
        raise LoadFailed(f"the intake doesn't listen; it said:\n{self.said()}")

    def start(self) -> str:
        """Start it and wait until it listens."""
        self.launch()
        return self.wait()

    def kill(self) -> None:
        """SIGKILL, at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """End it as a supervisor would. LoadFailed unless it ends well."""
        assert self._process is not None
        self._process.terminate()
        try:
            code = self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            code = None
        if code != 0:
            self.kill()
            raise LoadFailed(f"the intake ended with {code} when it was told to stop; it said:\n{self.said()}")

    def said(self) -> str:
        """The end of its log."""
        return self._log.read_text(errors="replace")[-2_000:]

    def usage(self) -> Usage:
        """What it has used up to now. LoadFailed when it isn't running any more."""
        status = Path(f"/proc/{self.pid}/stat")
        try:
            if status.exists():
                fields = status.read_text().rpartition(") ")[2].split()
                cpu = (int(fields[11]) + int(fields[12])) / _TICKS_A_SECOND
                return Usage(cpu, int(fields[21]) * os.sysconf("SC_PAGE_SIZE"))
            told = subprocess.run(
                ["ps", "-o", "time=,rss=", "-p", str(self.pid)], capture_output=True, text=True, check=True
            ).stdout.split()
        except (OSError, subprocess.CalledProcessError, IndexError) as error:
            raise LoadFailed(f"the intake is gone; it said:\n{self.said()}") from error
        seconds = 0.0
        for part in told[0].replace("-", ":").split(":"):
            seconds = seconds * 60 + float(part)
        return Usage(seconds, int(told[1]) * 1_024)

    def read(self) -> BitmapStore:
        """Its store, for reading, while it doesn't run."""
        return open_store(self.store, self.clock, f"{CHAIN}:{CONTRACT}", read_only=True)

    def __enter__(self) -> IntakeProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def clock_now(epoch_length: int, tick: int) -> EpochClock:
    """A clock whose epoch 0 began a whole tick ago at the latest."""
    now = int(time.time())
    return EpochClock(now - now % tick - tick, epoch_length, tick)


def scratch() -> Path:
    """A folder on the repository's own disk: what is called temporary is often memory, which syncs for nothing."""
    folder = ROOT / ".cache"
    folder.mkdir(exist_ok=True)
    return folder
