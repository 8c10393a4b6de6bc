"""A replay's moves on the chain: calls, each in a block of its exact time, and whether they were carried out."""

from __future__ import annotations

from dataclasses import dataclass

from eth_utils.abi import function_signature_to_4byte_selector

from chain.network import Network
from chain.transactions import Call, Wallet
from chain.words import StructList, uint_list
from oracle.committee.committee import Committee
from oracle.committee.reallocating import LIFE_SLOTS
from oracle.ground.breaches import SLOT_TICKS, Reason, request_id
from oracle.ground.clock import EpochClock
from oracle.ground.errors import EpochalError
from oracle.ground.ids import pack, show_assignment
from oracle.ground.reallocations import Reallocation, RequestTree
from oracle.ground.typed_data import ReallocationBatch
from oracle.signing.signer import LocalSigner
from scenario.market import INTENT, Market, oracle_signers
from scenario.reallocation.facts import Batch, Moves
from scenario.timeline import Event

_ASSIGNMENTS_OF = function_signature_to_4byte_selector("assignmentsOf(uint256[])")
_PAGE = 500


class NotCarriedOut(EpochalError):
    """The chain has something else than what was worked out: a bug in one of them."""


def committee_of(oracles: int) -> Committee:
    """The local committee, as the chain will have it."""
    return Committee(1, tuple(sorted(bytes.fromhex(one.address[2:]) for one in oracle_signers(oracles))))


@dataclass(frozen=True, slots=True)
class Mover:
    """Brings the moves of one job on chain."""

    market: Market
    wallet: Wallet
    job: int
    clock: EpochClock
    oracles: int

    @property
    def network(self) -> Network:
        """Where."""
        return self.market.network

    def events(self, moves: Moves) -> list[Event]:
        """All but the assignments: where several are due in one second, slots are emptied before others are filled."""
        found = [
            Event(at, lambda s=slot, g=generation: self.market.close_assignment(self.job, s, g))  # type: ignore[misc]
            for at, slot, generation in moves.closings
        ]
        found += [Event(one.at, lambda b=one: self._request(b)) for one in moves.batches]  # type: ignore[misc]
        found += [Event(at, lambda s=slot: self._reopen(s)) for at, slot in moves.reopenings]  # type: ignore[misc]
        return found

    def _request(self, batch: Batch) -> Call:
        """The call that carries out a batch, signed by as many as a quorum needs: its proposer and those after it."""
        tree = RequestTree([self._leaf(batch.epoch, place) for place in batch.places])
        version = self.network.chain.call(self.network.attestations.functions.committeeInForce())[0]
        life = LIFE_SLOTS * SLOT_TICKS * self.clock.tick
        expiry = min(self.clock.end(batch.epoch) - 1, batch.at + life)
        signed = ReallocationBatch(version, batch.epoch, tree.root, expiry)
        signers, quorum = self._signers(), committee_of(self.oracles).quorum
        places = sorted((batch.proposer + turn) % len(signers) for turn in range(quorum))
        signatures = b"".join(signers[one].sign_typed(signed, self.network.reallocation_domain) for one in places)
        spec = self.market.job
        entries = [
            (
                one.abi_values(),
                self.network.chain.w3.to_checksum_address(self.network.addresses.token),
                spec.price,
                spec.policy.abi_values(),
                INTENT,
                tree.proof(place),
            )
            for place, one in enumerate(tree.requests)
        ]
        fields = (signed.committee, signed.epoch, signed.root, signed.expiry)
        calls = self.network.reallocations.functions
        function = calls.requestMany(fields, sum(1 << one for one in places), signatures, entries)
        return Call.of("request other nodes", self.wallet, function)

    def _reopen(self, slot: int) -> Call:
        function = self.network.reallocations.functions.reopenSlot(self.job, slot)
        return Call.of("reopen slot", self.market.csp, function, 200_000)

    def _signers(self) -> list[LocalSigner]:
        """In the committee's order."""
        return sorted(oracle_signers(self.oracles), key=lambda one: int(one.address, 16))

    def _leaf(self, epoch: int, place: tuple[int, int, Reason, int]) -> Reallocation:
        slot, generation, reason, as_of = place
        key = pack(self.job, slot, generation)
        contract = self.network.addresses.reallocations
        return Reallocation(
            request_id(self.network.chain.chain_id, contract, key, epoch, reason.value), key, reason.value, as_of
        )

    def check(self, moves: Moves, ends_at: int) -> None:
        """NotCarriedOut unless the chain carried out each request and has each assignment open and close on time."""
        self._check_requests(moves)
        views = StructList(self.network.lens.abi, "assignmentsOf", ("id", "openedAt", "closedAt"))
        spans = {pack(self.job, one.slot, one.generation): one for one in moves.spans}
        keys = list(spans)
        for start in range(0, len(keys), _PAGE):
            asked = uint_list(_ASSIGNMENTS_OF, keys[start : start + _PAGE])
            for key, opened, closed in views.decode(self.network.chain.call_data(self.network.lens.address, asked)):
                one = spans[key]
                if opened != one.start or (closed != one.end and one.end < ends_at):
                    raise NotCarriedOut(
                        f"assignment {show_assignment(key)} of {one.node} is from {opened} to {closed} on chain, but "
                        f"was to be from {one.start} to {one.end}"
                    )

    def _check_requests(self, moves: Moves) -> None:
        contract, chain = self.network.reallocations, self.network.chain
        leaves = [self._leaf(batch.epoch, place) for batch in moves.batches for place in batch.places]
        calls = [contract.functions.carriedOut(leaf.id)._encode_transaction_data() for leaf in leaves]
        asked = [("eth_call", [{"to": contract.address, "data": data}, "latest"]) for data in calls]
        for leaf, told in zip(leaves, chain.batch(asked), strict=True):
            if not int(told, 16):
                raise NotCarriedOut(f"the request for assignment {show_assignment(leaf.assignment)} was skipped")
