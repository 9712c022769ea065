"""What a cleanup found and did, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from instrument_registry.cleanup import shown
from instrument_registry.cleanup.mentions import Mention
from instrument_registry.cleanup.plan import Entry, Plan, Verdict
from instrument_registry.cleanup.survey import Survey
from instrument_registry.cleanup.trash import Moved
from instrument_registry.cleanup.tree import TRASH
from instrument_registry.cleanup.undo import Undone

_LINES_SHOWN: Final = 4
_FILES_SHOWN: Final = 8
_INDENT: Final = " " * 25


def as_text(
    survey: Survey, manifest: str, now: datetime, moved: Moved | None, cut_off: Sequence[str]
) -> str:
    """A table of every old file.

    Args:
        survey: what was found.
        manifest: the manifest's name.
        now: the instant to which ages are measured.
        moved: what was moved; None for a dry run.
        cut_off: earlier runs that did not come to their end.
    """
    plan = survey.plan
    lines = [f"Old token files under {shown.name(str(survey.listing.root))}, by {manifest}", ""]
    if not plan.entries:
        lines += ["None is there: nothing to do.", ""]
    failed = dict(moved.failed) if moved else {}
    going = [one for one in plan.to_move() if one.path not in failed]
    lines += _table("To be moved (dry run)" if moved is None else "Moved", going, now)
    lines += _table("Kept", plan.kept(), now)
    lines += _failures(moved.failed if moved else ())
    lines += _notes(survey, cut_off)
    lines += _next(plan, moved)
    return "\n".join(lines) + "\n"


def _table(title: str, entries: Sequence[Entry], now: datetime) -> list[str]:
    if not entries:
        return []
    total = sum(one.size for one in entries)
    lines = [f"{title}: {shown.files(len(entries))}, {shown.size(total)}"]
    for one in entries:
        size = "symlink" if one.found is None else shown.size(one.size)
        age = "" if one.found is None else shown.age(_age(one, now))
        lines.append(f"  {size:>10}  {age:>9}  {shown.name(one.path)}")
        lines.append(f"{_INDENT}{shown.name(one.why)}")
        lines += [f"{_INDENT}{line}" for line in _details(one)]
    return [*lines, ""]


def _details(entry: Entry) -> Iterable[str]:
    if entry.copies:
        told = [
            shown.name(one.path) + (" (protected)" if one.is_protected else "")
            for one in entry.copies
        ]
        yield f"same bytes: {_some(told)}"
    if entry.named_in:
        yield f"named in: {_some([_place(one) for one in entry.named_in])}"


def _place(mention: Mention) -> str:
    path = shown.name(mention.path)
    return f"{path}:{mention.line}" if mention.line else f"{path} (a symlink to it)"


def _some(told: Sequence[str], limit: int = _LINES_SHOWN) -> str:
    more = len(told) - limit
    return ", ".join(told[:limit]) + (f" and {more} more" if more > 0 else "")


def _failures(failed: Sequence[tuple[str, str]]) -> list[str]:
    if not failed:
        return []
    lines = [f"Not moved: {shown.files(len(failed))}"]
    return [*lines, *(f"  {shown.name(path)}: {why}" for path, why in failed), ""]


def _notes(survey: Survey, cut_off: Sequence[str]) -> list[str]:
    plan, listing, searched = survey.plan, survey.listing, survey.searched
    size = shown.size(plan.protected_bytes)
    lines = [f"Protected: {shown.files(plan.protected_files)}, {size}; never moved."]
    if entered := [shown.name(one) for one in listing.not_entered]:
        lines.append(f"Not looked into: {_some(entered, _FILES_SHOWN)}.")
    if large := [shown.name(one) for one in searched.too_large]:
        lines.append(f"Too large to search for names: {_some(large)}.")
    if unread := [
        f"{shown.name(path)} ({why})" for path, why in (*listing.unseen, *searched.unread)
    ]:
        lines.append(f"Could not be read, and may name an old file: {_some(unread, _FILES_SHOWN)}.")
    lines += [
        f"An earlier run was cut off; --undo {run} puts back what it moved." for run in cut_off
    ]
    return lines


def _next(plan: Plan, moved: Moved | None) -> list[str]:
    lines = []
    if any(one.verdict is Verdict.NAMED for one in plan.kept()):
        lines.append(
            "What is still named stays: change the lines, or see --include-named in --help."
        )
    if moved is None and plan.to_move():
        lines.append("Nothing was moved. The same command with --no-dry-run moves them.")
    if moved and moved.run:
        lines.append(f"They are in {TRASH}/{moved.run}; --undo {moved.run} puts them back.")
    return lines


def as_document(
    survey: Survey, manifest: str, now: datetime, moved: Moved | None, cut_off: Sequence[str]
) -> dict[str, Any]:
    """The same for programs; bytes of a name that are no UTF-8 as Python's surrogates."""
    plan = survey.plan
    return {
        "root": str(survey.listing.root),
        "manifest": manifest,
        "is_dry_run": moved is None,
        "at": now.isoformat(),
        "files": [_entry(one, now) for one in plan.entries],
        "to_move": {"files": len(plan.to_move()), "bytes": sum(o.size for o in plan.to_move())},
        "kept": {"files": len(plan.kept()), "bytes": sum(one.size for one in plan.kept())},
        "protected": {"files": plan.protected_files, "bytes": plan.protected_bytes},
        "moved": list(moved.paths) if moved else [],
        "failed": _pairs(moved.failed if moved else ()),
        "trash": f"{TRASH}/{moved.run}" if moved and moved.run else None,
        "cut_off_runs": list(cut_off),
        "not_looked_into": list(survey.listing.not_entered),
        "not_searched": list(survey.searched.too_large),
        "unread": _pairs((*survey.listing.unseen, *survey.searched.unread)),
    }


def _entry(entry: Entry, now: datetime) -> dict[str, Any]:
    return {
        "path": entry.path,
        "verdict": entry.verdict.value,
        "why": entry.why,
        "pattern": entry.rule.pattern,
        "bytes": entry.size,
        "age_days": None if entry.found is None else round(_age(entry, now) / 86_400, 2),
        "sha256": entry.sha256,
        "same_bytes": [asdict(one) for one in entry.copies],
        "named_in": [{"path": one.path, "line": one.line} for one in entry.named_in],
    }


def _pairs(pairs: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"path": path, "why": why} for path, why in pairs]


def _age(entry: Entry, now: datetime) -> float:
    return now.timestamp() - (entry.found.mtime_ns / 1e9 if entry.found else 0)


def undone_as_text(done: Undone, *, is_dry: bool) -> str:
    """What an undo did, or would do."""
    if not done.restored and not done.failed and not done.elsewhere:
        return "Nothing to put back: every file is in its place.\n"
    title = "Would be put back (dry run)" if is_dry else "Put back"
    lines = [f"{title}: {shown.files(len(done.restored))}"]
    lines += [f"  {shown.name(path)}" for path in done.restored]
    if done.in_place:
        lines.append(f"In their place already: {shown.files(len(done.in_place))}")
    for run in sorted({run for _, run in done.elsewhere}):
        count = sum(one == run for _, one in done.elsewhere)
        lines.append(f"Moved by another run: {shown.files(count)}; --undo {run} puts them back.")
    lines += _failures(done.failed)
    return "\n".join(lines).rstrip("\n") + "\n"


def undone_as_document(done: Undone, *, is_dry: bool) -> dict[str, Any]:
    """The same for programs."""
    return {
        "run": done.run,
        "is_dry_run": is_dry,
        "restored": list(done.restored),
        "in_place": list(done.in_place),
        "elsewhere": [{"path": path, "run": run} for path, run in done.elsewhere],
        "failed": _pairs(done.failed),
    }
