"""A store in one schema of a PostgreSQL database."""

from __future__ import annotations

import hashlib
import logging
import re
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import psycopg

from oracle.telemetry.store.database import TABLES, Row, furnish, recognise
from oracle.telemetry.store.errors import StoreError

_LOG = logging.getLogger("epochal.telemetry.store")

DEFAULT_SCHEMA: Final = "epochal"
_TYPES = {"blob": "BYTEA", "int": "BIGINT", "name": 'TEXT COLLATE "C"', "by_key": ""}
_SCHEMA_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_LOCK_PATIENCE = 2.0
# A server that is gone is noticed in seconds, not in the kernel's quarter of an hour.
_PATIENCE = {
    "connect_timeout": 5,
    "tcp_user_timeout": 10_000,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
}


class PostgresDatabase:
    """The schema that `?schema=` in `url` names (default "epochal"), made where there is none.

    One connection writes, which an advisory lock says (so there may be no pooler in between that shares sessions);
    others may read meanwhile. A lost connection is made again when
    it is next used, unless another process wrote in between. Raises `StoreError` as `SqliteDatabase` does.
    """

    def __init__(self, url: str, wanted: Mapping[str, str], *, read_only: bool = False, making: bool = False) -> None:
        self._url = url
        self._server, self.schema, self.location = _parsed(url)
        self.read_only = read_only
        self._wanted = dict(wanted)
        self._writer = secrets.token_hex(16)
        self._closed = False
        self._busy = False
        self._connection = self._connect()
        try:
            with self._failing("opened"):
                self._open(making)
        except BaseException:
            self._connection.close()
            raise

    def rows(self, statement: str, *values: object) -> list[Row]:
        with self._failing("read"):
            return self._live().execute(_dialect(statement), values).fetchall()

    def run(self, statement: str, *values: object) -> None:
        with self._failing("written"):
            self._live().execute(_dialect(statement), values)

    def run_many(self, statement: str, values: Sequence[Row]) -> None:
        with self._failing("written"), self._live().cursor() as cursor:
            cursor.executemany(_dialect(statement), values)

    @contextmanager
    def transaction(self, durable: bool = True) -> Iterator[None]:
        # Always durable. This process can outlive the server, and must not take for written what a crash there undid.
        with self._failing("written"), self._live().transaction(), self._inside():
            yield

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        with self._failing("read"), self._live().transaction(), self._inside():
            self._connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield

    def reader(self) -> PostgresDatabase:
        return PostgresDatabase(self._url, {}, read_only=True)

    def size(self) -> int:
        found = self.rows(
            "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class c "
            "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = ? AND c.relkind = 'r'",
            self.schema,
        )
        return int(found[0][0])

    def close(self) -> None:
        self._closed = True
        self._connection.close()

    @contextmanager
    def _inside(self) -> Iterator[None]:
        self._busy = True
        try:
            yield
        finally:
            self._busy = False

    def _live(self) -> psycopg.Connection[Row]:
        """The connection; made again, outside a transaction, when it was lost."""
        if self._closed:
            raise StoreError(f"{self.location}: is closed; open it again")
        if self._connection.closed and not self._busy:
            self._connection = self._connect()
            try:
                if not self.read_only:
                    self._own()
                    self._same_writer()
                recognise(self, self._wanted)
            except BaseException:
                self._connection.close()
                raise
        return self._connection

    def _connect(self) -> psycopg.Connection[Row]:
        try:
            connection = psycopg.connect(self._server, autocommit=True, application_name="epochal", **_PATIENCE)  # type: ignore[arg-type]
            connection.execute(f'SET search_path TO "{self.schema}"'.encode())
            connection.execute("SET synchronous_commit = on")
            if self.read_only:
                connection.execute("SET default_transaction_read_only = on")
        except psycopg.Error as error:
            raise StoreError(
                f"{self.location}: can't be opened ({_line(error)}); check its address, the user's rights and that "
                "PostgreSQL runs"
            ) from error
        return connection

    def _open(self, making: bool) -> None:
        fresh = self._is_fresh()
        if self.read_only and fresh:
            raise StoreError(f"{self.location}: doesn't exist; name the store of an oracle")
        if not self.read_only:
            self._own()
            fresh = self._is_fresh()
            if self.rows("SHOW fsync") == [("off",)]:
                _LOG.warning("%s: the server's fsync is off: a power cut can lose what was acknowledged", self.location)
        if fresh:
            with self.transaction():
                self.run(f'CREATE SCHEMA IF NOT EXISTS "{self.schema}"')
                furnish(self, self._wanted, **_TYPES)
                # Bitmaps are compressed by the store where that is worth it.
                for table in ("line", "closed", "log"):
                    self.run(f"ALTER TABLE {table} ALTER {'marks' if table == 'log' else 'bits'} SET STORAGE EXTERNAL")
        elif making:
            raise StoreError(f"{self.location}: exists; name a schema that doesn't")
        recognise(self, self._wanted)
        if not self.read_only:
            with self.transaction():
                self.run(
                    "INSERT INTO meta VALUES ('writer', ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                    self._writer,
                )

    def _is_fresh(self) -> bool:
        found = self.rows("SELECT table_name FROM information_schema.tables WHERE table_schema = ?", self.schema)
        tables = {name for (name,) in found}
        if tables and not set(TABLES) <= tables:
            raise StoreError(f"{self.location}: is a schema but not an oracle's store; name another schema")
        return not tables

    def _own(self) -> None:
        digest = hashlib.sha256(b"epochal store " + self.schema.encode()).digest()
        number = int.from_bytes(digest[:8], "big", signed=True)
        until = time.monotonic() + _LOCK_PATIENCE  # the server may not have noticed yet that the last writer died
        while self.rows("SELECT pg_try_advisory_lock(?)", number) != [(True,)]:
            if time.monotonic() > until:
                raise StoreError(
                    f"{self.location}: is in use by another process; stop it first, and never run two oracles with one "
                    "key"
                )
            time.sleep(0.1)

    def _same_writer(self) -> None:
        if self.rows("SELECT value FROM meta WHERE key = 'writer'") != [(self._writer,)]:
            raise StoreError(
                f"{self.location}: another process wrote to it while the connection was lost; restart this one"
            )

    @contextmanager
    def _failing(self, what: str) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            raise StoreError(
                f"{self.location}: can't be {what} ({_line(error)}); check that PostgreSQL runs, its disk and rights"
            ) from error


def _parsed(url: str) -> tuple[str, str, str]:
    """(what the server's library takes, the schema, the location without a password)"""
    try:
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
        host = parts.netloc.rpartition("@")[2]
        user = parts.username
    except ValueError as error:
        raise StoreError(
            f"the store's address is no URL ({error}); give postgresql://user@host/db?schema=name"
        ) from error
    schema = options.pop("schema", DEFAULT_SCHEMA)
    if not _SCHEMA_NAME.fullmatch(schema) or schema.startswith("pg_"):
        raise StoreError(f"schema is {schema!r}; use a-z, 0-9 and _, at most 63, not beginning with a digit or pg_")
    server = urlunsplit(("postgresql", parts.netloc, parts.path, urlencode(options), ""))
    shown = urlunsplit(("postgresql", f"{user}@{host}" if user else host, parts.path, f"schema={schema}", ""))
    return server, schema, shown


@lru_cache(maxsize=1024)
def _dialect(statement: str) -> bytes:
    return statement.replace("?", "%s").encode()


def _line(error: psycopg.Error) -> str:
    """The library's message as one line."""
    return " ".join(str(error).split()) or type(error).__name__
