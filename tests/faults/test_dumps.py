"""Dumps that are cut, stale, doubled, hostile: refused, stopped by the gate, or held whole."""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.end_to_end import dumps, expected
from tests.end_to_end.dumps import Row
from tests.faults.conftest import ENV, Laboratory

REFUSED, RED = 1, 4

HOSTILE = (
    "O'Reilly \"quoted\", comma",
    "'; drop table public.instruments; --",
    "Robert'); delete from marts.instruments;--",
    "\\N",
    "\\. ends a COPY",
    "\\x00 $1 %s %(name)s {name} {{ 1/0 }} ${HOME} `id` $(id)",
    "<script>alert('x')</script><img src=x onerror=alert(1)>",
    "=cmd|'/c calc'!A0",
    "INSTRUMENTS=1,2,3",
    "null", "NULL", "None", "nan", "true",
    "naïve ₹ 株式 \U0001f4c8 \u202e\u200b",
    "[bold red]markup[/] [/nope]",
    "   ",
    "x" * 255,
)  # fmt: skip

# No consumer can hold these safely (the protocol of Redis, a terminal, a line, YAML): rejected.
UNHOLDABLE = (
    ("two\nlines", "é" * 10_000),
    ("*3\r\n$3\r\nDEL\r\n", "tab\tbell\x07 escape\x1b[31m delete\x7f", "no character \uffff"),
)


def changed(rows: list[Row], is_meant: Callable[[Row], bool], **values: str) -> list[Row]:
    return [{**row, **values} if is_meant(row) else row for row in rows]


def lines_of(rows: list[Row]) -> list[bytes]:
    return dumps.csv_of(rows).splitlines(keepends=True)


def dropped_column(rows: list[Row], name: str) -> bytes:
    return dumps.csv_of(rows, [column for column in dumps.COLUMNS if column != name])


def with_line(rows: list[Row], number: int, line: bytes) -> bytes:
    lines = lines_of(rows)
    return b"".join([*lines[:number], line, *lines[number:]])


def is_of(name: str) -> Callable[[Row], bool]:
    return lambda row: row["exchange"] == name


def is_nifty(row: Row) -> bool:
    return row["name"] == "NIFTY" and row["exchange"] == "NFO"


# --- what the loader refuses: exit 1, nothing landed -----------------------------------------

BAD_FILES: dict[str, Callable[[list[Row]], bytes]] = {
    "empty": lambda _: b"",
    "header only": lambda _: dumps.csv_of([]),
    "a missing column": lambda rows: dropped_column(rows, "exchange_token"),
    "a row too short": lambda rows: with_line(rows, 700, b"1,2,SHORT\n"),
    "a row too long": lambda rows: with_line(rows, 700, b"1,2,3,4,5,6,7,8,9,10,11,12,13\n"),
    "a NUL": lambda rows: dumps.csv_of(rows).replace(b"RELIANCE", b"RELI\x00NCE", 1),
    "bad UTF-8": lambda rows: dumps.csv_of(rows).replace(b"RELIANCE", b"RELI\xff\xfeNCE", 1),
    "UTF-16": lambda rows: dumps.csv_of(rows).decode().encode("utf-16"),
    "the last line cut": lambda rows: dumps.csv_of(rows)[:-25],
    "the last field cut": lambda rows: dumps.csv_of(rows)[:-2],
    "a quote never closed": lambda rows: with_line(rows, 700, b'1,2,X,"never closed,0\n'),
    "no CSV at all": lambda _: b"<html><body>502 Bad Gateway</body></html>\n",
    "JSON": lambda _: b'{"status":"error"}',
    "a gzip that is cut off": lambda _: b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03abc",
}


@pytest.mark.parametrize("what", BAD_FILES)
def test_a_bad_file_is_refused_and_nothing_is_published(standing: Laboratory, what: str) -> None:
    path = standing.at.folder / "bad.csv"
    path.write_bytes(BAD_FILES[what](standing.rows))
    done = standing.at.sync(path)
    assert done.code == REFUSED, done
    assert "Traceback" not in done.err
    assert "bad.csv" in done.err
    assert "build:" not in done.out
    standing.assert_old()


# --- what the gate stops: exit 4, with the rule that says so ---------------------------------

BAD_DAYS: dict[str, tuple[Callable[[list[Row]], list[Row]], str]] = {
    "lacking BSE": (lambda rows: dumps.without(rows, is_of("BSE")), "required-exchanges"),
    "lacking MCX, which was there last time": (
        lambda rows: dumps.without(rows, is_of("MCX")),
        "exchanges-of-last-publication",
    ),
    "lacking all options of NIFTY": (
        lambda rows: dumps.without(rows, lambda r: is_nifty(r) and r["instrument_type"] != "FUT"),
        "nifty-expiry-near",
    ),
    "lacking what the filter subscribes": (
        lambda rows: dumps.without(rows, is_nifty),
        "subscriptions",
    ),
    "halved": (lambda rows: rows[::2], "exchange-rows-collapsed"),
    "doubled": (lambda rows: [row for row in rows for _ in range(2)], "token-unique-focus"),
    "without NIFTY 50": (
        lambda rows: dumps.without(rows, lambda r: r["tradingsymbol"] == "NIFTY 50"),
        "marker-nifty-50",
    ),
    "with another token for SENSEX": (
        lambda rows: changed(
            rows, lambda r: r["instrument_token"] == "265", instrument_token="1033"
        ),
        "marker-sensex",
    ),
    "tokens beyond int32": (
        lambda rows: changed(
            rows, lambda r: r["exchange"] == "CDS", instrument_token="9999999999"
        ),
        "rejected-rows-few",
    ),
    "a negative lot of a NIFTY option": (
        lambda rows: [
            {**row, "lot_size": "-65"} if row is next(filter(is_nifty, rows)) else row
            for row in rows
        ],
        "rejected-focus-rows",
    ),
    "dates as DD-MM-YYYY": (
        lambda rows: [
            {**row, "expiry": "-".join(reversed(row["expiry"].split("-")))} for row in rows
        ],
        "rejected-focus-rows",
    ),
    "text in numbers": (
        lambda rows: changed(rows, is_of("MCX"), strike="abc"),
        "rejected-rows-few",
    ),
}  # fmt: skip


# The rules that stop these have their killing cases beside the gate as well.
LONG_DAYS = {
    "lacking all options of NIFTY", "lacking what the filter subscribes", "without NIFTY 50",
    "with another token for SENSEX", "text in numbers", "tokens beyond int32",
    "lacking MCX, which was there last time", "dates as DD-MM-YYYY", "lacking BSE", "doubled",
    "a negative lot of a NIFTY option",
}  # fmt: skip


@pytest.mark.parametrize(
    "what",
    [
        pytest.param(what, marks=pytest.mark.exhaustive if what in LONG_DAYS else ())
        for what in BAD_DAYS
    ],
)
def test_a_bad_day_is_stopped_by_the_gate(standing: Laboratory, what: str) -> None:
    damage, rule = BAD_DAYS[what]
    path = dumps.write_dump(standing.at.folder / "bad.csv", damage(standing.rows))
    done = standing.at.sync(path)
    assert done.code == RED, done
    assert "Consumers still see publication 1" in done.err
    page = Path(done.err.split("Read ")[1].split("; then")[0])
    rules = json.loads(page.with_name("summary.json").read_text())
    assert rule in json.dumps(rules)
    assert rule in done.err
    standing.assert_old()


def test_a_stale_dump_is_stopped_by_the_gate(standing: Laboratory) -> None:
    done = standing.at.sync(standing.next_dump, AS_OF="2026-09-17")
    assert done.code == RED, done
    assert "dump-not-stale" in done.err
    standing.assert_old()


def test_after_all_of_these_a_good_dump_converges(standing: Laboratory) -> None:
    standing.converge()


# --- what is odd but fine: held as it is ----------------------------------------------------


def assert_holds(lab: Laboratory, rows: list[Row]) -> None:
    seen = lab.at.seen()
    tokens = dumps.tokens_of(rows, "NIFTY")
    assert seen.redis == expected.redis_hashes(rows)
    assert list(seen.instruments) == expected.instruments(rows, tokens)
    assert seen.env == expected.env_with(ENV, tokens)
    assert seen.token_lookup
    assert json.loads(seen.token_lookup) == expected.token_lookup(rows)
    assert seen.publication == 2


def named(rows: list[Row], names: Sequence[str]) -> list[Row]:
    """The rows, with these names given to some shares."""
    shares = [row for row in rows if row["segment"] == "NSE" and row["name"]][5:]
    given = {share["instrument_token"]: name for share, name in zip(shares, names, strict=False)}
    assert len(given) == len(names)
    return [{**row, "name": given.get(row["instrument_token"], row["name"])} for row in rows]


def test_hostile_names_reach_every_consumer_as_they_are_and_bad_rows_none(
    lab: Laboratory,
) -> None:
    """Names that can be held; some that cannot, and a lot in words: they are listed instead."""
    rows = named(lab.rows, (*HOSTILE, *UNHOLDABLE[0]))
    share = [row for row in rows if row["segment"] == "BSE"][3]
    rows = changed(rows, lambda row: row is share, lot_size="one")
    path = dumps.write_dump(lab.at.folder / "hostile.csv", rows)
    done = lab.at.sync(path, "--json").ok()
    assert_holds(
        lab, [row for row in rows if row["name"] not in UNHOLDABLE[0] and row["lot_size"] != "one"]
    )
    rejected = lab.at.execute(
        "select column_name, value, tradingsymbol from marts.rejected_rows order by 1, 2"
    )
    assert rejected[0] == ("lot_size", "one", share["tradingsymbol"])
    assert [column for column, _, _ in rejected[1:]] == ["name"] * len(UNHOLDABLE[0])
    page = Path(done.document["report"]).read_text()
    assert "<script>alert('x')" not in page
    assert "<img src=x" not in page
    # What was hostile is replaced again, in every destination.
    lab.at.sync(lab.dump).ok()
    again = lab.at.seen()
    assert (again.redis, again.instruments) == (lab.old.redis, lab.old.instruments)
    assert (again.env, again.token_lookup) == (lab.old.env, lab.old.token_lookup)


@pytest.mark.exhaustive
def test_names_with_control_characters_are_listed_and_left_out(lab: Laboratory) -> None:
    rows = named(lab.rows, UNHOLDABLE[1])
    path = dumps.write_dump(lab.at.folder / "unholdable.csv", rows)
    lab.at.sync(path).ok()
    assert_holds(lab, [row for row in rows if row["name"] not in UNHOLDABLE[1]])
    found = lab.at.execute("select column_name from marts.rejected_rows")
    assert found == [("name",)] * len(UNHOLDABLE[1])


def test_shuffled_rows_and_columns_with_crlf_a_mark_and_a_new_column(lab: Laboratory) -> None:
    rows = list(lab.rows)
    random.Random(7).shuffle(rows)
    columns = [*reversed(dumps.COLUMNS), "isin"]
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, columns, lineterminator="\r\n", quoting=csv.QUOTE_ALL)
    writer.writeheader()
    writer.writerows({**row, "isin": f"INE{row['instrument_token']}"} for row in rows)
    path = lab.at.folder / "shuffled.csv"
    path.write_bytes(b"\xef\xbb\xbf" + out.getvalue().rstrip("\r\n").encode())
    done = lab.at.sync(path).ok()
    assert "isin" in done.out
    assert_holds(lab, rows)


def test_contracts_that_expired_are_not_an_outage(lab: Laboratory) -> None:
    """Two days on, every contract of the weekly expiry between has left."""
    rows = dumps.without(lab.rows, lambda row: "" < row["expiry"] < "2026-08-20")
    assert len(rows) < len(lab.rows) - 200
    path = dumps.write_dump(lab.at.folder / "after-expiry.csv", rows)
    lab.at.sync(path, AS_OF="2026-08-20").ok()
    assert_holds(lab, rows)
