"""What the environment says to the synchronization monitor.

REGISTRY_ALERT_WEBHOOK         where trouble is posted as JSON: an http or https URL
REGISTRY_FOCUS_UNDERLYINGS     whose focus set: BANKNIFTY:NFO,NIFTY:NFO,SENSEX:BFO, as in the
                               warehouse's seed `focus_underlyings`
REGISTRY_SYNC_TIMEOUT_SECONDS  how long a re-export may take (900)
FOCUS_INSTRUMENTS_FILE, TOKEN_LOOKUP_FILE
                               the exported files, else in WAREHOUSE_HOME/files: the warehouse's
REFERENCE_PRICES               NIFTY=24500.5,...: the warehouse's; only asked where the database,
                               which has recorded them, cannot be (see `money`)
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from instrument_registry.errors import SettingRefused, shown
from instrument_registry.settings import RegistrySettings, read_settings
from instrument_registry.sync.focus_rule import FocusRule

DEFAULT_TIMEOUT_SECONDS: Final = 900.0


@dataclass(frozen=True, slots=True)
class MonitorSettings:
    """What is compared, and who is told.

    Attributes:
        registry: where publications are read.
        rule: whose focus set.
        focus_file: `focus_instruments.json`; it need not exist.
        token_lookup_file: `token_lookup_enriched.json`; it need not exist.
        reference_prices: by underlying, for want of recorded ones.
        webhook: None for none. It may hold a secret: never shown.
        timeout_seconds: how long a re-export may take.
    """

    registry: RegistrySettings
    rule: FocusRule
    focus_file: Path
    token_lookup_file: Path
    reference_prices: Mapping[str, Decimal]
    webhook: str | None = field(repr=False)
    timeout_seconds: float

    def database_url(self) -> str | None:
        """Where the database is now; None if there is none. A re-export may have started it."""
        return self.registry.database_url


def read_monitor_settings(registry: RegistrySettings | None = None) -> MonitorSettings:
    """The settings of an environment, this process's if none is given.

    Raises:
        SettingRefused: a value that cannot be read; never with a webhook's URL.
    """
    registry = registry or read_settings()
    said = registry.environment
    files = Path(said.get("WAREHOUSE_HOME") or ".warehouse").expanduser() / "files"
    return MonitorSettings(
        registry=registry,
        rule=_rule(said.get("REGISTRY_FOCUS_UNDERLYINGS", "")),
        focus_file=_path(said.get("FOCUS_INSTRUMENTS_FILE"), files / "focus_instruments.json"),
        token_lookup_file=_path(
            said.get("TOKEN_LOOKUP_FILE"), files / "token_lookup_enriched.json"
        ),
        reference_prices=dict(_prices(said.get("REFERENCE_PRICES", ""))),
        webhook=_webhook(said.get("REGISTRY_ALERT_WEBHOOK", "").strip()),
        timeout_seconds=_seconds(said.get("REGISTRY_SYNC_TIMEOUT_SECONDS", "")),
    )


def _path(said: str | None, default: Path) -> Path:
    return Path(said).expanduser() if said else default


def _pieces(text: str) -> Iterator[str]:
    return filter(None, (piece.strip() for piece in text.split(",")))


def _rule(text: str) -> FocusRule:
    found = []
    for piece in _pieces(text):
        underlying, _, exchange = (part.strip() for part in piece.partition(":"))
        if not underlying or not exchange or ":" in exchange:
            raise SettingRefused(
                f"REGISTRY_FOCUS_UNDERLYINGS has {shown(piece)}; expected UNDERLYING:EXCHANGE, as "
                "in NIFTY:NFO,SENSEX:BFO"
            )
        found.append((underlying, exchange))
    return FocusRule(tuple(sorted(set(found)))) if found else FocusRule()


def _prices(text: str) -> Iterator[tuple[str, Decimal]]:
    for piece in _pieces(text):
        name, _, said = (part.strip() for part in piece.partition("="))
        try:
            price = Decimal(said)
        except InvalidOperation:
            price = Decimal("nan")
        if not name or not price.is_finite() or price <= 0:
            raise SettingRefused(
                f"REFERENCE_PRICES has {shown(piece)}; expected NAME=price, as in NIFTY=24500.5"
            )
        yield name, price


def _webhook(url: str) -> str | None:
    if not url:
        return None
    try:
        parts = urlsplit(url)
        is_known = (
            parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
            and parts.username is None and url.isascii() and url.isprintable() and " " not in url
        )  # fmt: skip
    except ValueError:
        is_known = False
    if not is_known:
        raise SettingRefused(
            "REGISTRY_ALERT_WEBHOOK is no URL that can be posted to (it is not shown, for it may "
            "hold a secret); expected http://host/... or https://host/..., percent-encoded, and "
            "without a user"
        )
    return url


def _seconds(text: str) -> float:
    try:
        seconds = float(text) if text.strip() else DEFAULT_TIMEOUT_SECONDS
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise SettingRefused(
            f"REGISTRY_SYNC_TIMEOUT_SECONDS is {shown(text)}; expected a number above 0"
        )
    return seconds
