"""Every rule has a case that makes it fail; a healthy candidate passes them all."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import psycopg
import pytest

from expectations.gate import AuditRequest, RuleResult, Thresholds, decide
from expectations.rules import RULES, Situation
from expectations.rules.query import measures, placeholders, rule_query
from tests.expectations import builder
from tests.expectations.damages import DAMAGES, Damage

Audit = Callable[..., dict[str, RuleResult]]
Execute = Callable[[str], None]

RELATIVE = {
    "dump-is-new",
    "exchange-rows-collapsed",
    "exchange-rows-low",
    "exchange-rows-grown",
    "exchanges-of-last-publication",
    "focus-expiries-kept",
    "decimal-strikes-kept",
    "subscriptions-unchanged",
    "feed-rows-collapsed",
    "feed-rows-low",
    "feed-subscriptions-unchanged",
    "feed-coverage-fell",
    *(rule.id for rule in RULES if rule.id.startswith(("churn-", "feed-churn-"))),
}


def test_healthy_candidate_passes_every_rule_even_after_an_expiry_day(
    audit: Audit, healthy_dsn: str
) -> None:
    found = audit(healthy_dsn)
    assert {
        rule: result.observed for rule, result in found.items() if result.status != "passed"
    } == {}
    assert len(found) == len(RULES)
    assert decide(found.values()).is_green


@pytest.mark.parametrize("damage", DAMAGES, ids=str)
def test_damage_is_told_by_its_rule(
    audit: Audit, execute: Execute, healthy_dsn: str, damage: Damage
) -> None:
    if damage.sql:
        execute(damage.sql)
    found = audit(healthy_dsn, **damage.changes)
    result = found[damage.rule]
    rule = next(rule for rule in RULES if rule.id == damage.rule)
    severity = rule.severity
    assert bool(result.refuses) is rule.refuses_dumps
    assert set(result.refuses) <= {"dhan", "upstox"}
    assert result.status == ("failed" if severity == "error" else "warned"), result.observed
    assert result.unexpected_count > 0
    assert damage.told in result.observed + json.dumps([dict(row) for row in result.samples])
    assert len(result.samples) <= Thresholds().samples
    verdict = decide(found.values())
    assert verdict.is_green is False or severity == "warning"


def test_every_rule_has_a_case_that_makes_it_fail() -> None:
    assert {damage.rule for damage in DAMAGES} == {rule.id for rule in RULES}


def test_every_rule_tells_a_person_what_it_means_and_what_to_do() -> None:
    for rule in RULES:
        assert rule.title
        assert rule.explanation.endswith(".")
        assert rule.action.endswith(".")
        assert rule.limit_text(Thresholds())
    assert len({rule.id for rule in RULES}) == len(RULES)


def test_first_publication_marks_relative_rules_not_applicable_and_says_why(
    audit: Audit, execute: Execute, healthy_dsn: str
) -> None:
    execute("drop schema marts cascade")
    found = audit(healthy_dsn)
    not_applicable = {rule for rule, each in found.items() if each.status == "not_applicable"}
    assert not_applicable == RELATIVE
    assert "nothing is published yet" in found["churn-token"].observed
    assert decide(found.values()).is_green


def test_empty_published_table_counts_as_nothing_published(
    audit: Audit, execute: Execute, healthy_dsn: str
) -> None:
    execute("truncate marts.broker_instruments")
    assert audit(healthy_dsn)["exchange-rows-collapsed"].status == "not_applicable"


def test_same_dump_again_for_the_same_day_is_no_replay(
    audit: Audit, execute: Execute, healthy_dsn: str
) -> None:
    execute("update ops.build_parameters set load_id = 1")
    execute(f"update ops.publications set as_of_date = date '{builder.AS_OF}'")
    assert audit(healthy_dsn)["dump-is-new"].status == "passed"


def test_same_dump_for_another_day_names_the_publication_and_what_to_do(
    audit: Audit, execute: Execute, healthy_dsn: str
) -> None:
    execute("update ops.build_parameters set load_id = 1")
    found = audit(healthy_dsn)
    result = found["dump-is-new"]
    assert result.observed.startswith("published for another day already: 1;")
    assert dict(result.samples[0])["published_for"] == "2026-08-14"
    assert "run again later" in result.action
    assert decide(found.values()).is_green


def test_dump_is_not_compared_where_there_is_no_ledger(
    audit: Audit, execute: Execute, healthy_dsn: str
) -> None:
    execute("drop schema ops cascade")
    found = audit(healthy_dsn)
    assert found["dump-is-new"].status == "not_applicable"
    assert "no ledger" in found["dump-is-new"].observed


def test_ledger_that_names_no_dump_is_told_not_passed(
    audit: Audit, execute: Execute, healthy_dsn: str
) -> None:
    execute("update ops.publications set dump_sha256 = null")
    found = audit(healthy_dsn)
    assert found["dump-is-new"].status == "not_evaluated"
    assert decide(found.values()).is_green


@pytest.mark.parametrize("rule", sorted(RELATIVE - {"dump-is-new"}))
def test_rule_that_compares_evaluates_nothing_where_the_last_publication_is_lost(
    healthy_dsn: str, request_of: Callable[..., AuditRequest], rule: str
) -> None:
    """Zero is red: a measure that lost the last publication must not read as a comparison."""
    request = request_of(healthy_dsn)
    situation = Situation(
        has_publication=False,
        exchanges=frozenset(),
        filter="nifty",
        thresholds=Thresholds(),
    )
    values = placeholders(request, situation)
    query = rule_query(next(each for each in RULES if each.id == rule), values)
    with psycopg.connect(healthy_dsn) as connection:
        connection.execute("truncate candidate.active_subscriptions")
        for statement in measures(values):
            connection.execute(statement.encode())
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    assert not json.loads(row[0])["evaluated"]


def test_rules_that_compare_count_what_they_compared(audit: Audit, healthy_dsn: str) -> None:
    found = audit(healthy_dsn)
    assert found["exchange-rows-collapsed"].observed.endswith("of 4 exchanges")
    assert found["focus-expiries-kept"].observed.startswith("9 live expiries")
    assert found["decimal-strikes-kept"].observed.endswith("exchanges compared: 1")
    assert found["subscriptions-unchanged"].observed.endswith("of 123 contracts")


def test_last_publication_of_few_rows_is_not_compared_and_the_report_says_why(
    audit: Audit, healthy_dsn: str
) -> None:
    found = audit(healthy_dsn, thresholds=Thresholds(rows_compared_min=100_000))
    assert {rule for rule, each in found.items() if each.status == "not_applicable"} == {
        "exchange-rows-collapsed",
        "exchange-rows-grown",
        "exchanges-of-last-publication",
        "decimal-strikes-kept",
        "feed-rows-collapsed",
        "feed-coverage-fell",
    }
    assert "no exchange had 100000 live rows" in found["exchange-rows-collapsed"].observed
    assert decide(found.values()).is_green


def test_last_publication_that_has_expired_is_not_compared_and_the_report_says_why(
    audit: Audit, execute: Execute, healthy_dsn: str
) -> None:
    execute(f"update marts.broker_instruments set expiry_date = date '{builder.AS_OF}' - 1")
    found = audit(healthy_dsn)
    not_applicable = {rule for rule, each in found.items() if each.status == "not_applicable"}
    assert not_applicable == RELATIVE - {"subscriptions-unchanged", "dump-is-new"}
    assert "has expired" in found["churn-token"].observed
    assert "focus underlying" in found["focus-expiries-kept"].observed


def test_nothing_subscribed_is_nothing_that_could_have_changed(
    audit: Audit, execute: Execute, healthy_dsn: str
) -> None:
    execute("truncate candidate.active_subscriptions, marts.active_subscriptions")
    assert audit(healthy_dsn)["subscriptions-unchanged"].status == "not_applicable"
    execute("drop table marts.active_subscriptions")
    assert audit(healthy_dsn)["subscriptions-unchanged"].status == "not_applicable"


def test_terms_are_not_unchanged_where_no_contract_stayed(
    audit: Audit, execute: Execute, healthy_dsn: str
) -> None:
    execute(
        "insert into candidate.instrument_changes (canonical_id, change, is_active) "
        "select canonical_id, 'delisted', false from marts.broker_instruments "
        f"where broker = 'kite' and coalesce(expiry_date >= date '{builder.AS_OF}', true)"
    )
    found = audit(healthy_dsn)
    assert found["churn-delisted"].status == "failed"
    assert found["churn-symbol"].status == "not_evaluated"
    assert found["churn-symbol"].is_red


def test_settings_that_require_no_segment_leave_nothing_to_judge_before_a_publication(
    audit: Audit, execute: Execute, healthy_dsn: str
) -> None:
    limits = Thresholds(required_segments=())
    assert audit(healthy_dsn, thresholds=limits)["required-segments"].status == "passed"
    execute("drop schema marts cascade")
    found = audit(healthy_dsn, thresholds=limits)["required-segments"]
    assert found.status == "not_applicable"
    assert "require no segment" in found.observed


def test_strikes_are_not_exact_where_none_could_be_compared(
    audit: Audit, execute: Execute, healthy_dsn: str
) -> None:
    execute(
        "update candidate.broker_instruments set instrument_token = instrument_token + 100000000 "
        "where instrument_type in ('CE', 'PE')"
    )
    found = audit(healthy_dsn)["strikes-exact"]
    assert found.status == "not_evaluated"
    assert found.is_red


def test_dump_of_shares_alone_is_green_when_only_shares_are_required(
    audit: Audit, postgres_dsn: str
) -> None:
    with psycopg.connect(postgres_dsn) as connection:
        builder.land(connection, [row for row in builder.healthy_rows() if row[-1] == "NSE"])
        builder.build(connection, "reliance")
    limits = Thresholds(required_exchanges=("NSE",))
    assert limits.asked_segments == ("NSE", "INDICES")
    found = audit(postgres_dsn, filter="reliance", thresholds=limits)
    for rule in ("strikes-exact", "dump-not-stale", "expired-contracts-none"):
        assert found[rule].status == "not_applicable"
    assert decide(found.values()).reasons == ()


def test_filter_all_has_no_filter_to_be_empty(
    audit: Audit, execute: Execute, healthy_dsn: str
) -> None:
    execute(
        "delete from candidate.active_subscriptions; delete from candidate.exp_dotenv__instruments"
    )
    found = audit(healthy_dsn, filter="all")
    assert found["filter-not-empty"].status == "not_applicable"
    assert found["dotenv-agrees"].status == "not_applicable"
    assert decide(found.values()).is_green


@pytest.mark.parametrize("filters", ["reliance", "nifty50", "nifty,reliance,nifty50"])
def test_filter_of_a_share_or_an_index_matches_by_its_symbol_not_by_its_name(
    audit: Audit, postgres_dsn: str, filters: str
) -> None:
    with psycopg.connect(postgres_dsn) as connection:
        builder.land(connection, builder.healthy_rows())
        builder.build(connection, filters)
    found = audit(postgres_dsn, filter=filters)
    assert found["filter-not-empty"].status == "passed"
    assert decide(found.values()).reasons == ()


def test_dump_of_nfo_alone_is_green_when_only_nfo_is_required(
    audit: Audit, postgres_dsn: str
) -> None:
    rows = [row for row in builder.healthy_rows() if row[-1] == "NFO"]
    with psycopg.connect(postgres_dsn) as connection:
        builder.land(connection, rows)
        builder.build(connection)
    red = decide(audit(postgres_dsn).values())
    assert not red.is_green
    assert {each.rule for each in red.red_results} >= {"required-exchanges", "marker-sensex"}
    found = audit(postgres_dsn, thresholds=Thresholds(required_exchanges=("NFO",)))
    assert decide(found.values()).reasons == ()
    assert found["marker-sensex"].status == "not_applicable"
    assert found["marker-nifty-future"].status == "passed"


@pytest.mark.parametrize(
    "relation",
    [
        "staging.kite_instruments",
        "candidate.broker_instruments",
        "candidate.exp_redis__instruments",
        "candidate.focus_instruments",
        "candidate.active_subscriptions",
        "candidate.focus_underlyings",
        "candidate.subscription_filters",
    ],
)
def test_emptied_table_is_red(
    audit: Audit, execute: Execute, healthy_dsn: str, relation: str
) -> None:
    execute(f"truncate {relation}")
    assert not decide(audit(healthy_dsn).values()).is_green


def test_everything_empty_is_red_and_no_rule_passes_on_nothing(
    audit: Audit, postgres_dsn: str
) -> None:
    with psycopg.connect(postgres_dsn) as connection:
        builder.land(connection, [])
        builder.build(connection)
    found = audit(postgres_dsn)
    assert [rule for rule, each in found.items() if each.status == "passed"] == []
    assert not decide(found.values()).is_green


def test_contracts_that_expired_between_the_days_are_not_an_outage(
    audit: Audit, execute: Execute, healthy_dsn: str
) -> None:
    # A third of NFO expired in the healthy case. As contracts still alive they are an outage.
    execute("update marts.broker_instruments set expiry_date = expiry_date + 30 "
            f"where expiry_date < date '{builder.AS_OF}'")  # fmt: skip
    assert audit(healthy_dsn)["exchange-rows-collapsed"].status == "failed"


def test_repeated_row_of_a_share_is_listed_and_reconciles(
    audit: Audit, execute: Execute, healthy_dsn: str
) -> None:
    execute(
        """
        insert into staging.kite_instruments
        select * from staging.kite_instruments where tradingsymbol = 'NIFTY 50';
        insert into candidate.repeated_rows
        values ('kite', 99999, 2, 'token', 256265, 'NIFTY 50', 'NSE', 'INDICES', 'repeated');
        """
    )
    found = audit(healthy_dsn)
    assert found["rows-reconcile"].status == "passed"
    assert found["token-unique"].status == "warned"
    assert found["token-unique"].unexpected_count == 2
    assert found["symbol-unique"].status == "passed"
    assert decide(found.values()).is_green


def test_moved_expiry_is_not_a_lost_one(audit: Audit, execute: Execute, healthy_dsn: str) -> None:
    execute(
        "update candidate.broker_instruments set expiry_date = expiry_date - 1 "
        "where name = 'BANKNIFTY' and expiry_date = date '2026-10-20'"
    )
    assert audit(healthy_dsn)["focus-expiries-kept"].status == "passed"


def test_query_that_breaks_is_not_evaluated_and_red(
    audit: Audit, execute: Execute, healthy_dsn: str
) -> None:
    execute("alter table candidate.focus_instruments rename column kind to sort")
    found = audit(healthy_dsn)
    assert found["focus-set-covered"].status == "not_evaluated"
    assert "kind" in found["focus-set-covered"].observed
    assert found["withheld-none"].status == "passed"
    assert not decide(found.values()).is_green


def test_candidate_without_a_relation_is_red_not_an_outage(
    audit: Audit, execute: Execute, healthy_dsn: str
) -> None:
    execute("drop table candidate.exp_redis__instruments")
    found = audit(healthy_dsn)
    assert {each.status for each in found.values()} == {"not_evaluated"}
    assert "candidate.exp_redis__instruments" in found["churn-token"].observed
    assert not decide(found.values()).is_green


def test_markers_do_not_depend_on_the_focus_set_that_users_edit(
    audit: Audit, execute: Execute, healthy_dsn: str
) -> None:
    execute("delete from candidate.focus_underlyings where underlying = 'NIFTY'")
    assert decide(audit(healthy_dsn).values()).reasons == ()


@pytest.mark.parametrize("days", [0, 1, 400])
def test_as_of_day_decides_what_is_live(audit: Audit, healthy_dsn: str, days: int) -> None:
    found = audit(healthy_dsn, as_of_date=builder.AS_OF + timedelta(days=days))
    assert found["dump-not-stale"].status == ("failed" if days > 1 else "passed")


def test_schemas_with_hostile_names_are_only_names(
    audit: Audit, execute: Execute, healthy_dsn: str
) -> None:
    name = 'the "new" {candidate}; drop schema'
    quoted = '"' + name.replace('"', '""') + '"'
    execute(f"alter schema candidate rename to {quoted}")
    found = audit(healthy_dsn, candidate_schema=name)
    assert decide(found.values()).reasons == ()


@pytest.mark.real_dumps
def test_real_dump_is_green_with_the_withheld_currency_strikes_told(
    audit: Audit, postgres_dsn: str, kite_dump: object
) -> None:
    with psycopg.connect(postgres_dsn) as connection:
        builder.land(connection, builder.dump_rows(kite_dump))  # type: ignore[arg-type]
        builder.build(connection, "nifty,banknifty,sensex")
        builder.publish(connection)
    found = audit(postgres_dsn, filter="nifty,banknifty,sensex")
    verdict = decide(found.values())
    assert verdict.reasons == ()
    assert {each.rule for each in verdict.warnings} == {
        "withheld-none",
        "subscriptions-one-connection",
    }
    assert found["withheld-none"].unexpected_count == 300
    assert found["subscriptions-one-connection"].observed == (
        "tokens: 5,089, by connection: 3000, 2089"
    )
