"""What an oracle does with its store besides writing ticks: owning it, and letting old epochs go."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final, Protocol

from oracle.ground.errors import EpochalError
from oracle.service.errors import SettingsError
from oracle.signing.signer import Signer
from oracle.telemetry.store.bitmaps import BitmapStore

OWNER: Final = "oracle"
"""Key of the store's state under which its oracle's address stands."""
_LOG = logging.getLogger("epochal.service")


class Retention(Protocol):
    """Epochs after which bitmaps are compressed, or deleted; None: never."""

    @property
    def compact_after(self) -> int | None: ...

    @property
    def retain(self) -> int | None: ...


def claim(store: BitmapStore, signer: Signer) -> None:
    """Make the store this oracle's; SettingsError if it is another one's, whose journal and marks it holds."""
    owner = store.get_state(OWNER)
    address = signer.address.lower()
    if owner is None:
        store.put_state(OWNER, address.encode())
    elif owner.decode() != address:
        raise SettingsError(
            f"{store.location}: belongs to oracle {owner.decode()}, not {address}; give that one's key, or another "
            "store"
        )


def abstain_from_the_past(store: BitmapStore, now: float) -> None:
    """A new store can't tell what an oracle that lost its old one has signed: it signs no epoch that is over by now."""
    clock = store.clock
    if store.journal_floor < 0 and now >= clock.genesis and not store.epochs():
        over = clock.epoch_at(int(now)) - 1
        if over >= 0:
            store.set_journal_floor(over)


async def keep_house(store: BitmapStore, now: Callable[[], float], retention: Retention) -> None:
    """Compress and delete what is old enough now."""
    seconds = now()
    if seconds < store.clock.genesis:
        return
    epoch = store.clock.epoch_at(int(seconds))
    try:
        if retention.retain is not None and epoch > retention.retain:
            await asyncio.to_thread(store.forget, epoch - retention.retain)
        if retention.compact_after is not None and epoch > retention.compact_after:
            await asyncio.to_thread(store.compact, epoch - retention.compact_after)
    except EpochalError as error:
        _LOG.error("old epochs stay as they are: %s", error)
