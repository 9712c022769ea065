"""Unzipping to the very end, in small pieces, and no further."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loader.archive import gzipped
from loader.errors import DumpRefused
from loader.gunzip import PIECE, gunzip, sniff


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


@given(
    parts=st.lists(st.binary(max_size=600), min_size=1, max_size=4),
    padding=st.integers(0, 40),
    size=st.integers(1, 100),
)
def test_members_are_joined_and_padding_is_dropped(
    parts: list[bytes], padding: int, size: int
) -> None:
    data = b"".join(gzip.compress(part) for part in parts) + b"\0" * padding
    assert b"".join(gunzip(cut(data, size))) == b"".join(parts)


@given(data=st.binary(max_size=2_000), size=st.integers(1, 100), drawn=st.data())
def test_every_cut_is_noticed(data: bytes, size: int, drawn: st.DataObject) -> None:
    whole = gzip.compress(data)
    length = drawn.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(DumpRefused, match="ends before its end"):
        b"".join(gunzip(cut(whole[:length], size)))


@given(data=st.binary(max_size=500), at=st.integers(1, 8))
def test_a_changed_checksum_or_length_is_noticed(data: bytes, at: int) -> None:
    whole = bytearray(gzip.compress(data))
    whole[-at] ^= 0xFF
    with pytest.raises(DumpRefused, match="damaged"):
        b"".join(gunzip([bytes(whole)]))


@given(tail=st.binary(min_size=1, max_size=50).filter(lambda tail: tail.strip(b"\0")))
def test_bytes_after_the_end_are_noticed(tail: bytes) -> None:
    with pytest.raises(DumpRefused):
        b"".join(gunzip([gzip.compress(b"dump"), tail]))


@pytest.mark.parametrize("size", [100, 1 << 20])
def test_a_bomb_comes_in_bounded_pieces(size: int) -> None:
    bomb = gzip.compress(b"\0" * (64 * PIECE))
    lengths = [len(piece) for piece in gunzip(cut(bomb, size))]
    assert sum(lengths) == 64 * PIECE
    assert max(lengths) <= PIECE


@pytest.mark.parametrize("extra", [-1, 0, 1])
def test_output_that_just_fills_a_piece_is_not_lost(extra: int) -> None:
    data = b"x" * (PIECE + extra)
    assert b"".join(gunzip([gzip.compress(data)])) == data


@given(data=st.binary(max_size=300), size=st.integers(1, 5))
def test_sniffing_takes_nothing_away(data: bytes, size: int) -> None:
    for given_data in (data, b"\x1f\x8b" + data):
        is_zipped, chunks = sniff(cut(given_data, size))
        assert b"".join(chunks) == given_data
        assert is_zipped == given_data.startswith(b"\x1f\x8b")


@given(chunks=st.lists(st.binary(max_size=300)))
def test_what_is_zipped_here_unzips_anywhere(chunks: list[bytes]) -> None:
    packed = b"".join(gzipped(chunks))
    assert zlib.decompress(packed, 31) == b"".join(chunks)
