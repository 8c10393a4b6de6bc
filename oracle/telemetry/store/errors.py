"""What can go wrong with an oracle's store."""

from __future__ import annotations

from oracle.ground.errors import EpochalError


class StoreError(EpochalError):
    """An oracle's store can't be opened, is another network's, is damaged, or can't be written."""


class JournalFloor(StoreError):
    """A restored store can't know whether its lost original signed for this epoch, so it signs nothing for it."""
