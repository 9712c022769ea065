"""Settings: the environment first, then the `.env` file of the working folder, then defaults.

`.env.example` lists every one of them; a test holds the two together.
"""

from __future__ import annotations

import difflib
import os
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from warehouse.errors import UsageError

PROJECT_ROOT = Path(__file__).resolve().parents[1]
DBT_PROJECT = PROJECT_ROOT / "dbt_project"

REDIS_SCHEMES = ("redis", "rediss", "unix", "redis+cluster", "rediss+cluster")
# Rupees; what no underlying ever costs is a slip of the keyboard.
HIGHEST_PRICE = Decimal(10) ** 9
POSTGRES_SCHEMES = ("postgresql", "postgres")

# What the settings of ours begin with that nobody else's do: a name that begins so and is none of
# them is a typing error.
OUR_PREFIXES = ("GATE_", "FETCH_", "LANDING_KEEP_", "REPORTS_KEEP_", "ROLLBACK_KEEP_")
DOTENV = ".env"

Ratio = Annotated[float, Field(ge=0, le=1)]
Read = TypeVar("Read", bound=BaseSettings)


class Settings(BaseSettings):
    """Everything that can be set, with its default.

    Paths are relative to the working folder. Prices are rupees, times are seconds.
    """

    model_config = SettingsConfigDict(env_file=DOTENV, extra="ignore", env_ignore_empty=True)

    database_url: SecretStr | None = None
    backfill_database_url: SecretStr | None = None
    redis_url: SecretStr | None = None
    env_file: Path = Path(".env")
    warehouse_home: Path = Path(".warehouse")
    token_lookup_file: Path | None = None
    focus_instruments_file: Path | None = None
    canonical_instruments_file: Path | None = None
    registry_snapshot_file: Path | None = None

    as_of: date | None = None
    feeds: Annotated[tuple[str, ...], NoDecode] = ("kite",)
    fetch_connect_timeout_seconds: Annotated[float, Field(gt=0)] = 10
    fetch_read_timeout_seconds: Annotated[float, Field(gt=0)] = 30
    fetch_total_timeout_seconds: Annotated[float, Field(gt=0)] = 300
    fetch_attempts: Annotated[int, Field(ge=1, le=20)] = 4
    fetch_max_bytes: Annotated[int, Field(gt=0)] = 512 * 1024 * 1024
    landing_keep_days: Annotated[int, Field(ge=1)] = 30
    reports_keep_days: Annotated[int, Field(ge=1)] = 30
    rollback_keep_publications: Annotated[int, Field(ge=2)] = 30
    redis_ttl_seconds: Annotated[int, Field(gt=0)] | None = None

    reference_prices: Annotated[dict[str, Decimal], NoDecode] = Field(default_factory=dict)

    gate_rows_block_ratio: Ratio = 0.80
    gate_rows_warn_ratio: Ratio = 0.95
    gate_rows_growth_ratio: Annotated[float, Field(ge=1)] = 1.5
    gate_rows_compared_min: Annotated[int, Field(ge=1)] = 50
    gate_rejected_max_ratio: Ratio = 0.001
    gate_feed_stale_days: Annotated[int, Field(ge=0)] = 3
    gate_feed_conflicts_max_ratio: Ratio = 0.01
    gate_feed_matched_min_ratio: Ratio = 0.50
    gate_feed_coverage_max_fall: Ratio = 0.05
    gate_feed_churn_match_max_ratio: Ratio = 0.02
    gate_feed_required_exchanges: Annotated[tuple[str, ...], NoDecode] = ("NSE", "NFO")
    gate_churn_max_ratio: Ratio = 0.25
    gate_churn_listed_max_ratio: Annotated[float, Field(ge=0)] = 0.50
    gate_churn_identity_max_ratio: Ratio = 0.02
    gate_expired_max_ratio: Ratio = 0.20
    gate_nifty_expiry_days: Annotated[int, Field(ge=1)] = 10
    gate_focus_expiries_min: Annotated[int, Field(ge=1)] = 2
    gate_expiry_moved_days: Annotated[int, Field(ge=0)] = 4
    gate_subscriptions_max: Annotated[int, Field(ge=1)] = 9000
    gate_subscriptions_warn: Annotated[int, Field(ge=1)] = 3000
    gate_required_exchanges: Annotated[tuple[str, ...], NoDecode] = ("NSE", "BSE", "NFO", "BFO")
    gate_required_segments: Annotated[tuple[str, ...], NoDecode] = (
        "NSE",
        "INDICES",
        "BSE",
        "NFO-FUT",
        "NFO-OPT",
        "BFO-FUT",
        "BFO-OPT",
    )

    @field_validator("reference_prices", mode="before")
    @classmethod
    def _prices(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        prices: dict[str, Decimal] = {}
        for part in filter(None, (piece.strip() for piece in value.split(","))):
            name, separator, price = part.partition("=")
            try:
                amount = Decimal(price.strip())
            except InvalidOperation:
                amount = Decimal(0)
            is_price = amount.is_finite() and 0 < amount < HIGHEST_PRICE
            if not separator or not name.strip() or not is_price:
                raise ValueError(f"{part!r} is not NAME=price, as in NIFTY=24500.5")
            prices[name.strip()] = amount
        return prices

    @field_validator(
        "feeds",
        "gate_feed_required_exchanges",
        "gate_required_exchanges",
        "gate_required_segments",
        mode="before",
    )
    @classmethod
    def _names(cls, value: Any, info: Any) -> Any:
        if isinstance(value, str):
            names = tuple(filter(None, (piece.strip() for piece in value.split(","))))
            # An empty variable means unset, so that no exchange has to be said with a word.
            if not names:
                raise ValueError("no name is in it; leave it out for the default")
            return () if names == ("none",) and info.field_name != "feeds" else names
        return value

    @field_validator("database_url", "backfill_database_url", "redis_url")
    @classmethod
    def _known_scheme(cls, value: SecretStr | None, info: Any) -> SecretStr | None:
        if value is None:
            return None
        known = REDIS_SCHEMES if info.field_name == "redis_url" else POSTGRES_SCHEMES
        url = value.get_secret_value()
        if url.partition("://")[0].lower() not in known:
            raise ValueError(f"a URL must begin with {', '.join(f'{k}://' for k in known)}")
        if info.field_name == "redis_url" and not _is_readable(url):
            raise ValueError(
                "it cannot be read as a URL; percent-encode special characters in its user and "
                "password"
            )
        return value

    @property
    def home(self) -> Path:
        """The folder of the embedded servers, archived dumps, reports and logs, absolute."""
        return self.warehouse_home.expanduser().absolute()

    @property
    def landing(self) -> Path:
        """Where downloaded dumps are archived."""
        return self.home / "landing"

    @property
    def reports(self) -> Path:
        """One folder a run."""
        return self.home / "reports"

    @property
    def logs(self) -> Path:
        """Where each run's log goes."""
        return self.home / "logs"

    @property
    def token_lookup_path(self) -> Path:
        """Where `token_lookup_enriched.json` is written."""
        return (self.token_lookup_file or self.home / "files/token_lookup_enriched.json").absolute()

    @property
    def focus_instruments_path(self) -> Path:
        """Where `focus_instruments.json` is written."""
        return (
            self.focus_instruments_file or self.home / "files/focus_instruments.json"
        ).absolute()

    @property
    def canonical_instruments_path(self) -> Path:
        """Where `canonical_instruments.yaml` is written, when there are several feeds."""
        return (
            self.canonical_instruments_file or self.home / "files/canonical_instruments.yaml"
        ).absolute()

    @property
    def registry_snapshot_path(self) -> Path:
        """Where the registry's snapshot is written, and where the registry looks for it."""
        found = self.registry_snapshot_file or self.home / "registry.snapshot"
        return found.expanduser().absolute()


class FeedSettings(BaseSettings):
    """Where one feed's dump comes from: `<FEED>_SOURCE` and so on, the same for every broker."""

    model_config = SettingsConfigDict(env_file=DOTENV, extra="ignore", env_ignore_empty=True)

    source: str | None = None
    instruments_url: str | None = None
    authorization: SecretStr | None = None


def read_feed_settings(feed: str) -> FeedSettings:
    """Read the settings that begin with a feed's name.

    Raises:
        UsageError: as `read_settings`.
    """
    return _read(FeedSettings, _env_prefix=f"{feed}_")


def read_settings(**overrides: object) -> Settings:
    """Read the settings; options of the command line beat the environment.

    Raises:
        UsageError: naming the setting, what it holds and what it should be (never a secret); or
            the `.env` file, which is not text or may not be read.
    """
    return _read(
        Settings, **{name: value for name, value in overrides.items() if value is not None}
    )


def _read(kind: type[Read], **given: object) -> Read:
    try:
        return kind(**given)  # type: ignore[arg-type]  # pydantic checks the values
    except ValidationError as error:
        raise UsageError(_told(error)) from None
    except (UnicodeDecodeError, OSError) as error:
        # The working folder's `.env` is mostly other people's.
        raise UsageError(
            f"{Path(DOTENV).absolute()} cannot be read: {_seen(error)}. Nothing was started; "
            f"consumers keep what they have."
        ) from None


def _seen(error: UnicodeDecodeError | OSError) -> str:
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    line = error.object.count(b"\n", 0, error.start) + 1
    return f"line {line} is not UTF-8 (byte 0x{error.object[error.start]:02x}): save it as UTF-8"


def misspelt_settings() -> tuple[str, ...]:
    """A sentence for each name that looks like a setting of the warehouse and is none.

    For after `read_settings`, which finds out whether `.env` can be read.
    """
    known = [name.upper() for name in Settings.model_fields]
    in_file = dotenv_values(DOTENV, interpolate=False)
    given = {name.upper() for name in (*os.environ, *in_file)}
    unknown = sorted(name for name in given - set(known) if name.startswith(OUR_PREFIXES))
    return tuple(f"{name} is no setting and has no effect{_near(name, known)}." for name in unknown)


def _near(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, 1, 0.8)
    return f" (did you mean {near[0]}?)" if near else " (.env.example lists them all)"


def _is_readable(url: str) -> bool:
    """Whether no piece of a password stands where the URL's path or options should be."""
    try:
        parts = urlsplit(url)  # what it raises quotes the URL
    except ValueError:
        return False
    if parts.scheme == "unix":
        return True
    is_query = "@" not in parts.query or "=" in parts.query.partition("@")[0]
    return "@" not in parts.path and "@" not in parts.fragment and is_query


def _told(error: ValidationError) -> str:
    lines = []
    for problem in error.errors(include_url=False):
        name = ".".join(str(part) for part in problem["loc"]).upper()
        seen = problem["input"]
        is_secret = name in {"DATABASE_URL", "BACKFILL_DATABASE_URL", "REDIS_URL"}
        shown = "" if is_secret else f" (it is {str(seen)[:80]!r})"
        lines.append(f"{name}: {problem['msg'].removeprefix('Value error, ')}{shown}")
    return f"{'; '.join(lines)}. Set it in the environment or in .env; see .env.example."
