"""`make bench`: speed and memory of a sync, as ratios within one run on one machine.

Every ratio is against something that ran a moment before on the same servers: the row-at-a-time
scripts, a bare COPY, `redis-cli --pipe`. Absolute seconds are printed for orientation only.

    python -m benchmarks [--only PART] [--repeat N]        parts: README.md of this folder
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from benchmarks import dumps, history, landing, redis_export, registry
from benchmarks.measure import Measured, run
from benchmarks.servers import Servers, servers

MEGABYTE = 1e6
GROWTH_ROWS = (125_000, 500_000, 1_000_000)


class Table:
    """Lines of: what, ratio, limit, seconds."""

    def __init__(self) -> None:
        self.is_kept = True

    def line(self, what: str, value: float, limit: float, told: str) -> None:
        """Print one figure beside its limit."""
        kept = value <= limit
        self.is_kept &= kept
        mark = "ok  " if kept else "OVER"
        print(f"  {mark} {what:<44} {value:8.3f}  (at most {limit:g})  {told}", flush=True)

    def note(self, text: str) -> None:
        """Print a heading."""
        print(f"\n{text}", flush=True)


@dataclass(frozen=True, slots=True)
class _Day:
    """One of the syncs that are measured, and its limit as a share of the baseline's."""

    name: str
    what: str
    limit: float
    dump: Path
    as_of: date


class SyncBench:
    """Cold, next-day and repeated syncs, each in a process of its own."""

    def __init__(self, server: Servers, folder: Path) -> None:
        self.server = server
        self.folder = folder

    def environment(self, database: str, home: Path) -> dict[str, str]:
        """What the sync is told; nothing of the caller's own settings."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        return {
            **kept,
            "DATABASE_URL": database,
            "REDIS_URL": self.server.redis_url,
            "WAREHOUSE_HOME": str(home),
            "ENV_FILE": str(home / "ingestion.env"),
        }

    def baseline(self, dump: Path) -> float:
        """The row-at-a-time sync into the servers as they are, in seconds."""
        self.server.rest()
        database = self.server.database("baseline")
        arguments = ["-m", "benchmarks.row_at_a_time", str(dump), database]
        arguments += [self.server.redis_url, str(self.folder / "baseline.env")]
        return run(arguments, self.environment(database, self.folder), self._project()).seconds

    def sync(
        self,
        home: Path,
        dump: Path,
        as_of: str,
        *,
        watch_memory: bool = False,
        brokers: Mapping[str, Path] | None = None,
    ) -> Measured:
        """One sync as cron would start it, of Kite alone or with the dumps of other brokers."""
        self.server.rest()
        environment = self.environment(self.server.database("warehouse_bench"), home)
        arguments = ["-m", "warehouse", "sync", "--source", str(dump), "--as-of", as_of]
        if brokers:
            environment["FEEDS"] = ",".join(("kite", *brokers))
            environment |= {f"{name.upper()}_SOURCE": str(path) for name, path in brokers.items()}
            for rule in dumps.ACCEPTED:
                arguments += ["--accept", f"{rule}=the dumps are of days months apart"]
        return run(arguments, environment, self._project(), watch_memory=watch_memory)

    def _project(self) -> Path:
        return Path(__file__).resolve().parents[1]

    def measure(self, table: Table, dump: Path, repeat: int) -> None:
        """All three against the baseline, the median of `repeat` rounds."""
        table.note(f"Sync of {dump.name}, whole processes, against the row-at-a-time sync")
        tomorrow = self.folder / "next_day.csv.gz"
        share = dumps.next_day(dump, tomorrow)
        days = (
            _Day("cold", "first publication, cold process", 0.30, dump, dumps.AS_OF),
            _Day("next", f"next day, {share:.1%} changed", 0.22, tomorrow, dumps.NEXT_DAY),
            _Day("again", "the same dump again", 0.06, tomorrow, dumps.NEXT_DAY),
        )
        home = self.folder / "home"
        # Once before counting, so that dbt's parsed project is on disk.
        self.server.fresh("warehouse_bench")
        very_first = self.sync(home, dump, dumps.AS_OF.isoformat())
        rounds: list[dict[str, tuple[float, float]]] = []
        for _ in range(repeat):
            self.server.fresh("baseline")
            base = {day.name: self.baseline(day.dump) for day in days}
            self.server.fresh("warehouse_bench")
            for written in (home / "files", home / "registry.snapshot", home / "ingestion.env"):
                _remove(written)
            done = {day.name: self.sync(home, day.dump, day.as_of.isoformat()) for day in days}
            rounds.append({name: (done[name].seconds, base[name]) for name in done})
        for day in days:
            print(_indented(done[day.name].output))
        print(f"       the very first sync of an installation took {very_first.seconds:.2f} s")
        for day in days:
            ours, theirs = (
                statistics.median(one[day.name][which] for one in rounds) for which in (0, 1)
            )
            ratio = statistics.median(one[day.name][0] / one[day.name][1] for one in rounds)
            told = f"{ours:.2f} s of {theirs:.2f} s, {repeat} rounds"
            table.line(day.what, ratio, day.limit, told)

    def memory(self, table: Table, dump: Path) -> None:
        """The peak of all processes of a cold sync, against 600 MB."""
        table.note("Memory, all processes of the sync together (servers apart)")
        self.server.fresh("warehouse_bench")
        done = self.sync(self.folder / "memory", dump, dumps.AS_OF.isoformat(), watch_memory=True)
        peak = done.peak_bytes / MEGABYTE
        table.line("first publication, MB of 600", peak / 600, 1.0, f"{peak:.0f} MB")

    def brokers(self, table: Table, dump: Path) -> None:
        """All four brokers' real dumps: seconds a landed row, and memory, against Kite alone."""
        table.note("Four brokers, against Kite alone")
        others = dumps.other_brokers()
        rows = {name: dumps.count_rows(path) for name, path in {"kite": dump, **others}.items()}
        later = {
            name: dumps.thinned(path, self.folder / f"later-{path.name}")
            for name, path in others.items()
        }
        tomorrow = self.folder / "next_day_of_all.csv.gz"
        dumps.next_day(dump, tomorrow)
        first, second = dumps.AS_OF.isoformat(), dumps.NEXT_DAY.isoformat()
        firsts, nexts, peaks = {}, {}, {}
        for what, today, then in (("kite", {}, {}), ("all", others, later)):
            home = self.folder / f"brokers-{what}"
            # It leaves dbt's parsed project behind; a run is timed or watched, not both.
            self.server.fresh("warehouse_bench")
            watched = self.sync(home, dump, first, brokers=today, watch_memory=True)
            peaks[what] = watched.peak_bytes / MEGABYTE
            self.server.fresh("warehouse_bench")
            firsts[what] = self.sync(home, dump, first, brokers=today).seconds
            nexts[what] = self.sync(home, tomorrow, second, brokers=then).seconds
        total = sum(rows.values())
        for what, seconds in (("first publication", firsts), ("next day", nexts)):
            ratio = seconds["all"] / total * rows["kite"] / seconds["kite"]
            told = f"{seconds['all']:.1f} s for {total:,} rows, "
            told += f"{seconds['kite']:.1f} s for {rows['kite']:,}"
            table.line(f"{what}, seconds a row", ratio, 1.0, told)
        told = f"{peaks['all']:.0f} MB, {peaks['kite']:.0f} MB for Kite"
        table.line("memory, MB of 600", peaks["all"] / 600, 1.0, told)

    def growth(self, table: Table) -> None:
        """Seconds a row at 125 k, 500 k and 1 M sample rows: linear means a flat ratio."""
        table.note("Growth: seconds a row against those at 125 k rows, first publications")
        costs = []
        for rows in GROWTH_ROWS:
            sample = self.folder / f"sample{rows}.csv"
            arguments = ["-m", "loader.sample", "--rows", str(rows), "--as-of"]
            arguments += [dumps.AS_OF.isoformat(), "--seed", "1", "--out", str(sample)]
            run(arguments, self.environment("", self.folder), self._project())
            self.server.fresh("warehouse_bench")
            done = self.sync(self.folder / f"growth{rows}", sample, dumps.AS_OF.isoformat())
            costs.append(done.seconds / rows)
            told = f"{done.seconds:.1f} s"
            table.line(f"{rows:,} rows", costs[-1] / costs[0], 1.1, told)
            sample.unlink()


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _indented(text: str) -> str:
    return "\n".join(f"      {line}" for line in text.splitlines())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmarks; 1 when a limit is passed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--only",
        choices=(
            "sync",
            "memory",
            "landing",
            "feeds",
            "brokers",
            "redis",
            "history",
            "registry",
            "growth",
        ),
    )
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args(arguments)
    if not dumps.REAL.exists():
        print(f"The real dump is not beside the checkout: {dumps.REAL}")
        return 2
    table = Table()
    with servers() as server, tempfile.TemporaryDirectory(prefix="iw-bench-") as name:
        bench = SyncBench(server, Path(name))
        parts: dict[str, Callable[[], None]] = {
            "sync": lambda: bench.measure(table, dumps.REAL, options.repeat),
            "memory": lambda: bench.memory(table, dumps.REAL),
            "landing": lambda: landing.measure(table, server, dumps.REAL, options.repeat),
            "feeds": lambda: landing.measure_feeds(table, server, options.repeat),
            "brokers": lambda: bench.brokers(table, dumps.REAL),
            "redis": lambda: redis_export.measure(table, server, dumps.REAL, options.repeat),
            "history": lambda: history.measure_all(table, server),
            "registry": lambda: registry.measure(table, server, dumps.REAL, options.repeat),
            "growth": lambda: bench.growth(table),
        }
        for part, measure in parts.items():
            if options.only in {None, part}:
                measure()
    return 0 if table.is_kept else 1


if __name__ == "__main__":
    raise SystemExit(main())
