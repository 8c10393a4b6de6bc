# SPDX-License-Identifier: Apache-2.0
"""A play of people: jobs grow, shrink and stop, subjects of trust are judged, bonds get money."""

from __future__ import annotations

from eth_utils.crypto import keccak

from oracle.ground.breaches import Reason
from settlement.model_reports import require
from tests.contract.differential.acting import Act, subjects_of
from tests.contract.differential.comparing import CSP, LICENCE
from tests.contract.differential.histories import Event
from tests.contract.differential.keepers import Keepers
from tests.contract.differential.placing import Placers

REASON, EVIDENCE = 7, keccak(text="why")


class People(Keepers, Placers):
    """CSPs, authorities, and whoever pays into a bond."""

    def _do_grow(self, event: Event) -> list[Act]:
        world, model, now = self.world, self.model, self.next
        job = 1 + event.who % len(model.jobs)
        one = model.jobs[job - 1]
        if self.placing.barred(now, CSP | world.account):
            return []
        slots, ends_at = len(one.slots) + event.how % 2, one.stop + event.how % 3 * 417
        return [
            Act(world.csp, world.escrow.growJob(job, slots, ends_at), lambda now: model.grow(now, job, slots, ends_at))
        ]

    def _do_shrink(self, event: Event) -> list[Act]:
        job = 1 + event.who % len(self.model.jobs)
        slots = max(1, len(self.model.jobs[job - 1].slots) - (event.how % 5 > 0))
        call = self.world.escrow.shrinkJob(job, slots)
        return [Act(self.world.csp, call, lambda now: self.model.shrink(now, job, slots))]

    def _do_stop(self, event: Event) -> list[Act]:
        job = 1 + event.who % len(self.model.jobs)
        return [Act(self.world.csp, self.world.escrow.stopJob(job), lambda now: self.model.stop(now, job))]

    def _do_close_job(self, event: Event) -> list[Act]:
        return [] if self.lawful else [self._close(1 + event.who % len(self.model.jobs))]

    def _do_freeze_licence(self, event: Event) -> list[Act]:
        return self._freeze(event, self._serving(event)[0])

    def _do_freeze_node(self, event: Event) -> list[Act]:
        return self._freeze(event, self._serving(event)[1])

    def _serving(self, event: Event) -> tuple[int, int]:
        """Subjects of a licence and its node, of one that served if any did."""
        served = [one.subjects for one in self.model.accounts.values()] or [subjects_of(self.linked[0])]
        return served[event.who % len(served)]

    def _do_freeze_csp(self, event: Event) -> list[Act]:
        return self._freeze(event, CSP | self.world.account)

    def _freeze(self, event: Event, subject: int) -> list[Act]:
        until = self.next + 300 + event.how * 2

        def freeze(now: int) -> None:
            require(now >= self.model.frozen.get(subject, 0), "TrustRegistry_InForce")
            self.model.frozen[subject] = until

        call = self.network.trust.functions.freeze(subject, until, REASON, EVIDENCE)
        everyone = [key for key, one in self.model.accounts.items() if subject in one.subjects]
        return [Act(self.world.admin, call, freeze), *([self._mark(everyone)] if everyone and event.how % 2 else [])]

    def _do_lift(self, event: Event) -> list[Act]:
        if not (known := sorted(self.model.frozen)):
            return []
        subject = known[event.who % len(known)]

        def lift(now: int) -> None:
            require(now < self.model.frozen[subject], "TrustRegistry_NotInForce")
            self.model.frozen[subject] = 0

        return [Act(self.world.admin, self.network.trust.functions.liftFreeze(subject), lift)]

    def _do_bond(self, event: Event) -> list[Act]:
        return [self._deposit(self.linked[event.who % len(self.linked)].id, 1 + event.how**2)]

    def _deposit(self, licence: int, amount: int) -> Act:
        call = self.network.bonds.functions.deposit(LICENCE | licence, self.network.addresses.token, amount)
        return Act(self.stage.funder, call, lambda _: self.model.bonds.deposit(licence, amount))

    def _do_outcast(self, event: Event) -> list[Act]:
        """A suspension or a blacklisting: of who serves, seldom of the CSP's account."""
        subject = CSP | self.world.account if event.how % 15 == 7 else self._serving(event)[event.how % 2]
        status = ("Suspension", "Blacklist")[event.how // 2 % 2]
        self.judged.append((subject, status))
        trust = self.network.trust.functions
        call = (trust.suspend if status == "Suspension" else trust.blacklist)(subject, REASON, EVIDENCE)
        imposing = Act(self.world.admin, call, lambda _: self.placing.impose(subject, status))
        served = [
            key for key in self._open() if subject in (*self.model.accounts[key].subjects, CSP | self.world.account)
        ]
        why = [Reason.OUTCAST] * 6
        return [imposing, *(self._request(event, served, why) if served and event.who % 3 < 2 else [])]

    def _do_readmit(self, event: Event) -> list[Act]:
        if not self.judged:
            return []
        subject, status = self.judged[event.who % len(self.judged)]
        call = self.network.trust.functions["lift" + status](subject)
        return [Act(self.world.admin, call, lambda _: self.placing.lift(subject, status))]
