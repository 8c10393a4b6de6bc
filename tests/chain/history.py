# SPDX-License-Identifier: Apache-2.0
"""A town with three reports behind it, one of which grants an appeal, and an oracle that serves their evidence."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from chain.directory import announcement
from chain.transactions import Call
from oracle.committee.agreement import Draft
from oracle.committee.in_process import SignedReport, agree_on
from oracle.ground.address import raw_address
from oracle.ground.typed_data import EpochReport
from oracle.peers.server import PeerServer
from oracle.telemetry.wire import receipt
from oracle.telemetry.wire.appeal import gather
from tests.chain.csp_world import CspWorld
from tests.chain.town import ALL, SIGNERS, TICKS, Deployed, Town
from tests.e2e.peer_world import Shelf

ACKNOWLEDGED = ALL >> 30 << 30
"""The second half of epoch 0, in which the third node served, and nobody's store heard it."""


@dataclass
class History:
    """What was reported, and where it is served. Tests that change the chain do it within `undone`."""

    town: Town
    reports: list[SignedReport]
    shelf: Shelf
    url: str
    addresses: Path

    def run(self, command: Any, *arguments: str) -> Result:
        """A command on this network, with ticks as the town has them."""
        options = ("--network", str(self.addresses), "--rpc", self.town.at.chain.url, "--tick", "10")
        return CliRunner().invoke(command, [*options, *arguments], catch_exceptions=True)

    @contextmanager
    def undone(self) -> Iterator[None]:
        """What is done to the chain meanwhile is taken back."""
        chain, now = self.town.at.chain, self.town.timeline._sender.now
        snapshot = chain.rpc("evm_snapshot")
        try:
            yield
        finally:
            chain.rpc("evm_revert", snapshot)
            self.town.timeline._sender.now = now

    def drafted(self, epoch: int) -> Draft:
        """What the members come to about a further epoch, in which all nodes were up."""
        town = self.town
        town.see(epoch, (ALL, ALL, ALL))
        town.end(epoch)
        observations = [member.observe(epoch) for member in town.members]
        for member in town.members:
            member.receive(epoch, observations)
        return town.members[0].draft(town.members[0].propose(epoch))

    def veto(self) -> None:
        """As the guardian."""
        functions = self.town.network.attestations.functions
        epoch, root, _ = functions.pendingReport().call()
        function = functions.veto(epoch, root)
        self.town.timeline.send([Call.of("veto", self.town.wallet("governor"), function)])

    def submit(self, report: EpochReport, signers: Sequence[int] = range(3)) -> None:
        """Have members sign whatever report, and submit it."""
        domain = self.town.network.report_domain
        signatures = b"".join(SIGNERS[index].sign_typed(report, domain) for index in signers)
        draft = replace(self.reports[-1].draft, report=report)
        signed = SignedReport(draft, sum(1 << index for index in signers), signatures)
        self.town.timeline.send([self.town.submission(signed)])


@contextmanager
def served(at: Town | CspWorld, shelf: Shelf) -> Iterator[str]:
    """An oracle's server that gives what is on the shelf."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server = PeerServer(shelf, at.network.report_domain, SIGNERS[0].address)
    try:
        yield asyncio.run_coroutine_threadsafe(server.start(), loop).result(10)
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def told(town: Town, epochs: int) -> list[SignedReport]:
    """Report epochs 0 up to `epochs`: in the first the third node is unheard, in the second it appeals."""
    reports = []
    for epoch in range(epochs):
        if epoch == 0:
            town.see(0, (ALL, ALL >> 3, 0))
        else:
            town.see(epoch, (ALL, ALL >> 3, ALL))
        if epoch == 1:
            node, domain = town.at.nodes[2].address, town.network.heartbeat_domain
            slips = [receipt.issue(one, domain, node, 0, ACKNOWLEDGED, TICKS) for one in SIGNERS[:2]]
            appeal = gather(raw_address(node), 0, slips, domain)
            for member in town.members:
                assert member.hand_in(appeal)
        town.end(epoch)
        reports.append(agree_on(epoch, town.members))
        town.attest(reports[-1])
        town.keeper.settle(epoch, reports[-1].draft.tree)
        for member in town.members:
            member.appeals.drop([one.hash for one in member.appeals])  # a final report has used them
    town.timeline.finalize(town.at.chain.block("latest"))
    return reports


@pytest.fixture(scope="module")
def history(deployed: Deployed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[History]:
    folder = tmp_path_factory.mktemp("history")
    town, shelf = Town(deployed, folder), Shelf()
    addresses = folder / "addresses.json"
    deployed.addresses.save(addresses)
    with town.stack, served(town, shelf) as url:
        town.timeline.send([announcement(town.network, town.wallet("keeper"), SIGNERS[0], url, 1, 200_000)])
        town.keeper.wallet = town.wallet("keeper")
        reports = told(town, 3)
        for one in reports:
            shelf.put(one.draft.evidence)
        yield History(town, reports, shelf, url, addresses)
