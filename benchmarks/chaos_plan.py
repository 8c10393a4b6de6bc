# SPDX-License-Identifier: Apache-2.0
"""Which faults a campaign makes: each kind alone, and several at once as a seed says."""

from __future__ import annotations

import random
from typing import Final

ALONE: Final = (
    "kill:2@{}+12",
    "kill:3@{}-{}+1",
    "kill:1,3@{}+25",
    "pause:4@{}+15",
    "pause:1,5@{}+25",
    "partition:3|1,2,4,5@{}+25",
    "partition:1,2|3,4,5@{}+25",
    "slow:all=0.4@{}",
    "skew:2=4@{}",
    "skew:5=-90@{}",
    "liar:1@{}",
    "equivocator:2@{}",
    "spammer:3@{}",
    "rpc:4@{}+15",
    "rpc:all@{}+25",
    "reorg:chain=2@{}.3",
    "reorg:chain=6@{}.3",
    "stuck:chain@{}+12",
    "halt:chain@{}+25",
    "kill:node-1@{}+5",
)
"""Each kind of fault, in the epochs to be filled in: on one oracle, and where it makes a difference on more than f."""
REST: Final = 2
"""Epochs without a new fault after each, in which it is recovered from."""
OVER_F: Final = 2
"""Oracles of five that a fault has to stop for an epoch to fail."""


def alone() -> tuple[list[str], int]:
    """(faults one after the other, how many epochs that takes)."""
    faults, epoch = [], 1
    for shape in ALONE:
        faults.append(shape.format(epoch, epoch + 1))
        epoch += 1 + REST
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
