"""`epochal licence rewards`."""

from __future__ import annotations

from typing import Any

import click

from cli.licence_pay import MAX_GAS
from cli.report_leaves import TICK_OPTION, newest_leaves
from cli.signing_options import open_reading, open_sending, reading_options, show_json, signing_options, tell
from operations.licences import files, rewarding, views
from operations.plans import Outcome, Plan
from oracle.ground.ids import KIND_LICENCE

_NUMBERS = click.argument("numbers", metavar="[LICENCE]...", type=click.IntRange(min=1), nargs=-1)
_ORACLE = click.option(
    "--oracle", "oracles", multiple=True, metavar="URL", help="Fetch the newest final reports' evidence there."
)


@click.group(short_help="The network's own token, for being available.")
def rewards() -> None:
    """What a licence gets of the network's token for the time that its node was available, whatever it served."""


@rewards.command("show", short_help="What is booked, what can be claimed.")
@_NUMBERS
@click.option("--holder", metavar="ADDRESS", help="Instead of numbers: all that this address holds.")
@_ORACLE
@TICK_OPTION
@reading_options
def show_rewards(
    numbers: tuple[int, ...], holder: str | None, oracles: tuple[str, ...], tick: int, as_json: bool, **given: Any
) -> None:
    """Show licences' rewards; with --oracle also what the newest final report would add."""
    if bool(numbers) == (holder is not None):
        raise click.UsageError("give licences' numbers, or --holder")
    address = files.address("--holder", holder) if holder is not None else None
    network = open_reading(given)
    found = views.held_by(network, address) if address else [views.of(network, one) for one in numbers]
    token, told = rewarding.token_of(network), rewarding.rewards_of(network, found)
    leaves = newest_leaves(network, KIND_LICENCE, [one.licence for one in told], oracles, tick) if oracles else {}
    if as_json:
        show_json([rewarding.as_json(one) for one in told])
        return
    for one in told:
        click.echo(one.text(token))
        leaf = leaves.get(one.licence)
        if leaf is not None and leaf.earned > one.earned:
            click.echo(
                f"  the report of epoch {leaf.epoch} says {leaf.earned} s: `epochal licence rewards claim` settles it"
            )


@rewards.command("claim", short_help="Settle and claim.")
@_NUMBERS
@click.option("--to", metavar="ADDRESS", help="Have it minted there; the key must hold the licences.")
@_ORACLE
@TICK_OPTION
@MAX_GAS
@signing_options
def claim_rewards(
    numbers: tuple[int, ...], to: str | None, oracles: tuple[str, ...], tick: int, max_gas: int, **given: Any
) -> None:
    """Claim licences' rewards; without one, those of all that the key holds. With --oracle, settle the newest final
    report's seconds first."""
    recipient = files.address("--to", to) if to is not None else None
    network, sending = open_sending(given)

    def build() -> Plan:
        wanted = list(numbers) or [one.id for one in views.held_by(network, sending.address)]
        leaves = newest_leaves(network, KIND_LICENCE, wanted, oracles, tick) if oracles else {}
        return rewarding.claiming(network, sending.address, numbers, leaves, recipient, max_gas)

    def told(outcome: Outcome) -> None:
        units = rewarding.paid(network, outcome.receipts)
        lines = [f"minted: {rewarding.token_of(network).show(units)}"]
        tell(outcome, given["as_json"], lines, minted=str(units))

    wish = {"do": "licence rewards", "at": network.rewards.address, "licences": list(numbers), "to": recipient}
    sending.run(wish, build, told)
