from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime

import psycopg
import pytest
from psycopg.types.json import Jsonb
from rich.console import Console

from warehouse.coverage import CSV_COLUMNS, print_coverage, read_published_coverage

AS_OF = "2026-08-17"
SUMMARY = {
    "feeds": {
        "kite": {"load_id": 1, "as_of_date": AS_OF, "is_stale": False},
        "dhan": {"load_id": 2, "as_of_date": "2026-08-14", "is_stale": True},
        "upstox": {"load_id": None, "as_of_date": AS_OF, "is_stale": True},
    }
}


def publish(ledger: psycopg.Connection, summary: object = None) -> None:
    ledger.execute(
        "insert into ops.publications (publication_id, published_at, as_of_date, filter,"
        " fingerprint, summary) values (7, %s, %s, 'nifty', 'f', %s)",
        (datetime(2026, 8, 17, 4, 0, tzinfo=UTC), AS_OF, Jsonb(summary or {})),
    )


def cover(ledger: psycopg.Connection, *, only_kite: bool = False) -> None:
    ledger.execute(
        """
        create table marts.broker_coverage as
        select
            feed, exchange, kind, status, reason, samples::text[] as samples,
            feed = 'dhan' as is_stale, covered_rows::int as covered_rows,
            case when feed = 'dhan' then date '2026-08-14' else date '2026-08-17' end as as_of_date
        from (values
            ('kite', 'NFO', 'option', 'reference', '', '{}', 35000),
            ('kite', 'NSE', 'cash', 'reference', '', '{}', 9000),
            ('dhan', 'NFO', 'option', 'matched', '', '{A}', 30000),
            ('dhan', 'NFO', 'option', 'token_conflict', 'exchange token is another instrument',
                '{"GAIL [bold]152",GAIL157}', 242),
            ('dhan', 'NSE', 'cash', 'matched_terms_only', 'no exchange token', '{ACC}', 12),
            ('dhan', 'NCDEX', 'future', 'unmatched', 'underlying not listed before', '{GUAR}', 240),
            ('dhan', 'NFO', '', 'excluded', 'expired', '{OLD1,OLD2}', 160000),
            ('dhan', 'NFO', '', 'rejected', 'see rejected_rows', '{BAD}', 3)
        ) as lines (feed, exchange, kind, status, reason, samples, covered_rows);
        create table marts.broker_disagreements (
            broker text, exchange text, broker_token text, attribute text, canonical_id text,
            reference_broker text, tradingsymbol text, broker_value text, reference_value text,
            is_active boolean
        );
        insert into marts.broker_disagreements
        values ('dhan', 'NFO', '1', 'lot_size', 'NFO:X', 'kite', 'NIFTYX', '75', '65', true);
        """
    )
    if only_kite:
        ledger.execute("delete from marts.broker_coverage where feed <> 'kite'")


def printed(ledger: psycopg.Connection) -> str:
    out = io.StringIO()
    print_coverage(
        Console(file=out, width=160, no_color=True, highlight=False),
        read_published_coverage(ledger),
    )
    return out.getvalue()


def row_of(text: str, name: str) -> list[str]:
    return next(line.split() for line in text.splitlines() if line.split()[:1] == [name])


def test_each_broker_and_exchange_has_its_numbers(ledger: psycopg.Connection) -> None:
    publish(ledger, SUMMARY)
    cover(ledger)
    text = printed(ledger)
    assert text.startswith("publication 7 (as of 2026-08-17")
    assert row_of(text, "Kite") == ["Kite", "2026-08-17", "44,000", "reference", "-"]
    assert row_of(text, "Dhan") == [
        "Dhan", "2026-08-14", "(stale)", "30,494", "98.4%", "30,000", "12", "242", "240", "160,003",
    ]  # fmt: skip
    assert row_of(text, "NCDEX") == ["NCDEX", "240", "0.0%", "-", "-", "-", "240"]
    assert row_of(text, "Upstox")[:3] == ["Upstox", "never", "had"]


def test_the_matched_part_is_compared_with_the_publication_before(
    ledger: psycopg.Connection,
) -> None:
    """Before, Dhan's NFO had 31,000 matched rows and no conflict, and listed no NCDEX."""
    summary = SUMMARY | {"tables": {"broker_coverage": {"was_empty": False}}}
    publish(ledger, summary)
    cover(ledger)
    ledger.execute(
        """
        insert into history.publication_changes (publication_id, table_name, key, change, before)
        select
            7, 'broker_coverage',
            jsonb_build_object('feed', feed, 'exchange', exchange, 'kind', kind, 'status', status,
                'reason', reason),
            case when status = 'matched' then 'changed' else 'added' end,
            case when status = 'matched' then to_jsonb(now) || '{"covered_rows": 31000}' end
        from marts.broker_coverage as now
        where feed = 'dhan' and status in ('matched', 'token_conflict', 'unmatched')
        """
    )
    found = read_published_coverage(ledger)
    dhan = found.brokers[1]
    assert dhan.matched_before == {"": 1.0, "NFO": 1.0, "NSE": 1.0}
    text = printed(ledger)
    assert row_of(text, "Dhan")[3:6] == ["30,494", "98.4%", "-1.6"]
    assert row_of(text, "NFO")[1:3] == ["35,000", "reference"]
    assert row_of(text, "NCDEX")[1:3] == ["240", "0.0%"]
    document = found.facts()["brokers"][1]
    assert (document["matched_before"]["NFO"], round(document["matched"]["NFO"], 3)) == (1.0, 0.992)


@pytest.mark.parametrize(
    "forgotten", [{"tables": {"broker_coverage": {"was_empty": True}}}, {"undo": "pruned"}]
)
def test_where_nothing_is_known_of_before_nothing_is_compared(
    ledger: psycopg.Connection, forgotten: dict[str, object]
) -> None:
    told = {"tables": {"broker_coverage": {"was_empty": False}}}
    publish(ledger, SUMMARY | told | forgotten)
    cover(ledger)
    assert row_of(printed(ledger), "Dhan")[3:6] == ["30,494", "98.4%", "30,000"]


def test_what_is_not_simply_matched_has_its_reason_and_samples(
    ledger: psycopg.Connection,
) -> None:
    publish(ledger, SUMMARY)
    cover(ledger)
    text = printed(ledger)
    (conflict,) = (line for line in text.splitlines() if "another instrument" in line)
    assert conflict.split()[:3] == ["242", "conflict", "NFO"]
    assert "GAIL [bold]152, GAIL157" in conflict
    (expired,) = (line for line in text.splitlines() if "OLD1, OLD2" in line)
    assert expired.split()[:5] == ["160,000", "left", "out", "NFO", "expired"]
    assert "Dhan: differs from another broker (lot_size 1)" in text
    (lots,) = (line for line in text.splitlines() if "NIFTYX" in line)
    assert lots.split() == ["lot_size", "NFO", "NIFTYX", "75", "65", "at", "kite", "subscribed"]


def test_long_symbols_take_nothing_from_the_numbers(ledger: psycopg.Connection) -> None:
    publish(ledger, SUMMARY)
    cover(ledger)
    ledger.execute(
        "update marts.broker_coverage set samples = array_fill(repeat('LONG', 12), array[5]) "
        "where feed = 'dhan'"
    )
    text = printed(ledger)
    (conflict,) = (line for line in text.splitlines() if "another instrument" in line)
    assert conflict.split()[:3] == ["242", "conflict", "NFO"]


def test_json_and_csv_hold_every_line(ledger: psycopg.Connection) -> None:
    publish(ledger, SUMMARY)
    cover(ledger)
    found = read_published_coverage(ledger)
    document = json.loads(json.dumps(found.facts()))
    assert document["publication_id"] == 7
    assert [broker["broker"] for broker in document["brokers"]] == ["kite", "dhan", "upstox"]
    assert document["brokers"][1]["by_status"]["matched"] == 30_000
    assert document["brokers"][2]["as_of_date"] is None
    lines = list(csv.DictReader(io.StringIO(found.as_csv())))
    assert tuple(lines[0]) == CSV_COLUMNS
    assert sum(int(line["rows"]) for line in lines) == 44_000 + 30_494 + 160_003
    (conflict,) = (line for line in lines if line["status"] == "token_conflict")
    assert conflict["samples"] == "GAIL [bold]152; GAIL157"
    assert (conflict["as_of_date"], conflict["is_stale"]) == ("2026-08-14", "true")


def test_kite_alone_is_said_in_a_sentence(ledger: psycopg.Connection) -> None:
    publish(ledger, {"feeds": {"kite": SUMMARY["feeds"]["kite"]}})
    cover(ledger, only_kite=True)
    text = printed(ledger)
    assert "Only Kite is published (44,000 rows)" in text
    assert "Set FEEDS" in text
    assert len(text.splitlines()) == 2


def test_a_publication_older_than_coverage_says_so(ledger: psycopg.Connection) -> None:
    publish(ledger)
    assert "does not say what it covers" in printed(ledger)
    assert read_published_coverage(ledger).as_csv() == ",".join(CSV_COLUMNS) + "\n"


def test_nothing_published_is_said_and_no_error(ledger: psycopg.Connection) -> None:
    assert printed(ledger) == "Nothing is published yet: run `warehouse sync` first.\n"
    assert read_published_coverage(ledger).facts() == {
        "publication_id": None,
        "as_of_date": None,
        "brokers": [],
    }
