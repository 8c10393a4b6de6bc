"""The options of a replay, checked against the trace before anything starts."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from oracle.ground import bitmap
from oracle.ground.clock import EpochClock
from oracle.ground.errors import UserError
from oracle.ground.policy import Policy
from oracle.telemetry.traces.trace import Trace

# A chain must be started and a network deployed before the genesis.
LEAD = 3_600
_MIN_LENGTH = 4
_MAX_EPOCHS = 100_000
_MAX_TICKS = 10_000_000
# The contracts keep times in 40 bits; what follows the last epoch must fit too.
_LATEST = 2**40 - 2**36


class BadOption(UserError):
    """An option that can't work; the text names it, its value and the cure."""


@dataclass(frozen=True, slots=True)
class Reallocation:
    """How a replay replaces failing nodes; seconds.

    answer_delay   from when the orchestrator chose a node to the block in which it is assigned
    reopen_after   from a request's deadline to when the CSP gives the forfeited slot back; 0: it never does
    """

    answer_delay: int
    reopen_after: int


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """What a replay is asked to do. Times in UNIX seconds, spans in seconds, money in the token's smallest unit.

    genesis              start of epoch 0; None: the trace's first second
    epochs               (first, after the last); None: all that the trace reaches into
    settle_every         epochs between settlements; the last epoch is always settled
    protocol_share_ppm   the protocol's share of the earned, burned, in millionths
    telemetry            "direct": bits from the trace; "http": signed heartbeats to each oracle's real intake
    spares               how many nodes, the last by name, have no slot of their own
    reallocation         None: whoever fails keeps its slot
    compare              folder of the same replay without reallocation; only with `reallocation`
    """

    trace: Path
    out: Path
    genesis: int | None
    epoch_length: int
    tick: int
    epochs: tuple[int | None, int | None]
    oracles: int
    policy: Policy
    price: int
    settle_every: int
    appeal_epochs: int
    protocol_share_ppm: int
    rpc: str | None
    telemetry: str = "direct"
    spares: int = 0
    reallocation: Reallocation | None = None
    compare: Path | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """A node's time in a slot, inside the replayed time: an assignment to be."""

    slot: int
    generation: int
    node: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Schedule:
    """What follows from options and trace: the clock, the epochs, and who is enrolled when.

    nodes: names of the nodes that are enrolled at any time in the replayed epochs; a node's slot is its place here, if
    there are that many slots; the others are spares.
    """

    clock: EpochClock
    first: int
    after: int
    nodes: tuple[str, ...]
    slots: int
    spans: tuple[Span, ...]

    @property
    def starts_at(self) -> int:
        """Start of the first replayed epoch, UNIX seconds."""
        return self.clock.start(self.first)

    @property
    def ends_at(self) -> int:
        """End of the last replayed epoch, UNIX seconds."""
        return self.clock.start(self.after)


def schedule(options: ReplayOptions, trace: Trace) -> Schedule:
    """The schedule of a replay; BadOption when options and trace don't fit."""
    if options.policy.evidence != "liveness":
        raise BadOption(
            f"--policy: evidence is {options.policy.evidence}, but a trace tells of nodes and not of workloads; "
            'use "liveness"'
        )
    genesis = trace.first_start if options.genesis is None else options.genesis
    if genesis < LEAD:
        raise BadOption(
            f"--genesis {genesis}: a chain has to start an hour before it; give a genesis of at least {LEAD} and "
            "shift the trace with it"
        )
    if options.epoch_length < _MIN_LENGTH:
        raise BadOption(f"--epoch-length {options.epoch_length}: give at least {_MIN_LENGTH} seconds")
    if options.tick < 1 or options.epoch_length % options.tick:
        raise BadOption(
            f"--tick {options.tick}: it doesn't divide the epoch of {options.epoch_length} s into whole ticks; "
            "choose another --tick or --epoch-length"
        )
    if options.epoch_length // options.tick > _MAX_TICKS:
        raise BadOption(
            f"--tick {options.tick}: an epoch of {options.epoch_length} s has more than {_MAX_TICKS} of them; choose a "
            "longer --tick or a shorter --epoch-length"
        )
    clock = EpochClock(genesis, options.epoch_length, options.tick)
    if trace.last_end <= genesis:
        raise BadOption(
            f"--genesis {genesis}: the trace ends at {trace.last_end}, before it; give a genesis inside the trace"
        )
    reach = clock.covering(trace.last_end) + 1
    first = 0 if options.epochs[0] is None else options.epochs[0]
    after = reach if options.epochs[1] is None else options.epochs[1]
    if not 0 <= first < after <= reach:
        raise BadOption(
            f"--epochs {first}:{after}: the trace has epochs 0:{reach}; give A:B with 0 <= A < B <= {reach}"
        )
    if after - first > _MAX_EPOCHS:
        raise BadOption(
            f"--epochs {first}:{after}: at most {_MAX_EPOCHS} in one replay; choose fewer or a longer epoch"
        )

    begins, ends = clock.start(first), clock.start(after)
    enrolled: dict[str, list[tuple[int, int]]] = {}
    for node in trace.nodes:
        cut = [(max(a, begins), min(b, ends)) for a, b in trace.enrolments(node) if a < ends and b > begins]
        if cut:
            enrolled[node] = cut
    if not enrolled:
        raise BadOption(f"--epochs {first}:{after}: no node of the trace is enrolled in them; choose others")
    slots = len(enrolled) - options.spares
    if slots < 1:
        raise BadOption(
            f"--spares {options.spares}: only {len(enrolled)} nodes are enrolled in the replayed epochs; give fewer"
        )
    _can_reallocate(options)
    spans = [
        Span(slot, generation, node, start, end)
        for slot, (node, cut) in enumerate(list(enrolled.items())[:slots])
        for generation, (start, end) in enumerate(cut, start=1)
    ]
    if ends > _LATEST:
        raise BadOption(
            f"--epochs {first}:{after}: they end at {ends}, but the contracts' clock ends at {_LATEST}; choose earlier "
            "epochs or a shorter --epoch-length"
        )
    deposit = -(-options.price * slots * (ends - begins) // options.epoch_length)
    if deposit >= 1 << 96:
        raise BadOption(f"--price {options.price}: the deposit of {deposit} doesn't fit 96 bits; choose a lower price")
    plan = Schedule(clock, first, after, tuple(enrolled), slots, tuple(spans))
    if options.telemetry == "http":
        for node, cut in enrolled.items():
            for start, end in cut:
                _every_tick_known(plan, trace, node, start, end)
    return plan


def _can_reallocate(options: ReplayOptions) -> None:
    """BadOption for what reallocation lacks."""
    policy = options.policy
    if options.reallocation is None:
        if options.compare is not None:
            raise BadOption(f"--compare {options.compare}: is for a replay with --reallocate; add that")
        return
    if not policy.outage_seconds and not policy.missed_epochs:
        raise BadOption(
            "--reallocate: the policy asks for no other node; set outage_seconds or missed_epochs in --policy FILE"
        )
    if options.tick < 2:
        raise BadOption("--tick 1: with --reallocate a request comes a second after a tick; give at least 2")


def _every_tick_known(plan: Schedule, trace: Trace, node: str, start: int, end: int) -> None:
    """BadOption where nobody saw some ticks of an enrolled node: no intake is blind for one node alone."""
    last = plan.clock.covering(end)
    for epoch in range(max(plan.first, plan.clock.epoch_at(start)), min(plan.after, last + 1)):
        ticks = bitmap.span(plan.clock.whole_ticks(epoch, start, end))
        if ticks & ~trace.bits(node, plan.clock, epoch).seen:
            raise BadOption(
                f"--telemetry http: the trace doesn't know what {node} did in all of epoch {epoch}; choose other "
                "--epochs, or --telemetry direct"
            )


def fingerprint(options: ReplayOptions, plan: Schedule) -> dict[str, Any]:
    """What must be the same for a replay to go on where it was."""
    further: dict[str, Any] = {}
    if options.spares:
        further["spares"] = options.spares
    if options.reallocation is not None:
        further["reallocation"] = asdict(options.reallocation)
    return {
        "trace_sha256": hashlib.sha256(options.trace.read_bytes()).hexdigest(),
        "genesis": plan.clock.genesis,
        "epoch_length": options.epoch_length,
        "tick": options.tick,
        "epochs": [plan.first, plan.after],
        "oracles": options.oracles,
        "policy": asdict(options.policy),
        "price": options.price,
        "settle_every": options.settle_every,
        "appeal_epochs": options.appeal_epochs,
        "protocol_share_ppm": options.protocol_share_ppm,
        "rpc": options.rpc,
        "telemetry": options.telemetry,
        **further,
    }
