# SPDX-License-Identifier: Apache-2.0
"""What `benchmarks.gas` measures, and the baselines beside it. Each function answers with figures by row and column.

"First" means that an action finds its storage slots never written, "steady" that all of them were written before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from benchmarks.gas_world import APPEAL_EPOCHS, DAY, PRICE, Job, World, key, packed, tree_of
from chain.transactions import SteppedSender, Wallet
from oracle.ground.ids import KIND_ASSIGNMENT, pack
from oracle.ground.leaves import Leaf
from oracle.ground.merkle import Tree
from oracle.signing.signer import LocalSigner

Figures = dict[str, dict[str, int]]

COMMITTEES = (4, 7, 16, 31)
SMALL = 64
WHOLE_NETWORK = 46_724
FLAT_SIZES = (1, 53, WHOLE_NETWORK)
SPANS = (1, 30, 365)
RANGES = (100, 1000)
BEFORE_RANGES = 10_007  # leaves before the ranges, an odd number: both edges need proof
PUSHED_JOBS, PUSHED_NODES = 10, 20


def quorum_of(members: int) -> int:
    """More than two thirds."""
    return 2 * members // 3 + 1


@dataclass(frozen=True, slots=True)
class Seconds:
    """Seconds of an assignment that was opened 7 seconds after its job's start, day by day; a tick is 10 seconds."""

    job: Job
    slot: int = 0
    withheld_a_day: int = 0

    def after(self, days: int) -> Leaf:
        """The leaf after so many days: all whole ticks accounted."""
        accounted = days * DAY - 10
        return Leaf(KIND_ASSIGNMENT, self.job.assignment(self.slot), accounted - days * self.withheld_a_day, accounted)


def attesting(world: World, sizes: Sequence[int] = FLAT_SIZES) -> Figures:
    """The first report, and steady ones, which come from the fourth on, of trees of several sizes."""
    first = world.attest(0, _root(1, 0))
    for epoch in (1, 2):
        world.attest(epoch, _root(1, epoch))
    steady = {size: world.attest(epoch, _root(size, epoch)) for epoch, size in enumerate(sizes, 3)}
    flat = {f"leaves_{size}": gas for size, gas in steady.items()}
    return {f"attest_{world.quorum}": {"first": first, "steady": max(steady.values()), **flat}}


@cache
def _root(size: int, days: int) -> bytes:
    """The root of a tree that is another one each day."""
    return tree_of([Leaf(KIND_ASSIGNMENT, pack(1, 0, 1), days * DAY, days * DAY)], size).root


def further_signatures(world: World) -> Figures:
    """The mean step from a quorum of a committee to all of it, one signature at a time."""
    start = world.coming_epoch
    counts = range(world.quorum, len(world.signers) + 1)
    gas = [world.attest(epoch, _root(1, epoch), count) for epoch, count in enumerate(counts, start)]
    return {"signature": {"steady": (gas[-1] - gas[0]) // (len(gas) - 1)}}


def settling(world: World, size: int, name: str, spans: Sequence[int] = SPANS) -> Figures:
    """Settle and pay one assignment, the first time after a day and then after each of the spans of days."""
    job = world.create(1, sum(spans) + 2)
    epoch = world.start((job, world.register(1, world.wallet(f"payee of {job.id}"))))
    figures: Figures = {}
    days = 0
    for span in (1, *spans):
        days += span
        leaf = Seconds(job).after(days)
        tree = tree_of([leaf], size)
        world.attest(epoch + days - 1, tree.root)
        gas = _settle(world, epoch + days - 1, leaf, tree, 0, pay=True)
        if days == 1:
            first = {"first": gas}
        else:
            figures[f"{name}_{span}"] = {**first, "steady": gas}
            first = {}
    return figures


def holding(world: World) -> Figures:
    """Settle and pay where each day withholds something; release it."""
    job = world.create(1, 12)
    epoch = world.start((job, world.register(1, world.wallet(f"payee of {job.id}"))))
    gas = []
    for days in range(1, 2 * APPEAL_EPOCHS + 3):
        leaf = Seconds(job, withheld_a_day=600).after(days)
        tree = tree_of([leaf], SMALL)
        world.attest(epoch + days - 1, tree.root)
        gas.append(_settle(world, epoch + days - 1, leaf, tree, 0, pay=True))
    for later in range(days, days + 2 * APPEAL_EPOCHS + 1):
        world.attest(epoch + later, tree.root)
    world.sender.at(world.sender.now + DAY // 2)
    (release,) = world.send(world.keeper, world.escrow.releaseHeld([leaf.id]))
    return {"held": {"first": gas[0], "steady": max(gas[1:])}, "release": {"steady": release}}


def ranges(world: World, size: int, counts: Sequence[int] = RANGES, singles: bool = True) -> Figures:
    """Settle jobs of many slots by ranges, unpaid: the first time, steady, and then each assignment by itself."""
    licences = world.register(max(counts), world.wallet("holder"))
    jobs = [world.create(count, 5) for count in counts]
    epoch = world.start(*((job, licences[:count]) for job, count in zip(jobs, counts, strict=True)))
    before = min(BEFORE_RANGES, size - sum(counts))
    figures: Figures = {f"range_{count}": {} for count in counts}
    columns = ["first", "steady", "singles"] if singles else ["first", "steady"]
    for day, column in enumerate(columns):
        leaves = [
            Seconds(job, slot).after(day + 1) for job, count in zip(jobs, counts, strict=True) for slot in range(count)
        ]
        tree = tree_of(leaves, size, before)
        world.attest(epoch + day, tree.root)
        at = 0
        for job, count in zip(jobs, counts, strict=True):
            own = leaves[at : at + count]
            if column == "singles":
                gas = _settle_singly(world, epoch + day, own, tree, before + at)
            else:
                proof = tree.range_proof(before + at, before + at + count - 1)
                call = world.escrow.settleRange(
                    epoch + day, job.id, proof.tree_index, [packed(leaf) for leaf in own], list(proof.proof)
                )
                (gas,) = world.send(world.keeper, call)
            figures[f"range_{count}"][column] = gas
            at += count
    return figures


def leaving(world: World) -> Figures:
    """Create and fund a job (the network's first, and a later one). Leave both: stop, then close and have the rest
    refunded in one transaction; of the later one some unmeasured time was refunded before."""
    jobs = [world.create(1, 3), world.create(1, 3)]
    epoch = world.start(*((job, world.register(1, world.wallet(f"payee of {job.id}"))) for job in jobs))
    leaves = [Seconds(job).after(1) for job in jobs]
    tree = tree_of(leaves, SMALL)
    world.attest(epoch, tree.root)
    for place, leaf in enumerate(leaves):
        _settle(world, epoch, leaf, tree, place, pay=True)
    world.send(world.csp, world.escrow.withdrawRefund(jobs[1].id))
    world.sender.at(world.sender.now + DAY // 2)
    stops = [world.send(world.csp, world.escrow.stopJob(job.id))[0] for job in jobs]
    world.attest(epoch + 1, tree.root)
    world.sender.at(world.sender.now + DAY // 2)
    closes = []
    for job in jobs:
        both = (world.escrow.closeJob(job.id), world.escrow.withdrawRefund(job.id))
        closes += world.send(world.csp, world.escrow.multicall([one._encode_transaction_data() for one in both]))
    leave = {"first": stops[0] + closes[0], "steady": stops[1] + closes[1], "stop": stops[1], "close": closes[1]}
    return {"create": {"first": jobs[0].gas, "steady": jobs[1].gas}, "leave": leave}


def _settle(world: World, epoch: int, leaf: Leaf, tree: Tree, place: int, pay: bool) -> int:
    function = world.escrow.settleAndClaim if pay else world.escrow.settle
    arguments = (epoch, leaf.id, leaf.earned, leaf.accounted, list(tree.proof(place)))
    return world.send(world.keeper, function(*arguments))[0]


def _settle_singly(world: World, epoch: int, leaves: Sequence[Leaf], tree: Tree, first: int) -> int:
    calls = [
        world.escrow.settle(epoch, leaf.id, leaf.earned, leaf.accounted, list(tree.proof(first + i)))
        for i, leaf in enumerate(leaves)
    ]
    return sum(sum(world.send(world.keeper, *calls[at : at + 500])) for at in range(0, len(calls), 500))


# --- baselines ---


def push_loop(world: World) -> Figures:
    """A loop over jobs and nodes: gas for each node and epoch, once all nodes have been paid before."""
    loop = world.deploy("PushLoop", world.network.addresses.token, DAY)
    world.send(world.csp, world.token.mint(loop.address, 10**18))
    for job in range(PUSHED_JOBS):
        world.send(world.csp, loop.add([_address(f"pushed {job} {node}") for node in range(PUSHED_NODES)], PRICE))
    count = PUSHED_JOBS * PUSHED_NODES
    first, steady = (world.send(world.keeper, loop.pay([DAY - 10] * count))[0] for _ in range(2))
    return {"push_loop": {"first": first // count, "steady": steady // count}}


def epoch_proofs(world: World) -> Figures:
    """A proof for each epoch, claimed after each of the spans of epochs."""
    proofs = world.deploy("EpochProofs", world.network.addresses.token, DAY, PRICE)
    world.send(world.csp, world.token.mint(proofs.address, 10**18))
    leaf = Leaf(KIND_ASSIGNMENT, 2**64 + 1, DAY - 10, DAY - 10)
    tree = tree_of([leaf], SMALL)
    roots = [tree.root] * (1 + sum(SPANS))
    world.send(world.keeper, proofs.setRoots(0, roots))
    payee = _address("payee of proofs")
    figures: Figures = {}
    at = 0
    for span in (1, *SPANS):
        path = tree.proof(0)
        (gas,) = world.send(
            world.keeper, proofs.claim(leaf.id, payee, at, [leaf.earned] * span, len(path), list(path) * span)
        )
        if at:
            figures[f"epoch_proofs_{span}"] = {"steady": gas}
        at += span
    return figures


def member_votes(world: World) -> Figures:
    """One transaction of each member of a quorum for an epoch."""
    voters = [Wallet(world.chain, key(f"voter {i} of {len(world.signers)}")) for i in range(world.quorum)]
    votes = world.deploy("MemberVotes", [voter.address for voter in voters], world.quorum)
    gas = [sum(world.send(voter, votes.vote(epoch, _root(1, epoch)))[0] for voter in voters) for epoch in (1, 2)]
    return {f"votes_{world.quorum}": {"first": gas[0], "steady": gas[1]}}


def _address(label: str) -> str:
    return LocalSigner(key(label)).address


# --- runs ---


def all_figures(sender: SteppedSender) -> Figures:
    """The whole table's figures."""
    worlds = [World(sender, members) for members in COMMITTEES]
    figures: Figures = {}
    for world in worlds:
        figures |= attesting(world)
    figures |= further_signatures(worlds[-1])
    world = worlds[0]
    figures |= leaving(world)
    figures |= settling(world, SMALL, "settle_64")
    figures |= settling(world, WHOLE_NETWORK, "settle_46724")
    figures |= holding(world)
    figures |= ranges(world, WHOLE_NETWORK)
    figures["largest"] = {"steady": max(max(used) for used in sender.gas.used.values())}
    for each in worlds:
        figures |= member_votes(each)
    return figures | push_loop(world) | epoch_proofs(world)


def cheap_figures(sender: SteppedSender) -> Figures:
    """Those figures of the table that take a moment: all but the largest trees and ranges, and the baselines."""
    worlds = [World(sender, members) for members in COMMITTEES]
    figures: Figures = {}
    for world in worlds:
        figures |= attesting(world, (1,))
    figures |= further_signatures(worlds[-1])
    world = worlds[0]
    return (
        figures
        | leaving(world)
        | settling(world, SMALL, "settle_64")
        | holding(world)
        | ranges(world, 1024, (100,), singles=False)
    )
