# SPDX-License-Identifier: Apache-2.0
"""Which faults a campaign makes: each kind alone, and several at once as a seed says."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final

ALONE: Final = (
    ("kill:2@{0}+12", 1),
    ("kill:3@{0}-{1}+1", 2),
    ("kill:1,3@{0}+25", 2),
    ("kill:all@{0}+5", 1),
    ("pause:4@{0}+15", 1),
    ("pause:1,5@{0}+25", 2),
    ("partition:3|1,2,4,5@{0}+25", 2),
    ("partition:1,2|3,4,5@{0}+25", 2),
    ("slow:all=0.4@{0}-{1}", 2),
    ("skew:2=4@{0}-{1}", 2),
    ("skew:5=-90@{0}-{1}", 2),
    ("liar:1@{0}-{1}", 2),
    ("equivocator:2@{0}-{1}", 2),
    ("spammer:3@{0}-{1}", 2),
    ("rpc:4@{0}+15", 1),
    ("rpc:all@{0}+25", 2),
    ("reorg:chain=2@{0}.3", 1),
    ("reorg:chain=6@{0}.3", 1),
    ("stuck:chain@{0}+12", 1),
    ("halt:chain@{0}+25", 2),
    ("leave:5@{0}-{3}", 6),
    ("expel:4@{0}-{1}", 4),
    ("kill:node-1@{0}+5", 1),
)
"""Each kind of fault on one oracle, and where it makes a difference on more than f, with how many epochs it takes; its
first epochs are to be filled in."""
REST: Final = 1
"""Epochs without a fault after each, in which it is recovered from."""


def alone() -> list[tuple[str, list[str], int]]:
    """(name, faults one after the other, how many epochs that takes) of two runs, which have all of ALONE."""
    half = (len(ALONE) + 1) // 2
    parts = {"first": ALONE[:half], "second": ALONE[half:]}
    return [(f"each fault alone, {name} half", *_in_turn(shapes)) for name, shapes in parts.items()]


def _in_turn(shapes: Sequence[tuple[str, int]]) -> tuple[list[str], int]:
    faults, epoch = [], 1
    for shape, length in shapes:
        faults.append(shape.format(*range(epoch, epoch + 4)))
        epoch += length + REST
    return faults, epoch + 1


def combined(seed: int, epochs: int, oracles: int, nodes: int) -> list[str]:
    """Faults that overlap, in all epochs but the first and the last three. At most f oracles lie or have a wrong clock;
    any number is killed, paused, parted or without a chain for a while."""
    dice = random.Random(seed)
    false = dice.randint(1, oracles)
    faults = [f"{dice.choice(('liar', 'equivocator', 'spammer', 'skew'))}:{false}@1-{max(1, epochs - 4)}"]
    for epoch in range(1, epochs - 3):
        kinds = dice.sample(sorted(_SHAPES), dice.choice((0, 1, 2, 2, 3)))
        faults += [_made(kind, epoch, dice, oracles, nodes) for kind in kinds]
    return faults


_SHAPES: Final = {
    "kill": (2, 30),
    "node": (2, 10),
    "pause": (2, 30),
    "partition": (5, 30),
    "slow": (5, 30),
    "rpc": (2, 30),
    "halt": (2, 15),
    "stuck": (3, 15),
    "reorg": (1, 5),
}
"""By kind, between how many seconds it lasts; for a reorg, how many blocks deep it goes."""


def _made(kind: str, epoch: int, dice: random.Random, oracles: int, nodes: int) -> str:
    least, most = _SHAPES[kind]
    size, begin = dice.randint(least, most), f"{epoch}.{dice.randint(0, 9)}"
    everyone = list(range(1, oracles + 1))
    hit = ",".join(str(one) for one in sorted(dice.sample(everyone, dice.choice((1, 1, 1, 2, 3)))))
    match kind:
        case "node":
            return f"kill:node-{dice.randint(1, nodes)}@{begin}+{size}"
        case "partition":
            dice.shuffle(everyone)
            cut = dice.randint(1, oracles // 2)
            return f"partition:{','.join(map(str, everyone[:cut]))}@{begin}+{size}"
        case "slow":
            return f"slow:{hit}={dice.choice(('0.2', '0.5', '1'))}@{begin}+{size}"
        case "reorg":
            return f"reorg:chain={size}@{begin}"
        case "halt" | "stuck":
            return f"{kind}:chain@{begin}+{size}"
        case _:
            return f"{kind}:{hit}@{begin}+{size}"
