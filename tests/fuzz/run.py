# SPDX-License-Identifier: Apache-2.0
"""`make fuzz`: feeds each target with bytes that reach ever more of its code, a minute each.

    make fuzz ARGS="heartbeat frames --seconds 600"

What was learnt stays in .cache/fuzz, where the next run goes on. A finding is left there too, as a file `crash-...`
(`timeout-...`, `oom-...`); the program names it and exits with 1.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.fuzz.targets import TARGETS

FOLDER: Final = Path(__file__).resolve().parents[2] / ".cache" / "fuzz"
OPTIONS: Final = ("-max_len=4096", "-timeout=5", "-rss_limit_mb=1024", "-verbosity=0", "-print_final_stats=1")


def main() -> int:
    """Run targets one after the other, each in a process of its own: the fuzzer ends the one it runs in."""
    parser = argparse.ArgumentParser(prog="make fuzz", description="Fuzz the decoders of what strangers send.")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; all if none is named")
    parser.add_argument("--seconds", type=int, default=60, help="for each target (60)")
    given = parser.parse_args()
    unknown = set(given.targets) - set(TARGETS)
    if unknown:
        parser.error(f"no target is called {', '.join(sorted(unknown))}: choose from {', '.join(TARGETS)}")
    failed = [name for name in given.targets or TARGETS if not holds(name, given.seconds)]
    print(f"fuzz: findings in {', '.join(failed)}, see {FOLDER}" if failed else "fuzz: no findings")
    return 1 if failed else 0


def holds(name: str, seconds: int) -> bool:
    """Whether a target bears that many seconds of it."""
    folder = FOLDER / name
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(TARGETS[name].seeds):
        (corpus / f"seed-{number}").write_bytes(seed)
    print(f"fuzz: {name}, {seconds} s", flush=True)
    options = [*OPTIONS, f"-max_total_time={seconds}", f"-artifact_prefix={folder}/", str(corpus)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.one", name, *options], stderr=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        print(done.stderr)
    else:
        print("".join(f"  {line}\n" for line in done.stderr.splitlines() if line.startswith("stat::")), end="")
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
