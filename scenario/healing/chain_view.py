"""What the chain says of a job's slots: who serves them, what was asked for, what was settled and paid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from chain.network import Network, named
from oracle.ground.ids import pack, unpack


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for another node as the chain has it now. Times in UNIX seconds; `signatures`: how many members signed
    its batch."""

    id: bytes
    assignment: int
    slot: int
    as_of: int
    deadline: int
    at: int
    transaction: str
    signatures: int


@dataclass(frozen=True, slots=True)
class Opened:
    """An assignment. Times in UNIX seconds, `closed_at` 0 while it is open; `paid`: seconds of pay that went out."""

    id: int
    licence: int
    opened_at: int
    closed_at: int
    stop: int
    through: int
    earned: int
    accounted: int
    held: int
    paid: int

    @property
    def slot(self) -> int:
        """The slot it is in."""
        return unpack(self.id)[1]

    @property
    def end(self) -> int:
        """When it ended, or will at the latest."""
        return min(self.closed_at or self.stop, self.stop)

    @property
    def unmeasured(self) -> int:
        """Seconds of its settled time that nobody measured."""
        return max(0, self.through - self.opened_at - self.accounted)


class ChainView:
    """Reads it at the newest block. To be used by one thread at a time; all raise RpcError."""

    def __init__(self, network: Network, job: int, slots: int) -> None:
        self.network = network
        self._job, self._slots = job, slots
        self._signatures: dict[str, int] = {}
        self._times: dict[str, int] = {}

    def asked(self) -> list[Asked]:
        """All requests, oldest first."""
        network = self.network
        logs = network.chain.logs(network.reallocations.events.ReallocationRequested, 0, self._head())
        return [self._asked(log) for log in logs if log["args"]["job"] == self._job]

    def assignments(self) -> dict[int, Opened]:
        """All assignments that there ever were, by id."""
        generations = self.network.escrow.functions.generations
        ids = [
            pack(self._job, slot, one + 1)
            for slot in range(self._slots)
            for one in range(generations(self._job, slot).call())
        ]
        lens = self.network.lens
        views = [named(lens, "assignmentsOf", each) for each in lens.functions.assignmentsOf(ids).call()]
        return {one.id: one for one in map(_opened, views)}

    def serving(self) -> dict[int, Opened]:
        """By slot, the assignment that is open."""
        return {one.slot: one for one in self.assignments().values() if not one.closed_at}

    def settled_through(self, assignment: int, moment: int) -> bool:
        """Whether an assignment's time up to a moment is settled and paid."""
        one = self.assignments()[assignment]
        return one.through >= min(moment, one.end) and one.paid == one.earned

    def closed(self) -> bool:
        """Whether the job is closed and nothing is left in it to send."""
        books: Mapping[str, int] = self.network.job(self._job)
        return bool(books["closed"]) and not (books["refundable"] or books["burnable"] or books["protocolDue"])

    def _head(self) -> int:
        return self.network.chain.block("latest").number

    def _asked(self, log: dict[str, object]) -> Asked:
        told: Mapping[str, int | bytes] = log["args"]  # type: ignore[assignment]
        raw: bytes = log["transactionHash"]  # type: ignore[assignment]
        sent, block = "0x" + bytes(raw).hex(), str(log["blockNumber"])
        if sent not in self._signatures:
            found = self.network.chain.rpc("eth_getTransactionByHash", sent)
            _, given = self.network.reallocations.decode_function_input(found["input"])
            self._signatures[sent] = int(given["members"]).bit_count()
        at = self.network.chain.block(int(block)).timestamp
        return Asked(
            id=bytes(told["id"]),
            assignment=int(told["assignment"]),
            slot=int(told["slot"]),
            as_of=int(told["asOf"]),
            deadline=int(told["deadline"]),
            at=at,
            transaction=sent,
            signatures=self._signatures[sent],
        )


def _opened(view: dict[str, int]) -> Opened:
    return Opened(
        view["id"],
        view["licence"],
        view["openedAt"],
        view["closedAt"],
        view["stop"],
        view["through"],
        view["earned"],
        view["accounted"],
        view["held"],
        view["claimed"],
    )
