# SPDX-License-Identifier: Apache-2.0
"""One network of any size whose five oracles agree on an epoch: first in this process, then as real processes.

Nobody waits for a day to end: the chain's clock and the oracles' stand shortly before the end of one that is in their
stores already.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.committee_processes import ORACLES, Oracle, Round, run_round
from benchmarks.committee_stores import fill
from benchmarks.crowd import Crowd, gather
from benchmarks.epoch import APPEAL_EPOCHS, CLOCK
from chain.anvil import Anvil
from chain.client import Chain
from chain.directory import announcement
from chain.events import EventLog
from chain.network import NetworkSettings, Timing
from chain.transactions import Wallet
from oracle.committee.agreement import unbundle
from oracle.committee.anchor import AnchorReader
from oracle.committee.in_process import SignedReport, agree_on
from oracle.committee.member import Member
from oracle.ground.errors import EpochalError
from oracle.ground.policy import Policy
from oracle.service.chain_roster import ChainRoster
from oracle.telemetry.store.bitmaps import BitmapStore
from oracle.telemetry.store.opening import open_store
from scenario.market import JobSpec, key_of, oracle_signers
from scenario.network.fleet import Ports
from scenario.network.world import gas_key
from scenario.settler import Settler

EPOCH: Final = 1
"""The one that is measured: accounts exist already, as on every day but the first."""
SETTLE_DELAY: Final = 5
_AGREEMENT_SPAN: Final = 180
_ACTIVATION: Final = 30
_ANVIL: Final = (
    *("--no-mining", "--order", "fifo", "--slots-in-an-epoch", "1"),
    *("--disable-block-gas-limit", "--base-fee", "0", "--gas-price", "0"),
)
_PURSE: Final = 10**20
_LEAST_LEAD: Final = 30.0
_NODES_A_SECOND: Final = 12_500
"""Nodes for which blocks come a second apart: anvil takes 8 µs of each to seal a block, and is to leave the processors
to the oracles."""


class NotMeasured(EpochalError):
    """Something didn't go as it must for a figure to mean anything."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What one network's round took. in_process: seconds of the same round without a network; setup: seconds."""

    nodes: int
    block_seconds: int
    oracles: tuple[Oracle, ...]
    mined: float
    """Seconds from the epoch's end to the time of the report's block."""
    signatures: int
    observation_bytes: int
    evidence_bytes: int
    in_process: float
    setup: float

    def since(self, later: str, earlier: str) -> list[float]:
        """Seconds from one step to another at each oracle that took both."""
        both = [one.times for one in self.oracles if earlier in one.times and later in one.times]
        return sorted(times[later] - times[earlier] for times in both)


def measure(nodes: int, folder: Path, lead: float | None, say: Callable[[str], None]) -> Measured:
    """Build the network in `folder` and have it close an epoch, which ends `lead` seconds after its oracles' start.

    NotMeasured or another EpochalError with the reason.
    """
    began = time.monotonic()
    with ExitStack() as stack:
        anvil = stack.enter_context(Anvil(*_ANVIL, timestamp=CLOCK.genesis - 3600, log=folder / "anvil.log"))
        chain = Chain(anvil.url)
        ports = Ports.of(ORACLES)
        crowd = _network(chain, nodes, ports)
        say(f"{nodes:,} nodes are placed: {time.monotonic() - began:.0f} s")
        folders = [folder / f"oracle-{number}" for number in range(1, ORACLES + 1)]
        for one in folders:
            one.mkdir()
        stores = [one / "oracle.sqlite" for one in folders]
        # One log of events for all: what is timed is the agreement, and decoding them takes longest here.
        events = EventLog.of(crowd.network, folder / "chain.sqlite")
        stack.callback(events.close)
        with ExitStack() as opened:
            members = [
                Member(one, _opened(path, crowd, opened), AnchorReader(crowd.network, events), CLOCK)
                for one, path in zip(oracle_signers(ORACLES), stores, strict=True)
            ]
            _attest_first(crowd, members)
        startup = _share_events(crowd, events, folder / "chain.sqlite", folders)
        say(f"epoch 0 is attested: {time.monotonic() - began:.0f} s")
        fill(stores, _label(crowd), crowd.nodes, EPOCH)
        say(f"epoch {EPOCH} is in {ORACLES} stores: {time.monotonic() - began:.0f} s")
        baseline, seconds = _in_process(crowd, members, stores)
        say(f"epoch {EPOCH} agreed in one process, which took {seconds:.1f} s: {time.monotonic() - began:.0f} s")
        setup = time.monotonic() - began
        if lead is None:
            lead = _blocks(nodes) * 4 + max(_LEAST_LEAD, 12 + 3 * startup * ORACLES / min(ORACLES, os.cpu_count() or 1))
        say(f"the oracles start, {lead:.0f} s before the epoch's end")
        done = run_round(crowd.network, CLOCK.end(EPOCH), EPOCH, folders, ports, lead, _blocks(nodes))
        return _measured(nodes, done, baseline, seconds, setup)


def _network(chain: Chain, nodes: int, ports: Sequence[Ports]) -> Crowd:
    length = CLOCK.length
    timing = Timing(
        genesis=CLOCK.genesis,
        epoch_length=length,
        settle_delay=SETTLE_DELAY,
        agreement_span=_AGREEMENT_SPAN,
        activation_delay=_ACTIVATION,
        review_delay=2 * length,
        replacement_span=length,
        stall_span=4 * length,
        attestable_span=4 * length,
        grace=3_600,
    )
    signers = oracle_signers(ORACLES)
    settings = NetworkSettings(timing, tuple(one.address for one in signers), APPEAL_EPOCHS, 3_600, 150_000)
    job = JobSpec(100 * 10**6, nodes, CLOCK.genesis, CLOCK.end(29), Policy())
    crowd = gather(chain, settings, job)
    wallets = [Wallet(chain, gas_key(number + 1)) for number in range(ORACLES)]
    chain.batch([("anvil_setBalance", [one.address, hex(_PURSE)]) for one in wallets])
    crowd.sender.send(
        [
            announcement(crowd.network, wallet, signer, f"http://127.0.0.1:{port.peers}", 1, 200_000)
            for wallet, signer, port in zip(wallets, signers, ports, strict=True)
        ]
    )
    return crowd


def _attest_first(crowd: Crowd, members: Sequence[Member]) -> None:
    """Report the epoch before, in which nobody was observed, and wait until that is final."""
    _end(crowd, EPOCH - 1)
    signed = agree_on(EPOCH - 1, members)
    keeper = Settler(crowd.network, crowd.sender, Wallet(crowd.network.chain, key_of("keeper")))
    crowd.sender.at(CLOCK.end(EPOCH - 1) + SETTLE_DELAY + _ACTIVATION)
    keeper.attest(signed.draft.report, signed.signers, signed.signatures)
    crowd.sender.at(crowd.sender.now + _ACTIVATION).send([])
    _finalize(crowd)


def _in_process(crowd: Crowd, members: Sequence[Member], stores: Sequence[Path]) -> tuple[SignedReport, float]:
    """The epoch agreed on in this process, on copies of the stores, and its seconds; the chain is as before then."""
    chain = crowd.network.chain
    snapshot = chain.rpc("evm_snapshot")
    _end(crowd, EPOCH)
    with ExitStack() as opened:
        copies = []
        for member, path in zip(members, stores, strict=True):
            copy = path.with_name("copy.sqlite")
            shutil.copyfile(path, copy)
            opened.callback(copy.unlink)
            # Its reader has followed the chain, as that of an oracle that has been running.
            copies.append(Member(member.signer, _opened(copy, crowd, opened), member.reader, CLOCK))
        began = time.monotonic()
        signed = agree_on(EPOCH, copies)
        seconds = time.monotonic() - began
    chain.rpc("evm_revert", snapshot)
    return signed, seconds


def _share_events(crowd: Crowd, events: EventLog, path: Path, folders: Sequence[Path]) -> float:
    """Give each oracle the log of events, as one that has been running has it. Seconds that taking it up takes."""
    events.advance()
    for one in folders:
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(one / path.name)) as target:
            source.backup(target)
    began = time.monotonic()
    own = EventLog.of(crowd.network, folders[0] / path.name)
    ChainRoster(crowd.network, own).refresh()
    AnchorReader(crowd.network, own).last_final(crowd.network.chain.finalized())
    own.close()
    return time.monotonic() - began


def _opened(path: Path, crowd: Crowd, opened: ExitStack) -> BitmapStore:
    store = open_store(path, CLOCK, _label(crowd))
    opened.callback(store.close)
    return store


def _blocks(nodes: int) -> int:
    """Seconds from one block to the next."""
    return -(-nodes // _NODES_A_SECOND)


def _end(crowd: Crowd, epoch: int) -> None:
    crowd.sender.now = crowd.network.chain.block("latest").timestamp
    crowd.sender.at(CLOCK.end(epoch)).send([])
    _finalize(crowd)


def _finalize(crowd: Crowd) -> None:
    for _ in range(3):
        crowd.sender.send([])


def _label(crowd: Crowd) -> str:
    return f"{crowd.network.chain.chain_id}:{crowd.network.addresses.attestations.lower()}"


def _measured(nodes: int, done: Round, baseline: SignedReport, seconds: float, setup: float) -> Measured:
    if done.root != baseline.draft.report.root:
        raise NotMeasured(
            f"the processes came to root 0x{done.root.hex()}, this process to 0x{baseline.draft.report.root.hex()}: "
            "some observation didn't come in time; read the oracles' logs (--keep)"
        )
    evidence = baseline.draft.evidence
    content = unbundle(evidence).proposal.observations[EPOCH][0].content
    return Measured(
        nodes,
        _blocks(nodes),
        done.oracles,
        done.mined - CLOCK.end(EPOCH),
        done.signatures,
        len(content),
        len(evidence),
        seconds,
        setup,
    )
