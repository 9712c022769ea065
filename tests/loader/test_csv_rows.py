"""The fast way and the exact way of reading rows are one way, told apart by nothing but time."""

from __future__ import annotations

import csv
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loader.errors import DumpRefused
from loader.feeds import KITE
from loader.formats.csv_rows import CsvReading
from tests.loader.broker import HEADER

WIDTH = len(KITE.columns)
# What COPY's text format escapes, and what has to come back out of it.
UNESCAPES = {"\\\\": "\\", "\\,": ",", "\\n": "\n", "\\r": "\r"}

plain_fields = st.text(st.characters(exclude_characters='\0\n\r",\\', codec="utf-8"), max_size=6)
nasty_fields = st.text(
    st.one_of(st.sampled_from('",\\\t\n\r N.x%'), st.characters(codec="utf-8", min_codepoint=1)),
    max_size=6,
)
rows_of = st.lists(
    st.one_of(
        st.lists(plain_fields, min_size=WIDTH, max_size=WIDTH),
        st.lists(nasty_fields, min_size=WIDTH, max_size=WIDTH),
    ),
    min_size=1,
    max_size=12,
)


def cut(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


def read(data: bytes, size: int = 64, *, is_exact: bool = False) -> list[list[str]]:
    """The rows as PostgreSQL would read the COPY text: split and unescaped, by hand."""
    blocks = CsvReading(cut(data, size), KITE, 7, is_exact=is_exact).blocks()
    payload, counted, sizes = b"", 0, 0
    for block in blocks:
        payload += block.payload
        counted += block.rows
        sizes += block.size
    assert sizes == len(data)
    rows = [split(line) for line in payload.decode().removesuffix("\n").split("\n")]
    assert len(rows) == counted
    if any(len(row) != WIDTH + 2 for row in rows):
        # COPY refuses this; the loader then reads it the exact way to say where.
        assert not is_exact
        read(data, size, is_exact=True)
        pytest.fail("the exact way let a ragged row pass")
    return rows


def split(line: str) -> list[str]:
    """Cut and unescape a line of COPY's text format, as its documentation says."""
    cells, rest = [""], line
    while rest:
        step = 2 if rest[:2] in UNESCAPES else 1
        if rest[0] == ",":
            cells.append("")
        else:
            cells[-1] += UNESCAPES.get(rest[:2], rest[0])
        rest = rest[step:]
    return cells


def oracle(data: bytes) -> list[list[str]]:
    """The rows as Python's csv module reads the whole text, with the line where each starts."""
    reader = csv.reader(_lines(data.decode()), strict=True)
    next(reader)
    rows, line = [], 2
    for fields in reader:
        rows.append(["7", str(line), *fields])
        line = reader.line_num + 1
    return rows


def _lines(text: str) -> list[str]:
    lines = text.split("\n")
    return [f"{line}\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])


def write(rows: list[list[str]], *, quote_all: bool, end: str = "\n") -> bytes:
    lines = (",".join(quote(cell, always=quote_all) for cell in row) for row in rows)
    return (HEADER + end + "".join(line + end for line in lines)).encode()


def quote(cell: str, *, always: bool) -> str:
    if always or any(special in cell for special in '",\r\n'):
        return '"' + cell.replace('"', '""') + '"'
    return cell


@given(
    rows=rows_of,
    size=st.integers(1, 300),
    quote_all=st.booleans(),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_rows_come_out_as_they_went_in(
    rows: list[list[str]],
    size: int,
    quote_all: bool,  # noqa: FBT001  # hypothesis passes it by name
    end: str,
) -> None:
    data = write(rows, quote_all=quote_all, end=end)
    assert [row[2:] for row in read(data, size)] == rows
    assert read(data, size) == read(data, size, is_exact=True) == oracle(data)


@given(rows=rows_of, size=st.integers(1, 300))
def test_quoting_every_field_changes_no_row(rows: list[list[str]], size: int) -> None:
    # Quoting everything forces the exact reader onto rows that would take the fast way.
    assert [row[2:] for row in read(write(rows, quote_all=False), size)] == [
        row[2:] for row in read(write(rows, quote_all=True), size)
    ]


@given(rows=rows_of)
def test_where_the_stream_is_cut_changes_nothing(rows: list[list[str]]) -> None:
    data = write(rows, quote_all=False)
    assert read(data, 1) == read(data, 7) == read(data, len(data))


scraps = st.lists(
    st.sampled_from([*'a,"\n\r\\ \t%', ',"b",', '"",', ",,,,,,,,,,,", '\n"c"', '"\r\n"'])
)


@given(text=scraps.map("".join), size=st.integers(1, 40))
@settings(max_examples=500)
def test_any_text_is_read_exactly_or_refused(text: str, size: int) -> None:
    data = f"{HEADER}\n{text}".encode()
    try:
        rows = read(data, size)
    except DumpRefused:
        return
    wanted = oracle(data)
    while wanted and len(wanted[-1]) == 2:  # blank lines, which only the end may have
        wanted.pop()
    assert rows == wanted


@given(
    rows=st.lists(st.lists(plain_fields, min_size=12, max_size=12), min_size=2, max_size=20),
    data=st.data(),
)
def test_a_ragged_row_is_named_by_its_line_wherever_it_stands(
    rows: list[list[str]], data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(rows) - 1))
    seen = data.draw(st.integers(2, 20).filter(lambda number: number != WIDTH))
    rows = [["x", *row[1:]] for row in rows]  # no blank lines
    rows[at] = ["x"] * seen
    body = "\n".join(",".join(row) for row in rows)
    dump = f"{HEADER}\n{body}\n".encode()
    size = data.draw(st.integers(1, 300))
    with pytest.raises(DumpRefused, match=rf"line {at + 2} has {seen} fields; expected 12 fields"):
        read(dump, size)


def test_a_quoted_name_may_span_many_chunks() -> None:
    name = "A\n" * 500
    row = f'1,2,S,"{name}",0,,0,0,1,EQ,NSE,NSE'
    rows = read(f"{HEADER}\n{row}\n{row}\n".encode(), 16)
    assert [(row[1], row[5]) for row in rows] == [("2", name), ("503", name)]


def test_a_field_too_long_for_csv_is_refused_where_its_row_starts() -> None:
    row = f'1,2,S,"{"A," * 70_000}",0,,0,0,1,EQ,NSE,NSE'
    with pytest.raises(DumpRefused, match="row that starts on line 2 is not CSV: field larger"):
        read(f"{HEADER}\n{row}\n".encode(), 4096)


@given(
    rows=st.lists(st.lists(plain_fields, min_size=WIDTH, max_size=WIDTH), min_size=1, max_size=9),
    quoted=st.data(),
)
def test_fields_that_are_merely_quoted_take_no_slow_way(
    rows: list[list[str]], quoted: st.DataObject
) -> None:
    lines = [
        ",".join(quote(cell, always=quoted.draw(st.booleans())) for cell in ["x", *row[1:]])
        for row in rows
    ]
    data = "\n".join([HEADER, *lines, ""]).encode()
    assert [row[3:] for row in read(data)] == [row[1:] for row in rows]


def test_a_few_rows_that_need_care_do_not_slow_the_rest() -> None:
    plain = '1,2,S,"NAME",0,,0,0,1,EQ,NSE,NSE\n'
    careful = '1,2,S,"A, B",0,,0,0,1,EQ,NSE,NSE\n'
    data = (HEADER + "\n" + plain * 4_000 + careful + plain * 4_000).encode()
    blocks = CsvReading(cut(data, 1 << 18), KITE, 7).blocks()
    sizes = [block.rows for block in blocks]
    assert sum(sizes) == 8_001
    assert max(sizes) > 2_000
    assert len(sizes) < 20


def test_ragged_rows_that_even_out_are_left_to_copy_and_named_afterwards() -> None:
    row = "1,2,S,N,0,,0,0,1,EQ,NSE,NSE"
    data = f"{HEADER}\n{row}\n{row},x\n{row.rpartition(',')[0]}\n".encode()
    with pytest.raises(DumpRefused, match="line 3 has 13 fields; expected 12 fields"):
        read(data)
