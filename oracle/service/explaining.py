"""What `epochal explain` tells of a node, from one or several stores of one oracle."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from math import floor

from oracle.ground.address import raw_address
from oracle.ground.errors import UserError
from oracle.telemetry.probes.prober import STATE_KEY
from oracle.telemetry.store.bitmaps import BitmapStore
from oracle.telemetry.store.errors import StoreError
from oracle.telemetry.store.opening import open_to_read
from oracle.telemetry.store.records import EpochRecord, Kind, merged
from oracle.telemetry.strip import Assigned, Explanation, explain


class NothingKnown(UserError):
    """The stores don't hold what was asked for."""


def explain_node(
    locations: Sequence[str], node: str, epoch: int | None, assignments: Sequence[int], now: float
) -> Explanation:
    """One node's epoch, as the stores at `locations` have it; they may be in use.

    epoch: None for the newest that is kept. assignments: besides those that the node's agent reported on. NothingKnown
    where there is nothing to tell; StoreError; InvalidValue for what is no address.
    """
    name = raw_address(node)
    with ExitStack() as stack:
        stores: list[BitmapStore] = []
        for location in locations:
            store = open_to_read(location)
            stack.callback(store.close)
            stores.append(store)
        if len({(one.clock.genesis, one.clock.length, one.clock.tick) for one in stores}) != 1:
            raise StoreError(f"--store: {', '.join(locations)} have different clocks; give stores of one oracle")
        kept = sorted({each for store in stores for each in store.epochs()})
        wanted = _wanted(epoch, kept, locations)
        record = merged([store.read(wanted) for store in stores])
        clock = stores[0].clock
        over = max(0, floor((now - clock.start(wanted)) / clock.tick)) if now < clock.end(wanted) else None
        told = sorted({*assignments, *_reported(record, name)})
        kinds = (Kind.LIVENESS, Kind.PULLED, Kind.REFUSED)
        known = any(record.line(kind, name).up or record.line(kind, name).seen for kind in kinds)
        if not known and not told and not _ever(stores, kept, name):
            raise NothingKnown(f"node {node}: these stores never heard of it; check the address and --store")
        everything = range(record.ticks)
        return explain(
            record, clock, name, [Assigned(each, everything) for each in told], over=over, notes=_notes(stores)
        )


def _wanted(epoch: int | None, kept: list[int], locations: Sequence[str]) -> int:
    if not kept:
        raise NothingKnown(f"{', '.join(locations)}: holds no epoch yet; wait for the first heartbeats")
    if epoch is None:
        return kept[-1]
    if epoch not in kept:
        raise NothingKnown(f"epoch {epoch}: isn't kept; choose one of {kept[0]} to {kept[-1]}")
    return epoch


def _reported(record: EpochRecord, name: bytes) -> set[int]:
    """The assignments that the node's agent said anything of."""
    reports = [key for kind in (Kind.HEALTH, Kind.UNHEALTHY) for key in record.lines.get(kind, {})]
    return {int.from_bytes(key[20:], "big") for key in reports if key[:20] == name}


def _ever(stores: Sequence[BitmapStore], kept: list[int], name: bytes) -> bool:
    """Whether the node was heard in any other epoch: then a whole day of silence is worth showing."""
    return any(store.read(each).up(name) for each in reversed(kept) for store in stores)


def _notes(stores: Sequence[BitmapStore]) -> dict[int, str]:
    """By assignment, why its last failed probe failed."""
    notes: dict[int, str] = {}
    for store in stores:
        held = store.get_state(STATE_KEY)
        for assignment, last in (json.loads(held) if held else {}).items():
            detail = f": {last['detail']}" if last["detail"] else ""
            notes[int(assignment)] = f"last failure: {last['reason']}{detail}"
    return notes
