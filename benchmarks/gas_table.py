# SPDX-License-Identifier: Apache-2.0
"""The rows of the gas table: what the design asks for, and the text of each figure."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.gas_measures import (
    FLAT_SIZES,
    PUSHED_JOBS,
    PUSHED_NODES,
    SMALL,
    SPANS,
    WHOLE_NETWORK,
    Figures,
    quorum_of,
)

GAS_CAP = 2**24
HEADINGS = ("what", "first", "steady", "gate", "design's prototype", "", "baseline, from the same run")
OK, OVER = "ok", "OVER"


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table; gates and the prototype's figure are those of the design. `name` is the figures' key."""

    name: str
    what: str
    gate: int | None = None
    first_gate: int | None = None
    prototype: int | None = None
    baseline: str = ""


def rows() -> list[Row]:
    """All rows that hold gas, in their order; baselines name figures in braces."""
    attest = [
        Row(
            f"attest_{k}",
            f"attest an epoch, {k} of {n} signatures",
            gate,
            None,
            proto,
            f"a vote of each member: {{votes_{k}}}",
        )
        for (n, gate, proto) in (
            (4, 62_000, 53_800),
            (7, 71_000, 62_300),
            (16, 98_000, 89_000),
            (31, 143_000, 132_700),
        )
        for k in (quorum_of(n),)
    ]
    settle = [
        Row(
            f"settle_{size}_{span}",
            f"settle and pay one assignment, {span} epoch{'s' if span > 1 else ''}, {size:,} leaves",
            # The gate is for a proof of 6 hashes; each further one costs its 32 bytes of calldata and a hash.
            78_000 if size == SMALL else None,
            115_000 if span == 1 and size == SMALL else None,
            64_800 if size == SMALL else None,
            f"a proof for each epoch, {SMALL} leaves: {{epoch_proofs_{span}}}" if size == SMALL else "",
        )
        for size in (SMALL, WHOLE_NETWORK)
        for span in SPANS
    ]
    return [
        *attest,
        Row("signature", "each further signature", 4_600, None, 4_383),
        *settle,
        Row("held", "settle and pay one assignment, 1 epoch, some seconds withheld each day"),
        Row("release", "release withheld seconds of one assignment"),
        Row(
            "range_100",
            "settle 100 consecutive assignments, unpaid",
            800_000,
            None,
            650_000,
            "one by one: {range_100.singles}",
        ),
        Row(
            "range_1000",
            "settle 1,000 consecutive assignments, unpaid",
            7_500_000,
            None,
            6_050_000,
            "one by one: {range_1000.singles}",
        ),
        Row("largest", "the largest transaction, deployments included", GAS_CAP),
        Row("create", "create and fund a job", 180_000),
        Row("leave", "leave: stop a job; close it and have the rest refunded, in a batch", 140_000),
        Row(
            "push_loop",
            f"baseline: a loop over {PUSHED_JOBS} jobs × {PUSHED_NODES} nodes, for each node and epoch",
        ),
    ]


def table(figures: Figures) -> list[tuple[str, ...]]:
    """The table's cells, line by line."""
    lines = [_line(row, figures) for row in rows()]
    flat = [figures[f"attest_{quorum_of(4)}"][f"leaves_{size}"] for size in FLAT_SIZES]
    sizes = " / ".join(f"{size:,}" for size in FLAT_SIZES)
    shown = " / ".join(f"{gas:,}" for gas in flat)
    lines.insert(
        4,
        (
            f"attest an epoch, {quorum_of(4)} signatures, trees of {sizes} leaves",
            "",
            shown,
            "flat",
            "",
            _verdict(_spread(flat) < 0.01),
            "",
        ),
    )
    spreads = [
        _spread([figures[f"settle_{size}_{span}"]["steady"] for span in SPANS]) for size in (SMALL, WHOLE_NETWORK)
    ]
    at = next(i for i, row in enumerate(rows()) if row.name == "held") + 1
    spread = " / ".join(f"{each:.2%}" for each in spreads)
    lines.insert(
        at,
        (
            f"spread over {' / '.join(map(str, SPANS))} epochs, {SMALL} / {WHOLE_NETWORK:,} leaves",
            "",
            spread,
            "1 %",
            "",
            _verdict(max(spreads) < 0.01),
            "",
        ),
    )
    return lines


def markdown(figures: Figures) -> str:
    """The page docs/gas.md."""
    header = f"| {' | '.join(HEADINGS)} |\n|---|---:|---:|---:|---:|---|---|\n"
    body = "".join(f"| {' | '.join(line)} |\n" for line in table(figures))
    return (
        "# Gas\n\nWritten by `make gas` from what it measured (`benchmarks/gas.json`); don't edit.\n\n"
        '"First" finds its storage slots never written, "steady" all of them written before. The contracts are\n'
        "compiled as they are deployed. Single figures differ by a few dozen gas: a zero byte of calldata is\n"
        "cheaper than another. Each baseline is a contract of benchmarks/solidity, in its cheapest form.\n\n"
        "The gate is the most that a row may cost; the prototype is what a first sketch cost, without locks,\n"
        "pauses and vetoes. One settlement covers any number of epochs: against a proof for each epoch it pays\n"
        "from the second epoch on.\n\n" + header + body
    )


def within(row: Row, figures: Figures) -> bool:
    """Whether a row's figures are at most its gates."""
    first, steady = figures[row.name].get("first", 0), figures[row.name]["steady"]
    return (row.gate is None or steady <= row.gate) and (row.first_gate is None or first <= row.first_gate)


def _line(row: Row, figures: Figures) -> tuple[str, ...]:
    first, steady = figures[row.name].get("first"), figures[row.name]["steady"]
    verdict = "" if row.gate is None else _verdict(within(row, figures))
    gate = _shown(row.gate) + (f" (first {row.first_gate:,})" if row.first_gate else "")
    baseline = row.baseline
    if baseline:
        text, _, name = baseline[:-1].partition("{")
        key, _, column = name.partition(".")
        baseline = f"{text}{figures[key][column or 'steady']:,}"
    return (row.what, _shown(first), _shown(steady), gate, _shown(row.prototype), verdict, baseline)


def _shown(gas: int | None) -> str:
    return "" if gas is None else f"{gas:,}"


def _spread(gas: list[int]) -> float:
    return (max(gas) - min(gas)) / min(gas)


def _verdict(kept: bool) -> str:
    return OK if kept else OVER
