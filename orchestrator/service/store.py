"""What the orchestrator must still know after it was killed: one SQLite file, each change durable before it is told.

What the chain knows isn't kept here: it is read again.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from orchestrator.placing.attempt import Attempt, Wish
from orchestrator.placing.facts import Place
from orchestrator.service.attempt_codec import dump, load
from orchestrator.service.errors import StoreUnusable
from orchestrator.wire.intent import Intent, parse
from orchestrator.wire.polling import Poll

_VERSION: Final = "1"
_EVENTS: Final = 10_000
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS intents (hash BLOB PRIMARY KEY, document BLOB NOT NULL, at INTEGER NOT NULL,
    kept INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS nodes (licence TEXT PRIMARY KEY, poll TEXT NOT NULL, seen_at INTEGER NOT NULL,
    watched INTEGER NOT NULL, heard INTEGER NOT NULL, failures INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS attempts (job TEXT, slot INTEGER, attempt TEXT NOT NULL, PRIMARY KEY (job, slot));
CREATE TABLE IF NOT EXISTS numbers (job TEXT, slot INTEGER, number INTEGER NOT NULL, PRIMARY KEY (job, slot));
CREATE TABLE IF NOT EXISTS sent (key TEXT PRIMARY KEY, job TEXT, slot INTEGER, generation INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS declined (job TEXT, slot INTEGER, licence TEXT, until INTEGER NOT NULL,
    PRIMARY KEY (job, slot, licence));
CREATE TABLE IF NOT EXISTS wishes (job TEXT, slot INTEGER, licence TEXT, away_from TEXT, since INTEGER,
    PRIMARY KEY (job, slot));
CREATE TABLE IF NOT EXISTS updates (job TEXT PRIMARY KEY, intent BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS sequences (job TEXT PRIMARY KEY, sequence TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS requests (id BLOB PRIMARY KEY, job TEXT, slot INTEGER, first_seen INTEGER,
    deliveries INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS events (number INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, job TEXT,
    slot INTEGER, note TEXT NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class NodeRow:
    """A node's last poll, and how well it was heard of: see `placing.facts.Node`."""

    poll: Poll
    seen_at: int
    watched: int = 0
    heard: int = 0
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a slot; `at` in UNIX seconds."""

    at: int
    job: int
    slot: int
    note: str


class Store:
    """The file at `path`, and all of it in memory. To be used by one thread at a time."""

    def __init__(self, path: Path, about: Mapping[str, str]) -> None:
        """`about` names network and key. StoreUnusable for another's file, or one that is no store."""
        try:
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.executescript(_SCHEMA)
            self._check(path, {"version": _VERSION, **about})
            self._read()
        except sqlite3.Error as error:
            raise StoreUnusable(
                f"{path}: is no store of an orchestrator ({error}); name another --data folder"
            ) from error

    def _check(self, path: Path, about: Mapping[str, str]) -> None:
        with self.changes():
            for name, value in about.items():
                self._db.execute("INSERT OR IGNORE INTO about VALUES (?, ?)", (name, value))
        for name, value in self._db.execute("SELECT name, value FROM about"):
            if name in about and about[name] != value:
                raise StoreUnusable(f"{path}: is of {name} {value}, not {about[name]}; name another --data folder")

    def _read(self) -> None:
        rows = self._db.execute
        self.intents: dict[bytes, Intent] = {}
        self.intent_times: dict[bytes, int] = {}
        self.kept: set[bytes] = set()
        for hash_, document, at, kept in rows("SELECT hash, document, at, kept FROM intents"):
            self.intents[hash_], self.intent_times[hash_] = parse(document), at
            if kept:
                self.kept.add(hash_)
        self.nodes: dict[int, NodeRow] = {
            int(licence): NodeRow(Poll.read(json.loads(poll)), *numbers)
            for licence, poll, *numbers in rows("SELECT licence, poll, seen_at, watched, heard, failures FROM nodes")
        }
        self.attempts: dict[Place, Attempt] = {}
        for (text,) in rows("SELECT attempt FROM attempts"):
            attempt = load(text)
            self.attempts[attempt.place] = attempt
        self.numbers: dict[Place, int] = {
            (int(job), slot): number for job, slot, number in rows("SELECT job, slot, number FROM numbers")
        }
        self.sent: dict[str, tuple[Place, int]] = {
            key: ((int(job), slot), generation)
            for key, job, slot, generation in rows("SELECT key, job, slot, generation FROM sent")
        }
        self.declined: dict[Place, dict[int, int]] = {}
        for job, slot, licence, until in rows("SELECT job, slot, licence, until FROM declined"):
            self.declined.setdefault((int(job), slot), {})[int(licence)] = until
        self.wishes: dict[Place, Wish] = {}
        for job, slot, licence, away, since in rows("SELECT job, slot, licence, away_from, since FROM wishes"):
            self.wishes[int(job), slot] = Wish(int(job), slot, int(licence), int(away), since)
        self.updates: dict[int, bytes] = {int(job): hash_ for job, hash_ in rows("SELECT job, intent FROM updates")}
        self.sequences: dict[int, int] = {
            int(job): int(sequence) for job, sequence in rows("SELECT job, sequence FROM sequences")
        }
        self.requests: set[bytes] = {id_ for (id_,) in rows("SELECT id FROM requests")}

    @contextmanager
    def changes(self) -> Iterator[None]:
        """What is changed inside is durable as a whole when this ends, or not at all."""
        if self._db.in_transaction:
            yield
            return
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            self._read()
            raise
        self._db.execute("COMMIT")

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _do(self, statement: str, *values: Any) -> None:
        with self.changes():
            self._db.execute(statement, values)

    # Intents

    def put_intent(self, intent: Intent, at: int) -> None:
        """Keep a document; `at` in UNIX seconds."""
        key = intent.hash
        self._do("INSERT OR REPLACE INTO intents VALUES (?, ?, ?, ?)", key, intent.canonical(), at, key in self.kept)
        self.intents[key], self.intent_times[key] = intent, at

    def keep_intents(self, used: set[bytes], before: int) -> None:
        """Those `used` by jobs stay for good; of the others, those put `before` then are forgotten."""
        for key in used & self.intents.keys() - self.kept:
            self._do("UPDATE intents SET kept = 1 WHERE hash = ?", key)
            self.kept.add(key)
        for key in [key for key, at in self.intent_times.items() if at < before and key not in self.kept]:
            self._do("DELETE FROM intents WHERE hash = ?", key)
            del self.intents[key], self.intent_times[key]

    # Nodes

    def put_node(self, licence: int, row: NodeRow) -> None:
        """Keep what a node told, and how well it is heard of."""
        told = json.dumps(row.poll.to_json())
        values = (str(licence), told, row.seen_at, row.watched, row.heard, row.failures)
        self._do("INSERT OR REPLACE INTO nodes VALUES (?, ?, ?, ?, ?, ?)", *values)
        self.nodes[licence] = row

    def note_failure(self, licence: int) -> None:
        """An assignment of a licence's node ended badly."""
        if (row := self.nodes.get(licence)) is not None:
            self.put_node(licence, replace(row, failures=row.failures + 1))

    # Placing

    def put_attempt(self, place: Place, attempt: Attempt | None) -> None:
        """What stands for a slot now; its number isn't given again."""
        job, slot = str(place[0]), place[1]
        if attempt is None:
            self._do("DELETE FROM attempts WHERE job = ? AND slot = ?", job, slot)
            self.attempts.pop(place, None)
            return
        with self.changes():
            self._db.execute("INSERT OR REPLACE INTO attempts VALUES (?, ?, ?)", (job, slot, dump(attempt)))
            number = max(attempt.number + 1, self.numbers.get(place, 1))
            self._db.execute("INSERT OR REPLACE INTO numbers VALUES (?, ?, ?)", (job, slot, number))
        self.attempts[place], self.numbers[place] = attempt, number

    def put_sent(self, attempt: Attempt) -> None:
        """An attempt's transaction is about to be planned."""
        values = (attempt.key, str(attempt.job), attempt.slot, attempt.generation)
        self._do("INSERT OR IGNORE INTO sent VALUES (?, ?, ?, ?)", *values)
        self.sent[attempt.key] = (attempt.place, attempt.generation)

    def forget_sent(self, key: str) -> None:
        """An attempt's transaction concerns nobody any more."""
        self._do("DELETE FROM sent WHERE key = ?", key)
        self.sent.pop(key, None)

    def put_declined(self, place: Place, licence: int, until: int) -> None:
        """A licence isn't asked for a slot until then (UNIX seconds); licence 0: the slot waits."""
        self._do("INSERT OR REPLACE INTO declined VALUES (?, ?, ?, ?)", str(place[0]), place[1], str(licence), until)
        self.declined.setdefault(place, {})[licence] = until

    def forget_declined(self, now: int) -> None:
        """Drop what is over."""
        if any(until <= now for one in self.declined.values() for until in one.values()):
            self._do("DELETE FROM declined WHERE until <= ?", now)
            kept = {place: {a: b for a, b in one.items() if b > now} for place, one in self.declined.items()}
            self.declined = {place: one for place, one in kept.items() if one}

    def put_wish(self, place: Place, wish: Wish | None) -> None:
        """What the CSP wishes for a slot."""
        job, slot = str(place[0]), place[1]
        if wish is None:
            self._do("DELETE FROM wishes WHERE job = ? AND slot = ?", job, slot)
            self.wishes.pop(place, None)
            return
        values = (job, slot, str(wish.licence), str(wish.away_from), wish.since)
        self._do("INSERT OR REPLACE INTO wishes VALUES (?, ?, ?, ?, ?)", *values)
        self.wishes[place] = wish

    def put_update(self, job: int, intent: bytes) -> None:
        """Another intent is to run for a job."""
        self._do("INSERT OR REPLACE INTO updates VALUES (?, ?)", str(job), intent)
        self.updates[job] = intent

    def put_sequence(self, job: int, sequence: int) -> None:
        """The highest sequence of a CSP's wishes for a job."""
        self._do("INSERT OR REPLACE INTO sequences VALUES (?, ?)", str(job), str(sequence))
        self.sequences[job] = sequence

    # Requests and events

    def put_request(self, id_: bytes, place: Place, at: int) -> bool:
        """A request for another node was seen on chain; whether it is the first time."""
        if id_ in self.requests:
            return False
        self._do("INSERT OR IGNORE INTO requests VALUES (?, ?, ?, ?, 0)", id_, str(place[0]), place[1], at)
        self.requests.add(id_)
        return True

    def count_delivery(self, id_: bytes) -> None:
        """A request known here was delivered (again)."""
        self._do("UPDATE requests SET deliveries = deliveries + 1 WHERE id = ?", id_)

    def deliveries(self, id_: bytes) -> int:
        """How often a request was delivered."""
        row = self._db.execute("SELECT deliveries FROM requests WHERE id = ?", (id_,)).fetchone()
        return 0 if row is None else int(row[0])

    def add_event(self, event: Event) -> None:
        """Note what happened; of old notes only the last ten thousand stay."""
        with self.changes():
            values = (event.at, str(event.job), event.slot, event.note)
            cursor = self._db.execute("INSERT INTO events (at, job, slot, note) VALUES (?, ?, ?, ?)", values)
            self._db.execute("DELETE FROM events WHERE number <= ?", ((cursor.lastrowid or 0) - _EVENTS,))

    def events(self, job: int, most: int = 50) -> list[Event]:
        """What happened to a job's slots last, the newest first."""
        found = self._db.execute(
            "SELECT at, slot, note FROM events WHERE job = ? ORDER BY number DESC LIMIT ?", (str(job), most)
        )
        return [Event(at, job, slot, note) for at, slot, note in found]
