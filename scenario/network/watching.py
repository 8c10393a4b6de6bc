"""What became of each epoch: as the chain has it, and as each oracle tells it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp

from chain.network import Network
from scenario.network.fleet import Oracle

_PATIENCE: Final = aiohttp.ClientTimeout(total=3)


@dataclass(frozen=True, slots=True)
class Mined:
    """A report on chain. `mined` and `final` are UNIX seconds of the chain; bit i of `members`: member i signed."""

    epoch: int
    root: bytes
    evidence: bytes
    members: int
    block: int
    mined: int
    final: int

    @property
    def signatures(self) -> int:
        """How many members signed."""
        return self.members.bit_count()


@dataclass(frozen=True, slots=True)
class Told:
    """How an oracle says an epoch ended: "attested", "failed" or "dropped", and why."""

    epoch: int
    kind: str
    why: str


class ChainWatch:
    """Reports as they are on the chain now, and those that were there before a reorg."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self.reports: dict[int, Mined] = {}
        """By epoch, as the chain has them now."""
        self.twice: list[int] = []
        """Epochs that have two reports on one chain."""
        self.taken_back: set[tuple[int, bytes]] = set()
        """(epoch, root) of reports that a reorg took out."""
        self.final_epoch = -1
        """Of the last final report at the newest block."""

    def look(self) -> list[Mined]:
        """Read the chain; returns reports that weren't there the last time. RpcError when it doesn't answer."""
        attestations = self._network.attestations
        head = self._network.chain.block("latest")
        found: dict[int, Mined] = {}
        for log in self._network.chain.logs(attestations.events.ReportSubmitted, 0, head.number):
            told = log["args"]
            mined = int(told["finalAt"]) - self._network.timing.activation_delay
            one = Mined(
                told["epoch"],
                told["root"],
                told["evidence"],
                told["members"],
                log["blockNumber"],
                mined,
                told["finalAt"],
            )
            if one.epoch in found:
                self.twice.append(one.epoch)
            found[one.epoch] = one
        new = [one for epoch, one in found.items() if self.reports.get(epoch) != one]
        self.taken_back |= {
            (epoch, one.root) for epoch, one in self.reports.items() if epoch not in found or found[epoch] != one
        }
        self.reports = found
        epoch, _, final_at = attestations.functions.lastFinal().call(block_identifier="latest")
        self.final_epoch = epoch if final_at else -1
        return new


@dataclass
class Voices:
    """What each oracle tells of epochs, by its number: asked of it directly, past all relays."""

    told: dict[int, dict[int, Told]] = field(default_factory=dict)

    async def ask(self, session: aiohttp.ClientSession, oracles: Sequence[Oracle]) -> None:
        """Ask all at once; who doesn't answer keeps what it told before."""
        answers = await asyncio.gather(*(outcomes(session, one) for one in oracles))
        for oracle, answer in zip(oracles, answers, strict=True):
            if answer is not None:
                self.told.setdefault(oracle.number, {}).update({one.epoch: one for one in answer})

    def attested(self, oracle: int) -> int:
        """The newest epoch that an oracle calls attested; -1 for none."""
        return max((one.epoch for one in self.told.get(oracle, {}).values() if one.kind == "attested"), default=-1)


async def outcomes(session: aiohttp.ClientSession, oracle: Oracle) -> list[Told] | None:
    """What an oracle tells of epochs that ended; None when it doesn't answer."""
    try:
        async with session.get(f"{oracle.peer_url}/v1/reports", timeout=_PATIENCE) as answer:
            if answer.status != 200:
                return None
            content = await answer.json()
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return None
    entries: list[dict[str, Any]] = content["reports"] if isinstance(content, dict) else content
    return [Told(one["epoch"], one["outcome"], str(one.get("detail", ""))) for one in entries]


async def alive(session: aiohttp.ClientSession, oracle: Oracle) -> bool:
    """Whether an oracle's loop turns."""
    return await _status(session, f"{oracle.health_url}/live") == 200


async def ready(session: aiohttp.ClientSession, oracle: Oracle) -> bool:
    """Whether an oracle does all it should."""
    return await _status(session, f"{oracle.health_url}/ready") == 200


async def _status(session: aiohttp.ClientSession, url: str) -> int:
    try:
        async with session.get(url, timeout=_PATIENCE) as answer:
            return answer.status
    except (aiohttp.ClientError, TimeoutError):
        return 0


async def evidence(session: aiohttp.ClientSession, oracles: Sequence[Oracle], content_hash: bytes) -> bytes | None:
    """The bundle of that hash from the first oracle that has it."""
    for oracle in oracles:
        try:
            url = f"{oracle.peer_url}/v1/evidence/{content_hash.hex()}"
            async with session.get(url, timeout=_PATIENCE) as answer:
                if answer.status == 200:
                    return await answer.read()
        except (aiohttp.ClientError, TimeoutError):
            continue
    return None
