from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from exporters.postgres.override_rules import (
    HandChange,
    Override,
    expiry_of,
    overrides_after,
    spelled_canonical_id,
)

NOW = datetime(2026, 8, 17, tzinfo=UTC)


def test_of_two_tokens_of_one_contract_the_one_to_stream_wins() -> None:
    changes = [HandChange("A", 1, True, None), HandChange("A", 2, False, "filter"),
               HandChange("A", 3, True, None)]  # fmt: skip
    after = overrides_after(changes, {}, filter_name="nifty", recorded_at=NOW)
    assert after == {"A": Override("A", 1, True, "hand", NOW, "nifty")}


def test_change_that_an_override_says_already_leaves_it_as_it_is() -> None:
    held = {"A": Override("A", 1, True, "adopted", NOW)}
    changes = [HandChange("A", 1, True, None)]
    assert overrides_after(changes, held, filter_name="nifty", recorded_at=NOW) == held


@pytest.mark.parametrize(
    ("canonical_id", "expected"),
    [
        ("NFO:NIFTY:2026-11-24:26450:CE", date(2026, 11, 24)),
        ("MCX:GOLD:2026-12-04:FUT", date(2026, 12, 4)),
        ("NSE:RELIANCE", None),
        ("INDEX:NIFTY 50", None),
        ("NFO:S:2026-13-24:1:CE", None),
    ],
)
def test_expiry_is_read_from_the_canonical_id(canonical_id: str, expected: date | None) -> None:
    assert expiry_of(canonical_id) == expected


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        ({"segment": "INDICES", "trading_symbol": "NIFTY 50"}, "INDEX:NIFTY 50"),
        ({"instrument_type": "EQ"}, "NFO:S"),
        ({"instrument_type": "FUT"}, "NFO:NIFTY:2026-11-24:FUT"),
        ({"strike": Decimal("26450.00")}, "NFO:NIFTY:2026-11-24:26450:CE"),
        ({"strike": Decimal("390.75")}, "NFO:NIFTY:2026-11-24:390.75:CE"),
        ({"strike": Decimal(100)}, "NFO:NIFTY:2026-11-24:100:CE"),
        ({"strike": Decimal("1E+2")}, "NFO:NIFTY:2026-11-24:100:CE"),
        ({"expiry": None}, "NFO:S"),
    ],
)
def test_canonical_ids_are_spelled_from_terms(terms: dict[str, object], expected: str) -> None:
    base: dict[str, object] = {
        "exchange": "NFO", "segment": "NFO-OPT", "trading_symbol": "S", "name": "NIFTY",
        "instrument_type": "CE", "expiry": date(2026, 11, 24), "strike": Decimal(1),
    }  # fmt: skip
    assert spelled_canonical_id(**(base | terms)) == expected  # type: ignore[arg-type]
