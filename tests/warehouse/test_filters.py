from __future__ import annotations

from pathlib import Path

import pytest

from warehouse.errors import UsageError
from warehouse.filters import check_prices, known_filters, read_filter


@pytest.fixture
def dbt_project(tmp_path: Path) -> Path:
    (tmp_path / "seeds").mkdir()
    (tmp_path / "seeds" / "subscription_filters.csv").write_text(
        "filter,underlying,segment,description\n"
        "nifty,NIFTY,NFO-OPT,x\nnifty,NIFTY,NFO-FUT,x\nmine,GOLD,MCX-FUT,x\n"
    )
    return tmp_path


def test_filters_are_what_the_seed_defines_and_all(dbt_project: Path, project: Path) -> None:
    assert known_filters(dbt_project) == ("nifty", "mine", "all")
    shipped = {"nifty", "banknifty", "sensex", "finnifty", "midcpnifty", "all"}
    assert shipped <= set(known_filters(project / "dbt_project"))


def test_a_comma_list_is_split_once_each(dbt_project: Path) -> None:
    assert read_filter(" Nifty, mine,nifty ", dbt_project) == ("nifty", "mine")
    assert read_filter("all", dbt_project) == ("all",)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("nifti", "Did you mean nifty?"),
        ("nifty50x,mine", "Known filters: nifty, mine, all"),
        ("", "The filter is empty"),
        (" , ", "The filter is empty"),
        ("all,nifty", "stands alone"),
    ],
)
def test_what_is_not_a_filter_is_told(dbt_project: Path, text: str, told: str) -> None:
    with pytest.raises(UsageError) as raised:
        read_filter(text, dbt_project)
    assert told in str(raised.value)
    assert raised.value.exit_code == 2


def test_a_price_of_what_has_no_focus_set_is_refused(project: Path) -> None:
    seeds = project / "dbt_project"
    check_prices(["NIFTY", "BANKNIFTY", "SENSEX"], seeds)
    for name in ("nifty", "NIFTY 50", "RELIANCE"):
        with pytest.raises(UsageError, match=f"REFERENCE_PRICES names '{name}'") as refused:
            check_prices(["NIFTY", name], seeds)
        assert "NIFTY, BANKNIFTY, SENSEX" in str(refused.value)
