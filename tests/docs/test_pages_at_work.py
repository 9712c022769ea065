"""The analyst guide and adding-a-broker, tried on one warehouse: what they promise is what happens.

One module, so that its three syncs are made once.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import psycopg
import pytest

from loader.feeds import FEEDS
from tests.docs import expected
from tests.docs.conftest import Documented
from tests.docs.market import FIRST, SECOND, THIRD
from tests.docs.pages import GUIDE, Query, blocks, queries

QUERIES = queries()
FILES = [block.path for block in blocks()]
_TABLE = re.compile(r"^\| `(?P<table>\w+)` \| [^|]+ \| (?P<columns>[^|]+) \|$", re.MULTILINE)
_NAMES = re.compile(r"`(\w+)`(?: \([^)]*\))?")
# Every version's own columns, which the guide counts instead of naming them twice.
_OF_VERSIONS = {
    "instrument_id", "valid_from", "valid_to", "recorded_at", "publication_id", "closed_by",
    "superseded_by",
}  # fmt: skip


def asked(dsn: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(dsn) as connection:
        return connection.execute(query).fetchall()  # type: ignore[arg-type]  # from the page


def documented_tables(text: str) -> dict[str, set[str]]:
    found = {}
    for row in _TABLE.finditer(text):
        without_values = re.sub(r"\([^)]*\)", "", row["columns"])
        found[row["table"]] = set(_NAMES.findall(without_values))
    return found


def columns_of(dsn: str, schema: str) -> dict[str, set[str]]:
    rows = asked(
        dsn,
        "select table_name, column_name from information_schema.columns"
        f" where table_schema = '{schema}' and table_name not like 'exp!_%' escape '!'",
    )
    found: dict[str, set[str]] = {}
    for table, column in rows:
        found.setdefault(table, set()).add(column)
    return found


def the_query(*columns: str) -> Query:
    (query,) = (query for query in QUERIES if set(columns) <= set(query.columns))
    return query


def subject(query: Query) -> tuple[str, ...]:
    """What the expectation of a query is found by."""
    is_as_of = "_as_of(" in query.text
    return (*query.columns, expected.AS_OF) if is_as_of else query.columns


# --- the analyst guide ---------------------------------------------------------------------------


def test_every_sql_block_of_the_guide_says_what_it_returns() -> None:
    text = GUIDE.read_text()
    assert len(QUERIES) == text.count("```sql\n") > 25
    assert "may be empty" not in text


@pytest.mark.parametrize("query", QUERIES, ids=[" ".join(query.columns) for query in QUERIES])
def test_a_query_of_the_guide_gives_its_columns_and_what_the_dumps_say(
    query: Query, documented: Documented
) -> None:
    with psycopg.connect(documented.dsn_with_acme) as connection:
        cursor = connection.execute(query.text)  # type: ignore[arg-type]  # from the page
        assert tuple(column.name for column in cursor.description or ()) == query.columns
        found = cursor.fetchall()
    assert found
    if wanted := expected.EXPECTED.get(subject(query)):
        rows = wanted(documented.market)
        assert sorted(found, key=repr) == sorted(rows, key=repr) or found == rows


def test_no_expectation_stands_without_its_query() -> None:
    assert set(expected.EXPECTED) <= set(map(subject, QUERIES))


def test_consumers_tables_agree_as_the_guide_shows(documented: Documented) -> None:
    query = the_query("marts", "redis")
    ((marts, redis, postgres, withheld),) = asked(documented.dsn_with_acme, query.text)
    assert marts == redis == postgres + withheld == len(documented.market.second)
    assert withheld > 0


def test_the_straddle_of_each_focus_underlying_is_found(documented: Documented) -> None:
    query = the_query("underlying", "call_token", "put_token", "reference_price")
    found = asked(documented.dsn_with_acme, query.text)
    assert [row[0] for row in found] == ["BANKNIFTY", "NIFTY", "SENSEX"]
    tokens = {int(row["instrument_token"]): row for row in documented.market.second}
    for name, _, strike, expiry, call, put in found:
        for token, kind in ((call, "CE"), (put, "PE")):
            row = tokens[token]
            assert (row["name"], float(row["strike"]), row["expiry"], row["instrument_type"]) == (
                name, float(strike), expiry.isoformat(), kind,
            )  # fmt: skip


def test_what_was_left_out_changed_or_set_by_hand_is_found(documented: Documented) -> None:
    market, dsn = documented.market, documented.dsn_with_acme
    rejected = asked(dsn, the_query("line_number", "column_name", "reason").text)
    lines = {row[0]: row[1:4] for row in rejected}
    assert lines == {
        2 + len(market.second): ("GOLD26AUG146500CE", "lot_size", "one"),
        # Acme's last but one.
        len(market.acme): ("LOST", "exchange", "NSEXX"),
    }
    odd = asked(dsn, the_query("symbol_form", "strike").text)
    assert [row[0] for row in odd] == [market.odd]
    by_hand = asked(dsn, the_query("canonical_id", "origin", "recorded_at").text)
    assert {(row[0].split(":")[1], row[1]) for row in by_hand} == {("FINNIFTY", True)}
    changed = asked(dsn, the_query("change", "changed", "of_subscriptions").text)
    told = {(row[0], row[1]): row[2] for row in changed}
    for event, exchange, rows, _ in expected.changes(market):
        assert told[event, exchange] == rows
    assert told["strike_changed", "NFO"] == 32
    assert told["tick_changed", "NSE"] == 1


def test_the_guide_names_every_column_of_every_mart(documented: Documented) -> None:
    marts = GUIDE.read_text().partition("## History")[0]
    assert documented_tables(marts) == columns_of(documented.dsn_with_acme, "marts")


def test_the_guide_names_every_view_of_history_and_its_columns(documented: Documented) -> None:
    told = documented_tables(GUIDE.read_text().partition("## History")[2])
    held = columns_of(documented.dsn_with_acme, "history")
    assert set(told) == {
        "instrument_versions", "broker_instrument_versions", "instrument_events",
        "lot_size_timeline", "listings_by_day",
    }  # fmt: skip
    for name in ("lot_size_timeline", "listings_by_day"):
        assert told[name] == held[name]
    assert told["instrument_events"] <= held["instrument_events"]
    marts = columns_of(documented.dsn_with_acme, "marts")
    assert held["instrument_versions"] == marts["instruments"] | _OF_VERSIONS
    assert held["broker_instrument_versions"] - _OF_VERSIONS <= marts["broker_instruments"]


def test_what_history_tells_outlives_a_return_to_kite_alone(documented: Documented) -> None:
    """The third sync read Kite's dump of the second day again, and nothing else."""
    for columns in (
        ("expiry_date", "kind", "lot_size", "contracts", "valid_from", "valid_to"),
        ("as_of_date", "exchange", "underlying", "listed", "relisted", "delisted"),
    ):
        query = the_query(*columns)
        before, now = (asked(dsn, query.text) for dsn in (documented.dsn_with_acme, documented.dsn))
        assert [row for row in now if THIRD not in row] == before
        assert now[0][0] is not None


def test_an_analysts_view_of_history_is_left_alone_by_the_next_publication(
    documented: Documented,
) -> None:
    oids = "select oid from pg_class where relname in ('lot_size_timeline', 'listings_by_day')"
    # The copy of the second day has other oids of the catalogue's; the views were not made anew.
    made = asked(documented.dsn, f"{oids} order by relname")
    assert len(made) == 2
    assert made == asked(documented.dsn_with_acme, f"{oids} order by relname")


def covered(documented: Documented, *statuses: str) -> int:
    """How many of Acme's rows have one of these statuses."""
    told = expected.coverage(documented.market)
    return sum(rows for (_, status, _), rows in told.items() if status in statuses)


def instruments_of(text: str | None) -> tuple[str, dict[str, Any]]:
    """When a canonical_instruments.yaml was written, and its mappings; each line is JSON."""
    assert text
    updated, _, *lines = text.splitlines()
    found = [json.loads(f"{{{line}}}") for line in lines]
    return updated, {name: one["broker_mappings"] for line in found for name, one in line.items()}


# --- adding a broker -----------------------------------------------------------------------------


def test_the_page_tells_one_file_one_folder_and_two_lists_for_people() -> None:
    assert FILES == [
        "loader/feeds/acme.py",
        ".env.example",
        "dbt_project/models/staging/acme/stg_acme__instruments.sql",
        "dbt_project/models/staging/acme/_acme__sources.yml",
        "dbt_project/models/staging/acme/_acme__models.yml",
        "dbt_project/models/staging/acme/_acme__unit_tests.yml",
        "dbt_project/seeds/instrument_aliases.csv",
    ]
    assert [block.path for block in blocks() if block.is_appended] == [FILES[1], FILES[6]]


def test_kite_alone_is_built_as_if_the_broker_were_not_there(documented: Documented) -> None:
    """Its folder is there in all three syncs; the first and the third are Kite's alone."""
    brokers = "select distinct broker from marts.broker_instruments order by 1"
    assert asked(documented.dsn, brokers) == [("kite",)]
    assert asked(documented.dsn, "select distinct feed from marts.broker_coverage") == [("kite",)]
    assert asked(documented.dsn, "select count(*) from marts.broker_disagreements") == [(0,)]
    for done in (documented.done[0], documented.done[2]):
        assert "acme" not in done.out.lower()


def test_every_row_of_the_new_broker_goes_where_its_dump_says(documented: Documented) -> None:
    query = the_query("feed", "covered_rows", "samples")
    found = asked(documented.dsn_with_acme, query.text)
    told: Counter[tuple[str, ...]] = Counter()
    for feed, exchange, status, reason, rows, _ in found:
        if feed == "acme":
            told[exchange, status, reason] += rows
    assert told == expected.coverage(documented.market)
    assert sum(told.values()) == len(documented.market.acme)
    index = "select canonical_id, match_status from marts.broker_instruments where broker = 'acme'"
    assert asked(documented.dsn_with_acme, f"{index} and tradingsymbol = 'Nifty Fifty'") == [
        ("INDEX:NIFTY 50", "matched")
    ]


def test_units_and_days_of_the_new_broker_are_those_of_kite(documented: Documented) -> None:
    differing = asked(
        documented.dsn_with_acme,
        "select count(*), count(*) filter (where a.strike is distinct from k.strike and"
        " k.option_type is not null or a.expiry_date is distinct from k.expiry_date),"
        " count(*) filter (where a.lot_size is distinct from k.lot_size),"
        " count(*) filter (where a.tick_size_inr is distinct from k.tick_size_inr)"
        " from marts.broker_instruments as a inner join marts.instruments as k"
        " using (canonical_id) where a.broker = 'acme' and k.kind <> 'index'"
        " and k.reference_broker = 'kite'",
    )
    # All that is matched, but for the index.
    assert differing == [(covered(documented, "matched") - 1, 0, 2, 1)]


def test_what_was_published_of_the_broker_is_told_everywhere(documented: Documented) -> None:
    done, status = documented.done[1], documented.status[0]
    assert status.code == 0, status.out
    assert "acme" in status.out
    report = Path(str(re.search(r"(/\S+summary\.html)", done.out.replace("\n", ""))[1]))  # type: ignore[index]
    assert "Acme" in report.read_text()
    looked = documented.at.run("lookup", "NEWCO", "--at", SECOND.isoformat(), FEEDS="kite,acme")
    assert "NSE:NEWCO" in looked.out
    listed = asked(
        documented.dsn,
        "select tradingsymbol, valid_from, valid_to from history.broker_instrument_versions"
        " where broker = 'acme' and tradingsymbol = 'NEWCO'",
    )
    assert listed == [("NEWCO", SECOND, THIRD)]


def test_switching_the_broker_off_delists_nothing(documented: Documented) -> None:
    gone = asked(
        documented.dsn,
        f"select event, canonical_id from history.instrument_events where as_of_date = '{THIRD}'"
        " and superseded_by is null and event in ('delisted', 'expired', 'listed', 'relisted')",
    )
    assert gone == []


def test_the_canonical_file_follows_every_publication(documented: Documented) -> None:
    first, second, third = documented.canonical
    assert first is None
    (written, with_acme), (rewritten, alone) = instruments_of(second), instruments_of(third)
    acmes = [one["acme"] for one in with_acme.values() if "acme" in one]
    assert len(acmes) == covered(documented, "matched", "unmatched")
    assert all(set(one) == {"tradingsymbol", "broker_token"} for one in acmes)
    assert rewritten > written
    assert {name for one in alone.values() for name in one} == {"zerodha"}
    assert len(alone) == len(documented.market.second)
    assert documented.status[1].code == 0, documented.status[1].out


def test_the_unit_tests_of_the_page_pass(documented: Documented) -> None:
    done = documented.unit_tests
    assert done.returncode == 0, done.stdout
    assert "PASS=1 WARN=0 ERROR=0" in done.stdout


def test_what_the_page_tells_to_write_is_as_clean_as_the_rest(documented: Documented) -> None:
    bin_, at = Path(sys.executable).parent, documented.project
    python = [path for path in FILES if path.endswith(".py")]
    models = [path for path in FILES if path.endswith(".sql")]
    for command in (
        [bin_ / "ruff", "check", *python],
        [bin_ / "ruff", "format", "--check", *python],
        [bin_ / "sqlfluff", "lint", "--disable-progress-bar", *models],
    ):
        done = subprocess.run(command, cwd=at, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_settings_of_the_broker_are_those_that_the_page_lists(documented: Documented) -> None:
    """By the very test that holds .env.example against the feeds."""
    done = subprocess.run(
        [
            sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider",
            "tests/warehouse/test_settings.py", "-k", "every_setting_is_in_the_example",
        ],
        cwd=documented.project, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout
    assert "acme" not in FEEDS


def test_both_days_were_what_the_tests_take_them_for(documented: Documented) -> None:
    """One thing of each kind, or the queries above would be easily satisfied."""
    market = documented.market
    days = asked(documented.dsn, "select as_of_date from ops.publications order by 1")
    assert [day for (day,) in days] == [FIRST, SECOND, THIRD]
    events = asked(
        documented.dsn_with_acme,
        "select event, count(*) from history.instrument_events where broker is null"
        " and superseded_by is null group by 1",
    )
    told = Counter(dict(events))
    for event, least in {
        "listed": 50, "delisted": 1, "expired": 50, "renamed": 1, "strike_adjusted": 32,
        "lot_changed": 13, "tick_changed": 1, "series_changed": 1,
    }.items():  # fmt: skip
        assert told[event] >= least, event
    tokens = {row["instrument_token"] for row in (*market.first, *market.second)}
    assert len(tokens) > len(market.second)
