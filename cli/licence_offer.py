"""`epochal licence offer`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from cli.signing_options import open_reading, open_sending, reading_options, show_json, signing_options, tell
from operations import tokens
from operations.licences import files, offers
from oracle.ground import times
from oracle.signing.keys import load_key
from orchestrator.wire.typed_data import StandingOffer

_LICENCE = click.argument("number", metavar="LICENCE", type=click.IntRange(min=1))
_FILE = click.Path(path_type=Path)


@click.group(short_help="Standing offers to orchestrators.")
def offer() -> None:
    """Offer a node's capacity to one orchestrator, without being asked for each placement."""


@offer.command(short_help="Write one into the agent's file.")
@_LICENCE
@click.option("--orchestrator", required=True, metavar="ADDRESS", help="Who may use it.")
@click.option("--min-price", required=True, metavar="AMOUNT", help="Least price of a slot for one epoch.")
@click.option("--token", metavar="TOKEN", help="In which the job pays.  [default: the network's first]")
@click.option("--policy", required=True, metavar="FILE|0xHASH", help="The only policy it takes, or an intent with it.")
@click.option("--capacity", type=click.IntRange(1, 2**32 - 1), required=True, help="Most assignments open at once.")
@click.option("--until", required=True, metavar="TIME", help="When it ends, like 2027-01-01T00:00Z or +30d.")
@click.option("--out", type=_FILE, metavar="FILE", help="File for `epochal node run --offers`, which signs it.")
@click.option("--signed", type=_FILE, metavar="FILE", help="Sign it with the node's key, for whoever isn't polled.")
@click.option("--key-env", metavar="NAME", help="With --signed: environment variable with the node's key.")
@click.option("--keystore", type=_FILE, metavar="FILE", help="With --signed: keystore file with it.")
@click.option("--password-file", type=_FILE, metavar="FILE", help="File whose first line is its password.")
@reading_options
def make(number: int, orchestrator: str, policy: str, out: Path | None, signed: Path | None, **given: Any) -> None:
    """Write a standing offer into the file that the node's agent signs and tells with each poll. Nothing is sent.

    It serves again and again until it ends, its capacity is reached, or `epochal licence offer revoke`. It doesn't bind
    what is to run: offer only to an orchestrator whose workloads the node can run, whichever they are.
    """
    if out is None and signed is None:
        raise click.UsageError("give --out, --signed, or both")
    address, hashed = files.address("--orchestrator", orchestrator), offers.policy_hash(policy)
    node = None
    if signed is not None:
        given_signer = given.pop("signer", None)  # ape's
        node = given_signer or load_key(given["key_env"], given["keystore"], given["password_file"], os.environ)
    network = open_reading(given)
    token = tokens.find(network, given["token"])
    now = network.chain.block("latest").timestamp
    end = times.parse_time("--until", given["until"], now, network.timing.epoch_length)
    least = token.parse("--min-price", given["min_price"])
    asked = StandingOffer(number, address, token.address, least, hashed, given["capacity"], 0, end)
    made = offers.current(network, asked)
    written: dict[str, str] = {}
    if node is not None and signed is not None:
        files.save(signed, offers.sign(network, node, made).to_json())
        written["signed"] = str(signed)
    if out is not None:
        offers.add(out, made)
        written["out"] = str(out)
    if given["as_json"]:
        show_json({"licence": number, "nonce": made.nonce, "expiry": end, **written})
        return
    click.echo(
        f"{' and '.join(written.values())}: licence {number} takes up to {given['capacity']} slots from {address} at "
        f"{token.show(least)} or more for an epoch, until {times.show_time(end)}"
    )
    if out is not None:
        click.echo(f"start the agent again with it: `epochal node run … --offers {out}`")


@offer.command("show", short_help="Whether offers still count.")
@_LICENCE
@click.argument("file", type=_FILE)
@reading_options
def show_offers(number: int, file: Path, as_json: bool, **given: Any) -> None:
    """Show the offers in a file, and whether each counts: not revoked, not over, capacity left."""
    read = offers.load(file, number)
    network = open_reading(given)
    found = offers.standing(network, read)
    if as_json:
        show_json(
            [{"orchestrator": one.offer.orchestrator, "expiry": one.offer.expiry, "state": one.state} for one in found]
        )
        return
    for one in found:
        token, each = tokens.read(network, one.offer.token), one.offer
        click.echo(f"licence {each.licence} to orchestrator {each.orchestrator}: the offer {one.state}")
        click.echo(f"  {token.show(each.minPrice)} or more for a slot and epoch, until {times.show_time(each.expiry)}")


@offer.command(short_help="Void all offers made until now.")
@_LICENCE
@signing_options
def revoke(number: int, **given: Any) -> None:
    """Void all standing offers of a licence on chain. The holder's key or the node's may; what runs goes on."""
    network, sending = open_sending(given)
    lines = [f"no offer of licence {number} made until now counts any more"]
    sending.run(
        {"do": "offer revoke", "at": network.placements.address, "licence": number},
        lambda: offers.revoking(network, sending.address, number),
        lambda outcome: tell(outcome, given["as_json"], lines, licence=number),
    )
