from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import psycopg
import pytest

from tests.warehouse.test_sample_guard import OF_KITE
from warehouse.errors import UsageError
from warehouse.publications import content_of
from warehouse.rollback import rollback_target

BACK = replace(OF_KITE, publication_id=44, rollback_of=42)


def test_without_a_number_it_is_the_publication_before() -> None:
    assert rollback_target(OF_KITE, None, 7) == 6


def test_after_a_rollback_it_has_to_be_said_which_way_to_go() -> None:
    """Twice the same command must not bring the bad publication back, nor go further unasked."""
    with pytest.raises(UsageError) as refused:
        rollback_target(BACK, None, 42)
    told = str(refused.value)
    assert refused.value.exit_code == 2
    assert "rolled back already, and nothing was changed" in told
    assert "one further back, say TO=41" in told
    assert "take the rollback back, TO=43" in told
    assert "`warehouse export`" in told
    assert rollback_target(BACK, 41, 42) == 41
    assert rollback_target(BACK, 43, 42) == 43


def test_before_the_first_there_is_nothing_to_go_back_to() -> None:
    with pytest.raises(UsageError) as refused:
        rollback_target(replace(BACK, publication_id=3, rollback_of=1), None, 1)
    assert "further back" not in str(refused.value)
    with pytest.raises(UsageError, match="no publication 0"):
        rollback_target(replace(OF_KITE, publication_id=1), None, 1)
    with pytest.raises(UsageError, match="Nothing has been published yet"):
        rollback_target(None, 3, None)


@pytest.mark.parametrize("to", [-1, 0, 7, 8])
def test_only_an_earlier_one_can_be_put_back(to: int) -> None:
    with pytest.raises(UsageError, match=f"no publication {to} to go back to"):
        rollback_target(OF_KITE, to, 7)


def test_further_back_is_before_what_was_put_back_even_of_a_rollback_to_a_rollback(
    ledger: psycopg.Connection,
) -> None:
    assert content_of(ledger) is None
    for number, back in [(1, None), (2, None), (3, 1), (4, 3)]:
        ledger.execute(
            """
            insert into ops.publications (
                publication_id, published_at, as_of_date, filter, fingerprint, rollback_of
            )
            values (%s, %s, '2026-08-17', 'nifty', 'f', %s)
            """,
            (number, datetime(2026, 8, 17, 4, number, tzinfo=UTC), back),
        )
    assert content_of(ledger) == 1
