"""What Kite alone is put through, over again in an installation with four feeds."""

from __future__ import annotations

import pytest

from tests.faults.conftest import Laboratory
from tests.faults.test_clocks_and_readers import (
    test_hand_changes_during_a_sync_are_not_lost,
    test_others_read_and_write_on_and_a_publication_neither_waits_nor_disturbs,
)
from tests.faults.test_death import (
    test_killed_in_the_middle_of_the_audit,
    test_killed_in_the_middle_of_writing_redis,
    test_killed_while_exporting_each_destination_is_old_or_new,
    test_killed_while_publishing_all_tables_are_old_or_new,
    unexported,
)
from tests.faults.test_postgres_gone import (
    test_gone_between_publishing_and_exporting,
    test_its_sessions_cut_as_a_failover_does,
    test_stopped_while_the_candidate_is_audited,
)
from tests.faults.test_redis_gone import (
    behind,
    pending,
    test_broken_it_stays_pending_and_is_finished_later,
    test_killed_in_mid_write,
)

# Collected here under this module's laboratory.
__all__ = [
    "behind",
    "pending",
    "test_broken_it_stays_pending_and_is_finished_later",
    "test_gone_between_publishing_and_exporting",
    "test_hand_changes_during_a_sync_are_not_lost",
    "test_its_sessions_cut_as_a_failover_does",
    "test_killed_in_mid_write",
    "test_killed_in_the_middle_of_the_audit",
    "test_killed_in_the_middle_of_writing_redis",
    "test_killed_while_exporting_each_destination_is_old_or_new",
    "test_killed_while_publishing_all_tables_are_old_or_new",
    "test_others_read_and_write_on_and_a_publication_neither_waits_nor_disturbs",
    "test_stopped_while_the_candidate_is_audited",
    "unexported",
]

pytestmark = pytest.mark.exhaustive


@pytest.fixture(scope="module")
def laboratory(laboratory_of_four: Laboratory) -> Laboratory:
    return laboratory_of_four


@pytest.fixture
def standing(lab: Laboratory) -> Laboratory:
    """Begun anew for each test: here others stand between those that change nothing."""
    return lab


def test_a_canonical_file_that_was_damaged_is_mended_by_the_same_dump(
    laboratory: Laboratory,
) -> None:
    lab = laboratory
    lab.put_back(lab.kept_new)
    path = lab.at.files / "canonical_instruments.yaml"
    whole = path.read_bytes()
    for damage in (b"", whole[: len(whole) // 2], whole.replace(b"RELIANCE", b"RELIENCE")):
        path.write_bytes(damage)
        lab.converge()
        assert path.read_bytes() == whole
