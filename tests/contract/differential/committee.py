# SPDX-License-Identifier: Apache-2.0
"""A play of the committee: its reports, the guardian's vetoes, its replacement."""

from __future__ import annotations

from eth_utils.crypto import keccak

from oracle.ground.ledger import Subject
from oracle.ground.merkle import Tree
from oracle.ground.typed_data import EpochReport
from tests.contract.differential.acting import Act, Acting
from tests.contract.differential.histories import Round
from tests.contract.differential.reallocating import QUORUM
from tests.contract.world import joined

# Of the contracts' AssignmentView, in the order of `Subject`'s fields.
_SUBJECT = ("id", "licence", "openedAt", "stop", "through", "earned", "accounted", "jobClosed")


class Committee(Acting):
    """Who measures."""

    def _submit(self, epoch: int, one: Round) -> list[Act]:
        world, reports = self.world, self.model.reports
        final = reports.at(self.next).final
        last = final[-1].epoch if final else -1
        parent = self.trees[last].root if final else bytes(32)
        tree = None
        if epoch > last:
            leaves = self.core.report(last, epoch, self._subjects())
            tree = Tree.build(self.core.lies(epoch, leaves) if one.lies else leaves)
        fields = {"anchor": keccak(text=f"anchor {epoch}"), "evidence": keccak(text=f"evidence {epoch}")}
        root = tree.root if tree else keccak(text="too late")
        report = EpochReport(epoch=epoch, committee=self.committee, root=root, parent=parent, **fields)
        digest = report.digest(self.network.report_domain)
        signatures = joined([world.committee[member].sign(digest) for member in QUORUM])
        values = (epoch, report.committee, root, parent, report.anchor, report.evidence)
        call = world.attestations.submit(values, sum(1 << member for member in QUORUM), signatures)

        def take(now: int) -> None:
            reports.submit(now, epoch)
            assert tree is not None
            self.trees[epoch] = tree

        return [Act(world.keeper, call, take)]

    def _subjects(self) -> list[Subject]:
        """All assignments as the chain tells of them, as the oracles' anchor reads them."""
        views = self.world.lens.assignmentsOf(list(self.model.accounts)).call() if self.model.accounts else []
        names = [one["name"] for one in self.world.lens.assignmentsOf([]).abi["outputs"][0]["components"]]
        subjects = []
        for values in views:
            view = dict(zip(names, values, strict=True))
            fields = (view[name] for name in _SUBJECT)
            subjects.append(Subject(*fields, self.model.job_of(view["id"]).policy))
        return subjects

    def _veto(self) -> list[Act]:
        return [Act(self.world.guardian, self.world.veto(), self.model.reports.veto)]

    def _replace(self) -> list[Act]:
        def replaced(now: int) -> None:
            self.model.reports.drop(now)
            self.committee += 1

        call = self.network.registry.functions.replaceCommittee(self.place.members)
        return [Act(self.world.admin, call, replaced)]
