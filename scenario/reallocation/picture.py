"""The picture of a replay with reallocation: who served each slot when, what was served, how fast slots were healed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import matplotlib as mpl
import numpy as np

from oracle.ground.ids import pack
from scenario.options import Schedule
from scenario.reallocation.facts import Moves
from scenario.reallocation.figures import Told

if TYPE_CHECKING:
    from matplotlib.axes import Axes

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.patches import Patch

from scenario.plots import save

_HOME, _STAND_IN, _EMPTY, _WITHOUT = "#b9d8c4", "#2c6fb0", "#d1603d", "#8a8f98"
_NAMES: Final = 60
_MINUTES: Final = (
    0.25,
    0.5,
    1,
    2,
    3,
    5,
    10,
    15,
    20,
    30,
    45,
    60,
    75,
    90,
    120,
    180,
    240,
    360,
    480,
    720,
    1440,
    2880,
    10080,
)


def draw(path: Path, plan: Schedule, moves: Moves, without: Told, with_moves: Told) -> None:
    """Three panels: served share by epoch, slots over time, times to heal."""
    rows = plan.slots
    height = min(10.0, 1.2 + 0.16 * rows)
    figure = plt.figure(figsize=(12, 5.6 + height), layout="constrained")
    grid = figure.add_gridspec(3, 1, height_ratios=[2.3, height, 2.3])
    share, slots, times = (figure.add_subplot(grid[place]) for place in range(3))
    slots.sharex(share)
    _shares(share, plan, without, with_moves)
    _slots(slots, plan, moves)
    _times(times, moves)
    for axes in (share, slots, times):
        axes.spines[["top", "right"]].set_visible(False)
    save(figure, path)


def _shares(axes: Axes, plan: Schedule, without: Told, with_moves: Told) -> None:
    epochs = np.arange(plan.first, plan.after + 1)
    before, after = (_up_percent(one) for one in (without, with_moves))
    sums = without.sums()["up_ppm"] / 10_000, with_moves.sums()["up_ppm"] / 10_000
    axes.stairs(
        after, epochs, baseline=None, color=_STAND_IN, linewidth=1.6, label=f"with reallocation: {sums[1]:.2f} % in all"
    )
    axes.stairs(before, epochs, baseline=None, color=_WITHOUT, linewidth=1.3, label=f"without: {sums[0]:.2f} % in all")
    edges = np.repeat(epochs, 2)[1:-1]
    low, high = np.repeat(before, 2), np.repeat(after, 2)
    axes.fill_between(edges, low, high, where=(high >= low).tolist(), color=_STAND_IN, alpha=0.18, linewidth=0)
    axes.fill_between(edges, low, high, where=(high < low).tolist(), color=_EMPTY, alpha=0.3, linewidth=0)
    axes.set_ylim(max(0.0, float(np.nanmin([before, after])) - 3), 101)
    axes.set_ylabel("up, %")
    axes.set_title(f"Up-time of {plan.slots} slots with {len(plan.nodes) - plan.slots} spare nodes, of what is known")
    axes.legend(loc="lower right", frameon=True, framealpha=0.9, edgecolor="none", fontsize=9)
    axes.set_xlim(plan.first, plan.after)


def _up_percent(one: Told) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """By epoch, of the seconds that aren't unmeasured; NaN where there are none."""
    wanted, placed, observed, up = (
        np.array(each, dtype=float) for each in (one.wanted, one.placed, one.observed, one.up)
    )
    known = wanted - placed + observed
    known[known == 0] = np.nan
    return 100 * up / known


def _slots(axes: Axes, plan: Schedule, moves: Moves) -> None:
    begins, length = plan.starts_at, plan.clock.length

    def place(time: int) -> float:
        return plan.first + (time - begins) / length

    homes = plan.nodes[: plan.slots]
    for number in range(plan.slots):
        spans = [one for one in moves.spans if one.slot == number]
        for colour, mine in ((_HOME, True), (_STAND_IN, False)):
            bars = [
                (place(one.start), (one.end - one.start) / length)
                for one in spans
                if (one.node == homes[number]) is mine
            ]
            axes.broken_barh(bars, (number - 0.36, 0.72), facecolors=colour, linewidth=0)
    gaps = _gaps(plan, moves)
    for number, start, end in gaps:
        axes.broken_barh(
            [(place(start), (end - start) / length)], (number - 0.36, 0.72), facecolors=_EMPTY, linewidth=0
        )
    at = [place(one.asked_at) for one in moves.moves]
    axes.scatter(at, [one.slot for one in moves.moves], marker="|", s=34, color="black", linewidths=0.9, zorder=3)
    axes.set_ylim(plan.slots - 0.3, -0.7)
    if plan.slots <= _NAMES:
        names = [(one if len(one) <= 16 else f"{one[:8]}…{one[-4:]}").replace("$", r"\$") for one in homes]
        axes.set_yticks(range(plan.slots), names, fontsize=7 if plan.slots > 20 else 9)
    axes.set_ylabel("slots, by their first node")
    axes.set_xlabel("epoch")
    axes.set_title("Who served: each mark is a request for another node")
    handles = [
        Patch(facecolor=_HOME, label="its first node"),
        Patch(facecolor=_STAND_IN, label="another node"),
        Patch(facecolor=_EMPTY, label="nobody, after a failure"),
    ]
    axes.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.07), ncols=3, frameon=False, fontsize=9)


def _gaps(plan: Schedule, moves: Moves) -> list[tuple[int, int, int]]:
    """(slot, start, end) from where a request closed an assignment to where the next one opened, while wanted."""
    spans = {pack(1, one.slot, one.generation): one for one in moves.spans}
    found = []
    for one in moves.moves:
        after = spans.get(pack(1, one.slot, one.generation + 1))
        end = after.start if after else plan.ends_at
        for wanted in moves.wanted:
            if wanted.slot == one.slot and wanted.start < end and wanted.end > one.as_of:
                found.append((one.slot, max(one.as_of, wanted.start), min(end, wanted.end)))
    return found


def _times(axes: Axes, moves: Moves) -> None:
    healed = [one for one in moves.moves if one.outcome == "healed" and one.answered_at is not None]
    heal = sorted((one.answered_at or 0) - one.down_since for one in healed)
    detect = sorted(one.asked_at - one.down_since for one in healed)
    axes.set_title(f"How fast: {len(healed)} healed requests, of {len(moves.moves)} in all")
    axes.set_xlabel("minutes from the outage's start")
    axes.set_ylabel("% of healed")
    if not healed:
        return
    _steps(axes, detect, _WITHOUT, "another node asked for")
    _steps(axes, heal, _STAND_IN, "another node serves")
    axes.set_xscale("log")
    low, high = detect[0] / 60, heal[-1] / 60
    ticks = [one for one in _MINUTES if low * 0.9 <= one <= high * 1.1]
    axes.set_xticks(ticks, [f"{one:g}" for one in ticks])
    axes.xaxis.set_minor_locator(mpl.ticker.NullLocator())
    axes.grid(axis="x", color="#e3e5e8", linewidth=0.8)
    axes.set_ylim(0, 103)
    axes.legend(loc="lower right", frameon=False, fontsize=9)


def _steps(axes: Axes, seconds: Sequence[int], colour: str, label: str) -> None:
    at = [each / 60 for each in seconds]
    shares = [100 * (place + 1) / len(at) for place in range(len(at))]
    axes.step([at[0], *at], [0, *shares], where="post", color=colour, linewidth=1.8, label=label)
