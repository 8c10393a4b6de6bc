"""The daemon's log: one event a line with a stable name, as JSON or as text, and never a secret in it."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterable, Mapping, MutableMapping
from enum import StrEnum
from typing import Any, Final, Literal
from urllib.parse import unquote, urlsplit

import structlog
from structlog.dev import plain_traceback
from structlog.stdlib import BoundLogger, ProcessorFormatter

from oracle.service.oracle_settings import OracleSettings

NOT_SHOWN: Final = "(not shown)"
_SHORTEST_SECRET: Final = 6
# Libraries that tell each request, with its whole URL.
_CHATTY: Final = ("aiohttp", "apscheduler", "asyncio", "urllib3", "web3")


class Event(StrEnum):
    """Names of events. They are kept from version to version: alerts and searches stand on them."""

    told: str
    """What it means, in a sentence."""

    def __new__(cls, name: str, told: str) -> Event:
        """A name and its meaning."""
        made = str.__new__(cls, name)
        made._value_ = name
        made.told = told
        return made

    STARTED = "started", "All servers listen; the oracle works."
    STOPPING = "stopping", "It was told to stop and finishes what is under way."
    STOPPED = "stopped", "Nothing is left under way."
    REHEARSING = "rehearsing", "It misbehaves on purpose: a rehearsal on a local chain."
    WAITING = "waiting", "It waits for what `reason` tells, as for a chain that doesn't answer."
    READY = "ready", "It waits for nothing any more."
    NOTE = "note", "A part tells something in words, in `text`."
    BUG = "bug", "An error that nobody foresaw, with its traceback. Please report it."

    ROUND_BEGUN = "round_begun", "An epoch's round has begun."
    OBSERVED = "observed", "It signed what it saw of an epoch, and serves it to its peers."
    ABSTAINED = "abstained", "It signs nothing for an epoch, for the reason told."
    OBSERVATION_RECEIVED = "observation_received", "A peer's observation has come and is valid."
    OBSERVATION_REFUSED = "observation_refused", "A peer's observation isn't valid."
    PROPOSED = "proposed", "As the turn's leader it told which observations the report is made of."
    PROPOSAL_REFUSED = "proposal_refused", "It didn't sign a leader's proposal, for the reason told."
    REFUSED_BY_PEER = "refused_by_peer", "A peer didn't sign this oracle's proposal, for the reason told."
    VOTED = "voted", "It signed a report."
    VOTE_RECEIVED = "vote_received", "A peer signed a report."
    QUORUM = "quorum", "Enough oracles have signed the same report."
    ATTESTED = "attested", "A report is on chain and covers the epoch."
    REPORT_DROPPED = "report_dropped", "The report on chain was vetoed, or dropped with its committee."
    REPORT_LOST = "report_lost", "The chain lost a report in a reorganisation; the epoch is agreed on once more."
    EVIDENCE_CHECKED = "evidence_checked", "A report on chain follows from its evidence, which is kept and served."
    EVIDENCE_MISSING = "evidence_missing", "No peer gave the evidence of the report on chain; it is asked for again."
    WRONG_REPORT = "wrong_report", "The report on chain doesn't follow from its evidence. A human must look, at once."
    EPOCH_FAILED = "epoch_failed", "An epoch went by without a report; a later report carries its seconds."
    DISAGREEMENT = "disagreement", "Oracles with the same observations came to different reports. A human must look."
    EQUIVOCATION = "equivocation", "An oracle signed two things of which it may sign one. The proof is kept and served."
    NO_MEMBER = "no_member", "This oracle isn't in the committee; it watches."
    COMMITTEE_CHANGED = "committee_changed", "Another committee is in force."
    APPEAL_RECEIVED = "appeal_received", "A node's appeal is valid and will be proposed."
    APPEAL_REFUSED = "appeal_refused", "A node's appeal isn't valid."

    BREACH_SEEN = "breach_seen", "It would ask for another node for an assignment, if a quorum does."
    BATCH_PROPOSED = "batch_proposed", "It proposed requests for other nodes that a quorum claims."
    BATCH_SIGNED = "batch_signed", "It signed requests for other nodes."
    BATCH_REFUSED = "batch_refused", "It didn't sign requests for other nodes, for the reason told."
    BATCH_REFUSED_BY_PEER = "batch_refused_by_peer", "A peer didn't sign this oracle's requests, for the reason told."
    BATCH_QUORUM = "batch_quorum", "Enough oracles have signed the same requests for other nodes."

    PEER_REACHED = "peer_reached", "A peer takes messages again."
    PEER_LOST = "peer_lost", "A peer takes no messages; they are tried again."
    MESSAGE_REFUSED = "message_refused", "A peer's message wasn't taken, for the reason told."
    ENDPOINT_DIFFERS = "endpoint_differs", "The chain tells another endpoint of this oracle than its settings."

    RPC_LOST = "rpc_lost", "An RPC endpoint doesn't answer; the others are asked."
    RPC_BACK = "rpc_back", "An RPC endpoint answers again."
    RPC_DISAGREEMENT = "rpc_disagreement", "Two RPC endpoints tell different things of the same chain."
    REORG = "reorg", "Blocks that were final are gone; the events were read again."
    ROSTER_OLD = "roster_old", "The chain couldn't be read; the roster of nodes stays as it was."
    CLOCK_WRONG = "clock_wrong", "The machine's clock can't be trusted, for the reason told."

    TRANSACTION_PLANNED = "transaction_planned", "A transaction is wanted and journalled."
    TRANSACTION_SENT = "transaction_sent", "A transaction was sent, perhaps again."
    TRANSACTION_REPLACED = "transaction_replaced", "A stuck transaction was sent again with a higher fee."
    TRANSACTION_MINED = "transaction_mined", "A transaction is in a block."
    TRANSACTION_FINAL = "transaction_final", "The transaction's block is finalized."
    TRANSACTION_REFUSED = "transaction_refused", "A contract refuses it, for the reason told; it wasn't sent."
    TRANSACTION_FAILED = "transaction_failed", "It is in a block and was reverted, for the reason told."
    TRANSACTION_DROPPED = "transaction_dropped", "It isn't wanted any more and was never sent."
    FEE_ABOVE_CEILING = "fee_above_ceiling", "The chain asks for more than `max_fee_gwei`; transactions wait."
    BALANCE_LOW = "balance_low", "The paying key has less than `min_balance_gwei`."


def logger() -> BoundLogger:
    """The daemon's logger: `logger().info(Event.VOTED, epoch=12)`."""
    made: BoundLogger = structlog.stdlib.get_logger("epochal.oracle")
    return made


def configure(form: Literal["json", "text"], level: str, secrets: Iterable[str] = ()) -> None:
    """Send what is logged to standard error, also by the parts that use Python's own logging.

    level: debug, info, warning or error. secrets: texts that no line may hold, see `secrets_of`.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    ]
    veil = _Veil(secrets)
    last: list[structlog.typing.Processor]
    if form == "json":
        renderer = structlog.processors.JSONRenderer(default=str, ensure_ascii=False)
        last = [structlog.processors.format_exc_info, _named_first, renderer, veil]
    else:
        last = [
            structlog.dev.ConsoleRenderer(colors=False, timestamp_key="time", exception_formatter=plain_traceback),
            veil,
        ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, ProcessorFormatter.wrap_for_formatter],
        wrapper_class=BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=[*shared, _in_words], processors=[ProcessorFormatter.remove_processors_meta, *last]
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    # A tick that finds the last one still at work is as it should be, and no news.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)


def secrets_of(settings: OracleSettings, environment: Mapping[str, str]) -> tuple[str, ...]:
    """What no line may show: private keys, passwords, and the parts of RPC URLs in which keys lie."""
    found = set()
    for name in settings.secret_variables:
        text = environment.get(name, "").strip()
        found |= {text, text.removeprefix("0x")}
    for url in (*settings.rpc, settings.store or "", *settings.intake_stores):
        parts = urlsplit(url) if "://" in url else None
        if parts is None:
            continue
        found |= {parts.password or "", unquote(parts.password or "")}
        if parts.scheme in ("http", "https"):
            found |= {parts.username or "", parts.path.strip("/"), parts.query}
    return tuple(sorted((each for each in found if len(each) >= _SHORTEST_SECRET), key=len, reverse=True))


class _Veil:
    """Takes secrets out of a line, whichever field they came in."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._hidden = {form for text in secrets for form in (text, json.dumps(text, ensure_ascii=False)[1:-1])}

    def __call__(self, _logger: object, _method: str, line: Any) -> str:
        text = str(line)
        for secret in self._hidden:
            text = text.replace(secret, NOT_SHOWN)
        return text


def _in_words(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A line of Python's own logging, as the event that has a text."""
    record = event.get("_record")
    event["text"], event["event"] = event["event"], str(Event.NOTE)
    event["part"] = record.name if record else ""
    return event


def _named_first(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Time, level and event before all else, for who reads JSON with his eyes."""
    first = {name: event.pop(name) for name in ("time", "level", "event") if name in event}
    return {**first, **event}
