"""canonical_instruments.yaml: whole content as a YAML reader sees it, and when it is left alone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from psycopg.types.json import Jsonb

from exporters.canonical_yaml import CanonicalInstrumentsFile
from exporters.destination import export
from exporters.errors import DestinationRefused, VerificationError
from exporters.schema import ensure_schema

# Types as the published view has them.
SHAPE = """
create table marts.exp_yaml__canonical_instruments (
    canonical_id text primary key, exchange text, segment text, instrument_type text,
    underlying text, name text, expiry text, strike numeric, option_type text, lot_size integer,
    tick_size numeric, broker_mappings jsonb not null
)
"""
AT = datetime(2026, 8, 17, 3, tzinfo=UTC)
HOSTILE = 'x: {y} "q" \\ \' # - é ✓ %s ${A} */'


@dataclass
class Published:
    """A database with published instruments, and a folder for the file."""

    dsn: str
    connection: psycopg.Connection[Any]
    path: Path
    number: int = 0

    def publish(self, *strikes: int, lot: int = 65) -> None:
        """Publish a call for each strike, and an index with a hostile name."""
        self.number += 1
        with self.connection.transaction():
            self.connection.execute("truncate marts.exp_yaml__canonical_instruments")
            insert = (
                "insert into marts.exp_yaml__canonical_instruments"
                " values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
            )
            cursor = self.connection.cursor()
            cursor.executemany(insert, [self.row(strike, lot) for strike in strikes])
            index = ("INDEX:" + HOSTILE, "NSE", "INDICES", "EQ", HOSTILE, HOSTILE, None, None)
            cursor.execute(insert, (*index, None, None, None, Jsonb({"zerodha": {"a": HOSTILE}})))
            self.connection.execute(
                "insert into ops.publications"
                " (publication_id, published_at, as_of_date, filter, fingerprint)"
                " values (%s, %s, %s, 'nifty', 'f')",
                (self.number, AT, date(2026, 8, 17)),
            )

    @staticmethod
    def row(strike: int, lot: int) -> tuple[object, ...]:
        return (
            f"NFO:A:2026-08-25:{strike}:CE", "NFO", "NFO-OPT", "CE", "A", "A", "2026-08-25",
            Decimal(strike), "CE", lot, Decimal("0.05"),
            Jsonb({"zerodha": {"tradingsymbol": f"A26AUG{strike}CE", "instrument_token": strike}}),
        )  # fmt: skip

    def file(self) -> CanonicalInstrumentsFile:
        return CanonicalInstrumentsFile(self.path, self.connection)

    def read(self) -> Any:
        return yaml.safe_load(self.path.read_bytes())


@pytest.fixture
def published(postgres_dsn: str, tmp_path: Path) -> Iterator[Published]:
    with psycopg.connect(postgres_dsn) as connection:
        ensure_schema(connection)
        connection.execute(SHAPE)
        connection.commit()
        yield Published(postgres_dsn, connection, tmp_path / "files/canonical_instruments.yaml")


def test_the_file_holds_every_instrument_as_a_yaml_reader_sees_it(published: Published) -> None:
    published.publish(*range(100, 2300))

    outcome = export(published.file())

    assert (outcome.status, outcome.plan.added) == ("complete", 2201)
    assert "does not exist yet" in outcome.plan.note
    found = published.read()
    assert list(found) == ["last_updated", "instruments"]
    assert found["last_updated"] == AT.isoformat()
    assert list(found["instruments"]) == sorted(found["instruments"])
    assert len(found["instruments"]) == 2201
    assert found["instruments"]["NFO:A:2026-08-25:100:CE"] == {
        "exchange": "NFO", "segment": "NFO-OPT", "instrument_type": "CE", "underlying": "A",
        "name": "A", "expiry": "2026-08-25", "strike": 100, "option_type": "CE", "lot_size": 65,
        "tick_size": 0.05,
        "broker_mappings": {"zerodha": {"tradingsymbol": "A26AUG100CE", "instrument_token": 100}},
    }  # fmt: skip
    assert found["instruments"]["INDEX:" + HOSTILE] == {
        "exchange": "NSE", "segment": "INDICES", "instrument_type": "EQ", "underlying": HOSTILE,
        "name": HOSTILE, "broker_mappings": {"zerodha": {"a": HOSTILE}},
    }  # fmt: skip


def test_a_second_export_leaves_the_file_alone(published: Published) -> None:
    published.publish(100, 200)
    export(published.file())
    before = published.path.stat()

    assert export(published.file()).status == "unchanged"

    after = published.path.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_plan_counts_what_differs(published: Published) -> None:
    published.publish(100, 200, 300)
    export(published.file())
    text = published.path.read_text().replace('"lot_size":65', '"lot_size":50', 1)
    published.path.write_text(text)
    published.publish(200, 300, 400, 500)

    plan = published.file().plan()

    # 200 lost its lot to somebody else's editing, or 100 did: whichever stood first is gone.
    assert (plan.added, plan.removed) == (2, 1)
    assert plan.samples["removed"][0].startswith("NFO:A:2026-08-25:100:CE: ")
    export(published.file())
    assert sorted(published.read()["instruments"])[1:] == [
        f"NFO:A:2026-08-25:{strike}:CE" for strike in (200, 300, 400, 500)
    ]


@pytest.mark.parametrize("content", [b"", b"instruments: {}\n", b"\x80\x81", b"a: 1\n" * 3])
def test_another_file_in_its_place_is_replaced_whole(published: Published, content: bytes) -> None:
    published.publish(100)
    published.path.parent.mkdir()
    published.path.write_bytes(content)

    export(published.file())

    assert len(published.read()["instruments"]) == 2


def test_verify_tells_what_differs(published: Published) -> None:
    published.publish(100, 200)
    file = published.file()
    export(file)
    published.path.write_text("something else\n")
    # Three instruments, and `last_updated`.
    with pytest.raises(VerificationError, match="lacks 4 entries"):
        file.verify()


def test_nothing_published_leaves_the_file_alone(published: Published) -> None:
    published.publish(100)
    published.connection.execute("truncate marts.exp_yaml__canonical_instruments")
    published.connection.commit()
    with pytest.raises(DestinationRefused, match="is empty"):
        export(published.file())
    assert not published.path.exists()


def test_it_can_be_exported_alone(published: Published, project: Path) -> None:
    published.publish(100)
    done = subprocess.run(
        [
            sys.executable, "-m", "exporters.canonical_yaml",
            "--database-url", published.dsn, "--path", str(published.path.parent),
        ],
        cwd=project, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert len(published.read()["instruments"]) == 2
