"""How far brokers cover the market, read from a candidate."""

from __future__ import annotations

from datetime import date

import psycopg

from expectations.coverage import PUBLISHED, FeedDay
from expectations.coverage_reader import read_coverage
from tests.expectations.builder import AS_OF


def test_every_landed_row_of_a_broker_is_counted_once(healthy_dsn: str) -> None:
    with psycopg.connect(healthy_dsn) as connection:
        found = read_coverage(connection, "candidate")
        landed = {
            "upstox": connection.execute("select count(*) from staging.upstox_instruments"),
            "dhan": connection.execute("select count(*) from staging.dhan_instruments"),
        }
    assert [broker.broker for broker in found] == ["kite", "dhan", "upstox"]
    for broker in found[1:]:
        row = landed[broker.broker].fetchone()
        assert row == (broker.rows + broker.left_out + broker.rejected,)
        assert broker.rows == sum(broker.by_status.values())
        assert broker.rows == sum(sum(each.values()) for each in broker.by_exchange.values())
        assert broker.day == FeedDay(AS_OF)
    kite = found[0]
    assert kite.by_status == dict.fromkeys(PUBLISHED, 0) | {"reference": kite.rows}
    assert (found[1].left_out, found[2].left_out) == (2, 1)


def test_reasons_are_merged_over_exchanges_most_rows_first(healthy_dsn: str) -> None:
    with psycopg.connect(healthy_dsn) as connection:
        upstox = read_coverage(connection, "candidate")[2]
    assert [(each.status, each.exchange, each.rows) for each in upstox.reasons] == [
        ("unmatched", "MCX", 60),
        ("matched_terms_only", "NSE, BSE", 3),
    ]
    assert [(each.status, each.samples) for each in upstox.reasons_left_out] == [
        ("repeated", ("SHARE1 there",))
    ]
    assert list(upstox.by_exchange) == ["NFO", "BFO", "NSE", "BSE", "MCX"]


def test_disagreements_are_counted_and_subscribed_ones_come_first(healthy_dsn: str) -> None:
    with psycopg.connect(healthy_dsn) as connection:
        connection.execute(
            """
            insert into candidate.broker_disagreements
            select 'dhan', 'NFO', 'D|' || n, 'lot_size', 'NFO:X' || n, 'kite', 'X' || n, '75', '65',
                n = 7
            from generate_series(1, 8) as n
            union all
            select 'dhan', 'NFO', 'D|9', 'contract', 'NFO:A', 'kite', 'A', 'NFO:B', 'NFO:A', false
            union all
            select 'dhan', 'NFO', 'D|9', 'strike', 'NFO:A', 'kite', 'A', '100', '105', false
            union all
            select 'dhan', 'NFO', 'D|8', 'expiry_date', 'NFO:C', 'kite', 'C', '2000-01-02',
                '2000-01-03', false
            """
        )
        dhan = read_coverage(connection, "candidate")[1]
    assert dhan.disagreements == {"lot_size": 8, "contract": 1, "expiry_date": 1, "strike": 1}
    # Lots, ticks and days; what else a conflict is of is counted with the conflicts.
    assert dhan.differing == 9
    assert len(dhan.disagreement_samples) == 5
    assert dhan.disagreement_samples[0]["tradingsymbol"] == "X7"
    assert dhan.disagreement_samples[0]["subscribed"] == "yes"
    # The first of each kind before the second of any.
    assert [sample["what"] for sample in dhan.disagreement_samples[1:]] == [
        "contract", "expiry_date", "lot_size", "strike",
    ]  # fmt: skip


def test_a_feed_without_a_row_is_told_with_its_day(healthy_dsn: str) -> None:
    days = {"angel_one": FeedDay(None, is_stale=True), "dhan": FeedDay(date(2000, 1, 1))}
    with psycopg.connect(healthy_dsn) as connection:
        found = read_coverage(connection, "candidate", days)
    by_name = {broker.broker: broker for broker in found}
    assert list(by_name) == ["kite", "angel_one", "dhan", "upstox"]
    assert by_name["angel_one"].rows == 0
    assert by_name["angel_one"].title == "Angel One"
    assert by_name["dhan"].day == FeedDay(AS_OF)


def test_what_models_of_old_built_covers_nothing(healthy_dsn: str) -> None:
    with psycopg.connect(healthy_dsn) as connection:
        assert read_coverage(connection, "marts") == ()
        connection.execute("drop table candidate.broker_disagreements")
        assert read_coverage(connection, "candidate") == ()
