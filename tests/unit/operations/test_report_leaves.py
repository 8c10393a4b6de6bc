# SPDX-License-Identifier: Apache-2.0
"""Which leaf of which report settles somebody's seconds."""

from __future__ import annotations

from operations.report_leaves import leaves_in
from oracle.ground.ids import KIND_ASSIGNMENT, KIND_LICENCE, KIND_ORACLE
from oracle.ground.leaves import Leaf
from oracle.ground.merkle import Tree, verify

OLDER = Tree.build(sorted([Leaf(KIND_LICENCE, 7, 10, 10), Leaf(KIND_ORACLE, 7, 20, 20), Leaf(KIND_LICENCE, 8, 30, 30)]))
NEWER = Tree.build(sorted([Leaf(KIND_LICENCE, 7, 15, 20), Leaf(KIND_ASSIGNMENT, 8 << 64 | 1, 1, 1)]))


def test_leaves_in__two_reports__gives_each_ids_newest_of_its_kind() -> None:
    found = leaves_in({3: OLDER, 4: NEWER}, KIND_LICENCE, [7, 8, 9])
    told = {key: (one.epoch, one.earned, one.accounted) for key, one in found.items()}
    assert told == {7: (4, 15, 20), 8: (3, 30, 30)}
    assert [one.earned for one in leaves_in({3: OLDER, 4: NEWER}, KIND_ORACLE, [7]).values()] == [20]
    assert verify(NEWER.root, Leaf(KIND_LICENCE, 7, 15, 20).hash(), found[7].proof)
    assert leaves_in({}, KIND_LICENCE, [7]) == {}
