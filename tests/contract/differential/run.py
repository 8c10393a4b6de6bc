# SPDX-License-Identifier: Apache-2.0
"""A long campaign: `python -m tests.contract.differential.run --examples 500 [--seed 1] [--shrink]`.

Every second example is played by two keepers. The first history that fails is printed; so is what happened in it.
"""

from __future__ import annotations

import argparse
import sys
import time

from hypothesis import HealthCheck, Phase, given, seed, settings

from chain.anvil import Anvil
from chain.client import Chain
from tests.contract.differential.histories import History, Visit, histories, visits
from tests.contract.differential.play import Play
from tests.contract.differential.stage import VARIANTS, Stage
from tests.contract.world import START, World

# As in tests/contract/conftest.py.
STEPPED = ("--no-mining", "--block-base-fee-per-gas", "0", "--gas-price", "0", "--disable-min-priority-fee")


def campaign(stage: Stage, examples: int, start: int, shrink: bool) -> int:
    """Plays so many examples; returns how many blocks that were."""
    phases = [Phase.generate, Phase.shrink] if shrink else [Phase.generate]
    steady = settings(
        max_examples=max(1, examples // 2),
        phases=phases,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    blocks = 0
    told: list[History] = []

    def play(history: History, schedule: tuple[Visit, ...], lawful: bool) -> object:
        nonlocal blocks
        with stage.undone():
            one = Play(stage, history, schedule, lawful)
            try:
                return one.run()
            except BaseException:
                if not shrink and told.count(history):
                    raise
                told.append(history)
                print(f"{history}\n{schedule}\n" + "\n".join(one.told), file=sys.stderr)
                raise
            finally:
                blocks += one.blocks

    @seed(start)
    @settings(steady)
    @given(histories(), visits())
    def any_history(history: History, schedule: tuple[Visit, ...]) -> None:
        play(history, schedule, lawful=False)

    @seed(start)
    @settings(steady)
    @given(histories(honest=True), visits(), visits())
    def two_keepers(history: History, one: tuple[Visit, ...], other: tuple[Visit, ...]) -> None:
        first, second = play(history, one, lawful=True), play(history, other, lawful=True)
        assert first == second, f"{history}\n{one}\n{other}\n{first}\n{second}"

    any_history()
    print(f"any history: equal, {blocks:,} blocks so far", flush=True)
    two_keepers()
    return blocks


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--shrink", action="store_true")
    asked = parser.parse_args()
    with Anvil(*STEPPED, timestamp=START) as anvil:
        stage = Stage(World(Chain(anvil.url)), VARIANTS)
        began = time.monotonic()
        blocks = campaign(stage, asked.examples, asked.seed, asked.shrink)
        took = time.monotonic() - began
    print(f"{asked.examples} examples, {blocks:,} blocks compared, {took / asked.examples:.2f} s each: all equal")


if __name__ == "__main__":
    main()
