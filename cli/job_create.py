"""`epochal job create` and `epochal job hand-in`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from cli.signing_options import open_sending, signing_options, tell
from operations.csp import intents, jobs
from operations.csp.job_file import AskedJob, JobWish, gather
from operations.plans import Outcome, Plan

_FILE = click.Path(path_type=Path)


@click.command(
    short_help="Create and fund one or more jobs.",
    epilog="\b\nExamples:\n"
    "  epochal job create web.toml api.toml --key-env CSP_KEY\n"
    "  epochal job create --intent web.json --orchestrator 0x… --price 1.50 --lasts 30d --key-env CSP_KEY",
)
@click.argument("files", nargs=-1, type=_FILE, metavar="[JOBFILE]...")
@click.option("--intent", metavar="FILE", help="JSON file of the deployment intent; its hash goes into the job.")
@click.option("--orchestrator", metavar="ADDRESS", help="Who places nodes into the job's slots.")
@click.option("--orchestrator-url", metavar="URL", help="Where the intent is handed in: before money moves, and after.")
@click.option("--price", metavar="AMOUNT", help="Of one slot for one epoch, in the token's human units.")
@click.option("--token", metavar="TOKEN", help="Its address or symbol.  [default: the network's first]")
@click.option("--starts", metavar="TIME", help="Like 2027-01-01T00:00Z or +10m.  [default: +2m]")
@click.option("--ends", metavar="TIME", help="When the funded time is over.")
@click.option("--lasts", metavar="SPAN", help="Instead of --ends: 90s, 12h, 30d or 10epochs from the start.")
@click.option("--slots", type=click.IntRange(min=1), help="Must be the intent's replicas; left out, they are.")
@click.option("--account", type=click.IntRange(min=1), help="The CSP account.  [default: the only one the key owns]")
@signing_options
def create(files: tuple[Path, ...], **given: Any) -> None:
    """Create jobs from job files (TOML or JSON), from options, or both: options count above files.

    All are created in one transaction, or none. The whole deposit is taken from the account's owner: by a permit where
    the token has them, else after an approval of exactly the sum.
    """
    options = JobWish(**{name: given.pop(name) for name in JobWish.__dataclass_fields__})
    asked = gather(files, options)
    network, sending = open_sending(given)

    def build() -> Plan:
        plan = jobs.creating(network, sending.signer, asked)
        if not sending.dry_run:
            _hand_in(asked)
        return plan

    def told(outcome: Outcome) -> None:
        if not outcome.dry_run:
            _hand_in(asked)
        numbers = jobs.created(network, outcome.receipts)
        lines = [f"job {number} is created" for number in numbers]
        if numbers:
            lines.append(f"see it with `epochal job show {numbers[0]}`")
        tell(outcome, given["as_json"], lines, jobs=numbers)

    wish = {
        "do": "job create",
        "at": network.escrow.address,
        "jobs": [{**asdict(one.wish), "intent": one.intent.hash.hex()} for one in asked],
    }
    sending.run(wish, build, told)


@click.command("hand-in", short_help="Hand a deployment intent in to an orchestrator again.")
@click.option("--intent", type=_FILE, required=True, metavar="FILE", help="JSON file of the deployment intent.")
@click.option("--orchestrator-url", required=True, metavar="URL", help="Where the orchestrator takes it.")
def hand_in(intent: Path, orchestrator_url: str) -> None:
    """Give an orchestrator an intent: for one that wasn't running when the job was created, or that lost it."""
    read = intents.load_intent(intent)
    intents.hand_in(orchestrator_url, read)
    click.echo(f"{orchestrator_url} has the intent {read.name}, 0x{read.hash.hex()}")


def _hand_in(asked: list[AskedJob]) -> None:
    for one in asked:
        if one.wish.orchestrator_url is not None:
            intents.hand_in(one.wish.orchestrator_url, one.intent)
