"""The short cut and the exact way of reading JSON are one way, told apart by nothing but time."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loader.errors import DumpRefused
from loader.feeds import FEEDS, Feed, Json
from loader.formats import read_dump
from loader.formats.json_templates import Templates
from loader.formats.reading import MAX_ROW_BYTES

ANGEL = FEEDS["angel_one"]
FEED = dataclasses.replace(
    ANGEL, columns=("a", "b", "c", "d"), json=Json(required=("a",)), csv=None
)
UNESCAPES = {"\\\\": "\\", "\\t": "\t", "\\n": "\n", "\\r": "\r"}

# No NUL and no lone surrogate: those are refused, as other tests hold.
texts = st.text(
    st.one_of(
        st.sampled_from('"\\{}[],: \t\n\r/u\x01\x7f\u2028'),
        st.characters(codec="utf-8", exclude_characters="\0"),
    ),
    max_size=6,
)
numbers = st.one_of(
    st.integers(-(10**30), 10**30), st.floats(allow_nan=False, allow_infinity=False)
)
values = st.one_of(texts, texts, numbers, st.booleans(), st.none())
keys = st.sampled_from([*"abcd", "x", "y z"])
objects = st.dictionaries(keys, values, max_size=6).map(lambda one: {"a": "", **one})
arrays = st.lists(objects, min_size=1, max_size=12)
styles = st.sampled_from(
    [
        {"separators": (",", ":")}, {}, {"indent": 1}, {"ensure_ascii": False},
        {"ensure_ascii": False, "separators": (",", ":")}, {"separators": (" ,\n", " : ")},
    ]
)  # fmt: skip


def cut(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


def read(
    data: bytes, size: int = 64, *, feed: Feed = FEED, is_exact: bool = False
) -> list[list[str]]:
    """The rows as PostgreSQL would read the COPY text: split and unescaped, by hand."""
    reading = read_dump(cut(data, size), feed, 7, is_exact=is_exact)
    payload, counted, sizes = b"", 0, 0
    for block in reading.blocks():
        payload += block.payload
        counted += block.rows
        sizes += block.size
    assert sizes == len(data)
    rows = [
        [unescaped(cell) for cell in line.split("\t")] for line in payload.decode().split("\n")[:-1]
    ]
    assert len(rows) == counted
    assert {len(row) for row in rows} == {2 + len(feed.columns)}
    assert [row[:2] for row in rows] == [["7", str(number + 1)] for number in range(len(rows))]
    return [row[2:] for row in rows]


def unescaped(cell: str) -> str:
    found, rest = "", cell
    while rest:
        step = 2 if rest.startswith("\\") else 1
        found += UNESCAPES[rest[:2]] if step == 2 else rest[0]
        rest = rest[step:]
    return found


def oracle(data: bytes) -> list[list[str]]:
    """The rows as Python's json reads the whole text, with its numbers left as text."""

    def text(value: Any) -> str:
        if value is None:
            return ""
        return value if isinstance(value, str) else json.dumps(value)

    loaded = json.loads(data, parse_int=str, parse_float=str)
    return [[text(row.get(column)) for column in FEED.columns] for row in loaded]


@given(array=arrays, style=styles, size=st.integers(1, 300))
@settings(max_examples=300)
def test_any_list_of_flat_objects_lands_as_json_has_it(
    array: list[dict[str, Any]], style: dict[str, Any], size: int
) -> None:
    data = json.dumps(array, **style).encode()
    rows = read(data, size)
    assert rows == read(data, size, is_exact=True) == oracle(data)
    for row, one in zip(rows, array, strict=True):
        for cell, column in zip(row, FEED.columns, strict=True):
            value = one.get(column)
            if isinstance(value, str):
                assert cell == value
            elif isinstance(value, int | float) and not isinstance(value, bool):
                assert type(value)(cell) == value


@given(array=arrays, style=styles)
def test_where_the_stream_is_cut_changes_nothing(
    array: list[dict[str, Any]], style: dict[str, Any]
) -> None:
    data = json.dumps(array, **style).encode()
    assert read(data, 1) == read(data, 7) == read(data, len(data))


plain = st.text(st.characters(codec="utf-8", exclude_characters='"\\', min_codepoint=32))
shapes = st.lists(
    st.fixed_dictionaries(
        {"a": plain, "b": numbers}, optional={"c": plain | st.none(), "d": st.booleans()}
    ),
    min_size=1,
)


@given(array=shapes, style=st.sampled_from([{}, {"separators": (",", ":")}]))
def test_plain_objects_take_the_short_cut(
    array: list[dict[str, Any]], style: dict[str, Any]
) -> None:
    text = json.dumps(array, ensure_ascii=False, **style)
    between = "},{" if style else "}, {"
    rows = Templates(FEED.columns).rows(text[1:-1])
    if any(between in value for one in array for value in one.values() if isinstance(value, str)):
        assert rows is None or len(rows) == len(array)
        return
    assert rows is not None
    assert [row.split("\t") for row in rows] == oracle(text.encode())


@pytest.mark.parametrize(
    "number", ["01", "-01", "1.", ".5", "+1", "1e", "1e+", "0x1", "--1", "\u0661", "1_0", "NaN", ""]
)
def test_what_is_no_number_takes_no_short_cut(number: str) -> None:
    templates = Templates(FEED.columns)
    assert templates.rows('{"a":1},{"a":-0.5E+7}') == ["1\t\t\t", "-0.5E+7\t\t\t"]
    assert templates.rows(f'{{"a":1}},{{"a":{number}}}') is None
    with pytest.raises(DumpRefused):
        read(f'[{{"a":1}},{{"a":{number}}}]'.encode(), 10)


def test_the_cut_of_an_escape_or_a_number_is_called_a_cut() -> None:
    whole = b'[{"a":"\\ud83d\\ude00","b":-1.5E+7,"c":false,"d":null}]'
    for length in range(1, len(whole)):
        with pytest.raises(DumpRefused, match="the dump was cut short: it ends "):
            read(whole[:length], 1 << 10)


scraps = st.lists(
    st.sampled_from(
        [
            '{"a":"1","b":"2"}', '{"a":"},{"}', '{"a":1.50,"b":true}', '{"a":"1","a":"2"}', "{}",
            '{"a":', '"x"', "1", "-", "01", "1e", "null", "tru", "[", "]", "{", "}", ",", ",", ":",
            " ", "\n", '"', "\\", "\\u12", '"\\ud800"', "\x00", "NaN", '{"a":"1"}', '{"b":"2"}',
        ]
    ),
    max_size=14,
)  # fmt: skip


def refuse_repeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a key twice")
    return dict(pairs)


def is_good(data: str) -> bool:
    """Whether Python's json finds a list of flat objects with an `a` that UTF-8 can hold."""
    try:
        loaded = json.loads(data, object_pairs_hook=refuse_repeated)
        data.encode()
        json.dumps(loaded, ensure_ascii=False).encode()
    except ValueError:
        return False
    if not isinstance(loaded, list) or not all(isinstance(one, dict) for one in loaded):
        return False
    has_nested = any(isinstance(one[key], list | dict) for one in loaded for key in one)
    return not has_nested and "NaN" not in data and any("a" in one for one in loaded)


@given(parts=scraps, size=st.integers(1, 40))
@settings(max_examples=1_000)
def test_any_text_is_read_exactly_or_refused(parts: list[str], size: int) -> None:
    text = "[" + "".join(parts) + "]"
    for is_exact in (False, True):
        try:
            rows = read(text.encode(), size, is_exact=is_exact)
        except DumpRefused:
            assert not is_good(text)
        else:
            assert is_good(text)
            assert rows == oracle(text.encode())


@given(array=st.lists(objects, min_size=2, max_size=6), data=st.data())
def test_every_cut_is_noticed_and_called_one(
    array: list[dict[str, Any]], data: st.DataObject
) -> None:
    whole = json.dumps(array).encode()
    length = data.draw(st.integers(1, len(whole) - 1))
    with pytest.raises(DumpRefused, match="the dump was cut short: it ends "):
        read(whole[:length], data.draw(st.integers(1, 100)))


@given(array=st.lists(st.fixed_dictionaries({"a": plain}), min_size=1, max_size=20), data=st.data())
def test_what_is_wrong_is_told_by_element_and_byte(
    array: list[dict[str, str]], data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(array) - 1))
    wrong, words = data.draw(
        st.sampled_from(
            [
                ('{"a":{}}', "holds an object where a text or a number belongs"),
                ('{"a":"1","a":"2"}', "names 'a' more than once"),
                ("[]", "is an array, not an object"),
                ("true", "is true or false, not an object"),
                ('{"a":"\\u0000"}', "holds a NUL"),
                ('{"a":"\\udc00"}', "holds half of a surrogate pair"),
            ]
        )
    )
    parts = [json.dumps(one, ensure_ascii=False) for one in array]
    parts[at] = wrong
    text = "[" + ", ".join(parts) + "]"
    byte = len(("[" + "".join(f"{part}, " for part in parts[:at])).encode())
    with pytest.raises(DumpRefused) as refusal:
        read(text.encode(), data.draw(st.integers(1, 300)))
    assert str(refusal.value).startswith(f"element {at + 1} (at byte {byte:,}) {words}")


@pytest.mark.parametrize("size", [1 << 16, 1 << 18])
def test_an_element_that_does_not_end_is_refused_before_it_fills_the_memory(size: int) -> None:
    data = b'[{"a":"1"},{"a":"' + b"x" * (3 * MAX_ROW_BYTES)
    taken = 0

    def chunks() -> Iterator[bytes]:
        nonlocal taken
        for chunk in cut(data, size):
            taken += len(chunk)
            yield chunk

    with pytest.raises(DumpRefused, match=r"element 2 \(at byte 10\) does not end within 4,194,"):
        list(read_dump(chunks(), FEED, 7).blocks())
    assert taken < MAX_ROW_BYTES + 2 * size


def test_deep_nesting_is_refused_and_does_not_overflow() -> None:
    deep = '[{"a":' + "[" * 100_000 + "]" * 100_000 + "}]"
    with pytest.raises(DumpRefused, match=r"element 1 \(at byte 1\) is not JSON: it is nested too"):
        read(deep.encode(), 1 << 18)


def test_a_dump_of_countless_shapes_is_still_read() -> None:
    from itertools import permutations

    columns = tuple("abcdefg")
    feed = dataclasses.replace(FEED, columns=columns)
    array = [{key: key for key in order} for order in permutations(columns)]
    rows = read(json.dumps(array).encode(), 1 << 16, feed=feed)
    assert rows == [list(columns)] * 5_040


def test_a_feed_of_one_column_is_read_whole() -> None:
    feed = dataclasses.replace(FEED, columns=("a",))
    data = b'[{"a":"one"},{"a":"two"},{"x":0},{"a":"t\\tab"}]'
    assert read(data, 12, feed=feed) == [["one"], ["two"], [""], ["t\tab"]]


def test_warnings_count_every_object_that_has_the_key() -> None:
    array = [{"a": "1"}, {"a": "1", "z": 1}] * 40 + [{"a": "2", "q": [{}]}]
    reading = read_dump(cut(json.dumps(array).encode(), 50), FEED, 7)
    assert sum(block.rows for block in reading.blocks()) == 81
    told = (
        "of the Angel One dump is new: in {} of 81 objects, first in element {}; it was not landed"
    )
    assert reading.warnings == (f"key 'z' {told}".format(40, 2), f"key 'q' {told}".format(1, 81))


JSON_CASES = sorted((Path(__file__).parent / "cases").glob("*/*/input.json"))


def outcome(data: bytes, size: int, feed: Feed, *, is_exact: bool) -> bytes | str:
    """The rows for COPY, or what is said of the dump."""
    try:
        reading = read_dump(cut(data, size), feed, 7, is_exact=is_exact)
        return b"".join(block.payload for block in reading.blocks())
    except DumpRefused as refusal:
        # What follows is quoted as far as it had come.
        return refusal.seen.partition(" stands ")[0]


@pytest.mark.parametrize("case", JSON_CASES, ids=lambda case: f"{case.parts[-3]}-{case.parts[-2]}")
def test_a_case_ends_the_same_however_it_comes(case: Path) -> None:
    feed = FEEDS[case.parts[-3]]
    data = case.read_bytes()
    exact = outcome(data, len(data) or 1, feed, is_exact=True)
    for size in (1, 37, 200, len(data) or 1):
        assert outcome(data, size, feed, is_exact=False) == exact
