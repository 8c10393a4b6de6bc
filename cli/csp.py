"""`epochal csp`: a CSP's account, who may act for it, and its credentials."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from web3.logs import DISCARD

from cli.csp_show import show
from cli.signing_options import open_reading, open_sending, reading_options, show_json, signing_options, tell
from operations import paying, tokens
from operations.csp import accounts, credentials, funding
from operations.plans import Outcome, Plan
from oracle.ground import times
from oracle.ground.address import checksummed, raw_address
from oracle.ground.errors import InvalidValue

__all__ = ["csp"]

_ACCOUNT = click.option(
    "--account", type=click.IntRange(min=1), metavar="N", help="The CSP account.  [default: the only one the key owns]"
)
_TOKEN = click.option("--token", metavar="TOKEN", help="Its address or symbol.  [default: the network's first]")


@click.group(short_help="A CSP's account, delegates and credentials.")
def csp() -> None:
    """Open a CSP account, show it, hand it on, let others act for it, and bring credentials to the chain.

    Start with `epochal csp open`; docs/csp.md leads from nothing to a closed job.
    """


csp.add_command(show)


@csp.command("open", short_help="Open an account for the key.")
@signing_options
def open_account(**given: Any) -> None:
    """Open a CSP account: the key owns it, pays for its jobs and gets their refunds."""
    network, sending = open_sending(given)

    def told(outcome: Outcome) -> None:
        events = network.accounts.events.AccountOpened()
        opened = [one for each in outcome.receipts for one in events.process_receipt(each, errors=DISCARD)]
        number = opened[0]["args"]["account"] if opened else None
        lines = [f"account {number} is open; bring money and, where one is asked for, a credential: `epochal csp show`"]
        tell(outcome, given["as_json"], lines, account=number)

    sending.run(
        {"do": "csp open", "at": network.accounts.address}, lambda: accounts.opening(network, sending.address), told
    )


@csp.command(short_help="Let a delegate create, grow or stop jobs within limits.")
@click.argument("delegate", metavar="ADDRESS")
@_ACCOUNT
@click.option("--may", multiple=True, metavar="WHAT", help="create, grow, leave or place; repeat it.")
@click.option("--until", metavar="TIME", help="When it ends, like 2027-01-01T00:00Z or +30d; needed with --may.")
@click.option("--limit", metavar="AMOUNT", help="How much of the token it may spend from now on, in human units.")
@_TOKEN
@click.option("--drop", is_flag=True, help="Take all permissions and limits back.")
@signing_options
def delegate(delegate: str, **given: Any) -> None:
    """Let somebody act for the account until a time, and spend no more than a limit of the owner's tokens.

    What a delegate spends is taken from the owner's wallet, which must have allowed it: see `epochal csp approve`.
    Refunds go to the owner, never to a delegate.
    """
    address = _address("ADDRESS", delegate)
    network, sending = open_sending(given)
    may, until, limit = given["may"], given["until"], given["limit"]
    if given["drop"] == bool(may or limit is not None):
        raise click.UsageError("give --may with --until, --limit, or both; or --drop alone")
    if bool(may) != (until is not None):
        raise click.UsageError("--may and --until belong together: give both or neither")
    permissions = accounts.bits_of(may)

    def build() -> Plan:
        account = accounts.account_for(network, sending.address, given["account"])
        if given["drop"]:
            return accounts.dropping(network, account, address)
        now = network.chain.block("latest").timestamp
        end = times.parse_time("--until", until, now, network.timing.epoch_length) if until else 0
        limits = []
        if limit is not None:
            token = tokens.find(network, given["token"])
            limits.append((token, token.parse("--limit", limit)))
        return accounts.delegation(network, account, address, permissions, end, limits)

    wish = {"do": "csp delegate", "at": network.accounts.address, "delegate": address, "asked": _asked(given)}
    sending.run(wish, build, lambda outcome: tell(outcome, given["as_json"], _done(outcome)))


@csp.command(short_help="Allow the escrow to take tokens for what delegates create.")
@click.argument("amount")
@_TOKEN
@signing_options
def approve(amount: str, **given: Any) -> None:
    """Allow the escrow to take exactly AMOUNT (human units) of the key's tokens, in place of what it was allowed.

    Only needed for what delegates create: with the owner's key, `epochal job create` does it by itself. 0 takes it
    back.
    """
    network, sending = open_sending(given)

    def build() -> Plan:
        token = tokens.find(network, given["token"])
        units, escrow = token.parse("AMOUNT", amount), network.escrow.address
        if tokens.allowance(network, token, sending.address, escrow) == units:
            return Plan(f"The escrow may take {token.show(units)} already: there is nothing to do", ())
        calls = paying.approve(network, token, sending.address, escrow, units)
        facts = (("may take", token.show(units)), ("who", f"the escrow, {escrow}"))
        return Plan(f"Allow the escrow {token.show(units)}", calls, facts, moves_money=True)

    wish = {"do": "csp approve", "at": network.escrow.address, "amount": amount, "token": given["token"]}
    sending.run(wish, build, lambda outcome: tell(outcome, given["as_json"], _done(outcome)))


@csp.command("test-money", short_help="On local chains: make test tokens for the key.")
@click.argument("amount")
@signing_options
def test_money(amount: str, **given: Any) -> None:
    """Mint AMOUNT (human units) of a local network's test token, which anybody may mint."""
    network, sending = open_sending(given)

    def build() -> Plan:
        return funding.minting(network, sending.address, amount)

    wish = {"do": "csp test-money", "at": network.addresses.token, "amount": amount}
    sending.run(wish, build, lambda outcome: tell(outcome, given["as_json"], _done(outcome)))


@csp.command(short_help="Offer the account to a new owner.")
@click.argument("to", metavar="ADDRESS", required=False)
@_ACCOUNT
@click.option("--take-back", is_flag=True, help="Take back what was offered.")
@signing_options
def transfer(to: str | None, take_back: bool, **given: Any) -> None:
    """Offer the account, with its jobs and refunds, to ADDRESS. Nothing moves until `epochal csp accept`."""
    if (to is None) != take_back:
        raise click.UsageError("give the new owner's address, or --take-back")
    new = _address("ADDRESS", to) if to is not None else None
    network, sending = open_sending(given)

    def build() -> Plan:
        return accounts.offering(network, accounts.account_for(network, sending.address, given["account"]), new)

    wish = {"do": "csp transfer", "at": network.accounts.address, "to": new, "account": given["account"]}
    sending.run(wish, build, lambda outcome: tell(outcome, given["as_json"], _done(outcome)))


@csp.command(short_help="Accept an account that is offered to the key.")
@click.argument("account", type=click.IntRange(min=1))
@signing_options
def accept(account: int, **given: Any) -> None:
    """Take an account that its owner offered with `epochal csp transfer`."""
    network, sending = open_sending(given)
    sending.run(
        {"do": "csp accept", "at": network.accounts.address, "account": account},
        lambda: accounts.accepting(network, sending.address, account),
        lambda outcome: tell(outcome, given["as_json"], _done(outcome), account=account),
    )


@csp.group(short_help="Verifiers' credentials.")
def credential() -> None:
    """Bring a verifier's signed word to the chain, and see what stands there."""


@credential.command(short_help="Bring a credential to the chain.")
@click.argument("file", type=click.Path(path_type=Path))
@signing_options
def present(file: Path, **given: Any) -> None:
    """Present the credential in FILE, as a verifier sent it. Any key may: it pays for gas alone."""
    read = credentials.CredentialFile.load(file)
    network, sending = open_sending(given)
    wish = {"do": "present", "at": network.credentials.address, "signature": read.signature.hex()}
    sending.run(
        wish,
        lambda: credentials.presenting(network, read),
        lambda outcome: tell(outcome, given["as_json"], _done(outcome)),
    )


@credential.command("show", short_help="What stands on chain for an address.")
@click.argument("subject", metavar="ADDRESS")
@reading_options
def show_credentials(subject: str, as_json: bool, **given: Any) -> None:
    """Show the credentials of an address, and which kinds this network asks of CSPs."""
    address = _address("ADDRESS", subject)
    network = open_reading(given)
    found, wanted = credentials.standing(network, address), credentials.asked_kinds(network)
    if as_json:
        show_json({"subject": address, "asked_for": wanted, "credentials": found})
        return
    for one in found:
        if one["valid"]:
            text = (
                f"in force until {times.show_time(one['valid_until'])}, by {checksummed(raw_address(one['verifier']))}"
            )
        elif one["valid_until"]:
            text = f"not in force; ended {times.show_time(one['valid_until'])}"
        else:
            text = "none"
        click.echo(f"{one['kind'].upper()}: {text}")
    click.echo(f"this network asks CSPs for {' or '.join(one.upper() for one in wanted) or 'no credential'}")


@credential.command(short_help="For verifiers: sign a credential.")
@click.argument("subject", metavar="ADDRESS")
@click.option("--kind", type=click.Choice(list(credentials.KINDS)), required=True, help="A person, or a business.")
@click.option("--until", required=True, metavar="TIME", help="When it ends, like 2027-01-01T00:00Z or +365d.")
@click.option("--document", required=True, metavar="0xHASH", help="Salted keccak hash of your file on the subject.")
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="FILE", help="Where to write it.")
@signing_options
def issue(subject: str, kind: str, until: str, document: str, out: Path, **given: Any) -> None:
    """Sign a credential for ADDRESS with a verifier's key, into a file for the subject. Nothing is sent."""
    address = _address("ADDRESS", subject)
    try:
        salted = bytes.fromhex(document.removeprefix("0x"))
    except ValueError:
        salted = b""
    if len(salted) != 32:
        raise InvalidValue(f"--document is {document!r}: give 0x and 64 hex digits, never personal data")
    network, sending = open_sending(given)
    kinds, _ = network.chain.call(network.credentials.functions.verifierOf(sending.address))
    if not kinds & credentials.KINDS[kind]:
        raise InvalidValue(
            f"{sending.address} is no verifier of {kind.upper()} credentials on this network: use a registered key; "
            "the "
            "network's registrar registers keys"
        )
    end = times.parse_time("--until", until, network.chain.block("latest").timestamp, network.timing.epoch_length)
    file = credentials.issued(network, sending.signer, address, kind, salted, end)
    file.save(out)
    if given["as_json"]:
        show_json({"file": str(out), "subject": address, "kind": kind, "expiry": end})
    else:
        click.echo(
            f"{out}: {kind.upper()} credential of {address} until {times.show_time(end)}; send it to the subject"
        )


def _done(outcome: Outcome) -> list[str]:
    return [f"done: {outcome.plan.title[0].lower()}{outcome.plan.title[1:]}"] if outcome.plan.calls else []


def _asked(given: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if name != "as_json"}


def _address(name: str, text: str) -> str:
    try:
        return checksummed(raw_address(text))
    except InvalidValue as error:
        raise InvalidValue(f"{name}: {error}") from error
