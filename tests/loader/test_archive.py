"""The landing folder holds whole dumps, the newest days of them, and no litter."""

from __future__ import annotations

import errno
import fcntl
import gzip
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from loader import archive
from loader.errors import LandingFailed
from loader.feeds import KITE
from loader.fetch import Dump, FetchOptions, fetch
from tests.loader.broker import AS_OF, DUMP

Get = Callable[..., Dump]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "dump.csv"
    path.write_bytes(DUMP)
    return path


def keep_days(landing: Path, number: int) -> list[Path]:
    paths = []
    for i in range(number):
        day = AS_OF - timedelta(days=i)
        path = archive.archive_path(landing, "kite", day, f"{i:064x}")
        path.parent.mkdir(parents=True)
        path.write_bytes(gzip.compress(DUMP))
        paths.append(path)
    return paths


def test_pruning_keeps_the_newest_days(landing: Path) -> None:
    paths = keep_days(landing, 5)
    assert archive.prune(landing, "kite", days=3) == [paths[3], paths[4]]
    assert [path.exists() for path in paths] == [True, True, True, False, False]
    assert not paths[3].parent.exists()


def test_pruning_never_deletes_a_file_that_is_to_be_kept(landing: Path) -> None:
    paths = keep_days(landing, 4)
    other = paths[3].with_name("f" * 64 + ".csv.gz")
    other.write_bytes(b"")
    relative = Path(os.path.relpath(paths[3]))
    assert archive.prune(landing, "kite", days=1, keep={relative}) == [paths[1], paths[2], other]
    assert paths[3].exists()


def test_pruning_leaves_what_it_does_not_know(landing: Path) -> None:
    paths = keep_days(landing, 2)
    notes = paths[1].with_name("notes.txt")
    notes.write_text("mine")
    for name in ("latest", "20260817", "2026-W33-1"):
        (landing / "kite" / name).mkdir()
        (landing / "kite" / name / "x.csv.gz").write_bytes(b"")
    archive.prune(landing, "kite", days=1)
    assert notes.exists()
    assert not paths[1].exists()
    assert len(list((landing / "kite").glob("*/x.csv.gz"))) == 3


def test_pruning_of_nothing_is_fine(landing: Path) -> None:
    assert archive.prune(landing, "kite", days=30) == []


@pytest.mark.parametrize("days", [0, -1])
def test_pruning_to_nothing_is_refused(landing: Path, days: int) -> None:
    with pytest.raises(ValueError, match="at least 1 day"):
        archive.prune(landing, "kite", days=days)


def test_the_leavings_of_dead_runs_are_swept_and_those_of_live_ones_are_not(
    landing: Path, get: Get, file: Path
) -> None:
    folder = landing / "kite"
    folder.mkdir(parents=True)
    dead, live = folder / ".incoming-dead.part", folder / ".incoming-live.part"
    dead.write_bytes(b"half a dump")
    with live.open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        get(file)
        assert (dead.exists(), live.exists()) == (False, True)
    get(file)
    assert not live.exists()


def test_the_same_dump_twice_is_one_file(landing: Path, get: Get, file: Path) -> None:
    first, second = get(file), get(file)
    assert first == second
    assert len(list(landing.rglob("*.csv.gz"))) == 1


def test_a_damaged_archived_file_is_replaced_by_the_next_fetch(get: Get, file: Path) -> None:
    get(file).path.write_bytes(b"damage")
    assert b"".join(archive.read_archived(get(file).path)) == DUMP


def test_a_fetch_that_dies_leaves_no_file_under_its_final_name(
    landing: Path, options: FetchOptions, file: Path
) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(str(file), KITE, as_of=AS_OF, landing=landing, options=options, on_progress=die)
    assert [path for path in landing.rglob("*") if path.is_file()] == []


def test_a_landing_folder_that_cannot_be_made_is_told(
    tmp_path: Path, options: FetchOptions, file: Path
) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("a file, not a folder")
    with pytest.raises(LandingFailed, match=r"could not be kept in .*blocked/kite") as failure:
        fetch(str(file), KITE, as_of=AS_OF, landing=blocked, options=options)
    assert failure.value.exit_code == 3


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full stands in for a full disk")
def test_a_full_disk_is_told(tmp_path: Path) -> None:
    with (
        pytest.raises(LandingFailed, match=os.strerror(errno.ENOSPC)),
        archive.incoming(tmp_path),
        Path("/dev/full").open("wb", buffering=0) as full,
    ):
        full.write(DUMP)
    assert list(tmp_path.iterdir()) == []


def test_archives_are_the_same_bytes_for_the_same_dump(
    get: Get, tmp_path: Path, file: Path
) -> None:
    one = get(file, landing=tmp_path / "one").path
    two = get(file, landing=tmp_path / "two").path
    assert one.read_bytes() == two.read_bytes()
