"""`epochal equivocation`."""

from __future__ import annotations

from typing import Any

import click

from cli.equivocations_fetch import told_cases
from cli.signing_options import open_reading, open_sending, reading_options, show_json, signing_options, tell
from operations import equivocations, slashing, tokens
from operations.licences.files import address
from operations.licences.standing import oracle_subject
from operations.plans import Outcome, Plan

__all__ = ["equivocation"]

_ORACLE = click.option(
    "--oracle",
    "oracles",
    multiple=True,
    metavar="URL",
    help="Ask there; may be given more than once.  [default: the oracles in the chain's directory]",
)


@click.group(short_help="Oracles that signed two things; show and prove it, slash their bonds.")
def equivocation() -> None:
    """Proofs that an oracle signed two different observations of one epoch, which the other oracles keep.

    A proof on chain suspends the member, and costs its bond once the appeal is over. Nothing is paid for it.
    """


@equivocation.command("show", short_help="What oracles can prove, and what came of it.")
@_ORACLE
@reading_options
def show(oracles: tuple[str, ...], as_json: bool, **given: Any) -> None:
    """Show what oracles can prove of each other: whether it was proved on chain, whether it still can be, and what
    stands against the member.

    No oracle is believed: each signature is checked here. What is wrong with an oracle is told on standard error.
    """
    network = open_reading(given)
    found, problems = told_cases(network, oracles)
    if as_json:
        span = int(network.chain.call(network.equivocations.functions.validEpochs()))
        show_json({"equivocations": [one.as_json() for one in found], "valid_epochs": span, "problems": problems})
        return
    if not found:
        click.echo("no oracle that was asked proves anything of anybody")
    now = network.chain.block("latest").timestamp
    for one in found:
        for line in one.lines(now):
            click.echo(line)


@equivocation.command(
    "prove",
    short_help="Bring proofs on chain; anyone may.",
    epilog="\b\nExamples:\n"
    "  epochal equivocation prove --network addresses.json --rpc http://127.0.0.1:8545 --key-env PURSE --dry-run\n"
    "  epochal equivocation prove 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 --oracle https://oracle-1.example \\\n"
    "      --network addresses.json --rpc http://127.0.0.1:8545 --keystore purse.json --password-file password",
)
@click.argument("authors", metavar="[AUTHOR]...", nargs=-1)
@_ORACLE
@signing_options
def prove(authors: tuple[str, ...], oracles: tuple[str, ...], **given: Any) -> None:
    """Prove on chain what oracles can prove of each AUTHOR, or of all: the member is suspended. Any key will do: it
    pays the gas.

    AUTHOR is the address of the key that signed, or of its member. What the contract would refuse is told and left out.
    """
    named = [address("AUTHOR", one) for one in authors]
    network, sending = open_sending(given)

    def build() -> Plan:
        return equivocations.proving(network, told_cases(network, oracles)[0], named)

    def told(outcome: Outcome) -> None:
        done = equivocations.proved(network, outcome.receipts)
        now = network.chain.block("latest").timestamp
        lines = []
        for member, epoch in done:
            lines += [f"{member}: proved for epoch {epoch}", *slashing.exposed(network, member).lines(now)]
        facts = [{"member": member, "epoch": epoch} for member, epoch in done]
        tell(outcome, given["as_json"], lines, proved=facts)

    wish = {"do": "equivocation prove", "at": network.equivocations.address, "authors": named}
    sending.run(wish, build, told)


@equivocation.command("slash", short_help="Slash bonds once the appeal is over; anyone may.")
@click.argument("members", metavar="MEMBER...", nargs=-1, required=True)
@click.option(
    "--token", "wanted", multiple=True, metavar="TOKEN", help="Address or symbol.  [default: the network's tokens]"
)
@signing_options
def slash(members: tuple[str, ...], wanted: tuple[str, ...], **given: Any) -> None:
    """Slash the bonds of members against whom a proven equivocation, or a blacklisting, is final. The whole bond is to
    be burned; nobody gets it. Any key will do: it pays the gas.
    """
    named = [address("MEMBER", one) for one in members]
    network, sending = open_sending(given)

    def told(outcome: Outcome) -> None:
        whose = {oracle_subject(one): one for one in named}
        done = [(whose[one], token, units) for one, token, units in slashing.slashed(network, outcome.receipts)]
        lines = [f"{one}: {tokens.read(network, token).show(units)} slashed" for one, token, units in done]
        facts = [{"member": one, "token": token, "units": str(units)} for one, token, units in done]
        tell(outcome, given["as_json"], lines, slashed=facts)

    wish = {"do": "equivocation slash", "at": network.bonds.address, "members": named, "tokens": list(wanted)}
    sending.run(wish, lambda: slashing.slashing(network, named, wanted), told)
