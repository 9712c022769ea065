"""What a person types as a source, and what is shown of it."""

from __future__ import annotations

import dataclasses
import gzip
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loader.archive import read_archived
from loader.errors import DumpRefused, SourceNotFound
from loader.feeds import FEEDS, KITE, feed_named
from loader.fetch import Dump, FetchOptions
from loader.source import LocalFile, Remote, Sample, is_loopback, parse_source, redact
from tests.loader.broker import DUMP

Get = Callable[..., Dump]


def test_the_feeds_name_is_its_url() -> None:
    assert parse_source("kite", KITE) == Remote(
        "https://api.kite.trade/instruments", None, "https://api.kite.trade/instruments"
    )
    moved = KITE.with_url("https://mirror.example/kite.csv")
    assert parse_source("kite", moved).shown == "https://mirror.example/kite.csv"


def test_the_sample_is_a_source() -> None:
    assert parse_source("sample", KITE) == Sample()


@pytest.mark.parametrize("name", ["dump.csv", "dump with space.csv", "ડમ્પ.csv", "50%.csv"])
def test_files_are_read_by_path_and_by_url(tmp_path: Path, get: Get, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(DUMP)
    for source in (str(path), path.as_uri(), path.as_uri().replace("file://", "file://localhost")):
        assert b"".join(read_archived(get(source).path)) == DUMP


def test_a_file_is_unzipped_by_what_it_holds_not_by_its_name(tmp_path: Path, get: Get) -> None:
    for name, data in (("zipped.csv", gzip.compress(DUMP)), ("plain.csv.gz", DUMP)):
        (tmp_path / name).write_bytes(data)
        assert b"".join(read_archived(get(tmp_path / name).path)) == DUMP


def test_a_file_in_several_gzip_members_is_one_dump(tmp_path: Path, get: Get) -> None:
    path = tmp_path / "dump.csv.gz"
    path.write_bytes(gzip.compress(DUMP[:50]) + gzip.compress(DUMP[50:]) + b"\0" * 512)
    assert b"".join(read_archived(get(path).path)) == DUMP


def test_a_truncated_gzip_file_is_refused_by_name(tmp_path: Path, get: Get) -> None:
    path = tmp_path / "dump.csv.gz"
    path.write_bytes(gzip.compress(DUMP)[:-1])
    with pytest.raises(DumpRefused, match=r"dump\.csv\.gz: the gzip data ends before its end"):
        get(path)


def test_a_file_over_the_cap_is_refused(tmp_path: Path, get: Get, options: FetchOptions) -> None:
    path = tmp_path / "dump.csv"
    path.write_bytes(DUMP)
    with pytest.raises(DumpRefused, match="bigger than 100 bytes"):
        get(path, options=dataclasses.replace(options, max_bytes=100))


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("", "is not a regular file"),
        ("kit", "there is no file kit"),
        ("/no/such/dump.csv", "there is no file /no/such/dump.csv"),
        ("file:///no/such/dump.csv", "there is no file /no/such/dump.csv"),
        ("file://server/dump.csv", "names a file of another machine"),
        ("ftp://example.org/dump.csv", "ftp://example.org/dump.csv cannot be read"),
        ("https://", "cannot be read"),
        ("https://[::1/dump", "SOURCE is not a URL"),
        ("https://host:99999999/dump", "SOURCE is not a URL"),
        ("http://example.org/dump.csv", "is not encrypted"),
    ],
)
def test_a_source_that_is_none_is_a_usage_error(source: str, words: str) -> None:
    with pytest.raises(SourceNotFound) as error:
        parse_source(source, KITE)
    assert words in str(error.value)
    assert error.value.exit_code == 2


def test_a_folder_or_pipe_is_no_dump(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(SourceNotFound, match="is not a regular file"):
            parse_source(str(path), KITE)


def test_an_unknown_feed_is_a_usage_error() -> None:
    assert feed_named("kite") is KITE
    with pytest.raises(
        SourceNotFound,
        match=f"no feed named 'nobody'; expected one of: {', '.join(sorted(FEEDS))}",
    ):
        feed_named("nobody")


def test_a_home_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "dump.csv").write_bytes(DUMP)
    assert parse_source("~/dump.csv", KITE) == LocalFile(
        tmp_path / "dump.csv", str(tmp_path / "dump.csv")
    )


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://api.kite.trade/instruments", "https://api.kite.trade/instruments"),
        ("https://u:p@h.example/x", "https://***@h.example/x"),
        ("https://token@h.example:8443/x", "https://***@h.example:8443/x"),
        ("https://h.example/x?api_key=1&b", "https://h.example/x?api_key=***&b=***"),
        ("https://h.example/x#frag", "https://h.example/x"),
        ("https://u:p@[::1]:1/x", "https://***@[::1]:1/x"),
        ("https://u:p@h.example:port/x", "a URL that cannot be read"),
    ],
)
def test_a_url_is_shown_without_its_secrets(url: str, shown: str) -> None:
    assert redact(url) == shown


secrets = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=8, max_size=20)


@given(st.lists(secrets, min_size=4, max_size=4, unique=True))
def test_no_secret_of_a_url_is_ever_shown(four: list[str]) -> None:
    user, password, value, fragment = (f"s3cr3t{number}{text}" for number, text in enumerate(four))
    url = f"https://{user}:{password}@host/dump?key={value}#{fragment}"
    source = parse_source(url, KITE)
    assert isinstance(source, Remote)
    assert not any(secret in source.shown for secret in (user, password, value, fragment))
    assert source.login == (user, password)
    assert password not in source.url


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost", "LOCALHOST"])
def test_this_machine_is_known_by_its_names(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["10.0.0.1", "localhost.example", "127.0.0.1.example", "0.0.0.0", "", None]
)
def test_other_machines_are_other_machines(host: str | None) -> None:
    assert not is_loopback(host)
