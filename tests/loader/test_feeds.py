"""Every feed is one file: found by itself, checked when made, fetched and landed like Kite."""

from __future__ import annotations

import dataclasses
import gzip
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loader import archive
from loader.archive import read_archived
from loader.errors import BrokerUnavailable, DumpRefused, SourceNotFound
from loader.feeds import FEEDS, KITE, Csv, Feed, Json, registry
from loader.fetch import Dump, FetchOptions, Validator
from loader.landing import Load
from loader.source import Remote, parse_source
from tests.loader.broker import AS_OF, Answer, Broker, raw, reply

Get = Callable[..., Dump]
Put = Callable[..., Load]

ANGEL, DHAN, UPSTOX = FEEDS["angel_one"], FEEDS["dhan"], FEEDS["upstox"]
ROWS = [{key: f"{key}{number}" for key in ANGEL.columns} for number in range(40)]
DUMP = json.dumps(ROWS).encode()
JSON = "application/json"
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
HTML = b"<html><body>maintenance</body></html>"
ERROR = b'{"status":false,"message":"Too many requests"}'


@pytest.mark.parametrize(
    ("name", "title", "url"),
    [
        (
            "angel_one",
            "Angel One",
            "https://margincalculator.angelone.in/OpenAPI_File/files/OpenAPIScripMaster.json",
        ),
        ("dhan", "Dhan", "https://images.dhan.co/api-data/api-scrip-master.csv"),
        ("kite", "Kite", "https://api.kite.trade/instruments"),
        (
            "upstox",
            "Upstox",
            "https://assets.upstox.com/market-quote/instruments/exchange/complete.json.gz",
        ),
    ],
)
def test_each_broker_is_known_by_its_name_and_url(name: str, title: str, url: str) -> None:
    feed = FEEDS[name]
    assert (feed.name, feed.title, feed.url) == (name, title, url)
    assert feed.url_setting == f"{name.upper()}_INSTRUMENTS_URL"
    assert feed.table == f"{name}_instruments"
    assert parse_source(name, feed) == Remote(url, None, url)


@pytest.mark.parametrize("name", sorted(set(FEEDS) - {"kite"}))
def test_only_kite_has_a_sample(name: str) -> None:
    with pytest.raises(SourceNotFound) as refusal:
        parse_source("sample", FEEDS[name])
    assert "there is no sample of a" in str(refusal.value)
    assert f"{FEEDS[name].title} dump; expected the feed's name, the path of a ." in str(
        refusal.value
    )
    assert "'sample'" not in refusal.value.expected
    assert refusal.value.exit_code == 2


GROWW = '''
"""Groww, which is made up here."""
from loader.feeds.feed import Feed, Json

FEED = Feed(
    name="groww", title="Groww", url="https://groww.example/all.json",
    url_setting="GROWW_INSTRUMENTS_URL", table="groww_instruments",
    columns=("id", "symbol"), content_types=("json",), json=Json(required=("id",)),
)
'''


def test_a_fifth_broker_is_one_file(
    tmp_path: Path, project: Path, postgres_dsn: str, connection: psycopg.Connection
) -> None:
    shutil.copytree(project / "loader", tmp_path / "loader")
    (tmp_path / "loader" / "feeds" / "groww.py").write_text(GROWW)
    (tmp_path / "all.json").write_text('[{"id": 7, "symbol": "TCS"}, {"id": 8}]')
    done = subprocess.run(
        [
            sys.executable, "-m", "loader", "--feed", "groww", "--source", "all.json",
            "--as-of", "2026-08-17", "--database-url", postgres_dsn,
        ],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stderr == "landed 2 rows of all.json in staging.groww_instruments as load 1\n"
    assert done.returncode == 0
    rows = connection.execute("select _line_number, id, symbol from staging.groww_instruments")
    assert rows.fetchall() == [(1, "7", "TCS"), (2, "8", "")]
    kept = list((tmp_path / "landing" / "groww" / "2026-08-17").iterdir())
    assert [path.suffixes for path in kept] == [[".json", ".gz"]]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"csv": None}, "has no format"),
        ({"columns": ("a", "a")}, "repeated names"),
        ({"columns": ("Token",)}, r"unusable .* \['Token'\]"),
        ({"columns": ("_load_id",)}, r"unusable .* \['_load_id'\]"),
        ({"table": "kite instruments"}, "unusable"),
        ({"csv": Csv(required=("nothing",))}, r"no others: \['nothing'\]"),
        (
            {"csv": Csv(required=("exchange",), words={"nothing": frozenset({"NSE"})})},
            r"no others: \['nothing'\]",
        ),
        ({"json": Json(required=())}, "must require some"),
    ],
)
def test_a_feed_that_contradicts_itself_cannot_be_made(
    changes: dict[str, object], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        dataclasses.replace(KITE, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("changes", [{"table": "other"}, {"name": "other"}])
def test_two_feeds_never_share_a_name_or_a_table(changes: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="takes the name or the table of feed kite"):
        registry([KITE, dataclasses.replace(KITE, **changes)])


@pytest.mark.parametrize(
    "answer",
    [
        reply(DUMP, kind=JSON),
        reply(DUMP, kind="application/json; charset=utf-8"),
        reply(gzip.compress(DUMP), kind="application/gzip"),
        reply(gzip.compress(DUMP), kind="application/x-gzip"),
        reply(gzip.compress(DUMP), kind=JSON, Content_Encoding="gzip"),
        reply(DUMP, kind="application/octet-stream"),
        reply(DUMP, kind="binary/octet-stream"),
        reply(DUMP, kind=""),
    ],
    ids=["json", "charset", "gzip", "x-gzip", "transfer", "octets", "s3", "untyped"],
)
def test_however_it_is_sent_a_json_dump_is_the_same(
    broker: Broker, get: Get, put: Put, answer: Answer
) -> None:
    dump = get("angel_one", ANGEL.with_url(broker.answer(answer)))
    assert b"".join(read_archived(dump.path)) == DUMP
    assert dump.path.name == f"{dump.sha256}.json.gz"
    assert dump.path.parent.parent.name == "angel_one"
    assert broker.requests[0]["Accept"] == "application/json, */*;q=0.5"
    assert put(dump, feed=ANGEL).rows == len(ROWS)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (reply(HTML, 502, "text/html"), "answered 502"),
        (reply(HTML, kind="text/html"), "answered 200 with an HTML page instead of JSON ("),
        (reply(HTML, kind=JSON), "answered 200 with an HTML page instead of JSON ("),
        (reply(b"a,b\n", kind="text/csv"), "content of type 'text/csv' instead of JSON ("),
        (
            raw(OK + b"Content-Length: 9000\r\n\r\n", DUMP[:400]),
            "broke off after 400 of 9,000 bytes",
        ),
    ],
    ids=["502", "html", "html-as-json", "csv", "half"],
)
def test_an_outage_of_a_json_feed_is_called_by_its_name(
    broker: Broker, get: Get, landing: Path, answer: Answer, words: str
) -> None:
    with pytest.raises(BrokerUnavailable) as outage:
        get("angel_one", ANGEL.with_url(broker.answer(answer)))
    assert words in str(outage.value)
    assert "Angel One gave no dump: " in str(outage.value)
    assert "expected a JSON dump" in str(outage.value)
    assert "sample" not in str(outage.value)
    assert [path for path in landing.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            reply(ERROR, kind=JSON),
            "the answer is a JSON error instead of a dump: 'Too many requests'; expected JSON",
        ),
        (reply(gzip.compress(ERROR), kind="application/gzip"), "this is JSON, not an array of"),
        (reply(b"null", kind=JSON), "this is not JSON: 'null'"),
        (reply(b"token,symbol\n1,2\n", kind="text/plain"), "this is not JSON: 'token,symbol'"),
    ],
    ids=["error", "error-gz", "null", "csv"],
)
def test_an_answer_that_is_no_json_dump_is_refused_in_its_own_words(
    broker: Broker, get: Get, landing: Path, answer: Answer, words: str
) -> None:
    with pytest.raises(DumpRefused) as refusal:
        get("angel_one", ANGEL.with_url(broker.answer(answer)))
    assert words in str(refusal.value)
    assert len(broker.requests) == 1, "the same bytes would come again"
    assert [path for path in landing.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (raw(OK + b"\r\n", DUMP[:400]), "cut short, or something follows it: its 400 bytes end"),
        (reply(gzip.compress(DUMP)[:-9], kind=JSON), "the gzip data ends before its end"),
        (reply(b"", kind=JSON), "the dump is empty: not one byte"),
        (reply(b"[]", kind=JSON), "the dump is an empty array"),
        (reply(DUMP + b"\n502 Bad Gateway", kind=JSON), "bytes end with"),
    ],
    ids=["cut", "cut-gz", "empty", "no-rows", "trailing"],
)
def test_a_json_dump_that_is_not_whole_is_asked_for_again_then_refused(
    broker: Broker, get: Get, landing: Path, answer: Answer, words: str
) -> None:
    with pytest.raises(DumpRefused) as refusal:
        get("angel_one", ANGEL.with_url(broker.answer(answer)))
    assert words in str(refusal.value)
    assert len(broker.requests) == 3
    assert [path for path in landing.rglob("*") if path.is_file()] == []


def test_json_where_csv_is_expected_is_refused(broker: Broker, get: Get) -> None:
    with pytest.raises(DumpRefused, match="the answer is a JSON error instead of a dump"):
        get("dhan", DHAN.with_url(broker.answer(reply(DUMP, kind="text/csv"))))


def test_a_feed_of_two_formats_asks_for_both_and_keeps_each_under_its_own_ending(
    broker: Broker, get: Get
) -> None:
    upstox = UPSTOX.with_url(broker.url)
    header = ",".join(UPSTOX.csv.required if UPSTOX.csv else ())
    broker.answer(
        reply(f"{header}\n{',' * header.count(',')}\n".encode(), kind="text/csv"),
        reply(DUMP, kind="application/gzip"),
    )
    assert get("upstox", upstox).path.suffixes == [".csv", ".gz"]
    assert get("upstox", upstox).path.suffixes == [".json", ".gz"]
    assert broker.requests[0]["Accept"] == "application/json, text/csv, */*;q=0.5"


def test_a_json_dump_over_the_cap_is_refused(
    broker: Broker, get: Get, options: FetchOptions
) -> None:
    capped = dataclasses.replace(options, max_bytes=1_000)
    with pytest.raises(DumpRefused, match=r"bigger than 1,000 bytes.* about 35,000,000"):
        get("angel_one", ANGEL.with_url(broker.answer(reply(DUMP, kind=JSON))), options=capped)


def test_an_unchanged_json_dump_is_kept_under_the_new_day_by_its_own_ending(
    broker: Broker, get: Get
) -> None:
    feed = ANGEL.with_url(broker.answer(reply(DUMP, kind=JSON, ETag='"v1"')))
    first = get("angel_one", feed)
    broker.answer(reply(b"", 304))
    known = Validator(broker.url, first.path, first.sha256, first.etag)
    again = get("angel_one", feed, known=known, as_of=AS_OF.replace(day=18))
    assert again.is_unchanged
    assert again.path.name == f"{first.sha256}.json.gz"
    assert again.path.parent.name == "2026-08-18"


def test_pruning_takes_json_dumps_too_and_one_feed_at_a_time(
    broker: Broker, get: Get, landing: Path
) -> None:
    feed = ANGEL.with_url(broker.answer(reply(DUMP, kind=JSON)))
    paths = [get("angel_one", feed, as_of=AS_OF.replace(day=day)).path for day in (15, 16, 17)]
    assert archive.prune(landing, "dhan", days=1) == []
    assert archive.prune(landing, "angel_one", days=1, keep={paths[1]}) == [paths[0]]
    assert [path.exists() for path in paths] == [False, True, True]


def test_each_feed_has_its_own_table_and_its_own_lines_in_the_ledger(
    broker: Broker, get: Get, put: Put, database: psycopg.Connection, tmp_path: Path
) -> None:
    header = ",".join(DHAN.columns).upper()
    (tmp_path / "dhan.csv").write_text(f"{header}\n{',' * 15}\n")
    (tmp_path / "angel.json").write_bytes(DUMP)
    first = put(get(tmp_path / "dhan.csv", DHAN), feed=DHAN)
    second = put(get(tmp_path / "angel.json", ANGEL), feed=ANGEL)
    rows = database.execute("select load_id, feed, rows, status from ops.loads order by 1")
    assert rows.fetchall() == [
        (first.load_id, "dhan", 1, "landed"),
        (second.load_id, "angel_one", 40, "landed"),
    ]
    tables = database.execute(
        "select table_name from information_schema.tables where table_schema = 'staging' order by 1"
    )
    assert tables.fetchall() == [("angel_one_instruments",), ("dhan_instruments",)]


def test_a_refused_json_dump_leaves_the_landed_one(
    get: Get, put: Put, database: psycopg.Connection, tmp_path: Path
) -> None:
    path = tmp_path / "angel.json"
    path.write_bytes(DUMP)
    put(get(path, ANGEL), feed=ANGEL)
    path.write_bytes(DUMP.replace(b'"name37"', b'{"x":"]"}'))
    with pytest.raises(DumpRefused, match=r"angel\.json: element 38 \(at byte .* holds an object"):
        put(get(path, ANGEL), feed=ANGEL)
    assert database.execute("select count(*) from staging.angel_one_instruments").fetchone() == (
        40,
    )
    status = database.execute("select status from ops.loads order by load_id").fetchall()
    assert status == [("landed",), ("refused",)]


def test_progress_of_a_json_landing_ends_at_the_size_of_the_dump(
    get: Get, put: Put, tmp_path: Path
) -> None:
    data = json.dumps(ROWS * 400, indent=1).encode() + b"\n\n"
    (tmp_path / "angel.json").write_bytes(data)
    seen: list[tuple[int, int | None]] = []
    put(
        get(tmp_path / "angel.json", ANGEL),
        feed=ANGEL,
        on_progress=lambda done, total: seen.append((done, total)),
    )
    assert len(seen) > 5
    assert seen == sorted(seen)
    assert seen[-1] == (len(data), len(data))


def as_staged(cell: object) -> str:
    if cell is None:
        return ""
    return cell if isinstance(cell, str) else json.dumps(cell)


cells = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8),
    st.integers(),
    st.booleans(),
    st.none(),
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    rows=st.lists(st.fixed_dictionaries(dict.fromkeys(ANGEL.columns, cells)), min_size=1),
    is_ascii=st.booleans(),
)
def test_any_object_survives_the_copy(
    get: Get,
    put: Put,
    database: psycopg.Connection,
    tmp_path: Path,
    rows: list[dict[str, object]],
    is_ascii: bool,  # noqa: FBT001  # hypothesis passes it by name
) -> None:
    text = json.dumps(rows, ensure_ascii=is_ascii)
    (tmp_path / "angel.json").write_text(text, encoding="utf-8", newline="")
    put(get(tmp_path / "angel.json", ANGEL), feed=ANGEL)
    wanted = [[as_staged(row[column]) for column in ANGEL.columns] for row in rows]
    found = database.execute(
        "select * from staging.angel_one_instruments order by _line_number"
    ).fetchall()
    database.commit()
    assert [list(row[2:]) for row in found] == wanted


def test_the_columns_that_a_form_lacks_are_empty_and_never_null(
    get: Get, put: Put, database: psycopg.Connection, tmp_path: Path
) -> None:
    header = ",".join(UPSTOX.csv.required if UPSTOX.csv else ())
    (tmp_path / "complete.csv").write_text(f"{header}\n{',' * header.count(',')}\n")
    put(get(tmp_path / "complete.csv", UPSTOX), feed=UPSTOX)
    columns = database.execute(
        "select column_name, data_type, is_nullable from information_schema.columns"
        " where table_schema = 'staging' order by ordinal_position"
    ).fetchall()
    assert columns[2:] == [(column, "text", "NO") for column in UPSTOX.columns]
    row = database.execute("select * from staging.upstox_instruments").fetchone()
    assert row
    assert row[2:] == ("",) * len(UPSTOX.columns)


def test_a_feed_is_a_value() -> None:
    assert isinstance(ANGEL, Feed)
    assert ANGEL.with_url("https://mirror.example/x.json").columns == ANGEL.columns
    with pytest.raises(dataclasses.FrozenInstanceError):
        ANGEL.name = "other"  # type: ignore[misc]
