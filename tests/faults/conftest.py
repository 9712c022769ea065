"""A laboratory: an installation on servers of our own, which tests break and mend.

Two states are known whole: the first publication (`old`) and the one after it (`new`). Every
test asserts that each destination shows one of them, and which. There are two laboratories, one
with Kite alone and one with four feeds; a module that wants the second calls it `laboratory`.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

import pytest

from tests.end_to_end import dumps, feeds
from tests.faults.servers import Held, PostgresServer, RedisServer
from tests.folders import server_folder
from tests.installation import CANONICAL, DESTINATIONS, POSTGRES, Done, Installation, Kept, Seen
from tests.loader.broker import Broker, serving

ENV = b"# somebody else's\r\nA='b=c'\nINSTRUMENTS=9,8,7\n\nLAST=1"


def cannot_run(why: str) -> NoReturn:
    """Leave a case out that this machine or user cannot bring about; the end of the run says so."""
    pytest.skip(f"NOT RUN, so not shown to hold here: {why}")


@dataclass(frozen=True)
class Laboratory:
    at: Installation
    postgres: PostgresServer
    redis: RedisServer
    rows: list[dumps.Row]
    dump: Path
    next_dump: Path
    old: Seen
    new: Seen
    kept_old: Kept
    kept_new: Kept
    others: tuple[feeds.Dumps, ...] = ()

    @property
    def kept_unexported(self) -> Kept:
        """As after a death right after publishing: nothing but PostgreSQL is new."""
        return replace(self.kept_old, template=self.kept_new.template)

    def heal(self) -> None:
        """Everything runs again."""
        self.at.close()
        self.postgres.start()
        self.redis.heal()

    def put_back(self, kept: Kept | None = None) -> None:
        self.heal()
        self.at.put_back(kept or self.kept_old)
        # A sequence copied with its database is logged anew only after a checkpoint: a power cut
        # before that would set it back behind its rows, which no consumer's database does.
        self.at.execute("checkpoint")
        self.redis.save()

    def hold(self, table: str, mode: str) -> Held:
        return Held(self.at.database_url, table, mode)

    def editions(self) -> Mapping[str, str]:
        """Which publication each destination shows, whole; PostgreSQL is never behind."""
        found = self.at.seen().editions(self.old, self.new)
        if found[POSTGRES] == "old":
            assert "new" not in found.values(), f"something unpublished is visible: {found}"
        return found

    def assert_old(self) -> None:
        assert self.at.seen().differing(self.old) == []

    def assert_new(self) -> None:
        assert self.at.seen().differing(self.new) == []

    def assert_pending(self, *pending: str, either: tuple[str, ...] = ()) -> None:
        """All destinations show the new publication but these, which show the old one whole.

        Args:
            pending: the destinations that are behind.
            either: those that were written beside them: old or new, whole (`editions` says so).
        """
        found = self.editions()
        for name in set(DESTINATIONS) - set(either):
            assert found[name] in ({"old", "same"} if name in pending else {"new", "same"}), found

    def converge(self) -> Done:
        """The same command again, with everything in order."""
        done = self.at.sync(self.next_dump).ok()
        self.assert_new()
        return done


@pytest.fixture(scope="session")
def small_rows(market_dump: Path) -> list[dumps.Row]:
    return dumps.cut(dumps.read_dump(market_dump))


@pytest.fixture(scope="session")
def laboratory(
    tmp_path_factory: pytest.TempPathFactory, small_rows: list[dumps.Row]
) -> Iterator[Laboratory]:
    with opened(tmp_path_factory.mktemp("lab"), small_rows) as found:
        yield found


@pytest.fixture(scope="session")
def laboratory_of_four(
    tmp_path_factory: pytest.TempPathFactory, small_rows: list[dumps.Row]
) -> Iterator[Laboratory]:
    """The same with Kite, Angel One, Upstox and Dhan."""
    folder = tmp_path_factory.mktemp("lab-of-four")
    others = (
        feeds.Dumps.of(folder / "others-1", small_rows),
        feeds.Dumps.of(folder / "others-2", dumps.next_day(small_rows)),
    )
    with opened(folder, small_rows, others) as found:
        yield found


@contextmanager
def opened(
    place: Path, rows: list[dumps.Row], others: tuple[feeds.Dumps, ...] = ()
) -> Iterator[Laboratory]:
    """A laboratory in a folder of its own, on servers of its own.

    Args:
        place: the folder.
        rows: Kite's of the first day.
        others: the other brokers' dumps of both days; none for Kite alone.
    """
    folder = server_folder()
    (folder / "redis").mkdir()
    postgres, redis = PostgresServer(folder / "pg"), RedisServer(folder / "redis")
    at = Installation(place / "it", postgres.url("lab"), redis.url)
    try:
        yield _published(at, postgres, redis, rows, others)
    finally:
        at.close()
        redis.thaw()
        redis.kill()
        postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _published(
    at: Installation,
    postgres: PostgresServer,
    redis: RedisServer,
    rows: list[dumps.Row],
    others: tuple[feeds.Dumps, ...],
) -> Laboratory:
    at.wipe()
    at.env_file.write_bytes(ENV)
    dump = dumps.write_dump(at.folder.parent / "day-1.csv", rows)
    next_dump = dumps.write_dump(at.folder.parent / "day-2.csv", dumps.next_day(rows))
    at.settings |= others[0].settings if others else {}
    at.sync(dump).ok()
    old, kept_old = at.seen(), at.keep("old")
    # From here on the other brokers' dumps are those of the second day.
    at.settings |= others[1].settings if others else {}
    at.sync(next_dump).ok()
    new, kept_new = at.seen(), at.keep("new")
    same = {"focus_instruments"} if others else {"focus_instruments", CANONICAL}
    assert set(new.differing(old)) >= set(DESTINATIONS) - same
    return Laboratory(
        at, postgres, redis, rows, dump, next_dump, old, new, kept_old, kept_new, others
    )


@pytest.fixture
def lab(laboratory: Laboratory) -> Iterator[Laboratory]:
    """Everything runs and shows the old publication."""
    laboratory.put_back()
    yield laboratory
    laboratory.heal()


@pytest.fixture(scope="module")
def _standing(laboratory: Laboratory) -> Laboratory:
    laboratory.put_back()
    return laboratory


@pytest.fixture
def standing(_standing: Laboratory) -> Iterator[Laboratory]:
    """The old publication, with the wreckage of the tests of the module that went before.

    For faults after which nothing may have changed: each asserts just that, so that the next
    may begin from it; the last test of the module shows that a sync converges after all of them.
    """
    yield _standing
    _standing.heal()
    if _standing.at.seen().differing(_standing.old):
        _standing.put_back()


@pytest.fixture
def broker() -> Iterator[Broker]:
    with serving() as served:
        yield served
