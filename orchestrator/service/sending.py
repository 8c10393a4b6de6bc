"""Attempts as transactions: planned in the journal under the attempt's key, so that each is sent at most once."""

from __future__ import annotations

from chain.journal import State, TransactionJournal
from chain.journal.entry import Entry
from chain.network import Network
from oracle.ground.ids import show_assignment
from orchestrator.placing.attempt import Attempt, Sent
from orchestrator.placing.facts import Job


class Assignments:
    """The orchestrator's transactions."""

    def __init__(self, network: Network, journal: TransactionJournal) -> None:
        self._network = network
        self._journal = journal

    def plan(self, attempt: Attempt, job: Job) -> None:
        """Write down that an attempt is to be carried out; the first time counts."""
        label = f"assign {show_assignment(attempt.assignment)} to licence {attempt.licence}"
        self._journal.plan(attempt.key, label, self._network.placements.address, self.data(attempt, job))

    def data(self, attempt: Attempt, job: Job) -> str:
        """The call's data: one `assign`, or the closing of the old assignment with it, both or neither."""
        functions = self._network.placements.functions
        if attempt.offer is not None:
            assert job.named is not None
            offer, signature = attempt.offer.offer, attempt.offer.signature
            fields = (
                offer.licence,
                self._network.chain.w3.to_checksum_address(offer.orchestrator),
                self._network.chain.w3.to_checksum_address(offer.token),
                offer.minPrice,
                offer.policy,
                offer.capacity,
                offer.nonce,
                offer.expiry,
            )
            shown = (fields[2], job.price, job.named.policy.hash(), job.named.hash)
            assign = functions.assignByOffer(attempt.job, attempt.slot, fields, shown, signature[:32], signature[32:])
        else:
            placement = (attempt.job, attempt.slot, attempt.licence, attempt.expiry)
            assign = functions.assign(placement, attempt.signature[:32], attempt.signature[32:])
        data = assign._encode_transaction_data()
        if not attempt.closes:
            return str(data)
        close = functions.closeAssignment(attempt.closes)._encode_transaction_data()
        both = functions.multicall([bytes.fromhex(close[2:]), bytes.fromhex(data[2:])])
        return str(both._encode_transaction_data())

    def sent(self, key: str) -> Sent | None:
        """What became of an attempt's transaction; None: it was never planned."""
        entry = self._journal.entry(key)
        return None if entry is None else _told(entry)

    def drop(self, key: str) -> None:
        """What isn't signed yet needs not be."""
        self._journal.cancel(key)

    def step(self, now: float) -> bool:
        """Do what is due; whether something changed. RpcError: call again."""
        return bool(self._journal.step(now))

    @property
    def troubles(self) -> tuple[str, ...]:
        """What a person should know, as of the last step."""
        return self._journal.status.troubles


def _told(entry: Entry) -> Sent:
    mined = entry.state in (State.MINED, State.FINAL)
    # A block that a reorganisation takes out is no trouble: its nonce comes before those of later attempts, so that of
    # two for one slot the first is carried out and the second refused.
    failed = entry.state is State.MINED and entry.reverted
    return Sent(entry.state.settled or failed, mined and not entry.reverted, entry.reason or entry.state.value)
