"""Prometheus metrics of the daemon. All of them exist before their first event, so that alerts can stand on them."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any, Final

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector as MetricSource

NAMESPACE: Final = "epochal_oracle"
PHASES: Final = ("observing", "gathering", "agreeing", "submitting", "finalizing")
"""Parts of a round: until this oracle has signed what it saw; until it has signed a report; until a quorum has; until
that is in a block; until the report is final there."""
BUCKETS: Final = (0.1, 0.3, 1, 3, 10, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200)
_KINDS: Final = ("have", "proposal", "vote", "refusal", "claims", "batch", "endorsement", "objection")
_REASONS: Final = ("missed_epochs", "outage", "outcast", "maintenance")
_BATCHES: Final = ("proposed", "signed", "refused", "quorum")


class Series(Enum):
    """The metrics that are set or added to: name, what kind it is, what it tells, its label and the label's values.

    The values exist from the start; where a label has none, they come with what is known, as the names of peers.
    """

    UP = "up", "gauge", "1 once the oracle has started.", "", ()
    READY = "ready", "gauge", "1 while the oracle waits for nothing, else 0.", "", ()
    EPOCH_DUE = "epoch_due", "gauge", "The newest epoch whose round has begun; -1 before the first.", "", ()
    LAST_FINAL_EPOCH = "last_final_epoch", "gauge", "The epoch of the last final report; -1 for none.", "", ()
    LAST_SIGNED_EPOCH = (
        "last_signed_epoch",
        "gauge",
        "The newest epoch of which it signed what it saw; -1: none.",
        "",
        (),
    )
    MEMBER = "member", "gauge", "1 while this oracle is in the committee in force, else 0.", "", ()
    COMMITTEE_VERSION = "committee_version", "gauge", "Version of the committee in force.", "", ()
    COMMITTEE_SIZE = "committee_size", "gauge", "Members of the committee in force.", "", ()
    OBSERVATIONS_RECEIVED = "observations_received", "gauge", "Observations there in the round, its own too.", "", ()
    VOTES_RECEIVED = "votes_received", "gauge", "Votes in the round for the report with the most.", "", ()
    ROUNDS = "rounds_total", "counter", "Rounds that ended, by outcome.", "outcome", ("attested", "failed", "abstained")
    REPORTS_SUBMITTED = "reports_submitted_total", "counter", "Reports that this oracle brought on chain.", "", ()
    DISAGREEMENTS = "disagreements_total", "counter", "Different reports from the same observations.", "", ()
    WRONG_REPORTS = "wrong_reports_total", "counter", "Reports on chain that don't follow from their evidence.", "", ()
    EVIDENCE_MISSING = (
        "evidence_missing_total",
        "counter",
        "Times that no peer gave the evidence of the report on chain.",
        "",
        (),
    )
    EQUIVOCATIONS = "equivocations_total", "counter", "Proofs that an oracle signed two things of one kind.", "", ()
    APPEALS = "appeals_total", "counter", "Appeals that nodes handed in, by outcome.", "outcome", ("taken", "refused")
    BREACHES = (
        "breaches",
        "gauge",
        "Assignments for which it would ask for another node, by reason.",
        "reason",
        _REASONS,
    )
    BATCHES = "batches_total", "counter", "Batches of requests for other nodes, by what came of them.", "step", _BATCHES
    REQUESTS = (
        "requests_brought_total",
        "counter",
        "Requests for other nodes that it set out to bring on chain.",
        "",
        (),
    )
    MESSAGES_RECEIVED = "messages_received_total", "counter", "Messages of peers, by kind.", "kind", _KINDS
    MESSAGES_REFUSED = "messages_refused_total", "counter", "Requests of peers refused, by reason.", "reason", ()
    PEERS = "peers", "gauge", "Other members of the committee in force.", "", ()
    PEERS_REACHABLE = "peers_reachable", "gauge", "Those of them that take messages.", "", ()
    PEER_REACHABLE = "peer_reachable", "gauge", "1 while this peer takes messages, else 0.", "peer", ()
    PEER_BYTES = "peer_bytes_total", "counter", "Bytes to and from peers.", "direction", ("sent", "received")
    TRANSACTIONS = (
        "journal_entries",
        "gauge",
        "Transactions in the journal, by state.",
        "state",
        ("planned", "signed", "sent", "mined", "final", "refused", "failed", "dropped"),
    )
    TRANSACTIONS_STUCK = "transactions_stuck", "gauge", "Sent for longer than stuck_seconds, in no block.", "", ()
    FEE_ABOVE_CEILING = "fee_above_ceiling", "gauge", "1 while the chain asks for more than max_fee_gwei.", "", ()
    BALANCE = "balance_wei", "gauge", "Balance of the key that pays.", "", ()
    BALANCE_LEAST = "balance_least_wei", "gauge", "The setting min_balance_gwei, in wei.", "", ()
    RPC_ENDPOINTS = "rpc_endpoints", "gauge", "RPC endpoints in the settings.", "", ()
    RPC_HEALTHY = "rpc_endpoints_healthy", "gauge", "Those of them that answer.", "", ()
    RPC_NEEDED = "rpc_endpoints_needed", "gauge", "How many must say the same: the setting rpc_agree.", "", ()
    RPC_DISAGREEMENTS = "rpc_disagreements_total", "counter", "Times that endpoints told different things.", "", ()
    EVENT_LOG_BLOCK = "event_log_block", "gauge", "Finalized block up to which events were read.", "", ()
    FINALIZED_TIME = "finalized_timestamp_seconds", "gauge", "Time of the newest finalized block.", "", ()
    REORGS = "reorgs_total", "counter", "Times that finalized blocks were taken back.", "", ()
    CLOCK_OFFSET = "clock_offset_seconds", "gauge", "Own clock less the time of the chain's newest block.", "", ()
    BUGS = "bugs_total", "counter", "Errors that nobody foresaw; the log has each.", "", ()

    def __init__(self, short: str, kind: str, told: str, label: str, values: tuple[str, ...]) -> None:
        self.metric = f"{NAMESPACE}_{short}"
        self.kind = kind
        self.told = told
        self.label = label
        self.values = values


HISTOGRAM: Final = "round_phase_seconds"
HISTOGRAM_TOLD: Final = "Seconds that the parts of rounds took."
_START: Final[Mapping[Series, float]] = {
    Series.UP: 1,
    **dict.fromkeys((Series.EPOCH_DUE, Series.LAST_FINAL_EPOCH, Series.LAST_SIGNED_EPOCH), -1),
}


class DaemonMetrics:
    """The metrics of one daemon. Any thread may set them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[Series, dict[str, float]] = {
            each: dict.fromkeys(each.values if each.label else ("",), _START.get(each, 0)) for each in Series
        }
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(_Source(self))
        self._phases = Histogram(
            HISTOGRAM, HISTOGRAM_TOLD, ["phase"], namespace=NAMESPACE, buckets=BUCKETS, registry=self._registry
        )
        for phase in PHASES:
            self._phases.labels(phase)

    def set(self, series: Series, value: float, label: str = "") -> None:
        """The value as it is now; also of a counter that is kept elsewhere."""
        with self._lock:
            self._line(series, label)[label] = value

    def add(self, series: Series, label: str = "", amount: float = 1) -> None:
        """So many more."""
        with self._lock:
            line = self._line(series, label)
            line[label] = line.get(label, 0) + amount

    def replace(self, series: Series, values: Mapping[str, float]) -> None:
        """All values of a label whose values change, as peers do; a fixed label's values that aren't told become 0."""
        assert series.label, f"{series.metric} has no label"
        with self._lock:
            for each in values:
                self._line(series, each)
            self._held[series] = dict.fromkeys(series.values, 0.0) | dict(values)

    def phase(self, phase: str, seconds: float) -> None:
        """One of `PHASES` of a round is over."""
        assert phase in PHASES, f"{phase!r} is none of {PHASES}"
        self._phases.labels(phase).observe(max(0.0, seconds))

    def value(self, series: Series, label: str = "") -> float:
        """What it is now; 0 for what never was."""
        with self._lock:
            return self._held[series].get(label, 0)

    def exposition(self, *others: bytes) -> bytes:
        """All in Prometheus's text format, followed by what other parts have already written in it."""
        return b"".join((generate_latest(self._registry), *others))

    def _line(self, series: Series, label: str) -> dict[str, float]:
        """A misspelt label would make a series that no alert looks at."""
        fits = (label in series.values or (not series.values and label != "")) if series.label else label == ""
        assert fits, f"{series.metric} has no {series.label or 'label'} {label!r}"
        return self._held[series]

    def collect(self) -> Iterable[Metric]:
        """The families of all series but the phases."""
        with self._lock:
            held = {series: dict(line) for series, line in self._held.items()}
        for series, line in held.items():
            family: Any = CounterMetricFamily if series.kind == "counter" else GaugeMetricFamily
            made = family(
                series.metric.removesuffix("_total"), series.told, labels=[series.label] if series.label else []
            )
            for label, value in line.items():
                made.add_metric([label] if series.label else [], value)
            yield made


class _Source(MetricSource):
    """For prometheus_client."""

    def __init__(self, metrics: DaemonMetrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        """See prometheus_client."""
        return self._metrics.collect()
