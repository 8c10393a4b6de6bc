"""The notices' words: what happened, what it costs, what to do. Plain text, no markup. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from notify.facts import Credential, Job, Serving, Vetoed, Window, Withheld
from notify.notice import About, Kind, Notice
from oracle.ground.ids import show_assignment
from oracle.ground.policy import PPM
from oracle.ground.times import show_span, show_time
from settlement.reallocations.requests import REASONS, Standing

_HOUR = 3_600


def node_down(key: str, served: Sequence[Serving], since: int, heard: bool, now: int, concerned: About) -> Notice:
    """`since`: when it was last heard, or when it began to serve if it wasn't `heard`."""
    first = served[0]
    said = (
        f"was last heard at {show_time(since)}" if heard else f"hasn't been heard since it serves ({show_time(since)})"
    )
    serves = ", ".join(show_assignment(one.assignment) for one in served)
    hourly = "; ".join(f"{one.job.cost(_HOUR)} for job {one.job.id}" for one in served)
    ends = [f"job {one.job.id} after {show_span(one.job.policy.outage_seconds)}" for one in served if _outage(one)]
    asked = f" Another node is asked for: {', '.join(ends)} of outage within an epoch." if ends else ""
    return Notice(
        key,
        Kind.NODE_DOWN,
        since,
        concerned,
        f"Node of licence {first.licence} is silent for {show_span(now - since)}",
        f"Node {first.node} of licence {first.licence} {said}: too few oracles have acknowledged a heartbeat since. "
        f"It serves {serves}.",
        f"every hour down takes up to {hourly} of what could be earned, once the allowance of the policy is used up."
        f"{asked}",
        "Whoever runs the node: see that the machine is up, that `epochal node run` runs and reaches the oracles "
        "(its log names each), and that its clock is right. Whoever pays for the job: nothing yet; if another node is "
        "asked for, you are told.",
        {"licence": first.licence, "node": first.node, "since": since, "assignments": serves},
    )


def _outage(one: Serving) -> bool:
    return one.job.policy.outage_seconds > 0


def at_risk(key: str, one: Serving, window: Window, allowed: int, withheld: int, concerned: About) -> Notice:
    """`withheld`: seconds that the window loses by policy even if nothing more is lost."""
    missed = window.lost > allowed
    target = f"{one.job.policy.target_ppm * 100 / PPM:g} %"
    name = show_assignment(one.assignment)
    title = (
        f"Assignment {name} has missed its target" if missed else f"Assignment {name} is at risk of missing its target"
    )
    basis = "heartbeats" if one.job.policy.evidence == "liveness" else "heartbeats; the job counts another evidence"
    return Notice(
        key,
        Kind.AT_RISK,
        window.seen,
        concerned,
        title,
        f"By {basis}, licence {one.licence} lost {show_span(window.lost)} of the policy window from "
        f"{show_time(window.start)} to {show_time(window.end)}. The target of {target} allows {show_span(allowed)}.",
        f"if nothing more is lost, {show_span(withheld)} are withheld: {one.job.cost(withheld)}."
        if withheld
        else f"nothing yet. Beyond {show_span(allowed)} money is withheld.",
        "Whoever runs the node: find what interrupts it (`epochal explain NODE` shows each lost tick and why), and "
        "keep its receipts; what oracles acknowledged and a report left out is appealed with `epochal node appeal`.",
        {
            "assignment": name,
            "licence": one.licence,
            "lostSeconds": window.lost,
            "allowedSeconds": allowed,
            "withheldSeconds": withheld,
            "windowStart": window.start,
            "windowEnd": window.end,
        },
    )


def withheld(key: str, one: Withheld, concerned: About) -> Notice:
    """A settlement of a final report withheld money."""
    name, job, who = show_assignment(one.assignment), one.job, one.licence or "unknown"
    back = job.rates.gross(one.seconds) * job.rates.csp_share_ppm // PPM
    return Notice(
        key,
        Kind.WITHHELD,
        one.ends_at,
        concerned,
        f"{job.cost(one.seconds)} of assignment {name} withheld",
        f"The report of epoch {one.epoch} withheld {show_span(one.seconds)} of assignment {name} (licence {who})"
        f" of job {job.id}.",
        f"{job.cost(one.seconds)} aren't paid to the node. After the appeal span {job.token.show(back)} return to the "
        "CSP and the rest is burned.",
        f"Whoever runs the node: `epochal explain NODE {one.epoch}` tells which ticks were lost and why. If the node "
        f"was heard then, `epochal node appeal` brings the receipts that its agent kept; it must come before the "
        f"appeal span is over. Whoever pays: nothing, the money comes back by itself.",
        {"assignment": name, "epoch": one.epoch, "seconds": one.seconds, "amount": str(job.rates.gross(one.seconds))},
    )


def requested(key: str, standing: Standing, job: Job, concerned: About) -> Notice:
    """The committee asked for another node."""
    one = standing.request
    name = show_assignment(one.assignment)
    return Notice(
        key,
        Kind.REALLOCATION_REQUESTED,
        one.as_of,
        concerned,
        f"Job {one.job} needs another node in slot {one.slot}",
        f"The oracles asked for another node in slot {one.slot} of job {one.job}, because of {_reason(standing)}. "
        f"Assignment {name} is closed as of {show_time(one.as_of)}. The orchestrator may answer until "
        f"{show_time(one.deadline)}.",
        f"the closed assignment earns nothing from {show_time(one.as_of)} on, which is {job.cost(_HOUR)} an hour. "
        f"While the slot is empty nobody is paid, and that money is the CSP's.",
        "Whoever runs the failed node: stop the workload if the agent didn't; the licence may serve this slot again "
        "after the cooldown. Whoever runs the orchestrator: see that it answers (`epochal reallocation list`).",
        _facts(standing),
    )


def answered(key: str, standing: Standing, job: Job, concerned: About) -> Notice:
    """The slot has another node."""
    one = standing.request
    by = f" by assignment {show_assignment(standing.answer)}" if standing.answer else ""
    return Notice(
        key,
        Kind.REALLOCATION_ANSWERED,
        one.as_of,
        concerned,
        f"Slot {one.slot} of job {one.job} is served again",
        f"The request for another node because of {_reason(standing)} was answered{by}.",
        f"nothing further: old and new node are each paid for their own seconds, at {job.cost(_HOUR)} an hour.",
        "Nothing. The CSP may look whether the application answers.",
        _facts(standing),
    )


def forfeited(key: str, standing: Standing, job: Job, concerned: About) -> Notice:
    """Nobody answered in time."""
    one = standing.request
    return Notice(
        key,
        Kind.REALLOCATION_FORFEITED,
        one.deadline,
        concerned,
        f"Slot {one.slot} of job {one.job} stays empty",
        f"No other node was named for slot {one.slot} of job {one.job} until {show_time(one.deadline)}; the request "
        f"was because of {_reason(standing)}.",
        f"the application runs with one replica less. The slot's money, {job.cost(_HOUR)} an hour, is the CSP's.",
        "Whoever pays for the job: see why the orchestrator didn't answer, then give it the slot back "
        f"(`epochal job reopen {one.job} {one.slot}`, by the account's owner or a delegate who may place), or shrink "
        "or cancel the job.",
        _facts(standing),
    )


def funds(key: str, job: Job, now: int, concerned: About) -> Notice:
    """The paid window ends."""
    day = 86_400
    return Notice(
        key,
        Kind.FUNDS,
        now,
        concerned,
        f"Job {job.id} is paid for {show_span(job.stop - now)} more",
        f"What was paid for job {job.id} lasts until {show_time(job.stop)}; then its {job.slots} slots end, and nodes "
        "stop what they run for it.",
        f"to go on costs {job.cost(day, job.slots)} a day.",
        f"Whoever pays: extend it before then (`epochal job extend {job.id}`); afterwards it can't be extended, only "
        "made anew. If it shall end, nothing is to be done.",
        {"stop": job.stop, "slots": job.slots, "perDay": str(job.rates.gross(day * job.slots))},
    )


def credential(key: str, one: Credential, now: int, concerned: About) -> Notice:
    """A CSP won't be able to put money in."""
    over = one.until <= now
    left = "has run out" if over else f"runs out in {show_span(one.until - now)}"
    return Notice(
        key,
        Kind.CREDENTIAL,
        min(one.until, now),
        concerned,
        f"The credential of account {one.account} {left}",
        f"The credential with which account {one.account} may put money in {'ended' if over else 'ends'} at "
        f"{show_time(one.until)}.",
        "nothing is lost: what runs goes on and refunds are paid. But without it no job can be created, extended or "
        "enlarged, so jobs end when their money does.",
        "Whoever owns the account: have a verifier issue a new one and present it.",
        {"account": one.account, "until": one.until},
    )


def vetoed(key: str, one: Vetoed) -> Notice:
    """The guardian stopped a report."""
    return Notice(
        key,
        Kind.VETOED,
        one.ends_at,
        About(),
        f"The report of epoch {one.epoch} was vetoed",
        f"The guardian vetoed the oracles' report of epoch {one.epoch}, with root 0x{one.root.hex()}.",
        "nothing is lost: the seconds of the epoch come with a later report, for that epoch or a later one. Payment "
        "for them is late.",
        f"Compare it yourself: `epochal verify {one.epoch}` recomputes a report from its evidence. A later report of "
        f"the same epoch can't be vetoed.",
        {"epoch": one.epoch, "root": "0x" + one.root.hex()},
    )


def _reason(standing: Standing) -> str:
    return REASONS.get(standing.request.reason, f"reason {standing.request.reason}")


def _facts(standing: Standing) -> dict[str, int | str]:
    one = standing.request
    return {
        "request": one.key,
        "assignment": show_assignment(one.assignment),
        "slot": one.slot,
        "reason": _reason(standing),
        "asOf": one.as_of,
        "deadline": standing.deadline,
        "state": standing.state.value,
        "answer": show_assignment(standing.answer) if standing.answer else "",
    }
