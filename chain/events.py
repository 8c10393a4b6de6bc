"""The log of finalized events: each exactly once, across restarts and reorganisations of the chain."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from web3.contract.contract import Contract

from chain.client import Block, Chain, RpcError
from chain.event_decoding import EventDecoder
from chain.network import Network
from oracle.ground.errors import EpochalError, UserError

# Blocks in one request: public nodes refuse many more.
_PAGE = 5_000
_LOG = logging.getLogger(__name__)
# Of older checkpoints every one is kept whose neighbours lie further apart than this part of its age.
_SPARSENESS = 16
_SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS checkpoints (
    block INTEGER PRIMARY KEY, hash TEXT NOT NULL, timestamp INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS events (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    block INTEGER NOT NULL, block_hash TEXT NOT NULL, log_index INTEGER NOT NULL,
    contract TEXT NOT NULL, name TEXT NOT NULL, topics BLOB NOT NULL, data BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS events_by_name ON events (name, position);
CREATE INDEX IF NOT EXISTS events_by_block ON events (block);
"""


class EventLogUnusable(UserError):
    """The file isn't a log of this network's events, or it can't be written."""


class ChainUnsettled(EpochalError):
    """The chain changed while events of finalized blocks were read; the next time may do."""


@dataclass(frozen=True, slots=True)
class Event:
    """An event of a finalized block. `position` rises from event to event and is never given twice; `contract` is the
    name under which the log was given it; `args` has bytes as bytes, addresses in lower case, structs as dicts."""

    position: int
    block: int
    block_hash: str
    log_index: int
    contract: str
    name: str
    args: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a reader has come: the generation that it read in, and the last position."""

    generation: int = -1
    position: int = 0


@dataclass(frozen=True, slots=True)
class News:
    """What came since a mark. `anew`: forget everything first, these are all events that there are."""

    events: list[Event]
    mark: Mark
    anew: bool


class EventLog:
    """Events of some contracts in an SQLite file, or in memory without a path.

    May be shared between threads and, by its file, between processes. A page of events and its checkpoint (a block's
    number and hash) are one transaction: a process killed at any moment goes on where the last one ended. When a
    checkpoint isn't of the chain any more, the log goes back to the last that is and raises `generation`; then readers
    start anew.
    """

    def __init__(
        self, path: Path | None, chain: Chain, contracts: Mapping[str, Contract], first_block: int = 0
    ) -> None:
        """`first_block` is the first that may hold events. EventLogUnusable for a file of other contracts."""
        self.chain = chain
        self._decoder = EventDecoder({name: (one.address, one.abi) for name, one in contracts.items()})
        self._first = first_block
        self._where = str(path) if path else "the event log"
        # Who reads doesn't wait for the chain's answers: they are asked for without the second lock.
        self._advancing = threading.Lock()
        self._lock = threading.RLock()
        with self._usable():
            self._db = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False, timeout=30.0)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.executescript(_SCHEMA)
            with self._transaction():
                self._own()

    @staticmethod
    def of(network: Network, path: Path | None = None) -> EventLog:
        """The log of what oracles follow of a network: committee and reports, licences, jobs and assignments."""
        contracts = {"attestations": network.attestations, "licences": network.licences, "escrow": network.escrow}
        return EventLog(path, network.chain, contracts, network.addresses.first_block)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    @property
    def generation(self) -> int:
        """How often the log had to go back, since its file was made."""
        return int(self._fact("generation") or 0)

    @property
    def head(self) -> Block | None:
        """The newest block whose events are in; None before the first."""
        return self._newest()

    def advance(self) -> int:
        """Take up the events of blocks finalized since the last time; returns how many.

        RpcError, EndpointsDisagree or ChainUnsettled leave the log whole: it is as far as it came.
        """
        with self._advancing:
            target = self.chain.finalized()
            newest = self._go_back(target)
            taken, first = 0, newest.number + 1 if newest else self._first
            size = _PAGE
            while first <= target.number:
                last = min(target.number, first + size - 1)
                try:
                    page, end = self._page(first, last, target)
                except RpcError as error:
                    if error.code is None or size == 1:
                        raise
                    size = max(1, size // 4)  # it says that this is too much
                    continue
                if self._commit(newest, page, end):
                    taken += len(page)
                    newest, first = end, last + 1
                else:  # another process was faster
                    newest = self._newest()
                    first = newest.number + 1 if newest else self._first
            return taken

    def events(self, names: Sequence[str], after: int = 0) -> list[Event]:
        """The events of these names after a position, in the chain's order."""
        marks = ", ".join("?" * len(names))
        rows = self._select(
            "SELECT position, block, block_hash, log_index, contract, name, topics, data FROM events "  # noqa: S608
            f"WHERE name IN ({marks}) AND position > ? ORDER BY position",
            *names,
            after,
        )
        return [Event(*(*row[:6], self._decoder.args(*row[4:]))) for row in rows]

    def news(self, names: Sequence[str], mark: Mark) -> News:
        """The events of these names since a mark of the same names; all of them, `anew`, after the log went back."""
        with self._transaction("BEGIN"):
            generation = int(self._fact("generation") or 0)
            anew = generation != mark.generation
            events = self.events(names, 0 if anew else mark.position)
        position = events[-1].position if events else (0 if anew else mark.position)
        return News(events, Mark(generation, position), anew)

    def _page(self, first: int, last: int, target: Block) -> tuple[list[tuple[Any, ...]], Block]:
        """The rows of some blocks' events, and the last block: read before and after, so that both are of one chain."""
        end = target if last == target.number else self.chain.block(last)
        asked = {"fromBlock": hex(first), "toBlock": hex(last), **self._decoder.filter}
        logs = self.chain.rpc("eth_getLogs", asked)
        if self.chain.block(last) != end:
            raise ChainUnsettled(f"block {last} at {self.chain.where} changed while its events were read; try again")
        rows = []
        for log in logs:
            named = self._decoder.name(log["address"], log["topics"])
            if named and not log.get("removed"):
                topics = bytes.fromhex("".join(topic[2:] for topic in log["topics"]))
                place = int(log["blockNumber"], 16), log["blockHash"], int(log["logIndex"], 16)
                rows.append((*place, *named, topics, bytes.fromhex(log["data"][2:])))
        rows.sort(key=lambda row: (row[0], row[2]))
        return rows, end

    def _commit(self, newest: Block | None, rows: list[tuple[Any, ...]], end: Block) -> bool:
        """Write a page and its checkpoint; False if the log isn't where it was when the page was asked for."""
        with self._transaction():
            if self._newest() != newest:
                return False
            self._db.executemany(
                "INSERT INTO events (block, block_hash, log_index, contract, name, topics, data) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                rows,
            )
            self._db.execute("INSERT INTO checkpoints VALUES (?, ?, ?)", (end.number, end.hash, end.timestamp))
            self._thin_out(end.number)
        return True

    def _go_back(self, target: Block) -> Block | None:
        """The newest checkpoint, after all that isn't of the chain any more was undone."""
        rows = self._select("SELECT block, hash, timestamp FROM checkpoints ORDER BY block DESC")
        kept = [Block(*row) for row in rows]
        # Above the finalized height nothing can be said: an endpoint that is behind may have been asked.
        told = [block for block in kept if block.number <= target.number]
        holds = next((block for block in told if self._is_of_chain(block, target)), None)
        if not told or holds == told[0]:
            return kept[0] if kept else None
        with self._transaction():
            if self._newest() == kept[0]:
                above = holds.number if holds else -1
                gone = self._db.execute("DELETE FROM events WHERE block > ?", (above,)).rowcount
                self._db.execute("DELETE FROM checkpoints WHERE block > ?", (above,))
                self._raise_generation()
                _LOG.error(
                    "block %d isn't of the chain any more, although it was finalized: %d events above block %d are "
                    "read again",
                    told[0].number,
                    gone,
                    above,
                )
            return self._newest()

    def _is_of_chain(self, block: Block, target: Block) -> bool:
        return block == (target if block.number == target.number else self.chain.block(block.number))

    def _own(self) -> None:
        """See to it that the file is of these contracts, and has all events that this version knows."""
        for key, wanted in (("contracts", f"{self.chain.chain_id} {self._decoder.contracts}"), ("format", "1")):
            held = self._fact(key)
            if held is not None and held != wanted:
                raise EventLogUnusable(
                    f"{self._where}: its {key} are {held}, not {wanted}; give another state folder, or delete this file"
                )
            self._set_fact(key, wanted)
        shape = f"{self._first} {self._decoder.topics_hash}"
        if self._fact("shape") not in (None, shape):
            self._db.execute("DELETE FROM events")
            self._db.execute("DELETE FROM checkpoints")
            self._raise_generation()
        self._set_fact("shape", shape)

    def _raise_generation(self) -> None:
        self._set_fact("generation", str(int(self._fact("generation") or 0) + 1))

    def _newest(self) -> Block | None:
        rows = self._select("SELECT block, hash, timestamp FROM checkpoints ORDER BY block DESC LIMIT 1")
        return Block(*rows[0]) if rows else None

    def _thin_out(self, head: int) -> None:
        """Drop checkpoints that lie close together for their age: some hundred are left, however long the chain."""
        blocks = [row[0] for row in self._db.execute("SELECT block FROM checkpoints ORDER BY block DESC")]
        after = 0
        for place in range(1, len(blocks) - 1):
            newer, block, older = blocks[after], blocks[place], blocks[place + 1]
            if (newer - older) * _SPARSENESS <= head - block:
                self._db.execute("DELETE FROM checkpoints WHERE block = ?", (block,))
            else:
                after = place

    def _fact(self, key: str) -> str | None:
        rows = self._select("SELECT value FROM facts WHERE key = ?", key)
        return rows[0][0] if rows else None

    def _set_fact(self, key: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (key, value))

    def _select(self, query: str, *values: object) -> list[Any]:
        with self._usable():
            return self._db.execute(query, values).fetchall()

    @contextmanager
    def _transaction(self, begin: str = "BEGIN IMMEDIATE") -> Iterator[None]:
        with self._usable():
            self._db.execute(begin)
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    @contextmanager
    def _usable(self) -> Iterator[None]:
        """The database for this thread alone, with its errors as EventLogUnusable."""
        with self._lock:
            try:
                yield
            except sqlite3.Error as error:
                raise EventLogUnusable(f"{self._where}: {error}; see to the disk that it is on") from error
