"""Bringing earned pay home: many assignments at once, in pages below a gas cap."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from web3.contract.contract import ContractFunction
from web3.logs import DISCARD
from web3.types import TxReceipt

from chain.errors import ContractReverted
from chain.network import Network
from operations import tokens
from operations.licences import pay
from operations.licences.pay import Served
from operations.plans import Plan, PlannedCall
from operations.refusals import explained
from operations.simulating import try_calls
from oracle.ground import times
from oracle.ground.errors import EpochalError, UserError
from settlement.planning import gas

_EACH: Final = gas.CLAIM
"""Gas of one claimed assignment, at most: as if each were of another job."""


class NothingToClaim(UserError):
    """No pay is due to the key."""


class PaymentsWait(EpochalError):
    """Pay is due and can't be had now."""


@dataclass(frozen=True, slots=True)
class _Group:
    """Assignments with one token."""

    token: str
    due: list[Served]

    @property
    def units(self) -> int:
        return sum(one.claimable for one in self.due)


def claiming(
    network: Network,
    key: str,
    licences: Sequence[int],
    to: str | None,
    everybody: bool,
    max_gas: int,
) -> Plan:
    """Have paid what these licences' assignments (none: all of the key's) earned, to the key, or to `to`.

    `everybody`: pay other payees of the licences too. Left out, and told, is what waits for a freeze and what a token
    refuses to pay. NothingToClaim, PaymentsWait, Refused.
    """
    wanted = None if everybody and licences else key
    ids = pay.assignments_of(network, list(licences) or None, wanted)
    found = pay.served(network, ids)
    due = [one for one in found if one.claimable]
    if not due:
        raise NothingToClaim(_nothing(network, key, licences, found))
    facts: list[tuple[str, str]] = []
    waiting = [one for one in due if one.waits]
    if waiting:
        last = max(one.frozen_until for one in waiting)
        names = ", ".join(sorted({str(one.licence) for one in waiting}))
        text = f"licence {names} or its node is frozen: it is paid after {times.show_time(last)}"
        if len(waiting) == len(due):
            raise PaymentsWait(
                f"{text}; nothing else is due. Look at `epochal licence status {waiting[0].licence}`, appeal there, or "
                "run the command again then"
            )
        facts.append(("waits", text))
    groups = _groups([one for one in due if not one.waits])
    payable, refusals = [], []
    for group in groups:
        refused = _refused(network, group, to)
        if refused is None:
            payable.append(group)
        else:
            refusals.append((group, refused))
    if not payable:
        raise refusals[0][1]
    facts += [(tokens.read(network, group.token).symbol + " refused", str(why)) for group, why in refusals]
    return _plan(network, key, payable, to, max_gas, facts)


def paid(network: Network, receipts: Sequence[TxReceipt]) -> tuple[dict[str, int], list[int]]:
    """What these transactions paid, by token, and the assignments whose payment a token refused or a freeze holds."""
    events, amounts = network.escrow.events, defaultdict[str, int](int)
    kept: list[int] = []
    jobs: dict[int, str] = {}
    for receipt in receipts:
        for one in events.Paid().process_receipt(receipt, errors=DISCARD):
            job = one["args"]["assignment"] >> 64
            if job not in jobs:
                jobs[job] = str(network.job(job)["token"])
            amounts[jobs[job]] += one["args"]["amount"]
        for kind in (events.PaymentRefused(), events.PaymentWaits()):
            kept += [one["args"]["assignment"] for one in kind.process_receipt(receipt, errors=DISCARD)]
    return dict(amounts), kept


def _plan(
    network: Network, key: str, groups: Sequence[_Group], to: str | None, max_gas: int, facts: list[tuple[str, str]]
) -> Plan:
    chosen = [one for group in groups for one in group.due]
    sums = [(tokens.read(network, group.token), group) for group in groups]
    told = [("is paid", ", ".join(token.show(group.units) for token, group in sums))]
    recipients = sorted({one.payee for one in chosen}) if to is None else [to]
    told.append(("to", ", ".join(recipients)))
    for licence in sorted({one.licence for one in chosen}):
        parts = [one.job.token.show(one.claimable) for one in chosen if one.licence == licence]
        told.append((f"licence {licence}", " + ".join(parts)))
    size = max(1, (max_gas - gas.TRANSACTION) // _EACH)
    calls = []
    for start in range(0, len(chosen), size):
        ids = [one.id for one in chosen[start : start + size]]
        label = f"claim the pay of {len(ids)} assignment{'s' if len(ids) > 1 else ''}"
        calls.append(PlannedCall.of(label, _function(network, ids, to)))
    title = f"Claim {', '.join(token.show(group.units) for token, group in sums)}"
    foreign = to is not None and to.lower() != key.lower()
    return Plan(title, tuple(calls), (*told, *facts), moves_money=foreign)


def _function(network: Network, ids: list[int], to: str | None) -> ContractFunction:
    functions = network.escrow.functions
    return functions.claim(ids) if to is None else functions.claimTo(ids, to)


def _refused(network: Network, group: _Group, to: str | None) -> EpochalError | None:
    """Why the token wouldn't pay; `claim` itself says so by an event alone, when its gas is spent."""
    by_payee: dict[str, list[int]] = defaultdict(list)
    for one in group.due:
        by_payee[one.payee].append(one.id)
    for payee, ids in by_payee.items():
        call = PlannedCall.of(f"claim for {payee}", network.escrow.functions.claimTo(ids[:1], to or payee))
        try:
            try_calls(network.chain, payee, [call])
        except ContractReverted as error:
            return explained(network, error)
    return None


def _groups(due: Sequence[Served]) -> list[_Group]:
    found: dict[str, list[Served]] = {}
    for one in due:
        found.setdefault(one.job.token.address, []).append(one)
    return [_Group(token, found[token]) for token in sorted(found)]


def _nothing(network: Network, key: str, licences: Sequence[int], found: Sequence[Served]) -> str:
    which = (
        f"licence{'s' if len(licences) > 1 else ''} {', '.join(map(str, licences))}" if licences else "your licences"
    )
    example = licences[0] if licences else "LICENCE"
    if licences and not found:
        others = [one for one in pay.served(network, pay.assignments_of(network, list(licences))) if one.claimable]
        if others:
            payees = ", ".join(sorted({one.payee for one in others}))
            return (
                f"nothing of {which} is due to {key}; {payees} held it when it was served and is paid: use that "
                "key, or pay them with --everybody"
            )
    if not found:
        return f"nothing is due to {key} of {which}: no assignment was opened while it held them"
    unsettled = any(not one.closed_at or one.through < one.stop for one in found)
    hint = (
        "; what was served since isn't settled yet: `epochal keeper run` does it, or wait for one" if unsettled else ""
    )
    return f"nothing is due to {key} of {which}{hint}. `epochal licence why {example}` tells where each second went"
