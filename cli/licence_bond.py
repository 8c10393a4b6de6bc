"""`epochal licence bond`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from cli.signing_options import open_reading, open_sending, reading_options, show_json, signing_options, tell
from operations.licences import bonds, files, views
from operations.plans import Outcome
from oracle.ground import times

_LICENCE = click.argument("number", metavar="LICENCE", type=click.IntRange(min=1))
_TOKEN = click.option("--token", metavar="TOKEN", help="Its address or symbol.  [default: the network's first]")


@click.group(short_help="A licence's bond.")
def bond() -> None:
    """Bring money into a licence's bond, ask for it back, and have it paid.

    A job's policy may take a part of withheld money from the bond. It is the licence's, and goes with it.
    """


@bond.command("show", short_help="What is in it, what is reserved, what was asked for.")
@_LICENCE
@reading_options
def show_bond(number: int, as_json: bool, **given: Any) -> None:
    """Show a licence's bonds in the network's tokens, and how long a withdrawal takes."""
    network = open_reading(given)
    views.of(network, number)
    found = views.bonds_of(network, number, views.bond_tokens(network))
    now = network.chain.block("latest").timestamp
    delay = int(network.chain.call(network.bonds.functions.withdrawalDelay()))
    if as_json:
        told = [
            {
                "token": one.token.address,
                "balance": str(one.balance),
                "reserved": str(one.reserved),
                "liable": str(one.liable),
                "requested": str(one.requested),
                "available_at": one.available_at,
                "requester": one.requester,
            }
            for one in found
        ]
        show_json({"licence": number, "withdrawal_delay": delay, "bonds": told})
        return
    for one in found:
        click.echo(f"licence {number}: {one.text(now)}")
    click.echo(f"a withdrawal is paid {times.show_span(delay)} after its request, of an unlinked licence")


@bond.command(short_help="Bring money in.")
@_LICENCE
@click.argument("amount")
@_TOKEN
@signing_options
def deposit(number: int, amount: str, token: str | None, **given: Any) -> None:
    """Add AMOUNT (human units) to the bond, out of the key's pocket. Exactly that is allowed to the contract."""
    network, sending = open_sending(given)
    wish = {"do": "bond deposit", "at": network.bonds.address, "licence": number, "amount": amount, "token": token}
    lines = [f"the bond of licence {number} has it; see `epochal licence bond show {number}`"]
    sending.run(
        wish,
        lambda: bonds.depositing(network, sending.signer, number, token, amount),
        _told(given["as_json"], lines, number),
    )


@bond.command(short_help="Ask for a part of it back; 0 calls that off.")
@_LICENCE
@click.argument("amount")
@_TOKEN
@signing_options
def request(number: int, amount: str, token: str | None, **given: Any) -> None:
    """Ask for AMOUNT (human units) of an unlinked licence's bond; it is paid after a delay, by `withdraw`."""
    network, sending = open_sending(given)
    wish = {"do": "bond request", "at": network.bonds.address, "licence": number, "amount": amount, "token": token}
    lines = [f"then: `epochal licence bond withdraw {number}`"] if amount.strip() != "0" else ["nothing is requested"]
    sending.run(
        wish,
        lambda: bonds.requesting(network, sending.address, number, token, amount),
        _told(given["as_json"], lines, number),
    )


@bond.command(short_help="Have paid what was asked for.")
@_LICENCE
@_TOKEN
@click.option("--to", metavar="ADDRESS", help="Who gets it.  [default: the key's address]")
@signing_options
def withdraw(number: int, token: str | None, to: str | None, **given: Any) -> None:
    """Have the requested part of the bond paid, as far as it isn't reserved."""
    recipient = files.address("--to", to) if to is not None else None
    network, sending = open_sending(given)
    wish = {"do": "bond withdraw", "at": network.bonds.address, "licence": number, "token": token, "to": recipient}
    sending.run(
        wish,
        lambda: bonds.withdrawing(network, sending.address, number, token, recipient or sending.address),
        _told(given["as_json"], ["it is paid"], number),
    )


def _told(as_json: bool, lines: list[str], licence: int) -> Callable[[Outcome], None]:
    return lambda outcome: tell(outcome, as_json, lines if outcome.plan.calls else [], licence=licence)
