# SPDX-License-Identifier: Apache-2.0
"""What settlement and its floors promise, decided by Z3 over the integers.

Division by an unknown number is beyond Halmos' solvers on words of 256 bits, and so are long chains of minima. So the
formulas of `Money.sol` and of {Accrual.applyLeaf} stand here once more, for any price, epoch, share and seconds. That
is a proof about these formulas, not about the bytecode; words don't overflow with them, which Halmos does decide.

    python integers.py [--seconds 60]        one line of JSON for each lemma
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import z3

PPM = 1_000_000


class Lemma:
    """Collects assumptions; `divide` names a quotient."""

    def __init__(self) -> None:
        self.solver = z3.Solver()
        self.count = 0

    def number(self, name: str, least: int = 0) -> z3.ArithRef:
        value = z3.Int(name)
        self.solver.add(value >= least)
        return value

    def divide(self, x: z3.ArithRef, d: z3.ArithRef | int) -> z3.ArithRef:
        """q with q·d <= x < (q + 1)·d."""
        self.count += 1
        q = z3.Int(f"q{self.count}")
        self.solver.add(q >= 0, q * d <= x, x < (q + 1) * d)
        return q

    def sign(self, k: z3.ArithRef, d: z3.ArithRef) -> None:
        """Reminds the solver that a product of two positives is positive: all it needs of multiplication."""
        self.solver.add(z3.Or(k < 0, k * d >= 0))


@dataclass
class Booked:
    """What an account holds of one assignment."""

    through: z3.ArithRef
    accounted: z3.ArithRef
    earned: z3.ArithRef
    held: z3.ArithRef

    def same(self, other: Booked) -> z3.BoolRef:
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return z3.And([a == b for a, b in pairs])


def lesser(a: z3.ArithRef, b: z3.ArithRef) -> z3.ArithRef:
    return z3.If(a < b, a, b)


def above(a: z3.ArithRef, b: z3.ArithRef) -> z3.ArithRef:
    return z3.If(a > b, a - b, 0)


def account(m: Lemma) -> Booked:
    """Any account that the contract can hold."""
    opened = m.number("openedAt")
    a = Booked(*(m.number(name) for name in ("through", "accounted", "earned", "held")))
    m.solver.add(opened <= a.through, a.accounted <= a.through - opened, a.earned + a.held <= a.accounted)
    return a


def apply(a: Booked, earned: z3.ArithRef, accounted: z3.ArithRef, until: z3.ArithRef) -> Booked:
    """{Accrual.applyLeaf}, line by line."""
    room = above(until, a.through)
    more = above(accounted, a.accounted)
    new_accounted = lesser(more, room)
    difference = above(earned, a.earned)
    raised = above(difference, more)
    new_earned = lesser(difference - raised, new_accounted) + lesser(raised, a.held)
    return Booked(
        a.through + room, a.accounted + new_accounted, a.earned + new_earned, a.held + new_accounted - new_earned
    )


def leaf(m: Lemma, name: str = "") -> tuple[z3.ArithRef, z3.ArithRef, z3.ArithRef]:
    return m.number(f"earned{name}"), m.number(f"accounted{name}"), m.number(f"until{name}")


def any_leaf_is_bounded(m: Lemma) -> z3.BoolRef:
    a, (earned, accounted, until) = account(m), leaf(m)
    b = apply(a, earned, accounted, until)
    return z3.And(
        b.through >= a.through,
        b.through == z3.If(until > a.through, until, a.through),
        b.accounted - a.accounted <= b.through - a.through,
        b.earned - a.earned <= b.accounted - a.accounted + a.held,
        b.accounted >= a.accounted,
        b.earned >= a.earned,
        b.held >= 0,
        b.earned + b.held <= b.accounted,
    )


def same_leaf_twice(m: Lemma) -> z3.BoolRef:
    a, given = account(m), leaf(m)
    once = apply(a, *given)
    return apply(once, *given).same(once)


def older_leaf(m: Lemma) -> z3.BoolRef:
    a, (earned, accounted, until) = account(m), leaf(m)
    m.solver.add(earned <= a.earned, accounted <= a.accounted)
    b = apply(a, earned, accounted, until)
    return z3.And(b.accounted == a.accounted, b.earned == a.earned)


def true_leaves(m: Lemma, a: Booked) -> list[tuple[z3.ArithRef, z3.ArithRef, z3.ArithRef]]:
    """Two leaves of one history within its bounds; the second may raise what the first withheld."""
    e1, w1, e2, w2 = (m.number(name) for name in ("e1", "w1", "e2", "w2"))
    t1, t2 = m.number("t1"), m.number("t2")
    m.solver.add(t1 >= a.through, t2 >= t1, e1 + w1 <= t1 - a.through, e2 + w2 <= t2 - t1)
    first = (a.earned + e1, a.accounted + e1 + w1, t1)
    return [first, (first[0] + e2, first[1] + e2 + w2, t2)]


def two_settlements_or_one(m: Lemma) -> z3.BoolRef:
    a = account(m)
    first, second = true_leaves(m, a)
    return apply(apply(a, *first), *second).same(apply(a, *second))


def two_settlements_or_one_with_an_appeal(m: Lemma) -> z3.BoolRef:
    """The second leaf's earned may also take of what was withheld before, released seconds apart."""
    a = account(m)
    first, (earned, accounted, until) = true_leaves(m, a)
    appeal = m.number("appeal")
    m.solver.add(appeal <= a.held + first[1] - a.accounted - (first[0] - a.earned))
    last = (earned + appeal, accounted, until)
    return apply(apply(a, *first), *last).same(apply(a, *last))


def two_parts(m: Lemma) -> z3.BoolRef:
    length = m.number("length", 1)
    x, y = m.number("x"), m.number("y")
    a, b, both = m.divide(x, length), m.divide(y, length), m.divide(x + y, length)
    m.sign(a + b - both - 1, length)
    return a + b <= both


def two_parts_lose_little(m: Lemma) -> z3.BoolRef:
    length = m.number("length", 1)
    x, y = m.number("x"), m.number("y")
    a, b, both = m.divide(x, length), m.divide(y, length), m.divide(x + y, length)
    m.sign(both - a - b - 2, length)
    return both <= a + b + 1


def more_is_never_less(m: Lemma) -> z3.BoolRef:
    length = m.number("length", 1)
    x, y = m.number("x"), m.number("y")
    less, more = m.divide(x, length), m.divide(x + y, length)
    m.sign(less - more - 1, length)
    return less <= more


def shares_of_one_amount(m: Lemma) -> z3.BoolRef:
    amount = m.number("amount")
    kept = m.number("kept")  # amount · share
    m.solver.add(kept <= amount * PPM)
    return m.divide(kept, PPM) + m.divide(amount * PPM - kept, PPM) <= amount


def nets_of_two_parts(m: Lemma) -> z3.BoolRef:
    """Two floors in a row: the inner ones give a and b with a + b <= whole, and each is multiplied by one factor."""
    a, b, rest = m.number("fa"), m.number("fb"), m.number("rest")  # factor · a, · b, · (whole − a − b)
    return m.divide(a, PPM) + m.divide(b, PPM) <= m.divide(a + b + rest, PPM)


def destinations_never_exceed_booked(m: Lemma) -> z3.BoolRef:
    length = m.number("length", 1)
    parts = [m.number(f"x{i}") for i in range(4)]
    floors = [m.divide(x, length) for x in parts]
    booked = m.divide(z3.Sum(parts), length)
    m.sign(z3.Sum(floors) - booked - 1, length)
    return z3.Sum(floors) <= booked


def deposit_covers_booked(m: Lemma) -> z3.BoolRef:
    length = m.number("length", 1)
    x, rest = m.number("x"), m.number("rest")
    part, deposit = m.divide(x, length), m.divide(x + rest + length - 1, length)
    m.sign(part - deposit - 1, length)
    return part <= deposit


def withheld_stays_for_its_appeal_span(m: Lemma) -> z3.BoolRef:
    epoch, span, later = m.number("epoch"), m.number("appealEpochs", 1), m.number("later")
    m.solver.add(later <= span)
    mark = m.divide(epoch, span)
    return epoch + later < (mark + 1) * span + span


LEMMAS: dict[str, Callable[[Lemma], z3.BoolRef]] = {
    "any leaf: books no more than the open time and what is held": any_leaf_is_bounded,
    "the same leaf twice: moves nothing": same_leaf_twice,
    "an older leaf: books nothing": older_leaf,
    "two settlements or one: the same": two_settlements_or_one,
    "two settlements or one, the last with an appeal: the same": two_settlements_or_one_with_an_appeal,
    "floors of two parts: never exceed the floor of both": two_parts,
    "floors of two parts: lose at most one unit": two_parts_lose_little,
    "more seconds: never cost less": more_is_never_less,
    "two shares of one amount: never exceed it": shares_of_one_amount,
    "nets of two assignments: never exceed the net of both": nets_of_two_parts,
    "all destinations together: never exceed what is booked": destinations_never_exceed_booked,
    "a deposit rounded up: covers every part": deposit_covers_booked,
    "what is withheld: stays so for its appeal span, of one epoch or more": withheld_stays_for_its_appeal_span,
}


def main() -> int:
    parser = argparse.ArgumentParser(description="Decide the lemmas about floors.")
    parser.add_argument("--seconds", type=int, default=60, help="for each lemma (60)")
    options = parser.parse_args()
    failed = False
    for name, lemma in LEMMAS.items():
        began = time.monotonic()
        m = Lemma()
        claim = lemma(m)
        m.solver.set("timeout", options.seconds * 1000)
        # Assumptions that contradict each other would prove anything.
        assumed = m.solver.check()
        m.solver.add(z3.Not(claim))
        answer = {"unsat": "proved", "sat": "refuted"}.get(str(m.solver.check()), "not decided")
        if str(assumed) == "unsat":
            answer = "refuted"
        if answer == "refuted":
            print(f"{name}: {m.solver.model() if str(assumed) == 'sat' else 'assumptions contradict'}", file=sys.stderr)
        failed |= answer == "refuted"
        print(json.dumps({"name": name, "outcome": answer, "seconds": round(time.monotonic() - began, 1)}), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
