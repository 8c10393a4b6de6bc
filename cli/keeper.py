"""`epochal keeper`."""

from __future__ import annotations

import json
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import click

from chain.events import EventLog
from chain.journal import FeeLimits, TransactionJournal
from chain.journal.fees import going_rate
from chain.journal.node import Node
from chain.network import Network
from cli.chain_options import chain_options, open_network
from cli.keeper_running import PeriodicJob, Rounds, run_jobs, run_once
from cli.keeper_text import plan_dict, plan_lines
from cli.keeper_trees import EvidenceTrees
from cli.options_file import options_from
from oracle.ground import amounts
from oracle.ground.address import raw_address
from oracle.signing.keys import load_key
from settlement.books import Token, token_of
from settlement.keeping.conduct import Conduct
from settlement.keeping.executor import Executor
from settlement.keeping.reading import StateReader
from settlement.keeping.trees import KeptTrees
from settlement.planning import Kind, PlanSettings, plan
from settlement.reallocations.bringing import Bringer, parse_orchestrators

__all__ = ["keeper"]

_FILE = click.Path(path_type=Path)
_AMOUNT: Final = "[TOKEN=]AMOUNT"
_NOBODY: Final = "0x" + "00" * 20
_GWEI: Final = 10**9
_BRINGING: Final = 3.0
"""Seconds between looks for requests for another node, at most: their deadlines are short."""


_PLANNING = (
    click.option(
        "--only",
        "kinds",
        multiple=True,
        type=click.Choice([one.value for one in Kind]),
        help="Do this alone; may be repeated.  [default: all]",
    ),
    click.option(
        "--least-paid", multiple=True, metavar=_AMOUNT, help="Pay a running assignment once it has earned so much."
    ),
    click.option(
        "--least-sent",
        multiple=True,
        metavar=_AMOUNT,
        help="Refund, burn and send a running job's shares from so much on.  [default: once it is closed]",
    ),
    click.option("--least-closed", multiple=True, metavar=_AMOUNT, help="The least that is sent of a closed job."),
    click.option(
        "--batch-epochs",
        type=click.IntRange(min=1),
        default=1,
        show_default=True,
        help="Settle a running assignment once so many epochs came together.",
    ),
    click.option(
        "--max-gas",
        type=click.IntRange(min=500_000),
        default=PlanSettings().max_gas,
        show_default=True,
        help="The most that one transaction is to take.",
    ),
    click.option("--max-fee-gwei", type=click.IntRange(min=1), default=200, show_default=True, help="Above it, wait."),
)


def _planning_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_PLANNING):
        command = option(command)
    return chain_options(required=True)(command)


@click.group(short_help="Settle, pay and close, for everybody; anyone may.")
def keeper() -> None:
    """Does what anyone may do on a network: settles final reports, pays, releases, closes, refunds and burns.

    A keeper acts for nobody: whatever it sends pays those whom the contracts name. It pays the gas.
    """


@keeper.command("plan", short_help="Tell what a keeper would send now, and what that would cost.")
@_planning_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def plan_(as_json: bool, **given: Any) -> None:
    """Tell what a keeper would send now, and what that would cost. Sends nothing and needs no key.

    Exit status: 0, also where there is nothing to do; 2 an option is wrong.
    """
    network = open_network(given["addresses"], given["rpcs"])
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        _show_plan(network, given, Path(folder), None, stack, as_json)


@keeper.command(
    short_help="Run a keeper.",
    context_settings={"auto_envvar_prefix": "EPOCHAL_KEEPER"},
    epilog="\b\nExamples:\n"
    "  epochal keeper run --network addresses.json --rpc URL --key-env KEEPER_KEY\n"
    "  epochal keeper run --config keeper.toml --plan          what it would do\n"
    "  epochal keeper run --config keeper.toml --once          and end",
)
@click.option(
    "--config",
    type=_FILE,
    is_eager=True,
    expose_value=False,
    callback=options_from,
    metavar="FILE",
    help="Settings, TOML: the options' names with _ for -; EPOCHAL_KEEPER_* and options stand above it.",
)
@_planning_options
@click.option("--key-env", metavar="NAME", help="Environment variable with the private key that pays for gas.")
@click.option("--keystore", type=_FILE, metavar="FILE", help="Ethereum keystore file with it.")
@click.option("--password-file", type=_FILE, metavar="FILE", help="File whose first line is its password.")
@click.option(
    "--state",
    type=_FILE,
    default=Path("keeper-state"),
    show_default=True,
    metavar="FOLDER",
    help="Its journal of transactions, its log of events and its trees.",
)
@click.option("--every", type=click.FloatRange(min=0.2), default=12.0, show_default=True, help="Seconds between looks.")
@click.option("--delay", type=click.IntRange(min=0), default=0, show_default=True, help="Seconds to wait for company.")
@click.option(
    "--stagger",
    type=click.IntRange(min=0),
    default=60,
    show_default=True,
    help="Seconds that it leaves to other keepers at most, drawn by its address and by what is to do.",
)
@click.option(
    "--retry",
    type=click.IntRange(min=0),
    default=600,
    show_default=True,
    help="Seconds until what failed is tried again.",
)
@click.option("--most-open", type=click.IntRange(min=1), default=16, show_default=True, help="Transactions at a time.")
@click.option(
    "--max-priority-gwei", type=click.IntRange(min=1), default=2, show_default=True, help="The first tip's most."
)
@click.option(
    "--stuck",
    type=click.FloatRange(min=1),
    default=60.0,
    show_default=True,
    help="Seconds before a dearer one replaces it.",
)
@click.option(
    "--min-balance-gwei", type=click.IntRange(min=0), default=10_000_000, show_default=True, help="Below it, warn."
)
@click.option(
    "--orchestrator",
    "orchestrators",
    multiple=True,
    metavar="ADDRESS=URL",
    help="Bring the oracles' requests for another node to this orchestrator; may be repeated. Not with --once.",
)
@click.option("--once", is_flag=True, help="Do all that can be done now, see it final, and end.")
@click.option(
    "--patience", type=click.FloatRange(min=1), default=3_600.0, show_default=True, help="Of --once, in seconds."
)
@click.option("--plan", "plan_only", is_flag=True, help="Tell what it would do and what that would cost, and end.")
@click.option("--json", "as_json", is_flag=True, help="With --plan: print JSON.")
def run(**given: Any) -> None:
    """Run a keeper until Ctrl-C or SIGTERM. It may be killed at any moment and goes on where it was.

    Exit status: 0 stopped; with --once 0 when all is done, 1 when something is left; 2 an option is wrong.
    """
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    for name in ("epochal.keeper", "settlement"):
        logging.getLogger(name).setLevel(logging.INFO)
    network = open_network(given["addresses"], given["rpcs"])
    folder: Path = given["state"]
    with ExitStack() as stack:
        if given["plan_only"]:
            _show_plan(network, given, folder / "trees", None, stack, given["as_json"])
            return
        signer = load_key(given["key_env"], given["keystore"], given["password_file"], os.environ)
        folder.mkdir(parents=True, exist_ok=True)
        limits = FeeLimits(
            given["max_fee_gwei"],
            min(given["max_priority_gwei"], given["max_fee_gwei"]),
            given["stuck"],
            given["min_balance_gwei"] * _GWEI,
        )
        journal = stack.enter_context(TransactionJournal(folder / "transactions.sqlite", network.chain, signer, limits))
        reader = _reader(network, folder / "events.sqlite", stack)
        conduct = Conduct(given["delay"], 0 if given["once"] else given["stagger"], given["retry"], given["most_open"])
        trees = KeptTrees(folder / "trees", _source(network, given))
        rounds = Rounds(Executor(network, journal, reader, trees, _settings(network, given), conduct))
        click.echo(f"keeper {signer.address} on chain {network.chain.chain_id}", err=True)
        if given["once"]:
            sys.exit(0 if run_once(rounds, given["every"], given["patience"]) else 1)
        run_jobs(_jobs(network, rounds, given))


def _jobs(network: Network, rounds: Rounds, given: dict[str, Any]) -> list[PeriodicJob]:
    """All that a keeper does again and again."""
    jobs = [PeriodicJob("settling", given["every"], rounds.run)]
    if orchestrators := parse_orchestrators(given["orchestrators"]):
        bringer = Bringer(network, orchestrators, given["state"])
        jobs.append(PeriodicJob("reallocations", min(given["every"], _BRINGING), bringer.step, bringer.close))
    return jobs


def _show_plan(
    network: Network, given: dict[str, Any], trees: Path, events: Path | None, stack: ExitStack, as_json: bool
) -> None:
    seen = _reader(network, events, stack).read()
    kept = KeptTrees(trees, _source(network, given))
    known = kept.of(list(zip(seen.snapshot.final, seen.roots, strict=True)), 0.0)
    found = plan(seen.snapshot, known, _settings(network, given))
    limits = FeeLimits(given["max_fee_gwei"], 1)
    price = going_rate(Node(network.chain, _NOBODY).market(), limits)
    if as_json:
        click.echo(json.dumps(plan_dict(found, price), indent=2))
        return
    tokens: dict[str, Token] = {}

    def show(token: str, amount: int) -> str:
        if token not in tokens:
            tokens[token] = token_of(network, token)
        return tokens[token].show(amount)

    click.echo("\n".join(plan_lines(found, price, show)))
    if price > limits.ceiling:
        click.echo(f"\ngas is above the ceiling of {given['max_fee_gwei']} gwei: a keeper would wait")


def _reader(network: Network, path: Path | None, stack: ExitStack) -> StateReader:
    events = EventLog.of(network, path)
    stack.callback(events.close)
    return StateReader(network, events)


def _source(network: Network, given: dict[str, Any]) -> EvidenceTrees:
    return EvidenceTrees(network, given["tick"], given["oracles"])


def _settings(network: Network, given: dict[str, Any]) -> PlanSettings:
    return PlanSettings(
        kinds=frozenset(map(Kind, given["kinds"])) or frozenset(Kind),
        max_gas=given["max_gas"],
        batch_epochs=given["batch_epochs"],
        least_paid=_least(network, "--least-paid", given["least_paid"]),
        least_sent=_least(network, "--least-sent", given["least_sent"]),
        least_closed=_least(network, "--least-closed", given["least_closed"]),
    )


def _least(network: Network, option: str, given: Sequence[str]) -> dict[str, int]:
    """By token, in its smallest unit. Without a token, the amount is of the network's own."""
    found = {}
    for one in given:
        address, named, amount = one.rpartition("=")
        token = ("0x" + raw_address(address.strip()).hex()) if named else network.addresses.token.lower()
        how = token_of(network, token)
        found[token] = amounts.parse(option, amount.strip(), how.decimals, how.symbol)
    return found
