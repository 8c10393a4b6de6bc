"""Plots of a statement as SVG: where the deposit is, how it went, and how each slot was served."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import UTC
from typing import Any, Final

from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from operations.csp.statement import Statement

# Told apart also by those who see few colours (Okabe and Ito), and in print.
COLOURS: Final = {
    "paid to nodes": "#0072b2",
    "earned, to be claimed": "#56b4e9",
    "protocol's share": "#7f7f7f",
    "burned of withheld": "#d55e00",
    "back: time not used": "#009e73",
    "back: unmeasured time": "#66c2a5",
    "back: share of withheld": "#b3e2cd",
    "back: empty or unproved": "#00664a",
    "held for appeals": "#e69f00",
    "not settled yet, and rounding": "#dddddd",
}
_FLOWS: Final = {"paid": "paid to nodes", "refunded": "back: time not used", "protocol": "protocol's share"}
_FLOW_NAMES: Final = {"paid": "paid to nodes", "refunded": "refunded", "protocol": "protocol", "burned": "burned"}
_MOST_SLOTS: Final = 40


def deposit(statement: Statement) -> str:
    """One bar: the whole deposit, part by part."""
    token, parts = statement.job.token, [one for one in statement.parts() if one[1]]
    whole = statement.job.view["deposit"]
    figure = Figure(figsize=(9, 1.0 + 0.34 * len(parts)))
    axes = figure.add_subplot()
    for place, (name, amount) in enumerate(parts):
        axes.barh(place, amount / 10**token.decimals, color=COLOURS[name])
        share = amount * 1000 // whole / 10
        axes.annotate(
            f" {token.show(amount)} ({share:g} %)",
            (amount / 10**token.decimals, place),
            va="center",
            fontsize=9,
        )
    axes.set_yticks(range(len(parts)), [name for name, _ in parts], fontsize=9)
    axes.invert_yaxis()
    axes.set_xlim(0, whole / 10**token.decimals * 1.35)
    axes.set_xlabel(f"{token.symbol} of the deposit of {token.show(whole)}", fontsize=9)
    return _svg(figure, axes)


def flows(statement: Statement) -> str:
    """What had come in and gone out, over time."""
    job, unit = statement.job, 10**statement.job.token.decimals
    figure = Figure(figsize=(9, 3.2))
    axes = figure.add_subplot()
    kinds = [kind for kind in ("deposit", "paid", "refunded", "protocol", "burned") if statement.total(kind)]
    for kind in kinds:
        moves = [one for one in statement.movements if one.what == kind]
        times, sums, total = [job.view["startsAt"] if kind != "deposit" else moves[0].time], [0.0], 0
        for one in moves:
            total += abs(one.out)
            times.append(one.time)
            sums.append(total / unit)
        times.append(max(job.now, times[-1]))
        sums.append(total / unit)
        colour = "#000000" if kind == "deposit" else COLOURS[_FLOWS.get(kind, "burned of withheld")]
        style = "--" if kind == "deposit" else "-"
        name = "paid in" if kind == "deposit" else _FLOW_NAMES[kind]
        axes.step(_dates(times), sums, style, where="post", color=colour, label=name, linewidth=1.8)
    axes.set_ylabel(f"{job.token.symbol}, altogether", fontsize=9)
    axes.set_ylim(bottom=0)
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    _time_axis(axes)
    return _svg(figure, axes)


def service(statement: Statement) -> str:
    """Who served each slot, and which part of the measured time was earned."""
    job = statement.job
    slots = sorted({one.slot for one in statement.served})[:_MOST_SLOTS]
    figure = Figure(figsize=(9, 1.3 + 0.34 * len(slots)))
    axes = figure.add_subplot()
    for one in statement.served:
        if one.slot not in slots:
            continue
        begin, end = _dates([one.opened_at, max(one.until, one.opened_at + 1)])
        place = slots.index(one.slot)
        axes.barh(place, (end - begin), left=begin, height=0.7, color=_uptime_colour(one.uptime_ppm), edgecolor="white")
        middle = begin + (end - begin) / 2
        told = "not settled" if one.uptime_ppm is None else f"{one.uptime_ppm // 100 / 100:g} %"
        if end - begin > 0.08 * max(1, job.now - job.view["startsAt"]) / 86_400:
            dark = one.uptime_ppm is not None and one.uptime_ppm > 990_000
            axes.annotate(
                f"licence {one.licence}: {told}",
                (middle, place),
                ha="center",
                va="center",
                fontsize=8,
                color="white" if dark else "black",
            )
    axes.set_yticks(range(len(slots)), [f"slot {slot}" for slot in slots], fontsize=9)
    axes.set_ylim(len(slots) - 0.5, -0.5)
    begin, end = _dates([job.view["startsAt"], max(min(job.now, job.view["stop"]), job.view["startsAt"] + 1)])
    axes.set_xlim(begin, end)
    names = {
        "earned above 99 %": 1_000_000,
        "90 to 99 %": 950_000,
        "below 90 %": 500_000,
        "none": 0,
        "not settled": None,
    }
    keys = [Patch(color=_uptime_colour(ppm), label=name) for name, ppm in names.items()]
    axes.legend(
        handles=keys,
        fontsize=8,
        loc="upper center",
        bbox_to_anchor=(0.5, -0.55 / len(slots) - 0.12),
        ncols=5,
        frameon=False,
    )
    _time_axis(axes)
    return _svg(figure, axes)


def _uptime_colour(ppm: int | None) -> str:
    if ppm is None:
        return "#dddddd"
    if ppm > 990_000:
        return "#0072b2"
    if ppm >= 900_000:
        return "#56b4e9"
    return "#e69f00" if ppm else "#d55e00"


def _dates(times: Sequence[int]) -> list[float]:
    """As matplotlib counts: days since 1970."""
    return [one / 86_400 for one in times]


def _time_axis(axes: Any) -> None:
    locator = AutoDateLocator(tz=UTC)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=UTC))  # type: ignore[no-untyped-call]
    axes.tick_params(labelsize=9)


def _svg(figure: Figure, axes: Any) -> str:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.grid(axis="x", linewidth=0.4, alpha=0.5)
    axes.set_axisbelow(True)
    FigureCanvasSVG(figure)
    text = io.StringIO()
    figure.savefig(text, format="svg", bbox_inches="tight", metadata={"Date": None, "Creator": None})
    whole = text.getvalue()
    return whole[whole.index("<svg") :]
