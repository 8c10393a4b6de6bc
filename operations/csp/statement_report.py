"""A statement as one HTML page that prints well and needs nothing from anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Final

from operations.csp import statement_plots
from operations.csp.statement import Statement
from oracle.ground import times
from oracle.ground.errors import UserError

_STYLE: Final = """
body { font: 14px/1.45 system-ui, sans-serif; color: #1a1a1a; margin: 2rem auto; max-width: 62rem; padding: 0 1rem }
h1 { font-size: 1.5rem; margin-bottom: .2rem }
h2 { font-size: 1.1rem; margin-top: 2rem; break-after: avoid }
table { border-collapse: collapse; width: 100%; font-size: .85rem }
tr { break-inside: avoid }
th, td { padding: .3rem .5rem; text-align: left; border-bottom: 1px solid #ddd; vertical-align: top }
th { font-weight: 600; border-bottom: 2px solid #999 }
.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
tfoot td { font-weight: 600; border-top: 2px solid #999 }
.a { font-family: ui-monospace, monospace; font-size: .78rem; overflow-wrap: anywhere }
.facts td:first-child { width: 11rem; color: #555 }
figure { margin: 1rem 0; break-inside: avoid }
svg { width: 100%; height: auto }
.note { color: #555; font-size: .85rem }
@media print { body { margin: 0; max-width: none; font-size: 11px } @page { margin: 14mm } }
"""
_WHAT: Final = {
    "deposit": "deposit",
    "paid": "paid to a node",
    "refunded": "refunded",
    "burned": "burned",
    "protocol": "protocol's share",
}
_WHY: Final = {
    "paid to nodes": "earned seconds, less the protocol's share",
    "earned, to be claimed": "earned, and not yet fetched by the payees",
    "protocol's share": "of earned seconds",
    "burned of withheld": "the part of withheld time that isn't the CSP's",
    "back: time not used": "after the job was stopped or made smaller",
    "back: unmeasured time": "the oracles couldn't measure it: nobody is paid, nobody is blamed",
    "back: share of withheld": "the nodes missed the policy's uptime",
    "back: empty or unproved": "slots without a node, seconds that nobody proved in time, and rounding",
    "held for appeals": "withheld; a node may still appeal",
    "not settled yet, and rounding": "time to come, or that reports haven't reached",
}


_NOTE: Final = "Made of the chain's events; every sum agrees with what the contracts tell, to the last unit."
_SECONDS: Final = (
    "Seconds are counted once a report has settled them. Uptime is the earned part of measured seconds, as the job's "
    "policy scores it."
)


def write(statement: Statement, path: Path) -> None:
    """Write it, whole or not at all. UserError where that can't be."""
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(page(statement), encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise UserError(f"--report {path}: {error.strerror}; give a file to write") from error


def page(statement: Statement) -> str:
    """The page's text."""
    job = statement.job
    title = f"Job {job.id}: statement of account"
    body = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="note">As of {times.show_time(job.now)}, block {statement.block}. {_NOTE}</p>',
        _facts(statement),
        "<h2>Where the deposit is, and why</h2>",
        _figure(statement_plots.deposit(statement)),
        _parts(statement),
    ]
    if len(statement.movements) > 1:
        body += ["<h2>How it went</h2>", _figure(statement_plots.flows(statement))]
    if statement.served:
        body += ["<h2>Who served, and how well</h2>", _figure(statement_plots.service(statement)), _served(statement)]
    body += ["<h2>Every movement</h2>", _movements(statement), "<h2>What happened</h2>", _happenings(statement)]
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
    top = f'<!doctype html>\n<html lang="en"><head>{head}<style>{_STYLE}</style></head>\n'
    return f"{top}<body>{''.join(body)}</body></html>\n"


def _facts(statement: Statement) -> str:
    rows = "".join(f"<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>" for name, value in statement.job.lines())
    return f'<table class="facts"><tbody>{rows}</tbody></table>'


def _figure(svg: str) -> str:
    return f"<figure>{svg}</figure>"


def _parts(statement: Statement) -> str:
    token, whole = statement.job.token, statement.job.view["deposit"]
    rows = [
        (name, token.show(amount), f"{amount * 10_000 // whole / 100:g} %", _WHY[name])
        for name, amount in statement.parts()
        if amount
    ]
    return _table(("part", "amount", "share", "why"), rows, (1, 2), ("deposit", token.show(whole), "100 %", ""))


def _served(statement: Statement) -> str:
    token = statement.job.token
    rows = []
    for one in statement.served:
        uptime = "" if one.uptime_ppm is None else f"{one.uptime_ppm // 100 / 100:g} %"
        until = (
            times.show_time(one.until) if one.closed else "its job's end" if one.until < statement.job.now else "now"
        )
        rows.append(
            (
                f"{one.slot}/{one.generation}",
                str(one.licence),
                f"{times.show_time(one.opened_at)} to {until}",
                f"{one.open:,}",
                f"{one.earned:,}",
                f"{one.withheld:,}",
                f"{one.unmeasured:,}",
                uptime,
                token.show(one.paid),
                token.show(one.claimable),
            )
        )
    heads = "slot/gen.|licence|served|open s|earned s|withheld s|unmeasured s|uptime|paid|to claim".split("|")
    sums = [
        sum(getattr(one, name) for one in statement.served) for name in ("open", "earned", "withheld", "unmeasured")
    ]
    paid, claimable = (sum(getattr(one, name) for one in statement.served) for name in ("paid", "claimable"))
    foot = ("all", "", "", *(f"{one:,}" for one in sums), "", token.show(paid), token.show(claimable))
    return _table(heads, rows, (3, 4, 5, 6, 7, 8, 9), foot) + f'<p class="note">{_SECONDS}</p>'


def _movements(statement: Statement) -> str:
    token, rows, remains = statement.job.token, [], 0
    for one in statement.movements:
        remains -= one.out
        amount = token.show(-one.out) if one.out < 0 else f"−{token.show(one.out)}"
        what = _WHAT[one.what]
        rows.append((times.show_time(one.time), str(one.block), what, amount, token.show(remains), one.who, one.why))
    heads = "time|block|what|amount|in the escrow then|who|why".split("|")
    return _table(heads, rows, (3, 4), None, (5,))


def _happenings(statement: Statement) -> str:
    rows = [(times.show_time(one.time), str(one.block), one.text) for one in statement.happenings]
    return _table(("time", "block", "what"), rows, ())


def _table(
    heads: Sequence[str],
    rows: Iterable[Sequence[str]],
    numbers: Sequence[int],
    foot: Sequence[str] | None = None,
    addresses: Sequence[int] = (),
) -> str:
    def cells(row: Sequence[str], tag: str) -> str:
        made = []
        for place, text in enumerate(row):
            kind = ' class="n"' if place in numbers else ' class="a"' if place in addresses and tag == "td" else ""
            made.append(f"<{tag}{kind}>{escape(text)}</{tag}>")
        return f"<tr>{''.join(made)}</tr>"

    body = "".join(cells(row, "td") for row in rows)
    end = f"<tfoot>{cells(foot, 'td')}</tfoot>" if foot else ""
    return f"<table><thead>{cells(heads, 'th')}</thead><tbody>{body}</tbody>{end}</table>"
