from __future__ import annotations

import psycopg
import pytest

from expectations.errors import AcceptanceRefused, AuditFailed
from exporters.errors import DestinationRefused, DestinationUnavailable, VerificationError
from exporters.postgres import (
    CandidateChanged,
    PublicationOutOfReach,
    PublicationUnknown,
    SubscriptionsChangedMeanwhile,
)
from exporters.postgres.errors import OlderThanPublished
from loader.errors import BrokerUnavailable, DumpRefused
from warehouse.errors import BuildFailed, GateRed, UsageError
from warehouse.exit_codes import exit_code_of, is_known, is_told

CODES = [
    (DumpRefused("half a line", expected="a whole one"), 1),
    (UsageError("no such option"), 2),
    (AcceptanceRefused("no such rule", expected="a rule"), 2),
    (PublicationUnknown("there is no publication 9"), 2),
    (PublicationOutOfReach("its undo rows were pruned"), 2),
    (OlderThanPublished("a day before"), 2),
    (BrokerUnavailable("no answer", expected="a dump"), 3),
    (AuditFailed("no connection", expected="one"), 3),
    (DestinationUnavailable("PostgreSQL went away"), 3),
    (CandidateChanged("not what was audited"), 3),
    (SubscriptionsChangedMeanwhile(3), 3),
    (BuildFailed("a model"), 4),
    (GateRed("rules"), 4),
    (DestinationRefused("strike is double precision"), 4),
    (VerificationError("it reads back as something else"), 4),
]


@pytest.mark.parametrize(("error", "code"), CODES, ids=[type(error).__name__ for error, _ in CODES])
def test_each_error_ends_in_the_code_that_the_readme_promises(error: Exception, code: int) -> None:
    assert exit_code_of(error) == code
    assert is_told(error)


@pytest.mark.parametrize("error", [psycopg.OperationalError("gone"), PermissionError(13, "denied")])
def test_what_the_world_does_is_no_defect_but_is_not_told_by_us(error: Exception) -> None:
    assert exit_code_of(error) == 3
    assert is_known(error)
    assert not is_told(error)


def test_everything_else_is_a_defect() -> None:
    assert exit_code_of(KeyError("lots")) == 70
    assert not is_known(KeyError("lots"))
