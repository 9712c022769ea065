"""Whatever happens to a run, every file is in its place or in the trash, and undo puts it back."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instrument_registry.cleanup import held, manifest, trash, undo
from instrument_registry.cleanup.errors import RunInProgress
from instrument_registry.cleanup.journal import Journal
from instrument_registry.cleanup.manifest import Manifest, Rule
from instrument_registry.cleanup.survey import survey
from instrument_registry.cleanup.undo import Place, steps
from instrument_registry.cleanup_old_token_files import main
from tests.instrument_registry import old_project

NOW = datetime(2026, 8, 17, 9, 30, tzinfo=UTC)
ALL = sorted(old_project.DEPRECATED)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return old_project.make(tmp_path / "project")


def run(root: Path, tell: Callable[[str], None] = lambda _: None) -> trash.Moved:
    return trash.move(root, survey(root, manifest.built_in()).plan, NOW, tell)


def test_a_run_and_its_undo_leave_every_byte_and_mode_as_it_was(root: Path, capsys) -> None:
    (root / ALL[0]).chmod(0o640)
    os.utime(root / ALL[1], ns=(1, 1_600_000_000_123_456_789))
    before = old_project.content(root)
    assert main(["--root", str(root), "--no-dry-run"]) == 0
    name = next(trash.runs(root))
    folder = root / ".trash" / name
    assert sorted(old_project.trashed(root)) == ALL
    capsys.readouterr()
    assert main(["--root", str(root), "--undo", name, "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["restored"] == ALL
    assert sorted(old_project.trashed(root)) == ALL
    assert main(["--root", str(root), "--undo", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["restored"] == ALL
    assert old_project.content(root) == before
    assert (root / ALL[1]).stat().st_mtime_ns == 1_600_000_000_123_456_789
    assert not folder.exists()
    assert main(["--root", str(root), "--undo", name]) == 0
    assert old_project.content(root) == before


def test_folders_that_went_are_made_again(root: Path) -> None:
    before = old_project.content(root)
    moved = run(root)
    (root / "jsonl").rmdir()
    assert undo.undo(root, moved.run, NOW).failed == ()
    assert old_project.content(root) == before


def test_undo_overwrites_nothing(root: Path, capsys) -> None:
    moved = run(root)
    (root / ALL[0]).write_text("new")
    (root / ALL[1]).mkdir()
    (root / ALL[2]).symlink_to("nowhere")
    shutil.rmtree(root / "jsonl")
    (root / "jsonl").write_text("a file where a folder was")
    assert main(["--root", str(root), "--undo", moved.run, "--dry-run"]) == 1
    assert main(["--root", str(root), "--undo", moved.run]) == 1
    told = capsys.readouterr().out
    assert told.count("something else is in its place; it stays in the trash") == 6
    assert "jsonl/zerodha_token_lookup_consolidated.json: a symlink or a file stands" in told
    assert (root / ALL[0]).read_text() == "new"
    assert sorted(old_project.trashed(root)) == [*ALL[:3], ALL[5]]
    for path in (root / ALL[0], root / ALL[2], root / "jsonl"):
        path.unlink()
    (root / ALL[1]).rmdir()
    assert main(["--root", str(root), "--undo", moved.run]) == 0
    assert old_project.trashed(root) == {}


def test_undo_does_not_leave_the_root_through_a_symlink(root: Path, tmp_path: Path) -> None:
    moved = run(root)
    shutil.rmtree(root / "jsonl")
    (tmp_path / "elsewhere").mkdir()
    (root / "jsonl").symlink_to(tmp_path / "elsewhere")
    done = undo.undo(root, moved.run, NOW)
    assert [path for path, _ in done.failed] == ["jsonl/zerodha_token_lookup_consolidated.json"]
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_folder_that_became_a_symlink_is_not_moved_out_of(root: Path, tmp_path: Path) -> None:
    plan = survey(root, manifest.built_in()).plan
    (root / "jsonl").rename(tmp_path / "elsewhere")
    (root / "jsonl").symlink_to(tmp_path / "elsewhere")
    moved = trash.move(root, plan, NOW)
    assert moved.failed == ((ALL[5], "a symlink or a file stands where a folder was"),)
    assert len(list((tmp_path / "elsewhere").iterdir())) == 1


@pytest.mark.parametrize("how", ["longer", "same size", "same time", "gone", "another"])
def test_what_changed_since_it_was_looked_at_stays(root: Path, how: str) -> None:
    plan = survey(root, manifest.built_in()).plan
    path = root / ALL[0]
    told = path.stat()
    if how == "gone":
        path.unlink()
    elif how == "another":
        (root / "copy").write_bytes(path.read_bytes())
        os.utime(root / "copy", ns=(told.st_atime_ns, told.st_mtime_ns))
        (root / "copy").replace(path)
    else:
        path.write_bytes(b"x" * (told.st_size + (how == "longer")))
    if how == "same time":
        os.utime(path, ns=(told.st_atime_ns, told.st_mtime_ns))
    moved = trash.move(root, plan, NOW)
    assert [one for one, _ in moved.failed] == [ALL[0]]
    assert path.exists() == (how != "gone")
    assert list(moved.paths) == ALL[1:]


# --- death ---

CHILD = """
import os, signal, sys
from tests.instrument_registry.test_cleanup_undo import run
from pathlib import Path
moved = []
def tell(path):
    moved.append(path)
    if len(moved) == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
run(Path(sys.argv[1]), tell)
"""


@pytest.mark.parametrize("count", [1, 3, 6])
def test_a_run_that_is_killed_can_be_undone_or_run_again(root, project, capsys, count) -> None:
    before = old_project.content(root)
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(root), str(count)], cwd=project, check=False
    )
    assert done.returncode == -signal.SIGKILL
    assert len(old_project.trashed(root)) == count
    (name,) = trash.cut_off(root)
    assert main(["--root", str(root)]) == 0
    assert f"An earlier run was cut off; --undo {name}" in capsys.readouterr().out
    # Again: what is left goes into a folder of its own.
    assert main(["--root", str(root), "--no-dry-run"]) == 0
    assert sorted(old_project.trashed(root)) == ALL
    for one in list(trash.runs(root)):
        assert main(["--root", str(root), "--undo", one]) == 0
    assert old_project.content(root) == before
    assert trash.cut_off(root) == ()


def test_a_journal_that_is_cut_anywhere_loses_no_file(root: Path, tmp_path: Path) -> None:
    before = old_project.content(root)
    moved = run(root)
    path = root / ".trash" / f"{moved.run}.journal"
    whole = path.read_bytes()
    ends = [at for at, one in enumerate(whole) if one == ord("\n")]
    kept = tmp_path / "kept"
    shutil.copytree(root, kept, symlinks=True)
    for end in sorted({0, *ends, *(at + 1 for at in ends), *(at - 3 for at in ends if at > 3)}):
        shutil.rmtree(root)
        shutil.copytree(kept, root, symlinks=True)
        path.write_bytes(whole[:end])
        assert undo.undo(root, moved.run, NOW).failed == ()
        assert old_project.content(root) == before
        assert undo.undo(root, moved.run, NOW).restored == ()
        assert old_project.content(root) == before
    shutil.rmtree(root)
    shutil.copytree(kept, root, symlinks=True)
    path.unlink()
    assert undo.undo(root, moved.run, NOW).failed == ()
    assert old_project.content(root) == before


def test_nothing_moves_before_the_journal_is_whole(root: Path) -> None:
    seen: list[Journal] = []

    def look(_: str) -> None:
        (name,) = trash.runs(root)
        with held.folder(os.open(root / ".trash", os.O_RDONLY), ()) as at_trash:
            told = undo.journal.read(at_trash, name)
        assert told is not None
        seen.append(told)

    run(root, look)
    assert seen == [Journal(tuple(ALL), is_whole=True)] * len(ALL)


def test_an_undo_that_died_between_link_and_unlink_is_finished(root: Path) -> None:
    before = old_project.content(root)
    moved = run(root)
    os.link(root / ".trash" / moved.run / ALL[0], root / ALL[0])
    done = undo.undo(root, moved.run, NOW)
    assert (done.failed, sorted(done.restored)) == ((), ALL)
    assert old_project.content(root) == before


def test_what_was_taken_out_of_the_trash_is_said(root: Path) -> None:
    moved = run(root)
    (root / ".trash" / moved.run / ALL[0]).unlink()
    done = undo.undo(root, moved.run, NOW)
    assert done.failed == ((ALL[0], "it is neither in the trash nor in its place"),)
    assert list(done.restored) == ALL[1:]


def test_two_runs_at_once_are_one_and_a_refusal(root: Path, capsys) -> None:
    with held.root_and_trash(root, make=True):
        with pytest.raises(RunInProgress, match="another run has"):
            run(root)
        assert main(["--root", str(root), "--no-dry-run"]) == 1
        assert "nothing was moved" in capsys.readouterr().err
    assert len(run(root).paths) == len(ALL)


def test_a_journal_that_leads_out_of_the_root_leads_nowhere(root: Path, tmp_path: Path) -> None:
    moved = run(root)
    (tmp_path / "victim").write_text("safe")
    path = root / ".trash" / f"{moved.run}.journal"
    with path.open("a") as file:
        for bad in ("../victim", "/etc/passwd", "a//b", "", "x\0y"):
            file.write(json.dumps({"path": bad}) + "\n")
        file.write('[1]\n"x"\n{"path": 3}\n')
    assert undo.undo(root, moved.run, NOW).failed == ()
    assert (tmp_path / "victim").read_text() == "safe"


@pytest.mark.parametrize(
    ("journalled", "lying", "at_home", "place"),
    [
        (True, True, False, Place.TRASH), (False, True, False, Place.TRASH),
        (True, True, True, Place.OCCUPIED), (False, True, True, Place.OCCUPIED),
        (True, False, True, Place.HOME), (True, False, False, Place.ELSEWHERE),
    ],
)  # fmt: skip
def test_where_a_file_is_says_what_is_to_be_done(journalled, lying, at_home, place) -> None:
    told = Journal(("a",) if journalled else ())
    where = (["a"] if lying else [], {"a"} if at_home else set())
    assert [one.place for one in steps(told, *where, {"a"})] == [place]
    if place is Place.ELSEWHERE:
        assert [one.place for one in steps(told, *where)] == [Place.GONE]


# --- any tree ---

NAMES = st.one_of(
    st.sampled_from([b"a.json", b"crawlers", b"x", b"hot_token_metadata.json", b"old.json"]),
    st.binary(min_size=1, max_size=6).filter(
        lambda one: not set(one) & set(b"/\0") and one not in {b".", b".."}
    ),
)
PATHS = st.lists(NAMES, min_size=1, max_size=4).map(b"/".join)
TREES = st.dictionaries(
    PATHS, st.sampled_from([b"", b"1", b"same", b"a.json old.json"]), max_size=8
)
PATTERNS = st.sampled_from(
    ["a.json", "old.json", "*o*", "**/x/**", "*.json", "crawlers/**", "?", "*a", "x/*", "hot*"]
)


def grow(root: Path, tree: dict[bytes, bytes]) -> None:
    for path, data in tree.items():
        target = root / os.fsdecode(path)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as file:
                file.write(data)
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            continue


@settings(max_examples=150)
@given(
    TREES, st.sets(PATTERNS, min_size=1, max_size=4), st.sets(PATTERNS, max_size=2), st.booleans()
)
def test_any_tree_is_what_it_was_after_a_run_and_its_undo(
    tree, deprecated, protected, named
) -> None:
    with tempfile.TemporaryDirectory(prefix="iw-") as folder:
        root = Path(folder).resolve()
        grow(root, tree)
        rules = Manifest(
            "any", tuple(Rule(one, "old") for one in sorted(deprecated)),
            (*(Rule(one, "kept") for one in sorted(protected)), *manifest.built_in().protected),
        )  # fmt: skip
        before = old_project.content(root)
        plan = survey(root, rules, [Rule("**", "any")] if named else []).plan
        moved = trash.move(root, plan, NOW)
        assert moved.failed == ()
        after = old_project.content(root)
        gone = {os.fsdecode(path) for path in before.keys() - after.keys()}
        assert gone == set(moved.paths)
        assert after.items() <= before.items()
        for path in gone:
            assert rules.deprecated_by(path)
            assert not rules.protected_by(path)
        if moved.run:
            assert undo.undo(root, moved.run, NOW).failed == ()
        assert old_project.content(root) == before
