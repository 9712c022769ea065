"""A process that runs for weeks sees each publication whole, and streams what it should."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from instrument_registry import factory
from instrument_registry.errors import RegistryUnavailable, SourceRefused
from instrument_registry.following.subscriptions import (
    SubscriptionChange,
    active_tokens,
    read_subscriptions,
    watch_subscriptions,
)
from instrument_registry.following.watching import watch
from instrument_registry.records import Publication, RegistryType
from instrument_registry.registry import Registry
from instrument_registry.settings import RegistrySettings, read_settings
from instrument_registry.sources import snapshot
from instrument_registry.sources.contents import Contents
from tests.instrument_registry import made_rows, published, redis_market

SECONDS = 30
# Longer than a test lasts: what is seen was told, not polled.
NEVER = 3600.0
NOBODY = "postgresql://127.0.0.1:1/dw?connect_timeout=2"
GOLD = made_rows.row("kite", "MCX:GOLD:2026-10-05:FUT", "GOLD26OCTFUT", 7)


@pytest.fixture
def database(postgres_dsn: str) -> str:
    published.create(postgres_dsn)
    published.publish(postgres_dsn, made_rows.market(), number=1, focus=made_rows.FOCUS)
    return postgres_dsn


@pytest.fixture(autouse=True)
def nothing_made() -> Iterator[None]:
    factory.forget_registries()
    yield
    factory.forget_registries()


def settings_of(folder: Path, **said: str) -> RegistrySettings:
    said = {"WAREHOUSE_HOME": str(folder), "REGISTRY_MAX_AGE_HOURS": "unlimited"} | said
    return read_settings(said)


def test_a_publication_is_shown_as_soon_as_it_is_complete(database, tmp_path) -> None:
    settings = settings_of(tmp_path, DATABASE_URL=database)
    whole = factory.get_registry(settings=settings)
    focus = factory.get_registry(RegistryType.INTRADAY_FOCUS, settings=settings)
    seen: queue.Queue[Publication] = queue.Queue()
    with watch(seen.put, settings=settings, poll_seconds=NEVER) as watching:
        assert whole.resolve_for_broker("GOLD26OCTFUT", "kite") is None
        for number in (2, 3):
            rows = [GOLD, *made_rows.market()][: None if number == 3 else -1]
            published.publish(database, rows, number=number, focus=made_rows.FOCUS[:2])
            assert watching.wait_for(number, SECONDS), watching.last_error
            assert seen.get(timeout=SECONDS).number == number
        assert watching.last_error is None
    assert not watching.is_running
    assert whole.resolve_for_broker("GOLD26OCTFUT", "kite") is not None
    assert (whole.publication.number, focus.publication.number) == (3, 3)
    assert len(focus) == 4 * 2


def test_what_was_published_before_the_watch_began_is_shown(database, tmp_path) -> None:
    settings = settings_of(tmp_path, DATABASE_URL=database)
    registry = factory.get_registry(settings=settings)
    published.publish(database, [GOLD], number=2)
    with watch(settings=settings, poll_seconds=NEVER) as watching:
        assert watching.wait_for(2, SECONDS)
    assert len(registry) == 1


def test_a_lost_connection_is_taken_up_again(database, tmp_path) -> None:
    settings = settings_of(tmp_path, DATABASE_URL=database)
    registry = factory.get_registry(settings=settings)
    with (
        watch(settings=settings, poll_seconds=0.05) as watching,
        psycopg.connect(database, autocommit=True) as other,
    ):
        published.publish(database, [GOLD], number=2)
        assert watching.wait_for(2, SECONDS)
        other.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where application_name = 'instrument_registry'"
        )
        published.publish(database, made_rows.market(), number=3)
        assert watching.wait_for(3, SECONDS)
    assert registry.publication.number == 3


def test_without_a_database_the_snapshot_is_asked(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    first, second = (
        Contents.of(rows, Publication(number, published.AT, made_rows.DAY))
        for number, rows in ((1, made_rows.market()), (2, [GOLD]))
    )
    registry = Registry(first)
    with watch(settings=settings, registries=[registry], poll_seconds=0.02) as watching:
        snapshot.write(settings.snapshot_file, second)
        assert watching.wait_for(2, SECONDS)
        assert len(registry) == 1
        # It never goes back, and a torn file changes nothing.
        snapshot.write(settings.snapshot_file, first)
        assert not watching.wait_for(3, 0.1)
        settings.snapshot_file.write_bytes(b"INSTRUMENT-REG")
        assert not watching.wait_for(3, 0.1)
    assert registry.publication.number == 2


def test_without_both_redis_says_when(redis_url: str, tmp_path: Path) -> None:
    """An export is told on a channel; its marker says which publication it is."""
    rows = redis_market.fill(redis_url)
    settings = settings_of(tmp_path, REDIS_URL=redis_url)
    registry = factory.get_registry(settings=settings)
    assert (registry.publication.source, len(registry)) == ("redis", rows)
    with (
        redis.Redis.from_url(redis_url) as client,
        watch(settings=settings, poll_seconds=NEVER) as watching,
    ):
        while not client.pubsub_numsub("instruments:updated")[0][1]:
            assert watching.is_running
        # An export that is under way is not shown, whatever is told.
        redis_market.fill(redis_url, publication="8", state="writing")
        client.publish("instruments:updated", "{}")
        assert not watching.wait_for(8, 0.3)
        redis_market.fill(redis_url, publication="8")
        client.publish("instruments:updated", "{}")
        assert watching.wait_for(8, SECONDS), watching.last_error
    assert not watching.is_running
    assert registry.publication.number == 8


def test_redis_that_goes_away_is_asked_again(redis_url: str, tmp_path: Path) -> None:
    redis_market.fill(redis_url)
    settings = settings_of(tmp_path, REDIS_URL=redis_url)
    registry = factory.get_registry(settings=settings)
    with watch(settings=settings, poll_seconds=0.05) as watching:
        with redis.Redis.from_url(redis_url) as client:
            redis_market.fill(redis_url, publication="8")
            assert watching.wait_for(8, SECONDS), watching.last_error
            client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
            redis_market.fill(redis_url, publication="9")
        assert watching.wait_for(9, SECONDS), watching.last_error
    assert registry.publication.number == 9


def test_a_callback_that_raises_does_not_end_the_watch(database, tmp_path, caplog) -> None:
    settings = settings_of(tmp_path, DATABASE_URL=database)
    factory.get_registry(settings=settings)

    def burst(_: Publication) -> None:
        raise ZeroDivisionError

    with watch(burst, settings=settings, poll_seconds=NEVER) as watching:
        for number in (2, 3):
            published.publish(database, [GOLD], number=number)
            assert watching.wait_for(number, SECONDS)
    assert "registry_change_not_taken" in caplog.text


def test_an_event_loop_hears_of_changes(database, tmp_path) -> None:
    settings = settings_of(tmp_path, DATABASE_URL=database)
    factory.get_registry(settings=settings)

    async def listen() -> list[int | None]:
        numbers = []
        with watch(settings=settings, poll_seconds=NEVER) as watching:
            changes = watching.changes()
            waiting = asyncio.ensure_future(anext(changes))
            await asyncio.sleep(0)
            await asyncio.to_thread(published.publish, database, [GOLD], number=2)
            numbers.append((await asyncio.wait_for(waiting, SECONDS)).number)
            ended = asyncio.ensure_future(anext(changes, None))
            await asyncio.to_thread(watching.stop)
            assert await asyncio.wait_for(ended, SECONDS) is None
        return numbers

    assert asyncio.run(listen()) == [2]


def test_a_watch_is_awaited_for_the_next_publication(database, tmp_path) -> None:
    settings = settings_of(tmp_path, DATABASE_URL=database)
    factory.get_registry(settings=settings)

    async def wait() -> list[int | None]:
        with watch(settings=settings, poll_seconds=NEVER) as watching:
            numbers = []
            for number in (2, 3):
                waiting = asyncio.ensure_future(_awaited(watching))
                await asyncio.sleep(0)
                await asyncio.to_thread(published.publish, database, [GOLD], number=number)
                numbers.append((await asyncio.wait_for(waiting, SECONDS)).number)
            last = asyncio.ensure_future(_awaited(watching))
            await asyncio.sleep(0)
            await asyncio.to_thread(watching.stop)
            assert await asyncio.wait_for(last, SECONDS) is None
        return numbers

    async def _awaited(watching) -> Publication | None:
        return await watching

    assert asyncio.run(wait()) == [2, 3]


# --- subscriptions ---


@pytest.fixture
def streaming(database: str) -> str:
    with psycopg.connect(database) as connection:
        connection.execute(
            "create table public.instruments (instrument_token int primary key, is_active boolean);"
            "insert into public.instruments values (3, true), (1, true), (2, false)"
        )
    return database


def test_the_database_says_what_to_stream(streaming, tmp_path) -> None:
    settings = settings_of(tmp_path, DATABASE_URL=streaming)
    assert active_tokens(settings) == [1, 3]
    assert read_subscriptions(settings).source == "postgresql"


def test_without_the_database_dotenv_says_it(tmp_path, redis_url) -> None:
    env = tmp_path / ".env"
    env.write_text("# x\nAPI=1\nINSTRUMENTS=5\nINSTRUMENTS='9,7'\n")
    settings = settings_of(tmp_path, DATABASE_URL=NOBODY, ENV_FILE=str(env))
    assert active_tokens(settings) == [7, 9]
    both = settings_of(tmp_path, ENV_FILE=str(env), REDIS_URL=redis_url)
    # An empty Redis says nothing.
    assert read_subscriptions(both).source == "env"
    with redis.Redis.from_url(redis_url) as client:
        client.hset("instrument:9", "tradingsymbol", "X")
    found = read_subscriptions(both)
    assert (found.tokens, found.source, found.unlisted) == ((9,), "env+redis", (7,))
    down = settings_of(tmp_path, ENV_FILE=str(env), REDIS_URL="redis://127.0.0.1:1/0")
    assert active_tokens(down) == [7, 9]


def test_nobody_who_can_say_is_an_error_with_both_reasons(tmp_path: Path) -> None:
    env = tmp_path / ".env"
    settings = settings_of(tmp_path, ENV_FILE=str(env))
    with pytest.raises(RegistryUnavailable, match=r"DATABASE_URL is not set, .*cannot be read"):
        active_tokens(settings)
    env.write_text("API=1\n")
    with pytest.raises(RegistryUnavailable, match="no line INSTRUMENTS"):
        active_tokens(settings)
    env.write_text("INSTRUMENTS=1,x\n")
    with pytest.raises(SourceRefused, match="not a list of tokens"):
        active_tokens(settings)


def test_a_changed_subscription_is_called_back(streaming, tmp_path) -> None:
    settings = settings_of(tmp_path, DATABASE_URL=streaming)
    seen: queue.Queue[SubscriptionChange] = queue.Queue()
    with watch_subscriptions(seen.put, settings=settings, poll_seconds=NEVER) as watching:
        first = seen.get(timeout=SECONDS)
        assert (first.tokens, first.added, first.removed) == ((1, 3), (1, 3), ())
        with psycopg.connect(streaming) as connection:
            connection.execute("update public.instruments set is_active = instrument_token > 1")
            connection.execute("notify instruments_published")
        second = seen.get(timeout=SECONDS)
        assert (second.tokens, second.added, second.removed) == ((2, 3), (2,), (1,))
        # A publication that changes nothing of it is not called back.
        published.publish(streaming, [GOLD], number=9)
        with psycopg.connect(streaming) as connection:
            connection.execute("update public.instruments set is_active = false")
            connection.execute("notify instruments_published")
        assert seen.get(timeout=SECONDS).tokens == ()
        assert watching.last_error is None
    assert seen.empty()


def test_a_change_by_hand_is_seen_at_the_next_look(streaming, tmp_path) -> None:
    settings = settings_of(tmp_path, DATABASE_URL=streaming)
    seen: queue.Queue[SubscriptionChange] = queue.Queue()
    with watch_subscriptions(seen.put, settings=settings, poll_seconds=0.05):
        seen.get(timeout=SECONDS)
        with psycopg.connect(streaming) as connection:
            connection.execute("update public.instruments set is_active = true")
        assert seen.get(timeout=SECONDS).added == (2,)


def test_a_database_that_goes_away_changes_nothing(streaming, tmp_path) -> None:
    settings = settings_of(tmp_path, DATABASE_URL=NOBODY, ENV_FILE=str(tmp_path / "none"))
    called = threading.Event()
    with watch_subscriptions(
        lambda _: called.set(), settings=settings, poll_seconds=0.02
    ) as watching:
        assert not called.wait(0.2)
        assert isinstance(watching.last_error, RegistryUnavailable)
