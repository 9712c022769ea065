"""Which bytes of a `.env` file change, and that no other does."""

from __future__ import annotations

import io

import pytest
from dotenv import dotenv_values
from hypothesis import example, given
from hypothesis import strategies as st

from exporters.dotenv_line import COMMENT, held, with_line
from exporters.errors import DestinationRefused

APPENDED = f"{COMMENT}\nINSTRUMENTS=1,2\n".encode()


def written(content: bytes) -> bytes:
    return with_line(content, "INSTRUMENTS", "1,2")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"INSTRUMENTS=9", b"INSTRUMENTS=1,2"),
        (b"INSTRUMENTS=9\n", b"INSTRUMENTS=1,2\n"),
        (b"A=1\nINSTRUMENTS=9\nB=2\n", b"A=1\nINSTRUMENTS=1,2\nB=2\n"),
        (b"A=1\r\nINSTRUMENTS=9\r\nB=2", b"A=1\r\nINSTRUMENTS=1,2\r\nB=2"),
        (b"A=1\rINSTRUMENTS=9\rB=2", b"A=1\rINSTRUMENTS=1,2\rB=2"),
        (b"INSTRUMENTS=\nB=2\n", b"INSTRUMENTS=1,2\nB=2\n"),
        (b"INSTRUMENTS\nB=2\n", b"INSTRUMENTS=1,2\nB=2\n"),
        (b"  INSTRUMENTS = 9 , 8  \n", b"  INSTRUMENTS=1,2\n"),
        (b"export INSTRUMENTS=9\n", b"export INSTRUMENTS=1,2\n"),
        (b"'INSTRUMENTS'=9\n", b"INSTRUMENTS=1,2\n"),
        (b'INSTRUMENTS="9,8"\n', b"INSTRUMENTS=1,2\n"),
        (b"INSTRUMENTS='9,\n8'\nB=2\n", b"INSTRUMENTS=1,2\nB=2\n"),
        (b"INSTRUMENTS=9 # mine\n", b"INSTRUMENTS=1,2 # mine\n"),
        (b"INSTRUMENTS= # none yet\n", b"INSTRUMENTS=1,2 # none yet\n"),
        (b'INSTRUMENTS="9"# mine\n', b"INSTRUMENTS=1,2 # mine\n"),
        (b"INSTRUMENTS=9#8\n", b"INSTRUMENTS=1,2\n"),
        (b"INSTRUMENTS=9\nA=1\nINSTRUMENTS=8\n", b"INSTRUMENTS=1,2\nA=1\nINSTRUMENTS=1,2\n"),
        (b"\n\nINSTRUMENTS=9\n\n\n", b"\n\nINSTRUMENTS=1,2\n\n\n"),
        (b"\xef\xbb\xbfINSTRUMENTS=9\n", b"\xef\xbb\xbfINSTRUMENTS=1,2\n"),
        (b'INSTRUMENTS="9\nB=2\n', b"INSTRUMENTS=1,2\nB=2\n"),
        (b'INSTRUMENTS="9\nB="2"\n', b'INSTRUMENTS=1,2\nB="2"\n'),
        (b'INSTRUMENTS="9\nINSTRUMENTS="8"\n', b"INSTRUMENTS=1,2\nINSTRUMENTS=1,2\n"),
        (b"", APPENDED),
        (b"A=1\n", b"A=1\n" + APPENDED),
        (b"A=1", b"A=1\n" + APPENDED),
        (b"A=1\r\nB=2", b"A=1\r\nB=2\r\n" + APPENDED.replace(b"\n", b"\r\n")),
        (b"\xef\xbb\xbfA=1\n", b"\xef\xbb\xbfA=1\n" + APPENDED),
        (b"# INSTRUMENTS=9\n", b"# INSTRUMENTS=9\n" + APPENDED),
        (b"MY_INSTRUMENTS=9\n", b"MY_INSTRUMENTS=9\n" + APPENDED),
        (b"INSTRUMENTS_OLD=8\n", b"INSTRUMENTS_OLD=8\n" + APPENDED),
        (b"A='x\nINSTRUMENTS=9\n'\n", b"A='x\nINSTRUMENTS=9\n'\n" + APPENDED),
        (b"A=\xff\xfe\n", b"A=\xff\xfe\n" + APPENDED),
        (b"no line at all\n= \n", b"no line at all\n= \n" + APPENDED),
    ],
)  # fmt: skip
def test_one_line_is_replaced_where_it_stands_or_appended(before: bytes, after: bytes) -> None:
    assert written(before) == after
    assert written(after) == after


def test_what_a_file_says_is_what_python_dotenv_reads() -> None:
    content = b"INSTRUMENTS=1\nINSTRUMENTS='2,3'\nA=4\n"
    assert held(content, "INSTRUMENTS").values == ("1", "2,3")
    assert held(content, "INSTRUMENTS").effective == "2,3"
    assert held(b"A=1\n", "INSTRUMENTS").effective is None


def test_a_file_that_swallows_the_line_is_refused() -> None:
    # The key is one that no line can spell.
    with pytest.raises(DestinationRefused, match="cannot be written"):
        with_line(b"A=1\n", "IN STRUMENTS", "1")


lines = st.one_of(
    st.sampled_from(
        [
            b"INSTRUMENTS=1,2", b"INSTRUMENTS=9 # c", b"export INSTRUMENTS = 9", b"# INSTRUMENTS=1",
            b"INSTRUMENTS='9", b'INSTRUMENTS="9"', b'A="x', b"B='INSTRUMENTS=3'", b'"', b"'", b"",
            b"A=1", b"B = 2", b"C=${A}", b"\xff\xfe", b"\\", b"INSTRUMENTS", b"  ", b"\xa0",
            b"\xc2\xa0",
        ]
    ),
    st.binary(max_size=12),
)  # fmt: skip
files = st.tuples(
    st.lists(lines, max_size=8),
    st.sampled_from([b"\n", b"\r\n", b"\r"]),
    st.sampled_from([b"", b"\n"]),
).map(lambda parts: parts[1].join(parts[0]) + parts[2])


@given(files)
@example(b'INSTRUMENTS="\n"INSTRUMENTS=1\n')
def test_whatever_the_file_the_line_is_read_back_and_writing_twice_is_writing_once(
    content: bytes,
) -> None:
    try:
        after = written(content)
    except DestinationRefused:
        return
    text = after.decode("utf-8", "surrogateescape")
    assert dotenv_values(stream=io.StringIO(text), interpolate=False)["INSTRUMENTS"] == "1,2"
    assert written(after) == after


safe_line = st.one_of(
    st.binary(max_size=20).filter(lambda line: not set(line) & set(b"\r\n'\"=")),
    st.from_regex(rb"\A[A-Z_]{1,8}=[ -&(-~\x80-\xff]*\Z").filter(lambda line: b'"' not in line),
    st.from_regex(rb"\A[A-Z_]{1,8}='[^'\\\r]*'\Z"),
    st.from_regex(rb'\A[A-Z_]{1,8}="[^"\\\r]*"\Z'),
).filter(lambda line: not line.lstrip().startswith(b"INSTRUMENTS"))


@given(
    st.lists(safe_line, max_size=5), st.lists(safe_line, max_size=5), st.sampled_from([b"", b"\n"])
)
def test_every_byte_before_and_after_the_line_stays(
    before: list[bytes], after: list[bytes], end: bytes
) -> None:
    head = b"".join(line + b"\n" for line in before)
    tail = b"".join(b"\n" + line for line in after) + end
    assert written(head + b"INSTRUMENTS=9" + tail) == head + b"INSTRUMENTS=1,2" + tail
