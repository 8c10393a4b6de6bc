"""`epochal csp show`: what a CSP must know before it creates a job."""

from __future__ import annotations

from typing import Any

import click

from chain.errors import decode_revert
from chain.network import Network, named
from cli.signing_options import open_reading, reading_options, show_json
from operations import reading, tokens
from operations.csp import accounts, credentials, job_view
from operations.refusals import explained, permissions
from oracle.ground import times
from oracle.ground.address import checksummed, raw_address
from oracle.ground.errors import InvalidValue

_STATUS = ("nothing", "a freeze", "a suspension", "a blacklisting")


@click.command(short_help="An account, or all of an address, and what the network asks for.")
@click.argument("which", required=False, metavar="[ACCOUNT|ADDRESS]")
@reading_options
def show(which: str | None, as_json: bool, **given: Any) -> None:
    """Show an account by number, or all accounts of an address; without one, what the network asks of CSPs.

    Of an account: whether it may put money in now, and if not, why and what to do.
    """
    network = open_reading(given)
    told: dict[str, Any] = {"network": _network(network)}
    if which is not None:
        if which.startswith("0x"):
            try:
                owned = accounts.accounts_of(network, checksummed(raw_address(which)))
            except InvalidValue as error:
                raise InvalidValue(f"{which}: {error}") from error
        elif which.isascii() and which.isdigit():
            owned = [int(which)]
        else:
            raise InvalidValue(f"{which!r} is neither an account's number nor an address: give one of them")
        told["accounts"] = [_account(network, one) for one in owned]
    if as_json:
        show_json(told)
        return
    about = told["network"]
    click.echo(f"chain {about['chain_id']}, epochs of {times.show_span(about['epoch_length'])}")
    click.echo(f"  deposits: {about['deposits']}")
    click.echo(f"  credentials asked for: {' or '.join(one.upper() for one in about['credential_kinds']) or 'none'}")
    click.echo(f"  a licence is asked for: {'yes' if about['deed_required'] else 'no'}")
    for one in about["tokens"]:
        click.echo(f"  token {one['symbol']}: {one['address']}, {one['decimals']} decimals")
    if which is not None and not told["accounts"]:
        click.echo(f"{which} owns no account: open one with `epochal csp open`")
    for one in told.get("accounts", []):
        _say_account(one)


def _say_account(one: dict[str, Any]) -> None:
    click.echo(f"account {one['account']}: owner {one['owner']}")
    if one["offered_to"]:
        click.echo(f"  offered to {one['offered_to']}, who takes it with `epochal csp accept {one['account']}`")
    click.echo(f"  stands against it: {one['status']}")
    for held in one["tokens"]:
        click.echo(f"  {held['shown']}, {held['allowed_shown']} of it allowed to the escrow: {held['admission']}")
    for kind in one["credentials"]:
        if kind["valid"]:
            click.echo(f"  {kind['kind'].upper()} credential until {times.show_time(kind['valid_until'])}")
    for each in one["delegates"]:
        spend = ", ".join(each["limits"]) or "nothing"
        click.echo(
            f"  delegate {each['delegate']}: may {each['may']} until {times.show_time(each['until'])}, and spend "
            f"{spend}"
        )
    jobs = ", ".join(f"{each['job']} ({each['state']})" for each in one["jobs"]) or "none"
    click.echo(f"  jobs: {jobs}")


def _network(network: Network) -> dict[str, Any]:
    settings = reading.struct(network, network.admission, network.admission.functions.settings())
    _, until = network.chain.call(network.admission.functions.lastPause())
    paused = network.chain.block("latest").timestamp < until
    return {
        "chain_id": network.chain.chain_id,
        "epoch_length": network.timing.epoch_length,
        "deposits": f"paused until {times.show_time(until)}" if paused else "taken",
        "credential_kinds": credentials.asked_kinds(network),
        "deed_required": settings["deedRequired"],
        "tokens": [
            {"address": one.address, "symbol": one.symbol, "decimals": one.decimals} for one in tokens.allowed(network)
        ],
    }


def _account(network: Network, account: int) -> dict[str, Any]:
    functions = network.accounts.functions
    owner = checksummed(raw_address(reading.read(network, functions.ownerOf(account))))
    if int(owner, 16) == 0:
        raise InvalidValue(f"there is no account {account} on this network: open one with `epochal csp open`")
    offered = checksummed(raw_address(network.chain.call(functions.offeredTo(account))))
    held, status = [], 0
    for token in tokens.allowed(network):
        call = network.lens.functions.cspOf(account, token.address, network.credential_kinds)
        view = named(network.lens, "cspOf", network.chain.call(call))
        status = view["status"]
        have = tokens.balance(network, token, owner)
        allowed = tokens.allowance(network, token, owner, network.escrow.address)
        held.append(
            {
                "token": token.address,
                "balance": str(have),
                "allowed": str(allowed),
                "shown": token.show(have),
                "allowed_shown": token.show(allowed),
                "admission": _admission(network, view["admission"]),
            }
        )
    return {
        "account": account,
        "owner": owner,
        "offered_to": offered if int(offered, 16) else "",
        "status": _STATUS[status],
        "tokens": held,
        "credentials": credentials.standing(network, owner),
        "delegates": _delegates(network, account),
        "jobs": [{"job": one.id, "state": one.state} for one in job_view.jobs_of(network, [account])],
    }


def _admission(network: Network, refused: bytes) -> str:
    if not refused:
        return "a new deposit would be taken"
    return str(explained(network, decode_revert("a new deposit", "0x" + refused.hex())))


def _delegates(network: Network, account: int) -> list[dict[str, Any]]:
    functions, first = network.accounts.functions, network.addresses.first_block
    last = network.chain.block("latest").number
    events = network.chain.logs(network.accounts.events.DelegateSet, first, last)
    found = []
    for address in dict.fromkeys(one["args"]["delegate"] for one in events if one["args"]["account"] == account):
        bits, until = network.chain.call(functions.delegateOf(account, address))
        if not bits:
            continue
        limits = []
        for token in tokens.allowed(network):
            limit = int(network.chain.call(functions.spendingLimit(account, address, token.address)))
            if limit:
                limits.append(token.show(limit))
        found.append({"delegate": address, "may": permissions(bits), "until": until, "limits": limits})
    return found
