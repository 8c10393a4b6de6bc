# SPDX-License-Identifier: Apache-2.0
"""`epochal node appeal` as a process, with the receipts that an agent kept, against the server that oracles run."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from node.receipts import ReceiptFolder
from oracle.committee.appeal import acknowledged
from oracle.committee.committee import Committee
from oracle.ground.address import raw_address
from oracle.ground.typed_data import Heartbeat
from oracle.signing.signer import derive
from oracle.telemetry.wire import receipt
from oracle.telemetry.wire.appeal import Appeal
from tests.e2e.peer_world import DISAGREES, DOMAIN, MEMBERS, Served, serve

BEATS = Heartbeat.domain(DOMAIN.chain_id, DOMAIN.contract)
NODE = derive("appeal", "node").address
TICKS = 60
NOBODY = "http://127.0.0.1:9"
COMMITTEE = Committee(1, tuple(sorted(raw_address(one.address) for one in MEMBERS)))


@pytest.fixture
def receipts(tmp_path: Path) -> Path:
    """Two oracles' receipts for epoch 7, and one oracle's for epoch 8."""
    folder = ReceiptFolder(tmp_path / "receipts", NODE, BEATS)
    for oracle, epoch, bits in ((0, 7, 0b1111), (1, 7, 0b0111), (0, 8, 0b1)):
        raw = receipt.issue(MEMBERS[oracle], BEATS, NODE, epoch, bits, TICKS)
        folder.keep(raw, MEMBERS[oracle].address.lower(), epoch)
    return tmp_path / "receipts"


async def appeal(*options: str | Path) -> tuple[int, str]:
    """Exit status, and all that was printed."""
    command = [sys.executable, "-m", "cli.main", "node", "appeal", *map(str, options)]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    printed, _ = await process.communicate()
    return process.returncode or 0, printed.decode()


def test_node_appeal__one_oracle_answers__is_handed_in_as_oracles_judge_it(receipts: Path) -> None:
    async def story(at: Served) -> None:
        options = ("--receipts", receipts, "--epoch", "7", "--committee-size", "4", "--oracle")
        usual, at.desk.mood = at.desk.mood, DISAGREES
        status, told = await appeal(*options, at.url)
        assert status == 1
        assert f"{at.url}: refused (409): refused this oracle doesn't come to that" in told
        at.desk.mood = usual
        status, told = await appeal(*options, at.url, "--oracle", NOBODY)
        assert status == 0
        assert "epoch 7: receipts of 2 oracles, 3 ticks that 2 of 4 or more acknowledged" in told
        assert f"{at.url}: taken" in told
        assert f"{NOBODY}: not reached" in told
        (raw,) = at.desk.things.values()
        found = Appeal.decode(raw)
        assert (found.node, found.epoch) == (raw_address(NODE), 7)
        assert acknowledged(found, COMMITTEE, BEATS, TICKS) == 0b0111

    serve(story)


def test_node_appeal__too_few_oracles_receipts__says_so_and_hands_in_the_others(receipts: Path) -> None:
    async def story(at: Served) -> None:
        status, told = await appeal("--receipts", receipts, "--committee-size", "4", "--oracle", at.url)
        assert status == 1
        assert (
            "epoch 8: receipts of 1 oracle and no tick that 2 of 4 acknowledged: this can't succeed, NOT HANDED IN"
            in told
        )
        assert [Appeal.decode(raw).epoch for raw in at.desk.things.values()] == [7]

    serve(story)


def test_node_appeal__nothing_kept_or_nonsense_asked__is_status_2(receipts: Path, tmp_path: Path) -> None:
    async def story() -> None:
        for options, told in (
            (("--receipts", tmp_path / "none", "--oracle", NOBODY), "is no folder of receipts"),
            (("--receipts", receipts, "--oracle", NOBODY, "--epoch", "9"), "holds no good receipt of it"),
            (("--receipts", receipts, "--oracle", "mqtt://broker"), "give a URL such as"),
            (("--receipts", receipts, "--oracle", NOBODY, "--committee-size", "0"), "give the number of oracles"),
        ):
            status, printed = await appeal(*options)
            assert (status, told in printed) == (2, True), printed

    asyncio.run(story())
