"""Every query of the analyst guide runs and gives what the guide promises."""

from __future__ import annotations

import re

import psycopg
import pytest

from tests.docs.conftest import GUIDE, Query, queries

QUERIES = queries()
_TABLE = re.compile(r"^\| `(?P<table>\w+)` \| [^|]+ \| (?P<columns>[^|]+) \|$", re.MULTILINE)
_NAMES = re.compile(r"`(\w+)`(?: \([^)]*\))?")


def documented_tables() -> dict[str, set[str]]:
    found = {}
    for row in _TABLE.finditer(GUIDE.read_text()):
        without_values = re.sub(r"\([^)]*\)", "", row["columns"])
        found[row["table"]] = set(_NAMES.findall(without_values))
    return found


def test_every_sql_block_of_the_guide_says_what_it_returns() -> None:
    assert len(QUERIES) == GUIDE.read_text().count("```sql\n")
    assert len(QUERIES) > 10


@pytest.mark.parametrize("query", QUERIES, ids=[query.columns[0] for query in QUERIES])
def test_a_query_of_the_guide_gives_the_columns_and_rows_it_promises(
    query: Query, published_dsn: str
) -> None:
    with psycopg.connect(published_dsn) as connection:
        cursor = connection.execute(query.text)  # type: ignore[arg-type]  # from the page
        assert tuple(column.name for column in cursor.description or ()) == query.columns
        assert cursor.fetchall() or query.may_be_empty


def test_consumers_tables_agree_as_the_guide_shows(published_dsn: str) -> None:
    (query,) = (query for query in QUERIES if query.columns[:2] == ("marts", "redis"))
    with psycopg.connect(published_dsn) as connection:
        marts, redis, postgres, withheld = connection.execute(
            query.text  # type: ignore[arg-type]  # from the page
        ).fetchone() or (0, 1, 2, 3)
    assert marts == redis == postgres + withheld > 0


def test_the_straddle_of_each_focus_underlying_is_found(published_dsn: str) -> None:
    (query,) = (query for query in QUERIES if {"underlying", "call_token"} <= set(query.columns))
    with psycopg.connect(published_dsn) as connection:
        found = connection.execute(query.text).fetchall()  # type: ignore[arg-type]
    assert [row[0] for row in found] == ["BANKNIFTY", "NIFTY", "SENSEX"]
    assert all(row[4] and row[5] for row in found)


def test_the_guide_names_every_column_of_every_mart(published_dsn: str) -> None:
    documented = documented_tables()
    with psycopg.connect(published_dsn) as connection:
        rows = connection.execute(
            "select table_name, column_name from information_schema.columns"
            " where table_schema = 'marts' and table_name not like 'exp!_%' escape '!'"
        ).fetchall()
    published: dict[str, set[str]] = {}
    for table, column in rows:
        published.setdefault(table, set()).add(column)
    assert documented == published
