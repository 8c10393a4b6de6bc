"""What can be wrong with a journal's file."""

from __future__ import annotations

from oracle.ground.errors import UserError


class JournalUnusable(UserError):
    """The file is no journal, or that of another chain or key, or can't be read or written."""


class JournalBusy(JournalUnusable):
    """Another process keeps this journal: two would use the same nonces."""
