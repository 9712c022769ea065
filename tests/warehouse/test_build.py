"""dbt connects with everything that the connection string says, and with libpq's defaults."""

from __future__ import annotations

import getpass
import os
from pathlib import Path

import psycopg
import psycopg2
import pytest

from warehouse import database
from warehouse.dbt_profile import profile_environment
from warehouse.errors import UsageError


@pytest.fixture(autouse=True)
def no_libpq_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("PG")]:
        monkeypatch.delenv(name)


def test_what_a_profile_can_say_is_said_there() -> None:
    told = profile_environment("postgresql://me:p%40ss@db.example:6432/dw?sslmode=verify-full")
    assert told == {
        "WAREHOUSE_PG_HOST": "db.example",
        "WAREHOUSE_PG_PORT": "6432",
        "WAREHOUSE_PG_USER": "me",
        "WAREHOUSE_PG_PASSWORD": "p@ss",
        "WAREHOUSE_PG_DATABASE": "dw",
        "WAREHOUSE_PG_SSLMODE": "verify-full",
    }


@pytest.mark.parametrize(
    ("parameter", "value", "variable"),
    [
        ("sslrootcert", "/ca.pem", "PGSSLROOTCERT"),
        ("sslcert", "/me.pem", "PGSSLCERT"),
        ("sslkey", "/me.key", "PGSSLKEY"),
        ("target_session_attrs", "read-write", "PGTARGETSESSIONATTRS"),
        ("target_session_attrs", "any", "PGTARGETSESSIONATTRS"),
        ("channel_binding", "require", "PGCHANNELBINDING"),
        ("hostaddr", "127.0.0.1", "PGHOSTADDR"),
        ("passfile", "/pgpass", "PGPASSFILE"),
        ("options", "-c role=loader", "PGOPTIONS"),
        ("gssencmode", "disable", "PGGSSENCMODE"),
        ("require_auth", "scram-sha-256", "PGREQUIREAUTH"),
    ],
)
def test_every_other_parameter_is_told_to_libpq(parameter: str, value: str, variable: str) -> None:
    told = profile_environment(f"host=db user=me dbname=dw {parameter}='{value}'")
    assert told[variable] == value
    assert told["WAREHOUSE_PG_HOST"] == "db"


def test_the_systems_certificates_are_verified_in_full() -> None:
    told = profile_environment("postgresql://me@db/dw?sslrootcert=system")
    assert told["WAREHOUSE_PG_SSLMODE"] == "verify-full"


def test_the_session_options_of_the_warehouse_are_told() -> None:
    told = profile_environment(database.session_dsn("postgresql://me@db/dw"))
    assert told["PGOPTIONS"] == database.SESSION_OPTIONS
    assert "PGAPPNAME" not in told


def test_what_the_url_leaves_out_is_what_libpq_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    bare = profile_environment("postgresql://")
    assert bare["WAREHOUSE_PG_HOST"].startswith("/")
    assert bare["WAREHOUSE_PG_PORT"] == "5432"
    assert bare["WAREHOUSE_PG_USER"] == bare["WAREHOUSE_PG_DATABASE"] == getpass.getuser()
    for name, value in {"PGHOST": "/run/pg", "PGPORT": "6432", "PGUSER": "me"}.items():
        monkeypatch.setenv(name, value)
    told = profile_environment("postgresql:///dw")
    assert told["WAREHOUSE_PG_HOST"] == "/run/pg"
    assert told["WAREHOUSE_PG_PORT"] == "6432"
    assert told["WAREHOUSE_PG_USER"] == "me"
    assert told["WAREHOUSE_PG_DATABASE"] == "dw"


def test_a_service_is_looked_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    services = tmp_path / "services.conf"
    services.write_text("[dw]\nhost=db\nport=6432\nuser=me\ndbname=dw\nsslrootcert=/ca.pem\n")
    monkeypatch.setenv("PGSERVICEFILE", str(services))
    told = profile_environment("postgresql://other@/?service=dw")
    assert told["WAREHOUSE_PG_HOST"] == "db"
    assert told["WAREHOUSE_PG_PORT"] == "6432"
    assert told["WAREHOUSE_PG_USER"] == "other"
    assert told["WAREHOUSE_PG_DATABASE"] == "dw"
    assert told["PGSSLROOTCERT"] == "/ca.pem"
    assert "PGSERVICE" not in os.environ


@pytest.mark.parametrize(
    ("url", "port"),
    [("postgresql://a,b/d", "5432"), ("postgresql://a:6432,b:6432/d", "6432")],
)
def test_hosts_may_share_a_port(url: str, port: str) -> None:
    told = profile_environment(url)
    assert (told["WAREHOUSE_PG_HOST"], told["WAREHOUSE_PG_PORT"]) == ("a,b", port)


def test_hosts_with_ports_of_their_own_are_refused() -> None:
    with pytest.raises(UsageError, match=r"ports 5432, 6432.*one port for all"):
        profile_environment("postgresql://a,b:6432/d")


def test_dbts_driver_reaches_the_same_session(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    dsn = database.session_dsn(f"{postgres_dsn}&options=-c%20statement_timeout%3D12345")
    told = profile_environment(dsn)
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    with psycopg.connect(dsn) as ours:
        expected = ours.execute("select current_database(), current_user").fetchone()
    theirs = psycopg2.connect(
        host=told["WAREHOUSE_PG_HOST"],
        port=told["WAREHOUSE_PG_PORT"],
        user=told["WAREHOUSE_PG_USER"],
        password=told["WAREHOUSE_PG_PASSWORD"],
        dbname=told["WAREHOUSE_PG_DATABASE"],
        sslmode=told["WAREHOUSE_PG_SSLMODE"],
    )
    try:
        with theirs.cursor() as cursor:
            cursor.execute("select current_database(), current_user")
            assert cursor.fetchone() == expected
            cursor.execute("show statement_timeout")
            assert cursor.fetchone() == ("12345ms",)
    finally:
        theirs.close()
