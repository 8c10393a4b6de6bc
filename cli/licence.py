"""`epochal licence`: what a node operator does on chain, from a licence to its pay."""

from __future__ import annotations

from typing import Any

import click

from cli.licence_bond import bond
from cli.licence_getting import buy, consent, leave, link, receive, send, unlink
from cli.licence_issuing import issuer, voucher
from cli.licence_maintenance import maintenance
from cli.licence_offer import offer
from cli.licence_pay import claim
from cli.licence_rewards import rewards
from cli.licence_why import why_
from cli.signing_options import open_reading, reading_options, show_json
from operations.licences import buying, files, pay, standing, views
from oracle.ground import times

__all__ = ["licence"]


@click.group(short_help="A node operator's licences, their nodes and their pay.")
def licence() -> None:
    """Buy or receive a licence, link it to a node, and be paid for what the node serves.

    docs/node-operator.md leads from nothing to being paid. Whatever sends something tries it first, tells what it does
    and costs, and asks before money moves: --dry-run stops there, --yes doesn't ask. If a command is broken off, run it
    again: it goes on, and pays nothing twice. What a report left out is appealed with `epochal node appeal`.
    """


@licence.command("list", short_help="Licences and their nodes.")
@click.option("--holder", metavar="ADDRESS", help="Those of this holder alone.")
@reading_options
def list_licences(holder: str | None, as_json: bool, **given: Any) -> None:
    """List licences: kind, holder, node, what is open, what stands against them."""
    address = files.address("--holder", holder) if holder is not None else None
    network = open_reading(given)
    found = views.held_by(network, address) if address is not None else list(views.every(network))
    if as_json:
        show_json([one.as_json() for one in found])
        return
    for one in found:
        click.echo(one.line())
    if not found:
        whose = f"{address} holds no licence" if address else "this network has no licence yet"
        click.echo(f"{whose}: `epochal licence sale` tells what one costs")


@licence.command(short_help="One licence: its node, its bond, what it serves.")
@click.argument("number", metavar="LICENCE", type=click.IntRange(min=1))
@reading_options
def show(number: int, as_json: bool, **given: Any) -> None:
    """Show a licence: kind, holder, node, bond, what stands against it, and its open assignments."""
    network = open_reading(given)
    one = views.of(network, number)
    bonds = views.bonds_of(network, number, views.bond_tokens(network))
    served = pay.served(network, pay.assignments_of(network, [number]))
    open_now = [each for each in served if not each.closed_at]
    now = network.chain.block("latest").timestamp
    if as_json:
        told = [
            {
                "token": each.token.address,
                "balance": str(each.balance),
                "reserved": str(each.reserved),
                "liable": str(each.liable),
                "requested": str(each.requested),
                "available_at": each.available_at,
            }
            for each in bonds
        ]
        show_json({**one.as_json(), "bonds": told, "assignments": [each.name for each in open_now]})
        return
    for name, value in one.lines(now, [each for each in bonds if each.balance or each is bonds[0]]):
        click.echo(f"{name.ljust(18)} {value}")
    for each in open_now:
        click.echo(f"  assignment {each.name}: {each.job.token.show(each.claimable)} to claim")


@licence.command(short_help="What the sale offers, and whether it is open.")
@reading_options
def sale(as_json: bool, **given: Any) -> None:
    """Show the sale's tiers: a purchase takes the cheapest licences that are left."""
    network = open_reading(given)
    sold, offered, tiers, paused = buying.offered(network)
    now = network.chain.block("latest").timestamp
    if as_json:
        told = [{"price": str(price), "count": count} for price, count in tiers]
        show_json({"sold": sold, "offered": offered, "tiers": told, "paused_until": paused})
        return
    token = views.bond_tokens(network)[0]
    click.echo(f"the sale is {buying.paused_text(paused, now)}: {sold} of {offered} licences are sold")
    gone = sold
    for price, count in tiers:
        taken = min(gone, count)
        gone -= taken
        click.echo(f"  {count - taken} of {count} left at {token.show(price)}")
    click.echo("a purchase needs an issuer's voucher: `epochal licence buy --voucher FILE`")


@licence.command(short_help="What stands against a licence and its node, and its appeal.")
@click.argument("number", metavar="LICENCE", type=click.IntRange(min=1))
@reading_options
def status(number: int, as_json: bool, **given: Any) -> None:
    """Show freezes, suspensions and blacklistings of a licence and its node: why, until when, how the appeal does.

    None of them takes earned money; docs/statuses.md tells what each forbids.
    """
    network = open_reading(given)
    found = standing.of_licence(network, number)
    now = network.chain.block("latest").timestamp
    if as_json:
        show_json([one.as_json() for one in found])
        return
    for one in found:
        for line in one.lines(now):
            click.echo(line)
    if found:
        click.echo("the network's judge decides appeals; anyone may open one: `TrustRegistry.appeal`")
    else:
        click.echo(f"nothing stands against licence {number} or its node ({times.show_time(now)})")


for _command in (
    issuer,
    voucher,
    buy,
    receive,
    send,
    consent,
    link,
    unlink,
    leave,
    bond,
    offer,
    why_,
    claim,
    rewards,
    maintenance,
):
    licence.add_command(_command)
