# SPDX-License-Identifier: Apache-2.0
"""Whole runs of a committee that asks for other nodes, each drawn from a seed: what `make simulate` counts."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from oracle.ground.breaches import TOLERANCE_TICKS, Reason
from oracle.ground.median import fault_bound
from tests.property.committee.reallocation_world import GENESIS, POLICY, SLOT, TICK, World

FAILED = GENESIS + 1_000
DUE = FAILED + POLICY.outage_seconds
NEAR = (2 * TOLERANCE_TICKS + 1) * TICK
"""How far a request's as-of may be from an outage's start, seconds: each of two oracles' ticks, and one more."""


def slots_until(faulty: int) -> int:
    """Slots within which an outage must be asked for: each faulty member may take its own, and its claims may spoil one
    more of an honest one's now and then."""
    return 2 + 4 * (faulty + 1)


@dataclass(frozen=True, slots=True)
class RequestRun:
    """late: slots from when the policy allowed the request until the chain had it."""

    seed: int
    late: float
    violations: tuple[str, ...]


def run(seed: int, size: int, silent: int, liars: int, loss: float = 0.0) -> RequestRun:
    """One node fails for good, another one comes back a moment before its policy asks for another; what is wrong with
    what becomes of that."""
    world = World(seed, size, silent, liars, loss)
    down, back, *_ = world.assignments
    world.truth.down = {down: [(FAILED, 1e12)], back: [(FAILED, DUE - 4 * TICK)]}
    world.run(DUE + slots_until(silent + liars) * SLOT)
    chain = world.chain
    wrong = [*chain.forged, *world.rude]
    if set(chain.closed) != {down}:
        wrong.append(f"closed {sorted(chain.closed)}, of which only {down} failed; liars are {sorted(world.liars)}")
    else:
        as_of, reason = chain.closed[down]
        if reason is not Reason.OUTAGE or abs(as_of - FAILED) > NEAR:
            wrong.append(f"asked for {reason.name} as of {as_of}, it failed at {FAILED}")
        if chain.when[down] < DUE - 4:  # clocks differ
            wrong.append(f"asked for at {chain.when[down]}, before {DUE}")
        if chain.carried_out != {world.true_id(down, 0, Reason.OUTAGE)}:
            wrong.append("the request has another id")
    return RequestRun(seed, (chain.when.get(down, world.now) - DUE) / SLOT, tuple(wrong))


def run_of(seed: int) -> RequestRun:
    """A run whose committee is drawn too: of 4 to 10, with as many faulty members as it bears."""
    chance = Random(seed)
    size = chance.randint(4, 10)
    silent = chance.randint(0, fault_bound(size))
    return run(seed, size, silent, fault_bound(size) - silent, chance.choice((0.0, 0.0, 0.1)))
