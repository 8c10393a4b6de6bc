"""Trees of final reports: fetched by whoever knows how, checked by their root, and kept in a folder."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from oracle.ground.errors import EpochalError
from oracle.ground.leaves import Leaf
from oracle.ground.merkle import Tree
from settlement.model_reports import Report

_LOG = logging.getLogger(__name__)
_KEPT = 4


class TreeUnavailable(EpochalError):
    """Nobody gave what a report's tree follows from, or it comes to another root."""


class TreeSource(Protocol):
    """Where a report's tree comes from."""

    def tree(self, epoch: int, root: bytes) -> Tree:
        """The tree of that root. TreeUnavailable; RpcError when the chain doesn't answer."""
        ...


class KeptTrees:
    """Trees in a folder, so that each is fetched once; those of the newest epochs stay."""

    def __init__(self, folder: Path, source: TreeSource, retry_seconds: float = 30.0) -> None:
        """`retry_seconds`: how long what a source didn't have isn't asked for again."""
        self._folder = folder
        self._source = source
        self._retry_seconds = retry_seconds
        self._trees: dict[tuple[int, bytes], Tree] = {}
        self._missing: dict[tuple[int, bytes], float] = {}

    def of(self, reports: Sequence[tuple[Report, bytes]], now: float) -> dict[int, Tree]:
        """By epoch, the tree of the newest of these reports (each with its root, the newest last) that can be had.
        Leaves are cumulative, so older ones tell nothing more. `now`: UNIX seconds. RpcError."""
        for report, root in reversed(reports):
            tree = self._one(report.epoch, root, now)
            if tree is not None:
                return {report.epoch: tree}
        return {}

    def _one(self, epoch: int, root: bytes, now: float) -> Tree | None:
        key = epoch, root
        if key in self._trees:
            return self._trees[key]
        tree = self._read(epoch, root)
        if tree is None:
            if now < self._missing.get(key, 0):
                return None
            try:
                tree = self._source.tree(epoch, root)
                if tree.root != root:
                    raise TreeUnavailable(
                        f"epoch {epoch}: a tree of root 0x{tree.root.hex()} was given, on chain is 0x{root.hex()}"
                    )
            except TreeUnavailable as error:
                self._missing[key] = now + self._retry_seconds
                _LOG.warning("the report of epoch %d can't be settled yet: %s", epoch, error)
                return None
            self._write(epoch, tree)
        self._trees[key] = tree
        for old in sorted(self._trees)[:-_KEPT]:
            del self._trees[old]
        return tree

    def _read(self, epoch: int, root: bytes) -> Tree | None:
        try:
            raw = json.loads(self._path(epoch).read_text(encoding="utf-8"))
            tree = Tree.build([Leaf(*map(int, one)) for one in raw])
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, EpochalError) as error:
            _LOG.warning("%s is no tree (%s): it is fetched again", self._path(epoch), error)
            return None
        return tree if tree.root == root else None

    def _write(self, epoch: int, tree: Tree) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._path(epoch)
        leaves = [[str(value) for value in (one.kind, one.id, one.earned, one.accounted)] for one in tree.leaves]
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(leaves) + "\n", encoding="utf-8")
        fresh.replace(path)
        kept = sorted(self._folder.glob("*.tree.json"), key=lambda one: int(one.name.partition(".")[0]))
        for old in kept[:-_KEPT]:
            old.unlink(missing_ok=True)

    def _path(self, epoch: int) -> Path:
        return self._folder / f"{epoch}.tree.json"
