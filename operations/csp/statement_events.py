"""Reading a job's statement from the chain, as of one block."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from chain.client import Block
from chain.network import Network
from operations import policies, reading
from operations.csp import job_view
from operations.csp.job_view import Job
from operations.csp.statement import Happening, Movement, Statement, served_of
from operations.events import LoggedEvent, events_of
from oracle.ground import times
from oracle.ground.address import checksummed, raw_address
from oracle.ground.ids import pack, unpack

_OF_JOB: Final = (
    "JobCreated", "JobGrown", "JobShrunk", "JobStopped", "JobClosed", "Refunded", "SentToBurn", "SentToProtocol"
)  # fmt: skip
_OF_ASSIGNMENT: Final = ("AssignmentClosed", "SecondsWithheld", "HeldReleased", "Paid", "AssignmentOpened")
_OF_SLOTS: Final = ("ReallocationRequested",)
_IDS: Final = 200
_RELEASES: Final = ("a later report", "the appeal span was over", "the network had stalled")
_REASONS: Final = ("", "missed epochs", "an outage", "its licence is suspended or blacklisted", "declared maintenance")


def read(network: Network, number: int) -> Statement:
    """The statement of a job, reconciled. Refused for an unknown job, Unreconciled, RpcError."""
    block = network.chain.block("latest")
    job = job_view.of(network, number, block)
    events = events_of(network, "escrow", network.escrow, _OF_JOB, [number], block)
    most = max([one.args["details"]["slots"] for one in events if one.name == "JobCreated"], default=0)
    most = max([most, *(one.args["slots"] for one in events if one.name == "JobGrown")])
    ids = _assignments(network, number, most, block)
    events += events_of(network, "escrow", network.escrow, _OF_ASSIGNMENT, ids, block)
    events += events_of(network, "reallocations", network.reallocations, _OF_SLOTS, [number], block, place=3)
    events.sort(key=lambda one: (one.block, one.index))
    views = []
    for start in range(0, len(ids), _IDS):
        call = network.lens.functions.assignmentsOf(ids[start : start + _IDS])
        views += reading.struct(network, network.lens, call, "assignments", block)
    made = _made(network, job, block, events, views)
    made.reconcile()
    return made


def _made(
    network: Network, job: Job, block: Block, events: Sequence[LoggedEvent], views: Sequence[dict[str, Any]]
) -> Statement:
    for view in views:
        for name in ("node", "payee"):
            view[name] = checksummed(raw_address(view[name]))
    at = _times(network, [one.block for one in events])
    licences = {view["id"]: view["licence"] for view in views}
    claimed: dict[int, int] = {}
    movements, happenings = [], []
    for one in events:
        time = at[one.block]
        if (found := _movement(job, one, time, licences, claimed)) is not None:
            movements.append(found)
        if (text := _HAPPENINGS.get(one.name)) is not None:
            happenings.append(Happening(time, one.block, text(one.args)))
    return Statement(job, block.number, tuple(movements), tuple(happenings), served_of(job, views))


def _movement(
    job: Job, event: LoggedEvent, time: int, licences: dict[int, int], claimed: dict[int, int]
) -> Movement | None:
    args, owner = event.args, job.view["owner"]
    where = (time, event.block, event.transaction)
    match event.name:
        case "JobCreated":
            return Movement(*where, "deposit", -args["deposit"], owner, "the job was created")
        case "JobGrown":
            return Movement(*where, "deposit", -args["deposit"], owner, "the job was extended or enlarged")
        case "Refunded":
            who = checksummed(raw_address(args["owner"]))
            return Movement(*where, "refunded", args["amount"], who, "what was refundable then")
        case "SentToBurn":
            return Movement(*where, "burned", args["amount"], "burner", "burned part of withheld time")
        case "SentToProtocol":
            return Movement(*where, "protocol", args["amount"], "protocol", "the protocol's share of earned time")
        case "Paid":
            assignment = args["assignment"]
            seconds = args["claimed"] - claimed.get(assignment, 0)
            claimed[assignment] = args["claimed"]
            _, slot, generation = unpack(assignment)
            who = checksummed(raw_address(args["recipient"]))
            why = f"{seconds} earned seconds of slot {slot}"
            licence = licences.get(assignment)
            return Movement(*where, "paid", args["amount"], who, why, slot, generation, licence, seconds)
    return None


def _place(assignment: int) -> str:
    _, slot, generation = unpack(assignment)
    return f"slot {slot}, generation {generation}"


_HAPPENINGS: Final[dict[str, Callable[[dict[str, Any]], str]]] = {
    "JobCreated": lambda args: (
        f"created with {args['details']['slots']} slots until {times.show_time(args['details']['endsAt'])}; "
        f"{policies.text(policies.of_event(args))}"
    ),
    "JobGrown": lambda args: f"{args['slots']} slots until {times.show_time(args['endsAt'])}",
    "JobShrunk": lambda args: f"shrunk to {args['slots']} slots",
    "JobStopped": lambda args: f"stopped as of {times.show_time(args['stop'])}",
    "JobClosed": lambda args: "closed: the unproved rest is the CSP's",
    "AssignmentOpened": lambda args: (
        f"{_place(args['assignment'])}: licence {args['licence']} serves, node {checksummed(raw_address(args['node']))}"
    ),
    "AssignmentClosed": lambda args: f"{_place(args['assignment'])}: ended as of {times.show_time(args['closedAt'])}",
    "SecondsWithheld": lambda args: (
        f"{_place(args['assignment'])}: {args['secs']} s withheld by the report of epoch {args['epoch']}"
    ),
    "HeldReleased": lambda args: (
        f"{_place(args['assignment'])}: {args['secs']} s withheld for good, since {_RELEASES[args['reason']]}"
    ),
    "ReallocationRequested": lambda args: (
        f"{_place(args['assignment'])}: another node was asked for, since "
        f"{_REASONS[args['reason']] if args['reason'] < len(_REASONS) else args['reason']}, as of "
        f"{times.show_time(args['asOf'])}"
    ),
}


def _assignments(network: Network, job: int, slots: int, block: Block) -> list[int]:
    generations = [
        network.chain.call(network.escrow.functions.generations(job, slot), block) for slot in range(slots)
    ]  # fmt: skip
    return [pack(job, slot, one) for slot, last in enumerate(generations) for one in range(1, last + 1)]


def _times(network: Network, blocks: Sequence[int]) -> dict[int, int]:
    wanted = sorted(set(blocks))
    raws = network.chain.batch([("eth_getBlockByNumber", [hex(one), False]) for one in wanted])
    return {number: int(raw["timestamp"], 16) for number, raw in zip(wanted, raws, strict=True)}
