"""What oracles are paid for their duty: booked, settled from a report, claimed, and sent elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from web3.logs import DISCARD
from web3.types import TxReceipt

from chain.network import Network
from operations import reading, tokens
from operations.plans import Plan, PlannedCall
from operations.report_leaves import FoundLeaf
from operations.tokens import Token
from oracle.ground import times
from oracle.ground.address import checksummed, raw_address
from oracle.ground.errors import EpochalError, UserError

_ORACLE: Final = 4
_FROZEN: Final = 1


class NothingDue(UserError):
    """No pay is due to these members."""


class NoMember(UserError):
    """An address that was never admitted as an oracle."""


class PayWaits(EpochalError):
    """Pay is due and can't be had now."""


@dataclass(frozen=True, slots=True)
class Duty:
    """A member's duty: seconds are cumulative and booked, `through` is UNIX seconds, amounts in smallest units."""

    member: str
    through: int
    accounted: int
    earned: int
    paid: int
    owed: int
    recipient: str

    def text(self, token: Token) -> str:
        """One line for a person."""
        elsewhere = "" if self.recipient == self.member else f", to {self.recipient}"
        return (
            f"{self.member}: {self.earned} of {self.accounted} s earned, booked up to {times.show_time(self.through)}; "
            f"{token.show(self.paid)} paid, {token.show(self.owed)} to claim{elsewhere}"
        )

    def as_json(self) -> dict[str, Any]:
        """All fields; amounts as texts."""
        return {**asdict(self), "paid": str(self.paid), "owed": str(self.owed)}


@dataclass(frozen=True, slots=True)
class Pot:
    """What pay comes from, in smallest units: its balance, and what it keeps for duty that may still be proved."""

    token: Token
    per_epoch: int
    balance: int
    reserve: int


def pot(network: Network) -> Pot:
    """The network's pot. RpcError."""
    functions = network.oracle_pay.functions
    token = tokens.read(network, network.chain.call(functions.token()))
    return Pot(
        token,
        int(network.chain.call(functions.payPerEpoch())),
        tokens.balance(network, token, network.oracle_pay.address),
        int(network.chain.call(functions.reserve())),
    )


def in_force(network: Network) -> list[str]:
    """The members of the committee in force."""
    version = network.chain.call(network.attestations.functions.committeeInForce())[0]
    return [_written(one) for one in network.chain.call(network.registry.functions.membersOf(version))]


def duties(network: Network, members: Sequence[str]) -> list[Duty]:
    """These members' duty and pay. NoMember."""
    found = []
    for member in members:
        if not int(network.chain.call(network.registry.functions.signerOf(member)), 16):
            raise NoMember(
                f"{member} is no oracle of this network: give the member's address, not that of the key which signs "
                "reports; `epochal duty show` lists the members in force"
            )
        told = reading.struct(network, network.oracle_pay, network.oracle_pay.functions.dutyOf(member), member)
        found.append(
            Duty(
                _written(member),
                told["through"],
                told["accounted"],
                told["earned"],
                told["paid"],
                told["owed"],
                _written(told["recipient"]),
            )
        )
    return found


def claiming(network: Network, members: Sequence[str], leaves: Mapping[int, FoundLeaf]) -> Plan:
    """Settle what leaves are at hand of these members, and have them paid. Anyone may.

    NothingDue, PayWaits, NoMember.
    """
    functions, money = network.oracle_pay.functions, pot(network)
    known = duties(network, members)
    new = [
        (one, leaf)
        for one in known
        if (leaf := leaves.get(int(one.member, 16))) is not None and leaf.earned > one.earned
    ]
    due = [one for one in known if one.owed or one in [each for each, _ in new]]
    if not due:
        why = "" if money.per_epoch else " This network pays oracles nothing."
        raise NothingDue(f"nothing is due to {', '.join(one.member for one in known)}.{why}")
    frozen = [one for one in due if _frozen_until(network, one.member)]
    paid = [one for one in due if one not in frozen]
    if not paid:
        until = _frozen_until(network, frozen[0].member)
        raise PayWaits(
            f"{frozen[0].member} is frozen until {times.show_time(until)}: its pay waits; run the command again then"
        )
    settles = [
        PlannedCall.of(
            f"settle the duty of {one.member} by the report of epoch {leaf.epoch}",
            functions.settle(leaf.epoch, one.member, leaf.earned, leaf.accounted, list(leaf.proof)),
        )
        for one, leaf in new
    ]
    claim = PlannedCall.of(f"pay {len(paid)} oracles", functions.claim([one.member for one in paid]))
    owed = sum(one.owed for one in paid)
    facts = [
        ("due", f"{money.token.show(owed)} as booked now"),
        ("in the pot", money.token.show(money.balance)),
        *((one.member, f"to {one.recipient}") for one in paid if one.recipient != one.member),
    ]
    if settles:
        facts.append(("settles", f"the duty of {len(settles)} oracles, which may add to it"))
    if frozen:
        facts.append(("waits", f"{', '.join(one.member for one in frozen)}, frozen"))
    return Plan("Pay oracles for their duty", (*settles, claim), tuple(facts))


def redirecting(network: Network, key: str, recipient: str) -> Plan:
    """Have the key's pay go to another address; its own: to itself again. NoMember, NothingDue."""
    (one,) = duties(network, [key])
    if one.recipient == _written(recipient):
        raise NothingDue(f"the pay of {key} goes to {recipient} already: nothing was sent")
    own = recipient.lower() == key.lower()
    call = network.oracle_pay.functions.setRecipient("0x" + "00" * 20 if own else recipient)
    token = tokens.read(network, network.chain.call(network.oracle_pay.functions.token()))
    facts = (("now", one.recipient), ("from now on", recipient), ("due by now", token.show(one.owed)))
    return Plan(
        "Send an oracle's pay elsewhere",
        (PlannedCall.of(f"send the pay of {key} to {recipient}", call),),
        facts,
        moves_money=not own,
    )


def paid(network: Network, receipts: Sequence[TxReceipt]) -> tuple[dict[str, int], list[str]]:
    """What these transactions paid, by member, and whose payment the token refused."""
    events = network.oracle_pay.events
    sums: dict[str, int] = {}
    refused: list[str] = []
    for receipt in receipts:
        for one in events.OraclePaid().process_receipt(receipt, errors=DISCARD):
            sums[one["args"]["member"]] = sums.get(one["args"]["member"], 0) + int(one["args"]["amount"])
        refused += [one["args"]["member"] for one in events.PaymentRefused().process_receipt(receipt, errors=DISCARD)]
    return sums, refused


def _written(address: str) -> str:
    return checksummed(raw_address(address))


def _frozen_until(network: Network, member: str) -> int:
    """Until when a member's pay waits for a freeze, UNIX seconds; 0: it doesn't."""
    subject = _ORACLE << 248 | int(member, 16)
    until = int(network.chain.call(network.trust.functions.standingOf(subject, _FROZEN))[0])
    return until if until > network.chain.block("latest").timestamp else 0
