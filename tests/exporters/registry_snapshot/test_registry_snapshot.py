"""registry.snapshot as a destination: what it holds, when it is left alone, and what is told."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from exporters.destination import Outcome, export
from exporters.errors import (
    DestinationRefused,
    DestinationUnavailable,
    VerificationError,
)
from exporters.registry_snapshot import RegistrySnapshot
from exporters.schema import ensure_schema
from instrument_registry.records import BrokerRow, RegistryType
from instrument_registry.registry import Registry
from instrument_registry.sources import snapshot
from instrument_registry.sources.postgres import read_contents
from tests.instrument_registry import made_rows, published

FOCUS = RegistryType.INTRADAY_FOCUS


@dataclass
class Publisher:
    """A database with published brokers' rows, and a place for the file."""

    dsn: str
    connection: psycopg.Connection[Any]
    path: Path
    number: int = 0

    def publish(self, *rows: BrokerRow, fingerprint: str = "f", number: int = 0) -> None:
        """Publish these rows; the whole made-up market if none are given."""
        self.number = number or self.number + 1
        at = published.AT + timedelta(days=self.number)
        with self.connection.transaction():
            cursor = self.connection.cursor()
            cursor.execute("truncate marts.broker_instruments, marts.focus_instruments")
            names = ", ".join(published.BROKER_COLUMNS)
            with cursor.copy(f"copy marts.broker_instruments ({names}) from stdin") as copy:
                for row in rows or made_rows.market():
                    copy.write_row((*row, False))
            cursor.executemany(
                "insert into marts.focus_instruments values (%s)",
                [(one,) for one in made_rows.FOCUS],
            )
            cursor.execute("delete from ops.publications")
            cursor.execute(
                "insert into ops.publications"
                " (publication_id, published_at, as_of_date, filter, fingerprint)"
                " values (%s, %s, %s, 'nifty', %s)",
                (self.number, at, made_rows.DAY, fingerprint),
            )

    def file(self) -> RegistrySnapshot:
        return RegistrySnapshot(self.path, self.connection)

    def export(self) -> Outcome:
        return export(self.file())

    def rows(self) -> int:
        return len(Registry(snapshot.read(self.path)))


@pytest.fixture
def publisher(postgres_dsn: str, tmp_path: Path) -> Iterator[Publisher]:
    with psycopg.connect(postgres_dsn) as connection:
        ensure_schema(connection)
        for statement in published.TABLES.split(";"):
            if "create table marts" in statement:
                connection.execute(statement)
        connection.commit()
        yield Publisher(postgres_dsn, connection, tmp_path / "deep" / "registry.snapshot")


def test_it_holds_what_the_database_does_and_the_focus_set(publisher: Publisher) -> None:
    publisher.publish()
    outcome = publisher.export()
    assert (outcome.status, outcome.plan.added, outcome.plan.changed) == ("complete", 1, 0)
    assert "does not exist yet" in outcome.plan.note
    found, direct = snapshot.read(publisher.path), read_contents(publisher.dsn)
    assert found.publication.number == 1
    books, others = (Registry(one)._state.books for one in (found, direct))
    assert books.keys() == others.keys()
    for broker, book in books.items():
        assert (book.symbols, book.shared) == (others[broker].symbols, others[broker].shared)
    assert snapshot.read(publisher.path, FOCUS).rows == 4 * len(made_rows.FOCUS)
    assert publisher.path.stat().st_mode & 0o777 == 0o644


def test_a_second_export_leaves_the_file_alone_and_reads_no_row(publisher: Publisher) -> None:
    publisher.publish()
    publisher.export()
    before = publisher.path.stat()
    # Whoever reads a row of it would wait, and find out.
    publisher.connection.execute("drop table marts.broker_instruments")
    publisher.connection.commit()
    outcome = publisher.export()
    assert (outcome.status, outcome.plan.note) == ("unchanged", "")
    after = publisher.path.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_next_publication_takes_its_place_whole(publisher: Publisher) -> None:
    publisher.publish()
    publisher.export()
    publisher.publish(*made_rows.market()[:10])
    with publisher.path.open("rb") as reader:
        outcome = publisher.export()
        # Who had it open reads the old one to its end.
        assert len(reader.read()) > publisher.path.stat().st_size
    assert (outcome.plan.added, outcome.plan.changed, outcome.plan.removed) == (0, 1, 0)
    assert outcome.plan.note.startswith(f"publication 1 of {made_rows.DAY} stood in")
    assert outcome.plan.samples["changed"] == (
        f"publication 1 of {made_rows.DAY} -> publication 2 of {made_rows.DAY}",
    )
    assert publisher.rows() == 10


def test_the_same_number_of_another_warehouse_is_not_taken_for_ours(publisher: Publisher) -> None:
    publisher.publish(fingerprint="theirs")
    publisher.export()
    publisher.publish(*made_rows.market()[:10], fingerprint="ours", number=1)
    assert publisher.export().status == "complete"
    assert publisher.rows() == 10


@pytest.mark.parametrize("at", [0, 40, 60, 2000, -1])
def test_any_changed_byte_is_found_and_mended(publisher: Publisher, at: int) -> None:
    publisher.publish()
    publisher.export()
    whole = publisher.path.read_bytes()
    torn = bytearray(whole)
    torn[at] ^= 1
    publisher.path.write_bytes(torn)
    outcome = publisher.export()
    assert outcome.plan.changed == 1
    assert "was not taken" in outcome.plan.note
    assert publisher.rows() == len(made_rows.market())


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "does not begin"),
        (b"{}", "does not begin"),
        (b"INSTRUMENT-REGISTRY-SNAPSHOT 1\n", "of version 1"),
        (b"INSTRUMENT-REGISTRY-SNAPSHOT 2\n", "header is torn"),
    ],
)
def test_another_file_in_its_place_is_replaced(
    publisher: Publisher, content: bytes, told: str
) -> None:
    publisher.publish()
    publisher.path.parent.mkdir()
    publisher.path.write_bytes(content)
    assert told in publisher.export().plan.note
    assert publisher.rows() == len(made_rows.market())


def test_a_plan_alone_writes_nothing(publisher: Publisher) -> None:
    publisher.publish()
    outcome = export(publisher.file(), dry_run=True)
    assert (outcome.status, outcome.plan.added) == ("planned", 1)
    assert not publisher.path.parent.exists()


def test_verify_finds_what_somebody_else_wrote(publisher: Publisher) -> None:
    publisher.publish()
    file = publisher.file()
    export(file)
    file.verify()
    publisher.file().verify()
    publisher.path.write_bytes(b"something else")
    for one in (file, publisher.file()):
        with pytest.raises(VerificationError, match="does not hold what was written"):
            one.verify()


def test_what_cannot_be_carried_leaves_the_old_one(publisher: Publisher) -> None:
    publisher.publish()
    publisher.export()
    before = publisher.path.read_bytes()
    publisher.publish(made_rows.row("kite", "NSE:A", "A\x1fB", 1))
    with pytest.raises(DestinationRefused, match="character 30 or 31"):
        publisher.export()
    publisher.connection.execute("truncate marts.broker_instruments")
    publisher.connection.commit()
    with pytest.raises(DestinationRefused, match="is empty"):
        publisher.export()
    assert publisher.path.read_bytes() == before


def test_nothing_published_is_refused(publisher: Publisher) -> None:
    with pytest.raises(DestinationRefused, match=r"Nothing has been published.*Run a sync first"):
        publisher.export()


def test_a_path_that_is_no_file_is_refused(publisher: Publisher, tmp_path: Path) -> None:
    publisher.publish()
    publisher.path.mkdir(parents=True)
    with pytest.raises(DestinationRefused, match="not a regular file"):
        publisher.export()
    (tmp_path / "file").write_bytes(b"")
    publisher.path = tmp_path / "file" / "registry.snapshot"
    with pytest.raises(DestinationUnavailable):
        publisher.export()


def test_a_link_is_followed_not_replaced(publisher: Publisher, tmp_path: Path) -> None:
    publisher.publish()
    publisher.path.parent.mkdir()
    publisher.path.symlink_to(tmp_path / "elsewhere")
    publisher.export()
    assert publisher.path.is_symlink()
    assert publisher.rows() == len(made_rows.market())
    assert publisher.export().status == "unchanged"


def test_a_candidate_is_planned_without_being_read(publisher: Publisher) -> None:
    publisher.publish()
    publisher.export()
    publisher.connection.execute("create table ops.build_parameters (as_of_date date)")
    publisher.connection.execute("insert into ops.build_parameters values ('2026-08-18')")
    publisher.connection.execute("create schema candidate")
    publisher.connection.commit()
    plan = RegistrySnapshot(publisher.path, publisher.connection, schema="candidate").plan()
    assert plan.samples["changed"][0].endswith("-> publication 2 of 2026-08-18")


def test_it_can_be_exported_alone(publisher: Publisher, project: Path) -> None:
    publisher.publish()
    command = [
        sys.executable, "-m", "exporters.registry_snapshot",
        "--database-url", publisher.dsn, "--path", str(publisher.path),
    ]  # fmt: skip
    for status in ("complete", "unchanged"):
        done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith(f"registry_snapshot: {status}, ")
    assert publisher.rows() == len(made_rows.market())
