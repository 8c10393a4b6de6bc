"""How a keeper's plan is shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from oracle.ground.amounts import ether
from settlement.planning import Action, Plan

Shown = Callable[[str, int], str]
"""Writes an amount of a token (lower-case address), given in its smallest unit."""


def plan_lines(plan: Plan, price: int, show: Shown) -> list[str]:
    """For people. `price`: wei per gas."""
    lines = _table(plan.actions, price, show)
    if plan.actions:
        spent = plan.gas
        lines.append(f"{len(plan.actions)} transactions, about {spent:,} gas: {ether(spent * price)} at {_gwei(price)}")
    else:
        lines.append("nothing to send now")
    if plan.follows:
        lines += ["", "then, once that is mined:", *_table(plan.follows, price, show)]
    if plan.waiting:
        lines += ["", "waits:", *(f"  {one}" for one in plan.waiting)]
    return lines


def plan_dict(plan: Plan, price: int) -> dict[str, Any]:
    """For programs: amounts in the token's smallest unit and costs in wei, as texts."""
    return {
        "actions": [_row(one, price) for one in plan.actions],
        "follows": [_row(one, price) for one in plan.follows],
        "waiting": list(plan.waiting),
        "gas": plan.gas,
        "gasPriceWei": str(price),
        "costWei": str(plan.gas * price),
    }


def _table(actions: Sequence[Action], price: int, show: Shown) -> list[str]:
    if not actions:
        return []
    rows = [
        (one.label, f"{one.gas:,}", ether(one.gas * price), show(one.token, one.amount) if one.amount else "")
        for one in actions
    ]
    rows.insert(0, ("what", "gas", "cost", "moves"))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return [
        f"{what:{widths[0]}}  {gas:>{widths[1]}}  {cost:>{widths[2]}}  {moves:>{widths[3]}}".rstrip()
        for what, gas, cost, moves in rows
    ]


def _row(one: Action, price: int) -> dict[str, Any]:
    return {
        "kind": one.kind.value,
        "what": one.label,
        "key": one.key,
        "gas": one.gas,
        "costWei": str(one.gas * price),
        "amount": str(one.amount),
        "token": one.token,
    }


def _gwei(price: int) -> str:
    return f"{price / 10**9:.9g} gwei"
