"""A keeper without journal, fees and rivals, for scenarios, tests and benchmarks: it settles and pays when told to.

The one for real networks is `settlement/keeping`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eth_utils.abi import function_signature_to_4byte_selector

from chain.client import RpcError
from chain.network import Network
from chain.transactions import Call, Sender, Wallet
from chain.words import StructList, uint_list
from oracle.ground.ids import KIND_ASSIGNMENT
from oracle.ground.leaves import Leaf
from oracle.ground.merkle import Tree
from oracle.ground.typed_data import EpochReport
from settlement.planning.ranges import settle_calls

# Claims and releases in one transaction: each costs up to some 60,000 gas.
_PAGE = 200
_ASSIGNMENTS_OF = function_signature_to_4byte_selector("assignmentsOf(uint256[])")


@dataclass(frozen=True, slots=True)
class Booked:
    """What is booked of an assignment; seconds, and UNIX seconds for the times."""

    stop: int
    through: int
    earned: int
    accounted: int
    claimed: int
    held: int
    jobClosed: bool  # noqa: N815  the contracts' name


class Settler:
    """Each method does one thing with as few transactions as it takes, and waits for them."""

    def __init__(self, network: Network, sender: Sender, wallet: Wallet) -> None:
        self.network = network
        self.sender = sender
        self.wallet = wallet
        self._views = StructList(network.lens.abi, "assignmentsOf", ("id", *Booked.__dataclass_fields__))

    def booked(self, assignments: Sequence[int]) -> dict[int, Booked]:
        """The present books of assignments, by id; those that aren't there are left out."""
        books: dict[int, Booked] = {}
        pages = [list(assignments[start : start + 500]) for start in range(0, len(assignments), 500)]
        while pages:
            page = pages.pop()
            try:
                found = self.network.chain.call_data(self.network.lens.address, uint_list(_ASSIGNMENTS_OF, page))
            except RpcError as error:
                if not error.reverted:
                    raise
                # An unknown one among them: a bad leaf mustn't keep good ones from being settled.
                half = len(page) // 2
                pages += [page[:half], page[half:]] if half else []
                continue
            books |= {key: Booked(*fields) for key, *fields in self._views.decode(found)}
        return books

    def attest(self, report: EpochReport, signers: int, signatures: bytes) -> None:
        """Submit a report with its quorum of signatures; bit i of `signers` stands for member i."""
        fields = (report.epoch, report.committee, report.root, report.parent, report.anchor, report.evidence)
        submit = self.network.attestations.functions.submit(fields, signers, signatures)
        self.sender.send([Call.of("attest epoch", self.wallet, submit)])

    def settle(self, epoch: int, tree: Tree) -> int:
        """Settle every leaf of a final report that moves something; returns how many transactions it took."""
        ids = [leaf.id for leaf in tree.leaves if leaf.kind == KIND_ASSIGNMENT]
        books = self.booked(ids)

        clock = self.network.clock(1)
        windows: dict[int, int] = {}

        def moves(leaf: Leaf) -> bool:
            known, job = books.get(leaf.id), leaf.id >> 64
            if known is None:
                return False
            if job not in windows:
                windows[job] = self.network.job(job)["windowEpochs"]
            due = not known.jobClosed and known.through < clock.settled_until(windows[job], known.stop, epoch)
            return due or (leaf.earned > known.earned and known.held > 0)

        calls = [
            Call.of(
                f"settle {len(one.leaves)}" if len(one.leaves) in (1, 100, 1000) else "settle range",
                self.wallet,
                self.network.escrow.functions.settleRange(
                    epoch, one.job, one.tree_index, list(one.leaves), list(one.proof)
                ),
            )
            for one in settle_calls(tree, moves)
        ]
        for call in calls:
            self.sender.send([call])
        return len(calls)

    def release(self, assignments: Sequence[int]) -> None:
        """Release what is due of the held seconds."""
        held = [key for key, one in self.booked(assignments).items() if one.held]
        self._paged("release held", held, self.network.escrow.functions.releaseHeld)

    def claim(self, assignments: Sequence[int]) -> None:
        """Pay out what is earned and not claimed."""
        due = [key for key, one in self.booked(assignments).items() if one.earned > one.claimed]
        self._paged("claim", due, self.network.escrow.functions.claim)

    def close(self, job: int) -> None:
        """Second step of leaving."""
        self.sender.send([Call.of("close job", self.wallet, self.network.escrow.functions.closeJob(job))])

    def refund(self, job: int) -> None:
        """Pay the CSP what is refundable."""
        self.sender.send([Call.of("refund", self.wallet, self.network.escrow.functions.withdrawRefund(job))])

    def burn(self, job: int) -> None:
        """Send the job's burnable and protocol shares to where they belong, and burn what the burner has."""
        network, escrow, books = self.network, self.network.escrow.functions, self.network.job(job)
        if books["burnable"]:
            self.sender.send([Call.of("send to burn", self.wallet, escrow.sendToBurn(job))])
        if books["protocolDue"]:
            self.sender.send([Call.of("send to protocol", self.wallet, escrow.sendToProtocol(job))])
        if network.token.functions.balanceOf(network.burner.address).call():  # nothing to burn is refused
            burn = network.burner.functions.burn(network.addresses.token)
            self.sender.send([Call.of("burn", self.wallet, burn)])

    def _paged(self, label: str, ids: Sequence[int], function: object) -> None:
        for start in range(0, len(ids), _PAGE):
            page = list(ids[start : start + _PAGE])
            self.sender.send([Call.of(label, self.wallet, function(page))])  # type: ignore[operator]
