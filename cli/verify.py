"""`epochal verify`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from cli.chain_options import chain_options, open_network
from cli.verify_text import as_dict, lines
from oracle.committee.claimed_leaves import LeafDifference, first_difference, tree_of_dump
from oracle.ground.errors import InvalidValue, Malformed
from oracle.ground.leaves import Leaf
from oracle.service.evidence_source import EvidenceSource, read_evidence
from oracle.service.verifying import Verified, Verifier

__all__ = ["verify"]

_PATH = click.Path(path_type=Path)


@click.command(
    short_help="Recompute a report from its evidence and the chain.",
    epilog="\b\nExamples:\n"
    "  epochal verify 12 --network addresses.json --rpc http://127.0.0.1:8545 --tick 1\n"
    "  epochal verify 12 --network addresses.json --rpc URL --save 12.evidence --dump 12.tree.json\n"
    "  epochal verify 12.evidence --network addresses.json --rpc URL --against theirs.json",
)
@click.argument("what", metavar="EPOCH|FILE")
@chain_options(required=True)
@click.option(
    "--dump", type=_PATH, metavar="FILE", help="Write the recomputed tree, as OpenZeppelin's package reads it."
)
@click.option(
    "--against", type=_PATH, metavar="FILE", help="Such a tree of somebody else's: tell the first other leaf."
)
@click.option("--save", type=_PATH, metavar="FILE", help="Write the evidence that was checked.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def verify(
    what: str,
    addresses: Path,
    rpcs: tuple[str, ...],
    oracles: tuple[str, ...],
    tick: int,
    dump: Path | None,
    against: Path | None,
    save: Path | None,
    as_json: bool,
) -> None:
    """Check that the report of EPOCH, or the one whose evidence is in FILE, follows from its evidence and the chain.

    The evidence is fetched from oracles by the hash that is on chain; nothing that they say is believed. Every
    observation's signature is checked, the state of the anchor is read, and the leaves are computed anew. Prints each
    part, and in the last line OK, or the most telling part that differs.

    Exit status: 0 the report follows; 1 something differs, or couldn't be had; 2 an option or a file is wrong.
    """
    claimed = _claimed(against) if against else None
    given = None if _is_epoch(what) else read_evidence(Path(what))
    network = open_network(addresses, rpcs)
    verifier = Verifier(network, tick, EvidenceSource(network, oracles) if given is None or oracles else None)
    if given is None:
        found = verifier.verify(verifier.reports.of_epoch(int(what)))
    else:
        try:
            submission = verifier.submission_of(given)
        except Malformed as error:
            raise InvalidValue(f"{what}: {error}") from error
        found = verifier.verify(submission, given, what)
    difference = _difference(found, claimed)
    if save:
        save.write_bytes(found.bundle)
    made = found.verification.made
    if dump and made:
        dump.write_text(json.dumps(made.tree.dump()) + "\n", encoding="utf-8")
    if as_json:
        click.echo(json.dumps(as_dict(found, difference, claimed is not None), indent=2))
    else:
        click.echo("\n".join(lines(found, network, difference, against)))
    sys.exit(0 if found.verification.holds and difference is None else 1)


def _is_epoch(what: str) -> bool:
    return what.isascii() and what.isdigit() and len(what) <= 18


def _claimed(path: Path) -> tuple[Leaf, ...]:
    try:
        return tree_of_dump(json.loads(path.read_text(encoding="utf-8"))).leaves
    except OSError as error:
        raise InvalidValue(f"--against {path}: {error.strerror}; give the dump of a tree") from error
    except Malformed as error:
        raise InvalidValue(f"--against {path}: {error}; give a dump as --dump writes it") from error
    except (ValueError, RecursionError) as error:
        raise InvalidValue(f"--against {path}: cut off or no JSON; give a dump as --dump writes it") from error


def _difference(found: Verified, claimed: tuple[Leaf, ...] | None) -> LeafDifference | None:
    made = found.verification.made
    return first_difference(made.tree.leaves, claimed) if made is not None and claimed is not None else None
