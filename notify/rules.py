"""Which facts are worth telling, to whom, and under which id: told once, and again after a while where that helps.
Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from notify import texts
from notify.facts import Credential, Job, Presence, Serving, Vetoed, Window, Withheld
from notify.notice import NOBODY, About, Kind, Notice
from oracle.ground.policy import PPM
from oracle.ground.scoring import score
from oracle.ground.uptime import Uptime
from settlement.reallocations.requests import OnChain, Standing

_STEPS: Final = 4
"""Parts of a span after which somebody who was told before is told again: when a quarter of it is left."""


@dataclass(frozen=True, slots=True)
class Spans:
    """When to tell, in seconds.

    down        without heartbeats, after which a node is down
    repeat      after which one that still is, is told again
    funds       before a job's end
    credential  before a credential's
    """

    down: int = 120
    repeat: int = 21_600
    funds: int = 259_200
    credential: int = 1_209_600


def about(job: Job, licence: int = 0) -> About:
    """A job, its CSP and a licence that serves it."""
    return About(frozenset({job.account}), frozenset({licence} - {0}), frozenset({job.id}))


def node_down(served: Sequence[Serving], presence: Presence, now: int, spans: Spans) -> list[Notice]:
    """Of one node and all that it serves: it is silent, for so long that its owner and the CSPs should know."""
    if not served or not presence.known:
        return []
    opened = min(one.opened_at for one in served)
    since = max(opened, presence.heard) if presence.heard is not None else opened
    # A node is silent from the start of what it serves: before, nobody lost anything.
    silent = now - max(since, presence.asked_from if presence.heard is None else 0)
    if silent < spans.down:
        return []
    concerned = About()
    for one in served:
        concerned |= about(one.job, one.licence)
    first = min(served, key=lambda one: one.assignment)
    number = (now - since) // spans.repeat
    key = f"node_down:{first.licence}:{since}:{number}"
    return [texts.node_down(key, served, since, presence.heard is not None, now, concerned)]


def at_risk(one: Serving, window: Window) -> list[Notice]:
    """Of one assignment: it lost half of what its policy allows, or more than all of it."""
    policy, whole = one.job.policy, window.end - window.start
    if whole <= 0 or window.lost <= 0:
        return []
    allowed = whole * (PPM - policy.target_ppm) // PPM
    if 2 * window.lost <= allowed:
        return []
    missed = window.lost > allowed
    (earned,) = score(policy, [Uptime(whole - min(whole, window.lost), whole)])
    key = f"at_risk:{one.assignment}:{window.start}:{'missed' if missed else 'half'}"
    return [texts.at_risk(key, one, window, allowed, whole - earned, about(one.job, one.licence))]


def withheld(one: Withheld) -> list[Notice]:
    """A final report took seconds off an assignment."""
    if one.seconds <= 0:
        return []
    key = f"withheld:{one.assignment}:{one.epoch}:{one.root.hex()[:16]}"
    return [texts.withheld(key, one, about(one.job, one.licence))]


def reallocation(standing: Standing, job: Job, licence: int, answered_by: int) -> list[Notice]:
    """A request, and what became of it. `licence` is the one that failed, `answered_by` the next; 0: not known."""
    request = standing.request
    concerned = about(job, licence)
    asked = texts.requested(f"reallocation_requested:{request.key}", standing, job, concerned)
    if standing.state is OnChain.ANSWERED:
        key = f"reallocation_answered:{request.key}"
        return [asked, texts.answered(key, standing, job, concerned | about(job, answered_by))]
    if standing.state is OnChain.FORFEITED:
        return [asked, texts.forfeited(f"reallocation_forfeited:{request.key}", standing, job, concerned)]
    return [asked]


def funds(job: Job, now: int, spans: Spans) -> list[Notice]:
    """A job ends soon: told when the span begins, and again when a quarter of it is left."""
    step = _step(job.stop - now, spans.funds)
    if job.over or step is None or job.stop <= now:
        return []
    return [texts.funds(f"funds:{job.id}:{job.stop}:{step}", job, now, about(job))]


def credential(one: Credential, now: int, spans: Spans) -> list[Notice]:
    """A CSP's credential ends soon, or has ended."""
    step = _step(one.until - now, spans.credential)
    if one.until == 0 or step is None:
        return []
    key = f"credential:{one.account}:{one.until}:{'over' if one.until <= now else step}"
    return [texts.credential(key, one, now, About(accounts=frozenset({one.account})))]


def vetoed(one: Vetoed) -> list[Notice]:
    """A report won't become final."""
    return [texts.vetoed(f"vetoed:{one.epoch}:{one.root.hex()[:16]}", one)]


def _step(left: int, whole: int) -> int | None:
    """How often the end of a span was worth telling by now, counted from 0; None: it isn't yet."""
    if left > whole:
        return None
    return 1 if left * _STEPS <= whole else 0


@dataclass(frozen=True, slots=True)
class Interest:
    """What one subscription hears: kinds, and whom they must concern. Notices about the whole network are heard by
    everybody who hears their kind."""

    to: tuple[str, ...]
    kinds: frozenset[Kind]
    about: About = NOBODY
    everything: bool = False

    def hears(self, notice: Notice) -> bool:
        """Whether a notice is for it."""
        if notice.kind not in self.kinds:
            return False
        if self.everything or notice.about == NOBODY:
            return True
        mine, its = self.about, notice.about
        return bool(mine.accounts & its.accounts or mine.licences & its.licences or mine.jobs & its.jobs)


def recipients(notice: Notice, interests: Sequence[Interest]) -> list[str]:
    """Who hears a notice, each once, in the settings' order."""
    found: dict[str, None] = {}
    for one in interests:
        if one.hears(notice):
            found |= dict.fromkeys(one.to)
    return list(found)
