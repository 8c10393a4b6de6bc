"""A node is killed with what it runs; what is asked for on chain, who takes over, and who is paid for which seconds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from delivery.message import Message
from delivery.queue import Queue
from oracle.ground.errors import EpochalError
from scenario.healing.chain_view import Asked, Opened
from scenario.healing.town import Town
from settlement.reallocations.bringing import QUEUE_FILE

REQUEST_SECONDS = 60
ANSWER_SECONDS = 60
PAGE_SECONDS = 40
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Healed:
    """One healing. Moments in UNIX seconds: `killed`, and when the request, the new assignment and the page were
    seen. `lost` and `new` are the two assignments as they were then."""

    slot: int
    lost: Opened
    new: Opened
    asked: Asked
    killed: float
    requested: float
    assigned: float
    answering: float


async def kill(town: Town, slot: int) -> tuple[Opened, float]:
    """SIGKILL to the agent that serves a slot and to its workload; the assignment and the moment."""
    serving = await asyncio.to_thread(town.view.serving)
    if slot not in serving:
        raise EpochalError(f"slot {slot} is served by nobody: there is nothing to kill")
    lost = serving[slot]
    killed = time.time()
    await asyncio.to_thread(town.workers[lost.licence].kill)
    return lost, killed


async def request_for(town: Town, lost: Opened, seconds: float = REQUEST_SECONDS) -> Asked:
    """The committee's request for another node in the place of an assignment, once it is on chain."""

    def asked() -> Asked | None:
        return next((one for one in town.view.asked() if one.assignment == lost.id), None)

    found: Asked = await town.until(f"a request for another node in slot {lost.slot}", asked, seconds)
    return found


async def successor_of(town: Town, lost: Opened, seconds: float = ANSWER_SECONDS) -> Opened:
    """The assignment that takes the place of a lost one, once it is on chain."""

    def taken() -> Opened | None:
        one = town.view.serving().get(lost.slot)
        return one if one is not None and one.id > lost.id else None

    found: Opened = await town.until(f"another node in slot {lost.slot}", taken, seconds)
    return found


async def heal(town: Town, slot: int, tell: Tell = lambda _: None) -> Healed:
    """Kill who serves a slot, and wait until another node's page answers there. EpochalError when that doesn't come."""
    lost, killed = await kill(town, slot)
    tell(f"killed {name_of(lost)}")
    asked = await request_for(town, lost)
    requested = time.time()
    tell(f"asked for another node: {asked.signatures} signatures")
    new = await successor_of(town, lost)
    assigned = time.time()
    tell(f"{name_of(new)} is placed")

    async def answers() -> bool:
        return await town.served(slot, new.id)

    await town.until(f"the page in slot {slot} answers", answers, PAGE_SECONDS)
    answering = time.time()
    tell(f"slot {slot} answers again, {answering - killed:.1f} s after the kill")
    return Healed(slot, lost, new, asked, killed, requested, assigned, answering)


async def settled(town: Town, healed: Healed, seconds: float) -> float:
    """When both nodes' seconds of the request's epoch were settled and paid, UNIX seconds. It may run beside others."""
    clock, view = town.world.clock, town.another_view()
    end = clock.end(clock.epoch_at(healed.asked.as_of))

    def both() -> bool:
        return all(view.settled_through(one.id, end) for one in (healed.lost, healed.new))

    await town.until("both nodes are paid for their seconds of the epoch", both, seconds)
    return time.time()


def delivery_of(town: Town, asked: Asked) -> Message | None:
    """How the keeper's delivery of a request stands; None: it hasn't put it into its queue."""
    path = town.world.options.out / "state" / town.keeper.name / QUEUE_FILE
    if not path.exists():
        return None
    queue = Queue(path)
    try:
        return queue.find("0x" + asked.id.hex())
    finally:
        queue.close()


def name_of(one: Opened) -> str:
    """The name of the node that has an assignment."""
    return f"node-{one.licence}"
