"""A chain whose clock is moved by hand, with things that must happen at exact times."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from web3.types import TxReceipt

from chain.client import Block
from chain.transactions import Call, SteppedSender
from oracle.ground.errors import EpochalError


@dataclass(frozen=True, slots=True)
class Event:
    """Something that must be in a block of exactly this time (UNIX seconds)."""

    time: int
    call: Callable[[], Call]


class Timeline:
    """Mines blocks so that every event is in one of exactly its time, whatever else is sent in between.

    It is a Sender: what is sent goes into the next block, one second after the last.
    """

    def __init__(self, sender: SteppedSender, events: Iterable[Event] = ()) -> None:
        self._sender = sender
        self.chain = sender.chain
        self.gas = sender.gas
        self._events = deque(sorted(events, key=lambda event: event.time))

    @property
    def now(self) -> int:
        """The newest block's time."""
        return self._sender.now

    def plan(self, events: Iterable[Event]) -> None:
        """Add events; what lies before the newest block's time is taken as done."""
        merged = sorted([*self._events, *events], key=lambda event: event.time)
        self._events = deque(event for event in merged if event.time > self.now)

    def send(self, calls: Sequence[Call]) -> list[TxReceipt]:
        """One block one second from now, with the events that are due then before the calls."""
        return self._block(self.now + 1, calls)

    def reach(self, time: int) -> None:
        """Mine until a block's time is at or after `time`, and exactly `time` if that lies ahead."""
        while self._events and self._events[0].time < time:
            self._block(self._events[0].time, ())
        if self.now < time:
            self._block(time, ())

    def finalize(self, block: Block) -> None:
        """Mine until `block` is finalized."""
        for _ in range(200):
            if self.chain.finalized().number >= block.number:
                return
            self.send(())
        raise EpochalError(
            f"block {block.number} isn't finalized after 200 more at {self.chain.url}; start anvil with "
            "--slots-in-an-epoch 1"
        )

    def _block(self, time: int, calls: Sequence[Call]) -> list[TxReceipt]:
        due = []
        while self._events and self._events[0].time <= time:
            due.append(self._events.popleft().call())
        receipts = self._sender.at(time).send([*due, *calls])
        return receipts[len(due) :]
