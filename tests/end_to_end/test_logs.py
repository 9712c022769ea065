"""What a run leaves for people to read: enough to find out what was wrong, and no secret."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.conftest import Published
from tests.loader.broker import Broker, reply, serving

SECRET = "hunter2"


@pytest.fixture
def broker() -> Iterator[Broker]:
    with serving() as served:
        yield served


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_no_secret_is_ever_written_and_old_pages_go(published: Published, broker: Broker) -> None:
    at = published.at
    ((first_run,),) = at.execute("select run_id from ops.publications")
    of_first = at.home / "reports" / first_run / "summary.html"
    old_run = "20250102T030405-0a0a0a"
    old = [at.home / "reports" / old_run / "summary.html", at.home / "logs" / f"{old_run}.log"]
    for path in (of_first, *old):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("what a run said")
    broker.answer(reply(published.next_dump.read_bytes()))
    place = broker.url.replace("http://", f"http://user:{SECRET}@")
    with_login = at.database_url.replace(":@", f":{SECRET}@", 1)
    assert SECRET in with_login

    done = at.run(
        "sync", "--source", f"{place}?key={SECRET}", DATABASE_URL=with_login,
        REDIS_URL=f"redis://:{SECRET}@127.0.0.1:1/0", KITE_AUTHORIZATION=f"token {SECRET}",
        REPORTS_KEEP_DAYS="1",
    )  # fmt: skip
    assert done.code == 5, done
    assert broker.requests[0]["path"].endswith(SECRET)
    # The login of the URL, not the token that Kite gave.
    assert broker.requests[0]["Authorization"].startswith("Basic ")

    # The run that made what consumers still saw is there; what is older than the setting is not.
    assert of_first.is_file()
    assert [path for path in old if path.exists()] == []
    # Everything was written that helps: the log of the run, and its report.
    ((run_id,),) = at.execute("select run_id from ops.sync_runs order by started_at desc limit 1")
    log = (at.home / "logs" / f"{run_id}.log").read_text()
    assert "event=export_failed destination=redis" in log
    assert "127.0.0.1:1/0" in log
    assert (at.home / "reports" / run_id / "summary.html").stat().st_size > 10_000
    # And the password in none of them.
    assert [path for path in files(at.home) if SECRET.encode() in path.read_bytes()] == []
    assert SECRET not in done.out + done.err
    for table in ("ops.sync_runs", "ops.loads", "ops.exports", "ops.publications"):
        rows = at.execute(f"select t::text from {table} as t")
        assert [row for row in rows if SECRET in row[0]] == [], table
