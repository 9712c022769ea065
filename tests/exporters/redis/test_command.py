from __future__ import annotations

import subprocess
import sys

import pytest

from tests.exporters.redis.published_rows import Warehouse, contents, many, published


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "exporters.redis", *arguments],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def test_the_exporter_runs_alone(warehouse: Warehouse, redis_url: str) -> None:
    warehouse.publish(1, many(range(1000, 1010)))
    places = ("--database-url", warehouse.dsn, "--redis-url", redis_url)

    dry = run(*places, "--dry-run")
    assert (dry.returncode, dry.stderr) == (0, "")
    assert dry.stdout.startswith("redis: planned, 10 added, 0 changed, 0 removed, ")
    assert contents(redis_url) == {}

    done = run(*places)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("redis: complete, 10 added, 0 changed, 0 removed, ")
    assert contents(redis_url) == published(warehouse, 1)


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("--redis-url", "redis://127.0.0.1:1"), 2, "--database-url or DATABASE_URL is needed"),
        (("--database-url", "{dsn}"), 2, "--redis-url or REDIS_URL is needed"),
        (("--database-url", "{dsn}", "--ttl-seconds", "0"), 2, "not a positive number"),
        (("--database-url", "postgresql://u:hunter2@127.0.0.1:1/x"), 3, "PostgreSQL is out of"),
        (("--database-url", "host='hunter2"), 2, "--database-url cannot be understood"),
        (
            ("--database-url", "{dsn}", "--redis-url", "redis://:hunter2@127.0.0.1:1"),
            3,
            "out of reach",
        ),
        (("--database-url", "{dsn}", "--redis-url", "http://hunter2"), 5, "cannot be understood"),
    ],
)
def test_what_goes_wrong_is_one_paragraph_and_an_exit_code(
    warehouse: Warehouse, arguments: tuple[str, ...], code: int, told: str
) -> None:
    warehouse.publish(1, many(range(1000, 1010)))

    done = run(*(argument.format(dsn=warehouse.dsn) for argument in arguments))

    assert done.returncode == code
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert "hunter2" not in done.stderr
