"""Replies arrive cut anywhere; what is made of them does not depend on where."""

from __future__ import annotations

import itertools

import hiredis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.redis.failures import PartlyExecuted, ServerRefusal, WriteConflict
from exporters.redis.replies import Difference, HashReplies, ParsedReplies, TransactionReplies
from exporters.redis.rows import FIELDS, Rows, command

KEYS = [b"instrument:1", b"instrument:2", b"instrument:3"]


def flat(values: list[bytes]) -> list[bytes]:
    pairs = zip(FIELDS, values, strict=True)
    return [part for name, value in pairs for part in (name.encode(), value)]


def packed(values: list[bytes]) -> bytes:
    # A command and an array of texts have the same form.
    return command(*flat(values)).split(b"\r\n", 1)[1]


def feed(replies: TransactionReplies, stream: bytes, cuts: list[int]) -> None:
    for piece in pieces(stream, cuts):
        replies.feed(memoryview(piece))


def pieces(stream: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    return [stream[a:b] for a, b in itertools.pairwise(places)]


values = st.lists(st.binary(max_size=30), min_size=10, max_size=10)
cuts = st.lists(st.integers(0, 10_000), max_size=12)
held = st.one_of(
    values.map(flat),
    st.just([]),
    st.permutations(list(zip(FIELDS, range(10), strict=True))).map(
        lambda pairs: [part for name, n in pairs for part in (name.encode(), b"%d" % n)]
    ),
    st.none(),
)


@given(wanted=st.lists(values, min_size=3, max_size=3), held=st.lists(held, min_size=3, max_size=3),
       same=st.lists(st.booleans(), min_size=3, max_size=3), cuts=cuts)  # fmt: skip
def test_hashes_are_compared_as_mappings_wherever_the_stream_is_cut(
    wanted: list[list[bytes]],
    held: list[list[bytes] | None],
    same: list[bool],
    cuts: list[int],
) -> None:
    rows = Rows(KEYS, [packed(values) for values in wanted])
    found = [flat(w) if s else h for w, h, s in zip(wanted, held, same, strict=True)]
    stream = b"".join(
        b"-WRONGTYPE no hash\r\n" if one is None else (command(*one) if one else b"*0\r\n")
        for one in found
    )
    replies = HashReplies()
    replies.expect(rows)
    for piece in pieces(stream, cuts):
        assert not replies.is_complete
        replies.feed(memoryview(piece))

    assert replies.is_complete
    expected = []
    for key, want, pack, one in zip(KEYS, wanted, rows.packed, found, strict=True):
        there = None if one is None else dict(zip(one[::2], one[1::2], strict=True))
        if there is None:
            expected.append(Difference(key, pack, {}, is_hash=False))
        elif there != dict(zip((f.encode() for f in FIELDS), want, strict=True)):
            expected.append(Difference(key, pack, there))
    assert replies.differences == expected


def test_an_error_among_the_hashes_is_a_refusal() -> None:
    replies = HashReplies()
    replies.expect(Rows(KEYS[:1], [packed([b"x"] * 10)]))
    with pytest.raises(ServerRefusal, match="NOPERM"):
        replies.feed(memoryview(b"-NOPERM no\r\n"))


@given(commands=st.integers(0, 60_000), results=st.integers(0, 5), cuts=cuts)
def test_a_transaction_is_complete_when_exec_has_answered(
    commands: int, results: int, cuts: list[int]
) -> None:
    stream = b"+QUEUED\r\n" * commands + b"*%d\r\n" % results + b":1\r\n" * results
    replies = TransactionReplies()
    replies.expect(commands)
    for piece in pieces(stream, cuts):
        assert not replies.is_complete
        for start in range(0, len(piece), 1 << 18):
            replies.feed(memoryview(piece)[start : start + (1 << 18)])
    assert replies.results == (1,) * results


@pytest.mark.parametrize(
    ("end", "kind", "text"),
    [
        (b"-OOM no memory\r\n+QUEUED\r\n-EXECABORT discarded\r\n", ServerRefusal, "OOM no memory"),
        (b"+QUEUED\r\n+QUEUED\r\n-EXECABORT discarded\r\n", ServerRefusal, "EXECABORT"),
        (b"+QUEUED\r\n+QUEUED\r\n*-1\r\n", WriteConflict, "^$"),
        (b"+QUEUED\r\n+QUEUED\r\n*2\r\n:1\r\n-WRONGTYPE no\r\n", PartlyExecuted, "WRONGTYPE no"),
    ],
)
@given(cuts=cuts)
def test_a_refused_transaction_is_told_wherever_the_stream_is_cut(
    end: bytes, kind: type[Exception], text: str, cuts: list[int]
) -> None:
    replies = TransactionReplies()
    replies.expect(5)
    stream = b"+QUEUED\r\n" * 3 + end
    with pytest.raises(kind, match=text):
        feed(replies, stream, cuts)
    assert not replies.is_complete


@given(cuts=cuts)
def test_the_first_command_may_be_refused(cuts: list[int]) -> None:
    replies = TransactionReplies()
    replies.expect(1)
    with pytest.raises(ServerRefusal, match="NOAUTH"):
        feed(replies, b"-NOAUTH log in\r\n-NOAUTH log in\r\n", cuts)


def test_short_replies_are_parsed_in_order() -> None:
    replies = ParsedReplies(2, keep_wrong_type=True)
    replies.feed(memoryview(b":1\r\n-WRONG"))
    assert not replies.is_complete
    replies.feed(memoryview(b"TYPE no\r\n"))
    assert replies.is_complete
    assert replies.values[0] == 1
    assert isinstance(replies.values[1], hiredis.ReplyError)
    with pytest.raises(ServerRefusal):
        ParsedReplies(1).feed(memoryview(b"-ERR no\r\n"))
