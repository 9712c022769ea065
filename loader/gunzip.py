"""Unzipping a stream of bytes to its very end, in pieces of bounded size."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterable, Iterator

from loader.errors import DumpIncomplete, DumpRefused

MAGIC = b"\x1f\x8b"
PIECE = 1 << 18
_GZIP = 31  # zlib's window bits for gzip framing
_WHOLE = "a gzip file that is whole"


def sniff(chunks: Iterable[bytes]) -> tuple[bool, Iterator[bytes]]:
    """Tell whether the bytes begin as gzip does; return that and the same stream, unread."""
    rest = iter(chunks)
    head = b""
    for chunk in rest:
        head += chunk
        if len(head) >= len(MAGIC):
            break
    return head.startswith(MAGIC), itertools.chain((head,) if head else (), rest)


def gunzip(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the unzipped bytes, never more than `PIECE` of them at a time.

    Several members in one file are joined, as `gzip -d` does; zero padding at the end is fine.

    Raises:
        DumpRefused: damaged, cut short, or followed by bytes that are not gzip.
    """
    unzip = zlib.decompressobj(_GZIP)
    for chunk in chunks:
        data = chunk
        while data:
            if unzip.eof:
                data = data.lstrip(b"\0")
                if not data:
                    break
                if not data.startswith(MAGIC[: len(data)]):
                    raise DumpRefused("bytes follow the end of the gzip data", expected=_WHOLE)
                unzip = zlib.decompressobj(_GZIP)
            yield from _pieces(unzip, data)
            data = unzip.unused_data
    if not unzip.eof:
        raise DumpIncomplete(
            "the gzip data ends before its end: the dump was cut short", expected=_WHOLE
        )


def _pieces(unzip: zlib._Decompress, data: bytes) -> Iterator[bytes]:
    """Unzip one chunk; `unzip` then holds no bytes of it back, however well it was packed."""
    piece = b""
    while data or len(piece) == PIECE:
        try:
            piece = unzip.decompress(data, PIECE)
        except zlib.error:
            raise DumpRefused("the gzip data is damaged", expected=_WHOLE) from None
        data = unzip.unconsumed_tail
        if piece:
            yield piece
        if unzip.eof:
            return
