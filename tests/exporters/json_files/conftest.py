from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest
from psycopg.types.json import Jsonb

from exporters.schema import ensure_schema

# Types as the published views have them.
_SHAPE = """
create table marts.exp_json__token_lookup (
    instrument_token integer primary key,
    exchange_token text not null,
    tradingsymbol text not null,
    name text,
    last_price numeric(18, 6) not null,
    expiry text not null,
    strike numeric(18, 6) not null,
    tick_size numeric(18, 6) not null,
    lot_size integer not null,
    instrument_type text not null,
    segment text not null,
    exchange text not null,
    key text not null,
    source text not null
);
create table marts.exp_json__focus_instruments (
    symbols text[] not null,
    total_symbols integer not null,
    sources jsonb not null,
    underlying_indices text[] not null,
    description text not null
);
"""


@dataclass
class Published:
    """A database with published documents, and a folder for their files."""

    dsn: str
    connection: psycopg.Connection
    folder: Path
    number: int = 0

    def publish(self, *tokens: int, at: datetime = datetime(2026, 8, 17, 3, tzinfo=UTC)) -> None:
        """Publish options of these tokens, and one focus set."""
        self.number += 1
        with self.connection.transaction():
            self.connection.execute(
                "truncate marts.exp_json__token_lookup, marts.exp_json__focus_instruments"
            )
            with self.connection.cursor().copy(
                "copy marts.exp_json__token_lookup from stdin"
            ) as copy:
                for token in tokens:
                    copy.write_row(self.row(token))
            self.connection.execute(
                "insert into marts.exp_json__focus_instruments values (%s, %s, %s, %s, %s)",
                (
                    ["B2", "A10", "A9"],
                    3,
                    Jsonb({"zerodha": {"total": 3}}),
                    ["SENSEX", "NIFTY"],
                    "d",
                ),
            )
            self.connection.execute(
                "insert into ops.publications"
                " (publication_id, published_at, as_of_date, filter, fingerprint)"
                " values (%s, %s, %s, 'nifty', 'f')",
                (self.number, at, date(2026, 8, 17)),
            )

    @staticmethod
    def row(token: int) -> tuple[object, ...]:
        return (
            token, str(token // 256), f"GAIL26AUG{token}CE", None if token % 2 else 'G "A" \\ é',
            Decimal(0), "2026-08-25", Decimal("390.75"), Decimal("0.05"), 65, "CE", "NFO-OPT",
            "NFO", f"NFO:GAIL26AUG{token}CE", "zerodha_csv",
        )  # fmt: skip

    @staticmethod
    def member(token: int) -> dict[str, object]:
        return {
            "instrument_token": token,
            "exchange_token": str(token // 256),
            "tradingsymbol": f"GAIL26AUG{token}CE",
            "name": "" if token % 2 else 'G "A" \\ é',
            "last_price": 0.0,
            "expiry": "2026-08-25",
            "strike": 390.75,
            "tick_size": 0.05,
            "lot_size": 65,
            "instrument_type": "CE",
            "segment": "NFO-OPT",
            "exchange": "NFO",
            "key": f"NFO:GAIL26AUG{token}CE",
            "source": "zerodha_csv",
        }


@pytest.fixture
def published(postgres_dsn: str, tmp_path: Path) -> Iterator[Published]:
    with psycopg.connect(postgres_dsn) as connection:
        ensure_schema(connection)
        connection.execute(_SHAPE)
        connection.commit()
        yield Published(postgres_dsn, connection, tmp_path / "files")
