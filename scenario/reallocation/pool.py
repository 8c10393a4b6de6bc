"""The nodes of a replay as its orchestrator knows them: who is free, who was up lately, who was up how much."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from oracle.ground.clock import EpochClock
from oracle.telemetry.traces.trace import TickBits, Trace
from orchestrator.placing.choice import Candidate, Wanted, ranked
from orchestrator.placing.facts import Job, Licence, Node, Request, Rules, Slot
from orchestrator.wire.intent_parts import NOTHING

_FADE_SECONDS: Final = 7 * 86_400
"""As the reference orchestrator: whoever was watched for longer has its past halved."""
# Nothing of these plays a part where every node runs one workload and jobs have no intent.
_JOB: Final = Job(id=1, account=1, owner="", token="", price=0, slots=0, starts_at=0, stop=0, terms=b"")


@dataclass(slots=True)
class _Known:
    """What of one node was seen in the epochs that are over; seconds."""

    watched: int = 0
    heard: int = 0
    failures: int = 0


class Pool:
    """Looks at the trace up to the time it is asked about, and no further."""

    def __init__(self, trace: Trace, clock: EpochClock, nodes: Iterable[str]) -> None:
        self.clock = clock
        self.licences = {name: number for number, name in enumerate(nodes, start=1)}
        """In the order in which the nodes are licensed."""
        self._trace = trace
        self._known = {name: _Known() for name in self.licences}
        self._bits: dict[tuple[str, int], TickBits] = {}

    def bits(self, node: str, epoch: int) -> TickBits:
        """The trace of a node's ticks in an epoch."""
        key = node, epoch
        if key not in self._bits:
            self._bits[key] = self._trace.bits(node, self.clock, epoch)
        return self._bits[key]

    def up_in_tick(self, node: str, tick: int) -> bool:
        """Whether a node is up in all of a tick, counted from genesis."""
        epoch, place = divmod(tick, self.clock.ticks_per_epoch)
        return tick >= 0 and bool(self.bits(node, epoch).up >> place & 1)

    def failed(self, node: str) -> None:
        """The chain took an assignment from it."""
        self._known[node].failures += 1

    def epoch_over(self, epoch: int) -> None:
        """Count what an epoch showed."""
        for name, known in self._known.items():
            seen = self.bits(name, epoch)
            known.watched += seen.seen.bit_count() * self.clock.tick
            known.heard += seen.up.bit_count() * self.clock.tick
            if known.watched > _FADE_SECONDS:
                known.watched, known.heard, known.failures = known.watched // 2, known.heard // 2, known.failures // 2
        self._bits = {key: bits for key, bits in self._bits.items() if key[1] >= epoch}

    def best(
        self, free: Iterable[str], now: int, request: Request | None, declined: Mapping[str, int], rules: Rules
    ) -> str:
        """Whom the orchestrator asks first of those free; "" where nobody will do. `declined`: until when a node isn't
        asked."""
        candidates = [Candidate(*self._facts(name, now)) for name in free]
        refusing = {self.licences[name]: until for name, until in declined.items()}
        wanted = Wanted(_JOB, Slot(_JOB.id, 0, request=request), NOTHING, refusing)
        found = ranked(candidates, wanted, rules, now)
        return found[0].node.node if found else ""

    def _facts(self, name: str, now: int) -> tuple[Licence, Node]:
        number, known = self.licences[name], self._known[name]
        since = self.clock.ticks_since_genesis(now)
        epoch, ticks = divmod(since, self.clock.ticks_per_epoch)
        over = (1 << ticks) - 1
        bits = self.bits(name, epoch)
        # It is heard of at the end of each tick in which it is up.
        seen_at = self.clock.start(0) + since * self.clock.tick if self.up_in_tick(name, since - 1) else 0
        node = Node(
            licence=number,
            node=name,
            host=name,
            capacity=NOTHING,
            seen_at=seen_at,
            watched=known.watched + (bits.seen & over).bit_count() * self.clock.tick,
            heard=known.heard + (bits.up & over).bit_count() * self.clock.tick,
            failures=known.failures,
        )
        return Licence(number, name, name), node
