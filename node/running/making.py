"""Making a version of a workload ready to run: its root folder copied, its commit cloned and built.

Each version lies in a folder of its own, so that the one before runs on until the next is ready.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from node.running.errors import CannotRun, TryAgain
from node.running.images import copy_image, find_image
from node.running.source import Checkout
from node.running.supervisor import Command, Limits, Supervisor
from orchestrator.wire.intent import Intent


@dataclass(frozen=True, slots=True)
class Made:
    """A version that can run: its folder, the intent it is of, and of a repository the commit."""

    folder: Path
    intent: Intent
    commit: str = ""


class Maker:
    """Makes versions of one workload, in `home`, its folder.

    `images` is the node's image store, `schemes` the ways to repositories that it allows.
    """

    def __init__(self, home: Path, name: str, supervisor: Supervisor, images: Path | None, schemes: Collection[str]):
        self._home = home
        self._name = name
        self._supervisor = supervisor
        self._images = images
        self._schemes = schemes

    def prepare(self) -> None:
        """The folders that any version needs. OSError if the disk fails."""
        for folder in (self._home, self.logs, self.data, self.scratch):
            folder.mkdir(parents=True, exist_ok=True)
        self._home.chmod(0o711)
        for folder in (self.data, self.scratch):
            self._give(folder)

    @property
    def logs(self) -> Path:
        """Where output goes."""
        return self._home / "logs"

    @property
    def data(self) -> Path:
        """HOME of the workload: what it writes there stays over versions."""
        return self._home / "data"

    @property
    def scratch(self) -> Path:
        """TMPDIR of the workload."""
        return self._home / "tmp"

    @property
    def peers(self) -> Path:
        """JSON list of the other replicas; the agent's own file, that the workload may read."""
        return self._home / "peers.json"

    def limits(self, intent: Intent) -> Limits:
        """Of all that runs for this intent. CannotRun without memory."""
        asked = intent.resources
        if not asked.memory_mb:
            raise CannotRun("intent.resources.memory_mb is 0: no process runs without memory: ask for some")
        return Limits(asked.cpu_millis, asked.memory_mb, asked.storage_mb)

    def command(self, intent: Intent, argv: tuple[str, ...], folder: Path, environment: dict[str, str]) -> Command:
        """A command of this workload, with its limits and what every process of it gets."""
        basics = {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "HOME": str(self.data),
            "TMPDIR": str(self.scratch),
        }
        return Command(
            argv=argv,
            folder=folder,
            environment={**basics, **intent.env, **environment},
            output=self.logs / "workload",
            watched=self._home,
            limits=self.limits(intent),
            name=self._name,
        )

    async def make(self, intent: Intent) -> Made:
        """A new version. CannotRun, TryAgain or OSError if that fails; then nothing of it is left."""
        self.limits(intent)
        folder = self._home / f"version-{secrets.token_hex(6)}"
        try:
            if intent.image is not None:
                image = find_image(intent.image.folder, self._images)
                await asyncio.to_thread(copy_image, image, folder, intent.image.digest, intent.resources.storage_mb)
                made = Made(folder, intent)
            elif intent.source is not None:
                checkout = self._checkout(intent)
                folder.mkdir()
                self._give(folder)
                commit = await checkout.clone(folder)
                await checkout.build(intent.build, folder)
                made = Made(folder, intent, commit)
            else:
                folder.mkdir()
                made = Made(folder, intent)
                pipeline = intent.document["pipeline"]
                (folder / "pipeline.json").write_text(json.dumps(pipeline, indent=1), encoding="utf-8")
            await asyncio.to_thread(self._give, folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return made

    def again(self, name: str, intent: Intent, commit: str) -> Made | None:
        """The version of that name, if its folder is there; None: make a new one."""
        folder = self._home / name
        return Made(folder, intent, commit) if name and folder.is_dir() else None

    async def newest_commit(self, intent: Intent) -> str:
        """The newest commit of the intent's branch. TryAgain if nobody tells, CannotRun for a way not allowed."""
        return await self._checkout(intent).newest()

    def clear(self, keep: Path | None) -> None:
        """Remove all versions but one."""
        for folder in self._home.glob("version-*"):
            if folder != keep:
                shutil.rmtree(folder, ignore_errors=True)

    def remove(self) -> None:
        """Remove all of the workload but its logs."""
        for entry in self._home.glob("*"):
            if entry == self.logs:
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)

    def _checkout(self, intent: Intent) -> Checkout:
        assert intent.source is not None
        base = self.command(intent, ("git",), self._home, {})
        return Checkout(intent.source, self._supervisor, base, self.data, self._schemes)

    def _give(self, folder: Path) -> None:
        """The folder and all in it belong to the user that workloads run as."""
        user = self._supervisor.means.user
        if user is None:
            return
        for base, folders, files in os.walk(folder):
            os.chown(base, *user)
            for name in (*folders, *files):
                os.chown(Path(base) / name, *user, follow_symlinks=False)


async def first(maker: Maker, intent: Intent, known: str, commit: str) -> Made:
    """The version made before, or a new one; errors as of `Maker.make`."""
    try:
        await asyncio.to_thread(maker.prepare)
    except OSError as error:
        raise TryAgain(f"its folder can't be made: {error}") from error
    return maker.again(known, intent, commit) or await maker.make(intent)
