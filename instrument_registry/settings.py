"""What the environment says to the registry.

DATABASE_URL             where publications are read; else the warehouse's own, if it runs
REGISTRY_SNAPSHOT_FILE   the local copy; else registry.snapshot below WAREHOUSE_HOME (.warehouse)
REDIS_URL                where Kite's instruments are read if neither is to be had
REGISTRY_MAX_AGE_HOURS   how old a publication may be: a number (120), or `unlimited`
REGISTRY_CONFIG_FILE     a JSON file with feature flags; REGISTRY_USE_... beat it (see `flags`)
REGISTRY_SLOW_LOOKUP_MS  a lookup that takes as long is logged: milliseconds (10), or `off`
REGISTRY_STATS_DIR       a folder where each process leaves what it counted when it ends
REGISTRY_ALERT_WEBHOOK   and others of the monitor: see `sync.settings`
ENV_FILE                 the file with the line INSTRUMENTS (.env)
AS_OF                    the day that counts as today, when an old one is replayed
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from instrument_registry.errors import SettingRefused, shown
from instrument_registry.sources import embedded

DEFAULT_MAX_AGE_HOURS: Final = 120.0
"""Five days: the longest run of market holidays and a weekend."""
DEFAULT_SLOW_LOOKUP_MS: Final = 10.0
"""A lookup takes microseconds: who waits this long waited for something else."""
SNAPSHOT_NAME: Final = "registry.snapshot"


@dataclass(frozen=True, slots=True)
class RegistrySettings:
    """Where to look, and how old what is found may be.

    Attributes:
        home: the warehouse's folder; its own PostgreSQL and Redis are looked for in it.
        given_database_url: None if it is not set.
        snapshot_file: the local copy; it need not exist.
        given_redis_url: None if it is not set.
        max_age_seconds: None for any age.
        config_file: flags; None if it is not set.
        env_file: where the line INSTRUMENTS stands.
        as_of: the day that counts as today; None for today.
        environment: everything, for the flags.
        slow_lookup_ms: lookups that take this long are logged; None for none.
        stats_folder: where processes leave what they counted; None if it is not set.
    """

    home: Path
    given_database_url: str | None
    snapshot_file: Path
    given_redis_url: str | None
    max_age_seconds: float | None
    config_file: Path | None
    env_file: Path
    as_of: date | None
    environment: Mapping[str, str]
    slow_lookup_ms: float | None = DEFAULT_SLOW_LOOKUP_MS
    stats_folder: Path | None = None

    @property
    def database_url(self) -> str | None:
        """Where the database is now: the one that is set, else the warehouse's own, if it runs."""
        return self.given_database_url or embedded.postgres_url(self.home)

    @property
    def redis_url(self) -> str | None:
        """Where Redis is now: the one that is set, else the warehouse's own, if it runs."""
        return self.given_redis_url or embedded.redis_url(self.home)

    @property
    def no_database(self) -> str:
        """Why there is no database, in words."""
        return (
            "DATABASE_URL is not set, and no PostgreSQL of the warehouse runs under "
            f"{self.home} (`warehouse up` starts it)"
        )

    @property
    def no_redis(self) -> str:
        """Why there is no Redis, in words."""
        return f"REDIS_URL is not set, and no Redis of the warehouse runs under {self.home}"

    def __repr__(self) -> str:
        # URLs hold passwords, the environment worse.
        return f"<RegistrySettings snapshot_file={self.snapshot_file}>"


def read_settings(environment: Mapping[str, str] | None = None) -> RegistrySettings:
    """The settings of an environment, this process's if none is given.

    Raises:
        SettingRefused: a value that cannot be read.
    """
    said = os.environ if environment is None else environment
    home = Path(said.get("WAREHOUSE_HOME") or ".warehouse").expanduser()
    snapshot = said.get("REGISTRY_SNAPSHOT_FILE")
    config = said.get("REGISTRY_CONFIG_FILE")
    stats = said.get("REGISTRY_STATS_DIR")
    max_age_hours = _above_zero(
        "REGISTRY_MAX_AGE_HOURS",
        said.get("REGISTRY_MAX_AGE_HOURS", ""),
        default=DEFAULT_MAX_AGE_HOURS,
        unless="unlimited",
    )
    return RegistrySettings(
        home=home,
        given_database_url=said.get("DATABASE_URL") or None,
        snapshot_file=Path(snapshot).expanduser() if snapshot else home / SNAPSHOT_NAME,
        given_redis_url=said.get("REDIS_URL") or None,
        max_age_seconds=None if max_age_hours is None else max_age_hours * 3600,
        config_file=Path(config).expanduser() if config else None,
        env_file=Path(said.get("ENV_FILE") or ".env").expanduser(),
        as_of=_as_of(said.get("AS_OF", "")),
        environment=said,
        slow_lookup_ms=_above_zero(
            "REGISTRY_SLOW_LOOKUP_MS",
            said.get("REGISTRY_SLOW_LOOKUP_MS", ""),
            default=DEFAULT_SLOW_LOOKUP_MS,
            unless="off",
        ),
        stats_folder=Path(stats).expanduser() if stats else None,
    )


def _above_zero(name: str, text: str, *, default: float, unless: str) -> float | None:
    """A number above 0; None if the word that takes the limit away is said."""
    said = text.strip().lower()
    if said == unless:
        return None
    try:
        limit = float(said) if said else default
    except ValueError:
        limit = math.nan
    if not 0 < limit < math.inf:
        raise SettingRefused(f"{name} is {shown(text)}; expected a number above 0 or `{unless}`")
    return limit


def _as_of(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise SettingRefused(f"AS_OF is {shown(text)}; expected YYYY-MM-DD") from None
