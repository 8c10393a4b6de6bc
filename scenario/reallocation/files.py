"""The files that a replay with reallocation writes beside the others; formats are told in docs/replay.md."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from oracle.ground.ids import pack
from oracle.telemetry.traces.trace import Trace
from scenario.audit import NotConserved
from scenario.options import BadOption, ReplayOptions, Schedule, fingerprint
from scenario.reallocation import figures, picture
from scenario.reallocation.facts import Moves
from scenario.results import PAYOUTS, write_csv
from settlement.money import Rates

MOVES = (
    "slot",
    "assignment",
    "node",
    "reason",
    "down_since",
    "as_of",
    "requested_at",
    "deadline",
    "outcome",
    "answered_at",
    "answered_by",
)


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of uptime.csv, settlement.csv and payouts.csv."""

    uptime: Sequence[Sequence[Any]]
    settlement: Sequence[Sequence[Any]]
    payouts: Sequence[Sequence[Any]]


def comparable(options: ReplayOptions, plan: Schedule) -> None:
    """BadOption unless `options.compare` holds the same replay, complete and without reallocation."""
    folder = options.compare
    if folder is None:
        return
    try:
        held = json.loads((folder / "summary.json").read_text(encoding="utf-8"))["options"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadOption(f"--compare {folder}: holds no complete replay; run one there without --reallocate") from error
    wanted = fingerprint(replace(options, reallocation=None), plan)
    other = sorted(key for key in held | wanted if held.get(key) != wanted.get(key) and key != "rpc")
    if other:
        raise BadOption(
            f"--compare {folder}: its {other[0]} is {held.get(other[0])}, not {wanted.get(other[0])}; run the same "
            "replay there, without --reallocate"
        )


def write_moves(
    options: ReplayOptions,
    plan: Schedule,
    job: int,
    moves: Moves,
    without: figures.Told,
    rows: Rows,
    rates: Rates,
    trace: Trace,
) -> dict[str, Any]:
    """Write moves.csv and reallocation.png; what summary.json tells of reallocation."""
    with_moves = figures.as_agreed(plan, without.wanted, moves.spans, rows.uptime)
    out = options.out
    listed = [
        (
            one.slot,
            pack(job, one.slot, one.generation),
            one.node,
            one.reason.name.lower(),
            one.down_since,
            one.as_of,
            one.asked_at,
            one.deadline,
            one.outcome,
            "" if one.answered_at is None else one.answered_at,
            one.answered_by,
        )
        for one in moves.moves
    ]
    homes = plan.nodes[: plan.slots]
    served = {"without": without.sums(), "with": with_moves.sums()}
    money: dict[str, Any] = {"stand_ins": figures.stand_ins(rows.settlement, rates, homes)}
    if options.compare is not None:
        _same_seconds(options.compare, served["without"])
        money |= figures.compared(rows.payouts, _read(options.compare / "payouts.csv"), PAYOUTS[1:])
    # What was asked about isn't in the assignments any more: they were closed as of its start.
    shorter = figures.outages(plan, moves.spans, trace)
    told = {"outages": shorter + len(moves.moves), **figures.requests(moves)}
    picture.draw(out / "reallocation.png", plan, moves, without, with_moves)
    write_csv(out / "moves.csv", MOVES, listed)
    pool = {"slots": plan.slots, "spares": options.spares, "spares_up_ppm": figures.spares_up_ppm(plan, trace)}
    return {**pool, **told, "slot_seconds": served, "money": money}


def _same_seconds(folder: Path, without: dict[str, int]) -> None:
    """NotConserved unless the replay in the folder came to the seconds that the trace comes to."""
    rows = _read(folder / "uptime.csv")
    up, observed = (sum(int(row[place]) for row in rows) for place in (2, 3))
    if (up, observed) != (without["up"], without["up"] + without["down"]):
        raise NotConserved(f"{folder}: has {up} of {observed} seconds up, but the trace comes to {without}")


def _read(path: Path) -> list[list[str]]:
    """The rows of a CSV without its header."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))[1:]
