"""`epochal duty`."""

from __future__ import annotations

from typing import Any

import click

from cli.report_leaves import TICK_OPTION, newest_leaves
from cli.signing_options import open_reading, open_sending, reading_options, show_json, signing_options, tell
from operations import duty as pay
from operations.licences.files import address
from operations.plans import Outcome, Plan
from oracle.ground.ids import KIND_ORACLE

__all__ = ["duty"]

_MEMBERS = click.argument("members", metavar="[MEMBER]...", nargs=-1)
_ORACLE = click.option(
    "--oracle",
    "oracles",
    multiple=True,
    metavar="URL",
    help="Fetch the newest final reports' evidence there.  [default: from the oracles in the chain's directory]",
)


@click.group(short_help="What oracles are paid for their duty.")
def duty() -> None:
    """What oracles are paid, out of the protocol's share, for the seconds that they observed and reported.

    A member is named by its own address, not by that of the key that signs reports for it. Without a name, a command is
    about all members of the committee in force.
    """


@duty.command("show", short_help="What is booked, what can be claimed.")
@_MEMBERS
@reading_options
def show(members: tuple[str, ...], as_json: bool, **given: Any) -> None:
    """Show members' seconds of duty, their pay, and what the pot holds."""
    network = open_reading(given)
    pot = pay.pot(network)
    found = pay.duties(network, [address("MEMBER", one) for one in members] or pay.in_force(network))
    if as_json:
        show_json(
            {
                "members": [one.as_json() for one in found],
                "pay_per_epoch": str(pot.per_epoch),
                "pot": str(pot.balance),
                "reserve": str(pot.reserve),
            }
        )
        return
    if not pot.per_epoch:
        click.echo("this network pays oracles nothing")
    for one in found:
        click.echo(one.text(pot.token))
    click.echo(
        f"the pot: {pot.token.show(pot.balance)}, of which {pot.token.show(min(pot.balance, pot.reserve))} is kept "
        f"for duty; {pot.token.show(pot.per_epoch)} for each epoch of it"
    )


@duty.command(
    "claim",
    short_help="Settle and pay; anyone may.",
    epilog="\b\nExamples:\n"
    "  epochal duty claim --network addresses.json --rpc http://127.0.0.1:8545 --key-env PURSE\n"
    "  epochal duty claim 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 --oracle https://oracle-1.example \\\n"
    "      --network addresses.json --rpc http://127.0.0.1:8545 --keystore purse.json --password-file password",
)
@_MEMBERS
@_ORACLE
@TICK_OPTION
@signing_options
def claim(members: tuple[str, ...], oracles: tuple[str, ...], tick: int, **given: Any) -> None:
    """Settle members' seconds by the newest final report, and have them paid. Any key will do: it pays the gas.

    Where the report's evidence can't be had, that is told, and what was booked before is paid.
    """
    named = [address("MEMBER", one) for one in members]
    network, sending = open_sending(given)

    def build() -> Plan:
        wanted = named or pay.in_force(network)
        leaves = newest_leaves(network, KIND_ORACLE, {int(one, 16) for one in wanted}, oracles, tick)
        return pay.claiming(network, wanted, leaves)

    def told(outcome: Outcome) -> None:
        sums, refused = pay.paid(network, outcome.receipts)
        token = pay.pot(network).token
        lines = [f"{member}: {token.show(units)} paid" for member, units in sums.items()]
        lines += [f"{member}: the token refused its recipient; `epochal duty recipient`" for member in refused]
        left = [one for one in pay.duties(network, list(sums)) if one.owed]
        lines += [f"{one.member}: {token.show(one.owed)} stays due until the pot has it" for one in left]
        amounts = {member: str(units) for member, units in sums.items()}
        tell(outcome, given["as_json"], lines or ["nothing was paid"], paid=amounts, refused=refused)

    wish = {"do": "duty claim", "at": network.oracle_pay.address, "members": named}
    sending.run(wish, build, told)


@duty.command("recipient", short_help="Send the pay elsewhere.")
@click.argument("recipient", metavar="ADDRESS")
@signing_options
def recipient(recipient: str, **given: Any) -> None:
    """Have the key's pay go to ADDRESS from now on, also what is due already. The key is the member's own."""
    to = address("ADDRESS", recipient)
    network, sending = open_sending(given)

    def told(outcome: Outcome) -> None:
        tell(outcome, given["as_json"], [f"the pay of {sending.address} goes to {to}"], recipient=to)

    wish = {"do": "duty recipient", "at": network.oracle_pay.address, "to": to}
    sending.run(wish, lambda: pay.redirecting(network, sending.address, to), told)
