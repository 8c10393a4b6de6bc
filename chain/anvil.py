"""Start and stop a private anvil."""

from __future__ import annotations

import atexit
import ctypes
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from chain.compiler import ROOT
from oracle.ground.errors import EpochalError

HARDFORK = "prague"
CHAIN_ID = 31337
_PR_SET_PDEATHSIG = 1


class AnvilUnavailable(EpochalError):
    """anvil isn't installed, or it stopped before it listened."""


def binary() -> str:
    """The anvil of this project's npm packages, else the one on PATH."""
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    native = ROOT / f"node_modules/@foundry-rs/anvil-{platform.system().lower()}-{machine}/bin/anvil"
    found = str(native) if native.exists() else shutil.which("anvil")
    if not found:
        raise AnvilUnavailable(
            f"no anvil for {platform.system()} {platform.machine()}: run `make setup`, or install Foundry so that "
            "`anvil` is on PATH"
        )
    return found


def die_with_parent() -> None:
    """For a child before it starts: have it killed when the thread that started it is gone, whatever ended that. Linux
    only; elsewhere a killed parent leaves its children."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Anvil:
    """A private anvil on a free port of the loopback address. `extra` are further arguments of anvil's."""

    def __init__(self, *extra: str, timestamp: int | None = None, log: Path | None = None) -> None:
        arguments = [binary(), "--port", "0", "--hardfork", HARDFORK, "--chain-id", str(CHAIN_ID)]
        if timestamp is not None:
            arguments += ["--timestamp", str(timestamp)]
        self._log = log.open("a") if log else None
        # Old states go to disk, gigabytes in a long run, and one that is killed leaves them in the user's home.
        self._states = tempfile.TemporaryDirectory(prefix="epochal-anvil-", ignore_cleanup_errors=True)
        arguments += ["--cache-path", self._states.name]
        self._process = subprocess.Popen(
            [*arguments, *extra],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # A Ctrl-C at the terminal is for us to handle: anvil must outlive the last calls.
            start_new_session=True,
            preexec_fn=die_with_parent,
        )
        atexit.register(self.close)
        self.url = "http://" + self._listening()
        # anvil logs every call, and blocks when nobody reads the pipe.
        threading.Thread(target=self._drain, name="anvil-log", daemon=True).start()

    def _listening(self) -> str:
        assert self._process.stdout is not None
        said = []
        for line in self._process.stdout:
            said.append(line)
            if found := re.search(r"Listening on (\S+:\d+)", line):
                return found[1]
        self.close()
        raise AnvilUnavailable("anvil stopped before it listened:\n" + "".join(said))

    def _drain(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if self._log:
                self._log.write(line)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def close(self) -> None:
        """Stop anvil; does nothing when it has stopped already."""
        atexit.unregister(self.close)
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._states.cleanup()
        if self._log:
            self._log.close()
            self._log = None

    def __enter__(self) -> Anvil:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
