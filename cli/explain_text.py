"""What `epochal explain` prints of the report that carries an epoch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from textwrap import wrap
from typing import Any, Final

from chain.client import Block
from oracle.committee.explaining import AppealTold, Told, Verdict
from oracle.ground.address import checksummed
from oracle.ground.amounts import percent
from oracle.ground.ids import show_assignment
from oracle.ground.ledger import Account, Subject
from oracle.ground.policy import Policy
from oracle.service.explaining_report import ReportTold
from settlement.books import Book, Seconds, Terms
from settlement.money import Statement

_COLUMNS: Final = 100
_SAID: Final = {
    Verdict.ALL: "at or above the target, so all observed seconds are earned",
    Verdict.PART: "between floor and target, so a part of the observed seconds is earned",
    Verdict.NONE: "at or below the floor, so all observed seconds are withheld",
    Verdict.UP_TIME: "observed for less than the policy's least, so just the seconds up are earned",
    Verdict.UNMEASURED: "too few oracles observed it, so the epoch is unmeasured: not paid, not withheld",
}


@dataclass(frozen=True, slots=True)
class MoneyTold:
    """What the chain says of the money: jobs' terms, and books in the state of `block`."""

    terms: Mapping[int, Terms]
    books: Mapping[int, Book]
    block: Block


def lines(told: ReportTold, money: MoneyTold) -> list[str]:
    """The report's part of the explanation, to read, in at most 100 columns."""
    one = told.verified.submission
    first, last = told.carried
    span = f"epoch {last}" if first == last else f"epochs {first} to {last}"
    members = len(told.verified.facts.committee.members)
    out = _wrapped(
        f"report of epoch {last}, which carries {span}: {one.standing}, "
        f"signed by {len(told.verified.signers)} of {members} oracle{'s' * (members != 1)}; "
        f"recomputed here from its evidence (from {told.verified.source})",
        "",
    )
    if not told.assignments:
        out += [f"By the chain the node served nothing in epoch {told.epoch}."]
    for each in told.assignments:
        out += ["", *_assignment(told, each, money)]
    for note in told.notes:
        out += _wrapped(f"note: {note}", "")
    return out


def _assignment(told: ReportTold, one: Told, money: MoneyTold) -> list[str]:
    subject, tick = one.subject, told.verified.facts.clock.tick
    key = subject.assignment_id
    terms = money.terms[key >> 64]
    out = _wrapped(
        f"assignment {show_assignment(key)} of licence {subject.licence}, by {subject.policy.evidence}: "
        f"{_policy(subject.policy)}",
        "",
    )
    for sight in one.sights:
        part = "; run by who pays or is paid, counts if too few others saw it" if sight.conflicted else ""
        out.append(f"  {checksummed(sight.oracle)}  {_sight(sight.seen, tick)}{part}")
    agreed = one.agreed
    observers = sum(1 for sight in one.sights if sight.seen is not None and sight.seen.observed)
    out += _wrapped(
        f"agreed: up {agreed.up:,} of {agreed.observed:,} s observed{_share(agreed.up, agreed.observed)}, out of "
        f"{one.open:,} s assigned; {observers} oracle{'s' * (observers != 1)} observed it, needed: {one.needed}",
        "  ",
    )
    out += _wrapped(f"policy: {_SAID[one.verdict]}{_window(one)}", "  ")
    if one.after is not None:
        gained = _seconds(subject, one.after) - _seconds(subject, one.before)
        before, after = (_seconds(subject, each).amounts(terms.rates) for each in (one.before, one.after))
        out += _wrapped(f"this report adds: {_money(gained, _less(after, before), terms)}", "  ")
        total = _seconds(subject, one.after)
        out += _wrapped(f"with it in all: {_money(total, total.amounts(terms.rates), terms)}", "  ")
    else:
        out.append("  its leaf has left the tree: it was settled to its end, and no appeal can come any more")
    out += _booked(key, money, terms)
    out += _appeals(told, one, terms)
    return out


def _booked(key: int, money: MoneyTold, terms: Terms) -> list[str]:
    book = money.books[key]
    amounts = book.seconds.amounts(terms.rates)
    show = terms.token.show
    return [
        *_wrapped(
            f"booked on chain (block {money.block.number}) up to {_utc(book.through)}: "
            f"{_money(book.seconds, amounts, terms)}; of the withheld {book.held:,} s are still held",
            "  ",
        ),
        *_wrapped(
            f"payee {checksummed(bytes.fromhex(book.payee[2:]))}: paid out {show(book.paid_out(terms.rates))}, "
            f"can claim {show(book.claimable(terms.rates))}",
            "  ",
        ),
    ]


def _appeals(told: ReportTold, one: Told, terms: Terms) -> list[str]:
    mine = [each for each in told.appeals if each.assignment == one.subject.assignment_id]
    if not mine:
        return ["  appeals: none was taken for this epoch" + (", of what could be looked up" if told.notes else "")]
    out = []
    for each in mine:
        out += _wrapped(
            f"appeal in the report of epoch {each.report}: oracles acknowledged {each.acknowledged:,} s, the committee "
            f"had {one.agreed.up:,} s up; {_upheld(each, one, terms)}",
            "  ",
        )
    return out


def _upheld(each: AppealTold, one: Told, terms: Terms) -> str:
    if upheld(each, one):
        gained = terms.rates.net(each.raised)
        return f"upheld: that report gave back {each.raised:,} s, about {terms.token.show(gained)} to the payee"
    return "it shows no more than was counted"


def upheld(appeal: AppealTold, one: Told) -> bool:
    """Whether an appeal shows seconds that the committee hadn't."""
    return min(appeal.acknowledged, one.agreed.observed) > one.agreed.up


def as_dict(told: ReportTold, money: MoneyTold) -> dict[str, Any]:
    """The report's part for JSON: seconds as numbers; ids, and amounts in the smallest unit, as decimal text."""
    first, last = told.carried
    submission = told.verified.submission
    return {
        "epoch": last,
        "carries": [first, last],
        "standing": submission.standing,
        "root": "0x" + submission.claim.root.hex(),
        "evidence": "0x" + submission.claim.evidence.hex(),
        "source": told.verified.source,
        "signers": told.verified.signers,
        "block": money.block.number,
        "notes": list(told.notes),
        "assignments": [_assignment_dict(told, one, money) for one in told.assignments],
    }


def _assignment_dict(told: ReportTold, one: Told, money: MoneyTold) -> dict[str, Any]:
    subject = one.subject
    key = subject.assignment_id
    terms, book = money.terms[key >> 64], money.books[key]
    before = _seconds(subject, one.before)
    after = None if one.after is None else _seconds(subject, one.after)
    added = None
    if after is not None:
        amounts = _less(after.amounts(terms.rates), before.amounts(terms.rates))
        added = {**asdict(after - before), "amounts": _amounts(amounts)}
    return {
        "assignment": str(key),
        "name": show_assignment(key),
        "licence": str(subject.licence),
        "opened_at": subject.opened_at,
        "stop": subject.stop,
        "policy": asdict(subject.policy),
        "token": {"address": terms.token.address, "symbol": terms.token.symbol, "decimals": terms.token.decimals},
        "price": str(terms.rates.price),
        "oracles": [
            {
                "oracle": checksummed(each.oracle),
                "ticks": asdict(each.seen) if each.seen is not None else None,
                "conflicted": each.conflicted,
            }
            for each in one.sights
        ],
        "needed": one.needed,
        "agreed": asdict(one.agreed),
        "assigned": one.open,
        "verdict": one.verdict.value,
        "window": list(one.window),
        "window_so_far": None if one.measured is None else asdict(one.measured),
        "added": added,
        "total": None if after is None else {**asdict(after), "amounts": _amounts(after.amounts(terms.rates))},
        "booked": {
            **asdict(book.seconds),
            "through": book.through,
            "held": book.held,
            "payee": checksummed(bytes.fromhex(book.payee[2:])),
            "amounts": _amounts(book.seconds.amounts(terms.rates)),
            "paid_out": str(book.paid_out(terms.rates)),
            "claimable": str(book.claimable(terms.rates)),
        },
        "appeals": [
            {
                "report": each.report,
                "hash": "0x" + each.hash.hex(),
                "acknowledged": each.acknowledged,
                "raised": each.raised,
                "upheld": upheld(each, one),
            }
            for each in told.appeals
            if each.assignment == key
        ],
    }


def _seconds(subject: Subject, account: Account) -> Seconds:
    return Seconds.of(subject.opened_at, account.until, account.earned, account.accounted)


def _less(a: Statement, b: Statement) -> Statement:
    return Statement(a.paid - b.paid, a.withheld - b.withheld, a.refunded - b.refunded, a.burned - b.burned)


def _amounts(one: Statement) -> dict[str, str]:
    return {name: str(value) for name, value in asdict(one).items()}


def _money(seconds: Seconds, amounts: Statement, terms: Terms) -> str:
    show = terms.token.show
    rest = terms.rates.gross(seconds.unmeasured) if seconds.unmeasured >= 0 else 0
    return (
        f"earned {seconds.earned:,} s ({show(amounts.paid)} to the payee), withheld {seconds.withheld:,} s "
        f"({show(amounts.withheld)}), unmeasured {seconds.unmeasured:,} s ({show(rest)} back to the CSP)"
    )


def _sight(seen: Any, tick: int) -> str:
    if seen is None:
        return "no observation of it is in the report"
    if not seen.observed:
        return "observed nothing of it"
    return f"up {seen.up * tick:,} of {seen.observed * tick:,} s observed{_share(seen.up, seen.observed)}"


def _share(up: int, observed: int) -> str:
    if not observed:
        return ""
    hundredths = 10_000 * up // observed
    return f" ({hundredths // 100}.{hundredths % 100:02} %)"


def _window(one: Told) -> str:
    first, last = one.window
    if first == last:
        return ""
    said = f"; it scores epochs {first} to {last} together"
    if one.measured is not None:
        said += (
            f", of which up {one.measured.up:,} of {one.measured.observed:,} s are measured and nothing is counted yet"
        )
    return said


def _policy(policy: Policy) -> str:
    return (
        f"target {percent(policy.target_ppm)}, floor {percent(policy.floor_ppm)}, "
        f"{policy.window_epochs} epoch{'s' * (policy.window_epochs > 1)} together"
    )


def _wrapped(said: str, indent: str) -> list[str]:
    return wrap(said, _COLUMNS, initial_indent=indent, subsequent_indent=indent + "  ")


def _utc(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
