"""The parts that most tests of the loader need."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from loader.feeds import KITE, Feed
from loader.fetch import Dump, FetchOptions, fetch
from loader.landing import Load, ensure_schema, land
from tests.loader.broker import AS_OF, NOW, Broker, serving


@pytest.fixture
def broker() -> Iterator[Broker]:
    with serving() as broker:
        yield broker


@pytest.fixture
def options() -> FetchOptions:
    """Patient with a loaded machine; tries again at once."""
    return FetchOptions(connect_timeout=30, read_timeout=30, deadline=60, attempts=3, backoff=0.001)


@pytest.fixture
def impatient(options: FetchOptions) -> FetchOptions:
    """For servers that keep silent, so that no test waits."""
    return dataclasses.replace(options, read_timeout=0.3)


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    return tmp_path / "landing"


@pytest.fixture
def get(landing: Path, options: FetchOptions) -> Callable[..., Dump]:
    """`fetch` with what every test would say the same."""

    def get(source: str | Path, feed: Feed = KITE, **more: object) -> Dump:
        given = {"as_of": AS_OF, "landing": landing, "options": options, **more}
        return fetch(str(source), feed, **given)  # type: ignore[arg-type]

    return get


@pytest.fixture
def database(connection: psycopg.Connection) -> psycopg.Connection:
    ensure_schema(connection)
    return connection


@pytest.fixture
def put(database: psycopg.Connection) -> Callable[..., Load]:
    """`land` with what every test would say the same."""

    def put(dump: Dump, *, feed: Feed = KITE, **more: object) -> Load:
        given = {"as_of": AS_OF, "started_at": NOW, "now": lambda: NOW, **more}
        return land(database, dump, feed, **given)  # type: ignore[arg-type]

    return put
