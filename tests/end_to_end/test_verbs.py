"""The other verbs: export, rollback, status, gate, build, report, docs, url; and how they talk."""

from __future__ import annotations

import socket
import sys
import uuid
from pathlib import Path

import psycopg
import pytest

from tests.end_to_end import dumps
from tests.end_to_end.conftest import Published, PublishedTwice
from tests.installation import PROJECT, Installation


def closed_port() -> int:
    """A loopback port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


# --- rollback -------------------------------------------------------------------------------


def test_a_rollback_puts_the_publication_before_back_everywhere(
    published_twice: PublishedTwice,
) -> None:
    at, old, new = published_twice.at, published_twice.first.seen, published_twice.seen
    would = at.run("rollback", "--dry-run").ok()
    assert "Dry run (as of 2026-08-17, filter nifty): nothing was published" in would.out
    assert "public.instruments" in would.out
    assert at.seen() == new
    done = at.run("rollback", "--json").ok()
    assert done.document["publication_id"] == 3
    assert done.document["next"].startswith("restart ingestion")
    back = at.seen()
    assert (back.redis, back.env, back.token_lookup) == (old.redis, old.env, old.token_lookup)
    assert (back.instruments, back.active) == (old.instruments, old.active)
    assert back.marts == old.marts
    assert back.publication == 3
    # What the registry finds is of the day before, under the number that it has now.
    assert old.registry
    assert back.registry == (3, *old.registry[1:])
    assert at.execute("select rollback_of from ops.publications order by 1") == [
        (1,),
        (None,),
        (None,),
    ]
    # The same command again changes nothing: it asks which way to go.
    twice = at.run("rollback", "--json")
    assert twice.code == 2
    assert "rolled back already, and nothing was changed" in twice.err
    assert "TO=2" in twice.err
    assert "further back" not in twice.err
    assert at.seen() == back
    # And a rollback of the rollback, asked for, is the newer day again.
    at.run("rollback", "--to", "2").ok()
    again = at.seen()
    assert (again.redis, again.env, again.instruments) == (new.redis, new.env, new.instruments)
    assert again.marts == new.marts
    # Any that is kept can be named.
    at.run("rollback", "--to", "1").ok()
    assert at.seen().marts == old.marts
    assert at.seen().env == old.env


@pytest.mark.parametrize("to", ["0", "2", "99", "-1"])
def test_a_rollback_to_what_is_not_before_is_refused(
    published_twice: PublishedTwice, to: str
) -> None:
    done = published_twice.at.run("rollback", "--to", to)
    assert done.code == 2
    assert "There is no publication" in done.err
    assert published_twice.at.seen() == published_twice.seen


def test_a_sync_after_a_rollback_publishes_the_newer_dump_again(
    published_twice: PublishedTwice,
) -> None:
    at = published_twice.at
    at.run("rollback").ok()
    at.sync(published_twice.first.next_dump).ok()
    seen = at.seen()
    assert seen.publication == 4
    assert seen.env == published_twice.seen.env
    assert seen.redis == published_twice.seen.redis


def test_a_rollback_before_two_publications_is_refused(published: Published) -> None:
    done = published.at.run("rollback")
    assert done.code == 2
    assert published.at.seen() == published.seen


# --- export ---------------------------------------------------------------------------------


def test_export_brings_everything_to_the_last_publication(published: Published) -> None:
    at = published.at
    with at.redis() as client:
        client.flushall()
    at.env_file.unlink()
    (at.files / "token_lookup_enriched.json").unlink()
    at.snapshot.unlink()
    would = at.run("export", "--dry-run", "--json").ok().document
    assert {one["destination"]: one["status"] for one in would["destinations"]}[
        "redis"
    ] == "planned"
    assert at.seen().redis == {}
    # As a monitor it must not be blind to a destination that it cannot read.
    nowhere = f"redis://127.0.0.1:{closed_port()}/0"
    blind = at.run("export", "--dry-run", "--json", REDIS_URL=nowhere)
    assert (blind.code, blind.document["exit_code"]) == (5, 5)
    assert "The dry run wrote nothing; 1 of " in blind.err
    said = at.run("export", "--json").ok().document
    assert said["status"] == "exported"
    seen = at.seen()
    assert (seen.redis, seen.marker) == (published.seen.redis, published.seen.marker)
    assert seen.token_lookup == published.seen.token_lookup
    assert seen.registry == published.seen.registry
    assert at.env_tokens() == dumps.tokens_of(published.rows, "NIFTY")


def test_verbs_that_need_a_publication_say_so(empty: Installation) -> None:
    for verb in ("export", "rollback"):
        done = empty.run(verb)
        assert done.code == 2, verb
        assert "othing has been published yet" in done.err
    report = empty.run("report")
    assert (report.code, report.out) == (2, "")
    status = empty.run("status")
    assert status.code == 3
    assert "nothing has been published yet" in status.out


# --- status ---------------------------------------------------------------------------------


def test_status_says_whether_it_is_safe_to_trade(published: Published) -> None:
    at = published.at
    safe = at.run("status")
    assert safe.code == 0
    assert "Safe to trade on" in safe.out
    facts = at.run("status", "--json").document
    assert (facts["is_safe"], facts["publication_id"], facts["filter"]) == (True, 1, "nifty")
    assert facts["pending_destinations"] == []
    later = at.run("status", AS_OF="2026-08-18")
    assert later.code == 3
    assert "2026-08-18 is expected" in " ".join(later.out.split())
    at.execute("update ops.exports set status = 'failed' where destination = 'redis'")
    pending = at.run("status", "--json")
    assert pending.code == 5
    assert pending.document["pending_destinations"] == ["redis"]


def test_status_reads_the_tables_and_every_destination_not_only_the_ledger(
    published: Published,
) -> None:
    at = published.at
    at.execute("delete from public.instruments where exchange = 'NFO'")
    emptied = at.run("status")
    assert emptied.code == 5
    assert "public.instruments differs" in emptied.out
    mended = at.run("export")
    assert mended.code == 0, mended.err
    assert at.run("status").code == 0
    assert at.seen() == published.seen
    with at.redis() as client:
        client.delete("instrument:256265")
    missing = at.run("status")
    assert missing.code == 5
    assert "redis is not as published" in missing.out


def test_status_asks_with_the_right_to_read_alone(published: Published) -> None:
    at = published.at
    name, password = f"monitor_{uuid.uuid4().hex[:8]}", "hunter2"
    at.execute(f"create role {name} login password '{password}'")
    try:
        for schema in ("ops", "marts", "history", "public"):
            at.execute(f"grant usage on schema {schema} to {name}")
            at.execute(f"grant select on all tables in schema {schema} to {name}")
        url = f"postgresql://{name}:{password}@{at.database_url.partition('@')[2]}"
        done = at.run("status", DATABASE_URL=url)
        assert (done.code, done.err) == (0, "")
        refused = at.run("export", "--json", DATABASE_URL=url)
        assert refused.code == 2
        assert "permission denied" in refused.document["error"]
        assert "defect" not in refused.err
        assert password not in refused.err + refused.out
    finally:
        at.execute(f"drop owned by {name}")
        at.execute(f"drop role {name}")


def test_status_tells_a_publication_that_postgresql_refused(published: Published) -> None:
    """Not a usage error: the dump was audited, and consumers wait for it."""
    at = published.at
    at.execute("alter table public.instruments alter column strike type double precision")
    before = at.seen()
    done = at.sync(published.next_dump, "--json")
    assert done.code == 4
    assert "public.instruments.strike is double precision" in done.err
    assert at.seen() == before
    told = done.document
    assert (told["status"], told["exit_code"]) == ("failed", 4)
    assert f"error: {told['error']}" == done.err.strip()
    assert told["consumers_see"]["publication_id"] == 1
    assert told["consumers_see"]["source"] == str(published.dump)
    assert Path(told["report"]).is_file()
    assert (at.home / "logs" / f"{told['run_id']}.log").is_file()
    # A command that was refused after it does not make it well.
    assert at.sync(published.next_dump, AS_OF="2026-08-14").code == 2
    status = at.run("status", "--json")
    assert (status.code, status.document["is_safe"]) == (4, False)
    assert "the last sync was stopped: public.instruments" in status.document["reasons"][-1]


# --- accept ---------------------------------------------------------------------------------


def test_an_accepted_rule_passes_once_and_is_recorded_for_ever(published: Published) -> None:
    at = published.at
    rows = dumps.without(published.next_rows, lambda row: row["tradingsymbol"] == "SENSEX")
    dump = dumps.write_dump(at.folder / "no-sensex.csv", rows)
    red = at.sync(dump)
    assert red.code == 4
    assert "marker-sensex" in red.err
    assert at.run("status").code == 4
    assert at.seen() == published.seen
    at.sync(dump, "--accept", "marker-sensex=BSE told us; ticket 7").ok()
    assert at.run("status").code == 0
    assert at.execute("select rule, reason from ops.acceptances") == [
        ("marker-sensex", "BSE told us; ticket 7")
    ]
    assert at.seen().publication == 2
    # Once: the next dump without it is red again.
    other = dumps.without(rows, lambda row: row["tradingsymbol"] == rows[-1]["tradingsymbol"])
    assert at.sync(dumps.write_dump(at.folder / "other.csv", other)).code == 4
    assert at.execute("select count(*) from ops.acceptances") == [(1,)]


@pytest.mark.parametrize("text", ["marker-sensex", "=why", "marker-sensex=", "marker-sensex= "])
def test_an_acceptance_without_a_reason_is_refused(published: Published, text: str) -> None:
    done = published.at.sync(published.next_dump, "--accept", text)
    assert done.code == 2
    assert "RULE=reason" in done.err
    assert published.at.seen() == published.seen


# --- build, gate, report, docs, url ---------------------------------------------------------


def test_build_and_gate_publish_nothing(published: Published) -> None:
    at = published.at
    # A type of this name is in the way of a model, and dbt does not know it.
    at.execute("drop table candidate.focus_instruments cascade")
    at.execute("create type candidate.focus_instruments as (way integer)")
    broken = at.run("build", "--source", str(published.next_dump))
    assert broken.code == 4
    assert "dbt could not build 1 of" in broken.err
    assert "focus_instruments: " in broken.err
    assert "nothing was published" in broken.err
    at.execute("drop type candidate.focus_instruments")
    built = at.run("build", "--source", str(published.next_dump)).ok()
    assert "publish:" not in built.out
    assert "Built the candidate (as of 2026-08-17, filter nifty)" in built.out
    assert "`warehouse gate` audits it" in built.out
    assert at.execute(
        "select status, exit_code from ops.sync_runs where command = 'build' order by run_number"
    ) == [("failed", 4), ("built", 0)]
    audited = at.run("gate", "--json").ok().document
    assert audited["verdict"] == "green"
    page = Path(audited["report"])
    assert page.is_file()
    assert at.run("report", "--path").ok().out.strip() == str(page)
    assert at.seen() == published.seen


def test_url_prints_where_the_servers_are(published: Published) -> None:
    at = published.at
    url = at.run("url", "postgres").ok().out.strip()
    with psycopg.connect(url) as connection:
        found = connection.execute("select count(*) from ops.publications").fetchone()
    assert found == (1,)
    assert at.run("url", "redis").ok().out.strip() == at.redis_url
    assert at.run("url", "mysql").code == 2


def test_json_is_one_document_and_quiet_is_silence(published: Published) -> None:
    at = published.at
    said = at.sync(published.dump, "--json").ok()
    assert said.document["status"] == "already_published"
    assert said.document["publication_id"] == 1
    assert (said.document["exit_code"], said.document["source"]) == (0, str(published.dump))
    quiet = at.sync(published.dump, "--quiet").ok()
    assert (quiet.out, quiet.err) == ("", "")


def test_a_quiet_sync_still_says_what_is_wrong(published: Published) -> None:
    done = published.at.sync("/no/such/file.csv", "--quiet")
    assert (done.code, done.out) == (2, "")
    assert "is not a file" in done.err


def test_every_failure_is_one_document_with_json(published: Published) -> None:
    """A monitor must not have to read English, nor to guess from an empty answer."""
    at = published.at
    nowhere = f"postgresql://me:hunter2@127.0.0.1:{closed_port()}/none"
    asked = {
        ("status",): (3, "cannot be reached"),
        ("sync",): (3, "cannot be reached"),
        ("lookup", "256265"): (3, "cannot be reached"),
        ("rollback", "--to", "9"): (3, "cannot be reached"),
        ("sync", "--source", "/no/such/file.csv"): (2, "is not a file"),
        ("sync", "--sauce", "kite"): (2, "No such option: --sauce"),
        ("status", "--jsn"): (2, "No such option: --jsn"),
        ("lookup",): (2, "Missing argument"),
        ("synch",): (2, "No such command 'synch'"),
        ("rollback", "--to", "last"): (2, "Invalid value for '--to'"),
    }
    for words, (code, said) in asked.items():
        done = at.run(*words, "--json", DATABASE_URL=nowhere)
        assert done.code == code, words
        told = done.document
        assert (told["status"], told["exit_code"], told["consumers_see"]) == ("failed", code, None)
        assert said in told["error"], words
        assert ("is_safe" in told) == (words[0] == "status")
        assert "hunter2" not in done.out + done.err


def test_a_reader_that_leaves_does_not_change_the_exit_code(published: Published) -> None:
    """`warehouse status | head -1` in a cron line: the answer is the same."""
    at = published.at
    for words in ("status --json", "export"):
        command = f"{sys.executable} -m warehouse {words} | true; exit ${{PIPESTATUS[0]}}"
        done = at.start_program(["bash", "-c", command]).done()
        assert (done.code, done.err) == (0, ""), words


def test_a_home_that_cannot_be_written_is_told_without_a_log(published: Published) -> None:
    at = published.at
    blocked = at.folder / "blocked"
    blocked.write_text("a file where a folder is wanted")
    done = at.sync(published.dump, WAREHOUSE_HOME=str(blocked))
    assert done.code == 3
    assert "cannot be written" in done.err
    assert "log holds" not in done.err
    # It ended with a word: the next run does not take it for dead.
    assert at.execute("select status from ops.sync_runs order by run_number desc limit 1") == [
        ("failed",)
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AS_OF", "17-08-2026"),
        ("DATABASE_URL", "mysql://secret:word@h/d"),
        ("REDIS_URL", "http://secret:word@h"),
        ("GATE_ROWS_BLOCK_RATIO", "80"),
        ("REFERENCE_PRICES", "NIFTY:24500"),
        ("FETCH_ATTEMPTS", "0"),
    ],
)
def test_a_wrong_setting_is_one_clear_line(published: Published, name: str, value: str) -> None:
    done = published.at.sync(published.dump, **{name: value})
    assert done.code == 2
    assert name in done.err
    assert "secret" not in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert published.at.seen() == published.seen


# --- sources --------------------------------------------------------------------------------


def test_an_unreachable_kite_fails_and_names_the_offline_command(published: Published) -> None:
    at = published.at
    url = f"http://127.0.0.1:{closed_port()}/instruments"
    done = at.run("sync", KITE_INSTRUMENTS_URL=url, FETCH_ATTEMPTS="1")
    assert done.code == 3
    assert (
        "tokens are made up (never stream them): make sync FILTER=nifty SOURCE=sample" in done.err
    )
    assert "land:" not in done.out
    assert at.seen() == published.seen


def test_the_sample_is_refused_on_servers_that_somebody_named(published: Published) -> None:
    at = published.at
    refused = at.sync("sample")
    assert refused.code == 2
    assert "DATABASE_URL and REDIS_URL name servers" in refused.err
    assert at.execute("select count(*) from ops.sync_runs where source = 'sample'") == [(0,)]
    assert at.seen() == published.seen


@pytest.mark.exhaustive
def test_the_sample_needs_no_network(empty: Installation) -> None:
    sample = empty.folder / "sample.csv"
    empty.start_program(
        [sys.executable, "-m", "loader.sample", "--rows", "4000", "--as-of", "2026-08-17",
         "--out", str(sample)]
    ).done().ok()  # fmt: skip
    empty.sync(sample.as_uri()).ok()
    seen = empty.seen()
    assert len(seen.redis) == 4_000
    assert empty.env_tokens() == dumps.tokens_of(dumps.read_dump(sample), "NIFTY")


def test_old_scripts_forward_and_say_what_to_use(published: Published) -> None:
    at = published.at
    url = f"http://127.0.0.1:{closed_port()}/instruments"
    scripts = {
        "sync_instruments.py": ["--filter", "banknifty"],
        "update_nifty_options.py": [],
        "update_instruments.py": [],
    }
    filters = {
        "sync_instruments.py": "banknifty", "update_nifty_options.py": "nifty",
        "update_instruments.py": "all",
    }  # fmt: skip
    for script, arguments in scripts.items():
        command = [sys.executable, str(PROJECT / "scripts" / script), *arguments]
        done = at.start_program(command, KITE_INSTRUMENTS_URL=url, FETCH_ATTEMPTS="1").done()
        assert done.code == 3, script
        assert f"is deprecated: use `warehouse sync --filter {filters[script]}`" in done.err
        assert f"FILTER={filters[script]} SOURCE=sample" in done.err
    assert at.seen() == published.seen


# --- two at once ----------------------------------------------------------------------------


def test_a_second_sync_leaves_naming_the_first(published: Published) -> None:
    at = published.at
    first = at.start_sync(published.next_dump)
    first.wait_for("land:")
    second = at.sync(published.next_dump)
    assert second.code == 6
    assert socket.gethostname() in second.err
    assert f"pid {first.pid}" in second.err
    assert "since 2" in second.err
    first.done().ok()
    assert at.seen().publication == 2


def test_a_report_is_kept_for_each_run(published_twice: PublishedTwice) -> None:
    pages = published_twice.at.execute(
        "select report_path from ops.sync_runs where report_path is not null"
    )
    assert len(set(pages)) == 2
