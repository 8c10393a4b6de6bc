"""Declared maintenance: when a licence's node will be away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from chain.network import Network
from operations.licences import views
from operations.licences.linking import NotHolder
from operations.plans import Plan, PlannedCall
from oracle.ground import times
from oracle.ground.errors import UserError

_PAGE: Final = 50
_FOREVER: Final = 2**40 - 1
_LEAD: Final = 30
"""Seconds from now to where maintenance begins or ends that is to do so now: it must not before its block."""


class NoWindow(UserError):
    """The licence has no such maintenance."""


@dataclass(frozen=True, slots=True)
class Window:
    """A declared span, UNIX seconds; `to` is exclusive."""

    start: int
    to: int

    def text(self, now: int) -> str:
        """For a person."""
        state = "over" if self.to <= now else "now" if self.start <= now else "to come"
        span = times.show_span(self.to - self.start)
        return f"{times.show_time(self.start)} to {times.show_time(self.to)} ({span}), {state}"


def windows(network: Network, licence: int, since: int) -> list[Window]:
    """The windows that aren't over at `since`, by time."""
    found: list[Window] = []
    while True:
        call = network.maintenance.functions.windowsWithin(licence, since, _FOREVER, _PAGE)
        page, more = network.chain.call(call)
        found += [Window(start, to) for start, to in page]
        if not more:
            return found
        since = found[-1].to


def reachable(start: int, now: int) -> int:
    """A start of now, moved to a moment that the block which declares it isn't past."""
    return now + _LEAD if now <= start < now + _LEAD else start


def declaring(network: Network, key: str, licence: int, start: int, to: int, longest: int) -> Plan:
    """Declare [start, to), UNIX seconds. NotHolder, NoLicence."""
    _check_key(network, key, licence)
    now = network.chain.block("latest").timestamp
    window = Window(start, to)
    facts = (
        ("when", window.text(now)),
        ("counts", "as unmeasured, neither paid nor withheld, as far as each job's policy allows maintenance"),
        ("longest", times.show_span(longest)),
    )
    label = f"declare maintenance of licence {licence}"
    call = PlannedCall.of(label, network.maintenance.functions.declare(licence, start, to))
    return Plan(f"Declare maintenance of licence {licence}", (call,), facts)


def cancelling(network: Network, key: str, licence: int, start: int | None, moment: int | None) -> Plan:
    """Cancel what hasn't begun; end what has as soon as can be, or at `moment`. NoWindow, NotHolder."""
    _check_key(network, key, licence)
    now = network.chain.block("latest").timestamp
    found = windows(network, licence, now)
    chosen = [one for one in found if start is None or one.start == start]
    if len(chosen) != 1:
        known = "; ".join(f"{times.show_time(one.start)} ({one.start})" for one in found) or "none that isn't over"
        raise NoWindow(
            f"licence {licence}: name the maintenance by its start with --from; it has {known}"
            if found
            else f"licence {licence} has no maintenance that isn't over: there is nothing to cancel"
        )
    (window,) = chosen
    functions = network.maintenance.functions
    if window.start > now and moment is None:
        call = PlannedCall.of(f"cancel maintenance of licence {licence}", functions.cancel(licence, window.start))
        return Plan(f"Cancel maintenance of licence {licence}", (call,), (("when", window.text(now)),))
    end = moment if moment is not None else now + _LEAD
    if end >= window.to:
        return Plan(f"The maintenance of licence {licence} ends at {times.show_time(window.to)} by itself", ())
    call = PlannedCall.of(f"shorten maintenance of licence {licence}", functions.shorten(licence, window.start, end))
    facts = (("was", window.text(now)), ("ends now", times.show_time(end)))
    return Plan(f"Shorten maintenance of licence {licence}", (call,), facts)


def _check_key(network: Network, key: str, licence: int) -> None:
    view = views.of(network, licence)
    if key.lower() not in (view.holder.lower(), view.node.lower()):
        who = f"{view.holder} or {view.node}" if view.node else view.holder
        raise NotHolder(f"{key} neither holds licence {licence} nor is its node: use the key of {who}")
