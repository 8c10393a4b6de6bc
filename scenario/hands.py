"""What a replay takes into its hands: a chain's clock, and the signals that would end it in the middle of an epoch."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from chain.client import Chain
from oracle.ground.errors import EpochalError
from scenario.options import LEAD, BadOption, Schedule


def take_over(chain: Chain, plan: Schedule, fresh: bool) -> None:
    """Make the clock of a given chain ours; BadOption when it is no anvil or its time is later than the genesis."""
    head = chain.block("latest")
    if fresh and head.timestamp >= plan.clock.genesis - 600:
        raise BadOption(
            f"--rpc {chain.url}: its clock is at {head.timestamp}, but the network has to be set up before the "
            f"genesis, {plan.clock.genesis}; start anvil with --timestamp {plan.clock.genesis - LEAD}, "
            "or leave --rpc out"
        )
    try:
        chain.rpc("evm_setAutomine", False)
        chain.rpc("evm_setIntervalMining", 0)
        if not fresh:
            chain.rpc("anvil_dropAllTransactions")  # what a killed replay sent and nobody mined
        # Gas for nothing, as of an anvil of our own: a block this large never raises the base fee.
        chain.rpc("evm_setBlockGasLimit", hex(2**48))
        chain.rpc("anvil_setNextBlockBaseFeePerGas", "0x0")
    except EpochalError as error:
        raise BadOption(
            f"--rpc {chain.url}: its clock can't be moved ({error}); give an anvil, or leave --rpc out"
        ) from error


@contextmanager
def interruptible() -> Iterator[Any]:
    """Within: a first Ctrl-C or SIGTERM is noted, a second one interrupts at once."""
    asked: list[int] = []
    kept = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}

    def note(number: int, _: FrameType | None) -> None:
        asked.append(number)
        for one, handler in kept.items():
            signal.signal(one, handler)

    for one in kept:
        signal.signal(one, note)
    try:
        yield lambda: bool(asked)
    finally:
        for one, handler in kept.items():
            signal.signal(one, handler)
