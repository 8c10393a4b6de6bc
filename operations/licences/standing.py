"""What stands against a licence and its node, or an oracle: since when, why, until when, and how its appeal does."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

from chain.network import Network
from operations.events import events_of
from operations.licences import views
from operations.licences.bonds import subject_of
from oracle.ground import times

_NODE: Final = 2
_ORACLE: Final = 4
_FOREVER: Final = 2**40 - 1
_APPEALS: Final = ("not appealed", "under appeal", "its appeal was rejected")


@dataclass(frozen=True, slots=True)
class Standing:
    """One status in force. until, final_from, decide_by: UNIX seconds; 2^40 - 1: not by itself, 0: not known."""

    who: str
    subject: int
    status: str
    until: int
    final_from: int
    appealed: str
    reason: int
    evidence: str
    decide_by: int

    def lines(self, now: int) -> list[str]:
        """For a person, with what can be done."""
        ends = "until it is lifted" if self.until == _FOREVER else f"until {times.show_time(self.until)}"
        out = [f"{self.who}: {self.status} {ends}; reason {self.reason}, evidence {self.evidence}"]
        said = self.appealed
        if self.appealed == _APPEALS[1] and self.decide_by:
            said += f", to be decided by {times.show_time(self.decide_by)}"
        elif self.appealed == _APPEALS[0]:
            last = self.final_from if self.final_from < _FOREVER else 0
            said += f"; it can be appealed until {times.show_time(last)}" if last > now else ""
            said += "; it is final" if last and last <= now else ""
        return [*out, f"  {said}"]

    def as_json(self) -> dict[str, Any]:
        """All fields."""
        return {**asdict(self), "subject": str(self.subject)}


def of_licence(network: Network, licence: int) -> list[Standing]:
    """What is in force against a licence and the node it is linked to. NoLicence."""
    view = views.of(network, licence)
    found = _of(network, f"licence {licence}", subject_of(licence))
    if view.node:
        found += _of(network, f"node {view.node}", _NODE << 248 | int(view.node, 16))
    return found


def of_oracle(network: Network, member: str) -> list[Standing]:
    """What is in force against an oracle, by its member's address."""
    return _of(network, f"oracle {member}", oracle_subject(member))


def oracle_subject(member: str) -> int:
    """An oracle, by its member's address, as the contracts' `Subjects` write it."""
    return _ORACLE << 248 | int(member, 16)


def frozen_until(network: Network, licence: int, node: str) -> int:
    """Until when payments wait for a freeze of licence or node (UNIX seconds); 0: they don't."""
    now = network.chain.block("latest").timestamp
    subjects = [subject_of(licence), _NODE << 248 | int(node, 16)]
    untils = [int(network.chain.call(network.trust.functions.standingOf(one, 1))[0]) for one in subjects]
    return max((one for one in untils if one > now), default=0)


def _of(network: Network, who: str, subject: int) -> list[Standing]:
    now = network.chain.block("latest").timestamp
    found = []
    for status in (1, 2, 3):
        until, final_from, appealed = network.chain.call(network.trust.functions.standingOf(subject, status))
        if until <= now:
            continue
        told = events_of(network, "trust", network.trust, ("StatusImposed", "AppealOpened"), [subject])
        mine = [one for one in told if one.args["status"] == status]
        imposed = next((one for one in reversed(mine) if one.name == "StatusImposed"), None)
        opened = next((one for one in reversed(mine) if one.name == "AppealOpened"), None)
        found.append(
            Standing(
                who,
                subject,
                views.STATUSES[status],
                until,
                final_from,
                _APPEALS[appealed],
                imposed.args["reason"] if imposed else 0,
                "0x" + imposed.args["evidence"].hex() if imposed else "unknown",
                opened.args["decideBy"] if opened and appealed == 1 else 0,
            )
        )
    return found
