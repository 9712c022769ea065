"""`python -m loader`: fetch one dump and land it, nothing else.

Ends with one line on standard error and an exit code: 0 landed, 1 the dump was refused, 2 usage,
3 the broker, PostgreSQL or the disk is unavailable.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import psycopg

from loader.errors import LandingFailed, LoaderError
from loader.feeds import FEEDS, feed_named
from loader.fetch import FetchOptions, fetch
from loader.landing import ensure_schema, land
from loader.ledger import last_validator
from loader.source import parse_source


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    given = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO if given.verbose else logging.ERROR)
    try:
        _say(_run(given))
    except LoaderError as error:
        _say(f"error: {error}")
        return error.exit_code
    except KeyboardInterrupt:
        _say("stopped: nothing was landed")
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m loader", description="Fetch a broker's dump and land it in staging."
    )
    database = os.environ.get("DATABASE_URL")
    parser.add_argument("--feed", default="kite", help=f"one of: {', '.join(sorted(FEEDS))}")
    parser.add_argument(
        "--source",
        help="the feed's name (default), a path, an https:// URL, or, of kite, 'sample'",
    )
    parser.add_argument("--url", help="where the feed is downloaded from, instead of the broker")
    parser.add_argument(
        "--as-of", type=date.fromisoformat, required=True, help="the dump's trading day, YYYY-MM-DD"
    )
    parser.add_argument(
        "--database-url",
        default=database,
        required=database is None,
        help="the PostgreSQL to land in (DATABASE_URL)",
    )
    parser.add_argument(
        "--landing", type=Path, default=Path("landing"), help="where dumps are kept (%(default)s)"
    )
    parser.add_argument("--verbose", action="store_true", help="say what is tried again and why")
    return parser


def _run(given: argparse.Namespace) -> str:
    feed = feed_named(given.feed)
    feed = feed.with_url(given.url) if given.url else feed
    source = given.source or feed.name
    started_at = _now()
    shown = parse_source(source, feed).shown
    with _connect(given.database_url) as connection:
        known = last_validator(connection, feed.name, shown)
        dump = fetch(
            source,
            feed,
            as_of=given.as_of,
            landing=given.landing,
            options=FetchOptions(),
            known=known,
        )
        load = land(connection, dump, feed, as_of=given.as_of, started_at=started_at, now=_now)
    warnings = "".join(f"; warning: {warning}" for warning in load.warnings)
    return (
        f"landed {load.rows:,} rows of {dump.source} in staging.{feed.table} as load {load.load_id}"
        f"{warnings}"
    )


def _connect(database_url: str) -> psycopg.Connection:
    try:
        connection = psycopg.connect(database_url, connect_timeout=10)
        ensure_schema(connection)
    except psycopg.Error as error:
        reason = str(error).strip().partition("\n")[0]
        raise LandingFailed(
            f"PostgreSQL cannot be used: {reason}", expected="a server at --database-url"
        ) from None
    return connection


def _now() -> datetime:
    return datetime.now(UTC)


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    raise SystemExit(main())
