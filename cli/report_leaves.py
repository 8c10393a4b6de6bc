"""Options of commands that settle leaves of final reports by themselves, and the fetching of these."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

import click

from chain.network import Network
from cli.chain_options import TICK
from operations.report_leaves import FoundLeaf, final_reports, leaves_in
from oracle.ground.merkle import Tree
from settlement.keeping.trees import TreeUnavailable

TICK_OPTION: Final = click.option(
    "--tick", type=click.IntRange(min=1), default=TICK, show_default=True, help="The network's, in seconds."
)


def newest_leaves(
    network: Network, kind: int, ids: Collection[int], oracles: Sequence[str], tick: int
) -> Mapping[int, FoundLeaf]:
    """Leaves of the last two final reports, recomputed from the oracles' evidence (none named: from those in the
    chain's directory). What can't be had is told on standard error, and left out.
    """
    from cli.keeper_trees import EvidenceTrees  # what recomputes reports takes its time to load

    source, trees = EvidenceTrees(network, tick, oracles), dict[int, Tree]()
    for epoch, root in final_reports(network):
        try:
            trees[epoch] = source.tree(epoch, root)
        except TreeUnavailable as error:
            click.echo(f"epoch {epoch}: {error}", err=True)
    return leaves_in(trees, kind, ids)
