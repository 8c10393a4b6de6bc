"""The oracles of a local network, each with a key, a store and a client of its own, in one process."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path

from chain.client import Chain
from chain.network import Network
from oracle.committee.anchor import AnchorReader
from oracle.committee.member import Member
from oracle.ground.clock import EpochClock
from oracle.telemetry.store.opening import open_store
from scenario.market import oracle_signers


def local_members(
    network: Network, clock: EpochClock, stores: Sequence[Path], stack: ExitStack | AsyncExitStack
) -> list[Member]:
    """One oracle for each store, which is closed with the stack. They share no state but the chain's."""
    label = f"{network.chain.chain_id}:{network.addresses.attestations.lower()}"
    members = []
    for path, signer in zip(stores, oracle_signers(len(stores)), strict=True):
        store = open_store(path, clock, label)
        stack.callback(store.close)
        reader = AnchorReader(Network(Chain(network.chain.url), network.addresses))
        members.append(Member(signer, store, reader, clock))
    return members
