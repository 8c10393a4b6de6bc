# SPDX-License-Identifier: Apache-2.0
"""`make prove`: long invariant campaigns, symbolic checks, long property tests; figures go to docs/proofs.md.

    make prove ARGS="--only invariants --match Escrow"
    make prove ARGS="--report"                         # only writes the page again

Every invariant runs at least 1,000 times 100 calls (the profile `prove` of foundry.toml).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

from tests.halmos import run as symbolic

ROOT: Final = Path(__file__).resolve().parents[2]
RESULTS: Final = ROOT / ".cache" / "proofs.json"
PAGE: Final = ROOT / "docs" / "proofs.md"
BEGIN, END = "<!-- written by `make prove` -->", "<!-- end of what is written by `make prove` -->"
PARTS: Final = ("invariants", "symbolic", "properties")
LEAST_RUNS, LEAST_CALLS = 1_000, 100_000
# Property tests, with twenty times their examples (see `longer`).
PROPERTIES: Final = ("tests/property", "tests/contract")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make prove", description="The long campaigns.")
    parser.add_argument("--only", action="append", choices=PARTS)
    parser.add_argument("--match", default="", help="invariants: only contracts whose name matches")
    parser.add_argument("--report", action="store_true", help="write the page and run nothing")
    options = parser.parse_args(arguments)
    results: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    good = True
    for part in () if options.report else options.only or PARTS:
        began = time.monotonic()
        if part == "invariants":
            rows = invariants(options.match)
            good &= bool(rows) and all(r["good"] for r in rows)
        elif part == "symbolic":
            good &= symbolic.main([]) == 0
            rows = json.loads(symbolic.RESULTS.read_text())
        else:
            rows = properties()
            good &= all(r["good"] for r in rows)
        results[part] = {"rows": rows, "seconds": round(time.monotonic() - began)}
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    text = table(results)
    print(text)
    page = PAGE.read_text()
    before, rest = page.split(BEGIN)
    PAGE.write_text(before + BEGIN + "\n\n" + text + "\n" + END + rest.split(END)[1])
    return 0 if good else 1


def invariants(match: str) -> list[dict[str, Any]]:
    """Forge's own account of every invariant, from its JSON."""
    command = [
        "forge",
        "test",
        "--json",
        "--match-path",
        "tests/forge/*.invariant.t.sol",
        "--match-test",
        "^(invariant|statefulFuzz)",
        *(["--match-contract", match] if match else []),
    ]
    answer = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"FOUNDRY_PROFILE": "prove"}, capture_output=True, text=True
    )
    lines = [line for line in answer.stdout.splitlines() if line.startswith("{")]
    if not lines:
        raise SystemExit(answer.stdout + answer.stderr)
    rows = []
    for suite, told in json.loads(lines[-1]).items():
        for name, test in told["test_results"].items():
            kind = test["kind"].get("Invariant", {})
            runs, calls, reverts = (int(kind.get(k, 0)) for k in ("runs", "calls", "reverts"))
            passed = test["status"] == "Success"
            rows.append(
                {
                    "suite": suite.split(":")[-1],
                    "name": name.split("(")[0],
                    "outcome": "held" if passed else f"broken: {test.get('reason')}",
                    "runs": runs,
                    "calls": calls,
                    "reverts": reverts,
                    "good": passed and runs >= LEAST_RUNS and calls >= LEAST_CALLS,
                }
            )
    return sorted(rows, key=lambda r: (r["suite"], r["name"]))


def properties() -> list[dict[str, Any]]:
    """The property tests with many more examples than in the standard run."""
    rows = []
    for folder in PROPERTIES:
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "no:ape_test",
            "-p",
            "tests.proofs.longer",
            "-q",
            "-n",
            "2",
            "--dist",
            "loadfile",
            "--timeout",
            "7200",
            folder,
        ]
        if folder != "tests/property":
            command += ["-k", "property or conservation or differential or machine"]
        answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        last = answer.stdout.strip().splitlines()[-1] if answer.stdout.strip() else answer.stderr[-200:]
        rows.append(
            {
                "name": folder,
                "outcome": re.sub(r"\x1b\[[\d;]*m|=", "", last).strip(),
                "good": answer.returncode in (0, 5),
            }
        )
    return rows


def table(results: dict[str, Any]) -> str:
    lines: list[str] = []
    if part := results.get("invariants"):
        lines += [
            f"### Invariants ({part['seconds']} s)",
            "",
            "| suite | invariant | runs | calls | reverted | |",
            "|---|---|---:|---:|---:|---|",
        ]
        lines += [
            f"| {r['suite']} | {r['name'].removeprefix('invariant_').replace('_', ' ')} | {r['runs']:,} "
            f"| {r['calls']:,} "
            f"| {r['reverts']:,} | {r['outcome']} |"
            for r in part["rows"]
        ]
        lines.append("")
    if part := results.get("symbolic"):
        rows = part["rows"]
        proved = sum(r["outcome"] == "proved" for r in rows)
        open_ = sum(r["outcome"] == "not decided" for r in rows)
        lines += [f"### Symbolic checks ({part['seconds']} s): {proved} proved, {open_} not decided", ""]
        lines += ["| checks | what | paths | seconds | |", "|---|---|---:|---:|---|"]
        for r in rows:
            name = r["name"].removeprefix("check_").replace("__", ": ").replace("_", " ")
            outcome = "refuted, as it must be" if r["outcome"] == "refuted" and r["good"] else r["outcome"]
            lines.append(
                f"| {r['group'].removesuffix('Checks')} | {name} | {r['paths']:,} | {r['seconds']:.1f} | {outcome} |"
            )
        lines.append("")
    if part := results.get("properties"):
        lines += [f"### Property tests, long ({part['seconds']} s)", "", "| tests | |", "|---|---|"]
        lines += [f"| `{r['name']}` | {r['outcome']} |" for r in part["rows"]]
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
