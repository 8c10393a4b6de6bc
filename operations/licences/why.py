"""Why was I paid what I was paid: an assignment's time taken apart, from the chain alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from chain.client import Block
from chain.network import Network
from operations.events import LoggedEvent, events_of
from operations.licences import pay
from operations.licences.pay import Served
from operations.policies import EVIDENCE
from oracle.ground import times
from oracle.ground.amounts import percent
from oracle.ground.policy import PPM, Policy

_OF_ASSIGNMENT: Final = ("SecondsWithheld", "HeldReleased", "Paid", "PaymentRefused")
_RELEASES: Final = ("a later report was settled", "its appeal span was over", "the network had stalled")
REASONS: Final = ("", "missed epochs", "an outage", "its licence or node is suspended or blacklisted", "maintenance")


@dataclass(frozen=True, slots=True)
class Withheld:
    """Seconds that the report of an epoch withheld, and from when on they can't come back by an appeal: once the
    report of `release_epoch` is final for a settle window, about at `release_at` (UNIX seconds)."""

    epoch: int
    seconds: int
    release_epoch: int
    release_at: int


@dataclass(frozen=True, slots=True)
class Reallocated:
    """Another node was asked for: reason as in REASONS, as of when the assignment ended (UNIX seconds)."""

    reason: str
    as_of: int


@dataclass(frozen=True, slots=True)
class Told:
    """An assignment with what became of its time. `now` is the block's time."""

    served: Served
    now: int
    withheld: tuple[Withheld, ...]
    released: tuple[tuple[int, str], ...]
    refused: int
    reallocated: Reallocated | None

    @property
    def open(self) -> int:
        """Seconds in which it was open inside the funded window, until now."""
        one = self.served
        return max(0, min(one.stop or self.now, self.now) - max(one.opened_at, one.job.view["startsAt"]))

    @property
    def unmeasured(self) -> int:
        """Settled seconds that nobody could measure, or that a report left out."""
        one = self.served
        return max(0, one.through - max(one.opened_at, one.job.view["startsAt"]) - one.accounted)

    @property
    def unsettled(self) -> int:
        """Seconds that no settled report covers yet."""
        return max(0, self.open - self.unmeasured - self.served.accounted)

    @property
    def counted_ppm(self) -> int | None:
        """The earned share of the measured time, in millionths."""
        one = self.served
        return one.earned * PPM // one.accounted if one.accounted else None

    def lines(self) -> list[str]:
        """For a person."""
        one, show, rates = self.served, self.served.job.token.show, self.served.job.rates
        ended = f"until {times.show_time(one.closed_at)}" if one.closed_at else "still open"
        out = [
            f"assignment {one.name} of licence {one.licence}, node {one.node}, job {one.job.id} ({one.job.state})",
            f"  open          {self.open} s, from {times.show_time(one.opened_at)}, {ended}",
            f"  earned        {one.earned} s: {show(rates.net(one.earned))} after the protocol's share",
            f"  withheld      {one.accounted - one.earned} s: {show(rates.gross(one.accounted - one.earned))}"
            + (f", {one.held} s still held" if one.held else ""),
        ]
        out += [f"    {text}" for text in self._reasons()]
        if self.unmeasured:
            money = show(rates.gross(self.unmeasured))
            out.append(
                f"  unmeasured    {self.unmeasured} s: too few oracles saw it, or maintenance; {money} to the CSP"
            )
        if self.unsettled:
            out.append(
                f"  not settled   {self.unsettled} s: no settled report covers them; a keeper, or anyone, settles"
            )
        out.append(f"  paid out      {show(rates.net(one.claimed))} to {one.payee}")
        out.append(f"  claimable     {show(one.claimable)}" + self._waiting())
        if self.reallocated is not None:
            when = times.show_time(self.reallocated.as_of)
            out.append(f"  reallocated   another node was asked for, since {self.reallocated.reason}, as of {when}")
        return out

    def _reasons(self) -> list[str]:
        out = []
        policy = self.served.policy
        if self.served.accounted > self.served.earned:
            out.append(self._below(policy) if policy else "the job's policy isn't known")
        for each in self.withheld:
            out.append(
                f"epoch {each.epoch}: {each.seconds} s were withheld by its report; an appeal can bring them back "
                f"until the report of epoch {each.release_epoch} is final, about {times.show_time(each.release_at)}"
                if each.release_at > self.now
                else f"epoch {each.epoch}: {each.seconds} s were withheld by its report; its appeal span is over"
            )
        out += [f"{seconds} s were withheld for good, since {why}" for seconds, why in self.released]
        return out

    def _below(self, policy: Policy) -> str:
        target, floor = policy.target_ppm, policy.floor_ppm
        ppm = self.counted_ppm or 0
        said = f"the policy pays all from {percent(target)} of the observed time on, nothing up to {percent(floor)}"
        said += f", by {EVIDENCE[policy.evidence]} ({policy.evidence})"
        if floor < target:
            said += ", linear in between"
        return f"{said}; {percent(ppm)} of the measured time was earned"

    def _waiting(self) -> str:
        one, said = self.served, ""
        if one.frozen_until:
            mark = "" if one.marked else ", once somebody marks it"
            said += f"; licence or node is frozen: it waits{mark} until {times.show_time(one.frozen_until)}"
        if self.refused:
            said += (
                f"; the token refused to pay {one.job.token.show(self.refused)}: name another recipient with "
                "`epochal licence claim --to`"
            )
        return said

    def as_json(self) -> dict[str, Any]:
        """All there is; amounts as texts of smallest units."""
        one, rates = self.served, self.served.job.rates
        return {
            "assignment": str(one.id),
            "name": one.name,
            "licence": one.licence,
            "node": one.node,
            "payee": one.payee,
            "job": one.job.id,
            "opened_at": one.opened_at,
            "closed_at": one.closed_at,
            "open": self.open,
            "settled_through": one.through,
            "earned": one.earned,
            "withheld": one.accounted - one.earned,
            "held": one.held,
            "unmeasured": self.unmeasured,
            "unsettled": self.unsettled,
            "withheld_by": [
                {"epoch": each.epoch, "seconds": each.seconds, "release_at": each.release_at} for each in self.withheld
            ],
            "released": [{"seconds": seconds, "why": why} for seconds, why in self.released],
            "evidence": one.policy.evidence if one.policy else None,
            "target_ppm": one.policy.target_ppm if one.policy else None,
            "floor_ppm": one.policy.floor_ppm if one.policy else None,
            "counted_ppm": self.counted_ppm,
            "token": one.job.token.address,
            "paid_out": str(rates.net(one.claimed)),
            "claimable": str(one.claimable),
            "frozen_until": one.frozen_until,
            "marked": one.marked,
            "payment_refused": str(self.refused),
            "reallocated": (
                {"reason": self.reallocated.reason, "as_of": self.reallocated.as_of} if self.reallocated else None
            ),
        }


def tell(network: Network, ids: Sequence[int], epochs: tuple[int, int] | None = None) -> list[Told]:
    """What became of these assignments' time; of what was withheld, only by reports of these epochs if given.
    Refused for an unknown assignment, RpcError."""
    block = network.chain.block("latest")
    found = pay.served(network, ids, block, policies=True)
    about = events_of(network, "escrow", network.escrow, _OF_ASSIGNMENT, ids, block)
    asked = events_of(network, "reallocations", network.reallocations, ("ReallocationRequested",), ids, block, place=2)
    return [_told(network, one, block, about, asked, epochs) for one in found]


def _told(
    network: Network,
    one: Served,
    block: Block,
    about: Sequence[LoggedEvent],
    asked: Sequence[LoggedEvent],
    epochs: tuple[int, int] | None,
) -> Told:
    mine = [each for each in about if each.args["assignment"] == one.id]
    withheld = tuple(
        _withheld(network, each.args["epoch"], each.args["secs"])
        for each in mine
        if each.name == "SecondsWithheld" and (epochs is None or epochs[0] <= each.args["epoch"] <= epochs[1])
    )
    released = tuple(
        (each.args["secs"], _RELEASES[each.args["reason"]]) for each in mine if each.name == "HeldReleased"
    )
    payments = [each for each in mine if each.name in ("Paid", "PaymentRefused")]
    refused = payments[-1].args["amount"] if payments and payments[-1].name == "PaymentRefused" else 0
    request = next((each for each in asked if each.args["assignment"] == one.id), None)
    reallocated = None
    if request is not None:
        reason = request.args["reason"]
        reallocated = Reallocated(REASONS[reason] if reason < len(REASONS) else str(reason), request.args["asOf"])
    return Told(one, block.timestamp, withheld, released, refused, reallocated)


def _withheld(network: Network, epoch: int, seconds: int) -> Withheld:
    # As the contracts' `Accrual.bucket` and `releaseEpoch` reckon.
    width = max(1, network.appeal_epochs)
    last = (epoch // width + 1) * width + network.appeal_epochs
    timing = network.timing
    final = timing.genesis + (last + 1) * timing.epoch_length + timing.settle_delay + timing.activation_delay
    return Withheld(epoch, seconds, last, final + network.settle_window)
