"""Prometheus metrics of one oracle's collecting. Each exists before its first event; docs/telemetry.md lists them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import nan
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector as MetricSource

from oracle.telemetry.intake.clock_sync import clock_sync
from oracle.telemetry.intake.collector import Collector
from oracle.telemetry.store.errors import StoreError

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4


class _Source(MetricSource):
    """Reads the counters where they are kept, so that a heartbeat costs no more for being counted."""

    def __init__(self, collector: Collector) -> None:
        self._collector = collector

    def collect(self) -> Iterable[Metric]:
        """See prometheus_client."""
        yield from self._intake()
        yield from self._store()
        yield from self._eyes()
        for told in self._collector.told_by_ways:
            yield from told()

    def _intake(self) -> Iterable[Metric]:
        intake = self._collector.intake
        yield counter("epochal_heartbeats_accepted", "Heartbeats that counted, by form.", intake.accepted, "form")
        refused = {reason.value: count for reason, count in intake.refused.items()}
        yield counter("epochal_heartbeats_refused", "Heartbeats and sessions refused, by reason.", refused)
        yield counter(
            "epochal_workloads_fenced", "Reports on workloads that aren't their sender's any more.", intake.fenced
        )
        roster = self._collector.roster
        yield gauge("epochal_roster_nodes", "Nodes that may beat.", len(roster))
        yield gauge("epochal_roster_age_seconds", "Since the roster was brought up to date.", roster.age)
        yield gauge("epochal_nodes_heard", "Nodes heard since the start.", intake.nodes_heard)
        yield gauge("epochal_sessions_open", "Open sessions of sealed heartbeats.", len(intake.sessions))

    def _store(self) -> Iterable[Metric]:
        collector = self._collector
        running = collector.trouble() is None
        yield gauge("epochal_store_durable", "1 while heartbeats become durable, else 0.", int(running))
        yield gauge("epochal_store_logged_marks", "Marks not yet folded.", collector.store.logged)
        yield gauge("epochal_store_backlog_bytes", "Bytes that no commit has made durable.", collector.store.backlog)
        yield gauge("epochal_store_bytes", "Bytes of the store at rest.", collector.store_bytes)
        try:
            commits = collector.commits
        except StoreError:  # stopped: the rest of the metrics still counts
            return
        yield counter("epochal_store_commits", "Durable commits.", commits.commits)
        yield counter("epochal_store_commit_failures", "Commits that failed.", commits.failures)
        yield gauge("epochal_store_slowest_commit_seconds", "Slowest commit so far.", commits.slowest)

    def _eyes(self) -> Iterable[Metric]:
        eyes = self._collector.eyes
        healthy = GaugeMetricFamily("epochal_way_up", "1 while a way in can bring heartbeats, else 0.", labels=["way"])
        observed = CounterMetricFamily("epochal_ticks_observed", "Ticks that a way in observed.", labels=["way"])
        for way in eyes.ways.values():
            healthy.add_metric([way.name], int(way.trouble is None))
            observed.add_metric([way.name], way.observed)
        yield healthy
        yield observed
        sync = clock_sync()
        yield gauge(
            "epochal_clock_in_sync",
            "1 while the kernel says so; NaN: it can't be asked.",
            sync.in_sync if sync else nan,
        )
        told = "How far off the clock may be, by the kernel's word."
        yield gauge("epochal_clock_max_error_seconds", told, sync.at_most if sync else nan)
        yield counter("epochal_pulse_gaps", "Late pulses and steps of the clock.", eyes.gaps)
        now = self._collector.now()
        clock = self._collector.clock
        epoch, tick = clock.tick_at(int(now)) if now >= clock.genesis else (0, 0)
        yield gauge("epochal_epoch", "The present epoch.", epoch)
        yield gauge("epochal_tick", "The present tick of the epoch.", tick)


def counter(name: str, told: str, value: float | Mapping[str, float], label: str = "reason") -> CounterMetricFamily:
    """A counter; `value` alone, or by a label's values."""
    if not isinstance(value, Mapping):
        return CounterMetricFamily(name, told, value)
    family = CounterMetricFamily(name, told, labels=[label])
    for key, count in value.items():
        family.add_metric([str(key)], count)
    return family


def gauge(name: str, told: str, value: float) -> GaugeMetricFamily:
    """A gauge."""
    return GaugeMetricFamily(name, told, value)


def exposition(collector: Collector) -> bytes:
    """The metrics in Prometheus's text format, version 0.0.4."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Source(collector))
    return generate_latest(registry)
