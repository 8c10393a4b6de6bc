"""What oracles read of the chain: the committee, the last final report, and every assignment in an anchor's state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from eth_utils.abi import function_signature_to_4byte_selector

from chain.client import Block, RpcError
from chain.events import EventLog, Mark
from chain.network import Network
from chain.words import StructList, uint_list
from oracle.committee.committee import Committee
from oracle.committee.conflicts import NO_CONFLICTS, Conflicts, conflicts
from oracle.committee.deeds import DeedReader
from oracle.committee.operators import operators, posts
from oracle.ground.address import raw_address
from oracle.ground.availability import Deed
from oracle.ground.duty import Post
from oracle.ground.ledger import Subject
from oracle.ground.maintenance import Span
from oracle.ground.policy import EVIDENCE_CODES, Policy

_PAGE = 500
_REMEMBERED = 1_024
_K = TypeVar("_K")
_V = TypeVar("_V")
_EVIDENCE = {code: name for name, code in EVIDENCE_CODES.items()}
_FOLLOWED = ("JobCreated", "AssignmentOpened", "ReportSubmitted")
_CLEARED = ("ReportVetoed", "ReportDropped")
_ASSIGNMENTS_OF = function_signature_to_4byte_selector("assignmentsOf(uint256[])")
# Of the contracts' AssignmentView, in the order of `Subject`'s fields; the node and the holder come last.
_FIELDS = ("id", "licence", "openedAt", "stop", "through", "earned", "accounted", "jobClosed", "node", "payee")


@dataclass(frozen=True, slots=True)
class Placed:
    """An assignment in the anchor's state, and the node (lower-case address) that serves it.

    holder   who held the licence when it opened (lower-case address), and as long as it is open
    account  the CSP's account, which pays
    """

    subject: Subject
    node: str
    holder: str
    account: int


@dataclass(frozen=True, slots=True)
class FinalReport:
    """A report that is final, or waits to be, and the evidence it was submitted with; `final_at` in UNIX seconds. Epoch
    −1 and zeros stand for what is before the first."""

    epoch: int
    root: bytes
    evidence: bytes
    final_at: int = 0


class AnchorReader:
    """One oracle's reader of one network. Jobs and assignments are found by their events in finalized blocks, each of
    which is looked at once; their state is read at the anchor's hash. If the chain takes finalized blocks back all the
    same, the reader starts anew from the event log."""

    def __init__(self, network: Network, events: EventLog | None = None) -> None:
        """`events` is shared with others who follow this network; without it the reader keeps its own, in memory."""
        self.network = network
        self.events = EventLog.of(network) if events is None else events
        self._pay: int | None = None
        self._deed_reader: DeedReader | None = None
        self._views = StructList(network.lens.abi, "assignmentsOf", _FIELDS)
        self._forget(Mark())

    def _forget(self, mark: Mark) -> None:
        self._mark = mark
        self._policies: dict[int, Policy] = {}
        self._accounts: dict[int, int] = {}
        # The block in which each assignment was opened, and the anchor from which its leaf was out of the tree.
        self._assignments: dict[int, int] = {}
        self._settled: dict[int, int] = {}
        # By epoch and root: the blocks in which such a report was submitted, and the evidence it came with.
        self._evidence: dict[tuple[int, bytes], list[tuple[int, bytes]]] = {}
        # An anchor is read several times in a round: its state can't change.
        self._last_placed: tuple[str, int, list[Placed]] | None = None
        self.network.chain.forget_anchors()
        self._conflicts: tuple[int, str, Sequence[Placed], Conflicts] | None = None
        self._declared: tuple[int, str, Mapping[bytes, tuple[bytes, bytes]]] | None = None
        self._last_deeds: tuple[int, str, Sequence[Deed]] | None = None
        self._sets: dict[str, Committee] = {}
        self._committees: dict[int, Committee] = {}

    def finalized(self) -> Block:
        """The newest finalized block."""
        return self.network.chain.finalized()

    def anchor(self, time: int) -> Block | None:
        """The first finalized block whose timestamp is at or after `time` (UNIX seconds); None while there is none."""
        return self.network.chain.anchor(time)

    def committee(self, at: Block) -> Committee:
        """The set in force at a block."""
        if (known := self._sets.get(at.hash)) is not None:
            return known
        version = self.network.chain.call(self.network.attestations.functions.committeeInForce(), at)[0]
        committee = self._read_committee(version, at)
        _remember(self._sets, at.hash, committee)
        return committee

    def committee_of(self, version: int) -> Committee:
        """A set by its version, whether in force or not; a version's signers never change. RpcError if no finalized
        block has it."""
        if version not in self._committees:
            self._committees[version] = self._read_committee(version, self.finalized())
        return self._committees[version]

    def _read_committee(self, version: int, at: Block) -> Committee:
        signers, _ = self.network.chain.call(self.network.attestations.functions.committee(version), at)
        return Committee(version, tuple(bytes.fromhex(signer[2:]) for signer in signers))

    def last_final(self, at: Block) -> FinalReport:
        """The last report that is final at a block."""
        epoch, root, final_at = self.network.chain.call(self.network.attestations.functions.lastFinal(), at)
        if not final_at:
            return FinalReport(-1, bytes(32), bytes(32))
        return FinalReport(epoch, root, self._evidence_of(epoch, root, at), final_at)

    def pending(self) -> FinalReport | None:
        """The report that waits for its activation delay at the newest block, final or not; None if none does."""
        chain = self.network.chain
        epoch, root, final_at = chain.call(self.network.attestations.functions.pendingReport())
        if not final_at:
            return None
        return FinalReport(epoch, root, self._evidence_of(epoch, root, chain.block("latest")), final_at)

    def latest_final_epoch(self) -> int:
        """The epoch of the last report that is final at the newest block, finalized or not; −1 before the first."""
        epoch, _, final_at = self.network.chain.call(self.network.attestations.functions.lastFinal())
        return epoch if final_at else -1

    def cleared(self, epoch: int) -> bool:
        """Whether a report of that epoch was vetoed, or dropped with its committee: by the newest block."""
        head = self._advance()
        told = [event.args for event in self.events.events(_CLEARED)]
        told += self._recent(_CLEARED, head, self.network.chain.block("latest"))
        return any(one["epoch"] == epoch for one in told)

    def submitted(self, epoch: int) -> bytes | None:
        """The root of the report of that epoch that was last brought on chain, by the finalized blocks; None if none
        was. It may have been cleared away since."""
        self._follow(self.finalized())
        found = [(seen[-1][0], root) for (each, root), seen in self._evidence.items() if each == epoch and seen]
        return max(found)[1] if found else None

    def opened(self, anchor: Block) -> int:
        """How many assignments there ever were at a block: no observation has more to tell of."""
        self._follow(anchor)
        return sum(opened <= anchor.number for opened in self._assignments.values())

    def maintenance(self, licence: int, within: Span, at: Block) -> list[Span]:
        """A licence's declared windows that overlap a span, by time, in the state of a block."""
        if not self.network.addresses.maintenance:
            return []
        ask, found = self.network.maintenance.functions.windowsWithin, list[Span]()
        start, end = within
        more = True
        while more:
            page, more = self.network.chain.call(ask(licence, start, end, _PAGE), at)
            found += [(opens, ends) for opens, ends in page]
            start = found[-1][1] if found else end
        return found

    def placed(self, anchor: Block, last_final_epoch: int) -> list[Placed]:
        """Every assignment whose leaf may still be in the tree, in the anchor's state.

        An assignment whose leaf had left the tree by the last final report, and whose policy window was over by it, is
        not asked for again.
        """
        if self._last_placed and self._last_placed[:2] == (anchor.hash, last_final_epoch):
            return self._last_placed[2]
        head = self._follow(anchor)
        if head < anchor.number:
            raise RpcError(
                f"the events of block {anchor.number} aren't final at {self.network.chain.where} yet, block {head} is "
                "the newest that is; try again"
            )
        wanted = [
            key
            for key, opened in self._assignments.items()
            if opened <= anchor.number and self._settled.get(key, anchor.number) >= anchor.number
        ]
        placed: list[Placed] = []
        for start in range(0, len(wanted), _PAGE):
            asked = uint_list(_ASSIGNMENTS_OF, wanted[start : start + _PAGE])
            views = self._views.decode(self.network.chain.call_data(self.network.lens.address, asked, anchor))
            for *view, node, holder in views:
                job = view[0] >> 64
                placed.append(Placed(Subject(*(*view, self._policies[job])), node, holder, self._accounts[job]))
        self._note_settled(placed, anchor, last_final_epoch)
        self._last_placed = (anchor.hash, last_final_epoch, placed)
        return placed

    def conflicts(self, epoch: int, anchor: Block, placed: Sequence[Placed]) -> Conflicts:
        """Which members in force at an epoch's anchor have a part in which of the assignments placed there, by what was
        declared of their operators when the epoch started. None in a network that knows of no operators."""
        if not placed or not self.network.addresses.registry:
            return NO_CONFLICTS
        if self._conflicts and self._conflicts[:3] == (epoch, anchor.hash, placed):
            return self._conflicts[3]
        declared = self._operators(epoch, anchor)
        accounts = sorted({one.account for one in placed})
        ask = self.network.accounts.functions.ownerOf
        told = self.network.chain.calls([ask(account) for account in accounts], anchor)
        owners = {account: raw_address(owner) for account, owner in zip(accounts, told, strict=True)}
        found = conflicts(
            declared, ((one.subject.assignment_id, owners[one.account], raw_address(one.holder)) for one in placed)
        )
        self._conflicts = epoch, anchor.hash, placed, found
        return found

    def _operators(self, epoch: int, anchor: Block) -> Mapping[bytes, tuple[bytes, bytes]]:
        if self._declared and self._declared[:2] == (epoch, anchor.hash):
            return self._declared[2]
        declared = operators(self.network, self.committee(anchor), epoch, anchor)
        self._declared = epoch, anchor.hash, declared
        return declared

    def deeds(self, epoch: int, anchor: Block) -> Sequence[Deed]:
        """The licences that the network rewards, in the state of an epoch's anchor; none where it rewards none."""
        if self._deed_reader is None:
            self._deed_reader = DeedReader(self.network)
        if not self._deed_reader.starts:
            return ()
        if self._last_deeds and self._last_deeds[:2] == (epoch, anchor.hash):
            return self._last_deeds[2]
        declared = self._operators(epoch, anchor) if self.network.addresses.registry else {}
        deeds = self._deed_reader.read(self.network.clock(1).end(epoch), anchor, declared)
        self._last_deeds = epoch, anchor.hash, deeds
        return deeds

    def posts(self, epoch: int, anchor: Block, known: Iterable[int]) -> Sequence[Post]:
        """Members in force at an epoch's anchor, and `known` ones (addresses as numbers), as their duty goes on from
        there. None in a network that doesn't pay oracles."""
        if not self._pays_oracles():
            return ()
        return posts(self.network, self.committee(anchor), self.network.clock(1).end(epoch), anchor, known)

    def _pays_oracles(self) -> bool:
        if self._pay is None:
            there = self.network.addresses.registry and self.network.addresses.oracle_pay
            asked = self.network.oracle_pay.functions.payPerEpoch if there else None
            self._pay = self.network.chain.fact(asked()) if asked else 0
        return self._pay > 0

    def _note_settled(self, placed: Iterable[Placed], anchor: Block, last_final_epoch: int) -> None:
        clock, appeal_epochs = self.network.clock(1), self.network.appeal_epochs
        for one in placed:
            subject = one.subject
            if subject.through >= subject.stop or subject.job_closed:
                last = clock.covering(max(subject.stop, clock.genesis))
                # As long as its policy's window lasts, its time uses up what counts of maintenance in that slot.
                width = subject.policy.window_epochs
                window_ends = (last // width + 1) * width - 1
                if last_final_epoch >= max(last + appeal_epochs + 1, window_ends):
                    self._settled.setdefault(subject.assignment_id, anchor.number)

    def _evidence_of(self, epoch: int, root: bytes, at: Block) -> bytes:
        """What a report was submitted with: of two with one epoch and root, the later one up to that block counts."""
        head = self._follow(at)
        found = [evidence for block, evidence in self._evidence.get((epoch, root), ()) if block <= at.number]
        for one in self._recent(("ReportSubmitted",), head, at):
            if (one["epoch"], one["root"]) == (epoch, root):
                found.append(one["evidence"])
        if not found:
            raise RpcError(
                f"the submission of the report of epoch {epoch} isn't among the events at {self.network.chain.where}; "
                "try again"
            )
        return found[-1]

    def _recent(self, names: Iterable[str], after: int, last: Block) -> list[Any]:
        """Arguments of the committee's events in blocks that aren't final yet."""
        events, chain = self.network.attestations.events, self.network.chain
        return [log["args"] for name in names for log in chain.logs(events[name], after + 1, last.number)]

    def _advance(self) -> int:
        self.events.advance()
        head = self.events.head
        return head.number if head else -1

    def _follow(self, at: Block) -> int:
        """Take up what the log has, which is brought up to date first unless it stands at `at`. Returns the number of
        the newest block whose events are in."""
        head = at.number if self.events.head == at else self._advance()
        news = self.events.news(_FOLLOWED, self._mark)
        if news.anew:
            self._forget(news.mark)
        for event in news.events:
            self._take(event.name, event.block, event.args)
        self._mark = news.mark
        return head

    def _take(self, name: str, block: int, told: dict[str, Any]) -> None:
        match name:
            case "JobCreated":
                self._policies[told["job"]] = read_policy(told["details"]["policy"])
                self._accounts[told["job"]] = told["account"]
            case "AssignmentOpened":
                self._assignments[told["assignment"]] = block
            case "ReportSubmitted":
                self._evidence.setdefault((told["epoch"], told["root"]), []).append((block, told["evidence"]))


def read_policy(raw: dict[str, Any]) -> Policy:
    """A policy from the fields of the contracts' struct, by name."""
    return Policy(
        evidence=_EVIDENCE[raw["evidence"]],
        target_ppm=raw["targetPpm"],
        floor_ppm=raw["floorPpm"],
        window_epochs=raw["windowEpochs"],
        min_observed_seconds=raw["minObservedSeconds"],
        csp_share_ppm=raw["cspSharePpm"],
        penalty_ppm=raw["penaltyPpm"],
        missed_epochs=raw["missedEpochs"],
        outage_seconds=raw["outageSeconds"],
        answer_seconds=raw["answerSeconds"],
        cooldown_seconds=raw["cooldownSeconds"],
        maintenance_seconds=raw["maintenanceSeconds"],
    )


def _remember(known: dict[_K, _V], key: _K, value: _V) -> None:
    """Keep it, and no more than `_REMEMBERED`, the oldest of which goes."""
    known[key] = value
    if len(known) > _REMEMBERED:
        del known[next(iter(known))]
