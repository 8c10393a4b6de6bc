"""What a plan depends on, read from the chain: through the Lens in pages, and from the log of finalized events."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

from eth_abi.abi import decode
from eth_utils.abi import collapse_if_tuple, function_signature_to_4byte_selector

from chain import bindings
from chain.client import Block
from chain.events import EventLog, Mark
from chain.network import Network, named
from chain.words import StructList, uint_list
from oracle.ground.address import checksummed
from oracle.ground.errors import EpochalError
from oracle.ground.keccak import keccak256
from settlement.keeping.calls import ALL
from settlement.model_reports import Report, Rules
from settlement.money import Rates
from settlement.planning import Book, JobState, Snapshot, SwapRoute, TokenState

_PAGE: Final = 400
_JOBS: Final = 100
_FOLLOWED: Final = ("AssignmentOpened", "PaymentRefused", "Paid")
_ASSIGNMENTS_OF: Final = function_signature_to_4byte_selector("assignmentsOf(uint256[])")
_FIELDS: Final = (
    "id",
    "stop",
    "closedAt",
    "through",
    "earned",
    "accounted",
    "claimed",
    "held",
    "marked",
    "payee",
    "licence",
    "node",
)
_HELD: Final = 9
"""Where the escrow keeps its buckets of held seconds: the place of `_held` in contracts/escrow/EscrowStorage.sol."""
_FROZEN: Final = 1
_LICENCE, _NODE, _CSP = 1, 2, 3


class UnlikeTheLens(EpochalError):
    """The escrow's storage isn't laid out as this version of Epochal knows it."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A snapshot, and what goes with it: the block (None for the node's pool on top of it), and the roots of the final
    reports in their order."""

    snapshot: Snapshot
    block: Block
    roots: tuple[bytes, ...]


def rules_of(network: Network) -> Rules:
    """The spans that the network fixed."""
    timing = network.timing
    return Rules(
        network.clock(1),
        timing.activation_delay,
        timing.review_delay,
        timing.stall_span,
        timing.attestable_span,
        network.settle_window,
        network.appeal_epochs,
        network.protocol_share_ppm,
    )


class StateReader:
    """Reads one network. What can't change any more isn't read again once a finalized block says so."""

    def __init__(self, network: Network, events: EventLog) -> None:
        self.network = network
        self.events = events
        self.rules = rules_of(network)
        self._views = StructList(network.lens.abi, "assignmentsOf", _FIELDS)
        self._mark = Mark()
        self._forget()

    def _forget(self) -> None:
        self._opened: list[int] = []
        self._refusals: dict[int, int] = {}
        # Assignments and jobs of which nothing can move any more, with the block that told it first.
        self._done: dict[int, int] = {}
        self._done_jobs: dict[int, int] = {}
        # Of some of them more is to be burned long after their last job.
        self._tokens: set[str] = set()

    def read(self, pending: bool = False) -> Seen:
        """The newest block's state; `pending`: on top of it what waits in the node's pool, as far as it shows it.

        RpcError, ChainUnsettled: the next time may do.
        """
        self._follow()
        block = self.network.chain.block("latest")
        at = None if pending else block
        last, pending_report, before = self._reports(at)
        final = tuple(Report(epoch, since) for epoch, _, since in (before, last) if since)
        roots = tuple(root for _, root, since in (before, last) if since)
        coming = Report(pending_report[0], pending_report[2]) if pending_report[2] else None
        jobs = {one.number: one for one in self._jobs(at, block)}
        books = {one.id: one for one in self._books(at, block, jobs)}
        jobs = self._freezes(jobs, at)
        self._tokens |= {one.token for one in jobs.values()}
        tokens = {token: self._token(token, at) for token in sorted(self._tokens)}
        left_out = frozenset(key for key in self._done if key not in books)
        snapshot = Snapshot(block.timestamp, self.rules, final, coming, books, jobs, tokens, left_out)
        self._note_done(snapshot, block)
        return Seen(snapshot, block, roots)

    def _follow(self) -> None:
        self.events.advance()
        news = self.events.news(_FOLLOWED, self._mark)
        if news.anew:
            self._forget()
        for event in news.events:
            key = event.args["assignment"]
            if event.name == "AssignmentOpened":
                self._opened.append(key)
            elif event.name == "PaymentRefused":
                self._refusals[key] = event.position
            else:
                self._refusals.pop(key, None)
        self._mark = news.mark

    # Reports

    def _reports(self, at: Block | None) -> tuple[Any, Any, Any]:
        calls = self.network.attestations.functions
        return tuple(  # type: ignore[return-value]
            (int(epoch), bytes(root), int(since))
            for epoch, root, since in (
                self._call(call, at) for call in (calls.lastFinal(), calls.pendingReport(), calls.previousFinal())
            )
        )

    # Assignments

    def _books(self, at: Block | None, block: Block, jobs: dict[int, JobState]) -> Iterable[Book]:
        final = self.events.head.number if self.events.head else -1
        wanted = [key for key in self._opened if self._done.get(key, final + 1) > final]
        for start in range(0, len(wanted), _PAGE):
            data = uint_list(_ASSIGNMENTS_OF, wanted[start : start + _PAGE])
            rows = self._views.decode(self._data(self.network.lens.address, data, at))
            held = self._held([row for row in rows if row[7]], at)
            for row in rows:
                yield self._book(row, held.get(row[0], ()), at)

    def _book(self, row: tuple[Any, ...], held: tuple[tuple[int, int], ...], at: Block | None) -> Book:
        key, stop, closed_at, through, earned, accounted, claimed, _, marked, payee, licence, node = row
        frozen = 0
        if marked:
            frozen = max(self._frozen(_LICENCE, licence, at), self._frozen(_NODE, int(node, 16), at))
        refusals = self._refusals.get(key, 0)
        refused = refusals > 0 and earned > claimed and self._refuses(key, payee, at)
        return Book(
            key, stop, not closed_at, through, earned, accounted, claimed, held, marked, frozen, refusals, refused
        )

    def _held(self, rows: Sequence[tuple[Any, ...]], at: Block | None) -> dict[int, tuple[tuple[int, int], ...]]:
        """The buckets of those that hold something, which no function of the contracts tells."""
        if not rows:
            return {}
        places = [keccak256(row[0].to_bytes(32) + _HELD.to_bytes(32)) for row in rows]
        words = self._call(self.network.escrow.functions.words(places), at)
        found: dict[int, tuple[tuple[int, int], ...]] = {}
        for row, word in zip(rows, words, strict=True):
            fields = int.from_bytes(word)
            older_mark, older, younger_mark, younger = (fields >> 40 * place & (1 << 40) - 1 for place in range(4))
            if older + younger != row[7]:
                raise UnlikeTheLens(
                    f"assignment {row[0]} holds {row[7]} seconds, but {older + younger} by the escrow's storage; use "
                    "the version of Epochal that the network was deployed with"
                )
            marks = {mark: 0 for mark, seconds in ((older_mark, older), (younger_mark, younger)) if seconds}
            for mark, seconds in ((older_mark, older), (younger_mark, younger)):
                if seconds:
                    marks[mark] += seconds
            found[row[0]] = tuple(sorted(marks.items()))
        return found

    def _refuses(self, key: int, payee: str, at: Block | None) -> bool:
        """Whether a payment would still be refused: asked as the payee, to whom the contract tells it by an error."""
        function = self.network.escrow.functions.claimTo([key], checksummed(bytes.fromhex(payee[2:])))
        return self._reverts(function, at, payee)

    def _frozen(self, kind: int, number: int, at: Block | None) -> int:
        subject = kind << 248 | number
        return int(self._call(self.network.trust.functions.standingOf(subject, _FROZEN), at)[0])

    # Jobs

    def _jobs(self, at: Block | None, block: Block) -> Iterable[JobState]:
        lens, first = self.network.lens.functions, 1
        final = self.events.head.number if self.events.head else -1
        while True:
            page = self._call(lens.jobsFrom(first, _JOBS), at)
            for number, raw in enumerate(page, first):
                if self._done_jobs.get(number, final + 1) > final:
                    yield self._job(number, named(self.network.lens, "jobsFrom", raw))
            if len(page) < _JOBS:
                return
            first += _JOBS

    def _job(self, number: int, view: dict[str, Any]) -> JobState:
        network = self.network
        return JobState(
            number,
            view["token"].lower(),
            Rates(view["price"], network.timing.epoch_length, network.protocol_share_ppm, view["cspSharePpm"]),
            view["windowEpochs"],
            view["stop"],
            view["closed"],
            view["penaltyPpm"] > 0,
            view["refundable"],
            view["burnable"],
            view["protocolDue"],
            view["refunded"],
            view["burned"],
            view["toProtocol"],
            account=view["account"],
        )

    def _freezes(self, jobs: dict[int, JobState], at: Block | None) -> dict[int, JobState]:
        """Until when the CSPs of those jobs are frozen that have something to refund."""
        accounts = sorted({one.account for one in jobs.values() if one.refundable})
        until = {account: self._frozen(_CSP, account, at) for account in accounts}
        return {key: replace(one, frozen_until=until.get(one.account, 0)) for key, one in jobs.items()}

    def _token(self, token: str, at: Block | None) -> TokenState:
        network = self.network
        address = checksummed(bytes.fromhex(token[2:]))
        contract = network.chain.contract(address, bindings.abi("LocalToken"))
        in_bonds = int(self._call(network.bonds.functions.burnable(address), at))
        at_burner = int(self._call(contract.functions.balanceOf(network.burner.address), at))
        burns = at_burner > 0 and not self._reverts(network.burner.functions.burn(address), at)
        return TokenState(in_bonds, at_burner, burns, self._route(address, at) if at_burner else None)

    def _route(self, token: str, at: Block | None) -> SwapRoute | None:
        if not self.network.addresses.swap_burner:
            return None
        calls = self.network.swap_burner.functions
        pair, swappable_at, most = self._call(calls.routeOf(token), at)
        if not int(pair, 16):
            return None
        _, (_, observed_at) = self._call(calls.observationsOf(token), at)
        min_period, max_period = self._swap_periods
        swaps = not self._reverts(calls.swapAndBurn(token, ALL, 0), at)
        return SwapRoute(most, swappable_at, observed_at, min_period, max_period, swaps)

    @cached_property
    def _swap_periods(self) -> tuple[int, int]:
        """What the burner fixed when it was deployed."""
        min_period, max_period, _, _ = self.network.chain.fact(self.network.swap_burner.functions.settings())
        return min_period, max_period

    # What is over

    def _note_done(self, snapshot: Snapshot, block: Block) -> None:
        """An appeal's last chance is the report that ends its span."""
        newest = snapshot.final[-1].epoch if snapshot.final else -1
        clock, left = snapshot.rules.clock, set()
        for key, book in snapshot.books.items():
            job = snapshot.jobs.get(book.job)
            settled = book.through >= book.stop and not book.held and book.claimed == book.earned and not book.open
            appeals_over = newest > clock.covering(max(book.stop, clock.genesis)) + snapshot.rules.appeal_epochs
            if settled and (appeals_over or (job is not None and job.closed)):
                self._done.setdefault(key, block.number)
            else:
                self._done.pop(key, None)
                left.add(book.job)
        for number, job in snapshot.jobs.items():
            if job.closed and number not in left and not (job.refundable or job.burnable or job.protocol_due):
                self._done_jobs.setdefault(number, block.number)
            else:
                self._done_jobs.pop(number, None)

    # Calls

    def _call(self, function: Any, at: Block | None) -> Any:
        if at is not None:
            return self.network.chain.call(function, at)
        data = self._data(function.address, function._encode_transaction_data(), None)
        values = decode([collapse_if_tuple(one) for one in function.abi["outputs"]], data)
        return values[0] if len(values) == 1 else values

    def _data(self, to: str, data: str, at: Block | None) -> bytes:
        if at is not None:
            return self.network.chain.call_data(to, data, at)
        return bytes.fromhex(self.network.chain.rpc("eth_call", {"to": to, "data": data}, "pending")[2:])

    def _reverts(self, function: Any, at: Block | None, sender: str | None = None) -> bool:
        data = function._encode_transaction_data()
        return self.network.chain.reverts(function.address, data, at or "pending", sender)
