"""Each data test is shown a candidate that it must refuse: one that cannot fail is a defect."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.dbt.conftest import Dbt, rows_of
from tests.dbt.kite_rows import land, small_dump

Database = psycopg.Connection[dict[str, Any]]

# What to do to a good candidate, and the test that must then return rows.
DAMAGES: list[tuple[str, str, str]] = [
    (
        "landed_rows_are_typed_or_rejected", "a line got lost on the way",
        "delete from candidate.stg_kite__instruments where line_number = 2",
    ),
    (
        "landed_rows_are_typed_or_rejected", "a line is neither typed nor rejected",
        "update candidate.stg_kite__instruments set is_typed = null where line_number = 2",
    ),
    (
        "landed_rows_are_typed_or_rejected", "a rejected line is not listed",
        "update candidate.stg_kite__instruments set is_typed = false where line_number = 2",
    ),
    (
        "landed_rows_are_typed_or_rejected", "a typed line has a rejection",
        "update candidate.stg_kite__instruments set rejections = '[{}]' where line_number = 2",
    ),
    (
        "landed_rows_are_typed_or_rejected", "the dump of another landing was built",
        "update ops.build_parameters set load_id = load_id + 1",
    ),
    (
        "landed_rows_are_typed_or_rejected", "nothing landed",
        "delete from staging.kite_instruments; delete from candidate.stg_kite__instruments",
    ),
    (
        "landed_rows_are_typed_or_rejected", "nobody said what to build",
        "delete from ops.build_parameters",
    ),
    (
        "filter_names_are_defined", "one name of two is not in the seed",
        "update ops.build_parameters set filter_names = array['nifty', 'nifti']",
    ),
    (
        "filter_names_are_defined", "a name is null",
        "update ops.build_parameters set filter_names = array['nifty', null]",
    ),
    (
        "filter_names_are_defined", "no name at all",
        "update ops.build_parameters set filter_names = '{}'",
    ),
    ("filter_names_are_defined", "no parameters", "delete from ops.build_parameters"),
    (
        "seeds_can_be_used", "a filter is called all",
        "insert into candidate.subscription_filters values ('all', 'NIFTY', 'NFO-OPT', '')",
    ),
    (
        "seeds_can_be_used", "a filter has capitals",
        "insert into candidate.subscription_filters values ('Nifty', 'NIFTY', 'NFO-OPT', '')",
    ),
    (
        "seeds_can_be_used", "an underlying is blank",
        "insert into candidate.subscription_filters values ('mine', null, 'NFO-OPT', '')",
    ),
    (
        "seeds_can_be_used", "a segment has a blank at its end",
        "insert into candidate.subscription_filters values ('mine', 'NIFTY', 'NFO-OPT ', '')",
    ),
    (
        "seeds_can_be_used", "a filter's row stands twice",
        "insert into candidate.subscription_filters"
        " select * from candidate.subscription_filters limit 1",
    ),
    ("seeds_can_be_used", "no filters", "delete from candidate.subscription_filters"),
    (
        "seeds_can_be_used", "a focus underlying stands twice",
        "insert into candidate.focus_underlyings"
        " select * from candidate.focus_underlyings limit 1",
    ),
    ("seeds_can_be_used", "no focus underlyings", "delete from candidate.focus_underlyings"),
    (
        "seeds_can_be_used", "a kind that does not exist",
        "update candidate.exchange_segments set kind = 'share' where segment = 'NSE'",
    ),
    (
        "seeds_can_be_used", "a low byte that is no byte",
        "update candidate.exchange_segments set token_low_byte = 256 where segment = 'NSE'",
    ),
    (
        "seeds_can_be_used", "a segment stands twice",
        "insert into candidate.exchange_segments"
        " select * from candidate.exchange_segments limit 1",
    ),
    ("seeds_can_be_used", "no segments", "delete from candidate.exchange_segments"),
    (
        "tokens_end_in_their_segments_byte", "one token has another segment's byte",
        "update candidate.broker_instruments set instrument_token = instrument_token + 1"
        " where tradingsymbol = 'RELIANCE'",
    ),
    (
        "tokens_end_in_their_segments_byte", "one exchange token is missing",
        "update candidate.broker_instruments set exchange_token = null"
        " where tradingsymbol = 'RELIANCE'",
    ),
    (
        "tokens_end_in_their_segments_byte", "one exchange token is huge",
        "update candidate.broker_instruments set exchange_token = 2147483647"
        " where tradingsymbol = 'RELIANCE'",
    ),
    (
        "segments_are_known", "a segment that the seed does not have",
        "update candidate.instruments set segment = 'SME' where tradingsymbol = 'RELIANCE'",
    ),
    (
        "segments_are_known", "an index filed as a share",
        "update candidate.instruments set kind = 'cash' where kind = 'index'",
    ),
    (
        "symbols_agree_with_their_terms", "one symbol says another strike",
        "update candidate.broker_instruments set is_symbol_agreed = false"
        " where tradingsymbol = 'NIFTY26AUG24500CE'",
    ),
    (
        "rows_are_not_repeated", "one repeated row",
        "insert into candidate.repeated_rows values"
        " ('kite', 9, 2, 'token', 1, 'A', 'NSE', 'NSE', 'same token as line 2')",
    ),
    (
        "every_token_leads_to_an_instrument", "a token without its instrument",
        "delete from candidate.instruments where tradingsymbol = 'RELIANCE'",
    ),
    (
        "every_token_leads_to_an_instrument", "an instrument without a token",
        "delete from candidate.broker_instruments where tradingsymbol = 'RELIANCE'",
    ),
    (
        "every_token_leads_to_an_instrument", "no rows on either side",
        "delete from candidate.instruments; delete from candidate.broker_instruments",
    ),
    (
        "subscriptions_are_live", "a subscription expired yesterday",
        "update ops.build_parameters set as_of_date = '2026-08-26'",
    ),
    (
        "subscriptions_are_live", "a subscription that is not in the dump",
        "delete from candidate.broker_instruments where tradingsymbol = 'NIFTY26AUG24500CE'",
    ),
    (
        "subscriptions_are_live", "a subscription whose token names another contract",
        "update candidate.active_subscriptions set canonical_id = 'NFO:NIFTY:x'"
        " where tradingsymbol = 'NIFTY26AUG24500CE'",
    ),
    (
        "subscriptions_are_not_withheld", "a subscribed strike of three decimals",
        "update candidate.withheld_rows set is_active = true",
    ),
    (
        "focus_set_is_whole", "one strike is missing",
        "delete from candidate.focus_instruments where strike_offset = 3 and option_type = 'PE'"
        " and underlying = 'NIFTY' and expiry_rank = 1",
    ),
    (
        "focus_set_is_whole", "one future is missing",
        "delete from candidate.focus_instruments where kind = 'future' and expiry_rank = 2",
    ),
    (
        "focus_set_is_whole", "an underlying is missing",
        "delete from candidate.focus_instruments where underlying = 'SENSEX'",
    ),
    ("focus_set_is_whole", "nothing at all", "delete from candidate.focus_instruments"),
    (
        "public_instruments_holds_or_withholds_every_row", "a row is neither there nor withheld",
        "create or replace view candidate.exp_postgres__instruments as select *"
        " from candidate.saved_export where trading_symbol <> 'RELIANCE'",
    ),
    (
        "public_instruments_holds_or_withholds_every_row", "a row is both there and withheld",
        "insert into candidate.withheld_rows select 'postgres', instrument_token, 'A', 'r', false"
        " from candidate.broker_instruments where tradingsymbol = 'RELIANCE';"
        "create or replace view candidate.exp_postgres__instruments as select *"
        " from candidate.saved_export",
    ),
    (
        "public_instruments_holds_or_withholds_every_row", "a strike was rounded",
        "update candidate.broker_instruments set strike = 24500.004"
        " where tradingsymbol = 'NIFTY26AUG24500CE'",
    ),
    (
        "public_instruments_holds_or_withholds_every_row", "a tick was rounded",
        "update candidate.broker_instruments set tick_size_inr = 0.05001"
        " where tradingsymbol = 'NIFTY26AUG24500CE'",
    ),
    (
        "public_instruments_holds_or_withholds_every_row", "a row that the dump does not have",
        "create or replace view candidate.exp_postgres__instruments as select *"
        " from candidate.saved_export;"
        " delete from candidate.broker_instruments where tradingsymbol = 'RELIANCE'",
    ),
    (
        "env_line_is_the_subscription", "the line has another order",
        "update candidate.active_subscriptions set subscription_position = 500"
        " where subscription_position = 1",
    ),
    (
        "env_line_is_the_subscription", "the line lacks a token",
        "insert into candidate.active_subscriptions"
        " values (1, 'NSE:A', 'A', 'NSE', 'NSE', 'A', 'override', 501)",
    ),
    (
        "env_line_is_the_subscription", "there is no line",
        "delete from candidate.exp_dotenv__instruments",
    ),
    (
        "env_line_is_the_subscription", "its count is wrong",
        "update candidate.exp_dotenv__instruments set tokens = tokens + 1",
    ),
    (
        "env_line_is_the_subscription", "there is a line under the filter all",
        "update ops.build_parameters set filter_names = array['all']",
    ),
    (
        "subscription_positions_have_no_gaps", "a gap",
        "delete from candidate.active_subscriptions where subscription_position = 7",
    ),
    (
        "redis_mirrors_broker_instruments", "a strike lost its decimals",
        "update candidate.exp_redis__instruments set strike = '96.0' where strike = '95.875'",
    ),
    (
        "redis_mirrors_broker_instruments", "a key is missing",
        "delete from candidate.exp_redis__instruments where tradingsymbol = 'RELIANCE'",
    ),
    (
        "redis_mirrors_broker_instruments", "a key too many",
        "delete from candidate.broker_instruments where tradingsymbol = 'RELIANCE'",
    ),
    (
        "redis_mirrors_broker_instruments", "another lot",
        "update candidate.exp_redis__instruments set lot_size = '66' where lot_size = '65'",
    ),
    (
        "token_lookup_mirrors_broker_instruments", "a row is missing",
        "create or replace view candidate.exp_json__token_lookup as select *"
        " from candidate.saved_lookup where tradingsymbol <> 'RELIANCE'",
    ),
    (
        "token_lookup_mirrors_broker_instruments", "another tick",
        "update candidate.saved_lookup set tick_size = 1 where tradingsymbol = 'RELIANCE';"
        "create or replace view candidate.exp_json__token_lookup as select *"
        " from candidate.saved_lookup",
    ),
    (
        "token_lookup_mirrors_broker_instruments", "nothing on either side",
        "delete from candidate.broker_instruments",
    ),
]  # fmt: skip


@pytest.fixture(scope="module")
def statuses(dbt: Dbt, database: Database) -> dict[str, str]:
    land(database, small_dump(), as_of="2026-08-17")
    statuses = dbt.build()
    # Views follow what they are made of; some damages need one that does not.
    database.execute(
        "create table candidate.saved_export as table candidate.exp_postgres__instruments"
    )
    database.execute(
        "create table candidate.saved_lookup as table candidate.exp_json__token_lookup"
    )
    database.commit()
    return statuses


@pytest.fixture
def damaged(database: Database) -> Iterator[Database]:
    """The candidate, to be damaged for one test only."""
    yield database
    database.rollback()


def data_tests(dbt: Dbt) -> set[str]:
    return {node.name for node in dbt.manifest.nodes.values() if str(node.resource_type) == "test"}


def test_a_good_candidate_passes_every_data_test(dbt: Dbt, statuses: dict[str, str]) -> None:
    assert {name: statuses[name] for name in data_tests(dbt)} == dict.fromkeys(
        data_tests(dbt), "pass"
    )


def test_every_data_test_has_a_candidate_that_it_refuses(dbt: Dbt) -> None:
    assert {name for name, _, _ in DAMAGES} == data_tests(dbt)


@pytest.mark.usefixtures("statuses")
@pytest.mark.parametrize(
    ("name", "damage"),
    [pytest.param(name, damage, id=f"{name}: {what}") for name, what, damage in DAMAGES],
)
def test_damage_is_refused(dbt: Dbt, damaged: Database, name: str, damage: str) -> None:
    query = dbt.compiled(name)
    assert damaged.execute(query).fetchall() == []
    touched = [damaged.execute(part).rowcount for part in damage.split(";")]
    assert 0 not in touched, "the damage touched nothing"
    assert damaged.execute(query).fetchall() != []


def test_severities_are_stated(dbt: Dbt) -> None:
    """What real dumps do on some days may warn, never stop a publication."""
    warning = {
        node.name
        for node in dbt.manifest.nodes.values()
        if str(node.resource_type) == "test" and node.config.severity.lower() == "warn"
    }
    assert warning == {
        "focus_set_is_whole",
        "rows_are_not_repeated",
        "segments_are_known",
        "symbols_agree_with_their_terms",
    }


POSITIONS = "(values {}) as rows (position)"
ORIGINALS = "(values {}) as original_rows (token, strike)"
COPIES = "(values {}) as copied_rows (token, strike)"
GOOD_ORIGINALS = "(1, 390.75), (2, null)"

TWINS = {
    "dense_from_one_valid_in_any_order": (
        "dense_from_one_failures", [POSITIONS.format("(2), (1), (3)"), "position"], True,
    ),
    "dense_from_one_valid_without_rows": (
        "dense_from_one_failures",
        ["(select 1 as position where false) as rows", "position"], True,
    ),
    "dense_from_one_invalid_gap": (
        "dense_from_one_failures", [POSITIONS.format("(1), (3)"), "position"], False,
    ),
    "dense_from_one_invalid_repeat": (
        "dense_from_one_failures", [POSITIONS.format("(1), (2), (2)"), "position"], False,
    ),
    "dense_from_one_invalid_start": (
        "dense_from_one_failures", [POSITIONS.format("(0), (1)"), "position"], False,
    ),
    "dense_from_one_invalid_null": (
        "dense_from_one_failures", [POSITIONS.format("(1), (null)"), "position"], False,
    ),
    "mirrors_valid_with_texts_for_numbers": (
        "mirrors_failures",
        [COPIES.format("(1, '390.750'), (2, '0')"), ORIGINALS.format(GOOD_ORIGINALS), "token",
         {"strike": "coalesce(strike, 0)"}],
        True,
    ),
    "mirrors_invalid_rounded": (
        "mirrors_failures",
        [COPIES.format("(1, '391'), (2, '0')"), ORIGINALS.format(GOOD_ORIGINALS), "token",
         {"strike": "coalesce(strike, 0)"}],
        False,
    ),
    "mirrors_invalid_null_for_a_value": (
        "mirrors_failures",
        [COPIES.format("(1, null), (2, '0')"), ORIGINALS.format(GOOD_ORIGINALS), "token",
         {"strike": "coalesce(strike, 0)"}],
        False,
    ),
    "mirrors_invalid_missing_key": (
        "mirrors_failures",
        [COPIES.format("(1, '390.75')"), ORIGINALS.format(GOOD_ORIGINALS), "token",
         {"strike": "coalesce(strike, 0)"}],
        False,
    ),
    "mirrors_invalid_extra_key": (
        "mirrors_failures",
        [COPIES.format("(1, '390.75'), (2, '0'), (3, '0')"), ORIGINALS.format(GOOD_ORIGINALS),
         "token", {"strike": "coalesce(strike, 0)"}],
        False,
    ),
    "mirrors_invalid_empty_on_both_sides": (
        "mirrors_failures",
        ["(select 1 as token, '0' as strike where false) as copied_rows",
         "(select 1 as token, 0 as strike where false) as original_rows", "token",
         {"strike": "strike"}],
        False,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TWINS)
def test_generic_tests_judge_rows_rightly(dbt: Dbt, database: Database, name: str) -> None:
    macro, arguments, is_valid = TWINS[name]
    assert f"_{'valid' if is_valid else 'invalid'}" in name
    query = dbt.inline(f"{{{{ {macro}({', '.join(map(repr, arguments))}) }}}}")
    assert (rows_of(database, query) == []) is is_valid
