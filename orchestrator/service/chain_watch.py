"""What the chain says of this orchestrator's jobs and of the licences it knows, all in the state of one block."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from eth_abi.abi import decode
from eth_utils.abi import collapse_if_tuple
from web3.contract.contract import Contract

from chain.client import Block
from chain.network import Network, named
from oracle.ground.address import checksummed, raw_address
from oracle.ground.ids import unpack
from orchestrator.placing.facts import Job, Licence, Place, Request, RequestState, Slot

_PAGE: Final = 100
_STATUSES: Final = ("", "frozen", "suspended", "blacklisted")
_LICENCE, _NODE, _CSP = 1, 2, 3
PLACE: Final = 8
"""The permission of delegates who may close assignments, a bit of the contracts' `Permissions`."""
_NOBODY: Final = "0x" + "00" * 20


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The chain at one block; jobs are without their intents' documents."""

    block: Block
    jobs: Mapping[int, Job] = field(default_factory=dict)
    slots: Mapping[Place, Slot] = field(default_factory=dict)
    licences: Mapping[int, Licence] = field(default_factory=dict)


class ChainWatch:
    """Reads a network for one orchestrator. To be used by one thread at a time; all raise RpcError."""

    def __init__(self, network: Network, orchestrator: str) -> None:
        self.network = network
        self.orchestrator = orchestrator.lower()
        self._scanned = 0
        self._mine: set[int] = set()
        self._over: set[int] = set()

    def look(self, licences: Iterable[int]) -> Snapshot:
        """The newest block's state of all jobs of this orchestrator that aren't over, and of these licences and those
        that serve its jobs."""
        block = self.network.chain.block("latest")
        ids = self._scan(block)
        lens = self.network.lens
        views = self._many(lens, "jobOf", [(id_,) for id_ in ids], block)
        subjects = [(_CSP << 248 | view["account"],) for view in views]
        statuses = self._many(self.network.trust, "statusOf", subjects, block)
        jobs = {id_: _job(id_, *each) for id_, *each in zip(ids, views, statuses, strict=True)}
        slots = self._slots(jobs, block)
        for id_, job in jobs.items():
            # A closed job needs nothing more; one that has only stopped may still be shown.
            if job.closed and all(slot.vacant for place, slot in slots.items() if place[0] == id_):
                self._over.add(id_)
        wanted = set(licences) | {slot.licence for slot in slots.values() if slot.licence}
        return Snapshot(block, jobs, slots, self._licences(sorted(wanted), block))

    def licence(self, id_: int) -> Licence | None:
        """One licence as it stands now; None when there is none of that id."""
        return self._licences([id_], self.network.chain.block("latest")).get(id_)

    def carried_out(self, request: bytes) -> bool:
        """Whether the chain has a request of that id."""
        return bool(self.network.chain.call(self.network.reallocations.functions.carriedOut(request)))

    def may_place(self, account: int, who: str, now: int) -> bool:
        """Whether an address owns a CSP's account, or may place for it at `now` (UNIX seconds)."""
        accounts, chain = self.network.accounts.functions, self.network.chain
        if str(chain.call(accounts.ownerOf(account))).lower() == who.lower():
            return True
        permissions, expiry = chain.call(accounts.delegateOf(account, checksummed(raw_address(who))))
        return bool(permissions & PLACE) and now < expiry

    def _scan(self, block: Block) -> list[int]:
        """This orchestrator's jobs that aren't over. A job's orchestrator never changes, so those of the finalized past
        are looked at once; later ones may vanish in a reorganisation and are looked at anew."""
        fixed, found = self._jobs_from(self._scanned + 1, self.network.chain.finalized())
        self._scanned += fixed
        self._mine.update(found)
        _, fresh = self._jobs_from(self._scanned + 1, block)
        return sorted((self._mine | set(fresh)) - self._over)

    def _jobs_from(self, first: int, block: Block) -> tuple[int, list[int]]:
        """How many jobs there are from `first` on in the state of a block, and which of them are this one's."""
        lens, count = self.network.lens, 0
        found: list[int] = []
        while True:
            function = lens.functions.jobsFrom(first + count, _PAGE)
            data = self.network.chain.call_data(lens.address, function._encode_transaction_data(), block)
            if not data:
                return 0, []  # the contract is younger than the block
            (page,) = decode([collapse_if_tuple(one) for one in function.abi["outputs"]], data)
            views = [named(lens, "jobsFrom", one) for one in page]
            found += [
                first + count + index for index, one in enumerate(views) if one["orchestrator"] == self.orchestrator
            ]
            count += len(views)
            if len(views) < _PAGE:
                return count, found

    def _slots(self, jobs: Mapping[int, Job], block: Block) -> dict[Place, Slot]:
        asked = [(job.id, first, _PAGE) for job in jobs.values() for first in range(0, job.slots, _PAGE)]
        pages = self._many(self.network.lens, "slotsOf", asked, block)
        rows = [
            ((job, first + index), view)
            for (job, first, _), page in zip(asked, pages, strict=True)
            for index, view in enumerate(page)
        ]
        # Whoever failed in a slot must wait, also after somebody else served there.
        former = sorted({view["request"]["assignment"] for _, view in rows if view["state"]})
        found = self._many(self.network.escrow, "partiesOf", [(one,) for one in former], block)
        failed = {one: int(parties[1]) for one, parties in zip(former, found, strict=True)}
        return {place: _slot(place, view, failed) for place, view in rows}

    def _licences(self, ids: Sequence[int], block: Block) -> dict[int, Licence]:
        views = self._many(self.network.lens, "licencesFrom", [(id_, 1) for id_ in ids], block)
        nonces = self._many(self.network.placements, "offerNonce", [(id_,) for id_ in ids], block)
        found = {}
        for id_, page, nonce in zip(ids, views, nonces, strict=True):
            if page and page[0]["id"] == id_:
                found[id_] = _licence(page[0], nonce)
        return found

    def _many(self, contract: Contract, name: str, asked: Sequence[tuple[Any, ...]], block: Block) -> list[Any]:
        """One view function's results for many arguments: structs as dicts, addresses in lower case."""
        if not asked:
            return []
        functions = [getattr(contract.functions, name)(*one) for one in asked]
        where = {"blockHash": block.hash}
        raws = self.network.chain.batch(
            [
                ("eth_call", [{"to": contract.address, "data": one._encode_transaction_data()}, where])
                for one in functions
            ]
        )
        outputs: Any = functions[0].abi["outputs"]
        types = [collapse_if_tuple(one) for one in outputs]
        return [self._decoded(contract, name, outputs, decode(types, bytes.fromhex(raw[2:]))) for raw in raws]

    @staticmethod
    def _decoded(contract: Contract, name: str, outputs: Any, values: tuple[Any, ...]) -> Any:
        if len(values) > 1:
            return values
        if outputs[0]["type"] == "tuple[]":
            return [named(contract, name, one) for one in values[0]]
        return named(contract, name, values[0]) if outputs[0]["type"] == "tuple" else values[0]


def _job(id_: int, view: dict[str, Any], status: int) -> Job:
    return Job(
        id=id_,
        account=view["account"],
        owner=view["owner"],
        token=view["token"],
        price=view["price"],
        slots=view["slots"],
        starts_at=view["startsAt"],
        stop=view["stop"],
        terms=view["terms"],
        barred=f"the CSP's account is {_STATUSES[status]}" if status else "",
        closed=view["closed"],
    )


def _slot(place: Place, view: dict[str, Any], failed: Mapping[int, int]) -> Slot:
    last, asked = view["assignment"], view["request"]
    request = None
    if view["state"] != RequestState.NONE:
        request = Request(
            id=asked["id"],
            state=RequestState(view["state"]),
            deadline=asked["deadline"],
            cooldown_ends=asked["cooldownEnds"],
            failed=failed[asked["assignment"]],
            reason=asked["reason"],
        )
    if last["id"] == 0:
        return Slot(*place, request=request)
    generation = unpack(last["id"])[2]
    if last["closedAt"]:
        return Slot(*place, generation=generation, request=request)
    return Slot(*place, generation, last["licence"], last["node"], last["openedAt"], request)


def _licence(view: dict[str, Any], nonce: int) -> Licence:
    barred = ""
    if view["nodeStatus"]:
        barred = f"its node is {_STATUSES[view['nodeStatus']]}"
    if view["status"]:
        barred = f"its licence is {_STATUSES[view['status']]}"
    node = "" if view["node"] == _NOBODY else view["node"]
    return Licence(view["id"], view["holder"], node, barred, view["open"], nonce)
