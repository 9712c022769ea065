"""The ledger of runs: `ops.sync_runs`, `ops.build_parameters`, `ops.acceptances`."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from loader.source import SAMPLE


@dataclass(frozen=True, slots=True)
class PublishedFeed:
    """What a publication was built from, of one feed."""

    load_id: int | None
    as_of_date: date
    is_stale: bool

    @property
    def told(self) -> str:
        """The day of its dump, and whether that is the last good one for want of a newer."""
        if self.load_id is None:
            return "none yet"
        return f"{self.as_of_date} (stale)" if self.is_stale else f"{self.as_of_date}"


@dataclass(frozen=True, slots=True)
class LastPublication:
    """What consumers see now."""

    publication_id: int
    published_at: datetime
    as_of_date: date
    filter: str
    fingerprint: str
    dump_sha256: str | None
    load_id: int | None
    rollback_of: int | None
    summary: Mapping[str, Any]
    source: str | None = None

    @property
    def is_sample(self) -> bool:
        """Whether its tokens are made up: it was built from the generated sample."""
        return self.source == SAMPLE

    @property
    def feeds(self) -> dict[str, PublishedFeed]:
        """What it was built from, by feed."""
        told = self.summary.get("feeds") or {}
        return {
            name: PublishedFeed(
                facts["load_id"], date.fromisoformat(facts["as_of_date"]), facts["is_stale"]
            )
            for name, facts in told.items()
        }

    @property
    def told_feeds(self) -> str:
        """Each feed with the day of its dump: `kite 2026-08-17, dhan 2026-08-14 (stale)`."""
        return ", ".join(f"{name} {feed.told}" for name, feed in self.feeds.items())

    @property
    def told(self) -> str:
        """One sentence for messages and reports."""
        origin = ", of the generated sample" if self.is_sample else ""
        origin += f", a rollback to {self.rollback_of}" if self.rollback_of else ""
        return (
            f"publication {self.publication_id} (as of {self.as_of_date}, filter {self.filter}"
            f"{origin}, published {self.published_at:%Y-%m-%d %H:%M:%S} UTC)"
        )

    def facts(self) -> dict[str, Any]:
        """What consumers see, as plain values."""
        return {
            "publication_id": self.publication_id,
            "as_of_date": self.as_of_date.isoformat(),
            "filter": self.filter,
            "source": self.source,
            "published_at": self.published_at.isoformat(),
        }


def last_publication(connection: psycopg.Connection) -> LastPublication | None:
    """The newest publication, or `None` before the first."""
    with connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(
            """
            select p.publication_id, p.published_at, p.as_of_date, p.filter, p.fingerprint,
                p.dump_sha256, p.load_id, p.rollback_of, p.summary, l.source
            from ops.publications as p
            left join ops.loads as l on l.load_id = p.load_id -- one to one
            order by p.publication_id desc
            limit 1
            """
        ).fetchone()
    return LastPublication(**row) if row else None


def content_of(connection: psycopg.Connection) -> int | None:
    """The publication whose content consumers see: of a rollback, what was put back."""
    row = connection.execute(
        """
        with recursive origin as (
            (
                select publication_id, rollback_of
                from ops.publications
                order by publication_id desc
                limit 1
            )
            union all
            select p.publication_id, p.rollback_of
            from origin as o
            inner join ops.publications as p on p.publication_id = o.rollback_of
        )

        select min(publication_id) from origin
        """
    ).fetchone()
    return row[0] if row else None


def believed_days(connection: psycopg.Connection) -> frozenset[date]:
    """The trading days that history holds now: not those that a rollback has taken back."""
    rows = connection.execute(
        """
        with recursive believed as (
            (
                select as_of_date, coalesce(rollback_of, publication_id - 1) as before
                from ops.publications
                order by publication_id desc
                limit 1
            )
            union all
            select p.as_of_date, coalesce(p.rollback_of, p.publication_id - 1)
            from believed as b
            inner join ops.publications as p on p.publication_id = b.before
        )

        select distinct as_of_date from believed
        """
    ).fetchall()
    return frozenset(day for (day,) in rows)


def told_to_consumers(publication: LastPublication | None) -> str:
    """What consumers see now, for an error message."""
    if publication is None:
        return "Nothing has been published yet"
    return f"Consumers still see {publication.told}"


def report_paths(
    connection: psycopg.Connection, publication_id: int | None = None
) -> tuple[str, ...]:
    """Where the reports of runs are, the last run's first; those of one publication, if asked."""
    rows = connection.execute(
        """
        select report_path
        from ops.sync_runs
        where
            report_path is not null
            and (%(publication_id)s::bigint is null or publication_id = %(publication_id)s)
        order by run_number desc
        """,
        {"publication_id": publication_id},
    ).fetchall()
    return tuple(path for (path,) in rows)


@dataclass(slots=True)
class Run:
    """One row of `ops.sync_runs`, written on a connection of its own (autocommit).

    Every change is committed at once, so that a run that dies leaves the stage it died in. The
    connection is the one that holds the run lock: the row names its session of the server.
    """

    connection: psycopg.Connection
    run_id: str

    @classmethod
    def start(
        cls, connection: psycopg.Connection, *, run_id: str, command: str, started_at: datetime
    ) -> Run:
        """Record a new run, and those that died without a word."""
        connection.execute(
            """
            update ops.sync_runs
            set status = 'died', finished_at = %s,
                error = 'the process ended without a word in stage ' || stage
            where status = 'running'
            """,
            (started_at,),
        )
        connection.execute(
            """
            insert into ops.sync_runs (
                run_id, command, status, stage, host, pid, started_at,
                backend_pid, backend_started_at
            )
            select %s, %s, 'running', 'start', %s, %s, %s, pid, backend_start
            from pg_stat_activity
            where pid = pg_backend_pid()
            """,
            (run_id, command, socket.gethostname(), os.getpid(), started_at),
        )
        return cls(connection, run_id)

    def update(self, **values: object) -> None:
        """Set columns of this run's row."""
        assignments = sql.SQL(", ").join(
            sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(name))
            for name in values
        )
        query = sql.SQL("update ops.sync_runs set {} where run_id = {}").format(
            assignments, sql.Placeholder("run_id")
        )
        wrapped = {
            name: Jsonb(value) if isinstance(value, dict) else value
            for name, value in values.items()
        }
        self.connection.execute(query, {**wrapped, "run_id": self.run_id})

    def report_path(self) -> str | None:
        """The audit's page, once there is one."""
        row = self.connection.execute(
            "select report_path from ops.sync_runs where run_id = %s", (self.run_id,)
        ).fetchone()
        return row[0] if row else None

    def accept(self, accepted: Mapping[str, str], *, at: datetime, by: str) -> None:
        """Record for ever that an operator let a rule pass in this run."""
        for rule, reason in accepted.items():
            self.connection.execute(
                """
                insert into ops.acceptances (run_id, rule, reason, accepted_by, accepted_at)
                values (%s, %s, %s, %s, %s)
                """,
                (self.run_id, rule, reason, by, at),
            )


@dataclass(frozen=True, slots=True)
class BuildParameters:
    """What one build is told."""

    load_id: int
    feed: str
    as_of_date: date
    filter: str
    filter_names: tuple[str, ...]
    reference_prices: Mapping[str, Decimal]
    feeds: Mapping[str, PublishedFeed]


def write_build_parameters(connection: psycopg.Connection, parameters: BuildParameters) -> None:
    """Replace the one row of `ops.build_parameters`, and those of `ops.build_feeds`."""
    # JSON numbers: the focus set takes no text for a price.
    prices = {name: float(price) for name, price in parameters.reference_prices.items()}
    with connection.transaction():
        connection.execute("delete from ops.build_parameters")
        connection.execute(
            """
            insert into ops.build_parameters (
                load_id, feed, as_of_date, filter, filter_names, reference_prices
            )
            values (%s, %s, %s, %s, %s, %s)
            """,
            (
                parameters.load_id,
                parameters.feed,
                parameters.as_of_date,
                parameters.filter,
                list(parameters.filter_names),
                Jsonb(prices),
            ),
        )
        connection.execute("delete from ops.build_feeds")
        for name, feed in parameters.feeds.items():
            connection.execute(
                "insert into ops.build_feeds (feed, load_id, as_of_date, is_stale)"
                " values (%s, %s, %s, %s)",
                (name, feed.load_id, feed.as_of_date, feed.is_stale),
            )
