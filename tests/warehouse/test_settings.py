from __future__ import annotations

import re
from dataclasses import fields
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from expectations.gate import Thresholds
from loader.feeds import FEEDS
from warehouse.audit import thresholds_of
from warehouse.errors import UsageError
from warehouse.settings import (
    OUR_PREFIXES,
    Settings,
    misspelt_settings,
    read_feed_settings,
    read_settings,
)
from warehouse.source import feeds_of


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_environment_beats_dotenv_beats_default(
    empty_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert read_settings().landing_keep_days == 30
    (empty_folder / ".env").write_text("LANDING_KEEP_DAYS=7\nINSTRUMENTS=1,2,3\nOTHER=x\n")
    assert read_settings().landing_keep_days == 7
    monkeypatch.setenv("LANDING_KEEP_DAYS", "9")
    assert read_settings().landing_keep_days == 9


def test_an_empty_variable_means_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "")
    monkeypatch.setenv("AS_OF", "")
    settings = read_settings()
    assert (settings.database_url, settings.as_of) == (None, None)


def test_values_are_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AS_OF", "2026-08-17")
    monkeypatch.setenv("REFERENCE_PRICES", "NIFTY=24500.5, BANKNIFTY=55100")
    monkeypatch.setenv("GATE_REQUIRED_EXCHANGES", "NFO, BFO")
    settings = read_settings()
    assert settings.as_of == date(2026, 8, 17)
    assert settings.reference_prices == {"NIFTY": Decimal("24500.5"), "BANKNIFTY": Decimal(55100)}
    assert settings.gate_required_exchanges == ("NFO", "BFO")


def test_none_is_the_word_for_no_exchange_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATE_FEED_REQUIRED_EXCHANGES", "")
    assert read_settings().gate_feed_required_exchanges == ("NSE", "NFO")
    monkeypatch.setenv("GATE_FEED_REQUIRED_EXCHANGES", "none")
    assert read_settings().gate_feed_required_exchanges == ()
    monkeypatch.setenv("FEEDS", "none")
    assert read_settings().feeds == ("none",)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("AS_OF", "17-08-2026", "AS_OF"),
        ("AS_OF", "yesterday", "'yesterday'"),
        ("REDIS_TTL_SECONDS", "0", "greater than 0"),
        ("REDIS_TTL_SECONDS", "soon", "'soon'"),
        ("GATE_ROWS_BLOCK_RATIO", "80", "less than or equal to 1"),
        ("REFERENCE_PRICES", "NIFTY:24500", "NAME=price"),
        ("REFERENCE_PRICES", "NIFTY=-1", "NAME=price"),
        ("REFERENCE_PRICES", "NIFTY=NaN", "NAME=price"),
        ("REFERENCE_PRICES", "NIFTY=1e30", "NAME=price"),
        ("GATE_REQUIRED_EXCHANGES", " ", "no name is in it"),
        ("GATE_REQUIRED_SEGMENTS", ",", "no name is in it"),
        ("GATE_FEED_REQUIRED_EXCHANGES", " , ", "no name is in it"),
        ("DATABASE_URL", "mysql://u:hunter2@h/d", "postgresql://"),
        ("REDIS_URL", "http://:hunter2@h", "rediss://"),
    ],
)
def test_a_wrong_value_is_one_clear_line_without_secrets(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, told: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(UsageError) as raised:
        read_settings()
    message = str(raised.value)
    assert raised.value.exit_code == 2
    assert message.startswith(f"{name}: ")
    assert told in message
    assert "\n" not in message
    assert "hunter2" not in message


@pytest.mark.parametrize(
    ("password", "pieces"),
    [
        ("s3c\u2100ret", ("s3c", "ret")),
        ("p4ss]w[ord", ("p4ss", "w[", "ord]")),
        ("hunter/2", ("hunter", "2@")),
        ("12/hunter", ("12", "hunter")),
        ("12#hunter", ("12", "hunter")),
        ("12?hunter", ("12", "hunter")),
    ],
)
def test_a_password_that_breaks_a_url_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, password: str, pieces: tuple[str, ...]
) -> None:
    monkeypatch.setenv("REDIS_URL", f"redis://u:{password}@h:6379/0")
    with pytest.raises(UsageError, match="REDIS_URL: it cannot be read as a URL") as raised:
        read_settings()
    assert not any(piece in str(raised.value) for piece in pieces)


@pytest.mark.parametrize(
    "url",
    [
        "redis://u:p%40@h/0",
        "redis://h?password=a@b",
        "unix:///run/a@b/redis.sock?db=1",
        "redis+cluster://u:p@a:1,b:2",
    ],
)
def test_a_redis_url_may_hold_an_at_sign_where_it_means_nothing_else(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("REDIS_URL", url)
    given = read_settings().redis_url
    assert given is not None
    assert given.get_secret_value() == url


def test_every_setting_is_in_the_example_with_its_default(project: Path) -> None:
    text = (project / ".env.example").read_text()
    shown = dict(re.findall(r"^# ([A-Z_]+)=(\S*)", text, flags=re.MULTILINE))
    of_feeds = {
        f"{feed}_{name}".upper() for feed in FEEDS for name in ("instruments_url", "source")
    } - {"KITE_SOURCE"}  # that is what SOURCE says
    assert set(shown) == {name.upper() for name in Settings.model_fields} | of_feeds | {
        "KITE_AUTHORIZATION"
    }
    for feed in FEEDS.values():
        assert shown[feed.url_setting] == feed.url
    defaults = Settings(_env_file=None)
    from_example = Settings(
        _env_file=None, **{name.lower(): value for name, value in shown.items() if value}
    )
    assert from_example == defaults


def test_secrets_are_not_shown_when_settings_are_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:hunter2@h/d")
    monkeypatch.setenv("KITE_AUTHORIZATION", "token hunter2")
    assert "hunter2" not in repr(read_settings())
    assert "hunter2" not in repr(read_feed_settings("kite"))
    assert read_feed_settings("kite").authorization is not None


def test_a_feeds_settings_begin_with_its_name(
    empty_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (empty_folder / ".env").write_text("DHAN_SOURCE=from-file.csv\nUPSTOX_SOURCE=other.json\n")
    monkeypatch.setenv("UPSTOX_SOURCE", "from-environment.json")
    assert read_feed_settings("dhan").source == "from-file.csv"
    assert read_feed_settings("upstox").source == "from-environment.json"
    assert read_feed_settings("angel_one").source is None


@pytest.mark.parametrize(
    ("feeds", "told"),
    [
        ("kite,zerodha", "'zerodha'"),
        ("kite,dhan,dhan", "twice"),
        ("dhan,kite", "begin with kite"),
        ("dhan", "begin with kite"),
        ("", "kite"),
    ],
)
def test_feeds_are_checked(monkeypatch: pytest.MonkeyPatch, feeds: str, told: str) -> None:
    monkeypatch.setenv("FEEDS", feeds)
    if not feeds:
        assert [feed.name for feed in feeds_of(read_settings())] == ["kite"]
        return
    with pytest.raises(UsageError, match=told):
        feeds_of(read_settings())


def test_every_threshold_of_the_gate_can_be_set_and_has_the_same_default() -> None:
    """Two lists of limits would drift apart: the settings' and the gate's own."""
    fixed = {"subscriptions_per_connection", "samples"}
    names = {field.name for field in fields(Thresholds)} - fixed
    settings = {
        name.removeprefix("gate_") for name in Settings.model_fields if name.startswith("gate_")
    }
    assert settings == names
    assert thresholds_of(Settings(_env_file=None)) == Thresholds()


def test_a_dotenv_that_is_not_utf8_is_one_clear_line(empty_folder: Path) -> None:
    text = "LANDING_KEEP_DAYS=7\n# Grüße\nPASSWORD=hunter2\n" + "#\n" * 9_000 + "# später\n"
    (empty_folder / ".env").write_bytes(text.encode("latin-1"))
    for read in (read_settings, lambda: read_feed_settings("dhan")):
        with pytest.raises(UsageError) as raised:
            read()
        message = str(raised.value)
        assert raised.value.exit_code == 2
        assert f"{empty_folder / '.env'} cannot be read: line 2 is not UTF-8 (byte 0xfc)" in message
        assert "\n" not in message
        assert "hunter2" not in message
    # The line that is wrong is told however far down it is.
    (empty_folder / ".env").write_bytes(
        text.replace("ü", "ue").replace("ß", "ss").encode("latin-1")
    )
    with pytest.raises(UsageError, match=r"line 9004 is not UTF-8 \(byte 0xe4\)"):
        read_settings()


def test_a_dotenv_that_cannot_be_read_is_one_clear_line(empty_folder: Path) -> None:
    # A file that exists and gives an error to whoever reads it, root as well (Linux).
    unreadable = Path("/proc/self/mem")
    if not unreadable.exists():
        unreadable = empty_folder / "secret"
        unreadable.write_text("A=1\n")
        unreadable.chmod(0)
    (empty_folder / ".env").symlink_to(unreadable)
    with pytest.raises(UsageError, match=r"\.env cannot be read: \w+.* Nothing was started"):
        read_settings()


def test_a_misspelt_setting_is_told(empty_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert misspelt_settings() == ()
    (empty_folder / ".env").write_text(
        "GATE_ROWS_BLOCK_RATO=0.5\nfetch_attempts=2\nGATEWAY=1\nAPI_KEY=x\nINSTRUMENTS=1\n"
    )
    monkeypatch.setenv("FETCH_PATIENCE", "9")
    patience, ratio = misspelt_settings()
    assert (
        patience == "FETCH_PATIENCE is no setting and has no effect (.env.example lists them all)."
    )
    assert ratio.startswith("GATE_ROWS_BLOCK_RATO is no setting and has no effect")
    assert ratio.endswith("(did you mean GATE_ROWS_BLOCK_RATIO?).")
    assert read_settings().fetch_attempts == 2


def test_every_setting_with_a_prefix_of_ours_would_be_missed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = [name.upper() for name in Settings.model_fields]
    assert all(any(name.startswith(prefix) for name in names) for prefix in OUR_PREFIXES)
    families = [name for name in names if name.startswith(OUR_PREFIXES)]
    assert len(families) > 25
    for name in families:
        monkeypatch.setenv(f"{name}S", "1")
    assert len(misspelt_settings()) == len(families)
