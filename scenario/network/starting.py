"""Starting a network: relays, the chain, oracles and nodes, until every oracle is alive."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

import aiohttp

from oracle.ground.errors import EpochalError
from scenario.network.fleet import Member, Node, Oracle, Ports
from scenario.network.injector import Injector
from scenario.network.options import NetworkOptions
from scenario.network.relay import Gate, PeerPaths, Relay
from scenario.network.watching import alive
from scenario.network.world import World, build, go_live

_PATIENCE_EPOCHS: Final = 2
"""Epochs within which all oracles must be alive."""


@dataclass(frozen=True, slots=True)
class Started:
    """A network whose processes run. seconds: what starting took."""

    world: World
    oracles: tuple[Oracle, ...]
    nodes: tuple[Member, ...]
    injector: Injector
    seconds: float


Hire = Callable[[World, Sequence[str]], Awaitable[Sequence[Member]]]
"""Makes the nodes of a world, which beat to oracles at these URLs; they are started by others."""


async def agents(world: World, oracles: Sequence[str]) -> Sequence[Member]:
    """Nodes that run nothing."""
    return [Node(world, serving, oracles) for serving in world.nodes]


async def start(
    options: NetworkOptions,
    stack: AsyncExitStack,
    session: aiohttp.ClientSession,
    tell: Callable[[str], None],
    hire: Hire = agents,
) -> Started:
    """Start it; the stack ends all of it. To be called from the thread that lives as long as the network.

    EpochalError with the last line of its log for an oracle that doesn't come up.
    """
    began = time.monotonic()
    paths, ports = PeerPaths(options.oracles), Ports.of(options.oracles)
    relays = [Relay(one.peers, paths.towards(index + 1)) for index, one in enumerate(ports)]
    for relay in relays:
        await _listen(relay, stack)
    world = build(options, [one.url for one in relays], stack)
    go_live(world)
    gates, oracles = [], []
    for index, (port, relay) in enumerate(zip(ports, relays, strict=True)):
        own = [Gate() for _ in range(options.endpoints)]
        rpcs = [Relay(world.anvil_port, _always(gate)) for gate in own]
        for rpc in rpcs:
            await _listen(rpc, stack)
        gates.append(own)
        oracles.append(Oracle(world, index + 1, port, relay.url, rpcs))
    heard_by = [*(one.heartbeats_url for one in oracles), *(one.heartbeats for one in options.guests)]
    nodes = await hire(world, heard_by)
    for member in (*oracles, *nodes):
        stack.callback(member.close)
        member.start()
    tell(
        f"chain at {world.chain.url}, contracts deployed, {options.oracles} oracles and {options.nodes} nodes started; "
        f"logs in {options.out / 'logs'}"
    )
    await _until_alive(oracles, session, world.clock.end(_PATIENCE_EPOCHS - 1))
    injector = Injector(world, oracles, nodes, paths, gates)
    return Started(world, tuple(oracles), tuple(nodes), injector, time.monotonic() - began)


def last_line(member: Member) -> str:
    """The last line of a process's log."""
    lines = member.log.read_text(encoding="utf-8", errors="replace").splitlines()
    return next((line for line in reversed(lines) if line.strip()), "its log is empty")


async def _listen(relay: Relay, stack: AsyncExitStack) -> None:
    await relay.start()
    stack.push_async_callback(relay.stop)


def _always(gate: Gate) -> Callable[[str], Gate]:
    return lambda _: gate


async def _until_alive(oracles: list[Oracle], session: aiohttp.ClientSession, until: float) -> None:
    waiting = list(oracles)
    while waiting:
        for oracle in waiting:
            if oracle.ended_by_itself is not None:
                raise EpochalError(f"{oracle.name} ended with status {oracle.ended_by_itself}: {last_line(oracle)}")
        if time.time() > until:
            raise EpochalError(f"{waiting[0].name} isn't alive {_PATIENCE_EPOCHS} epochs on; see {waiting[0].log}")
        waiting = [one for one in waiting if not await alive(session, one)]
        await asyncio.sleep(0.2)
