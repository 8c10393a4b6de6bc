"""`epochal node appeal`: hand in what oracles acknowledged and a report left out."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import click

from node.settings import AppealSettings

__all__ = ["appeal"]


@click.command(
    short_help="Appeal with kept receipts for what a report left out.",
    epilog="\b\nExample:\n"
    "  epochal node appeal --receipts receipts --epoch 41 \\\n"
    "      --oracle https://oracle-1.example:8610 --oracle https://oracle-2.example:8610",
)
@click.option(
    "--receipts",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="Where `epochal node run` kept the receipts.",
)
@click.option(
    "--oracle",
    "oracles",
    multiple=True,
    required=True,
    metavar="URL",
    help="Where an oracle takes appeals: its peers' address, not the one for heartbeats. Repeat it; one is enough.",
)
@click.option(
    "--epoch",
    "epochs",
    type=int,
    multiple=True,
    metavar="N",
    help="Epoch to appeal for; repeat it.  [default: the newest 30 of which receipts are kept]",
)
@click.option(
    "--committee-size",
    type=int,
    metavar="N",
    help="How many oracles the committee has.  [default: the number of --oracle]",
)
def appeal(**given: Any) -> None:
    """Gather the kept receipts of an epoch into an appeal and hand it in to each oracle.

    What f + 1 of 3f + 1 oracles acknowledged and the report left out is put right in a later report, by rule. Appealing
    for an epoch in which nothing was lost, or twice, changes nothing. The exit status is 1 if an appeal was taken by no
    oracle, or can't succeed because too few oracles' receipts are here.
    """
    from node.appeal import hand_in, prepare

    given["oracles"] = tuple(given["oracles"])
    given["epochs"] = tuple(given["epochs"])
    settings = AppealSettings(**given)
    size = settings.committee_size or len(settings.oracles)
    prepared = prepare(settings.receipts, settings.epochs)
    able = [one for one in prepared if one.ticks(settings.needed)]
    said = asyncio.run(hand_in([one.appeal for one in able], settings.oracles))
    answers = dict(zip([one.appeal.epoch for one in able], said, strict=True))
    failed = False
    for one in prepared:
        ticks, epoch = one.ticks(settings.needed), one.appeal.epoch
        held = f"receipts of {one.oracles} oracle{'s' if one.oracles > 1 else ''}"
        if not ticks:
            failed = True
            click.echo(
                f"epoch {epoch}: {held} and no tick that {settings.needed} of {size} acknowledged: this can't succeed, "
                "NOT HANDED IN"
            )
            continue
        click.echo(f"epoch {epoch}: {held}, {ticks:,} ticks that {settings.needed} of {size} or more acknowledged")
        for answer in answers[epoch]:
            click.echo(f"  {answer.url}: {answer.text}")
        failed = failed or not any(answer.taken for answer in answers[epoch])
    sys.exit(failed)
