# SPDX-License-Identifier: Apache-2.0
"""The bitmap store in PostgreSQL: all that any store does, and what a server may do to its clients."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import psycopg
import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from oracle.telemetry.store.bitmaps import BitmapStore
from oracle.telemetry.store.errors import StoreError
from oracle.telemetry.store.records import Kind
from tests.services import Postgres, postgres  # noqa: F401
from tests.store_model import StoreMachine
from tests.store_suite import *  # noqa: F403
from tests.store_suite import BULK, A, B, opened


@dataclass
class Schemas:
    """Places for stores in one database."""

    url: str
    made: itertools.count

    def __call__(self) -> str:
        return f"{self.url}?schema=store_{next(self.made)}"


@pytest.fixture(scope="module")
def elsewhere(postgres: Postgres) -> Callable[[], str]:  # noqa: F811
    return Schemas(postgres.fresh(), itertools.count())


@pytest.fixture
def place(elsewhere: Callable[[], str]) -> str:
    return elsewhere()


def cut(store: BitmapStore) -> None:
    """End the sessions of a store at the server, as its restart would."""
    url = store.location.partition("?")[0]
    with psycopg.connect(url, autocommit=True) as session:
        session.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'epochal' "
            "AND datname = current_database() AND pid <> pg_backend_pid()"
        )


def test_store__connection_lost__refuses_then_goes_on_with_all_marks(store: BitmapStore, place: str) -> None:
    track, way = store.track(Kind.LIVENESS, A), store.way("http")
    for tick in range(20):
        store.mark(track, 0, tick, way)
        if tick % 5 == 4:
            cut(store)
            with pytest.raises(StoreError, match="can't be written"):
                store.commit()
        if tick % 5 == 0:
            store.commit()
    store.fold()
    assert store.read(0).line(Kind.LIVENESS, A).up == (1 << 20) - 1
    cut(store)
    with pytest.raises(StoreError, match="can't be read"):
        store.get_state("x")
    assert store.get_state("x") is None
    with pytest.raises(StoreError):
        store.bits(track, 0)
    assert store.bits(track, 0) == (1 << 20) - 1
    with pytest.raises(StoreError, match="is in use by another process"):
        opened(place)


def test_store__taken_over_while_the_connection_was_lost__writes_nothing_more(store: BitmapStore, place: str) -> None:
    track, way = store.track(Kind.LIVENESS, A), store.way("http")
    store.commit()
    cut(store)
    other = opened(place)
    other.mark(other.track(Kind.LIVENESS, B), 0, 1, way)
    other.commit()
    store.mark(track, 0, 2, way)
    for _ in range(2):
        with pytest.raises(StoreError, match=r"can't be written|is in use by another process"):
            store.commit()
    other.close()
    for _ in range(2):
        with pytest.raises(StoreError, match="another process wrote to it while the connection was lost; restart"):
            store.commit()
    with pytest.raises(StoreError, match="another process wrote to it"):
        store.close()
    store.close = lambda: None  # nothing more that the fixture could do
    again = opened(place)
    assert list(again.read(0).lines[Kind.LIVENESS]) == [B]
    again.close()


def test_open__another_s_schema_or_a_wrong_address__refused(place: str) -> None:
    url = place.partition("?")[0]
    with psycopg.connect(url, autocommit=True) as session:
        session.execute("CREATE SCHEMA IF NOT EXISTS theirs")
        session.execute("CREATE TABLE IF NOT EXISTS theirs.meta (x INT)")
    with pytest.raises(StoreError, match="is a schema but not an oracle's store"):
        opened(f"{url}?schema=theirs")
    for schema in ("pg_catalog", 'x"; DROP', "X", ""):
        with pytest.raises(StoreError, match="use a-z"):
            opened(f"{url}?schema={schema}&x=1")
    with pytest.raises(StoreError, match="can't be opened") as told:
        opened("postgresql://someone:secret@127.0.0.1:9/db?schema=x")
    assert "secret" not in str(told.value)


def test_commit__server_killed_and_started_again__keeps_what_was_acknowledged(
    place: str,
    store: BitmapStore,
    postgres: Postgres,  # noqa: F811
) -> None:
    track, way = store.track(Kind.LIVENESS, A), store.way("http")
    store.mark_bits(track, 0, BULK, way)
    store.mark(track, 1, 1, way)
    store.commit()
    store.mark(track, 1, 2, way)
    postgres.stop()
    with pytest.raises(StoreError):
        store.commit()
    with pytest.raises(StoreError, match="can't be opened"):
        store.commit()
    postgres.start()
    store.commit()
    assert store.read(0).line(Kind.LIVENESS, A).up == BULK
    assert store.read(1).line(Kind.LIVENESS, A).up == 0b110


def test_store__any_history__is_that_of_the_model(elsewhere: Callable[[], str]) -> None:
    class PostgresMachine(StoreMachine):
        def begin(self) -> None:
            self.place = elsewhere()

        def crash(self) -> None:
            self.store._reader.close()
            self.store._database.close()

    run_state_machine_as_test(PostgresMachine, settings=settings(max_examples=8, stateful_step_count=25, deadline=None))
