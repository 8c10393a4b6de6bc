"""Handing in appeals: the kept receipts of an epoch, gathered and sent to the oracles."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from node.errors import LinkError, SettingsError
from node.receipts import owner_of, verify_folder
from node.transport import json_object
from oracle.telemetry.wire import receipt as wire
from oracle.telemetry.wire.appeal import Appeal, gather

PATIENCE = 20.0
"""Seconds an oracle may take to answer."""
LONGEST_ANSWER = 65_536
NEWEST = 30
"""Epochs appealed for when none is named; older ones are past any usual appeal span."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """An appeal from kept receipts. `acknowledged`: how many ticks each number of oracles, from 1 up, acknowledged."""

    appeal: Appeal
    acknowledged: tuple[int, ...]

    @property
    def oracles(self) -> int:
        """How many oracles' receipts it holds."""
        return len(self.acknowledged)

    def ticks(self, needed: int) -> int:
        """The ticks that `needed` oracles or more acknowledged."""
        return self.acknowledged[needed - 1] if needed <= self.oracles else 0


@dataclass(frozen=True, slots=True)
class Said:
    """What one oracle said to an appeal."""

    url: str
    taken: bool
    text: str


def prepare(folder: Path, epochs: Iterable[int] = ()) -> list[Prepared]:
    """The appeals for these epochs, or for the newest of which a good receipt is kept, in order.

    Receipts with a fault are left out. SettingsError if the folder holds none of a node, or none for a named epoch.
    """
    node, domain = owner_of(folder)
    found: dict[int, list[tuple[str, bytes]]] = {}
    for kept in verify_folder(folder):
        if kept.fault is None:
            found.setdefault(kept.epoch, []).append((kept.oracle, kept.path.read_bytes()))
    wanted = sorted(set(epochs)) or sorted(found)[-NEWEST:]
    if not wanted:
        raise SettingsError(f"{folder}: holds no good receipt; name the folder of `epochal node run --receipts`")
    prepared = []
    for epoch in wanted:
        if epoch not in found:
            raise SettingsError(
                f"--epoch is {epoch}: {folder} holds no good receipt of it; `epochal node receipts` lists"
            )
        bits: dict[str, int] = {}
        for oracle, raw in found[epoch]:
            bits[oracle] = bits.get(oracle, 0) | wire.decode(raw).bits
        appeal = gather(bytes.fromhex(node[2:]), epoch, [raw for _, raw in found[epoch]], domain)
        prepared.append(Prepared(appeal, _by_number(list(bits.values()))))
    return prepared


async def hand_in(appeals: Sequence[Appeal], urls: Sequence[str]) -> list[list[Said]]:
    """Send each appeal to the oracle at each base URL; what each said, in order. An oracle that fails is said, not
    raised."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE)) as http:
        answers = []
        for appeal in appeals:
            raw = appeal.encode()
            answers.append(list(await asyncio.gather(*(_hand_in(http, url, raw) for url in urls))))
        return answers


async def _hand_in(http: aiohttp.ClientSession, url: str, raw: bytes) -> Said:
    headers = {"Content-Type": "application/octet-stream"}
    try:
        async with http.post(
            url.rstrip("/") + "/v1/appeals", data=raw, headers=headers, allow_redirects=False
        ) as response:
            body = await response.content.read(LONGEST_ANSWER)
            answer = json_object(response.status, body)
            if response.status == 200 and answer.get("accepted") is True:
                return Said(url, True, "taken")
            told = " ".join(str(answer.get(name, "")) for name in ("reason", "cure")).strip()
            return Said(url, False, f"refused ({response.status}): {_printable(told) or 'no reason given'}")
    except TimeoutError:
        return Said(url, False, f"no answer within {PATIENCE:g} s")
    except (LinkError, aiohttp.ClientError, OSError, ValueError) as error:
        return Said(url, False, f"not reached: {str(error) or type(error).__name__}")


def _printable(text: str) -> str:
    """What another's program said, as one line that a terminal can show."""
    return "".join(c if c.isprintable() else "?" for c in text)[:500]


def _by_number(masks: Sequence[int]) -> tuple[int, ...]:
    """How many ticks at least 1, 2, … of the masks have."""
    levels = [0] * len(masks)
    for mask in masks:
        for k in range(len(levels) - 1, 0, -1):
            levels[k] |= levels[k - 1] & mask
        levels[0] |= mask
    return tuple([level.bit_count() for level in levels])
