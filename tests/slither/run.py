# SPDX-License-Identifier: Apache-2.0
"""Runs Slither over `contracts/` and fails on any finding that nobody has explained.

A finding is explained next to the code (`// slither-disable-next-line <detector> -- why`); detectors that don't suit
this project are left out in `detectors.toml`, each with its reason. Slither reads syntax trees only, so the compiler
generates no code here: two seconds instead of minutes.
"""

from __future__ import annotations

import argparse
import inspect
import json
import logging
import os
import re
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

from crytic_compile import CryticCompile
from crytic_compile.compilation_unit import CompilationUnit
from crytic_compile.compiler.compiler import CompilerVersion
from crytic_compile.platform.solc_standard_json import SolcStandardJson, parse_standard_json_output
from slither import Slither
from slither.detectors import all_detectors
from slither.detectors.abstract_detector import AbstractDetector, classification_txt
from slither.detectors.statements.incorrect_strict_equality import IncorrectStrictEquality

HERE = Path(__file__).parent
SETTINGS = HERE / "detectors.toml"
# What a disabling comment looks like; the reason after the dashes is what this run insists on.
DISABLING = re.compile(r"slither-disable-(next-line|start|end)\s+(?P<names>[\w,\- ]*?)(?P<reason>\s--\s\S.*)?$")


class NotAnalysed(logging.Handler):
    """Functions that Slither gives up on, which it only mentions in its log."""

    TOLD = re.compile(r"(?:Impossible|Failed) to generate IR for (?P<name>\S+)(?: \((?P<where>[^)]+)\))?")

    def __init__(self) -> None:
        super().__init__()
        self.places: dict[str, str] = {}

    def emit(self, record: logging.LogRecord) -> None:
        found = self.TOLD.search(record.getMessage())
        if found and not (found["where"] or "").startswith("node_modules/"):
            self.places[found["where"] or found["name"]] = found["name"]


class SyntaxTrees(SolcStandardJson):
    """Slither's compiler, told to parse and to analyse only."""

    def compile(self, crytic_compile: CryticCompile, **kwargs: Any) -> None:
        solc = str(kwargs["solc"])
        version = re.search(r"Version: (\d+\.\d+\.\d+)", subprocess.check_output([solc, "--version"], text=True))
        if version is None:
            raise SystemExit(f"slither: {solc} doesn't tell its version.")
        unit = CompilationUnit(crytic_compile, "contracts")
        unit.compiler_version = CompilerVersion(
            "solc", version.group(1), optimized=True, optimize_runs=200, via_ir=True
        )
        answer = json.loads(
            subprocess.run(
                [solc, "--standard-json"], input=json.dumps(self.to_dict()), capture_output=True, text=True
            ).stdout
        )
        errors = [e["formattedMessage"] for e in answer.get("errors", []) if e["severity"] == "error"]
        if errors:
            raise SystemExit("slither: the contracts don't compile.\n\n" + "\n".join(errors))
        for contracts in answer["contracts"].values():
            for contract in contracts.values():
                nothing = {"object": "", "sourceMap": ""}
                contract["evm"] = {"bytecode": nothing, "deployedBytecode": nothing}
        parse_standard_json_output(answer, unit)


def request(root: Path) -> dict[str, Any]:
    """The compiler's input: every own contract, and OpenZeppelin by the name of its folder."""
    sources = sorted((root / "contracts").rglob("*.sol"))
    return {
        "language": "Solidity",
        "sources": {str(path.relative_to(root)): {"content": path.read_text()} for path in sources},
        "settings": {
            "remappings": ["@openzeppelin/=node_modules/@openzeppelin/"],
            "evmVersion": "prague",
            "outputSelection": {"*": {"*": ["abi"], "": ["ast"]}},
        },
    }


def detectors(left_out: set[str]) -> list[type[AbstractDetector]]:
    classes = [c for _, c in inspect.getmembers(all_detectors, inspect.isclass) if issubclass(c, AbstractDetector)]
    known = {c.ARGUMENT for c in classes}
    if unknown := left_out - known:
        raise SystemExit(f"slither: {SETTINGS.name} leaves out what doesn't exist: {', '.join(sorted(unknown))}")
    return [c for c in classes if c.ARGUMENT not in left_out]


def comments(root: Path, known: set[str]) -> tuple[int, list[str]]:
    """How many findings are explained beside the code, and the comments that explain nothing."""
    count, wrong = 0, []
    for path in sorted((root / "contracts").rglob("*.sol")):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if "slither-disable" not in line:
                continue
            found = DISABLING.search(line)
            where = f"{path.relative_to(root)}:{number}"
            if found is None:
                wrong.append(f"{where}: not understood")
                continue
            names = {name.strip() for name in found["names"].split(",")}
            if unknown := names - known:
                wrong.append(f"{where}: no detector is called {', '.join(sorted(unknown))}")
            if found.group(1) != "end":
                count += 1
                if found["reason"] is None:
                    wrong.append(f"{where}: says not why (… -- the reason)")
    return count, wrong


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="slither", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--root", type=Path, default=HERE.parents[1], help="project folder")
    parser.add_argument("--only", help="regular expression of the paths to report on")
    parser.add_argument("--json", type=Path, help="write the findings there")
    options = parser.parse_args(arguments)
    root = options.root.resolve()
    os.chdir(root)
    began = time.monotonic()

    given_up = NotAnalysed()
    for name in ("ContractSolcParsing", "SlitherSolcParsing", "Slither"):
        logging.getLogger(name).handlers = [given_up]
        logging.getLogger(name).propagate = False

    # Only what balances have touched: compared with time, every epoch and every version would be a finding.
    IncorrectStrictEquality.sources_taint = []
    left_out = tomllib.loads(SETTINGS.read_text())["left-out"]
    chosen = detectors(set(left_out))
    only = re.compile(options.only or "")
    slither = Slither(
        CryticCompile(SyntaxTrees(request(root)), solc=str(root / "scripts/solc")),
        filter_paths=["node_modules", "contracts/local/"],
        exclude_dependencies=True,
    )
    for detector in chosen:
        slither.register_detector(detector)
    findings: dict[str, dict[str, Any]] = {}
    for result in slither.run_detectors():
        for finding in result or []:
            if only.search(finding["first_markdown_element"]):
                findings[finding["id"]] = finding
    impacts = {c.ARGUMENT: classification_txt[c.IMPACT].lower() for c in chosen}
    for finding in sorted(findings.values(), key=lambda f: (f["check"], f["description"])):
        print(f"[{impacts[finding['check']]}] {finding['check']}: {finding['description'].strip()}\n")
    if options.json:
        options.json.write_text(json.dumps(sorted(findings.values(), key=lambda f: str(f["id"])), indent=1) + "\n")
    explained, wrong = comments(root, set(impacts))
    for line in wrong:
        print(f"[comment] {line}")
    for where, name in sorted(given_up.places.items()):
        print(f"[not analysed] {name} ({where}): Slither can't read it. Cure: give each operand its type.")
    own = sum(1 for c in slither.contracts if not c.source_mapping.filename.short.startswith("node_modules/"))
    print(
        f"slither: {own} contracts, {len(chosen)} detectors, {len(findings)} findings, "
        f"{explained} explained beside the code, {time.monotonic() - began:.0f} s"
    )
    return 1 if findings or wrong or given_up.places else 0


if __name__ == "__main__":
    sys.exit(main())
