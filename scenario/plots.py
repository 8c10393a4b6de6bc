"""The pictures of a run: uptime as a heat map, and where each unit of the deposit went."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np

from scenario.audit import Totals

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch

_PAID, _REFUNDED, _BURNED, _HELD = "#2f7d4f", "#4c78a8", "#d1603d", "#e8b64c"
_EMPTY, _UNKNOWN, _ABSENT = "#a9c3de", "#c9ced6", "#ffffff"
_NAMES = 60  # more nodes than this are numbered, not named


def uptime_by_epoch(path: Path, rows: Sequence[Sequence[Any]], first: int, after: int) -> None:
    """Heat map of nodes by epochs from the rows of uptime.csv: grey where nobody could observe, white where not
    enrolled."""
    nodes = sorted({row[0] for row in rows})
    place = {node: index for index, node in enumerate(nodes)}
    share = np.full((len(nodes), after - first), np.nan)
    unknown = np.zeros_like(share, dtype=bool)
    for node, epoch, up, observed in rows:
        if observed:
            share[place[node], epoch - first] = up / observed
        else:
            unknown[place[node], epoch - first] = True
    figure, axes = _sheet(len(nodes))
    extent = (first - 0.5, after - 0.5, len(nodes) - 0.5, -0.5)
    axes.imshow(np.where(unknown, 1.0, np.nan), cmap=ListedColormap([_UNKNOWN]), aspect="auto", extent=extent)
    low = float(np.nanmin(share)) if np.isfinite(share).any() else 0.0
    image = axes.imshow(
        share, cmap="RdYlGn", vmin=min(0.9, low), vmax=1.0, aspect="auto", extent=extent, interpolation="nearest"
    )
    figure.colorbar(image, ax=axes, label="up / observed", fraction=0.03, pad=0.02)
    _label_nodes(axes, nodes)
    axes.set_xlabel("epoch")
    axes.set_title(f"Uptime of {len(nodes)} nodes in {after - first} epochs, as the committee agreed it")
    _legend(axes, [(_UNKNOWN, "enrolled, nobody could observe"), (_ABSENT, "not enrolled")])
    save(figure, path)


def uptime_by_tick(path: Path, ticks: dict[str, Sequence[int]], epoch_length: int, notes: Sequence[str]) -> None:
    """Heat map of nodes by ticks: 2 up, 1 down, 0 not observed or not placed. `epoch_length` in ticks."""
    nodes = list(ticks)
    grid = np.array([list(ticks[node]) for node in nodes])
    figure, axes = _sheet(len(nodes))
    axes.imshow(
        grid,
        cmap=ListedColormap([_UNKNOWN, _BURNED, _PAID]),
        vmin=0,
        vmax=2,
        aspect="auto",
        interpolation="nearest",
    )
    for edge in range(epoch_length, grid.shape[1], epoch_length):
        axes.axvline(edge - 0.5, color="white", linewidth=1.5)
    for edge in np.arange(0.5, len(nodes) - 1):
        axes.axhline(edge, color="white", linewidth=3)
    _label_nodes(axes, nodes)
    axes.set_xticks(np.arange(epoch_length / 2 - 0.5, grid.shape[1], epoch_length))
    axes.set_xticklabels([f"epoch {index}" for index in range(len(axes.get_xticks()))])
    axes.set_title("Uptime by tick" + "".join(f"\n{note}" for note in notes), fontsize=10)
    _legend(axes, [(_PAID, "up"), (_BURNED, "down"), (_UNKNOWN, "not placed, or not observed")])
    save(figure, path)


def money(path: Path, payouts: Sequence[Sequence[Any]], totals: Totals, unit: int = 10**6) -> None:
    """Where each unit of the deposit went: in all, and node by node, from the rows of payouts.csv."""
    rows = [(row[0], *(value / unit for value in row[1:])) for row in payouts if row[0]]
    empty = sum(row[3] for row in payouts if not row[0])
    figure, (whole, each) = plt.subplots(
        2,
        1,
        figsize=(11, 2.6 + _height(len(rows))),
        height_ratios=[0.8, max(1.2, _height(len(rows)) - 0.6)],
        layout="constrained",
    )
    parts = [
        ("paid to nodes", totals.paid, _PAID),
        ("refunded: failed or unmeasured", totals.refunded - empty, _REFUNDED),
        ("refunded: empty slots", empty, _EMPTY),
        ("burned", totals.burned, _BURNED),
        ("held", totals.held, _HELD),
        ("remaining", totals.remaining, _UNKNOWN),
    ]
    left = 0.0
    for label, amount, colour in parts:
        share = 100 * amount / totals.deposits if totals.deposits else 0.0
        if amount:
            whole.barh(
                0, amount / unit, left=left, color=colour, label=f"{label}: {amount / unit:,.2f} ({share:.2f} %)"
            )
            left += amount / unit
    whole.set_yticks([])
    whole.set_title(f"Where the deposit of {totals.deposits / unit:,.2f} went")
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    whole.set_xlim(0, left or 1)
    at = np.arange(len(rows))
    edge = np.zeros(len(rows))
    for column, colour in ((1, _PAID), (3, _REFUNDED), (4, _BURNED)):
        values = np.array([row[column] for row in rows])
        each.barh(at, values, left=edge, color=colour, height=0.8)
        edge += values
    _label_nodes(each, [row[0] for row in rows])
    each.set_ylim(len(rows) - 0.4, -0.6)
    each.set_xlabel("tokens")
    each.set_title("by node: paid, refunded, burned")
    for axes in (whole, each):
        axes.spines[["top", "right"]].set_visible(False)
    save(figure, path)


def _height(rows: int) -> float:
    return min(14.0, 0.6 + 0.18 * rows)


def _sheet(nodes: int) -> tuple[Figure, Axes]:
    figure, axes = plt.subplots(figsize=(11, 1.8 + _height(nodes)), layout="constrained")
    return figure, axes


def _label_nodes(axes: Axes, nodes: Sequence[str]) -> None:
    if len(nodes) > _NAMES:
        axes.set_ylabel(f"{len(nodes)} nodes, in order of name")
        return
    # A dollar sign would begin a formula.
    short = [(node if len(node) <= 16 else f"{node[:8]}…{node[-4:]}").replace("$", r"\$") for node in nodes]
    axes.set_yticks(range(len(nodes)), short, fontsize=7 if len(nodes) > 20 else 9)


def _legend(axes: Axes, entries: Sequence[tuple[str, str]]) -> None:
    patches = [Patch(facecolor=colour, edgecolor="#888888", label=label) for colour, label in entries]
    figure = axes.get_figure()
    assert figure is not None
    figure.legend(handles=patches, loc="outside lower center", ncols=3, frameon=False, fontsize=9)


def save(figure: Figure, path: Path) -> None:
    """Write a picture whole or not at all, and let go of it."""
    part = path.with_name(path.name + ".part")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a name in a script that the font lacks
        figure.savefig(part, dpi=130, format="png")
    plt.close(figure)
    part.replace(path)
