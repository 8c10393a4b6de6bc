# SPDX-License-Identifier: Apache-2.0
"""A play of keepers: who settles, claims, releases, marks, closes and sends, and in which way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from oracle.ground.ids import KIND_ASSIGNMENT
from oracle.ground.leaves import Leaf
from settlement.planning.ranges import settle_calls
from tests.contract.differential.acting import Act, Acting
from tests.contract.differential.histories import Visit


class Keepers(Acting):
    """Who brings money to where it belongs."""

    def _visit(self, visit: Visit) -> list[Act]:
        model = self.model
        acts = self._settling(visit.way, visit.which)
        picked = [key for place, key in enumerate(sorted(model.accounts)) if visit.which >> place % 16 & 1]
        if not picked:
            return acts
        # What was raised in time is safe for a settle window: a lawful keeper settles first.
        last = model.reports.at(self.next).final
        settled = visit.which == 2**16 - 1 and visit.way in ("singly", "in ranges", "claiming", "twice")
        if visit.releases and (not self.lawful or settled or not last):
            acts.append(self._release(picked))
        if visit.marks:
            acts.append(self._mark(picked))
        if visit.claims:
            acts.append(self._claim(picked))
        if visit.sends:
            jobs = range(1, len(model.jobs) + 1)
            acts += [act for job in jobs for act in self._sends(job)]
            acts += [self._close(job) for job in jobs if not self.lawful]
        return acts

    def _settling(self, way: str, which: int) -> list[Act]:
        """Transactions that settle the leaves that `which` picks."""
        world, model = self.world, self.model
        final = model.reports.at(self.next).final
        if not final or way == "not at all":
            return []
        epoch = final[0].epoch if way == "the older report" else final[-1].epoch
        tree = self.trees[epoch]
        if way == "an unknown report":
            epoch += 1
        chosen = {leaf.id for place, leaf in enumerate(tree.leaves) if which >> place % 16 & 1}
        acts = []
        if way in ("in ranges", "twice"):
            for one in settle_calls(tree, lambda leaf: leaf.id in chosen, max_leaves=3):
                first = next(place for place, leaf in enumerate(tree.leaves) if _key(one, 0) == leaf.id)
                leaves = tree.leaves[first : first + len(one.leaves)]
                call = world.escrow.settleRange(epoch, one.job, one.tree_index, list(one.leaves), list(one.proof))
                acts.append(Act(world.keeper, call, self._settle(epoch, leaves)))
        if way == "in ranges":
            return acts
        for place, leaf in enumerate(tree.leaves):
            if leaf.kind != KIND_ASSIGNMENT or leaf.id not in chosen:
                continue
            claims = way == "claiming"
            function = world.escrow.settleAndClaim if claims else world.escrow.settle
            call = function(epoch, leaf.id, leaf.earned, leaf.accounted, list(tree.proof(place)))
            acts.append(Act(world.keeper, call, self._settle(epoch, [leaf], claims)))
        return acts

    def _last_leaves(self) -> list[Act]:
        """Settles leaves that raise what is settled to its end: these are in no later report, or in few."""
        model, world = self.model, self.world
        final = model.reports.at(self.next).final
        if not final or final[-1].epoch == self.seen_to:
            return []
        self.seen_to = epoch = final[-1].epoch
        tree, acts = self.trees[epoch], []
        for place, leaf in enumerate(tree.leaves):
            one = model.accounts.get(leaf.id)
            if one is None or leaf.earned <= one.earned or one.through < min(one.closed_at, model.job_of(leaf.id).stop):
                continue
            call = world.escrow.settle(epoch, leaf.id, leaf.earned, leaf.accounted, list(tree.proof(place)))
            acts.append(Act(world.keeper, call, self._settle(epoch, [leaf])))
        return acts

    def _settle(self, epoch: int, leaves: Sequence[Leaf], claims: bool = False) -> Callable[[int], None]:
        def settle(now: int) -> None:
            self.model.settle(now, epoch, leaves)
            if claims:
                self.model.claim(now, [leaf.id for leaf in leaves])

        return settle

    def _release(self, keys: list[int]) -> Act:
        return Act(self.world.keeper, self.world.escrow.releaseHeld(keys), lambda now: self.model.release(now, keys))

    def _mark(self, keys: list[int]) -> Act:
        return Act(self.world.stranger, self.world.escrow.mark(keys), lambda now: self.model.mark(now, keys))

    def _claim(self, keys: list[int]) -> Act:
        return Act(self.world.keeper, self.world.escrow.claim(keys), lambda now: self.model.claim(now, keys))

    def _close(self, job: int) -> Act:
        return Act(self.world.keeper, self.world.escrow.closeJob(job), lambda now: self.model.close(now, job))

    def _sends(self, job: int) -> list[Act]:
        world, model = self.world, self.model
        return [
            Act(world.keeper, world.escrow.sendToBurn(job), lambda _: model.send_to_burn(job)),
            Act(world.keeper, world.escrow.sendToProtocol(job), lambda _: model.send_to_protocol(job)),
            Act(world.keeper, world.escrow.withdrawRefund(job), lambda now: model.refund(now, job)),
        ]


def _key(call: Any, place: int) -> int:
    return call.job << 64 | call.leaves[place] >> 128
