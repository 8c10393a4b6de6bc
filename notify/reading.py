"""Reading from the chain what rules look at: jobs, who serves them, what was withheld, vetoed and asked for."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from chain.client import Block
from chain.network import Network, named
from chain.recent_events import RecentEvents, Told
from notify.facts import Credential, Job, Serving, Vetoed, Withheld
from notify.notice import About
from oracle.ground.policy import EVIDENCE_CODES, Policy
from settlement.books import Terms, terms_of
from settlement.reallocations.reading import Requests
from settlement.reallocations.requests import Standing

_PAGE: Final = 200
_CODES: Final = {code: name for name, code in EVIDENCE_CODES.items()}


@dataclass(frozen=True, slots=True)
class Scope:
    """Whom anyone asked about; `everything`: all of the network."""

    about: About
    everything: bool


@dataclass(frozen=True, slots=True)
class ChainFacts:
    """What the chain says in the state of `block`, of what is in scope. `licences`: who serves or served each
    assignment. Withheld, vetoed and requests are those that are not too old to tell."""

    block: Block
    jobs: dict[int, Job]
    served: list[Serving]
    licences: dict[int, int]
    withheld: list[Withheld]
    vetoed: list[Vetoed]
    requests: list[Standing]
    credentials: list[Credential]


class ChainReader:
    """Looks at a network again and again. `folder` keeps finalized events; None: memory."""

    def __init__(self, network: Network, folder: Path | None, oldest: int) -> None:
        """`oldest`: seconds; of older events nothing is told."""
        self._network = network
        self._oldest = oldest
        contracts = {"escrow": network.escrow, "attestations": network.attestations}
        self._events = RecentEvents(folder / "events.sqlite" if folder else None, network, contracts)
        self._requests = Requests(network, folder / "requests.sqlite" if folder else None)
        self._terms: dict[int, Terms] = {}
        self._closed: dict[int, Job] = {}

    def close(self) -> None:
        """Close the files."""
        self._events.close()
        self._requests.close()

    def members(self) -> set[str]:
        """The oracles in force, lower-case addresses. RpcError."""
        calls = self._network.attestations.functions
        version = self._network.chain.call(calls.committeeInForce())[0]
        return {str(one).lower() for one in self._network.chain.call(calls.committee(version))[0]}

    def look(self, scope: Scope) -> ChainFacts:
        """What the chain says now. RpcError, ChainUnsettled, EndpointsDisagree: look again."""
        newest = self._events.look()
        created = {one.args["job"]: one.args for one in self._events.events(["JobCreated"])}
        opened = {one.args["assignment"]: one.args for one in self._events.events(["AssignmentOpened"])}
        licences = {key: int(one["licence"]) for key, one in opened.items()}
        wanted = self._wanted(scope, created, licences)
        jobs = {number: self._job(number, created[number]) for number in sorted(wanted)}
        closed = {one.args["assignment"] for one in self._events.events(["AssignmentClosed"])}
        open_ones = [key for key in opened if key not in closed and key >> 64 in jobs]
        first = self._first_block(newest)
        recent = self._events.events(["SecondsWithheld", "ReportVetoed"])
        _, standings = self._requests.look()
        return ChainFacts(
            block=newest,
            jobs=jobs,
            served=self._served(open_ones, jobs, newest),
            licences=licences,
            withheld=[
                self._withheld(one, jobs, licences)
                for one in recent
                if one.name == "SecondsWithheld" and one.block >= first and one.args["assignment"] >> 64 in jobs
            ],
            vetoed=[self._vetoed(one) for one in recent if one.name == "ReportVetoed" and one.block >= first],
            requests=[one for one in standings if one.request.block >= first and one.request.job in jobs],
            credentials=self._credentials(scope, jobs, newest),
        )

    def _wanted(self, scope: Scope, created: dict[int, Any], licences: dict[int, int]) -> set[int]:
        if scope.everything:
            return set(created)
        mine = scope.about
        found = {number for number, one in created.items() if one["account"] in mine.accounts or number in mine.jobs}
        return found | {key >> 64 for key, licence in licences.items() if licence in mine.licences}

    def _job(self, number: int, created: dict[str, Any]) -> Job:
        if number in self._closed:
            return self._closed[number]
        known = self._network.job(number)
        if number not in self._terms:
            self._terms[number] = terms_of(self._network, number)
        terms = self._terms[number]
        values = list(created["details"]["policy"].values())
        policy = Policy(_CODES[values[0]], *values[1:])
        over = bool(known["leaving"] or known["closed"])
        return Job(*(number, created["account"], known["slots"], known["stop"], over, policy, terms.rates, terms.token))

    def _served(self, keys: Sequence[int], jobs: dict[int, Job], block: Block) -> list[Serving]:
        lens, found = self._network.lens, []
        for start in range(0, len(keys), _PAGE):
            function = lens.functions.assignmentsOf(list(keys[start : start + _PAGE]))
            for value in self._network.chain.call(function, block):
                one = named(lens, "assignmentsOf", value)
                if block.timestamp < one["stop"]:
                    job = jobs[one["id"] >> 64]
                    found.append(Serving(one["id"], one["licence"], one["node"].lower(), one["openedAt"], job))
        return found

    def _withheld(self, told: Told, jobs: dict[int, Job], licences: dict[int, int]) -> Withheld:
        args = told.args
        key, epoch = args["assignment"], args["epoch"]
        ends_at = self._network.clock(1).end(epoch)
        return Withheld(
            *(key, epoch, bytes(args["root"]), args["secs"], licences.get(key, 0), jobs[key >> 64], ends_at)
        )

    def _vetoed(self, told: Told) -> Vetoed:
        epoch = told.args["epoch"]
        return Vetoed(epoch, bytes(told.args["root"]), self._network.clock(1).end(epoch))

    def _credentials(self, scope: Scope, jobs: dict[int, Job], block: Block) -> list[Credential]:
        """Of accounts with a job in scope, and of those that were named."""
        network = self._network
        kinds = network.credential_kinds
        accounts: Collection[int] = {job.account for job in jobs.values()} | scope.about.accounts
        found = []
        for account in sorted(accounts) if kinds else []:
            function = network.lens.functions.cspOf(account, network.addresses.token, kinds)
            told = named(network.lens, "cspOf", network.chain.call(function, block))
            found.append(Credential(account, told["credentialUntil"]))
        return found

    def _first_block(self, newest: Block) -> int:
        """The first block whose events are young enough to be told. Looked for once an hour."""
        time = (newest.timestamp - self._oldest) // 3_600 * 3_600
        found = self._network.chain.anchor(time)
        return found.number if found else 0
