"""A workload's source: a branch of a Git repository, cloned and built for each commit that runs.

Git runs behind a guard like everything else, with no prompt, no hooks, no settings of this host's user, and only over
the ways that the operator allows: a repository is somebody else's word.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from node.running.errors import CannotRun, TryAgain
from node.running.supervisor import Command, Ended, Supervisor
from orchestrator.wire.intent_parts import Source

CLONE_SECONDS = 600.0
LOOK_SECONDS = 60.0
BUILD_SECONDS = 1800.0
LONGEST_BACKOFF = 300
"""Seconds, at most, between two looks at a repository that can't be reached."""
_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_CREDENTIALS = re.compile(r"(?<=//)[^/@\s]+@")


def redacted(text: str) -> str:
    """The text without user and password of any URL in it."""
    return _CREDENTIALS.sub("…@", text)


def git_environment(home: Path, schemes: Collection[str]) -> dict[str, str]:
    """What Git gets to see."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "true",
        "GIT_SSH_COMMAND": "ssh -oBatchMode=yes",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_ALLOW_PROTOCOL": ":".join(sorted(schemes)),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "http.followRedirects",
        "GIT_CONFIG_VALUE_0": "false",
    }


class Checkout:
    """One workload's repository. `base` says how commands are run: limits, logs, the folder that is counted."""

    def __init__(self, source: Source, supervisor: Supervisor, base: Command, home: Path, schemes: Collection[str]):
        """CannotRun for a way to the repository that this node doesn't allow."""
        self._source = source
        self._supervisor = supervisor
        self._environment = git_environment(home, schemes)
        self._base = base
        scheme = urlsplit(source.repository).scheme
        if scheme not in schemes:
            raise CannotRun(
                f"{redacted(source.repository)}: this node clones over {', '.join(sorted(schemes))} alone: "
                f"use one of those, or have its operator allow {scheme} with --git-scheme"
            )

    async def newest(self) -> str:
        """The branch's newest commit. TryAgain if the repository doesn't tell, or has no such branch."""
        ref = f"refs/heads/{self._source.branch}"
        out = self._base.output.with_name("git-look")
        _forget(out)
        command = replace(self._git("ls-remote", "--", self._source.repository, ref), output=out)
        ended = await self._supervisor.finish(command, LOOK_SECONDS)
        if ended.failed:
            raise TryAgain(self._failure("git ls-remote", ended, out))
        commit = tail(out, "stdout", 1).split("\t", 1)[0].strip()
        if not _COMMIT.fullmatch(commit):
            raise TryAgain(f"{redacted(self._source.repository)}: has no branch {self._source.branch!r}: push it")
        return commit

    async def clone(self, to: Path) -> str:
        """Clone the branch into the empty folder `to`; the commit that it is at. TryAgain if that fails."""
        out = self._base.output.with_name("git-clone")
        _forget(out)
        source = self._source
        words = ("clone", "--depth", "1", "--single-branch", "--no-tags", "--branch", source.branch, "--template=")
        ended = await self._supervisor.finish(
            replace(self._git(*words, "--", source.repository, str(to)), output=out), CLONE_SECONDS
        )
        if not ended.failed:
            ended = await self._supervisor.finish(
                replace(self._git("-C", str(to), "rev-parse", "HEAD"), output=out), LOOK_SECONDS
            )
        if ended.failed:
            raise TryAgain(self._failure("git clone", ended, out))
        return tail(out, "stdout", 1).strip()

    async def build(self, commands: tuple[tuple[str, ...], ...], folder: Path) -> None:
        """Run the build commands there, one after the other. CannotRun if one fails."""
        out = self._base.output.with_name("build")
        _forget(out)
        for argv in commands:
            command = replace(self._base, argv=argv, folder=folder, output=out)
            ended = await self._supervisor.finish(command, BUILD_SECONDS)
            if ended.failed:
                raise CannotRun(f"build {argv[0]!r} failed: {ended}; {tail(out, 'stderr', 3)}")

    def _git(self, *words: str) -> Command:
        return replace(
            self._base, argv=("git", *words), folder=self._base.watched, environment=self._environment, name="git"
        )

    def _failure(self, what: str, ended: Ended, out: Path) -> str:
        told = redacted(tail(out, "stderr", 3))
        return f"{what} of {redacted(self._source.repository)} failed: {ended}; {told or 'it said nothing'}"


def tail(output: Path, stream: str, lines: int) -> str:
    """The last lines that went to a command's output, as one line; "" if there are none."""
    try:
        with Path(f"{output}.{stream}.log").open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 4096))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return " | ".join(line.strip() for line in text.splitlines()[-lines:] if line.strip())


def _forget(output: Path) -> None:
    for stream in ("stdout", "stderr"):
        Path(f"{output}.{stream}.log").unlink(missing_ok=True)
