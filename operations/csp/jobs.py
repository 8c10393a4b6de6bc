"""Plans that create jobs and change them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from web3.contract.contract import ContractFunction
from web3.logs import DISCARD
from web3.types import TxReceipt

from chain.errors import ContractReverted
from chain.network import Network
from operations import paying, policies, reading, tokens
from operations.csp import accounts, job_view
from operations.csp.job_file import AskedJob
from operations.csp.job_view import Job
from operations.plans import Plan, PlannedCall
from operations.refusals import explained
from operations.simulating import try_calls
from operations.tokens import Token
from oracle.ground import times
from oracle.ground.address import checksummed, raw_address
from oracle.ground.errors import InvalidValue
from oracle.signing.signer import Signer

_LEAD: Final = "+2m"
_CREATE: Final = 1
_GROW: Final = 2


@dataclass(frozen=True, slots=True)
class _Ready:
    """A job that could be created now: what funds it, who pays, and what a person must know."""

    call: ContractFunction
    owner: str
    token: Token
    deposit: int
    facts: tuple[tuple[str, str], ...]


def chain_time(network: Network) -> int:
    """The time that the next block will have at least: chains on a private machine may lag behind or run ahead."""
    return max(network.chain.block("latest").timestamp, int(time.time()))


def creating(network: Network, signer: Signer, asked: Sequence[AskedJob]) -> Plan:
    """Create and fund these jobs: one transaction for all, with a permit in it or after approvals of the sums."""
    ready = [_ready(network, signer, one) for one in asked]
    sums: dict[tuple[str, str], int] = {}
    by_address = {one.token.address: one.token for one in ready}
    for one in ready:
        sums[one.owner, one.token.address] = sums.get((one.owner, one.token.address), 0) + one.deposit
    calls: list[PlannedCall] = []
    inside: list[ContractFunction] = []
    facts = [fact for one in ready for fact in one.facts]
    for (owner, address), total in sums.items():
        token, escrow = by_address[address], network.escrow.address
        payment = paying.prepare(network, signer, token, owner, escrow, total, permits=True)
        calls += payment.calls
        if payment.permit is not None:
            inside.append(network.escrow.functions.permit(*payment.permit))
        facts.append(("taken", f"{token.show(total)} from {owner}, {payment.told}"))
    inside += [one.call for one in ready]
    what = "a job" if len(ready) == 1 else f"{len(ready)} jobs"
    calls.append(_together(network, inside, f"create {what}"))
    return Plan(f"Create {what}", tuple(calls), tuple(facts), moves_money=True)


def created(network: Network, receipts: Sequence[TxReceipt]) -> list[int]:
    """The numbers of the jobs that these transactions created, in their order."""
    event = network.escrow.events.JobCreated()
    return [one["args"]["job"] for receipt in receipts for one in event.process_receipt(receipt, errors=DISCARD)]


def growing(network: Network, signer: Signer, job: Job, slots: int, ends: int) -> Plan:
    """Have a job last longer, or have more slots, or both; what that costs is taken from the account's owner."""
    call = network.escrow.functions.growJob(job.id, slots, ends)
    title = f"Extend job {job.id}" if slots == job.view["slots"] else f"Enlarge job {job.id}"
    view = job.view
    if slots < view["slots"] or ends < view["stop"] or (slots, ends) == (view["slots"], view["stop"]):
        # The contract's own refusal says best what is wrong.
        reading.read(network, call, title.lower())
    _may(network, job.view["account"], signer.address, _GROW)
    deposit = _growth_cost(network, job, slots, ends)
    payment = paying.prepare(
        network, signer, job.token, view["owner"], network.escrow.address, deposit, permits=True
    )  # fmt: skip
    inside = [network.escrow.functions.permit(*payment.permit)] if payment.permit is not None else []
    facts = (
        ("slots", f"{view['slots']} now, {slots} from the next epoch on" if slots != view["slots"] else str(slots)),
        ("ends", f"{times.show_time(view['stop'])} now, {times.show_time(ends)} then"),
        ("taken", f"{job.token.show(deposit)} from {view['owner']}, {payment.told}"),
    )
    calls = (*payment.calls, _together(network, [*inside, call], title[0].lower() + title[1:]))
    return Plan(title, calls, facts, moves_money=True)


def shrinking(network: Network, job: Job, slots: int) -> Plan:
    """Take the last slots away: their assignments end now."""
    call = PlannedCall.of(f"shrink job {job.id} to {slots} slots", network.escrow.functions.shrinkJob(job.id, slots))
    gone = job.view["slots"] - slots
    later = job.rates.gross(max(0, gone) * max(0, job.view["stop"] - max(job.now, job.view["startsAt"])))
    facts = (
        ("slots", f"{job.view['slots']} now, {slots} from now on; the last {gone} stop at once"),
        ("comes back", f"about {job.token.show(later)} that the removed slots would have cost from now on"),
    )
    return Plan(f"Shrink job {job.id}", (call,), facts, moves_money=True)


def stopping(network: Network, job: Job) -> Plan:
    """End a job now, or cancel one that hasn't started: final."""
    word = "cancel" if job.state == "waiting" else "stop"
    call = PlannedCall.of(f"{word} job {job.id}", network.escrow.functions.stopJob(job.id))
    return Plan(f"{word.capitalize()} job {job.id}", (call,), _stop_facts(job), moves_money=True)


def closing(network: Network, job: Job) -> Plan:
    """Close a job whose nodes had time to prove what they did, and pay what that leaves to the account's owner."""
    if job.view["closed"]:
        return refunding(network, job)
    functions = network.escrow.functions
    call = _together(
        network,
        [functions.closeJob(job.id), functions.withdrawRefund(job.id)],
        f"close job {job.id} and pay what is left to {job.view['owner']}",
    )
    return Plan(f"Close job {job.id}", (call,), (("to", job.view["owner"]),))


def refunding(network: Network, job: Job) -> Plan:
    """Pay the account's owner what is refundable now."""
    amount = job.view["refundable"]
    if not amount:
        return Plan(f"Job {job.id} owes its owner nothing now: there is nothing to refund", ())
    function = network.escrow.functions.withdrawRefund(job.id)
    label = f"pay {job.token.show(amount)} of job {job.id} to {job.view['owner']}"
    facts = (("amount", job.token.show(amount)), ("to", job.view["owner"]))
    return Plan(f"Refund job {job.id}", (PlannedCall.of(label, function),), facts)


def reopening(network: Network, job: int, slot: int) -> Plan:
    """Give a forfeited slot back to the job's orchestrator."""
    function = network.reallocations.functions.reopenSlot(job, slot)
    call = PlannedCall.of(f"reopen slot {slot} of job {job}", function)
    return Plan(f"Reopen slot {slot} of job {job} for its orchestrator", (call,))


def leaving(network: Network, job: Job) -> Plan:
    """The next step out of a job: stop it and take the refund; else close it; else refund what is left."""
    if job.state in ("waiting", "running"):
        functions = network.escrow.functions
        label = f"stop job {job.id} and pay what its later time would have cost to {job.view['owner']}"
        call = _together(network, [functions.stopJob(job.id), functions.withdrawRefund(job.id)], label)
        return Plan(f"Leave job {job.id}", (call,), _stop_facts(job), moves_money=True)
    return closing(network, job)


def closable_from(network: Network, job: Job) -> int:
    """A time (UNIX seconds) before which the job can't be closed, as far as one can tell now."""
    timing = network.timing
    stop = job.view["stop"]
    epoch = max(0, stop - timing.genesis - 1) // timing.epoch_length
    # A report of the last epoch that the job reaches into, submitted at once, and a settle window.
    over = timing.genesis + (epoch + 1) * timing.epoch_length + timing.settle_delay + timing.activation_delay
    return int(max(stop, over) + network.settle_window)


def closable(network: Network, key: str, job: Job) -> bool:
    """Whether it could be closed now. Refused where it isn't a matter of waiting."""
    try:
        try_calls(
            network.chain, key, [PlannedCall.of(f"close job {job.id}", network.escrow.functions.closeJob(job.id))]
        )
    except ContractReverted as error:
        refused = explained(network, error)
        if refused.name == "JobEscrow_NotClosable":
            return False
        raise refused from error
    return True


def _stop_facts(job: Job) -> tuple[tuple[str, str], ...]:
    future = job.view["slots"] * max(0, job.view["stop"] - max(job.now, job.view["startsAt"]))
    return (
        ("what ends", "all its nodes stop at once; a stopped job never runs again"),
        ("comes back", f"about {job.token.show(job.rates.gross(future))} that the time until its end would have cost"),
    )


def _ready(network: Network, signer: Signer, asked: AskedJob) -> _Ready:
    wish, intent = asked.wish, asked.intent
    token = tokens.find(network, wish.token)
    account = accounts.account_for(network, signer.address, wish.account)
    owner = checksummed(raw_address(_may(network, account, signer.address, _CREATE)))
    length, genesis, now = network.timing.epoch_length, network.timing.genesis, chain_time(network)
    starts = times.parse_time(f"{asked.where}: starts", wish.starts or _LEAD, now, length)
    if wish.starts is None:
        starts = max(starts, genesis)
    if wish.lasts is not None:
        ends = starts + times.parse_span(f"{asked.where}: lasts", wish.lasts, length)
    else:
        ends = times.parse_time(f"{asked.where}: ends", wish.ends or "", now, length)
    try:
        orchestrator = checksummed(raw_address(wish.orchestrator or ""))
    except InvalidValue as error:
        raise InvalidValue(f"{asked.where}: orchestrator: {error}") from error
    price = token.parse(f"{asked.where}: price", wish.price or "")
    if price >= 1 << 96:
        raise InvalidValue(f"{asked.where}: price is {wish.price}, more than a job can have: give less than 2^96 units")
    policy = intent.policy.abi_values()
    terms: tuple[Any, ...] = (
        token.address, price, intent.replicas, starts, ends, orchestrator, intent.hash, policy
    )  # fmt: skip
    label = f"job {intent.name}"
    _, _, _, deposit = reading.read(network, network.admission.functions.admitJob(account, terms), label)
    facts = (
        ("job", f"{intent.name}, account {account}, intent 0x{intent.hash.hex()}"),
        ("orchestrator", orchestrator),
        ("price", f"{token.show(price)} for each of {intent.replicas} slots and epoch of {times.show_span(length)}"),
        ("runs", f"{times.show_time(starts)} to {times.show_time(ends)} ({times.show_span(ends - starts)})"),
        ("policy", policies.text(intent.policy)),
        ("deposit", token.show(deposit)),
    )
    return _Ready(network.escrow.functions.createJob(account, terms), owner, token, deposit, facts)


def _may(network: Network, account: int, key: str, permission: int) -> str:
    """The account's owner, if the key may do this for it. Refused."""
    function = network.accounts.functions.authorise(account, key, permission)
    return str(reading.read(network, function, f"account {account}"))


def _growth_cost(network: Network, job: Job, slots: int, ends: int) -> int:
    """What growing takes: exact where a slot-second costs a unit or more, else at most one unit too many."""
    view, length = job.view, network.timing.epoch_length
    secs = view["slots"] * (ends - view["stop"])
    if slots > view["slots"]:
        now = chain_time(network)
        epoch = (now - network.timing.genesis) // length + 1
        starts = max(view["startsAt"], network.timing.genesis + max(0, epoch) * length)
        secs += (slots - view["slots"]) * max(0, ends - starts)
    deposited = view["deposit"] * length // view["price"]
    return int(job_view.ceil_cost(job.rates, deposited + secs) - view["deposit"])


def _together(network: Network, functions: Sequence[ContractFunction], label: str) -> PlannedCall:
    """One call of the escrow that does all of these, or none."""
    if len(functions) == 1:
        return PlannedCall.of(label, functions[0])
    data = [one._encode_transaction_data() for one in functions]
    return PlannedCall.of(label, network.escrow.functions.multicall(data))
