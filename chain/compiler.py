"""Compile `contracts/` with py-solc-x and hand out ABIs and bytecode.

The compiler is a native `solc` of exactly the pinned version when one is on PATH, else `scripts/solc`, which is the
same version from npm. The settings are those of `ape-config.yaml`: deployed code doesn't depend on the tool that
compiled it.
"""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from oracle.ground.errors import EpochalError

ROOT = Path(__file__).resolve().parents[1]
SOLC_VERSION = "0.8.37"
SETTINGS: dict[str, Any] = {
    "optimizer": {"enabled": True, "runs": 200},
    "evmVersion": "prague",
    "viaIR": True,
}
_WANTED = ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"]


class CompilerUnavailable(EpochalError):
    """Neither a native solc of the pinned version nor the npm package is installed."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """A compiled contract. `bytecode` is what deploys it, `runtime_size` the bytes that stay on chain."""

    name: str
    abi: list[dict[str, Any]]
    bytecode: str
    runtime_size: int


def compiler() -> Path:
    """The solc command to use; raises CompilerUnavailable with the cure when there is none."""
    # Not the one that a checker of contracts put beside the interpreter: it would look for compilers on the network.
    ours = {(ROOT / "scripts" / "solc").resolve(), Path(sys.prefix, "bin", "solc").resolve()}
    native = shutil.which("solc")
    if native and Path(native).resolve() not in ours:
        shown = subprocess.run([native, "--version"], capture_output=True, text=True, check=False)
        if f"Version: {SOLC_VERSION}+" in shown.stdout and "wrapper" not in shown.stdout:
            return Path(native)
    if not (ROOT / "node_modules" / "solc" / "soljson.js").exists():
        raise CompilerUnavailable(
            f"no solc {SOLC_VERSION}: not on PATH, and node_modules/solc is missing; run `make setup`"
        )
    return ROOT / "scripts" / "solc"


def _remappings(solc: Path) -> list[str]:
    """Where a native solc finds what the contracts import."""
    if solc.parent == ROOT / "scripts":
        return []
    return ["@openzeppelin/=node_modules/@openzeppelin/"]


@lru_cache(maxsize=2)
def load(extra: str = "") -> dict[str, Artifact]:
    """Every contract under `contracts/`, and under the folder `extra` (relative to the project) if given, by name.

    Each folder is compiled by itself, two at a time, so that a change costs no more than what depends on it; what was
    compiled before comes from the compiler command's cache. Processes that start together wait for each other.
    """
    solc = compiler()
    groups = _groups("contracts") + (_groups(extra) if extra else [])
    (ROOT / ".cache").mkdir(exist_ok=True)
    with (ROOT / ".cache" / "compiling").open("w") as lock, ThreadPoolExecutor(2) as pool:
        fcntl.flock(lock, fcntl.LOCK_EX)
        outputs = list(pool.map(lambda group: _compile(solc, group), groups))
    return {
        name: Artifact(
            name=name,
            abi=contract["abi"],
            bytecode="0x" + contract["evm"]["bytecode"]["object"],
            runtime_size=len(contract["evm"]["deployedBytecode"]["object"]) // 2,
        )
        for output in outputs
        for contracts in output["contracts"].values()
        for name, contract in contracts.items()
    }


def _groups(folder: str) -> list[list[Path]]:
    """The sources below a folder, those of one folder together."""
    groups: dict[Path, list[Path]] = {}
    for path in sorted((ROOT / folder).rglob("*.sol")):
        if ".cache" not in path.parts:
            groups.setdefault(path.parent, []).append(path)
    return list(groups.values())


def _compile(solc: Path, paths: list[Path]) -> Any:
    import solcx  # it makes a folder in the user's home: only for who compiles

    sources = {path.relative_to(ROOT).as_posix(): path for path in paths}
    return solcx.compile_standard(
        {
            "language": "Solidity",
            "sources": {name: {"content": path.read_text(encoding="utf-8")} for name, path in sources.items()},
            # The wrapper looks into node_modules by itself; a native solc needs to be told.
            "settings": {
                **SETTINGS,
                "remappings": _remappings(solc),
                "outputSelection": {name: {"*": _WANTED} for name in sources},
            },
        },
        base_path=ROOT,
        allow_paths=[ROOT],
        solc_binary=solc,
    )
