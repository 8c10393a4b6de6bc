"""Making faults happen, and undoing them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final

from scenario.network.faults import REHEARSALS, Fault
from scenario.network.fleet import Member, Oracle
from scenario.network.relay import Gate, PeerPaths
from scenario.network.world import GWEI, World

_FEE_PERIOD: Final = 0.4
"""Seconds between two times that a base fee is set: it falls with each block."""
RpcGates = Sequence[Sequence[Gate]]


class Injector:
    """Begins and ends faults. Each `begin` is undone by one `end` of the same fault; others may overlap it."""

    def __init__(
        self, world: World, oracles: Sequence[Oracle], nodes: Sequence[Member], paths: PeerPaths, rpcs: RpcGates
    ) -> None:
        self._world = world
        self._oracles, self._nodes = oracles, nodes
        self._paths, self._rpcs = paths, rpcs
        self._fees: list[int] = []
        self._raising: asyncio.Task[None] | None = None
        self._halts = 0
        self._out: list[int] = []

    async def begin(self, fault: Fault) -> None:
        """Make it happen."""
        match fault.name:
            case "kill":
                self._each(fault, Member.kill)
            case "pause":
                self._each(fault, Member.pause)
            case "partition":
                for gate in self._paths.across(fault.groups):
                    gate.hold()
            case "slow":
                self._delay(fault, float(fault.value))
            case "rpc":
                for gate in self._rpc_gates(fault):
                    gate.cut()
            case "skew":
                self._restart(fault, lambda one: setattr(one, "offset", one.offset + float(fault.value)))
            case name if name in REHEARSALS:
                self._restart(fault, lambda one: one.rehearsals.append(name))
            case "leave" | "expel":
                self._out += fault.oracles
                await self._elect(at_once=fault.name == "expel")
            case "reorg":
                await self._reorg(int(fault.value))
            case "stuck":
                self._fees.append(int(fault.value) * GWEI)
                self._raising = self._raising or asyncio.create_task(self._raise_fees())
            case "halt":
                self._halts += 1
                await asyncio.to_thread(self._world.chain.rpc, "evm_setIntervalMining", 0)

    async def end(self, fault: Fault) -> None:
        """Undo it."""
        match fault.name:
            case "kill":
                self._each(fault, Member.revive)
            case "pause":
                self._each(fault, Member.resume)
            case "partition":
                for gate in self._paths.across(fault.groups):
                    gate.let_go()
            case "slow":
                self._delay(fault, -float(fault.value))
            case "rpc":
                for gate in self._rpc_gates(fault):
                    gate.mend()
            case "skew":
                self._restart(fault, lambda one: setattr(one, "offset", one.offset - float(fault.value)))
            case name if name in REHEARSALS:
                self._restart(fault, lambda one: one.rehearsals.remove(name))
            case "leave" | "expel":
                for number in fault.oracles:
                    self._out.remove(number)
                await self._elect(at_once=False)
            case "stuck":
                self._fees.remove(int(fault.value) * GWEI)
            case "halt":
                self._halts -= 1
                if not self._halts:
                    await asyncio.to_thread(self._go_on)

    def _hit(self, fault: Fault) -> list[Oracle]:
        return [self._oracles[number - 1] for number in fault.oracles]

    def _each(self, fault: Fault, act: Callable[[Member], None]) -> None:
        for member in [*self._hit(fault), *(self._nodes[number - 1] for number in fault.nodes)]:
            act(member)

    def _delay(self, fault: Fault, seconds: float) -> None:
        gates = {id(gate): gate for number in fault.oracles for gate in self._paths.of(number)}
        for gate in gates.values():
            gate.delay += seconds

    def _rpc_gates(self, fault: Fault) -> list[Gate]:
        """All of an oracle's endpoints, or the first so many."""
        count = int(fault.value)
        return [gate for number in fault.oracles for gate in self._rpcs[number - 1][: count or None]]

    def _restart(self, fault: Fault, change: Callable[[Oracle], None]) -> None:
        for oracle in self._hit(fault):
            change(oracle)
            oracle.restart()

    async def _elect(self, *, at_once: bool) -> None:
        staying = [one.number for one in self._oracles if one.number not in self._out]
        await asyncio.to_thread(self._world.elect, staying, at_once=at_once)

    async def _reorg(self, depth: int) -> None:
        def replace() -> None:
            self._world.chain.rpc("anvil_reorg", depth, [])
            # The new blocks have the last common one's time, and anvil's clock stays there.
            self._go_on()

        await asyncio.to_thread(replace)

    def _go_on(self) -> None:
        self._world.chain.rpc("evm_setTime", int(time.time()))
        if not self._halts:
            self._world.chain.rpc("evm_setIntervalMining", 1)

    async def _raise_fees(self) -> None:
        """Keep the base fee where the highest of the faults wants it; at last, as it was."""
        rpc = self._world.chain.rpc
        while self._fees:
            await asyncio.to_thread(rpc, "anvil_setNextBlockBaseFeePerGas", hex(max(self._fees)))
            await asyncio.sleep(_FEE_PERIOD)
        await asyncio.to_thread(rpc, "anvil_setNextBlockBaseFeePerGas", hex(GWEI))
        self._raising = None
