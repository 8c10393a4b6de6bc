"""Equivocations on chain: which were proved, which still can be, what follows for the member; proving them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from web3.contract.contract import ContractFunction
from web3.logs import DISCARD
from web3.types import TxReceipt

from chain.errors import ContractReverted
from chain.network import Network
from operations.equivocations_told import Proof
from operations.plans import Plan, PlannedCall
from operations.refusals import explained
from operations.simulating import try_calls
from operations.slashing import Exposed, exposed
from oracle.ground.address import checksummed, raw_address
from oracle.ground.errors import UserError

_ANYONE: Final = "0x00000000000000000000000000000000000000e1"
"""Who is said to try a proof where no key is at hand: the contract doesn't ask."""


class NothingToProve(UserError):
    """No oracle told what could be proved, or all of it was proved before, or is refused."""


@dataclass(frozen=True, slots=True)
class Case:
    """An equivocation as it stands. `refusal` tells why the contract takes no proof now; "": it was proved, or can be.

    key     address of the key that signed twice
    against what stands against the member, and its bond
    """

    member: str
    key: str
    proof: Proof
    proved: bool
    refusal: str
    against: Exposed

    @property
    def provable(self) -> bool:
        """Whether a proof would be taken now."""
        return not self.proved and not self.refusal

    def named(self, address: str) -> bool:
        """Whether an address is its key's or its member's."""
        return address.lower() in (self.key.lower(), self.member.lower())

    def lines(self, now: int) -> list[str]:
        """For a person; `now` in UNIX seconds."""
        about = f"committee {self.proof.committee}, by the key {self.key}"
        if self.proved:
            state = "proved on chain"
        else:
            state = f"not proved: {self.refusal}" if self.refusal else "can be proved: `epochal equivocation prove`"
        return [
            f"{self.member}: two observations of epoch {self.proof.epoch}, {about}; {state}",
            *self.against.lines(now),
        ]

    def as_json(self) -> dict[str, Any]:
        """All fields."""
        signed = (self.proof.first, self.proof.second)
        return {
            "member": self.member,
            "key": self.key,
            "epoch": self.proof.epoch,
            "committee": self.proof.committee,
            "observations": [
                {"contentHash": "0x" + one.content_hash.hex(), "signature": "0x" + one.signature.hex()}
                for one in signed
            ],
            "proved": self.proved,
            "provable": self.provable,
            "refusal": self.refusal,
            "against": self.against.as_json(),
        }


def keys_of(network: Network) -> Callable[[int], Collection[bytes]]:
    """Looks up a committee's keys by its version, 20 bytes each; none where there is no such committee. RpcError."""
    calls = network.attestations.functions
    newest = max(network.chain.call(one)[0] for one in (calls.committeeInForce(), calls.committeeAnnounced()))

    @cache
    def look(version: int) -> tuple[bytes, ...]:
        if not 1 <= version <= newest:  # oracles' numbers cost no request
            return ()
        return tuple(raw_address(one) for one in network.chain.call(calls.committee(version))[0])

    return look


def cases(network: Network, proofs: Sequence[Proof], keys: Callable[[int], Collection[bytes]]) -> list[Case]:
    """Proofs as they stand on chain; `keys` as of `keys_of`. RpcError."""
    against = cache(lambda member: exposed(network, member))
    found = []
    for one in proofs:
        index = list(keys(one.committee)).index(one.key)
        member = checksummed(raw_address(network.chain.call(network.registry.functions.memberOf(one.committee, index))))
        proved = bool(network.chain.call(network.equivocations.functions.proved(member, one.epoch)))
        refusal = "" if proved else _refusal(network, _call(network, member, one))
        found.append(Case(member, checksummed(one.key), one, proved, refusal, against(member)))
    return found


def proving(network: Network, told: Sequence[Case], authors: Sequence[str]) -> Plan:
    """Prove what isn't proved yet, of these authors (addresses of keys or members), or of all.

    One proof for each member, the oldest that is taken: it suspends the member, and while that stands the contract
    takes no other. What it refuses is told and left out. NothingToProve.
    """
    unknown = [one for one in authors if not any(case.named(one) for case in told)]
    if unknown:
        raise NothingToProve(
            f"no oracle that was asked proves anything of {', '.join(unknown)}: check the address, ask others"
        )
    wanted = [one for one in told if not authors or any(one.named(each) for each in authors)]
    if not wanted:
        raise NothingToProve("no oracle that was asked proves anything of anybody: there is nothing to do")
    left_out = {one: one.refusal for one in wanted if one.refusal}
    chosen: dict[str, Case] = {}
    for one in wanted:
        if one.provable and chosen.setdefault(one.member, one) is not one:
            left_out[one] = "another proof, of an earlier epoch, suspends it"
    if not chosen:
        done = sum(one.proved for one in wanted)
        said = [f"{done} proved before"] if done else []
        said += [f"epoch {one.proof.epoch} of {one.member}: {why}" for one, why in left_out.items()]
        raise NothingToProve(f"nothing is left to prove: {'; '.join(said)}")
    facts = [
        ("suspends", f"{one.member}, whose bond can be slashed once its appeal is over") for one in chosen.values()
    ]
    facts += [("left out", f"epoch {one.proof.epoch} of {one.member}: {why}") for one, why in left_out.items()]
    calls = tuple(_call(network, one.member, one.proof) for one in chosen.values())
    return Plan(
        f"Prove that {len(calls)} oracle{'s' * (len(calls) > 1)} signed twice", calls, tuple(facts), moves_money=True
    )


def proved(network: Network, receipts: Sequence[TxReceipt]) -> list[tuple[str, int]]:
    """Member and epoch of what these transactions proved."""
    event = network.equivocations.events.EquivocationProved()
    found = [one["args"] for each in receipts for one in event.process_receipt(each, errors=DISCARD)]
    return [(one["member"], int(one["epoch"])) for one in found]


def _call(network: Network, member: str, proof: Proof) -> PlannedCall:
    values = (proof.epoch, proof.committee, proof.first.abi_values(), proof.second.abi_values())
    function: ContractFunction = network.equivocations.functions.prove(*values)
    return PlannedCall.of(f"prove that {member} signed two observations of epoch {proof.epoch}", function)


def _refusal(network: Network, call: PlannedCall) -> str:
    """Why the contract doesn't take it now, in a person's words; "": it does."""
    try:
        try_calls(network.chain, _ANYONE, [call])
    except ContractReverted as error:
        return str(explained(network, error)).removeprefix(f"{call.label}: ")
    return ""
