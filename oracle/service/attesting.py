"""From a report with its quorum to a transaction that is final: what the journal is told, and when it is stepped."""

from __future__ import annotations

from chain.journal.entry import Entry, State
from chain.journal.journal import TransactionJournal
from chain.network import Network
from oracle.committee.effects import Submit
from oracle.ground.errors import EpochalError
from oracle.service.logs import Event, logger
from oracle.service.metrics import DaemonMetrics, Series

_EVENTS = {
    State.PLANNED: Event.TRANSACTION_PLANNED,
    State.SENT: Event.TRANSACTION_SENT,
    State.MINED: Event.TRANSACTION_MINED,
    State.FINAL: Event.TRANSACTION_FINAL,
    State.REFUSED: Event.TRANSACTION_REFUSED,
    State.FAILED: Event.TRANSACTION_FAILED,
    State.DROPPED: Event.TRANSACTION_DROPPED,
}


class Attesting:
    """Brings reports on chain. All methods but `wanted` block, and belong into one thread."""

    def __init__(self, journal: TransactionJournal, network: Network, metrics: DaemonMetrics) -> None:
        self.journal = journal
        self.network = network
        self.metrics = metrics
        self.trouble = ""
        """Why transactions don't go on, in a line; "" while they do."""
        self._troubles: tuple[str, ...] = ()
        metrics.set(Series.BALANCE_LEAST, journal.limits.min_balance_wei)

    def submit(self, wanted: Submit) -> Entry:
        """Plan the report's transaction; once more, if an earlier one came to nothing."""
        report = wanted.report
        fields = (report.epoch, report.committee, report.root, report.parent, report.anchor, report.evidence)
        function = self.network.attestations.functions.submit(fields, wanted.signers, wanted.signatures)
        data = function._encode_transaction_data()
        key = f"attest {report.epoch} {report.root.hex()} {report.evidence.hex()}"
        label, to = f"attest epoch {report.epoch}", self.network.addresses.attestations
        entry = self.journal.plan(key, label, to, data)
        round_ = 1
        while entry.state in (State.REFUSED, State.DROPPED, State.FAILED):
            # An earlier round came to the same report, and it was not to be taken then.
            round_ += 1
            entry = self.journal.plan(f"{key} again {round_}", label, to, data)
        logger().info(Event.TRANSACTION_PLANNED, epoch=report.epoch, key=entry.key)
        return entry

    def drop_before(self, epoch: int) -> None:
        """What isn't on its way yet and can't be taken any more, since a report of `epoch` is on chain."""
        for entry in self.journal.pending():
            words = entry.key.split()
            if words[0] == "attest" and int(words[1]) <= epoch and entry.state is State.PLANNED:
                self.journal.cancel(entry.key)

    def step(self, now: float) -> None:
        """Do what is due."""
        try:
            changed = self.journal.step(now)
        except EpochalError as error:
            self.trouble = f"transactions wait: {error}"
            return
        self.trouble = ""
        for entry in changed:
            self._tell(entry)
        status = self.journal.status
        for trouble in status.troubles:
            if trouble not in self._troubles:
                logger().warning(Event.NOTE, text=trouble, part="transactions")
        if status.above_ceiling and not self.metrics.value(Series.FEE_ABOVE_CEILING):
            logger().warning(Event.FEE_ABOVE_CEILING)
        self._troubles = status.troubles
        self.metrics.replace(Series.TRANSACTIONS, {str(state): count for state, count in status.counts.items()})
        self.metrics.set(Series.TRANSACTIONS_STUCK, status.stuck)
        self.metrics.set(Series.FEE_ABOVE_CEILING, status.above_ceiling)
        if status.balance is not None:
            self.metrics.set(Series.BALANCE, status.balance)

    def _tell(self, entry: Entry) -> None:
        event = _EVENTS.get(entry.state)
        if entry.state is State.SENT and entry.attempts > 1:
            event = Event.TRANSACTION_REPLACED
        if entry.state is State.MINED and entry.key.startswith("attest") and not entry.reverted:
            self.metrics.add(Series.REPORTS_SUBMITTED)
        if event is not None:
            level = logger().warning if entry.state in (State.REFUSED, State.FAILED) else logger().info
            level(event, label=entry.label, nonce=entry.nonce, hash=entry.hash, block=entry.block, reason=entry.reason)
