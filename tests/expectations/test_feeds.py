"""Feeds beside Kite: what is judged when, and at which limit; damages are in `damages`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import psycopg
import pytest

from expectations.gate import DbtTestResult, RuleResult, Thresholds, decide
from expectations.rules import feed_changes, feeds, matching
from tests.expectations import builder
from tests.expectations.damages import CHANGED_THERE, GONE, OFF

Audit = Callable[..., dict[str, RuleResult]]
Execute = Callable[[str], None]

RULES_OF_FEEDS = {rule.id for rule in (*feeds.RULES, *matching.RULES, *feed_changes.RULES)}


@pytest.fixture
def kite_alone(postgres_dsn: str) -> str:
    """A candidate and a last publication of Kite alone."""
    with psycopg.connect(postgres_dsn) as connection:
        builder.land(connection, builder.healthy_rows())
        builder.build(connection)
        builder.publish(connection)
    return postgres_dsn


def test_rules_about_feeds_do_not_apply_to_kite_alone_and_say_so(
    audit: Audit, kite_alone: str
) -> None:
    found = audit(kite_alone)
    assert {rule for rule, each in found.items() if each.status == "not_applicable"} == (
        RULES_OF_FEEDS
    )
    assert {found[rule].observed for rule in RULES_OF_FEEDS} == {
        "Kite is the only feed of this build"
    }
    assert decide(found.values()).is_green


def test_a_ledger_that_names_kite_alone_is_no_other_feed(audit: Audit, kite_alone: str) -> None:
    with psycopg.connect(kite_alone) as connection:
        connection.execute(
            "create table ops.build_feeds as "
            f"select 'kite' as feed, 2 as load_id, date '{builder.AS_OF}' as as_of_date, "
            "false as is_stale"
        )
    assert audit(kite_alone)["feeds-fresh"].status == "not_applicable"


def test_a_feed_that_never_landed_leaves_nothing_of_it_to_judge(
    audit: Audit, kite_alone: str
) -> None:
    with psycopg.connect(kite_alone) as connection:
        connection.execute(
            "create table ops.build_feeds as select * from (values "
            f"('kite', 2, date '{builder.AS_OF}', false), "
            f"('dhan', null, date '{builder.AS_OF}', true)) "
            "as feeds (feed, load_id, as_of_date, is_stale)"
        )
        connection.execute(
            "create table candidate.broker_instrument_changes (broker text, exchange text, "
            "broker_token text, change text, canonical_id text, tradingsymbol text, "
            "old_value text, new_value text, is_active boolean)"
        )
    found = audit(kite_alone)
    assert found["feeds-current"].status == "warned"
    assert found["feeds-fresh"].status == "passed"
    assert found["feed-matched-enough"].status == "not_applicable"
    assert "no dump of dhan" in found["feed-matched-enough"].observed
    assert decide(found.values()).reasons == ()


def test_brokers_of_whose_days_nobody_says_anything_are_red(
    audit: Audit, execute: Execute, healthy_dsn: str
) -> None:
    execute("drop table ops.build_feeds")
    found = audit(healthy_dsn)
    assert found["feeds-fresh"].status == "not_evaluated"
    assert found["feed-rows-reconcile"].status == "failed"
    assert not decide(found.values()).is_green


def test_a_feed_whose_landed_rows_are_gone_is_an_unfinished_candidate(
    audit: Audit, execute: Execute, healthy_dsn: str
) -> None:
    execute("drop table staging.dhan_instruments")
    found = audit(healthy_dsn)
    assert {each.status for each in found.values()} == {"not_evaluated"}
    assert "staging.dhan_instruments" in found["feeds-fresh"].observed


@pytest.mark.parametrize(
    ("days", "status"),
    [(3, "passed"), (4, "passed"), (5, "passed"), (6, "failed"), (7, "failed")],
)
def test_a_weekend_does_not_age_a_dump(
    audit: Audit, execute: Execute, healthy_dsn: str, days: int, status: str
) -> None:
    """The as-of day is a Monday: Wednesday's dump is three trading days behind, Tuesday's four."""
    assert builder.AS_OF.isoweekday() == 1
    day = builder.AS_OF - timedelta(days=days)
    execute(f"update ops.build_feeds set as_of_date = date '{day}' where feed = 'dhan'")
    assert audit(healthy_dsn)["feeds-fresh"].status == status


SERVED_BEFORE = (
    "insert into ops.loads values (0, '{feed}', repeat('{byte}', 64), date '{day}', '{status}')"
)


@pytest.mark.parametrize(
    ("days", "status"), [(3, "passed"), (4, "passed"), (5, "passed"), (6, "failed"), (7, "failed")]
)
def test_the_same_file_again_is_no_newer_dump(
    audit: Audit, execute: Execute, healthy_dsn: str, days: int, status: str
) -> None:
    """A file may be the same over a weekend; one that is served for a week is as old as it is."""
    day = builder.AS_OF - timedelta(days=days)
    execute(SERVED_BEFORE.format(feed="dhan", byte="c", day=day, status="landed"))
    found = audit(healthy_dsn)["feeds-fresh"]
    assert found.status == status
    assert f"dhan's, first had for {day}" in found.observed
    if status == "failed":
        (sample,) = found.samples
        assert sample["trouble"] == f"the broker has served the same file since {day}"


@pytest.mark.parametrize(
    ("feed", "byte", "status"),
    [
        pytest.param("dhan", "e", "landed", id="another-file"),
        pytest.param("upstox", "c", "landed", id="another-feed"),
        pytest.param("dhan", "c", "refused", id="never-landed"),
        pytest.param("kite", "b", "landed", id="kite"),
    ],
)
def test_what_is_not_the_same_file_of_the_feed_does_not_age_it(
    audit: Audit, execute: Execute, healthy_dsn: str, feed: str, byte: str, status: str
) -> None:
    day = builder.AS_OF - timedelta(days=30)
    execute(SERVED_BEFORE.format(feed=feed, byte=byte, day=day, status=status))
    assert audit(healthy_dsn)["feeds-fresh"].status == "passed"


def test_contracts_of_another_broker_that_expired_since_are_no_loss(
    audit: Audit, execute: Execute, healthy_dsn: str
) -> None:
    execute(
        "delete from candidate.broker_instruments where broker = 'upstox' and exchange = 'BFO' "
        "and expiry_date = date '2026-08-18'"
    )
    after = builder.AS_OF + timedelta(days=2)
    found = audit(healthy_dsn, as_of_date=after)
    assert found["feed-rows-collapsed"].status == "passed"
    assert found["feed-rows-low"].status == "passed"


def test_another_brokers_loss_is_not_told_as_kites(
    audit: Audit, execute: Execute, healthy_dsn: str
) -> None:
    execute("delete from candidate.broker_instruments where broker = 'upstox'")
    found = audit(healthy_dsn)
    assert found["feed-rows-collapsed"].status == "failed"
    assert found["exchange-rows-collapsed"].status == "passed"
    assert found["rows-reconcile"].status == "passed"


def test_an_exchange_that_a_broker_lists_first_has_nothing_to_match(
    audit: Audit, execute: Execute, healthy_dsn: str
) -> None:
    execute(
        "delete from candidate.broker_instruments where broker = 'upstox' and exchange <> 'MCX'"
    )
    found = audit(healthy_dsn)["feed-matched-enough"]
    assert found.status == "passed"
    execute("delete from candidate.broker_instruments where broker = 'dhan'")
    assert audit(healthy_dsn)["feed-matched-enough"].status == "not_evaluated"


def test_conflicts_are_judged_by_the_part_of_their_own_broker(
    audit: Audit, execute: Execute, healthy_dsn: str
) -> None:
    execute(
        "update candidate.broker_instruments set match_status = 'token_conflict', "
        "canonical_id = null where broker = 'dhan' and tradingsymbol ~ '^SHARE1'"
    )
    few = audit(healthy_dsn, thresholds=Thresholds(feed_conflicts_max_ratio=0.02))
    assert few["feed-conflicts-few"].status == "failed"
    more = audit(healthy_dsn, thresholds=Thresholds(feed_conflicts_max_ratio=0.03))
    assert more["feed-conflicts-few"].status == "passed"
    assert more["feed-conflicts-none"].status == "warned"
    assert more["feed-conflicts-subscribed"].status == "passed"


def test_an_index_and_a_share_of_one_number_are_no_conflict(
    audit: Audit, execute: Execute, healthy_dsn: str
) -> None:
    """Only shares share their numbers between brokers, so an index's is never compared."""
    execute(
        "update candidate.broker_instruments set match_status = 'token_conflict', "
        "canonical_id = null, exchange_token = 1001 where broker = 'dhan' "
        "and tradingsymbol = 'SHARE7 there'; "
        "insert into candidate.active_subscriptions (instrument_token, canonical_id, "
        "tradingsymbol) values (256265, 'INDEX:NIFTY 50', 'NIFTY 50')"
    )
    assert audit(healthy_dsn)["feed-conflicts-subscribed"].status == "passed"


def test_nothing_subscribed_can_be_in_no_conflict(
    audit: Audit, execute: Execute, healthy_dsn: str
) -> None:
    execute("truncate candidate.active_subscriptions, marts.active_subscriptions")
    found = audit(healthy_dsn)["feed-conflicts-subscribed"]
    assert (found.status, found.observed) == ("not_applicable", "nothing is subscribed")


def test_a_contract_that_is_not_of_the_focus_may_be_unmatched(
    audit: Audit, execute: Execute, healthy_dsn: str
) -> None:
    execute(
        "update candidate.broker_instruments set match_status = 'unmatched' "
        "where broker = 'dhan' and tradingsymbol = 'ADANIENT260825FUT there'"
    )
    assert audit(healthy_dsn)["feed-focus-matched"].status == "passed"


def test_a_pair_of_contracts_is_a_conflict_and_no_disagreement_on_terms(
    audit: Audit, execute: Execute, healthy_dsn: str
) -> None:
    execute(
        "insert into candidate.broker_disagreements values ('dhan', 'NFO', 'D|1', 'contract', "
        "'NFO:A', 'kite', 'A', 'NFO:B', 'NFO:A', true), ('dhan', 'NFO', 'D|1', 'strike', 'NFO:A', "
        "'kite', 'A', '100', '105', true)"
    )
    assert audit(healthy_dsn)["feed-disagreements"].status == "passed"


def test_a_day_alone_in_which_brokers_differ_is_a_disagreement(
    audit: Audit, execute: Execute, healthy_dsn: str
) -> None:
    execute(
        "insert into candidate.broker_disagreements values ('dhan', 'NFO', 'D|1', 'expiry_date', "
        "'NFO:A', 'kite', 'A', '2026-08-26', '2026-08-25', false)"
    )
    assert audit(healthy_dsn)["feed-disagreements"].status == "warned"


LIMITS = {
    # A part of Dhan's 512 live rows: 25 % are 128, 2 % are 10.24.
    **dict.fromkeys(("delisted", "lot_changed", "tick_changed", "expiry_changed"), 128),
    **dict.fromkeys(("symbol_changed", "token_changed", "strike_changed", "match_changed"), 10),
}


def rule_of(change: str) -> str:
    return f"feed-churn-{change.removesuffix('_changed')}"


@pytest.mark.parametrize(("more", "status"), [(0, "passed"), (1, "failed")])
def test_each_broker_is_judged_by_the_part_of_its_own_rows(
    audit: Audit, execute: Execute, healthy_dsn: str, more: int, status: str
) -> None:
    """The same at Upstox, which has half as many rows again, is told of Dhan."""
    for change, rows in LIMITS.items():
        execute(
            CHANGED_THERE.format(
                change=change, count=rows + more, old="'matched'", new="'token_conflict'",
                is_active="false",
            )
        )  # fmt: skip
    found = audit(healthy_dsn)
    for change, rows in LIMITS.items():
        result = found[rule_of(change)]
        assert result.status == status, result.observed
        assert result.observed.startswith(f"most at dhan: {rows + more}, ")
        assert result.observed.endswith(f"{2 * (rows + more)} at all brokers")
        assert {row["broker"] for row in result.samples} == ({"dhan"} if more else set())
    assert decide(found.values()).refused_feeds == (("dhan",) if more else ())


def test_what_stands_in_for_a_dump_cannot_have_changed(
    audit: Audit, execute: Execute, healthy_dsn: str
) -> None:
    execute(
        CHANGED_THERE.format(
            change="lot_changed", count=500, old="'1'", new="'10'", is_active="false"
        )
    )
    execute("update ops.build_feeds set is_stale = true where feed = 'dhan'")
    found = audit(healthy_dsn)["feed-churn-lot"]
    assert found.observed.startswith("most at upstox")
    execute("update ops.build_feeds set is_stale = true where feed = 'upstox'")
    found = audit(healthy_dsn)["feed-churn-lot"]
    assert found.status == "not_applicable"
    assert "has a new dump" in found.observed


def test_a_broker_that_is_published_for_the_first_time_has_not_changed(
    audit: Audit, execute: Execute, healthy_dsn: str
) -> None:
    execute("delete from marts.broker_instruments where broker <> 'kite'")
    found = audit(healthy_dsn)
    assert found["feed-churn-lot"].status == "not_applicable"
    assert found["feed-coverage-fell"].status == "not_applicable"
    assert found["feed-required-exchanges"].status == "passed"


def test_what_is_matched_with_a_broker_that_left_may_be_unmatched(
    audit: Audit, execute: Execute, healthy_dsn: str
) -> None:
    """To leave a feed out is what a bad morning asks for: it must not be stopped by the gate.

    Nor is it a broker's fault that an earlier feed no longer lists what it still spells.
    """
    execute(f"{OFF}; {GONE}")
    execute(
        CHANGED_THERE.format(
            change="match_changed", count=100, old="'matched'", new="'unmatched'", is_active="true"
        )
    )
    found = audit(healthy_dsn)
    assert found["feed-churn-match"].status == "passed"
    assert found["feed-subscriptions-unchanged"].status == "passed"
    assert found["feed-coverage-fell"].status == "not_applicable"
    assert "dhan was published" in found["feed-coverage-fell"].observed


def test_a_row_that_found_its_instrument_is_no_loss(
    audit: Audit, execute: Execute, healthy_dsn: str
) -> None:
    execute(
        CHANGED_THERE.format(
            change="match_changed", count=200, old="'unmatched'", new="'matched'", is_active="true"
        )
    )
    found = audit(healthy_dsn)
    assert found["feed-churn-match"].status == "passed"
    assert found["feed-subscriptions-unchanged"].status == "passed"


@pytest.mark.parametrize(("rows", "status"), [(7, "passed"), (8, "failed")])
def test_the_matched_part_is_compared_without_what_expired_since(
    audit: Audit, execute: Execute, healthy_dsn: str, rows: int, status: str
) -> None:
    """Five points of Dhan's 143 contracts of 25 August; what else NFO had has expired by then."""
    execute(
        "delete from candidate.broker_instruments where expiry_date < date '2026-08-25';"
        "delete from marts.broker_instruments where expiry_date > date '2026-08-25';"
        "delete from candidate.broker_instruments where expiry_date > date '2026-08-25';"
        "update candidate.broker_instruments set match_status = 'unmatched' where broker_token in ("
        "select broker_token from candidate.broker_instruments where broker = 'dhan' "
        f"and exchange = 'NFO' and name = 'NIFTY' order by broker_token limit {rows})"
    )
    found = audit(healthy_dsn, as_of_date=date(2026, 8, 25))["feed-coverage-fell"]
    assert found.status == status, found.observed


def test_what_is_new_matches_nothing_in_an_older_dump_of_kite(
    audit: Audit, execute: Execute, healthy_dsn: str
) -> None:
    execute("update ops.build_feeds set is_stale = true where feed = 'kite'")
    found = audit(healthy_dsn)["feed-coverage-fell"]
    assert found.status == "not_applicable"
    assert "older dump of Kite" in found.observed


def test_a_broker_without_an_exchange_is_not_asked_for_its_focus_contracts(
    audit: Audit, healthy_dsn: str
) -> None:
    """Dhan lists no BFO here, so no SENSEX."""
    found = audit(healthy_dsn)["feed-focus-covered"]
    assert found.observed.startswith("not listed: 0 of 615 ")


def test_brokers_of_whose_changes_nobody_says_anything_are_an_unfinished_candidate(
    audit: Audit, execute: Execute, healthy_dsn: str
) -> None:
    execute("drop table candidate.broker_instrument_changes")
    found = audit(healthy_dsn)
    assert {each.status for each in found.values()} == {"not_evaluated"}
    assert "broker_instrument_changes" in found["feed-churn-lot"].observed


def test_a_dump_is_refused_alone_only_where_nothing_else_is_red(
    audit: Audit, execute: Execute, healthy_dsn: str
) -> None:
    execute(
        CHANGED_THERE.format(
            change="lot_changed", count=150, old="'1'", new="'10'", is_active="false"
        )
    )
    found = audit(healthy_dsn)
    assert decide(found.values()).refused_feeds == ("dhan",)
    accepted = decide(found.values(), accepted={"feed-churn-lot": "announced"})
    assert (accepted.is_green, accepted.refused_feeds) == (True, ())
    broken = [DbtTestResult("a_test", "error", "fail", 1)]
    assert decide(found.values(), broken).refused_feeds == ()
    assert decide(found.values(), []).refused_feeds == ()
    execute("insert into candidate.excluded_rows values ('upstox', 'NSE', 'invented', 7, '{}')")
    both = decide(audit(healthy_dsn).values())
    assert {each.rule for each in both.red_results} == {"feed-churn-lot", "feed-rows-reconcile"}
    assert both.refused_feeds == ()


def test_settings_that_require_no_exchange_leave_nothing_to_judge(
    audit: Audit, healthy_dsn: str
) -> None:
    found = audit(healthy_dsn, thresholds=Thresholds(feed_required_exchanges=()))
    assert found["feed-required-exchanges"].status == "not_applicable"
