"""The journal of transactions: what is wanted is written down first, and ends in exactly one settled transaction."""

from chain.journal.entry import Entry, JournalStatus, State
from chain.journal.errors import JournalBusy, JournalUnusable
from chain.journal.fees import FeeLimits
from chain.journal.journal import TransactionJournal

__all__ = [
    "Entry",
    "FeeLimits",
    "JournalBusy",
    "JournalStatus",
    "JournalUnusable",
    "State",
    "TransactionJournal",
]
