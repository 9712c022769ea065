"""Fetching a dump: from wherever it is to one whole, hashed file in the landing folder."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from loader import archive
from loader.download import Answer, Download, Progress, too_big
from loader.errors import DumpRefused, SourceNotFound
from loader.feeds.feed import Feed
from loader.formats import Outline
from loader.gunzip import gunzip, sniff
from loader.options import FetchOptions
from loader.sample import sample_chunks
from loader.source import LocalFile, Remote, Sample, parse_source

__all__ = ["Dump", "FetchOptions", "Validator", "fetch"]


@dataclass(frozen=True, slots=True)
class Dump:
    """One dump, whole, in the landing folder.

    Attributes:
        feed: the feed's name.
        path: the archived file, in gzip form.
        source: where it came from, without credentials.
        sha256: of the uncompressed bytes.
        size: how many uncompressed bytes.
        etag: the server's validator, for the next conditional request.
        last_modified: the server's other validator.
        is_unchanged: whether the server said that the dump known already is still the one.
    """

    feed: str
    path: Path
    source: str
    sha256: str
    size: int
    etag: str | None = None
    last_modified: str | None = None
    is_unchanged: bool = False


@dataclass(frozen=True, slots=True)
class Validator:
    """What is known of the dump fetched last, to ask only for a newer one.

    Attributes:
        source: where it came from, as `Dump.source` says it; of another source nothing is known.
        path: its archived file.
        sha256: of its uncompressed bytes.
        etag: what the server called it.
        last_modified: when the server said that it changed.
    """

    source: str
    path: Path
    sha256: str
    etag: str | None = None
    last_modified: str | None = None

    @property
    def conditions(self) -> dict[str, str]:
        """The headers of a conditional request (RFC 9110)."""
        headers = {"If-None-Match": self.etag, "If-Modified-Since": self.last_modified}
        return {name: value for name, value in headers.items() if value}


def fetch(
    source: str,
    feed: Feed,
    *,
    as_of: date,
    landing: Path,
    options: FetchOptions,
    known: Validator | None = None,
    on_progress: Progress | None = None,
) -> Dump:
    """Fetch a dump and keep it as `<landing>/<feed>/<as-of>/<sha256>.csv.gz` (or `.json.gz`).

    Args:
        source: the feed's name, `sample` (of Kite), a path, or an `https`, `file` or loopback
            `http` URL.
        feed: whose dump it is; `feed.with_url` for another address of the broker.
        as_of: the trading day that the dump describes.
        landing: the landing folder, made when missing.
        options: timeouts, attempts, caps, headers.
        known: what was fetched last; a broker that has nothing newer then sends nothing.
        on_progress: called with the bytes received and, where it is known, their total.

    Raises:
        SourceNotFound: the source names nothing that can be read.
        BrokerUnavailable: an outage; nothing falls back to the sample.
        DumpRefused: the dump is damaged, cut short, too big or of another shape.
        LandingFailed: the landing folder cannot be written.
    """
    place = parse_source(source, feed)
    store = _Store(feed, landing, as_of, place.shown, options)
    archive.remove_abandoned(store.folder)
    try:
        if isinstance(place, Sample):
            return store.keep(sample_chunks(rows=options.sample_rows, as_of=as_of))
        if isinstance(place, LocalFile):
            return store.keep(_file_chunks(place, store, on_progress))
        return _download(place, store, Download(place, feed, options, on_progress), known)
    except DumpRefused as refusal:
        raise refusal.about(place.shown) from None


def _download(place: Remote, store: _Store, download: Download, known: Validator | None) -> Dump:
    # Two URLs that differ in their query alone look the same once the query is hidden.
    is_known = known and not place.has_query and known.source == place.shown
    if known and is_known and known.path.is_file():
        dump = download.run(functools.partial(_consume, store, known), known.conditions)
        if dump:
            return dump
    dump = download.run(functools.partial(_consume, store, None), {})
    if dump is None:
        raise RuntimeError("an unconditional request cannot be answered with 304")
    return dump


def _consume(store: _Store, known: Validator | None, answer: Answer) -> Dump | None:
    """Store an answer; None where it says "unchanged" and the archived file is no longer whole."""
    if answer.chunks is not None:
        return store.keep(answer.chunks, etag=answer.etag, last_modified=answer.last_modified)
    size = archive.verified_size(known.path, known.sha256) if known else None
    if known is None or size is None:
        return None
    return store.unchanged(known, size)


def _file_chunks(place: LocalFile, store: _Store, on_progress: Progress | None) -> Iterator[bytes]:
    total, done = place.path.stat().st_size, 0
    if total > store.options.max_bytes:
        raise too_big(store.options.max_bytes, store.feed)
    pieces = archive.read_file(place.path)
    while True:
        try:
            piece = next(pieces, b"")
        except OSError as error:
            raise SourceNotFound(
                f"{place.shown} cannot be read: {error.strerror or error}",
                expected="a file that this user may read",
            ) from error
        if not piece:
            return
        done += len(piece)
        if on_progress:
            on_progress(done, total)
        yield piece


@dataclass(frozen=True, slots=True)
class _Store:
    """The landing folder, for one feed, day and source."""

    feed: Feed
    landing: Path
    as_of: date
    shown: str
    options: FetchOptions

    @property
    def folder(self) -> Path:
        return self.landing / self.feed.name

    def keep(
        self,
        chunks: Iterator[bytes],
        *,
        etag: str | None = None,
        last_modified: str | None = None,
    ) -> Dump:
        """Write the dump to a temporary file while it is checked, then move it to its place."""
        is_zipped, chunks = sniff(self._capped(chunks))
        outline = Outline(self.feed)
        with archive.incoming(self.folder) as file:
            if is_zipped:  # the broker's own bytes are kept as they are
                plain = self._capped(gunzip(_written(chunks, file.write)))
                for piece in plain:
                    outline.take(piece)
            else:
                for packed in archive.gzipped(outline.watch(chunks)):
                    file.write(packed)
            outline.close()
            sha256 = outline.sha256
            path = self._path(sha256, f".{outline.format}.gz")
            archive.keep(file, path)
        return Dump(self.feed.name, path, self.shown, sha256, outline.size, etag, last_modified)

    def unchanged(self, known: Validator, size: int) -> Dump:
        """The dump known already, in this day's folder too."""
        sha256 = known.sha256
        path = self._path(sha256, "".join(known.path.suffixes[-2:]))
        archive.keep_copy(known.path, path)
        return Dump(
            self.feed.name, path, self.shown, sha256, size, known.etag, known.last_modified, True
        )

    def _path(self, sha256: str, ending: str) -> Path:
        return archive.archive_path(self.landing, self.feed.name, self.as_of, sha256, ending)

    def _capped(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        size = 0
        for chunk in chunks:
            size += len(chunk)
            if size > self.options.max_bytes:
                raise too_big(self.options.max_bytes, self.feed)
            yield chunk


def _written(chunks: Iterator[bytes], write: Callable[[bytes], object]) -> Iterator[bytes]:
    for chunk in chunks:
        write(chunk)
        yield chunk
