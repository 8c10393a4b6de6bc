# SPDX-License-Identifier: Apache-2.0
"""A workload from a real Git repository: cloned, built, and brought up to date by a push."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.e2e.node_world import until
from tests.e2e.running_world import SERVER, get, intent, orchestrator, runner

GIT = ("git", "-c", "user.name=Test", "-c", "user.email=test@example.org")


def commit(repository: Path, **files: str) -> None:
    """Commit these files there."""
    if not repository.exists():
        subprocess.run([*GIT, "init", "-q", "-b", "main", str(repository)], check=True)
    for name, content in files.items():
        (repository / name.replace("_", ".")).write_text(content)
    subprocess.run([*GIT, "-C", str(repository), "add", "."], check=True)
    subprocess.run([*GIT, "-C", str(repository), "commit", "-q", "-m", "A commit"], check=True)


@pytest.mark.long
def test_war__new_commits__broken_one_left_out_good_one_taken_up(tmp_path: Path) -> None:
    async def story() -> None:
        repository = tmp_path / "repository"
        build = "from pathlib import Path\nPath('page.txt').write_text(Path('source.txt').read_text().upper())\n"
        commit(repository, server_py=SERVER, source_txt="one", build_py=build)
        document = intent(
            "war",
            source={"repository": f"file://{repository}", "poll_seconds": 15},
            build=[[sys.executable, "build.py"]],
        )
        async with orchestrator() as there, runner(tmp_path, there, "--git-scheme", "file") as process:
            there.order(document)
            await until(there.is_healthy, process=process)
            port = there.state().ports["main"]
            assert await get(port, "/page.txt") == "ONE"

            commit(repository, build_py="raise SystemExit('the build is broken')\n")
            line = await process.says("the new version can't run", 25)
            assert "the build is broken" in line
            assert await get(port, "/page.txt") == "ONE"

            commit(repository, build_py=build, source_txt="two")
            await until(lambda: process.text.count("7/0/1: running, healthy") == 2, 30, process)
            await until(there.is_healthy, process=process)
            assert await get(there.state().ports["main"], "/page.txt") == "TWO"

            # The repository is gone, and so is nothing else.
            repository.rename(tmp_path / "elsewhere")
            await process.says("git ls-remote of", 25)
            assert await get(there.state().ports["main"], "/page.txt") == "TWO"

    asyncio.run(story())


def test_war__another_user_named__cloned_built_and_run_as_it() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root starts processes as another user")

    async def story(folder: Path) -> None:
        repository = folder / "repository"
        commit(repository, page_txt="one")
        shutil.chown(repository, "nobody")  # Git serves a local one to its owner alone
        shutil.chown(repository / ".git", "nobody")
        document = intent(
            "war",
            source={"repository": f"file://{repository}"},
            build=[["sh", "-c", "id -u > built.txt"]],
            command=["sh", "-c", "cat built.txt page.txt; id -u; touch $HOME/mine $TMPDIR/mine; exec sleep 900"],
            health={"mode": "delay", "delay_seconds": 1},
        )
        options = ("--git-scheme", "file", "--run-as", "nobody")
        async with orchestrator() as there, runner(folder, there, *options) as process:
            there.order(document)
            await until(there.is_healthy, process=process)
            home = folder / "runs" / "7-0-1"
            nobody = pwd.getpwnam("nobody").pw_uid
            assert (home / "logs" / "workload.stdout.log").read_text() == f"{nobody}\none{nobody}\n"
            assert (home / "logs" / "workload.stderr.log").read_text() == ""
            assert (home / "data" / "mine").stat().st_uid == nobody

    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are closed to other users
        Path(name).chmod(0o755)
        asyncio.run(story(Path(name)))


def test_war__way_not_allowed__failed_with_the_cure(tmp_path: Path) -> None:
    async def story() -> None:
        async with orchestrator() as there, runner(tmp_path, there) as process:
            there.order(intent("war", source={"repository": "http://user:secret@nowhere.example/one.git"}))
            await until(lambda: there.is_("failed"), process=process)
            assert "--git-scheme" in there.state().detail
            assert "http://…@nowhere.example/one.git" in process.text
            assert "secret" not in process.text + there.state().detail

    asyncio.run(story())
