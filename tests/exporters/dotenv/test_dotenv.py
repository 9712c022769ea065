"""The `.env` destination against real files: what is kept, backed up, refused."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporters.atomic_file import unavailable
from exporters.destination import export
from exporters.dotenv import DotenvLine
from exporters.dotenv_line import COMMENT
from exporters.errors import DestinationRefused, DestinationUnavailable, VerificationError
from tests.exporters.dotenv.conftest import NOW, Published

STAMP = "20260817_084009"  # NOW in India


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_line_is_replaced_and_the_file_backed_up_first(published: Published) -> None:
    before = b"A=1\r\nINSTRUMENTS=1,256265 # streamed\r\nSECRET=\xff"
    published.path.write_bytes(before)
    published.publish(256265, 260105, 265)

    outcome = export(published.destination())

    after = b"A=1\r\nINSTRUMENTS=256265,260105,265 # streamed\r\nSECRET=\xff"
    assert published.path.read_bytes() == after
    assert published.backups == {f".env.backup.{STAMP}": before}
    assert outcome.status == "complete"
    assert (outcome.plan.added, outcome.plan.changed, outcome.plan.removed) == (2, 0, 1)
    assert outcome.plan.samples == {"added": ("260105", "265"), "removed": ("1",)}
    assert names(published.path.parent) == [".env", "backups"]


def test_a_second_export_touches_nothing(published: Published) -> None:
    published.path.write_bytes(b"A=1\n")
    published.publish(256265, 260105)
    export(published.destination())
    before = published.path.stat(), published.backups

    outcome = export(published.destination())

    assert (published.path.stat(), published.backups) == before
    assert outcome.status == "unchanged"
    assert outcome.plan.is_empty


def test_another_order_is_a_change_of_the_file(published: Published) -> None:
    published.path.write_bytes(b"INSTRUMENTS=1,2\n")
    published.publish(2, 1)

    outcome = export(published.destination())

    assert (outcome.plan.added, outcome.plan.removed, outcome.plan.upkeep) == (0, 0, 1)
    assert published.path.read_bytes() == b"INSTRUMENTS=2,1\n"


def test_a_missing_file_is_created_for_its_owner_only(published: Published) -> None:
    published.publish(1, 2)

    outcome = export(published.destination())

    assert published.path.read_bytes() == f"{COMMENT}\nINSTRUMENTS=1,2\n".encode()
    assert stat.S_IMODE(published.path.stat().st_mode) == 0o600
    assert published.backups == {}
    assert "does not exist yet" in outcome.plan.note


def test_without_a_published_line_the_file_is_left_alone(published: Published) -> None:
    published.path.write_bytes(b"INSTRUMENTS=7\n")
    published.publish()
    before = published.path.stat()

    outcome = export(published.destination())
    published.destination().verify()

    assert published.path.stat() == before
    assert (outcome.status, published.backups) == ("unchanged", {})
    assert "left as it is" in outcome.plan.note


def test_a_dry_run_touches_nothing(published: Published) -> None:
    published.publish(1)
    outcome = export(published.destination(), dry_run=True)
    assert (outcome.status, outcome.plan.added) == ("planned", 1)
    assert names(published.path.parent) == []


@pytest.mark.parametrize(
    ("value", "tokens"), [("", 0), ("1,,2", 3), ("1,x", 2), ("1,2", 3), (None, 0)]
)
def test_an_unusable_line_is_refused(published: Published, value: str | None, tokens: int) -> None:
    published.path.write_bytes(b"INSTRUMENTS=7\n")
    published.put(value, tokens)  # type: ignore[arg-type]

    with pytest.raises(DestinationRefused, match="The published INSTRUMENTS holds"):
        export(published.destination())
    assert published.path.read_bytes() == b"INSTRUMENTS=7\n"


def test_two_published_lines_are_refused(published: Published) -> None:
    published.put("1", 1)
    published.put("2", 1, "INSTRUMENTS_2")
    with pytest.raises(DestinationRefused, match="2 lines are published"):
        export(published.destination())


def test_mode_and_owner_stay(published: Published) -> None:
    published.path.write_bytes(b"INSTRUMENTS=7\n")
    published.path.chmod(0o640)
    owner = (12_345, 23_456) if os.geteuid() == 0 else (os.getuid(), os.getgid())
    os.chown(published.path, *owner)
    published.publish(1)

    export(published.destination())

    for path in (published.path, published.path.parent / "backups" / f".env.backup.{STAMP}"):
        found = path.stat()
        assert (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid) == (0o640, *owner)


def test_extended_attributes_stay(published: Published) -> None:
    published.path.write_bytes(b"INSTRUMENTS=7\n")
    try:
        os.setxattr(published.path, "user.note", b"kept")
    except OSError:
        pytest.skip("this file system has no extended attributes")
    published.publish(1)

    export(published.destination())

    assert os.getxattr(published.path, "user.note") == b"kept"


def test_a_symlink_stays_and_its_target_is_written(published: Published, tmp_path: Path) -> None:
    target = tmp_path / "shared" / "env.production"
    target.parent.mkdir()
    target.write_bytes(b"INSTRUMENTS=7\n")
    hop = tmp_path / "hop"
    hop.symlink_to("shared/env.production")
    published.path.symlink_to(hop)
    published.publish(1)

    export(published.destination())

    assert published.path.is_symlink()
    assert hop.is_symlink()
    assert target.read_bytes() == b"INSTRUMENTS=1\n"
    assert published.backups == {f".env.backup.{STAMP}": b"INSTRUMENTS=7\n"}
    assert names(target.parent) == ["env.production"]


def test_a_dangling_symlink_gets_its_target(published: Published, tmp_path: Path) -> None:
    published.path.symlink_to(tmp_path / "not_there_yet")
    published.publish(1)

    export(published.destination())

    assert published.path.is_symlink()
    assert (tmp_path / "not_there_yet").read_bytes() == f"{COMMENT}\nINSTRUMENTS=1\n".encode()


@pytest.mark.parametrize("kind", ["folder", "pipe", "circle"])
def test_what_is_no_file_is_refused(published: Published, kind: str) -> None:
    if kind == "folder":
        published.path.mkdir()
    elif kind == "pipe":
        os.mkfifo(published.path)
    else:
        published.path.symlink_to(published.path.name)
    published.publish(1)

    with pytest.raises(DestinationRefused, match="a symlink to one, or nothing yet"):
        export(published.destination())


def test_two_changes_in_one_second_leave_two_backups(published: Published) -> None:
    published.path.write_bytes(b"INSTRUMENTS=7\n")
    for token in (1, 2, 3):
        published.publish(token)
        export(published.destination())

    assert published.backups == {
        f".env.backup.{STAMP}": b"INSTRUMENTS=7\n",
        f".env.backup.{STAMP}_2": b"INSTRUMENTS=1\n",
        f".env.backup.{STAMP}_3": b"INSTRUMENTS=2\n",
    }


def test_the_folder_of_backups_is_the_owners_alone(published: Published) -> None:
    published.path.write_bytes(b"SECRET=x\n")
    published.publish(1)
    export(published.destination())
    assert stat.S_IMODE((published.path.parent / "backups").stat().st_mode) == 0o700


def test_a_missing_folder_is_unavailable(published: Published, tmp_path: Path) -> None:
    published.publish(1)
    with pytest.raises(DestinationUnavailable, match="its folder does not exist"):
        export(published.destination(tmp_path / "nowhere" / ".env"))


def test_a_change_by_another_program_between_plan_and_apply_is_kept(published: Published) -> None:
    published.path.write_bytes(b"A=1\nINSTRUMENTS=7\n")
    published.publish(1)
    destination = published.destination()
    plan = destination.plan()
    published.path.write_bytes(b"A=2\nINSTRUMENTS=8\nB=3\n")

    destination.apply(plan)
    destination.verify()

    assert published.path.read_bytes() == b"A=2\nINSTRUMENTS=1\nB=3\n"
    assert published.backups == {f".env.backup.{STAMP}": b"A=2\nINSTRUMENTS=8\nB=3\n"}


def test_a_change_while_writing_is_kept_and_endless_change_is_given_up(
    published: Published,
) -> None:
    published.path.write_bytes(b"INSTRUMENTS=7\n")
    published.publish(1)
    changes: Iterator[int]

    def destination(number_of_changes: int) -> DotenvLine:
        nonlocal changes
        changes = iter(range(number_of_changes))

        # The clock is asked for the backup's name: after the plan, before the rename.
        def now() -> object:
            for change in changes:
                published.path.write_bytes(b"A=%d\nINSTRUMENTS=7\n" % change)
                break
            return NOW

        return DotenvLine(published.path, published.connection, now)  # type: ignore[arg-type]

    export(destination(2))
    assert published.path.read_bytes() == b"A=1\nINSTRUMENTS=1\n"

    published.publish(2)
    with pytest.raises(DestinationUnavailable, match="changed by another program 5 times"):
        export(destination(99))
    assert published.path.read_bytes() == b"A=4\nINSTRUMENTS=7\n"
    assert names(published.path.parent) == [".env", "backups"]


def test_temporary_files_of_dead_runs_are_cleared_and_those_in_use_are_not(
    published: Published,
) -> None:
    published.path.write_bytes(b"INSTRUMENTS=7\n")
    folder = published.path.parent
    for name in (".env.dead.warehouse-tmp", ".env.busy.warehouse-tmp", ".env.local"):
        (folder / name).write_bytes(b"half a li")
    (folder / "backups").mkdir()
    (folder / "backups" / ".env.dead.warehouse-tmp").write_bytes(b"half a ba")
    published.publish(1)

    with (folder / ".env.busy.warehouse-tmp").open() as busy:
        fcntl.flock(busy, fcntl.LOCK_EX)
        export(published.destination())

    assert names(folder) == [
        ".env",
        ".env.busy.warehouse-tmp",
        ".env.local",
        "backups",
    ]
    assert published.backups == {f".env.backup.{STAMP}": b"INSTRUMENTS=7\n"}


def test_verify_reads_as_the_consumer_does(published: Published) -> None:
    published.publish(1, 2)
    destination = published.destination()
    wrong = (b"", b"INSTRUMENTS=1,2\nINSTRUMENTS=3\n", b"INSTRUMENTS=2,1\n", b"INSTRUMENTS=1,x\n")
    for content in wrong:
        published.path.write_bytes(content)
        with pytest.raises(VerificationError, match="INSTRUMENTS"):
            destination.verify()
    published.path.write_bytes(b"export INSTRUMENTS='1,2'\n")
    destination.verify()


FULL_DISK = """
import resource, signal, sys
from datetime import UTC, datetime
from pathlib import Path
import psycopg
from exporters.atomic_file import unavailable
from exporters.destination import export
from exporters.dotenv import DotenvLine
from exporters.errors import DestinationUnavailable
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with psycopg.connect(sys.argv[1]) as connection:
    destination = DotenvLine(Path(sys.argv[2]), connection, lambda: datetime.now(UTC))
    plan = destination.plan()
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
    try:
        destination.apply(plan)
    except DestinationUnavailable as error:
        sys.exit(str(error))
"""


def test_a_disk_without_room_leaves_the_file_whole_and_no_rest(published: Published) -> None:
    # A limit on the size of files stands in for a full disk: the write fails half way.
    before = b"#" * 3000 + b"\nINSTRUMENTS=7\n"
    published.path.write_bytes(before)
    published.publish(1)

    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, published.dsn, str(published.path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 1
    assert "cannot be written: the file would be larger than allowed" in done.stderr
    assert published.path.read_bytes() == before
    assert published.backups == {}
    assert names(published.path.parent) == [".env", "backups"]


AS_NOBODY = """
import os, sys
from pathlib import Path
from exporters.atomic_file import replace_file
from exporters.errors import ExportError
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
try:
    replace_file(Path(sys.argv[1]), b"new", mode=0o600)
except ExportError as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize(
    ("folder_mode", "told"),
    [
        (0o755, "DestinationUnavailable: .*permission is denied"),
        (0o777, "DestinationRefused: .*belongs"),
    ],
)
def test_another_user_changes_nothing(folder_mode: int, told: str) -> None:
    # The test's own temporary folder is closed to others.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(folder_mode)
        path = folder / ".env"
        path.write_bytes(b"old")
        path.chmod(0o644)
        done = subprocess.run(
            [sys.executable, "-c", AS_NOBODY, str(path)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert re.search(told, done.stderr), done.stderr
        assert path.read_bytes() == b"old"
        assert names(folder) == [".env"]


def test_every_reason_of_the_system_is_told_in_words() -> None:
    told = str(unavailable(Path("/x/.env"), OSError(errno.ENOSPC, "No space left on device")))
    assert told.startswith("/x/.env cannot be written: the disk is full.")
    assert "see the old file, whole" in told


def test_the_exporter_runs_alone(published: Published) -> None:
    published.publish(1, 2)
    arguments = ["--database-url", published.dsn, "--path", str(published.path)]
    for options, first in ((["--dry-run"], "planned"), ([], "complete"), ([], "unchanged")):
        done = subprocess.run(
            [sys.executable, "-m", "exporters.dotenv", *arguments, *options],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith(f"dotenv: {first}, ")
    assert published.path.read_bytes() == f"{COMMENT}\nINSTRUMENTS=1,2\n".encode()


def test_a_rollback_to_a_publication_without_a_line_puts_its_subscriptions_back(
    published: Published,
) -> None:
    """Under filter `all` the file stays; going back to it must undo what came after it."""
    published.path.write_bytes(b"A=1\nINSTRUMENTS=7,8\n")
    published.publish()
    with published.connection.transaction():
        published.connection.execute(
            "create table marts.active_subscriptions"
            " (instrument_token integer primary key, subscription_position integer)"
        )
        published.connection.execute(
            "insert into marts.active_subscriptions values (256265, 2), (260105, 1)"
        )
        published.connection.execute("update ops.publications set rollback_of = 1")

    export(published.destination())

    assert published.path.read_bytes() == b"A=1\nINSTRUMENTS=260105,256265\n"
