"""The ledger of runs: `ops.sync_runs`, `ops.build_parameters`, `ops.acceptances`."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from warehouse.publications import PublishedFeed
from warehouse.run_lock import process_space


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
                run_id, command, status, stage, host, pid, process_space, started_at,
                backend_pid, backend_started_at
            )
            select %s, %s, 'running', 'start', %s, %s, %s, %s, pid, backend_start
            from pg_stat_activity
            where pid = pg_backend_pid()
            """,
            (run_id, command, socket.gethostname(), os.getpid(), process_space(), started_at),
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
        """Record for ever that an operator let a rule pass in this run, which may audit twice."""
        for rule, reason in accepted.items():
            self.connection.execute(
                """
                insert into ops.acceptances (run_id, rule, reason, accepted_by, accepted_at)
                values (%s, %s, %s, %s, %s)
                on conflict (run_id, rule) do nothing
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
