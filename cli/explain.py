"""`epochal explain`."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import click

from chain.network import Network
from cli.chain_options import chain_options, open_network
from cli.explain_text import MoneyTold
from cli.explain_text import as_dict as report_as_dict
from cli.explain_text import lines as report_lines
from oracle.ground.address import checksummed, raw_address
from oracle.ground.errors import InvalidValue
from oracle.ground.ids import parse_assignment
from oracle.ground.policy import Policy, from_json
from oracle.service.errors import SettingsError
from oracle.service.evidence_source import EvidenceMissing, EvidenceSource, read_evidence
from oracle.service.explaining import explain_node
from oracle.service.explaining_report import ReportTold, explain_report
from oracle.service.reports_on_chain import NoReport
from oracle.service.verifying import Verifier
from oracle.telemetry.strip import as_dict
from oracle.telemetry.strip_text import text
from settlement.books import books_of, terms_of

__all__ = ["explain"]


class _Explain(click.Command):
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        given = list(args)  # the parser consumes them
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if error.option_name.lstrip("-").isdigit():  # `explain NODE -1`
                raise _no_epoch(next(one for one in given if one.startswith(error.option_name))) from error
            raise


class _Epoch(click.ParamType):
    name = "epoch"

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        if not (value.isascii() and value.isdigit() and len(value) <= 18):
            raise _no_epoch(value)
        return int(value)


def _no_epoch(value: str) -> InvalidValue:
    return InvalidValue(
        f"EPOCH is {value!r}: give a whole number, 0 or more, or leave it out for the newest that is over"
    )


def _assignment(given: str) -> int:
    try:
        return parse_assignment(given)
    except InvalidValue as error:
        raise InvalidValue(f"--assignment: {error}") from error


def _policy(path: Path) -> Policy:
    try:
        given = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InvalidValue(f"--policy {path}: isn't UTF-8 text; write the policy as JSON") from error
    except OSError as error:
        raise InvalidValue(f"--policy {path}: {error.strerror}; give a JSON file") from error
    return from_json(given, source=f"--policy {path}")


@click.command(
    cls=_Explain,
    short_help="Show a node's epoch: what was seen, what the committee made of it, and the money.",
    epilog="\b\nExamples:\n"
    "  epochal explain 0x… 12 --store oracle.sqlite --assignment 7/0/1 --policy policy.json\n"
    "  epochal explain 0x… 12 --network addresses.json --rpc http://127.0.0.1:8545 --tick 1",
)
@click.argument("node", metavar="NODE")
@click.argument("epoch", metavar="[EPOCH]", type=_Epoch(), required=False)
@click.option(
    "--store",
    "stores",
    multiple=True,
    metavar="PATH|postgresql://...",
    help="An oracle's store; repeat it for each of its intakes. It may be in use.",
)
@click.option(
    "--assignment",
    "assignments",
    multiple=True,
    metavar="ID",
    help="Decimal id or job/slot/generation; those that the agent reported on lately are shown anyway.",
)
@click.option(
    "--policy",
    "policy_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A job's policy, JSON: tell too what it makes of the track that it names.",
)
@chain_options(required=False)
@click.option(
    "--evidence", type=click.Path(path_type=Path), metavar="FILE", help="The report's evidence; else it is fetched."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--ascii/--blocks", "ascii_only", default=None, help="Characters of the strip.  [default: what fits]")
def explain(
    node: str,
    epoch: int | None,
    stores: tuple[str, ...],
    assignments: tuple[str, ...],
    policy_file: Path | None,
    addresses: Path | None,
    rpcs: tuple[str, ...],
    oracles: tuple[str, ...],
    tick: int,
    evidence: Path | None,
    as_json: bool,
    ascii_only: bool | None,
) -> None:
    """Show what became of NODE (its 0x address) in EPOCH; left out, that is the newest one that is over.

    With --store: what one oracle saw, a share of up-time for each kind of evidence, a strip of ticks, each lost span
    with its reason, and totals that add up to the epoch. With --network and --rpc: what every oracle of the committee
    signed, what they agreed on, what the job's policy makes of it, which appeals were upheld, and the money. That is
    recomputed from the report's evidence and the chain; no oracle is believed.
    """
    _check(stores, addresses, rpcs, oracles, evidence)
    wanted = [_assignment(one) for one in assignments]
    policy = _policy(policy_file) if policy_file else None
    local = explain_node(stores, node, epoch, wanted, time.time(), policy) if stores else None
    report: dict[str, Any] | None = None
    lines: list[str] = []
    if addresses:
        network = open_network(addresses, rpcs)
        source = EvidenceSource(network, oracles) if oracles or evidence is None else None
        verifier = Verifier(network, local.tick if local else tick, source)
        if local:
            epoch = local.epoch
        elif epoch is None:
            epoch = verifier.reports.newest_epoch()
        try:
            told = explain_report(verifier, node, epoch, read_evidence(evidence) if evidence else None)
        except (NoReport, EvidenceMissing) as error:
            if local is None:
                raise
            lines = [str(error)]
        else:
            money = _money(network, told)
            report, lines = report_as_dict(told, money), report_lines(told, money)
            subjects = [one.subject for one in told.assignments]
            policies = {one.policy for one in subjects}
            if local and subjects:
                counted = [one for one in subjects if one.policy.evidence != "liveness"]
                keys = sorted({*wanted, *(one.assignment_id for one in counted)})
                policy = policy or (policies.pop() if len(policies) == 1 else None)
                local = explain_node(stores, node, epoch, keys, time.time(), policy)
    if as_json:
        found = as_dict(local) if local else {"node": node.lower(), "epoch": epoch}
        click.echo(json.dumps(found | ({"report": report} if addresses else {}), indent=2))
        return
    if local:
        if ascii_only is None:
            ascii_only = "utf" not in (sys.stdout.encoding or "").lower() or not sys.stdout.isatty()
        click.echo(text(local, blocks=not ascii_only), nl=False)
    elif lines:
        click.echo(f"node {checksummed(raw_address(node))}, epoch {epoch}")
    if lines:
        click.echo("\n".join([""] * bool(local) + lines))


def _check(
    stores: tuple[str, ...],
    addresses: Path | None,
    rpcs: tuple[str, ...],
    oracles: tuple[str, ...],
    evidence: Path | None,
) -> None:
    if not stores and not addresses:
        raise SettingsError("nothing says where to look: give --store, or --network and --rpc, or all of them")
    if bool(addresses) != bool(rpcs):
        raise SettingsError("--network and --rpc belong together: give both")
    if not addresses and (oracles or evidence):
        raise SettingsError("--oracle and --evidence are read with a network's chain: give --network and --rpc too")


def _money(network: Network, told: ReportTold) -> MoneyTold:
    keys = [one.subject.assignment_id for one in told.assignments]
    block = network.chain.finalized()
    terms = {job: terms_of(network, job) for job in sorted({key >> 64 for key in keys})}
    return MoneyTold(terms, books_of(network, keys, block) if keys else {}, block)
