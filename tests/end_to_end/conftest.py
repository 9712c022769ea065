"""One installation for all of these tests; each begins from a state that was published once."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from tests.end_to_end import dumps
from tests.installation import Done, Installation, Kept, Seen, until

# Somebody else's file: only the line INSTRUMENTS may change.
ENV = b"# ingestion\r\nAPI_KEY='x=y'\nINSTRUMENTS=1,2,3\n\nLOG_LEVEL=info # quiet"


@dataclass(frozen=True)
class Published:
    """The installation with the small dump published once, and how to come back to that."""

    at: Installation
    kept: Kept
    seen: Seen
    rows: list[dumps.Row]
    dump: Path
    next_rows: list[dumps.Row]
    next_dump: Path


@pytest.fixture(scope="session")
def small_rows(market_dump: Path) -> list[dumps.Row]:
    return dumps.cut(dumps.read_dump(market_dump))


@pytest.fixture(scope="session")
def installation(
    tmp_path_factory: pytest.TempPathFactory, server_dsn: str, redis_server_url: str
) -> Iterator[Installation]:
    name = f"installed_{uuid.uuid4().hex[:8]}"
    folder = tmp_path_factory.mktemp("installation")
    at = Installation(folder / "it", with_database(server_dsn, name), redis_server_url)
    at.wipe()
    yield at
    at.close()
    drop_databases(server_dsn, name)


def with_database(dsn: str, name: str) -> str:
    """The same server as a URI, another database."""
    parts = conninfo_to_dict(dsn)
    host, port = parts.get("host", ""), parts.get("port", "")
    user, password = parts.get("user", "postgres"), parts.get("password", "")
    return f"postgresql://{user}:{password}@/{name}?host={host}" + (f"&port={port}" if port else "")


def drop_databases(dsn: str, prefix: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        names = connection.execute(
            "select datname from pg_database where starts_with(datname, %s)", (prefix,)
        ).fetchall()
        for (name,) in names:
            connection.execute(
                sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name))
            )


@pytest.fixture(scope="session")
def first_publication(installation: Installation, small_rows: list[dumps.Row]) -> Published:
    at = installation
    at.wipe()
    at.env_file.write_bytes(ENV)
    folder = at.folder.parent
    dump = dumps.write_dump(folder / "day-1.csv", small_rows)
    next_rows = dumps.next_day(small_rows)
    next_dump = dumps.write_dump(folder / "day-2.csv", next_rows)
    at.sync(dump).ok()
    seen = at.seen()
    return Published(at, at.keep("published"), seen, small_rows, dump, next_rows, next_dump)


@pytest.fixture
def published(first_publication: Published) -> Iterator[Published]:
    """The first publication, as if nothing had happened since."""
    first_publication.at.put_back(first_publication.kept)
    yield first_publication
    first_publication.at.close()


@dataclass(frozen=True)
class PublishedTwice:
    """The same, with the next day's dump published after it.

    Attributes:
        done: how that sync ended.
        notified: what PostgreSQL told who listened meanwhile.
        heard: what Redis told its subscribers.
    """

    first: Published
    kept: Kept
    seen: Seen
    done: Done
    notified: dict[str, Any]
    heard: dict[str, Any]

    @property
    def at(self) -> Installation:
        return self.first.at


@pytest.fixture(scope="session")
def second_publication(first_publication: Published) -> PublishedTwice:
    first = first_publication
    first.at.put_back(first.kept)
    with (
        first.at.connect(autocommit=True) as listener,
        first.at.redis() as client,
        client.pubsub() as pubsub,
    ):
        listener.execute("listen instruments_published")
        pubsub.subscribe("instruments:updated")
        assert pubsub.get_message(timeout=10)
        done = first.at.sync(first.next_dump).ok()
        [notified] = list(listener.notifies(timeout=10, stop_after=1))
        heard = until(lambda: pubsub.get_message(ignore_subscribe_messages=True), "a message")
    return PublishedTwice(
        first,
        first.at.keep("twice"),
        first.at.seen(),
        done,
        json.loads(notified.payload),
        json.loads(heard["data"]),
    )


@pytest.fixture
def published_twice(second_publication: PublishedTwice) -> Iterator[PublishedTwice]:
    """Two publications, as if nothing had happened since."""
    second_publication.at.put_back(second_publication.kept)
    yield second_publication
    second_publication.at.close()


@pytest.fixture
def empty(installation: Installation) -> Iterator[Installation]:
    """Nothing anywhere yet."""
    installation.wipe()
    yield installation
    installation.close()
