"""One worker for every audit of the session, and a healthy candidate to damage, per test."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from expectations.gate import AuditRequest, GateWorker, RuleResult
from tests.expectations import builder

Audit = Callable[..., dict[str, RuleResult]]


@pytest.fixture(scope="session")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GateWorker]:
    log = tmp_path_factory.mktemp("worker") / "worker.log"
    with GateWorker.start(log_path=log) as started:
        yield started


def _on_server(server_dsn: str, statement: str, *names: str) -> None:
    with psycopg.connect(server_dsn, autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


@pytest.fixture(scope="session")
def template(server_dsn: str) -> Iterator[str]:
    """The name of a database with a healthy candidate of three feeds and a last publication."""
    name = f"healthy_{uuid.uuid4().hex[:12]}"
    _on_server(server_dsn, "create database {}", name)
    with psycopg.connect(make_conninfo(server_dsn, dbname=name)) as connection:
        builder.land(connection, builder.healthy_rows())
        builder.build(connection)
        builder.add_feeds(connection)
        builder.publish(connection, builder.expired_rows())
    yield name
    _on_server(server_dsn, "drop database {} with (force)", name)


@pytest.fixture
def healthy_dsn(server_dsn: str, template: str) -> Iterator[str]:
    """A healthy candidate that only this test sees, as a connection string."""
    name = f"gate_{uuid.uuid4().hex[:12]}"
    _on_server(server_dsn, "create database {} template {}", name, template)
    yield make_conninfo(server_dsn, dbname=name)
    _on_server(server_dsn, "drop database {} with (force)", name)


@pytest.fixture
def request_of() -> Callable[..., AuditRequest]:
    def make(dsn: str, **changes: Any) -> AuditRequest:
        plain = AuditRequest(
            dsn=dsn,
            run_id="test",
            started_at=datetime(2026, 8, 17, 3, 10, tzinfo=UTC),
            as_of_date=builder.AS_OF,
            filter="nifty",
            report_dir=None,
        )
        return replace(plain, **changes)

    return make


@pytest.fixture
def audit(worker: GateWorker, request_of: Callable[..., AuditRequest]) -> Audit:
    """Audits a database; gives the results by rule."""

    def run(dsn: str, **changes: Any) -> dict[str, RuleResult]:
        return {result.rule: result for result in worker.audit(request_of(dsn, **changes))}

    return run


@pytest.fixture
def execute(healthy_dsn: str) -> Callable[[str], None]:
    """Runs SQL in the test's candidate: the damage."""

    def run(statements: str) -> None:
        with psycopg.connect(healthy_dsn) as connection:
            connection.execute(statements)  # type: ignore[call-overload]

    return run
