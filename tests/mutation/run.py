# SPDX-License-Identifier: Apache-2.0
"""`make mutate`: puts small faults into the contracts, one at a time, and sees whether the tests notice.

    make mutate ARGS="--group Accrual"
    make mutate ARGS="--sample 200 --seed 7 --jobs 2"
    make mutate ARGS="--survivors"                     # once more what no test noticed
    make mutate ARGS="--report"                        # only writes docs/mutation.md again

Works on a copy outside the tree. What is known stays in results.json; a run goes on where the last one stopped, until
a contract changes. A mutant that the compiler refuses counts for nothing; one that makes the tests hang is noticed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import queue
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.mutation.mutants import Mutant, mutants
from tests.project import ROOT, files

HERE: Final = Path(__file__).resolve().parent
RESULTS: Final = HERE / "results.json"
PAGE: Final = ROOT / "docs" / "mutation.md"
FUZZ_RUNS: Final = {"FOUNDRY_FUZZ_RUNS": "64", "FOUNDRY_INVARIANT_RUNS": "16", "FOUNDRY_INVARIANT_DEPTH": "40"}
LEAST_SECONDS: Final = 60
NOTICED: Final = ("killed", "timeout")


@dataclass(frozen=True)
class Group:
    name: str
    files: list[str]
    forge: list[str] = field(default_factory=list)
    pytest: list[str] = field(default_factory=list)


class Worker:
    """A copy of the tree with a warm compiler of its own."""

    def __init__(self, folder: Path) -> None:
        self.root = folder
        for source in files():
            path = source.relative_to(ROOT)
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, folder / path)
        for name in ("node_modules", ".venv", ".services"):
            (folder / name).symlink_to(ROOT / name)
        # The quick generator's contracts are larger than a chain takes.
        anvil = folder / "chain/anvil.py"
        anvil.write_text(anvil.read_text().replace('"--port", "0",', '"--port", "0", "--disable-code-size-limit",'))
        (folder / "scripts/solc").rename(folder / "scripts/solc.real")
        client = folder / "scripts/solc"
        shutil.copy2(HERE / "compiler.js", client)
        client.chmod(0o755)
        (folder / ".solcx").mkdir()
        (folder / ".solcx" / "solc-v0.8.37").symlink_to("../scripts/solc.real")
        socket = folder / "compiler.sock"
        foundry = ROOT / "node_modules/@foundry-rs"
        programs = [str(foundry / f"{name}-linux-amd64" / "bin") for name in ("forge", "anvil")]
        self.environment = (
            os.environ
            | FUZZ_RUNS
            | {
                "MUTATION_COMPILER": str(socket),
                "MUTATION_ROOT": str(folder),
                "SOLC_CACHE": "",
                "SOLCX_BINARY_PATH": str(folder / ".solcx"),
                "PYTHONDONTWRITEBYTECODE": "1",
                "PATH": os.pathsep.join([*programs, os.environ["PATH"]]),
            }
        )
        self.compiler = subprocess.Popen(
            ["node", str(HERE / "compiler.js"), "serve", str(socket)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=self.environment, text=True,
        )  # fmt: skip
        assert self.compiler.stdout is not None
        self.compiler.stdout.readline()

    def close(self) -> None:
        self.compiler.kill()
        self.compiler.wait()

    def test(self, group: Group, limit: float) -> tuple[str, str]:
        """(outcome, which step noticed)."""
        for path in group.forge:
            code, text = self._run(["forge", "test", "--fail-fast", "--match-path", path], limit)
            if "ompiler run failed" in text or "Encountered invalid solc version" in text:
                return "refused", "the compiler"
            if code != 0:
                return ("timeout" if code is None else "killed"), path
        if group.pytest:
            command = [
                sys.executable,
                "-m",
                "pytest",
                "-p",
                "no:ape_test",
                "-p",
                "no:cacheprovider",
                "-x",
                "-q",
                *group.pytest,
            ]
            code, text = self._run(command, limit)
            if (
                "CompilationFailed" in text
                or "ParserError" in text
                or ("TypeError: " in text and "--> contracts" in text)
            ):
                return "refused", "the compiler"
            if code != 0:
                failed = next(
                    (line.split(" ")[1] for line in text.splitlines() if line.startswith(("FAILED", "ERROR"))), "pytest"
                )
                return ("timeout" if code is None else "killed"), failed
        return "survived", ""

    def _run(self, command: list[str], limit: float) -> tuple[int | None, str]:
        process = subprocess.Popen(
            command, cwd=self.root, env=self.environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            text, _ = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return None, ""
        return process.returncode, text


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    plan = tomllib.loads((HERE / "plan.toml").read_text())
    groups, last = [Group(**g) for g in plan["group"]], Group("last", [], **plan["last"])
    known = _known()
    if not options.report:
        _campaign(groups, last, known, options)
    return _report(groups, known, strict=options.strict)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make mutate", description="Mutation test of the contracts, on a copy.")
    parser.add_argument("--group", action="append", help="only these groups of plan.toml")
    parser.add_argument("--sample", type=int, help="at most so many mutants of each file, drawn by --seed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=1e6, help="start no mutant later than that")
    parser.add_argument("--again", action="store_true", help="also those whose outcome is known")
    parser.add_argument("--survivors", action="store_true", help="only those that survived, once more")
    parser.add_argument("--report", action="store_true", help="write the page and run nothing")
    parser.add_argument("--strict", action="store_true", help="fail when a survivor has no word in reasons.toml")
    return parser


def _known() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    return found


def _fingerprint(path: str) -> str:
    return hashlib.sha256((ROOT / path).read_bytes()).hexdigest()[:12]


def _campaign(groups: list[Group], last: Group, known: dict[str, dict[str, Any]], options: argparse.Namespace) -> None:
    ends = time.monotonic() + options.minutes * 60
    lock = threading.Lock()
    work: queue.SimpleQueue[tuple[Group, Mutant, str]] = queue.SimpleQueue()
    found_work: list[tuple[Group, Mutant, str]] = []
    for group in groups:
        if options.group and group.name not in options.group:
            continue
        drawn: list[tuple[Mutant, str]] = []
        for path in group.files:
            source = (ROOT / path).read_text()
            found = [(m, source) for m in mutants(path, source)]
            if options.sample is not None and options.sample < len(found):
                found = random.Random(options.seed).sample(found, options.sample)
            drawn += found
        for mutant, source in drawn:
            old = known.get(mutant.key)
            known_here = old is not None and old["source"] == _fingerprint(mutant.path)
            survived = old is not None and old["outcome"] == "survived"
            if (options.survivors and not survived) or (known_here and not options.again and not options.survivors):
                continue
            found_work.append((group, mutant, source))
    # In any order, so that a run of so many minutes tells something of every contract.
    random.Random(options.seed).shuffle(found_work)
    for one in found_work:
        work.put(one)
    total = len(found_work)
    print(f"mutation: {total} mutants to try", flush=True)
    if total == 0:
        return

    def labour(number: int) -> None:
        worker = Worker(scratch / str(number))
        limits: dict[str, float] = {}
        try:
            while time.monotonic() < ends:
                try:
                    group, mutant, source = work.get_nowait()
                except queue.Empty:
                    return
                for one in (group, last):
                    if one.name not in limits:
                        limits[one.name] = _limit(worker, one)
                if not limits[group.name]:
                    continue
                place = worker.root / mutant.path
                place.write_text(mutant.apply(source))
                began = time.monotonic()
                outcome, by = worker.test(group, limits[group.name])
                if outcome == "survived" and limits[last.name]:
                    outcome, by = worker.test(last, limits[last.name])
                spent = time.monotonic() - began
                place.write_text(source)
                with lock:
                    known[mutant.key] = {
                        "group": group.name, "path": mutant.path, "function": mutant.function, "line": mutant.line,
                        "operator": mutant.operator, "old": mutant.old, "new": mutant.new, "outcome": outcome, "by": by,
                        "seconds": round(spent, 1), "source": _fingerprint(mutant.path),
                    }  # fmt: skip
                    _store(known)
                    left = work.qsize()
                print(
                    f"{outcome:9}{spent:6.1f} s  {mutant.path}:{mutant.line} {mutant.operator}: "
                    f"{_short(mutant.old)} -> {_short(mutant.new)}  ({left} left)",
                    flush=True,
                )
        finally:
            worker.close()

    with tempfile.TemporaryDirectory(prefix="epochal-mutation-") as folder:
        scratch = Path(folder)
        labourers = [threading.Thread(target=labour, args=(n,)) for n in range(options.jobs)]
        for labourer in labourers:
            labourer.start()
        for labourer in labourers:
            labourer.join()


def _limit(worker: Worker, group: Group) -> float:
    """Seconds that a group's tests may take; 0 when they fail without any mutant."""
    began = time.monotonic()
    outcome, by = worker.test(group, 3600)
    spent = time.monotonic() - began
    if outcome != "survived":
        print(f"mutation: {group.name}: fails without any mutant ({outcome}, {by})", flush=True)
        return 0
    print(f"mutation: {group.name}: {spent:.1f} s unchanged", flush=True)
    return max(LEAST_SECONDS, 4 * spent)


def _store(known: dict[str, dict[str, Any]]) -> None:
    draft = RESULTS.with_suffix(".draft")
    draft.write_text(json.dumps(dict(sorted(known.items())), indent=1, ensure_ascii=False) + "\n")
    draft.replace(RESULTS)


def _short(text: str, most: int = 60) -> str:
    text = " ".join(text.split()) or "(nothing)"
    return text if len(text) <= most else text[: most - 1] + "…"


def _report(groups: list[Group], known: dict[str, dict[str, Any]], *, strict: bool) -> int:
    reasons = tomllib.loads((HERE / "reasons.toml").read_text())
    every = {m.key: m for g in groups for p in g.files for m in mutants(p, (ROOT / p).read_text())}
    # Keys don't hold places, so outcomes of faults that are still possible stay, also when other lines have changed.
    current = {key: result for key, result in known.items() if key in every}
    _store(current)
    lines = [
        "# Mutation test of the money contracts",
        "",
        "Written by `make mutate`. Small faults were put into a copy of the contracts, one at a time; a fault",
        "is *noticed* when a test fails or hangs. What the compiler refuses counts for nothing. *Equivalent* mutants",
        "behave like the original.",
        "",
        "| contract | possible | tried | refused | noticed | survived | equivalent | noticed of those that differ |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    rows = [(path, [path]) for g in groups for path in g.files] + [("**all**", [p for g in groups for p in g.files])]
    for label, paths in rows:
        here = {k: r for k, r in current.items() if r["path"] in paths}
        count = Counter(r["outcome"] for r in here.values())
        noticed = sum(count[o] for o in NOTICED)
        equivalent = sum(
            1 for k, r in here.items() if r["outcome"] == "survived" and reasons.get(k, {}).get("equivalent")
        )
        real = noticed + count["survived"] - equivalent
        share = f"{100 * noticed / real:.1f} %" if real else "–"
        possible = sum(1 for m in every.values() if m.path in paths)
        name = label if label.startswith("*") else f"`{label.removeprefix('contracts/')}`"
        lines.append(
            f"| {name} | {possible} | {len(here)} | {count['refused']} | {noticed} | {count['survived']} "
            f"| {equivalent} | {share} |"
        )
    survivors = sorted(
        ((k, r) for k, r in current.items() if r["outcome"] == "survived"),
        key=lambda i: (i[1]["path"], every[i[0]].line),
    )
    lines += ["", "## Those that survived", "", "| key | where | fault | a word on it |", "|---|---|---|---|"]
    unexplained = 0
    for key, result in survivors:
        reason = reasons.get(key)
        unexplained += reason is None
        word = f"{'equivalent: ' if reason.get('equivalent') else ''}{reason['why']}" if reason else "**none yet**"
        where = f"{Path(result['path']).name}:{every[key].line} `{result['function']}`"
        fault = f"{result['operator']}: `{_cell(result['old'])}` → `{_cell(result['new'])}`"
        lines.append(f"| `{key}` | {where} | {fault} | {word} |")
    PAGE.write_text("\n".join(lines) + "\n")
    for key in reasons.keys() - {k for k, _ in survivors}:
        print(f"mutation: reasons.toml explains {key}, which doesn't survive (any more)")
    print(
        f"mutation: {len(current)} tried, {len(survivors)} survived, {unexplained} without a word; "
        f"{PAGE.relative_to(ROOT)} written"
    )
    return 1 if strict and unexplained else 0


def _cell(text: str) -> str:
    return _short(text).replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(main())
