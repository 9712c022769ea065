r"""A publication in a local file: read in a moment, whole or not at all.

    INSTRUMENT-REGISTRY-SNAPSHOT 2\n      what it is, and the version of this layout
    8 bytes, little-endian               length of the header
    32 bytes                             SHA-256 of the header
    header, JSON                         the publication; where each section is, and its SHA-256
    sections                             the columns of the whole publication; of its focus set

No pickle: a snapshot is data, and reading a foreign one runs nothing. It is written beside its
place and moved there; readers see the old one or the new one.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date, datetime
from pathlib import Path
from typing import IO, Any, Final

from instrument_registry.atomic_file import replace
from instrument_registry.errors import RegistryUnavailable, SnapshotRefused
from instrument_registry.records import Publication, RegistryType
from instrument_registry.sources.contents import Contents
from instrument_registry.sources.packing import pack, unpack

VERSION: Final = 2
_NAME: Final = b"INSTRUMENT-REGISTRY-SNAPSHOT"
_FIRST_LINE: Final = b"%s %d\n" % (_NAME, VERSION)
_LENGTH: Final = 8
_DIGEST: Final = 32
_LONGEST_HEADER: Final = 1 << 20
_AT_ONCE: Final = 1 << 18
_KEPT: Final = "the file that was there is as it was"


@dataclass(frozen=True, slots=True)
class Held:
    """What a whole snapshot holds.

    Attributes:
        publication: which one.
        fingerprint: what the publication was made from; empty where it was not said.
    """

    publication: Publication
    fingerprint: str


def packed(contents: Contents, fingerprint: str = "") -> bytes:
    """The bytes of a snapshot of a publication, with its focus set if it is known.

    Args:
        contents: the whole publication, as `postgres.read_contents` reads it.
        fingerprint: what it was made from; tells equal numbers of two warehouses apart.

    Raises:
        SnapshotRefused: a text with the character 31 in it.
    """
    pieces = {RegistryType.COMPREHENSIVE: pack(contents)}
    if contents.focus is not None:
        pieces[RegistryType.INTRADAY_FOCUS] = pack(contents.focused())
    sections, at = {}, 0
    for kind, (data, layout) in pieces.items():
        digest = _digest(data).hex()
        sections[kind.value] = {"at": at, "bytes": len(data), "sha256": digest, "layout": layout}
        at += len(data)
    told = asdict(contents.publication) | {"source": "snapshot", "passed_over": ()}
    header = json.dumps(
        {
            "publication": told, "fingerprint": fingerprint, "byte_order": sys.byteorder,
            "sections": sections,
        },
        default=lambda value: value.isoformat(),
    ).encode()  # fmt: skip
    start = _FIRST_LINE + len(header).to_bytes(_LENGTH, "little")
    start += _digest(header)
    return b"".join((start, header, *(data for data, _ in pieces.values())))


def write(path: Path | str, contents: Contents) -> int:
    """Write the snapshot of a publication.

    Args:
        path: the file; its folder is made if it is not there.
        contents: as `packed`.

    Returns:
        The size in bytes.

    Raises:
        SnapshotRefused: a text with the character 31 in it.
        RegistryUnavailable: the file cannot be written; the old one stands.
    """
    target = Path(path)
    whole = packed(contents)
    try:
        replace(target, whole)
    except OSError as error:
        raise RegistryUnavailable(
            f"{target} cannot be written: {error.strerror}; {_KEPT}"
        ) from error
    return len(whole)


def write_published(database_url: str, path: Path | str) -> int:
    """Write the snapshot of the last publication of a database; returns its number.

    Raises:
        RegistryUnavailable: it cannot be read or written; the old file stands.
    """
    from instrument_registry.sources.postgres import read_contents  # noqa: PLC0415 - it reads snapshots too

    contents = read_contents(database_url)
    write(path, contents)
    return contents.publication.number or 0


def read(path: Path | str, registry_type: RegistryType = RegistryType.COMPREHENSIVE) -> Contents:
    """The publication of a snapshot, or its focus set alone.

    Raises:
        SnapshotRefused: it is torn, foreign, or of another version.
        RegistryUnavailable: there is none, or it cannot be read.
    """
    with _opened(path) as (target, file):
        header, start = _header(target, file)
        return _section(target, file, header, start, registry_type)


def publication_of(path: Path | str) -> Publication:
    """Which publication a snapshot says that it holds, without its rows being looked at.

    Raises:
        SnapshotRefused, RegistryUnavailable: as `read`.
    """
    with _opened(path) as (target, file):
        return _publication(target, _header(target, file)[0])


def held(path: Path | str) -> Held:
    """Which publication a snapshot holds, once every byte of it fits its checksum.

    Raises:
        SnapshotRefused, RegistryUnavailable: as `read`.
    """
    with _opened(path) as (target, file):
        header, start = _header(target, file)
        for name, section in header["sections"].items():
            file.seek(start + section["at"])
            if _digest_ahead(file, section["bytes"]) != section["sha256"]:
                raise _torn(target, name)
        return Held(_publication(target, header), header["fingerprint"])


@contextmanager
def _opened(path: Path | str) -> Iterator[tuple[Path, IO[bytes]]]:
    target = Path(path)
    try:
        with target.open("rb") as file:
            yield target, file
    except OSError as error:
        raise RegistryUnavailable(f"{target} cannot be read: {error.strerror}") from error


def _header(path: Path, file: IO[bytes]) -> tuple[Mapping[str, Any], int]:
    line = file.readline(80)
    if line != _FIRST_LINE:
        if line.startswith(_NAME) and line.endswith(b"\n"):
            version = line[len(_NAME) :].decode(errors="replace").strip()[:20]
            raise _refused(path, f"it is of version {version}", f"version {VERSION}")
        raise _refused(path, "it does not begin as a snapshot does", "a registry snapshot")
    length = int.from_bytes(file.read(_LENGTH), "little")
    digest = file.read(_DIGEST)
    data = file.read(length) if length <= _LONGEST_HEADER else b""
    if _digest(data) != digest:
        raise _refused(path, "its header is torn", "a header that fits its checksum")
    header: Mapping[str, Any] = json.loads(data)
    start = file.tell()
    size = start + sum(one["bytes"] for one in header["sections"].values())
    found = os.fstat(file.fileno()).st_size
    if found != size:
        raise _refused(path, f"it has {found} bytes", f"{size}, as its header says")
    if header["byte_order"] != sys.byteorder:
        raise _refused(
            path, f"it was written {header['byte_order']}-endian", f"{sys.byteorder}-endian"
        )
    return header, start


def _section(
    path: Path, file: IO[bytes], header: Mapping[str, Any], start: int, kind: RegistryType
) -> Contents:
    section = header["sections"].get(kind.value)
    if section is None:
        raise _refused(path, "it holds no focus set", "one written with a focus set")
    file.seek(start + section["at"])
    data = file.read(section["bytes"])
    if _digest(data).hex() != section["sha256"]:
        raise _torn(path, kind.value)
    return unpack(data, section["layout"], _publication(path, header))


def _publication(path: Path, header: Mapping[str, Any]) -> Publication:
    told = header["publication"]
    published_at, as_of = told["published_at"], told["as_of_date"]
    try:
        return Publication(
            number=told["number"],
            published_at=datetime.fromisoformat(published_at) if published_at else None,
            as_of_date=date.fromisoformat(as_of) if as_of else None,
            source="snapshot",
            stale_brokers=tuple(told["stale_brokers"]),
        )
    except (ValueError, TypeError) as error:
        raise _refused(path, "its publication cannot be read", "a number and two dates") from error


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _digest_ahead(file: IO[bytes], size: int) -> str:
    """Of the bytes that come, through a buffer that stays in the processor's cache."""
    found, buffer = hashlib.sha256(), memoryview(bytearray(_AT_ONCE))
    while size > 0 and (count := file.readinto(buffer[:size])):  # type: ignore[attr-defined]  # binary files have it
        found.update(buffer[:count])
        size -= count
    return found.hexdigest()


def _torn(path: Path, section: str) -> SnapshotRefused:
    return _refused(path, f"its {section} rows are torn", "rows that fit their checksum")


def _refused(path: Path, seen: str, expected: str) -> SnapshotRefused:
    return SnapshotRefused(
        f"{path} was not taken: {seen}; expected {expected}. `warehouse export` writes it anew"
    )
