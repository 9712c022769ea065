"""What Redis holds after an export, and what an export leaves alone."""

from __future__ import annotations

import json
import threading

import pytest
import redis

from exporters.destination import export
from exporters.errors import DestinationRefused, DestinationUnavailable, VerificationError
from exporters.redis import RedisHashes
from tests.exporters.redis.published_rows import (
    FIELDS,
    Warehouse,
    contents,
    many,
    option,
    published,
    write_calls,
)


def test_an_empty_redis_is_filled_with_every_hash_and_the_marker(
    warehouse: Warehouse, redis_url: str
) -> None:
    warehouse.publish(1, many(range(1000, 2003)))

    outcome = export(RedisHashes(redis_url, warehouse.connection))

    assert contents(redis_url) == published(warehouse, 1)
    assert (outcome.status, outcome.plan.added) == ("complete", 1003)
    assert outcome.plan.samples == {
        "added": tuple(f"instrument:{t}: NIFTY26AUG{t}CE" for t in range(1000, 1005))
    }
    assert outcome.plan.note == "Redis holds no instrument: filled in full"


def test_a_second_export_writes_nothing(warehouse: Warehouse, redis_url: str) -> None:
    warehouse.publish(1, many(range(1000, 2003)))
    export(RedisHashes(redis_url, warehouse.connection))
    before = write_calls(redis_url)

    outcome = export(RedisHashes(redis_url, warehouse.connection))

    assert write_calls(redis_url) == before
    assert outcome.status == "unchanged"
    assert outcome.plan.is_empty
    assert outcome.plan.note == ""


def test_progress_tells_the_keys_as_they_are_sent(warehouse: Warehouse, redis_url: str) -> None:
    warehouse.publish(1, many(range(1000, 13_000)))
    told: list[tuple[int, int]] = []
    destination = RedisHashes(redis_url, warehouse.connection)
    destination.on_progress = lambda done, total: told.append((done, total))

    export(destination)
    assert len(told) > 1
    assert told == sorted(told)
    assert told[-1] == (12_000, 12_000)

    told.clear()
    warehouse.publish(2, {**many(range(1000, 13_000)), 1500: option(1500, name="GAIL")})
    export(destination)
    assert told == [(1, 1)]


def test_only_changed_keys_are_written_and_those_that_left_are_deleted(
    warehouse: Warehouse, redis_url: str
) -> None:
    warehouse.publish(1, many(range(1000, 2000)))
    export(RedisHashes(redis_url, warehouse.connection))
    with redis.Redis.from_url(redis_url) as client:
        client.config_resetstat()
    rows = {**many(range(1010, 2005)), 1500: option(1500, strike="390.75", name="GAIL")}
    warehouse.publish(2, rows)

    outcome = export(RedisHashes(redis_url, warehouse.connection))

    assert contents(redis_url) == published(warehouse, 2)
    plan = outcome.plan
    assert (plan.added, plan.changed, plan.removed) == (5, 1, 10)
    assert plan.samples == {
        "added": tuple(f"instrument:{t}: 'NIFTY26AUG{t}CE'" for t in range(2000, 2005)),
        "changed": ("instrument:1500: name 'NIFTY' -> 'GAIL', strike '1500.0' -> '390.75'",),
        "removed": tuple(f"instrument:{t}" for t in range(1000, 1005)),
    }
    assert plan.note == "Redis held publication 1"
    with redis.Redis.from_url(redis_url) as client:
        stats = client.info("commandstats")
    calls = {name: stats[f"cmdstat_{name}"]["calls"] for name in ("hset", "del", "multi", "exec")}
    # Six hashes and the marker, which replaces the one before; ten hashes that left.
    assert calls == {"hset": 7, "del": 11, "multi": 1, "exec": 1}


def test_subscribers_hear_of_a_publication_once(warehouse: Warehouse, redis_url: str) -> None:
    warehouse.publish(3, many(range(1000, 1010)))
    with redis.Redis.from_url(redis_url) as client, client.pubsub() as channel:
        channel.subscribe("instruments:updated")
        channel.get_message(timeout=5)

        export(RedisHashes(redis_url, warehouse.connection))
        export(RedisHashes(redis_url, warehouse.connection))

        message = channel.get_message(timeout=5)
        assert json.loads(message["data"]) == {
            "publication": 3,
            "as_of": "2026-08-17",
            "added": 10,
            "changed": 0,
            "removed": 0,
        }
        assert channel.get_message(timeout=0) is None


def test_keys_of_others_are_kept_and_what_matches_our_pattern_is_not(
    warehouse: Warehouse, redis_url: str
) -> None:
    warehouse.publish(1, many(range(1000, 1010)))
    with redis.Redis.from_url(redis_url) as client:
        client.set("session:1", "theirs")
        client.set("instruments", "theirs")
        client.set("instrument:abc", "would stop a consumer at int()")
        client.set("instrument:01000", "another spelling of a token")

    outcome = export(RedisHashes(redis_url, warehouse.connection))

    assert contents(redis_url) == {
        **published(warehouse, 1),
        "session:1": "theirs",
        "instruments": "theirs",
    }
    assert outcome.plan.removed == 2


def test_a_damaged_hash_is_found_and_mended_whatever_the_marker_says(
    warehouse: Warehouse, redis_url: str
) -> None:
    warehouse.publish(1, many(range(1000, 1600)))
    export(RedisHashes(redis_url, warehouse.connection))
    with redis.Redis.from_url(redis_url) as client:
        client.hset("instrument:1000", "lot_size", "75")
        client.hdel("instrument:1001", "expiry")
        client.hset("instrument:1299", "note", "by hand")
        client.delete("instrument:1300", "instrument:1301", "instrument:1302")
        client.set("instrument:1301", "a string")
        client.rpush("instrument:1302", "a", "list")
        client.hset("instrument:1599", mapping={"tradingsymbol": "X" * 200, "more": "Y"})

    outcome = export(RedisHashes(redis_url, warehouse.connection))

    assert contents(redis_url) == published(warehouse, 1)
    assert (outcome.plan.added, outcome.plan.changed, outcome.plan.removed) == (1, 6, 0)
    assert outcome.plan.samples == {
        "added": ("instrument:1300: 'NIFTY26AUG1300CE'",),
        "changed": (
            "instrument:1000: lot_size '75' -> '65'",
            "instrument:1001: expiry none -> '2026-08-25'",
            "instrument:1299: note 'by hand' -> none",
            "instrument:1301: not a hash",
            "instrument:1302: not a hash",
        ),
    }


def test_hashes_that_another_program_wrote_in_another_order_are_right(
    warehouse: Warehouse, redis_url: str
) -> None:
    warehouse.publish(1, many(range(1000, 1600)))
    with redis.Redis.from_url(redis_url) as client:
        for token, hash_ in warehouse.rows.items():
            client.hset(f"instrument:{token}", mapping={name: hash_[name] for name in FIELDS})

    outcome = export(RedisHashes(redis_url, warehouse.connection))

    assert (outcome.plan.added, outcome.plan.changed, outcome.plan.removed) == (0, 0, 0)
    assert outcome.plan.upkeep == 1
    assert outcome.plan.note == "Redis has no marker of a publication: every key was compared"
    assert contents(redis_url) == published(warehouse, 1)


def test_hostile_text_arrives_byte_for_byte(warehouse: Warehouse, redis_url: str) -> None:
    texts = [
        "", " ", "a\tb", "a\nb", "a\r\nb", "back\\slash", "\\N", "\\t", "'; drop table x; --",
        "$5\r\nNIFTY\r\n", "é ₹ 漢字 🙂", "\x01\x1f\x7f", "x" * 10_240, '"quoted"', "\b\f\v",
    ]  # fmt: skip
    rows = {n: option(n, tradingsymbol=t, name=t, segment=t) for n, t in enumerate(texts, 1000)}
    warehouse.publish(1, rows)

    export(RedisHashes(redis_url, warehouse.connection))

    assert contents(redis_url) == published(warehouse, 1)
    assert export(RedisHashes(redis_url, warehouse.connection)).status == "unchanged"


def test_a_flushed_redis_is_refilled_in_full(warehouse: Warehouse, redis_url: str) -> None:
    warehouse.publish(1, many(range(1000, 1600)))
    export(RedisHashes(redis_url, warehouse.connection))
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()

    outcome = export(RedisHashes(redis_url, warehouse.connection))

    assert outcome.plan.added == 600
    assert contents(redis_url) == published(warehouse, 1)


def test_a_redis_flushed_but_for_its_marker_is_refilled_in_full(
    warehouse: Warehouse, redis_url: str
) -> None:
    warehouse.publish(1, many(range(1000, 1600)))
    export(RedisHashes(redis_url, warehouse.connection))
    with redis.Redis.from_url(redis_url) as client:
        client.delete(*client.keys("instrument:*"))

    assert export(RedisHashes(redis_url, warehouse.connection)).plan.added == 600
    assert contents(redis_url) == published(warehouse, 1)


@pytest.mark.parametrize("kind", ["foreign", "missing", "a string", "cut off"])
def test_a_marker_that_is_not_ours_is_replaced(
    warehouse: Warehouse, redis_url: str, kind: str
) -> None:
    warehouse.publish(1, many(range(1000, 1010)))
    export(RedisHashes(redis_url, warehouse.connection))
    with redis.Redis.from_url(redis_url) as client:
        if kind == "foreign":
            client.hset("instruments:publication", "fingerprint", "of another warehouse")
            client.hset("instruments:publication", "more", "fields")
        elif kind == "cut off":
            client.hset("instruments:publication", "state", "writing")
        else:
            client.delete("instruments:publication")
        if kind == "a string":
            client.set("instruments:publication", "7")

    outcome = export(RedisHashes(redis_url, warehouse.connection))

    assert (outcome.status, outcome.plan.upkeep) == ("complete", 1)
    assert contents(redis_url) == published(warehouse, 1)


def test_keys_expire_only_when_asked_and_each_export_puts_it_off(
    warehouse: Warehouse, redis_url: str
) -> None:
    warehouse.publish(1, many(range(1000, 1300)))
    with redis.Redis.from_url(redis_url) as client:

        def lives() -> set[int]:
            return {client.ttl(key) for key in client.scan_iter(count=1000)}

        export(RedisHashes(redis_url, warehouse.connection, 5000))
        assert lives() <= {4999, 5000}

        outcome = export(RedisHashes(redis_url, warehouse.connection, 9000))
        assert lives() <= {8999, 9000}
        assert (outcome.plan.changed, outcome.plan.upkeep) == (0, 300)

        warehouse.publish(2, {**many(range(1001, 1301)), 1100: option(1100, name="GAIL")})
        export(RedisHashes(redis_url, warehouse.connection, 7000))
        assert lives() <= {6999, 7000}

        client.persist("instrument:1005")
        outcome = export(RedisHashes(redis_url, warehouse.connection))
        assert lives() == {-1}
        assert outcome.plan.upkeep == 300

    assert export(RedisHashes(redis_url, warehouse.connection)).status == "unchanged"
    assert contents(redis_url) == published(warehouse, 2)


@pytest.mark.parametrize("ttl", [0, -1])
def test_a_time_to_live_is_positive(warehouse: Warehouse, redis_url: str, ttl: int) -> None:
    with pytest.raises(ValueError, match="expected a positive number"):
        RedisHashes(redis_url, warehouse.connection, ttl)


def test_a_dry_run_writes_nothing(warehouse: Warehouse, redis_url: str) -> None:
    warehouse.publish(1, many(range(1000, 1010)))

    outcome = export(RedisHashes(redis_url, warehouse.connection), dry_run=True)

    assert (outcome.status, outcome.plan.added) == ("planned", 10)
    assert contents(redis_url) == {}


def test_an_empty_publication_is_refused(warehouse: Warehouse, redis_url: str) -> None:
    warehouse.publish(1, many(range(1000, 1010)))
    export(RedisHashes(redis_url, warehouse.connection))
    warehouse.publish(2, {})

    with pytest.raises(DestinationRefused, match="No instruments are published"):
        export(RedisHashes(redis_url, warehouse.connection))
    assert len(contents(redis_url)) == 11

    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    with pytest.raises(DestinationRefused, match="No instruments are published"):
        export(RedisHashes(redis_url, warehouse.connection))


def test_a_database_without_a_publication_is_refused(warehouse: Warehouse, redis_url: str) -> None:
    with pytest.raises(DestinationRefused, match="Nothing has been published"):
        export(RedisHashes(redis_url, warehouse.connection))


def test_a_connection_in_a_transaction_is_refused(warehouse: Warehouse, redis_url: str) -> None:
    warehouse.publish(1, many(range(1000, 1010)))
    warehouse.connection.execute("select 1")
    with pytest.raises(ValueError, match="without an open transaction"):
        RedisHashes(redis_url, warehouse.connection).plan()


def test_a_publication_between_plan_and_apply_stops_the_first_fill(
    warehouse: Warehouse, redis_url: str
) -> None:
    warehouse.publish(1, many(range(1000, 1010)))
    destination = RedisHashes(redis_url, warehouse.connection)
    plan = destination.plan()
    warehouse.publish(2, many(range(1000, 1011)))

    with pytest.raises(DestinationUnavailable, match="Publication 2 took the place of 1"):
        destination.apply(plan)
    assert contents(redis_url) == {}


@pytest.mark.parametrize("state", ["filled", "empty"])
def test_another_export_between_plan_and_apply_is_not_overwritten(
    warehouse: Warehouse, redis_url: str, state: str
) -> None:
    warehouse.publish(1, many(range(1000, 1010)))
    if state == "filled":
        export(RedisHashes(redis_url, warehouse.connection))
        warehouse.publish(2, many(range(1000, 1011)))
    destination = RedisHashes(redis_url, warehouse.connection)
    plan = destination.plan()
    export(RedisHashes(redis_url, warehouse.connection))
    with redis.Redis.from_url(redis_url) as client:
        client.hset("instrument:1000", "name", "newer")
    before = contents(redis_url)

    with pytest.raises(DestinationUnavailable, match="Another export wrote"):
        destination.apply(plan)
    assert contents(redis_url) == before


def test_verify_tells_what_differs(warehouse: Warehouse, redis_url: str) -> None:
    warehouse.publish(1, many(range(1000, 1010)))
    export(RedisHashes(redis_url, warehouse.connection))
    warehouse.publish(2, many(range(1001, 1010)))
    destination = RedisHashes(redis_url, warehouse.connection)
    destination.apply(destination.plan())
    destination.verify()
    with redis.Redis.from_url(redis_url) as client:
        client.set("instrument:1000", "back again")
        client.delete("instrument:1001")
        client.hset("instrument:1002", "name", "GAIL")
        client.delete("instruments:publication")

    with pytest.raises(VerificationError) as caught:
        destination.verify()

    message = str(caught.value)
    assert "lacks 1 keys, holds 1 with other values and 1 too many" in message
    assert "the marker instruments:publication is another" in message
    assert "instrument:1002: name 'GAIL' -> 'NIFTY'" in message

    with pytest.raises(VerificationError, match="lacks 1 keys, holds 1 with other values and 1"):
        RedisHashes(redis_url, warehouse.connection).verify()


def test_a_reader_sees_the_old_publication_or_the_new_one(
    warehouse: Warehouse, redis_url: str
) -> None:
    warehouse.publish(1, many(range(1, 20_001)))
    export(RedisHashes(redis_url, warehouse.connection))
    warehouse.publish(2, {n: option(n, name="GAIL") for n in range(10_001, 30_001)})
    destination = RedisHashes(redis_url, warehouse.connection)
    plan = destination.plan()
    seen: set[tuple[int, str, str, bool]] = set()
    is_reading, is_done = threading.Event(), threading.Event()

    def read() -> None:
        with redis.Redis.from_url(redis_url, decode_responses=True) as client:
            while not is_done.is_set():
                with client.pipeline(transaction=True) as pipeline:
                    pipeline.dbsize().hget("instruments:publication", "publication")
                    pipeline.hget("instrument:15000", "name").exists("instrument:1")
                    count, number, name, is_there = pipeline.execute()
                seen.add((count, number, name, bool(is_there)))
                is_reading.set()

    reader = threading.Thread(target=read)
    reader.start()
    try:
        assert is_reading.wait(10)
        destination.apply(plan)
    finally:
        is_done.set()
        reader.join(10)

    assert seen <= {(20_001, "1", "NIFTY", True), (20_001, "2", "GAIL", False)}
    destination.verify()
