"""Python's collector of cyclic garbage, in processes with hundreds of thousands of objects that live long."""

from __future__ import annotations

import gc
from typing import Final

THRESHOLDS: Final = (100_000, 20, 50)


def collect_garbage_seldom() -> None:
    """What there is now is never looked through again, and what comes later only seldom.

    By its own thresholds (700, 10, 10) the collector goes through all requests under way and all nodes' state so often
    that it takes a third of an intake's processor, in pauses of up to 0.2 s. Hardly anything here refers to itself.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
