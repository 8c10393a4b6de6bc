"""What the chain says of a committee's members: who runs each, and how long it served."""

from __future__ import annotations

from collections.abc import Iterable

from chain.client import Block
from chain.network import Network, named
from oracle.committee.committee import Committee
from oracle.ground.address import checksummed, raw_address
from oracle.ground.duty import Post
from oracle.ground.uptime import Uptime


def operators(network: Network, committee: Committee, epoch: int, anchor: Block) -> dict[bytes, tuple[bytes, bytes]]:
    """By signer, the member's own address and its operator's, as declared when an epoch started; 20 bytes each.

    anchor: the epoch's. There the next epoch runs, and what was declared for it may have
    taken the place of what counted in this one; so it is read in the block before. A member that was admitted with
    the anchor's block has the operator it came with. Signers that are no member's are left out.
    """
    chain, functions = network.chain, network.registry.functions
    members = _members(network, committee, anchor)
    before = chain.block(anchor.number - 1) if anchor.number else anchor
    clock = network.clock(1)
    # Where no block of the epoch is before the anchor, nothing was declared in it.
    which = "operator" if before.timestamp >= clock.start(epoch) else "nextOperator"
    asked = [functions.oracleOf(checksummed(member)) for member in members.values()]
    found: dict[bytes, tuple[bytes, bytes]] = {}
    earlier = [named(network.registry, "oracleOf", one) for one in chain.calls(asked, before)]
    now = [named(network.registry, "oracleOf", one) for one in chain.calls(asked, anchor)]
    for (signer, member), then, later in zip(members.items(), earlier, now, strict=True):
        operator = then[which] if int(then["signer"], 16) else later["operator"]
        found[signer] = member, raw_address(operator)
    return found


def posts(network: Network, committee: Committee, end: int, anchor: Block, known: Iterable[int]) -> list[Post]:
    """The committee's members, and `known` ones (addresses as numbers), with what they served and what is booked.

    end: of the reported epoch, UNIX seconds.
    """
    chain, registry, pay = network.chain, network.registry.functions, network.oracle_pay.functions
    sitting = {int.from_bytes(member): signer for signer, member in _members(network, committee, anchor).items()}
    ids = sorted(sitting.keys() | set(known))
    _, since, _, _ = chain.call(network.attestations.functions.committeeInForce(), anchor)
    asked = [checksummed(one.to_bytes(20)) for one in ids]
    served = chain.calls([registry.membershipSeconds(one) for one in asked], anchor)
    booked = [
        named(network.oracle_pay, "dutyOf", one) for one in chain.calls([pay.dutyOf(one) for one in asked], anchor)
    ]
    # Of whoever sits, the time since the epoch's end, or since its set took over, counts for the next report.
    later = anchor.timestamp - max(end, since)
    return [
        Post(one, sitting.get(one), max(0, seconds - later), Uptime(told["earned"], told["accounted"]))
        for one, seconds, told in zip(ids, served, booked, strict=True)
    ]


def _members(network: Network, committee: Committee, anchor: Block) -> dict[bytes, bytes]:
    """By signer, the member's own address; signers that are no member's are left out."""
    functions = network.registry.functions
    told = network.chain.calls([functions.memberOfSigner(checksummed(one)) for one in committee.members], anchor)
    return {signer: raw_address(one) for signer, one in zip(committee.members, told, strict=True) if int(one, 16)}
