"""What a committee of liars could misdirect, job by job, and what else of a network is bounded by a cap of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from chain.client import Block
from chain.network import Network
from operations import duty, reading, tokens
from operations.csp import job_view
from operations.csp.job_view import Job
from operations.events import events_of
from operations.licences import pay
from operations.tokens import Token
from oracle.ground.errors import UserError
from settlement.exposure import NOTHING, Exposure, Funded, Open, mintable, of_job, penalties

_PAGE: Final = 200
_KINDS: Final = (1, 2, 3)  # standard, master, genesis


class LogsMissing(UserError):
    """The chain's endpoint doesn't tell of all assignments."""


@dataclass(frozen=True, slots=True)
class JobExposure:
    """One job's, in the token's smallest unit. `arrears`: what its payees earned and haven't fetched, which no report
    can lower. `penalties`: what its nodes' bonds would lose at most if lies withheld all of it, whatever is in them."""

    job: Job
    exposure: Exposure
    arrears: int
    penalties: int

    def as_json(self) -> dict[str, Any]:
        """Amounts as texts of smallest units."""
        one = self.exposure
        return {
            "job": self.job.id,
            "token": self.job.token.address,
            "unsettled": str(one.unsettled),
            "held": str(one.held),
            "coming": str(one.coming),
            "total": str(one.total),
            "arrears": str(self.arrears),
            "penalties": str(self.penalties),
        }


@dataclass(frozen=True, slots=True)
class Found:
    """Jobs' exposures at one block's time, `now`. delay: seconds until a report of lies that is told now is final."""

    now: int
    delay: int
    jobs: list[JobExposure]

    def totals(self) -> list[tuple[Token, Exposure]]:
        """By token, the sum."""
        sums: dict[Token, Exposure] = {}
        for one in self.jobs:
            sums[one.job.token] = sums.get(one.job.token, NOTHING) + one.exposure
        return list(sums.items())


@dataclass(frozen=True, slots=True)
class Apart:
    """Something that isn't a job's deposit, in the token's smallest unit: lies could take `at_risk` of it, as things
    are now, and never more than `cap`."""

    what: str
    token: Token
    at_risk: int
    cap: int
    why: str

    def as_json(self) -> dict[str, Any]:
        """Amounts as texts."""
        told = {"what": self.what, "token": self.token.address, "at_risk": str(self.at_risk), "cap": str(self.cap)}
        return {**told, "why": self.why}


def of_jobs(network: Network, cancel: int, only: int | None = None) -> Found:
    """All jobs', or one's. cancel: seconds that a CSP takes to stop its job once it sees a lie that is final. Refused
    for an unknown job, LogsMissing, RpcError."""
    block = network.chain.block("latest")
    jobs = job_view.jobs_of(network, None, block) if only is None else [job_view.of(network, only, block)]
    views: dict[int, list[dict[str, Any]]] = {one.id: [] for one in jobs}
    ids = [one for one in pay.assignments_of(network, None, block=block) if one >> 64 in views]
    for start in range(0, len(ids), _PAGE):
        call = network.lens.functions.assignmentsOf(ids[start : start + _PAGE])
        for view in reading.struct(network, network.lens, call, "assignments", block):
            views[view["id"] >> 64].append(view)
    delay = _final_after(network, block)
    return Found(
        block.timestamp,
        delay,
        [_of_job(network, one, views[one.id], block, delay + cancel) for one in jobs],
    )


def apart(network: Network, found: Found) -> list[Apart]:
    """What lies could reach beside jobs' deposits, each with its cap. RpcError."""
    out = []
    for token, _ in found.totals():
        jobs = [one for one in found.jobs if one.job.token == token]
        arrears = sum(one.arrears for one in jobs)
        out.append(Apart("arrears", token, 0, arrears, "earned and booked, not fetched: no report lowers them"))
        taken = int(network.chain.call(network.bonds.functions.burnable(token.address)))
        held = max(0, tokens.balance(network, token, network.bonds.address) - taken)
        why = "penalties of the jobs' policies, if lies withheld all of the above"
        out.append(Apart("bonds", token, min(held, sum(one.penalties for one in jobs)), held, why))
    money = duty.pot(network)
    if money.per_epoch:
        why = "the pot, by seconds of membership"
        out.append(Apart("oracles' pay", money.token, money.balance, money.balance, why))
    return [*out, _emission(network, found.now + network.timing.attestable_span)]


def _of_job(network: Network, job: Job, views: Sequence[dict[str, Any]], block: Block, reaction: int) -> JobExposure:
    view, tally = job.view, job.view["tally"]
    booked = tally["earned"] + tally["released"] + tally["held"]
    told = sum(one["accounted"] for one in views)
    if told != booked or not {one["id"] for one in views}.issuperset(_latest(network, job, block)):
        raise LogsMissing(
            f"job {job.id}: the logs at {network.chain.where} don't tell of all its assignments: give an --rpc that "
            f"keeps the logs of all blocks since the network's first, {network.addresses.first_block}"
        )
    exposure = of_job(
        job.rates,
        Funded(
            view["slots"], view["startsAt"], view["stop"], view["funded"] - booked - tally["unmeasured"], view["closed"]
        ),
        [Open(one["through"], one["stop"], one["held"]) for one in views],
        block.timestamp,
        reaction,
    )
    arrears = sum(job.rates.net(one["earned"]) - job.rates.net(one["claimed"]) for one in views)
    return JobExposure(job, exposure, arrears, penalties(exposure, view["penaltyPpm"], len(views)))


def _latest(network: Network, job: Job, block: Block) -> set[int]:
    """The last assignment of each slot."""
    found: set[int] = set()
    for first in range(0, job.view["slots"], _PAGE):
        call = network.lens.functions.latestIn(job.id, first, min(_PAGE, job.view["slots"] - first))
        found.update(reading.read(network, call, f"slots of job {job.id}", block))
    return found - {0}


def _final_after(network: Network, block: Block) -> int:
    """Seconds from a report's submission until it is final: longer where the next epoch's was vetoed before."""
    timing = network.timing
    last, _, final_at = network.chain.call(network.attestations.functions.lastFinal(), block)
    following = last + 1 if final_at else 0
    # A veto that still counts is of a report of that epoch or a later one, so it came after the epoch's end.
    over = timing.genesis + (following + 1) * timing.epoch_length
    first = (network.chain.anchor(over) or network.chain.finalized()).number
    events = events_of(network, "attestations", network.attestations, ("ReportVetoed",), None, block, first=first)
    vetoed = any(one.args["epoch"] >= following for one in events)
    return timing.review_delay if vetoed else timing.activation_delay


def _emission(network: Network, until: int) -> Apart:
    """Of rewards, if lies said until then that all licences had been available ever since their schedules started."""
    risk = cap = 0
    rewards = network.rewards
    for kind in _KINDS:
        curve = reading.struct(network, rewards, rewards.functions.curveOf(kind))
        if not curve["startsAt"]:
            continue
        limit, minted = network.chain.call(network.licences.functions.supplyOf(kind))
        most = int(network.chain.call(rewards.functions.emission(kind, max(0, until - curve["startsAt"]))))
        risk += mintable(most, minted, limit * curve["cap"] - curve["left"], curve["left"])
        cap += curve["left"]
    why = "by the schedules, if all licences had been available until an attestable span from now"
    return Apart("emission", tokens.read(network, network.network_token.address), risk, cap, why)
