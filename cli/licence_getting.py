"""`epochal licence` buy, receive, send, consent, link, unlink and leave: a licence and its node."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from cli.signing_options import open_reading, open_sending, reading_options, show_json, signing_options, tell
from operations.licences import buying, files, linking, pay, receiving
from operations.licences.linking import ConsentFile
from operations.licences.vouchers import VoucherFile
from operations.plans import Outcome, Plan
from oracle.ground import times
from oracle.signing.keys import load_key

_LICENCE = click.argument("number", metavar="LICENCE", type=click.IntRange(min=1))
_FILE = click.Path(path_type=Path)
_CONSENT_SPAN = 3_600
"""Seconds for which a consent counts that is made at once."""


@click.command(short_help="Buy licences from the network's sale.")
@click.option("--voucher", "file", type=_FILE, required=True, metavar="FILE", help="As an issuer sent it.")
@click.option("--count", type=click.IntRange(min=1), default=1, show_default=True, help="How many.")
@click.option("--token", metavar="TOKEN", help="Its address or symbol.  [default: the network's first]")
@signing_options
def buy(file: Path, count: int, **given: Any) -> None:
    """Buy licences with an issuer's voucher, at the price of now and not a unit above it.

    Exactly what they cost is allowed to the sale. When others buy the cheaper ones first, nothing is bought: run it
    again for the new price.
    """
    read = VoucherFile.load(file)
    network, sending = open_sending(given)

    def told(outcome: Outcome) -> None:
        numbers = buying.bought(network, outcome.receipts)
        lines = [f"licence {number} is yours" for number in numbers]
        if numbers:
            lines.append(f"link a node to it: `epochal licence link {numbers[0]}`")
        tell(outcome, given["as_json"], lines, licences=numbers)

    invoice = read.voucher.invoice.hex()
    wish = {"do": "licence buy", "at": network.sale.address, "invoice": invoice, "count": count}
    sending.run(
        {**wish, "token": given["token"]},
        lambda: buying.buying(network, sending.signer, read, count, given["token"]),
        told,
    )


@click.command(short_help="See whether a licence sent to you is yours, and what it needs.")
@_LICENCE
@click.option("--holder", required=True, metavar="ADDRESS", help="The address that it was sent to.")
@reading_options
def receive(number: int, holder: str, as_json: bool, **given: Any) -> None:
    """Look at a licence that was sent to ADDRESS: nothing needs to be accepted, it is yours once the chain says so.

    Tells what came with it (its bond, its cooldown, what stands against it), what didn't (pay of earlier service), and
    what to do next. Exit status 1 while it isn't ADDRESS's.
    """
    address = files.address("--holder", holder)
    network = open_reading(given)
    found = receiving.look(network, number, address)
    if as_json:
        show_json(found.as_json())
    else:
        click.echo("\n".join(found.lines()))
    if not found.here:
        raise SystemExit(1)


@click.command(short_help="Hand a licence to somebody else.")
@_LICENCE
@click.argument("to", metavar="ADDRESS")
@signing_options
def send(number: int, to: str, **given: Any) -> None:
    """Send an unlinked licence, with its bond, to ADDRESS. It can't be taken back."""
    address = files.address("ADDRESS", to)
    network, sending = open_sending(given)
    wish = {"do": "licence send", "at": network.licences.address, "licence": number, "to": address}
    lines = [f"licence {number} is {address}'s; they look with `epochal licence receive {number}`"]
    sending.run(
        wish,
        lambda: linking.sending(network, sending.address, number, address),
        lambda outcome: tell(outcome, given["as_json"], lines, licence=number),
    )


@click.command(short_help="On the node's machine: consent to serve a licence.")
@_LICENCE
@click.option("--holder", required=True, metavar="ADDRESS", help="Who holds the licence.")
@click.option("--until", default="+1d", show_default=True, metavar="TIME", help="How long the consent counts.")
@click.option("--out", type=_FILE, required=True, metavar="FILE", help="Where to write it.")
@signing_options
def consent(number: int, holder: str, until: str, out: Path, **given: Any) -> None:
    """Sign with the node's key that it serves a licence. Nothing is sent, and the key stays where it is.

    Bring the file to the holder, who links with `epochal licence link LICENCE --consent FILE`.
    """
    address = files.address("--holder", holder)
    network, sending = open_sending(given)
    now = network.chain.block("latest").timestamp
    end = times.parse_time("--until", until, now, network.timing.epoch_length)
    made = linking.consented(network, sending.signer, number, address, end)
    made.save(out)
    if given["as_json"]:
        show_json({"file": str(out), "licence": number, "node": sending.address, "holder": address, "deadline": end})
    else:
        click.echo(f"{out}: consent of node {sending.address} to licence {number} until {times.show_time(end)}")


@click.command(short_help="Link a licence to a node.")
@_LICENCE
@click.option("--consent", "file", type=_FILE, metavar="FILE", help="The node's, from `epochal licence consent`.")
@click.option("--node-key-env", metavar="NAME", help="Or: environment variable with the node's key, if it is here.")
@click.option("--node-keystore", type=_FILE, metavar="FILE", help="Or: keystore file with it.")
@click.option("--node-password-file", type=_FILE, metavar="FILE", help="File whose first line is its password.")
@signing_options
def link(number: int, file: Path | None, **given: Any) -> None:
    """Link the key's licence to a node that consents: by a file, or with the node's own key where it is at hand."""
    key_env, keystore = given.pop("node_key_env"), given.pop("node_keystore")
    password = given.pop("node_password_file")
    if (file is not None) + (key_env is not None) + (keystore is not None) != 1:
        raise click.UsageError("give one of --consent, --node-key-env and --node-keystore")
    read = ConsentFile.load(file) if file is not None else None
    node = load_key(key_env, keystore, password, os.environ) if read is None else None
    network, sending = open_sending(given)

    def build() -> Plan:
        ready = read
        if ready is None:
            assert node is not None
            deadline = network.chain.block("latest").timestamp + _CONSENT_SPAN
            ready = linking.consented(network, node, number, sending.address, deadline)
        return linking.linking(network, sending.address, number, ready)

    address = read.consent.node if read is not None else node.address if node is not None else ""
    wish = {"do": "licence link", "at": network.licences.address, "licence": number, "node": address}
    lines = [f"licence {number} is linked to {address}; run its agent with `epochal node run`"]
    sending.run(wish, build, lambda outcome: _tell_sent(outcome, given["as_json"], lines, licence=number, node=address))


@click.command(short_help="End a licence's link to its node.")
@_LICENCE
@signing_options
def unlink(number: int, **given: Any) -> None:
    """Unlink a licence without an open assignment. The holder's key or the node's may."""
    network, sending = open_sending(given)
    sending.run(
        {"do": "licence unlink", "at": network.licences.address, "licence": number},
        lambda: linking.unlinking(network, sending.address, number),
        lambda outcome: _tell_sent(outcome, given["as_json"], [f"licence {number} is unlinked"], licence=number),
    )


@click.command(short_help="End the open assignments of a licence.")
@_LICENCE
@signing_options
def leave(number: int, **given: Any) -> None:
    """End all that a licence's node serves now. What it served is paid; its orchestrators look for other nodes.

    The key is the node's or that of who is paid. Declared maintenance is the gentler way for a short while.
    """
    network, sending = open_sending(given)

    def build() -> Plan:
        found = pay.served(network, pay.assignments_of(network, [number]))
        return linking.leaving(network, number, [(one.id, one.name) for one in found if not one.closed_at])

    lines = [f"licence {number} serves nothing any more"]
    sending.run(
        {"do": "licence leave", "at": network.placements.address, "licence": number},
        build,
        lambda outcome: _tell_sent(outcome, given["as_json"], lines, licence=number),
    )


def _tell_sent(outcome: Outcome, as_json: bool, lines: list[str], **more: Any) -> None:
    """`tell`, without the lines where nothing was to do."""
    tell(outcome, as_json, lines if outcome.plan.calls else [], **more)
