"""A job as it stands, in human words: its state, where its money is, and why some of it comes back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chain.client import Block
from chain.network import Network
from operations import reading, tokens
from operations.tokens import Token
from oracle.ground import times
from oracle.ground.address import checksummed, raw_address
from oracle.ground.ids import unpack
from oracle.ground.policy import PPM
from settlement.money import Rates

_PAGE = 200
_STATUS = ("", "frozen", "suspended", "blacklisted")
_REQUESTS = ("", "asked for", "answered", "forfeited")


@dataclass(frozen=True, slots=True)
class Refund:
    """Why money is the CSP's, in the token's smallest unit.

    not_used      of the time after it left or made the job smaller
    unmeasured    of time that nobody could measure
    withheld      its share of what the policy withheld
    unproved      of empty slots and of what nobody proved, with what rounding left: once the job is closed
    """

    not_used: int
    unmeasured: int
    withheld: int
    unproved: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.not_used + self.unmeasured + self.withheld + self.unproved


@dataclass(frozen=True, slots=True)
class Job:
    """A job: `view` are the fields of the contracts' JobView, addresses with checksums; `now` its block's time."""

    id: int
    view: dict[str, Any]
    token: Token
    rates: Rates
    now: int

    @property
    def state(self) -> str:
        """In one word."""
        if self.view["closed"]:
            return "closed"
        if self.view["leaving"]:
            return "stopped"
        if self.now >= self.view["stop"]:
            return "ended"
        return "running" if self.now >= self.view["startsAt"] else "waiting"

    @property
    def refund(self) -> Refund:
        """What came back or can be withdrawn, and why: what the Lens tells, taken apart."""
        tally, deposit = self.view["tally"], self.view["deposit"]
        not_used = deposit - ceil_cost(self.rates, self.view["funded"])
        unmeasured = self.rates.gross(tally["unmeasured"])
        withheld = self.rates.gross(tally["released"]) * self.rates.csp_share_ppm // PPM
        told = self.view["refunded"] + self.view["refundable"]
        unproved = told - not_used - unmeasured - withheld if self.view["closed"] else 0
        return Refund(not_used, unmeasured, withheld, unproved)

    @property
    def held(self) -> int:
        """Withheld and not yet released: what may still be earned by an appeal."""
        return self.rates.gross(self.view["tally"]["held"])

    @property
    def in_escrow(self) -> int:
        """What of the deposit hasn't left the escrow."""
        view = self.view
        return int(view["deposit"] - view["paid"] - view["refunded"] - view["burned"] - view["toProtocol"])

    def lines(self) -> list[tuple[str, str]]:
        """What a person wants to know."""
        view, show, refund = self.view, self.token.show, self.refund
        span = times.show_span(view["stop"] - view["startsAt"])
        back = [(refund.not_used, "time not used"), (refund.unmeasured, "unmeasured time")]
        back += [(refund.withheld, "share of withheld time"), (refund.unproved, "empty or unproved time")]
        why = ", ".join(f"{show(amount)} {name}" for amount, name in back if amount)
        return [
            ("job", f"{self.id} of account {view['account']}: {self.state}"),
            ("owner", view["owner"]),
            ("orchestrator", view["orchestrator"]),
            ("runs", f"{times.show_time(view['startsAt'])} to {times.show_time(view['stop'])} ({span})"),
            ("slots", f"{view['slots']} at {show(view['price'])} for each epoch of {self.rates.epoch_length} s"),
            ("deposit", show(view["deposit"])),
            ("paid to nodes", f"{show(view['paid'])}, of {view['tally']['earned']} earned slot-seconds"),
            ("withheld", f"{show(self.held)} still held for appeals"),
            ("burned", show(view["burned"])),
            ("protocol", show(view["toProtocol"])),
            ("refunded", f"{show(view['refunded'])}, {show(view['refundable'])} more can be withdrawn now"),
            ("comes back", why or "nothing yet"),
            ("in the escrow", show(self.in_escrow)),
        ]

    def as_json(self) -> dict[str, Any]:
        """All there is; amounts as texts of smallest units."""
        view = dict(self.view)
        amounts = "price deposit paid refunded burned toProtocol refundable burnable protocolDue".split()
        refund = self.refund
        return {
            "job": self.id,
            "state": self.state,
            **{name: str(value) if name in amounts else _plain(value) for name, value in view.items()},
            "held": str(self.held),
            "in_escrow": str(self.in_escrow),
            "comes_back": {name: str(getattr(refund, name)) for name in Refund.__slots__},
            "token": {"address": self.token.address, "symbol": self.token.symbol, "decimals": self.token.decimals},
        }


def ceil_cost(rates: Rates, seconds: int) -> int:
    """What funds so many slot-seconds: rounded up."""
    return -(-rates.price * seconds // rates.epoch_length)


def of(network: Network, job: int, block: Block | None = None) -> Job:
    """A job by number, at a block or the newest. Refused for an unknown one."""
    view = reading.struct(network, network.lens, network.lens.functions.jobOf(job), f"job {job}", block)
    return _job(network, job, view, (block or network.chain.block("latest")).timestamp, {})


def jobs_of(network: Network, accounts: Sequence[int] | None = None, block: Block | None = None) -> list[Job]:
    """All jobs of these accounts, at a block or the newest; of all accounts without them."""
    count = int(network.chain.call(network.escrow.functions.jobCount(), block))
    now, known, found = (block or network.chain.block("latest")).timestamp, dict[str, Token](), []
    for first in range(1, count + 1, _PAGE):
        views = reading.struct(network, network.lens, network.lens.functions.jobsFrom(first, _PAGE), "jobs", block)
        for number, view in enumerate(views, first):
            if accounts is None or view["account"] in accounts:
                found.append(_job(network, number, view, now, known))
    return found


def slots_of(network: Network, job: Job) -> list[dict[str, Any]]:
    """Each slot's last assignment and last request for another node, by name."""
    found: list[dict[str, Any]] = []
    for first in range(0, job.view["slots"], _PAGE):
        call = network.lens.functions.slotsOf(job.id, first, _PAGE)
        for place, one in enumerate(reading.struct(network, network.lens, call, f"slots of job {job.id}"), first):
            found.append({"slot": place, **_slot(job, one)})
    return found


def slot_line(job: Job, slot: dict[str, Any]) -> str:
    """One slot for a person."""
    text = f"slot {slot['slot']}: "
    if not slot["generation"]:
        text += "never served"
    else:
        accounted = slot["accounted"]
        uptime = f"{slot['earned'] * 100 / accounted:.2f} % of {accounted} s earned" if accounted else "nothing settled"
        until = f"until {times.show_time(slot['closed_at'])}" if slot["closed_at"] else "now"
        text += (
            f"licence {slot['licence']}, node {slot['node']}, from {times.show_time(slot['opened_at'])} {until}; "
            f"{uptime}; {job.token.show(int(slot['claimable']))} to claim"
        )
    return text + (f"; another node is {slot['request']}" if slot["request"] else "")


def _slot(job: Job, told: dict[str, Any]) -> dict[str, Any]:
    view = told["assignment"]
    return {
        "assignment": str(view["id"]),
        "generation": unpack(view["id"])[2] if view["id"] else 0,
        "licence": view["licence"],
        "node": checksummed(raw_address(view["node"])),
        "payee": checksummed(raw_address(view["payee"])),
        "opened_at": view["openedAt"],
        "closed_at": view["closedAt"],
        "earned": view["earned"],
        "accounted": view["accounted"],
        "held": view["held"],
        "claimable": str(told["claimable"]),
        "request": _REQUESTS[told["state"]],
    }


def _job(network: Network, number: int, view: dict[str, Any], now: int, known: dict[str, Token]) -> Job:
    for name in ("owner", "token", "orchestrator"):
        view[name] = checksummed(raw_address(view[name]))
    if view["token"] not in known:
        known[view["token"]] = tokens.read(network, view["token"])
    rates = Rates(view["price"], network.timing.epoch_length, network.protocol_share_ppm, view["cspSharePpm"])
    return Job(number, view, known[view["token"]], rates, now)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    return value
