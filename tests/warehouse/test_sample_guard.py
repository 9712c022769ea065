"""The sample's tokens are made up: they must not get to where somebody trades."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from warehouse.errors import UsageError
from warehouse.publications import LastPublication
from warehouse.sample_guard import (
    guard_export,
    guard_files,
    guard_publications,
    guard_servers,
)
from warehouse.settings import Settings
from warehouse.sync_request import SyncRequest

SAMPLE = SyncRequest("nifty", ("nifty",), "sample")
KITE = SyncRequest("nifty", ("nifty",), "kite")
OF_KITE = LastPublication(
    publication_id=7,
    published_at=datetime(2026, 8, 17, 3, 10, tzinfo=UTC),
    as_of_date=date(2026, 8, 17),
    filter="nifty",
    fingerprint="f",
    dump_sha256=None,
    load_id=1,
    rollback_of=None,
    summary={},
    source="https://api.kite.trade/instruments",
)
OF_SAMPLE = replace(OF_KITE, source="sample")

SERVERS = {"database_url": "postgresql://me:secret@db/dw", "redis_url": "redis://:secret@cache/0"}


@pytest.mark.parametrize("named", [["database_url"], ["redis_url"], ["database_url", "redis_url"]])
def test_the_sample_is_refused_where_somebody_named_a_server(named: list[str]) -> None:
    settings = Settings(**{name: SERVERS[name] for name in named})  # type: ignore[arg-type]
    with pytest.raises(UsageError) as refused:
        guard_servers(settings, SAMPLE)
    assert refused.value.exit_code == 2
    for name in SERVERS:
        assert (name.upper() in str(refused.value)) == (name in named)
    assert "FORCE=1" in str(refused.value)
    assert "secret" not in str(refused.value)


def test_the_embedded_servers_take_it_and_files_are_no_sample() -> None:
    guard_servers(Settings(), SAMPLE)
    own = Settings(**SERVERS)  # type: ignore[arg-type]
    for request in (KITE, replace(SAMPLE, source="/tmp/sample.csv")):
        guard_servers(own, request)


def test_a_published_sample_is_not_exported_to_a_redis_that_was_named_since() -> None:
    """Published on the embedded servers, and then REDIS_URL was put into .env."""
    named = Settings(redis_url=SERVERS["redis_url"])  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="nothing was exported") as refused:
        guard_export(named, OF_SAMPLE)
    assert "secret" not in str(refused.value)
    guard_export(named, OF_KITE)
    guard_export(Settings(), OF_SAMPLE)
    # On servers that are all named it was published with FORCE=1.
    guard_export(Settings(**SERVERS), OF_SAMPLE)  # type: ignore[arg-type]


def test_the_sample_is_refused_over_a_real_publication() -> None:
    with pytest.raises(UsageError, match=r"publication 7 .*nothing was started"):
        guard_publications(SAMPLE, OF_KITE)
    guard_publications(SAMPLE, OF_SAMPLE)
    guard_publications(SAMPLE, None)


def test_a_real_dump_over_the_sample_is_told_how_to_begin_anew() -> None:
    with pytest.raises(UsageError, match=r"of the generated sample.*make down"):
        guard_publications(KITE, OF_SAMPLE)
    guard_publications(KITE, OF_KITE)


@pytest.mark.parametrize("change", ["dry_run", "build_only", "force"])
def test_who_forces_it_or_publishes_nothing_is_let_through(change: str) -> None:
    own = Settings(**SERVERS)  # type: ignore[arg-type]
    guard_servers(own, replace(SAMPLE, **{change: True}))
    guard_publications(replace(SAMPLE, **{change: True}), OF_KITE)
    guard_publications(replace(KITE, **{change: True}), OF_SAMPLE)


def test_the_first_sample_is_refused_where_env_lists_what_is_streamed(tmp_path: Path) -> None:
    env = tmp_path / ".env"
    settings = Settings(env_file=env)
    guard_files(settings, SAMPLE, None)
    env.write_text("API_KEY=x\nINSTRUMENTS=\n")
    guard_files(settings, SAMPLE, None)
    env.write_text("API_KEY=secret\nINSTRUMENTS=256265,260105\n")
    with pytest.raises(UsageError, match="nothing was started") as refused:
        guard_files(settings, SAMPLE, None)
    assert str(env) in str(refused.value)
    assert "secret" not in str(refused.value)
    # The line that a sample wrote; what somebody forces, plans, or brings himself.
    guard_files(settings, SAMPLE, OF_SAMPLE)
    guard_files(settings, replace(SAMPLE, force=True), None)
    guard_files(settings, replace(SAMPLE, dry_run=True), None)
    guard_files(settings, KITE, None)
