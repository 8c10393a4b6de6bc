"""Opening a store by where it is."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike, fspath
from pathlib import Path

from oracle.ground.clock import EpochClock
from oracle.telemetry.store.bitmaps import BitmapStore
from oracle.telemetry.store.database import Database, identity
from oracle.telemetry.store.sqlite import SqliteDatabase

_POSTGRES = ("postgresql://", "postgres://")


def open_store(location: str | PathLike[str], clock: EpochClock, label: str, *, read_only: bool = False) -> BitmapStore:
    """The store at `location`, made where there is none: a path, or `postgresql://user@host/database?schema=name`.

    `label` names the network, as `31337:0x…`. Read-only: it has to be there, and may be open for writing
    elsewhere. StoreError when it can't be opened, is being written by another process, or is another network's.
    """
    database = open_database(location, identity(clock, label), read_only=read_only)
    try:
        return BitmapStore(database, clock)
    except BaseException:
        database.close()
        raise


def open_to_read(location: str | PathLike[str]) -> BitmapStore:
    """The store at `location`, whichever network's it is, to read only. StoreError when there is none."""
    database = open_database(location, {}, read_only=True)
    try:
        meta: dict[str, str] = dict(database.rows("SELECT key, value FROM meta"))
        genesis, length, tick = map(int, meta["clock"].split("/"))
        return BitmapStore(database, EpochClock(genesis, length, tick))
    except BaseException:
        database.close()
        raise


def open_database(
    location: str | PathLike[str], meta: Mapping[str, str], *, read_only: bool = False, making: bool = False
) -> Database:
    """The database of the store at `location`, of a network that `meta` tells. Making: nothing may be there yet."""
    place = fspath(location)
    if place.startswith(_POSTGRES):
        from oracle.telemetry.store.postgres import PostgresDatabase  # only where it is used, its library is needed

        return PostgresDatabase(place, meta, read_only=read_only, making=making)
    return SqliteDatabase(Path(place), meta, read_only=read_only, making=making)
