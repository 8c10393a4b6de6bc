"""Liveness out of a Prometheus server: whether it could scrape each node, tick by tick.

The oracle asks for raw samples, which carry the time of their own scrape (a range query would repeat an old sample
for minutes). A sample of 1 is an up tick, one of 0 a tick that was seen, and no sample is no knowledge.
docs/telemetry-eyes.md tells what this evidence is worth.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from math import floor
from pathlib import Path
from typing import Any, Final

import aiohttp
from prometheus_client.core import Metric

from oracle.ground import bitmap
from oracle.ground.darkness import EDGE_TICKS, REFERENCE_TICKS, heard, judge
from oracle.ground.errors import EpochalError, InvalidValue
from oracle.telemetry.intake.collector import Collector
from oracle.telemetry.intake.metrics import counter, gauge
from oracle.telemetry.store.errors import StoreError
from oracle.telemetry.store.records import Kind
from oracle.telemetry.ways.watched import watched
from oracle.telemetry.wire.urls import server_url

LONGEST_QUERY: Final = 360
"""Ticks in one query."""

LARGEST_ANSWER: Final = 64 * 2**20
"""Bytes of one answer; for larger ones fewer ticks are asked for."""

_LOG = logging.getLogger("epochal.telemetry.prometheus")
_HELD_BACK: Final = EDGE_TICKS + 1  # whether a tick is the edge of a dark run shows only so much later
_SHORTEST_QUERY: Final = 2 * _HELD_BACK
_SKEW_SECONDS: Final = 5
_NODES_WITHOUT_PAUSE: Final = 1000
_CREDENTIALS: Final = "check user and password, or the token"
_HINTS: Final = {401: _CREDENTIALS, 403: _CREDENTIALS, 503: "it is starting or overloaded"}
_ADDRESS: Final = re.compile(r"0x[0-9a-f]{40}")
_LABEL: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


class PrometheusError(EpochalError):
    """The Prometheus server gave no answer that can be used; asking again may help."""


class _TooLarge(PrometheusError):
    pass


@dataclass(frozen=True, slots=True)
class PrometheusSettings:
    """Which server to ask, and for what. InvalidValue for what can't be.

    url              as http://prometheus:9090, without a user
    label            the label of each target that holds its node's address
    matchers         further matchers of the targets, as 'job="nodes",site=~"a|b"'
    pull_seconds     seconds between two pulls; 0: six ticks
    delay            seconds that a scrape has to reach the server's storage: its scrape timeout or more
    catch_up         seconds of the past that are asked for after an outage; older ticks stay unseen
    timeout          seconds for one answer
    user, password_file, token_file   basic auth, or a bearer token; files are read at each pull
    """

    url: str
    label: str = "node"
    matchers: str = ""
    pull_seconds: float = 0.0
    delay: float = 15.0
    catch_up: int = 2 * 86_400
    timeout: float = 30.0
    user: str | None = None
    password_file: Path | None = None
    token_file: Path | None = None

    def __post_init__(self) -> None:
        cure = "--prometheus-user and --prometheus-password-file are for them"
        parts = server_url("the Prometheus URL", self.url, ("http", "https"), "http://prometheus:9090", cure)
        if parts.query or parts.fragment:
            raise InvalidValue("the Prometheus URL holds more than a path (not shown): give it without ? and #")
        if not _LABEL.fullmatch(self.label):
            raise InvalidValue(f"Prometheus label is {self.label!r}; give the name of a label, such as node")
        if self.token_file is not None and self.user is not None:
            raise InvalidValue("Prometheus has both a user and a token file; give one of them")
        if (self.user is None) != (self.password_file is None):
            raise InvalidValue("Prometheus has a user or a password file alone; give both or neither")
        if self.delay < 0 or self.timeout <= 0 or self.catch_up <= 0 or self.pull_seconds < 0:
            raise InvalidValue(
                "Prometheus delay, timeout, catch-up and pull seconds can't be negative, nor the middle two 0"
            )


@dataclass(slots=True)
class _Samples:
    """What an answer tells: by node, masks whose bit 0 is the first tick that was asked for."""

    up: dict[str, int] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)
    unknown: int = 0
    strange: int = 0


class PrometheusPull:
    """Pulls one Prometheus server for one collector. `trouble` says why it can't now, or None.

    `name` tells several servers apart.
    """

    def __init__(self, collector: Collector, settings: PrometheusSettings, name: str = "prometheus") -> None:
        self.settings = settings
        self.name = name
        self.trouble: str | None = "not started yet"
        self.pulls = 0
        """Queries that were answered."""
        self.failures = 0
        """Queries that weren't."""
        self.samples = 0
        """Ticks of nodes that were looked at."""
        self.dark_ticks = 0
        """Ticks in which nearly all nodes were silent at once: only those heard count as seen."""
        self.unknown = 0
        """Series of the last pull whose label is no licensed node's address."""
        self.strange = 0
        """Samples that were neither 0 nor 1."""
        self._collector = collector
        self._next: int | None = None
        self._lit: deque[int] = deque(maxlen=REFERENCE_TICKS)
        self._lit_at = 0
        self._span = LONGEST_QUERY
        self._task: asyncio.Task[None] | None = None
        self._http: aiohttp.ClientSession | None = None
        collector.told_by_ways.append(self._metrics)

    def _metrics(self) -> Iterator[Metric]:
        yield gauge("epochal_prometheus_up", "1 while Prometheus can be pulled, else 0.", int(self.trouble is None))
        yield gauge("epochal_prometheus_behind_seconds", "From now back to what isn't pulled yet.", self.behind)
        yield gauge("epochal_prometheus_unknown_series", "Series of no licensed node, last pull.", self.unknown)
        yield counter("epochal_prometheus_pulls", "Queries that were answered.", self.pulls)
        yield counter("epochal_prometheus_failures", "Queries that weren't.", self.failures)
        yield counter("epochal_prometheus_samples", "Ticks of nodes that were looked at.", self.samples)
        yield counter("epochal_prometheus_strange_samples", "Samples neither 0 nor 1.", self.strange)
        yield counter("epochal_prometheus_dark_ticks", "Ticks in which nearly all were silent.", self.dark_ticks)

    @property
    def behind(self) -> float:
        """Seconds from now back to the first tick that isn't written yet; settle delays must be longer."""
        clock = self._collector.clock
        return self._collector.now() - clock.genesis - (self._next or 0) * clock.tick

    async def start(self) -> None:
        """Go on where the last run ended, as far as `catch_up` reaches; at first with the present epoch."""
        self._restore()
        self._http = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=self.settings.timeout), cookie_jar=aiohttp.DummyCookieJar()
        )
        self.trouble = None
        self._task = watched(self._run(self._http), self, _LOG, self.name)

    async def stop(self) -> None:
        """End at once; what was not pulled yet is pulled after the next start."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        if self._http is not None:
            await self._http.close()
            self._http = None
        self.trouble = "stopped"

    async def _run(self, http: aiohttp.ClientSession) -> None:
        pause = self.settings.pull_seconds or 6 * self._collector.clock.tick
        while True:
            try:
                while await self._pull(http):
                    pass
            except (PrometheusError, StoreError) as error:
                self.failures += 1
                if self.trouble is None:
                    _LOG.warning("%s: %s", self.name, error)
                self.trouble = str(error)
            else:
                if self.trouble is not None:
                    _LOG.warning("%s: answers again", self.name)
                self.trouble = None
            await asyncio.sleep(pause)

    async def _pull(self, http: aiohttp.ClientSession) -> bool:
        """Ask once and write what is certain. Whether there is more to ask for."""
        clock, now = self._collector.clock, self._collector.now()
        end = clock.ticks_since_genesis(floor(now - self.settings.delay))
        first = max(self._next or 0, clock.ticks_since_genesis(floor(now - self.settings.catch_up)))
        if end - first <= _HELD_BACK:
            return False
        stop = min(end, first + self._span)
        lead = min(first, _HELD_BACK)  # a run that has just ended may reach over the last pull's end
        try:
            found = await self._ask(http, first - lead, stop)
        except _TooLarge:
            if self._span <= _SHORTEST_QUERY:
                raise
            self._span = max(_SHORTEST_QUERY, self._span // 2)
            return True
        self.pulls += 1
        self.unknown = found.unknown
        self.strange += found.strange
        counts = heard(found.up.values(), lead + stop - first)
        if first - self._lit_at > clock.ticks_per_epoch:
            self._lit.clear()  # silent for an epoch: what was is no reference any more
        dark = judge([*self._lit, *counts]) >> len(self._lit)
        certain = stop - first - _HELD_BACK
        for tick in range(lead, lead + certain):
            if dark >> tick & 1:
                self.dark_ticks += 1
            else:
                self._lit.append(counts[tick])
                self._lit_at = first - lead + tick
        await self._write(found, first - lead, dark, ((1 << certain) - 1) << lead)
        # Only what is durable isn't asked for again.
        await self._collector.commits.durable()
        self._next = first + certain
        await asyncio.to_thread(self._save)
        return stop < end

    async def _ask(self, http: aiohttp.ClientSession, first: int, stop: int) -> _Samples:
        """The samples of the ticks from `first` up to, not including, `stop`, counted from genesis."""
        clock = self._collector.clock
        begins, ends = ((clock.genesis + tick * clock.tick) * 1000 for tick in (first, stop))
        extra = f",{self.settings.matchers}" if self.settings.matchers else ""
        # A range ends with its time, and since Prometheus 3 begins after its start. Samples have milliseconds.
        query = f'up{{{self.settings.label}!=""{extra}}}[{ends - begins}ms]'
        form = {"query": query, "time": f"{(ends - 1) // 1000}.{(ends - 1) % 1000:03}"}
        url = self.settings.url.rstrip("/") + "/api/v1/query"
        try:
            headers = self._authorization()
            async with http.post(url, data=form, headers=headers, allow_redirects=False) as answer:
                self._check_clock(answer.headers.get("Date"))
                body = await _body(answer.content)
                status = answer.status
        except TimeoutError as error:
            raise PrometheusError(f"{url} did not answer within {self.settings.timeout} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise PrometheusError(f"{url} can't be asked ({error}); check the server and its URL") from error
        # Tens of megabytes for a whole network: the ways in go on meanwhile.
        return await asyncio.to_thread(self._samples, url, status, body, begins, ends)

    def _samples(self, url: str, status: int, body: bytes, begins: int, ends: int) -> _Samples:
        try:
            answer = json.loads(body)
            if status != 200 or answer["status"] != "success":
                raise PrometheusError(
                    f"{url} answers {status}: {str(answer.get('error', ''))[:200] or 'no reason given'}"
                )
            data = answer["data"]
            if data["resultType"] != "matrix":
                raise PrometheusError(
                    f"{url} answers with a {data['resultType']!s:.20}, not a matrix; is it Prometheus?"
                )
            found = _Samples()
            for series in data["result"]:
                self._add(found, series["metric"], series["values"], begins, ends)
        except (ValueError, ArithmeticError, KeyError, TypeError, AttributeError, RecursionError) as error:
            hint = _HINTS.get(status, "is it Prometheus?")
            raise PrometheusError(
                f"{url} answers {status} with something else than Prometheus's JSON; {hint}"
            ) from error
        return found

    def _add(
        self, found: _Samples, metric: Mapping[str, str], values: list[tuple[float, str]], begins: int, ends: int
    ) -> None:
        node = str(metric[self.settings.label]).lower()
        if not _ADDRESS.fullmatch(node) or not self._collector.roster.knows(node):
            found.unknown += 1
            return
        seen = up = 0
        length = self._collector.clock.tick * 1000
        for moment, value in values:
            at = round(moment * 1000)
            if not begins <= at < ends:
                continue
            if value not in ("0", "1"):
                found.strange += 1
                continue
            bit = 1 << (at - begins) // length
            seen |= bit
            if value == "1":
                up |= bit
        found.seen[node] = found.seen.get(node, 0) | seen
        found.up[node] = found.up.get(node, 0) | up

    async def _write(self, found: _Samples, first: int, dark: int, certain: int) -> None:
        store, per_epoch = self._collector.store, self._collector.clock.ticks_per_epoch
        for place, node in enumerate(sorted(found.seen)):
            if place % _NODES_WITHOUT_PAUSE == 0:
                await asyncio.sleep(0)
            up = found.up[node] & certain
            seen = found.seen[node] & certain & ~dark | up
            self.samples += seen.bit_count()
            if not seen:
                continue
            track = store.track(Kind.PULLED, bytes.fromhex(node[2:]))
            for epoch, bits in bitmap.by_epoch(seen, first, per_epoch):
                store.see(track, epoch, bits)
            for epoch, bits in bitmap.by_epoch(up, first, per_epoch):
                store.mark_bits(track, epoch, bits)

    def _authorization(self) -> dict[str, str]:
        try:
            if self.settings.token_file is not None:
                return {"Authorization": f"Bearer {self.settings.token_file.read_text().strip()}"}
            if self.settings.user is not None and self.settings.password_file is not None:
                password = self.settings.password_file.read_text().rstrip("\r\n")
                return {"Authorization": aiohttp.BasicAuth(self.settings.user, password, "utf-8").encode()}
        except (OSError, UnicodeDecodeError) as error:
            raise PrometheusError(f"the secret for {self.settings.url} can't be read: {error}") from error
        return {}

    def _check_clock(self, date: str | None) -> None:
        """Samples carry the server's time: a wrong clock there would mark wrong ticks."""
        if date is None:
            return
        try:
            told = parsedate_to_datetime(date).timestamp()
        except (ValueError, ArithmeticError, TypeError):
            return
        ahead = told - self._collector.now()
        if abs(ahead) > max(_SKEW_SECONDS, self._collector.clock.tick):
            raise PrometheusError(f"{self.settings.url} is {ahead:+.0f} s off this oracle's clock; set both by NTP")

    def _restore(self) -> None:
        clock = self._collector.clock
        kept = self._collector.store.get_state(self._key)
        if kept is None:
            now = floor(self._collector.now())
            epoch = clock.epoch_at(now) if now >= clock.genesis else 0
            self._next = epoch * clock.ticks_per_epoch
            return
        state: dict[str, Any] = json.loads(kept)
        self._next = int(state["next"])
        self._lit_at = int(state["litAt"])
        self._lit.extend(map(int, state["lit"]))

    def _save(self) -> None:
        state = {"next": self._next, "litAt": self._lit_at, "lit": list(self._lit)}
        self._collector.store.put_state(self._key, json.dumps(state).encode())

    @property
    def _key(self) -> str:
        return f"ways/{self.name}"


async def _body(content: aiohttp.StreamReader) -> bytes:
    body = bytearray()
    async for chunk in content.iter_any():
        body += chunk
        if len(body) > LARGEST_ANSWER:
            raise _TooLarge(f"the answer has more than {LARGEST_ANSWER} bytes; give matchers that name fewer targets")
    return bytes(body)
