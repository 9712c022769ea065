"""The last good publication, from wherever it is to be had; never half of it, never stale."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
import redis
import yaml
from hypothesis import given
from hypothesis import strategies as st

from instrument_registry import factory
from instrument_registry.errors import (
    RegistryStale,
    RegistryUnavailable,
    SettingRefused,
    SnapshotRefused,
    SourceRefused,
)
from instrument_registry.records import Publication, RegistryType
from instrument_registry.registry import Registry
from instrument_registry.settings import RegistrySettings, read_settings
from instrument_registry.sources import postgres, redis_hashes, snapshot
from instrument_registry.sources.contents import Contents
from instrument_registry.sources.loading import load
from tests.instrument_registry import made_rows, published, redis_market

FOCUS = RegistryType.INTRADAY_FOCUS
NOW = published.AT + timedelta(hours=1)
TOLD = Publication(7, published.AT, made_rows.DAY)
NOBODY = "postgresql://me:s3cret@127.0.0.1:1/dw?connect_timeout=2"


@pytest.fixture(scope="module")
def contents() -> Contents:
    return Contents.of(made_rows.market(), TOLD, made_rows.FOCUS)


@pytest.fixture
def database(postgres_dsn: str) -> str:
    published.create(postgres_dsn)
    published.publish(postgres_dsn, made_rows.market(), number=7, focus=made_rows.FOCUS)
    return postgres_dsn


@pytest.fixture(autouse=True)
def nothing_made() -> Iterator[None]:
    factory.forget_registries()
    yield
    factory.forget_registries()


def settings_of(folder: Path, **said: str) -> RegistrySettings:
    return read_settings({"WAREHOUSE_HOME": str(folder), **said})


def answers(registry: Registry) -> dict[tuple[str, str], object]:
    """Everything that a registry says of the made-up market."""
    return {
        (row.broker, text): registry.resolve_for_broker(text, row.broker)
        for row in made_rows.market()
        for text in (row.tradingsymbol, f"{row.exchange}:{row.tradingsymbol}", row.canonical_id)
        if text
    }


def test_the_database_a_snapshot_and_rows_say_the_same(database, contents, tmp_path) -> None:
    read = postgres.read_contents(database)
    snapshot.write(tmp_path / "it", read)
    again = snapshot.read(tmp_path / "it")
    expected = answers(Registry(contents))
    assert answers(Registry(read)) == expected
    assert answers(Registry(again)) == expected
    assert any(expected.values())
    assert (read.rows, again.rows) == (contents.rows, contents.rows)
    assert read.publication == replace(TOLD, source="postgresql")
    assert again.publication == replace(TOLD, source="snapshot")


def test_the_focus_set_is_the_same_from_both(database, contents, tmp_path) -> None:
    snapshot.write_published(database, tmp_path / "it")
    expected = answers(Registry(contents, FOCUS))
    for found in (
        postgres.read_contents(database, FOCUS),
        snapshot.read(tmp_path / "it", FOCUS),
    ):
        assert found.rows == 4 * len(made_rows.FOCUS)
        assert answers(Registry(found, FOCUS)) == expected


def test_brokers_whose_dump_is_old_are_named(postgres_dsn: str, tmp_path: Path) -> None:
    published.create(postgres_dsn)
    published.publish(postgres_dsn, made_rows.market(), stale=["dhan"])
    snapshot.write_published(postgres_dsn, tmp_path / "it")
    assert postgres.read_contents(postgres_dsn).publication.stale_brokers == ("dhan",)
    assert snapshot.publication_of(tmp_path / "it").stale_brokers == ("dhan",)


def test_the_columns_that_are_read_are_the_contracts(project: Path) -> None:
    found = yaml.safe_load((project / "dbt_project/models/marts/_marts__models.yml").read_text())
    models = {model["name"]: {c["name"] for c in model["columns"]} for model in found["models"]}
    assert set(published.BROKER_COLUMNS) <= models["broker_instruments"]
    assert "canonical_id" in models["focus_instruments"]
    assert "instrument_token" in models["active_subscriptions"]


def test_a_database_that_is_no_warehouse_is_refused(postgres_dsn: str) -> None:
    with pytest.raises(SourceRefused, match="no warehouse"):
        postgres.read_contents(postgres_dsn)
    published.create(postgres_dsn)
    with pytest.raises(SourceRefused, match="no publication yet"):
        postgres.read_contents(postgres_dsn)


def test_a_value_that_would_shift_columns_is_refused(postgres_dsn, contents, tmp_path) -> None:
    published.create(postgres_dsn)
    odd = made_rows.row("kite", "NSE:A", "A\x1fB", 1)
    published.publish(postgres_dsn, [odd])
    with pytest.raises(SourceRefused, match="character 30 or 31"):
        postgres.read_contents(postgres_dsn)
    within = made_rows.row("kite", "NSE:A", "AB", 1, name="A\x1eB")
    published.publish(postgres_dsn, [within], number=2)
    with pytest.raises(SourceRefused, match="character 30 or 31"):
        postgres.read_contents(postgres_dsn)
    with pytest.raises(SnapshotRefused, match="character 31"):
        snapshot.write(tmp_path / "it", Contents.of([odd]))
    assert not list(tmp_path.iterdir())


def test_no_password_is_ever_told(tmp_path: Path) -> None:
    with pytest.raises(RegistryUnavailable) as refused:
        postgres.read_contents(NOBODY)
    assert "s3cret" not in str(refused.value)
    assert "s3cret" not in repr(settings_of(tmp_path, DATABASE_URL=NOBODY))


@pytest.mark.parametrize("kind", list(RegistryType))
def test_a_cut_snapshot_is_never_half_read(contents, tmp_path, kind) -> None:
    path = tmp_path / "it"
    snapshot.write(path, contents)
    whole = path.read_bytes()
    for length in (0, 1, 20, 31, 39, 70, 200, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(SnapshotRefused, match="was not taken"):
            snapshot.read(path, kind)
    path.write_bytes(whole + b"x")
    with pytest.raises(SnapshotRefused, match="bytes"):
        snapshot.read(path, kind)


@given(st.data())
def test_a_changed_byte_is_refused_or_in_another_section(data: st.DataObject) -> None:
    path, whole, expected = _written()
    at = data.draw(st.integers(0, len(whole) - 1))
    flipped = bytearray(whole)
    flipped[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(flipped)
    try:
        found = snapshot.read(path)
    except SnapshotRefused:
        return
    # The focus set's section is not read for the whole registry.
    assert answers(Registry(found)) == expected
    with pytest.raises(SnapshotRefused):
        snapshot.read(path, FOCUS)


_kept: list[tuple[Path, bytes, dict]] = []


def _written() -> tuple[Path, bytes, dict]:
    if not _kept:
        import tempfile

        path = Path(tempfile.mkdtemp()) / "it"
        rows = made_rows.market()[:12]
        found = Contents.of(rows, TOLD, [str(rows[0].canonical_id)])
        snapshot.write(path, found)
        _kept.append((path, path.read_bytes(), answers(Registry(found))))
    return _kept[0]


def test_foreign_and_other_versions_are_refused(contents, tmp_path) -> None:
    path = tmp_path / "it"
    with pytest.raises(RegistryUnavailable, match="No such file"):
        snapshot.read(path)
    path.write_bytes(b"\x80\x04\x95 a pickle")
    with pytest.raises(SnapshotRefused, match="does not begin"):
        snapshot.read(path)
    snapshot.write(path, contents)
    path.write_bytes(path.read_bytes().replace(b"SNAPSHOT 2\n", b"SNAPSHOT 3\n", 1))
    with pytest.raises(SnapshotRefused, match="of version 3; expected version 2"):
        snapshot.read(path)


def test_a_snapshot_without_a_focus_set_says_so(tmp_path: Path) -> None:
    snapshot.write(tmp_path / "it", Contents.of(made_rows.market(), TOLD))
    with pytest.raises(SnapshotRefused, match="no focus set"):
        snapshot.read(tmp_path / "it", FOCUS)


def test_a_snapshot_of_nothing_is_nothing(tmp_path: Path) -> None:
    snapshot.write(tmp_path / "it", Contents.of([], TOLD))
    assert snapshot.read(tmp_path / "it").rows == 0


def test_writing_is_atomic_and_leaves_nothing_beside(contents, tmp_path) -> None:
    path = tmp_path / "deep" / "it"
    snapshot.write(path, contents)
    abandoned = path.with_name(".it.0123456789ab.tmp")
    abandoned.write_bytes(b"half")
    import os

    os.utime(abandoned, (1, 1))
    with path.open("rb") as reader:
        snapshot.write(path, Contents.of([], TOLD))
        assert len(reader.read()) > path.stat().st_size
    assert [one.name for one in path.parent.iterdir()] == ["it"]


def test_a_snapshot_that_cannot_be_written_leaves_the_old_one(contents, tmp_path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(RegistryUnavailable, match="cannot be written"):
        snapshot.write(tmp_path / "file" / "it", contents)


# --- the order of sources, and age ---


def test_the_database_comes_first_then_the_snapshot(database, contents, tmp_path) -> None:
    settings = settings_of(tmp_path, DATABASE_URL=database)
    assert load(RegistryType.COMPREHENSIVE, settings, NOW, None).publication.source == "postgresql"
    snapshot.write(settings.snapshot_file, contents)
    down = settings_of(tmp_path, DATABASE_URL=NOBODY)
    told = load(RegistryType.COMPREHENSIVE, down, NOW, None).publication
    assert (told.source, told.number) == ("snapshot", 7)
    assert "PostgreSQL cannot be read" in told.passed_over[0]
    assert told.age_seconds(NOW) == 3600


def test_nothing_to_read_names_every_source(tmp_path: Path) -> None:
    with pytest.raises(RegistryUnavailable) as refused:
        load(RegistryType.COMPREHENSIVE, settings_of(tmp_path), NOW, None)
    for word in ("DATABASE_URL is not set", "registry.snapshot", "REDIS_URL is not set"):
        assert word in str(refused.value)


def test_what_is_too_old_is_refused_unless_told_otherwise(contents, tmp_path) -> None:
    settings = settings_of(tmp_path)
    snapshot.write(settings.snapshot_file, contents)
    late = published.AT + timedelta(hours=121)
    limit = settings.max_age_seconds
    with pytest.raises(RegistryStale, match=r"121\.0 hours old; allowed are 120 hours") as refused:
        load(RegistryType.COMPREHENSIVE, settings, late, limit)
    assert refused.value.age_seconds == 121 * 3600
    assert load(RegistryType.COMPREHENSIVE, settings, late, None).rows
    assert load(RegistryType.COMPREHENSIVE, settings, late - timedelta(hours=2), limit).rows


def test_an_unknown_age_is_too_old(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    snapshot.write(settings.snapshot_file, Contents.of(made_rows.market()))
    with pytest.raises(RegistryStale, match="unknown age"):
        load(RegistryType.COMPREHENSIVE, settings, NOW, 3600)


@pytest.mark.parametrize("hours", ["0", "-1", "soon", "nan", "inf"])
def test_an_age_that_is_none_is_refused(tmp_path: Path, hours: str) -> None:
    with pytest.raises(SettingRefused, match="REGISTRY_MAX_AGE_HOURS"):
        settings_of(tmp_path, REGISTRY_MAX_AGE_HOURS=hours)
    assert settings_of(tmp_path, REGISTRY_MAX_AGE_HOURS="unlimited").max_age_seconds is None


# --- Redis ---


def test_redis_holds_kites_instruments(redis_url: str, tmp_path: Path) -> None:
    rows = redis_market.fill(redis_url)
    settings = settings_of(tmp_path, REDIS_URL=redis_url)
    found = load(RegistryType.COMPREHENSIVE, settings, NOW, 7200)
    assert (found.rows, found.publication.number, found.publication.source) == (rows, 7, "redis")
    alone = [row for row in made_rows.market() if row.broker == "kite"]
    expected = answers(Registry.of_rows(alone))
    # What Upstox's ISINs tell, two companies of one symbol, Kite's rows do not.
    assert answers(Registry(found)) == expected
    with pytest.raises(RegistryUnavailable, match="no focus set"):
        load(FOCUS, settings, NOW, None)


@pytest.mark.parametrize(
    ("marker", "told"),
    [
        ({"state": "writing"}, "under way"),
        ({"rows": "5"}, "its marker says '5'"),
        ({"published_at": "yesterday"}, "cannot be read"),
    ],
)
def test_an_unfinished_export_is_refused(redis_url: str, marker, told: str) -> None:
    redis_market.fill(redis_url, **marker)
    with pytest.raises(SourceRefused, match=told):
        redis_hashes.read_contents(redis_url)


def test_what_is_no_instrument_in_redis_is_refused(redis_url: str) -> None:
    with pytest.raises(SourceRefused, match="no instruments"):
        redis_hashes.read_contents(redis_url)
    with redis.Redis.from_url(redis_url) as client:
        client.hset("instrument:5", mapping={"tradingsymbol": "X"})
    with pytest.raises(SourceRefused, match="'instrument:5' in Redis is no instrument"):
        redis_hashes.read_contents(redis_url)
    with pytest.raises(RegistryUnavailable, match="Redis cannot be read"):
        redis_hashes.read_contents("redis://:s3cret@127.0.0.1:1/0")


# --- one registry a process ---


def test_threads_that_ask_at_once_get_one_registry(database, tmp_path) -> None:
    settings = settings_of(tmp_path, DATABASE_URL=database)
    found: list[Registry] = []
    barrier = threading.Barrier(8)

    def ask() -> None:
        barrier.wait()
        found.append(factory.get_registry(settings=settings, max_age_hours=None))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(one) for one in found}) == 1
    assert len(found) == 8
    focus = factory.get_registry("intraday_focus", settings=settings, max_age_hours=None)
    assert focus is not found[0]
    assert focus.registry_type is FOCUS


def test_what_one_caller_allows_is_nothing_to_the_next(database, tmp_path) -> None:
    settings = settings_of(tmp_path, DATABASE_URL=database, REGISTRY_MAX_AGE_HOURS="0.001")
    assert factory.get_registry(settings=settings, max_age_hours=None)
    with pytest.raises(RegistryStale):
        factory.get_registry(settings=settings)
    with pytest.raises(ValueError, match="max_age_hours"):
        factory.get_registry(settings=settings, max_age_hours=0)
    with pytest.raises(ValueError, match="everything"):
        factory.get_registry("everything")


def test_one_that_has_grown_old_is_read_anew(database, tmp_path, monkeypatch) -> None:
    settings = settings_of(tmp_path, DATABASE_URL=database)
    monkeypatch.setattr("instrument_registry.clock.now", lambda: NOW)
    registry = factory.get_registry(settings=settings)
    later = published.AT + timedelta(days=6)
    with psycopg.connect(database) as connection:
        connection.execute("insert into ops.publications values (8, %s, '2026-08-23')", [later])
    assert factory.get_registry(settings=settings).publication.number == 7
    monkeypatch.setattr("instrument_registry.clock.now", lambda: later)
    assert factory.get_registry(settings=settings) is registry
    assert registry.publication.number == 8


def test_a_snapshot_is_read_by_a_process_that_has_nothing_else(contents, tmp_path, project) -> None:
    snapshot.write(tmp_path / "registry.snapshot", contents)
    code = (
        "import sys, json\n"
        "from instrument_registry import get_registry\n"
        "found = get_registry().resolve_for_broker('RELIANCE', 'angel_one')\n"
        "print(json.dumps([found['symboltoken'], sorted({'psycopg', 'redis'} & set(sys.modules))]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=project, capture_output=True, text=True, check=True,
        env={"WAREHOUSE_HOME": str(tmp_path), "REGISTRY_MAX_AGE_HOURS": "unlimited"},
    )  # fmt: skip
    assert json.loads(done.stdout) == ["2885", []]
