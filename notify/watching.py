"""One look at chain and oracles: what there is to tell now. The same notices come again and again; ids tell them
apart."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from chain.network import Network
from notify import rules
from notify.facts import Job, Serving
from notify.notice import About, Notice
from notify.presence import MOST_EPOCHS, PresenceAsker, Voices, presence_of, window_of
from notify.reading import ChainFacts, ChainReader, Scope
from notify.settings import NotifySettings


def scope_of(settings: NotifySettings) -> Scope:
    """All that any subscription is about."""
    about, everything = About(), False
    for one in settings.interests:
        about, everything = about | one.about, everything or one.everything
    return Scope(about, everything)


class Watcher:
    """Finds notices. `now`: the clock of this machine, for heartbeats; deadlines go by the chain's."""

    def __init__(
        self,
        network: Network,
        settings: NotifySettings,
        reader: ChainReader,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._reader = reader
        self._settings = settings
        self._scope = scope_of(settings)
        self._clock = network.clock(settings.tick)
        self._asker = PresenceAsker(settings.oracles, network.heartbeat_domain) if settings.oracles else None
        self._now = now
        self._served: list[Serving] = []

    def of_chain(self) -> list[Notice]:
        """What the chain's facts come to. RpcError, ChainUnsettled, EndpointsDisagree."""
        facts = self._reader.look(self._scope)
        self._served = facts.served
        return notices_of(facts, self._settings.spans)

    async def of_heartbeats(self) -> list[Notice]:
        """What oracles' receipts come to, for the nodes that served at the last look at the chain. RpcError."""
        now = int(self._now())
        if self._asker is None or not self._served or now < self._clock.genesis:
            return []
        current = self._clock.epoch_at(now)
        widest = max(one.job.policy.window_epochs for one in self._served)
        first = max(0, min(current - 1, current // widest * widest, current))
        epochs = list(range(max(first, current - MOST_EPOCHS + 1), current + 1))
        nodes = sorted({one.node for one in self._served})
        members = await asyncio.to_thread(self._reader.members)
        told = await self._asker.ask(nodes, epochs, current, members)
        spans, found = self._settings.spans, []
        for node in nodes:
            served = [one for one in self._served if one.node == node]
            found += rules.node_down(served, presence_of(told[node][-2:], self._clock), now, spans)
            for one in served:
                found += self._risk(one, told[node], current, now)
        return found

    async def troubles(self) -> list[str]:
        """What is wrong with the oracles named in the settings. RpcError."""
        if self._asker is None:
            return ["oracles: none is named, so nobody is told of silent nodes and of targets at risk"]
        return await self._asker.troubles(self._clock.tick, await asyncio.to_thread(self._reader.members))

    def _risk(self, one: Serving, epochs: list[tuple[int, Voices]], current: int, now: int) -> list[Notice]:
        first, after = window_epochs(one.job, current)
        held = [each for each in epochs if first <= each[0] < after]
        # Of what wasn't asked about nothing is said: the window is judged by its newest epochs.
        start = max(self._clock.start(held[0][0]), self._clock.start(first), one.opened_at)
        end = min(self._clock.start(after), one.job.stop)
        window = window_of(held, self._clock, start, end, now)
        return rules.at_risk(one, window) if window is not None else []


def window_epochs(job: Job, epoch: int) -> tuple[int, int]:
    """The first epoch of the policy window that an epoch lies in, and the first after it."""
    width = job.policy.window_epochs
    return epoch // width * width, (epoch // width + 1) * width


def notices_of(facts: ChainFacts, spans: rules.Spans) -> list[Notice]:
    """What there is to tell of the chain's facts. Pure."""
    now, found = facts.block.timestamp, []
    for one in facts.vetoed:
        found += rules.vetoed(one)
    for each in facts.withheld:
        found += rules.withheld(each)
    for standing in facts.requests:
        request = standing.request
        licence, by = (facts.licences.get(key, 0) for key in (request.assignment, standing.answer))
        found += rules.reallocation(standing, facts.jobs[request.job], licence, by)
    for job in facts.jobs.values():
        found += rules.funds(job, now, spans)
    for credential in facts.credentials:
        found += rules.credential(credential, now, spans)
    return found
