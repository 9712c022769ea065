"""All rows of a real dump, formatted here a second time and compared field by field."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path

import pytest
import redis

from exporters.destination import export
from exporters.redis import RedisHashes
from tests.exporters.redis.published_rows import FIELDS, Hash, Warehouse

pytestmark = pytest.mark.real_dumps


def as_the_old_script_did(row: dict[str, str]) -> Hash:
    def price(text: str) -> str:
        number = float(text or 0)
        return str(number) if number else "0"

    numbers = {
        "strike": price(row["strike"]),
        "tick_size": price(row["tick_size"]),
        "lot_size": str(int(row["lot_size"] or 0)),
        "exchange_token": str(int(row["exchange_token"] or 0)),
    }
    return {name: row[name] for name in FIELDS} | numbers


def test_every_row_of_a_real_dump_arrives(
    warehouse: Warehouse, redis_url: str, kite_dump: Path
) -> None:
    with gzip.open(kite_dump) as packed, io.TextIOWrapper(packed, "utf-8", newline="") as text:
        lines = list(csv.DictReader(text))
    rows = {int(line["instrument_token"]): as_the_old_script_did(line) for line in lines}
    warehouse.publish(1, rows)

    export(RedisHashes(redis_url, warehouse.connection))

    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        keys = client.keys("instrument:*")
        with client.pipeline(transaction=False) as pipeline:
            for key in keys:
                pipeline.hgetall(key)
            hashes = pipeline.execute()
    found = {int(key.partition(":")[2]): hash_ for key, hash_ in zip(keys, hashes, strict=True)}
    assert len(found) == 125_581
    assert found == rows
    assert export(RedisHashes(redis_url, warehouse.connection)).status == "unchanged"
