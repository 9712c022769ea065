"""Files that cannot be written: folders read-only, disks full, paths that are no files."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.faults.conftest import Laboratory, cannot_run
from tests.installation import DOTENV, LOOKUP, SNAPSHOT, Done, Kept

BLOCK = 4_096
SMALL_FILES_ONLY = """
import resource, runpy
resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000))
runpy.run_module("warehouse", run_name="__main__", alter_sys=True)
"""


@pytest.fixture(scope="module")
def pending(laboratory: Laboratory) -> Iterator[Kept]:
    """The new publication everywhere but in two files, whose paths could not be written."""
    lab = laboratory
    lab.put_back()
    done = lab.at.sync(
        lab.next_dump, ENV_FILE=str(lab.dump / ".env"), TOKEN_LOOKUP_FILE=str(lab.dump / "x.json")
    )
    assert done.code == 5, done
    lab.assert_pending(DOTENV, LOOKUP)
    kept = lab.at.keep("no-files")
    yield kept
    lab.heal()


@pytest.fixture
def without_snapshot(laboratory: Laboratory) -> Iterator[Laboratory]:
    """The new publication everywhere but in the registry's snapshot."""
    laboratory.put_back(laboratory.kept_new)
    old = laboratory.kept_old.folder / "home" / laboratory.at.snapshot.name
    shutil.copy2(old, laboratory.at.snapshot)
    laboratory.assert_pending(SNAPSHOT)
    yield laboratory
    laboratory.heal()


@pytest.fixture
def behind(laboratory: Laboratory, pending: Kept) -> Iterator[Laboratory]:
    laboratory.put_back(pending)
    yield laboratory
    laboratory.heal()


def is_told_and_finished_later(lab: Laboratory, done: Done, *pending: str) -> None:
    assert done.code == 5, done
    assert "Traceback" not in done.err
    assert "warehouse export" in done.err
    lab.assert_pending(*pending)
    left = [path for path in lab.at.env_file.parent.rglob("*") if "warehouse-tmp" in path.name]
    assert left == []
    lab.converge()


def refused(*command: str) -> bool:
    return shutil.which(command[0]) is None or subprocess.run(command, check=False).returncode != 0


@contextmanager
def immutable(path: Path) -> Iterator[None]:
    """Nobody may write there: not even root, nor the owner of a folder."""
    if os.geteuid() != 0 and path.is_dir():
        mode = path.stat().st_mode
        path.chmod(mode & ~0o222)
        undo: Callable[[], object] = partial(path.chmod, mode)
    elif refused("chattr", "+i", str(path)):
        cannot_run("a file that root may not write needs root and a file system with chattr +i")
    else:
        undo = partial(subprocess.run, ["chattr", "-i", str(path)], check=True)
    try:
        yield
    finally:
        undo()


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[None]:
    """A small disk of its own, or the same folder read-only."""
    if refused("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)):
        cannot_run("mounting a small disk needs root")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_the_folder_of_the_env_file_is_read_only(behind: Laboratory) -> None:
    with immutable(behind.at.env_file.parent):
        done = behind.at.sync(behind.next_dump)
    assert ".env" in done.err
    is_told_and_finished_later(behind, done, DOTENV)


def test_the_env_file_itself_is_immutable(behind: Laboratory) -> None:
    with immutable(behind.at.env_file):
        done = behind.at.sync(behind.next_dump)
    is_told_and_finished_later(behind, done, DOTENV)


def test_the_env_file_is_on_a_disk_mounted_read_only(behind: Laboratory) -> None:
    at = behind.at
    before = at.env_file.read_bytes()
    with mounted(at.env_file.parent, "size=1m"):
        at.env_file.write_bytes(before)
        subprocess.run(["mount", "-o", "remount,ro", str(at.env_file.parent)], check=True)
        done = at.sync(behind.next_dump)
        assert at.env_file.read_bytes() == before
    assert "read-only" in done.err
    is_told_and_finished_later(behind, done, DOTENV)


@pytest.mark.parametrize("free_blocks", [0, 1, 2])
def test_the_disk_of_the_env_file_is_full(behind: Laboratory, free_blocks: int) -> None:
    at = behind.at
    before = at.env_file.read_bytes()
    with mounted(at.env_file.parent, "size=64k"):
        at.env_file.write_bytes(before)
        fill_up(at.env_file.parent / "filler", free_blocks)
        done = at.sync(behind.next_dump)
        assert at.env_file.read_bytes() == before
    assert "full" in done.err
    is_told_and_finished_later(behind, done, DOTENV)


def fill_up(filler: Path, free_blocks: int) -> None:
    descriptor = os.open(filler, os.O_WRONLY | os.O_CREAT)
    try:
        while True:
            os.write(descriptor, b"x" * BLOCK)
    except OSError:
        size = os.fstat(descriptor).st_size
        os.ftruncate(descriptor, size - free_blocks * BLOCK)
    finally:
        os.close(descriptor)


def test_files_may_not_grow_beyond_a_quota(behind: Laboratory) -> None:
    """Where mounting is not allowed, a limit on the size of files stands in for a full disk."""

    running = behind.at.start_program(
        [sys.executable, "-c", SMALL_FILES_ONLY, "sync", "--source", str(behind.next_dump)]
    )
    done = running.done()
    assert "larger than allowed" in done.err
    is_told_and_finished_later(behind, done, LOOKUP)


@pytest.mark.parametrize("kind", ["a folder", "a loop", "below a file", "a fifo"])
def test_the_path_of_the_env_file_is_not_one_of_a_file(behind: Laboratory, kind: str) -> None:
    place = behind.at.folder / "elsewhere"
    place.mkdir()
    path = place / ".env"
    if kind == "a folder":
        path.mkdir()
    elif kind == "a loop":
        path.symlink_to(path)
    elif kind == "a fifo":
        os.mkfifo(path)
    else:
        path = behind.next_dump / ".env"
    done = behind.at.sync(behind.next_dump, ENV_FILE=str(path))
    assert done.code == 5, done
    assert str(path) in done.err
    behind.assert_pending(DOTENV)
    shutil.rmtree(place)
    behind.converge()


def test_a_link_to_the_env_file_is_followed_not_replaced(behind: Laboratory) -> None:
    at = behind.at
    target = at.folder / "shared.env"
    at.env_file.rename(target)
    at.env_file.symlink_to(target)
    behind.converge()
    assert at.env_file.is_symlink()
    assert target.read_bytes() == behind.new.env
    target.unlink()


def test_the_folder_of_the_json_files_is_read_only(behind: Laboratory) -> None:
    with immutable(behind.at.files):
        done = behind.at.sync(behind.next_dump)
    is_told_and_finished_later(behind, done, LOOKUP)


def test_the_folder_of_the_snapshot_is_read_only(without_snapshot: Laboratory) -> None:
    at = without_snapshot.at
    place = at.folder / "registry"
    place.mkdir()
    path = place / "it"
    shutil.copy2(at.snapshot, path)
    before = path.read_bytes()
    with immutable(place):
        done = at.run("export", REGISTRY_SNAPSHOT_FILE=str(path))
    assert done.code == 5, done
    assert str(path) in done.err
    # Who reads it goes on with the publication before.
    assert path.read_bytes() == before
    is_told_and_finished_later(without_snapshot, done, SNAPSHOT)
    shutil.rmtree(place)


def test_the_disk_of_the_snapshot_is_full(without_snapshot: Laboratory) -> None:
    at = without_snapshot.at
    place = at.folder / "registry"
    place.mkdir()
    path = place / "it"
    with mounted(place, "size=1m"):
        shutil.copy2(at.snapshot, path)
        fill_up(place / "filler", 2)
        with path.open("rb") as reader:
            done = at.run("export", REGISTRY_SNAPSHOT_FILE=str(path))
            assert reader.read() == path.read_bytes() == at.snapshot.read_bytes()
        assert sorted(one.name for one in place.iterdir()) == ["filler", "it"]
    assert "full" in done.err
    is_told_and_finished_later(without_snapshot, done, SNAPSHOT)
    place.rmdir()


@pytest.mark.parametrize("content", [b"", b"\x80\x04 a pickle", None])
def test_a_torn_or_foreign_snapshot_is_replaced(
    without_snapshot: Laboratory, content: bytes | None
) -> None:
    path = without_snapshot.at.snapshot
    whole = without_snapshot.kept_new.folder / "home" / path.name
    path.write_bytes(whole.read_bytes()[:-1] + b"?" if content is None else content)
    without_snapshot.converge()


def test_the_backups_folder_cannot_be_made(behind: Laboratory) -> None:
    backups = behind.at.env_file.parent / "backups"
    shutil.rmtree(backups, ignore_errors=True)
    backups.write_text("a file, in the place of a folder")
    done = behind.at.sync(behind.next_dump)
    assert done.code == 5, done
    behind.assert_pending(DOTENV)
    backups.unlink()
    behind.converge()


@pytest.mark.parametrize("kind", ["below a file", "immutable"])
def test_the_home_cannot_be_written(standing: Laboratory, kind: str) -> None:
    home = standing.at.folder / "home2"
    if kind == "immutable":
        home.mkdir()
        with immutable(home):
            done = standing.at.sync(standing.next_dump, WAREHOUSE_HOME=str(home))
        home.rmdir()
    else:
        path = standing.next_dump / "home"
        done = standing.at.sync(standing.next_dump, WAREHOUSE_HOME=str(path))
    assert done.code == 3, done
    assert "Traceback" not in done.err
    standing.assert_old()


def test_the_landing_disk_is_full(standing: Laboratory) -> None:
    landing = standing.at.home / "landing"
    landing.mkdir(exist_ok=True)
    with mounted(landing, "size=16k"):
        done = standing.at.sync(standing.next_dump)
    assert done.code == 3, done
    assert "landing" in done.err
    standing.assert_old()
