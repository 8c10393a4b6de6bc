"""What `epochal explain` tells of a node, from one or several stores of one oracle."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import reduce
from math import floor
from operator import or_
from typing import Final

from oracle.ground.address import raw_address
from oracle.ground.clock import EpochClock
from oracle.ground.errors import InvalidValue, UserError
from oracle.ground.policy import Policy
from oracle.telemetry.probes.prober import STATE_KEY
from oracle.telemetry.store.bitmaps import BitmapStore
from oracle.telemetry.store.errors import StoreError
from oracle.telemetry.store.opening import open_to_read
from oracle.telemetry.store.records import EpochRecord, Kind, merged
from oracle.telemetry.strip import Assigned, Explanation, explain

EARLIER: Final = 3
"""Kept epochs before the one that is told whose reports name a node's assignments too."""


class NothingKnown(UserError):
    """The stores don't hold what was asked for."""


def explain_node(
    locations: Sequence[str],
    node: str,
    epoch: int | None,
    assignments: Sequence[int],
    now: float,
    policy: Policy | None = None,
) -> Explanation:
    """One node's epoch, as the stores at `locations` have it; they may be in use.

    epoch: None for the newest kept one that is over, or the running one if there is no other. assignments: besides
    those that the node's agent reported on, then or in the `EARLIER` epochs before. NothingKnown where there is nothing
    to tell; StoreError; InvalidValue for what is no address.
    """
    try:
        name = raw_address(node)
    except InvalidValue as error:
        raise InvalidValue(f"NODE: {error}") from error
    with ExitStack() as stack:
        stores: list[BitmapStore] = []
        for location in locations:
            store = open_to_read(location)
            stack.callback(store.close)
            stores.append(store)
        if len({(one.clock.genesis, one.clock.length, one.clock.tick) for one in stores}) != 1:
            raise StoreError(f"--store: {', '.join(locations)} have different clocks; give stores of one oracle")
        clock = stores[0].clock
        kept = sorted({each for store in stores for each in store.epochs()})
        wanted = _wanted(epoch, kept, locations, clock, now)
        record = _record(stores, wanted)
        over = max(0, floor((now - clock.start(wanted)) / clock.tick)) if now < clock.end(wanted) else None
        told = _assigned(stores, kept, record, name, assignments)
        kinds = (Kind.LIVENESS, Kind.PULLED, Kind.REFUSED)
        known = any(record.line(kind, name).up or record.line(kind, name).seen for kind in kinds)
        if not known and not told and not _ever(stores, kept, name):
            raise NothingKnown(
                f"NODE {node}: these stores never heard of it; check the address and --store. Heartbeats of nodes "
                "without a licence leave no trace in a store: look at "
                'epochal_heartbeats_refused_total{reason="unknown_node"} in the oracle\'s /metrics, and for the line '
                "`refused: unknown_node` of the node's agent"
            )
        first = wanted == kept[0] and all(store.journal_floor >= wanted - 1 for store in stores)
        before = _before(record) if first else 0
        return explain(record, clock, name, told, over=over, before=before, policy=policy)


def _record(stores: Sequence[BitmapStore], epoch: int) -> EpochRecord:
    return merged([store.read(epoch) for store in stores])


def _wanted(epoch: int | None, kept: list[int], locations: Sequence[str], clock: EpochClock, now: float) -> int:
    if not kept:
        raise NothingKnown(f"--store {', '.join(locations)}: holds no epoch yet; wait for the first heartbeats")
    if epoch is None:
        finished = [each for each in kept if clock.end(each) <= now]
        return finished[-1] if finished else kept[0]
    if epoch not in kept:
        raise NothingKnown(f"EPOCH {epoch}: isn't kept; choose one of {kept[0]} to {kept[-1]}")
    return epoch


def _assigned(
    stores: Sequence[BitmapStore], kept: list[int], record: EpochRecord, name: bytes, asked: Iterable[int]
) -> list[Assigned]:
    """The assignments to tell of. A probe that nobody asked for is told where the agent reports on what was probed."""
    reported = _reported(record, name)
    asked = set(asked)
    earlier: dict[int, int] = {}
    for epoch in [each for each in kept if each < record.epoch][-EARLIER:]:
        earlier |= dict.fromkeys(_reported(_record(stores, epoch), name), epoch)
    failures = _failures(stores)
    told = []
    for each in sorted({*asked, *reported, *earlier}):
        line = record.line(Kind.PROBE, each.to_bytes(16, "big"))
        note = ""
        if each not in reported and each in earlier:
            note = f"last reported on in epoch {earlier[each]}: it may have ended or moved since"
        probe = each in asked or (each in reported and bool(line.up | line.seen))
        told.append(Assigned(each, range(record.ticks), probe, note, failures.get(each, "")))
    return told


def _reported(record: EpochRecord, name: bytes) -> set[int]:
    """The assignments that the node's agent said anything of."""
    reports = [key for kind in (Kind.HEALTH, Kind.UNHEALTHY) for key in record.lines.get(kind, {})]
    return {int.from_bytes(key[20:], "big") for key in reports if key[:20] == name}


def _before(record: EpochRecord) -> int:
    """How many ticks went by before anything was observed; 0 if nothing ever was."""
    masks = [seen for _, seen in record.ways]
    for kind in (Kind.LIVENESS, Kind.PULLED, Kind.PROBE):
        masks += [line.up | line.seen for line in record.lines.get(kind, {}).values()]
    observed = reduce(or_, masks, 0)
    return (observed & -observed).bit_length() - 1 if observed else 0


def _ever(stores: Sequence[BitmapStore], kept: list[int], name: bytes) -> bool:
    """Whether the node was heard in any other epoch: then a whole day of silence is worth showing."""
    return any(store.read(each).up(name) for each in reversed(kept) for store in stores)


def _failures(stores: Sequence[BitmapStore]) -> dict[int, str]:
    """By assignment, why its last failed probe failed."""
    failures: dict[int, str] = {}
    for store in stores:
        held = store.get_state(STATE_KEY)
        for assignment, last in (json.loads(held) if held else {}).items():
            detail = f": {last['detail']}" if last["detail"] else ""
            when = datetime.fromtimestamp(last["at"], UTC).strftime("%Y-%m-%d %H:%M:%S")
            failures[int(assignment)] = f"last failure, at {when} UTC: {last['reason']}{detail}"
    return failures
