"""The focus rule in Python says what the dbt model says, for any listing; and CONTRACTS' 258."""

from __future__ import annotations

import csv
import random
import re
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instrument_registry.records import Publication
from instrument_registry.registry import Registry
from instrument_registry.symbols import canonical_id
from instrument_registry.sync.focus_rows import focus_of_registry
from instrument_registry.sync.focus_rule import FocusRule, contract_of, focus_set
from instrument_registry.sync.money import explained_prices
from tests.instrument_registry import made_rows, sync_market
from tests.instrument_registry.dump_rows import KITE, derivatives

RULE = FocusRule()
DAY = sync_market.DAY


def test_the_rule_takes_what_contracts_say() -> None:
    ids = [str(row.canonical_id) for row in sync_market.contracts("kite")]
    random.Random(1).shuffle(ids)
    found = focus_set(ids, DAY, {}, RULE)
    assert found.ids == sync_market.focus_ids()
    assert len(found.ids) == 258
    assert {one.underlying: (one.contracts, one.money) for one in found.chosen} == {
        name: (86, sync_market.money_of(name)) for name, _, _ in sync_market.UNDERLYINGS
    }
    assert {one.money_source for one in found.chosen} == {"middle_strike"}


def test_the_rules_underlyings_are_those_of_the_warehouses_seed(project: Path) -> None:
    with (project / "dbt_project" / "seeds" / "focus_underlyings.csv").open(newline="") as file:
        seeded = {(row["underlying"], row["exchange"]) for row in csv.DictReader(file)}
    assert set(RULE.underlyings) == seeded


def test_an_expiry_on_the_day_counts_and_one_before_it_does_not() -> None:
    ids = [str(row.canonical_id) for row in sync_market.contracts("kite")]
    assert any(":2026-08-17:" in one for one in focus_set(ids, date(2026, 8, 17), {}, RULE).ids)
    after = focus_set(ids, date(2026, 8, 18), {}, RULE).ids
    assert not any(":2026-08-17:" in one for one in after)
    assert any(":2026-09-01:" in one for one in after)


def test_a_given_price_is_the_money_and_of_two_equally_near_strikes_the_lower() -> None:
    ids = [f"NFO:NIFTY:2026-08-25:{strike}:CE" for strike in range(100, 200)]
    rule = FocusRule((("NIFTY", "NFO"),), strikes_each_side=1)
    found = focus_set(ids, DAY, {"NIFTY": Decimal("150.5")}, rule)
    assert sorted(one.split(":")[3] for one in found.ids) == ["149", "150", "151"]
    assert found.chosen[0].money_source == "given"


def test_what_is_no_contract_is_passed_over() -> None:
    assert contract_of("NFO:NIFTY:2026-08-25:172.5:CE") is not None
    for text in (
        "", "NSE:RELIANCE", "INDEX:NIFTY 50", "NFO:NIFTY:2026-08-32:FUT", "NFO:NIFTY:2026-08-25:CE",
        "NFO:NIFTY:2026-08-25:x:CE", "NFO:NIFTY:2026-08-25:NaN:CE", "NFO:NIFTY:2026-08-25:1:XX",
        "NFO:NIFTY:2026-08-25:Infinity:PE", "NFO:A:B:2026-08-25:1:CE",
    ):  # fmt: skip
        assert contract_of(text) is None
    assert focus_set(["NFO:NIFTY:soon:FUT"], DAY, {}, RULE).ids == frozenset()


@given(st.text(alphabet="NFOIFTY:0126-8.CEPUx ", max_size=40))
def test_no_text_breaks_the_reading_of_ids(text: str) -> None:
    found = contract_of(text)
    assert found is None or found.canonical_id == text


MODEL_INPUTS = """
    create temporary table int_kite_instruments__identified (
        line_number bigint, canonical_id text, instrument_token integer, tradingsymbol text,
        underlying text, exchange text, kind text, option_type text, strike numeric(18, 6),
        tick_size_inr numeric(18, 6), lot_size integer, expiry_date date);
    create temporary table int_kite_instruments__repeated (line_number bigint, repeats text);
    create temporary table focus_underlyings (underlying text, exchange text);
    create temporary table stg_warehouse__build_parameters (
        as_of_date date, reference_prices jsonb, focus_futures integer, focus_expiries integer,
        focus_strikes_each_side integer);
"""
INSERT = """
    insert into int_kite_instruments__identified
    select row_number() over (), id, 1, 'X', split_part(id, ':', 2), split_part(id, ':', 1),
        case when id like '%%:FUT' then 'future' else 'option' end,
        case when id not like '%%:FUT' then right(id, 2) end,
        case when id not like '%%:FUT' then split_part(id, ':', 4)::numeric end,
        0.05, 75, split_part(id, ':', 3)::date
    from unnest(%s::text[]) as id
"""


def drawn(seed: int) -> tuple[list[str], dict[str, Decimal]]:
    """Chains with gaps: strikes without one side, expiries of odd sizes, none at all."""
    say = random.Random(seed)
    ids = []
    for underlying, exchange in (*RULE.underlyings, ("NIFTYNXT50", "NFO"), ("NIFTY", "BFO")):
        ids += [
            f"{exchange}:{underlying}:{DAY + timedelta(say.randint(-9, 90))}:FUT"
            for _ in range(say.randint(0, 4))
        ]
        for _ in range(say.randint(0, 4)):
            day = DAY + timedelta(say.randint(-9, 60))
            step = say.choice((Decimal(50), Decimal("0.25"), Decimal("2.5")))
            for at in range(say.randint(1, 40)):
                strike = f"{100 + step * at:f}".rstrip("0").rstrip(".")
                ids += [
                    f"{exchange}:{underlying}:{day}:{strike}:{kind}"
                    for kind in ("CE", "PE")
                    if say.random() < 0.8
                ]
    prices = {
        name: Decimal(say.randint(90, 1200)) / 4 for name, _ in RULE.underlyings
        if say.random() < 0.4
    }  # fmt: skip
    return sorted(set(ids)), prices


def test_the_rule_says_what_the_dbt_model_says(
    project: Path, connection: psycopg.Connection
) -> None:
    """The model's own SQL, run on the same listings."""
    text = (project / "dbt_project" / "models" / "marts" / "focus_instruments.sql").read_text()
    query = re.sub(r"\{\{ ref\('(\w+)'\) \}\}", r"\1", text)
    assert "{{" not in query
    connection.execute(MODEL_INPUTS)
    connection.cursor().executemany(
        "insert into focus_underlyings values (%s, %s)", RULE.underlyings
    )
    sizes = set()
    for seed in range(60):
        ids, prices = drawn(seed)
        connection.execute(
            "truncate int_kite_instruments__identified, stg_warehouse__build_parameters"
        )
        connection.execute(INSERT, (ids,))
        told = "{" + ", ".join(f'"{name}": {price}' for name, price in prices.items()) + "}"
        connection.execute(
            "insert into stg_warehouse__build_parameters values (%s, %s, 2, 2, 10)", (DAY, told)
        )
        rows = connection.execute(query).fetchall()  # type: ignore[arg-type]  # the project's own
        found = focus_set(ids, DAY, prices, RULE)
        assert found.ids == {row[0] for row in rows}, f"seed {seed}"
        # reference_price and its source
        said = {row[3]: (row[11], row[9]) for row in rows if row[9]}
        for one in found.chosen:
            if one.contracts:
                assert said.get(one.underlying, (None, "")) == (one.money, one.money_source)
        sizes.add(len(rows))
    assert len(sizes) > 30


def test_a_price_is_found_for_whatever_a_price_has_chosen() -> None:
    """Another price perhaps, but one that chooses the very same."""
    explained = 0
    for seed in range(200):
        ids, prices = drawn(seed)
        chosen = focus_set(ids, DAY, prices, RULE).ids
        found = explained_prices(ids, chosen, DAY, {}, RULE)
        assert focus_set(ids, DAY, found, RULE).ids == chosen, f"seed {seed}"
        explained += len(found)
        assert explained_prices(ids, chosen, DAY, prices, RULE).keys().isdisjoint(prices)
    assert explained > 20


@pytest.mark.real_dumps
def test_the_rule_over_the_real_dump_gives_258_contracts(real_dumps: Path) -> None:
    rows = (
        made_rows.row("kite", canonical_id(row.contract(row.underlying)), row.symbol, token)
        for token, row in enumerate(derivatives(real_dumps, KITE))
        if row.underlying and row.exchange in {"NFO", "BFO"}
    )
    found = focus_of_registry(Registry.of_rows(rows, Publication(1, as_of_date=DAY)))
    assert len(found.ids) == 258
    assert {one.underlying: (one.contracts, one.money) for one in found.chosen} == {
        "NIFTY": (86, 24600), "BANKNIFTY": (86, 56300), "SENSEX": (86, 77600),
    }  # fmt: skip


def test_without_an_as_of_date_the_rule_is_not_guessed() -> None:
    with pytest.raises(ValueError, match="as-of date"):
        focus_of_registry(Registry.of_rows(sync_market.contracts("kite")))
