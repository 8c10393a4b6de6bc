"""`epochal licence claim`."""

from __future__ import annotations

from typing import Any

import click

from cli.signing_options import open_sending, signing_options, tell
from operations import tokens
from operations.licences import claiming, files
from operations.plans import Outcome
from oracle.ground.ids import show_assignment

MAX_GAS = click.option(
    "--max-gas",
    type=click.IntRange(min=500_000),
    default=8_000_000,
    show_default=True,
    help="The most that one transaction is to take; more is spread over several.",
)


@click.command(short_help="Have earned pay paid out.")
@click.argument("numbers", metavar="[LICENCE]...", type=click.IntRange(min=1), nargs=-1)
@click.option("--to", metavar="ADDRESS", help="Have it paid there; the key must be the payee's.")
@click.option("--everybody", is_flag=True, help="Pay earlier holders of the licences named too.")
@MAX_GAS
@signing_options
def claim(numbers: tuple[int, ...], to: str | None, everybody: bool, max_gas: int, **given: Any) -> None:
    """Claim the pay of licences, of all assignments that they ever served; without one, all that is due to the key.

    Pay goes to who held the licence when the assignment opened. What a freeze holds back, or a token refuses to pay, is
    left out and told. `epochal licence why` tells where the rest went.
    """
    if to is not None and everybody:
        raise click.UsageError("--to is for the key's own pay, --everybody for others' too: give one of them")
    recipient = files.address("--to", to) if to is not None else None
    network, sending = open_sending(given)

    def told(outcome: Outcome) -> None:
        sums, kept = claiming.paid(network, outcome.receipts)
        lines = [f"paid: {tokens.read(network, token).show(units)}" for token, units in sums.items()]
        if kept:
            names = ", ".join(map(show_assignment, kept))
            lines.append(f"not paid, and still due: {names}; run the command again, it tells why")
        amounts = {token: str(units) for token, units in sums.items()}
        tell(outcome, given["as_json"], lines, paid=amounts, still_due=[str(one) for one in kept])

    wish = {"do": "licence claim", "at": network.escrow.address, "licences": list(numbers), "to": recipient}
    sending.run(
        {**wish, "everybody": everybody},
        lambda: claiming.claiming(network, sending.address, numbers, recipient, everybody, max_gas),
        told,
    )
