# SPDX-License-Identifier: Apache-2.0
"""`make symbolic`: tries every value of every parameter of the `check_` functions beside this file, with Halmos.

    make symbolic ARGS="--contract ReportsChecks"
    make symbolic ARGS="--seconds 300"                 # for each question to the solver

Halmos can't be installed next to eth-ape (they want different versions of rich): it gets an environment of its own
under .cache. A check called `check_witness_...` must be refuted: it shows that those around it speak of something.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parents[1]
CACHE: Final = ROOT / ".cache" / "halmos"
RESULTS: Final = CACHE / "results.json"
LOCK: Final = HERE / "requirements.lock"
OUT: Final = ".cache/halmos/out"

# Contract: options. Loops are unrolled this often.
CHECKS: Final[dict[str, list[str]]] = {
    "ReportsChecks": [],
    "MoneyChecks": [],
    "AccrualChecks": [],
    "CommitteeChecks": ["--loop", "260"],
    "LeafProofChecks": ["--loop", "16"],
}
OUTCOMES: Final = {0: "proved", 1: "refuted", 2: "not decided", 3: "not decided", 4: "no path", 5: "not decided"}


@dataclass(frozen=True)
class Outcome:
    group: str
    name: str
    outcome: str
    seconds: float
    paths: int
    bounded: int
    good: bool


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make symbolic", description="Symbolic checks with Halmos.")
    parser.add_argument("--contract", action="append", choices=[*CHECKS, "integers"], help="only these")
    parser.add_argument("--seconds", type=int, default=60, help="for each question to a solver (60)")
    parser.add_argument("--match", default="", help="only checks whose name matches this regular expression")
    parser.add_argument("--limit", type=int, default=90, help="seconds for each check (90)")
    options = parser.parse_args(arguments)
    python = environment()
    outcomes: list[Outcome] = []
    chosen = options.contract or [*CHECKS, "integers"]
    if set(chosen) & set(CHECKS):
        shell = os.environ | {"FOUNDRY_PROFILE": "symbolic"}
        build = ["forge", "build", "--quiet", "--ast", "--extra-output", "storageLayout", "metadata"]
        subprocess.run(build, cwd=ROOT, env=shell, check=True)
    for name in chosen:
        outcomes += integers(python, options.seconds) if name == "integers" else halmos(python, name, options)
    known = {(o["group"], o["name"]): o for o in (json.loads(RESULTS.read_text()) if RESULTS.exists() else [])}
    again = {(o.group, o.name) for o in outcomes}
    kept = [o for key, o in known.items() if key not in again and (options.match or key[0] not in chosen)]
    RESULTS.write_text(json.dumps(kept + [asdict(o) for o in outcomes], indent=1) + "\n")
    for o in outcomes:
        print(f"{'ok ' if o.good else 'NO '} {o.outcome:12} {o.seconds:7.1f} s  {o.group}: {o.name}")
    proved = sum(o.outcome == "proved" for o in outcomes)
    wrong = [o for o in outcomes if not o.good]
    undecided = sum(o.outcome == "not decided" for o in outcomes)
    print(f"symbolic: {len(outcomes)} checks, {proved} proved, {undecided} not decided, {len(wrong)} wrong")
    return 1 if wrong else 0


def environment() -> Path:
    """Halmos' own Python, made when it is missing or its lock has changed."""
    folder, stamp = CACHE / "venv", CACHE / "venv" / ".lock"
    python = folder / "bin" / "python"
    if not stamp.exists() or stamp.read_bytes() != LOCK.read_bytes():
        uv = ROOT / ".venv" / "bin" / "uv"
        CACHE.mkdir(parents=True, exist_ok=True)
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, folder], check=True)
        subprocess.run([uv, "pip", "sync", "--quiet", "--python", python, "--require-hashes", LOCK], check=True)
        stamp.write_bytes(LOCK.read_bytes())
    return python


def halmos(python: Path, contract: str, options: argparse.Namespace) -> list[Outcome]:
    """Each check by itself, so that one that isn't decided takes no time from the others."""
    (CACHE / "logs").mkdir(exist_ok=True)
    names = re.findall(r"function (check_\w+)\(", (HERE / f"{contract}.sol").read_text())
    wanted = re.compile(options.match)
    return [_check(python, contract, name, options) for name in names if wanted.search(name)]


def _check(python: Path, contract: str, name: str, options: argparse.Namespace) -> Outcome:
    answer, log = CACHE / "logs" / f"{contract}.{name}.json", CACHE / "logs" / f"{contract}.{name}.log"
    answer.unlink(missing_ok=True)
    command = [
        str(python.with_name("halmos")), "--no-status", "--forge-build-out", OUT, "--contract", contract,
        "--match-test", rf"^{name}\(", "--solver-timeout-assertion", f"{options.seconds}s",
        "--json-output", str(answer), *CHECKS[contract],
    ]  # fmt: skip
    began = time.monotonic()
    with log.open("w") as stream, contextlib.suppress(subprocess.TimeoutExpired):
        process = subprocess.Popen(
            command, cwd=ROOT, env=os.environ | {"FOUNDRY_PROFILE": "symbolic"},
            stdout=stream, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            process.wait(options.limit)
        finally:  # its solvers, too
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    told = json.loads(answer.read_text())["test_results"] if answer.exists() else {}
    tests = [test for each in told.values() for test in each]
    if not tests:
        nothing = {"num_paths": 0, "time": [time.monotonic() - began], "num_bounded_loops": 0}
        return _outcome(contract, name, "not decided", nothing)
    return _outcome(contract, name, OUTCOMES[tests[0]["exitcode"]], tests[0] | {"num_paths": tests[0]["num_paths"][0]})


def _outcome(group: str, name: str, outcome: str, test: dict[str, Any]) -> Outcome:
    witness = name.startswith("check_witness_")
    # An undecided check is told, not hidden, and is no failure; nor is one whose loops were cut a proof.
    bounded = int(test["num_bounded_loops"])
    if outcome == "proved" and bounded:
        outcome = "not decided"
    good = outcome == "refuted" if witness else outcome in ("proved", "not decided")
    return Outcome(group, name, outcome, float(test["time"][0]), int(test["num_paths"]), bounded, good)


def integers(python: Path, seconds: int) -> list[Outcome]:
    answer = subprocess.run(
        [str(python), str(HERE / "integers.py"), "--seconds", str(seconds)], capture_output=True, text=True
    )
    if not answer.stdout:
        raise SystemExit(answer.stderr)
    found = [json.loads(line) for line in answer.stdout.splitlines()]
    return [Outcome("integers", f["name"], f["outcome"], f["seconds"], 1, 0, f["outcome"] != "refuted") for f in found]


if __name__ == "__main__":
    sys.exit(main())
