"""The other verbs: export, rollback, status, gate, build, report, docs, url; and how they talk."""

from __future__ import annotations

import socket
import sys
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
    done = at.run("rollback", "--json").ok()
    assert done.document["publication_id"] == 3
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
    # And a rollback of the rollback is the newer day again.
    at.run("rollback").ok()
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


def test_export_does_not_spread_damage_of_the_published_tables(published: Published) -> None:
    at = published.at
    at.execute("delete from marts.exp_redis__instruments where exchange = 'NFO'")
    refused = at.run("export")
    assert refused.code == 5
    assert "Nothing was exported" in refused.err
    assert at.seen().redis == published.seen.redis
    assert at.sync(published.dump).code == 0
    assert at.seen().redis == published.seen.redis


def test_status_tells_a_red_gate_until_a_sync_is_green(published: Published) -> None:
    at = published.at
    bad = dumps.write_dump(
        at.folder / "bad.csv", dumps.without(published.next_rows, lambda r: r["exchange"] == "BSE")
    )
    red = at.sync(bad)
    assert red.code == 4
    assert "required-exchanges" in red.err or "BSE" in red.err
    assert at.run("status").code == 4
    assert at.seen() == published.seen


# --- accept ---------------------------------------------------------------------------------


def test_an_accepted_rule_passes_once_and_is_recorded_for_ever(published: Published) -> None:
    at = published.at
    rows = dumps.without(published.next_rows, lambda row: row["tradingsymbol"] == "SENSEX")
    dump = dumps.write_dump(at.folder / "no-sensex.csv", rows)
    red = at.sync(dump)
    assert red.code == 4
    assert "marker-sensex" in red.err
    at.sync(dump, "--accept", "marker-sensex=BSE told us; ticket 7").ok()
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
    built = at.run("build", "--source", str(published.next_dump)).ok()
    assert "publish:" not in built.out
    audited = at.run("gate", "--json").ok().document
    assert audited["verdict"] == "green"
    page = Path(audited["report"])
    assert page.is_file()
    assert at.run("report", "--path").ok().out.strip() == str(page)
    assert at.seen() == published.seen


def test_docs_are_one_page_of_the_published_schema(published: Published) -> None:
    page = Path(published.at.run("docs").ok().out.strip())
    assert "exp_redis__instruments" in page.read_text()
    assert published.at.seen() == published.seen


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
    quiet = at.sync(published.dump, "--quiet").ok()
    assert (quiet.out, quiet.err) == ("", "")


def test_a_quiet_sync_still_says_what_is_wrong(published: Published) -> None:
    done = published.at.sync("/no/such/file.csv", "--quiet")
    assert (done.code, done.out) == (2, "")
    assert "is not a file" in done.err


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
    assert "SOURCE=sample" in done.err
    assert "land:" not in done.out
    assert at.seen() == published.seen


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
