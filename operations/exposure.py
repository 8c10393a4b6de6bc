"""What a committee of liars could misdirect, job by job, and what else of a network is bounded by a cap of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chain.network import Network
from operations import reading, tokens
from operations.csp import job_view
from operations.csp.job_view import Job
from operations.licences import pay
from operations.tokens import Token
from settlement.exposure import NOTHING, Exposure, Open, of_job

_PAGE = 200


@dataclass(frozen=True, slots=True)
class JobExposure:
    """One job's; `arrears` is what its payees earned and haven't fetched, which no report can lower."""

    job: Job
    exposure: Exposure
    arrears: int

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
        }


@dataclass(frozen=True, slots=True)
class Apart:
    """Something that isn't a job's deposit and has a cap of its own, in the token's smallest unit."""

    what: str
    token: Token
    cap: int
    why: str

    def as_json(self) -> dict[str, Any]:
        """The amount as text."""
        return {"what": self.what, "token": self.token.address, "cap": str(self.cap), "why": self.why}


def of_jobs(network: Network, cancel: int, only: int | None = None) -> list[JobExposure]:
    """All jobs', or one's, of which anything can still move. cancel: seconds that the CSP takes to stop its job once it
    sees a lie that is final. Refused for an unknown job, RpcError."""
    block = network.chain.block("latest")
    jobs = [job_view.of(network, only, block)] if only is not None else job_view.jobs_of(network)
    numbers = {one.id for one in jobs}
    ids = [one for one in pay.assignments_of(network, None, block=block) if one >> 64 in numbers]
    views: dict[int, list[dict[str, Any]]] = {}
    for start in range(0, len(ids), _PAGE):
        call = network.lens.functions.assignmentsOf(ids[start : start + _PAGE])
        for view in reading.struct(network, network.lens, call, "assignments", block):
            views.setdefault(view["id"] >> 64, []).append(view)
    reaction = network.timing.activation_delay + cancel
    return [
        JobExposure(
            one,
            of_job(
                one.rates,
                one.view["closed"],
                [Open(view["through"], view["stop"], view["held"]) for view in views.get(one.id, [])],
                block.timestamp,
                reaction,
            ),
            sum(one.rates.net(view["earned"]) - one.rates.net(view["claimed"]) for view in views.get(one.id, [])),
        )
        for one in jobs
    ]


def totals(found: Sequence[JobExposure]) -> list[tuple[Token, Exposure, int]]:
    """By token: the sum of exposures, and of arrears."""
    sums: dict[Token, tuple[Exposure, int]] = {}
    for one in found:
        exposure, arrears = sums.get(one.job.token, (NOTHING, 0))
        sums[one.job.token] = exposure + one.exposure, arrears + one.arrears
    return [(token, exposure, arrears) for token, (exposure, arrears) in sums.items()]


def apart(network: Network, found: Sequence[JobExposure]) -> list[Apart]:
    """What lies can reach beside jobs' deposits, each with its cap. RpcError."""
    out = []
    for token, _, arrears in totals(found):
        out.append(Apart("arrears", token, arrears, "earned and final: paid to whom it is due, whatever is reported"))
        bonds = tokens.balance(network, token, network.bonds.address)
        out.append(Apart("bonds", token, bonds, "a lie that withholds costs the penalty of the job's policy at most"))
    if int(network.chain.call(network.oracle_pay.functions.payPerEpoch())):
        pot = tokens.read(network, network.chain.call(network.oracle_pay.functions.token()))
        held = tokens.balance(network, pot, network.oracle_pay.address)
        out.append(Apart("oracles' pay", pot, held, "the pot, by seconds of membership at most"))
    own = tokens.read(network, network.network_token.address)
    calls = network.network_token.functions
    left = int(network.chain.call(calls.cap())) - int(network.chain.call(calls.minted()))
    out.append(Apart("emission", own, left, "what may ever be minted still, by the schedules and the time at most"))
    return out
