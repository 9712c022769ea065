"""How dbt connects: its profile, and the environment that the profile reads."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from psycopg import pq
from psycopg.conninfo import conninfo_to_dict

from warehouse.errors import UsageError

THREADS = 4

# The environment that profiles.yml reads, here and in profiles.yml.example.
PROFILE = """\
# Written by the warehouse at every build; profiles.yml.example is the one to copy.
instrument_warehouse:
  target: candidate
  outputs:
    candidate: &warehouse
      type: postgres
      host: "{{ env_var('WAREHOUSE_PG_HOST') }}"
      port: "{{ env_var('WAREHOUSE_PG_PORT') | as_number }}"
      user: "{{ env_var('WAREHOUSE_PG_USER') }}"
      password: "{{ env_var('WAREHOUSE_PG_PASSWORD', '') }}"
      dbname: "{{ env_var('WAREHOUSE_PG_DATABASE') }}"
      sslmode: "{{ env_var('WAREHOUSE_PG_SSLMODE', 'prefer') }}"
      connect_timeout: 10
      schema: candidate
      threads: THREADS
    published:
      <<: *warehouse
      schema: marts
""".replace("THREADS", str(THREADS))


def profile_environment(dsn: str) -> dict[str, str]:
    """The variables that make dbt connect as everything else does, for one connection string.

    `profiles.yml.example` reads those that a profile of dbt-postgres has a setting for. libpq
    reads the others (certificates, session options and so on) by itself.

    Raises:
        UsageError: when the hosts have ports of their own, which dbt cannot be told.
    """
    parts, variables = _libpq_parameters(dsn)
    ports = {port or "5432" for port in parts.get("port", "").split(",")}
    if len(ports) > 1:
        raise UsageError(
            f"DATABASE_URL names the ports {', '.join(sorted(ports))}; dbt takes one port for all "
            f"hosts. Name one host, or hosts with the same port."
        )
    user = parts.get("user", "")
    # The system's certificates go with one mode only, which libpq then takes by itself.
    is_system = parts.get("sslrootcert") == "system"
    return {
        "WAREHOUSE_PG_HOST": parts.get("host") or parts.get("hostaddr") or _socket_folder(),
        "WAREHOUSE_PG_PORT": ports.pop(),
        "WAREHOUSE_PG_USER": user,
        "WAREHOUSE_PG_PASSWORD": parts.get("password", ""),
        "WAREHOUSE_PG_DATABASE": parts.get("dbname") or user,
        "WAREHOUSE_PG_SSLMODE": "verify-full" if is_system else parts.get("sslmode", "prefer"),
        **variables,
    }


# What a profile has a setting for; what dbt is called is said by the build.
_IN_PROFILE = {"host", "port", "user", "password", "dbname", "sslmode", "service"}
_NOT_PASSED_ON = {*_IN_PROFILE, "application_name", "connect_timeout"}


def _libpq_parameters(dsn: str) -> tuple[dict[str, str], dict[str, str]]:
    """What libpq connects with, by its keywords, and the variables that say the same to dbt.

    What the connection string leaves out comes from its service, the environment and libpq's
    own defaults, in this order, as in every connection.
    """
    given = {name: str(value) for name, value in conninfo_to_dict(dsn).items()}
    service = {"PGSERVICE": given["service"]} if "service" in given else {}
    with environment(service):
        options = pq.Conninfo.get_defaults()
    parts, variables = {}, {}
    for option in options:
        name = option.keyword.decode()
        value = given.get(name) or (option.val or b"").decode()
        if not value:
            continue
        parts[name] = value
        is_special = name in given or option.val != option.compiled
        if option.envvar and is_special and name not in _NOT_PASSED_ON:
            variables[option.envvar.decode()] = value
    return parts, variables


def _socket_folder() -> str:
    """Where libpq looks for a server when nothing names a host."""
    attempt = pq.PGconn.connect_start(b"")
    try:
        return attempt.host.decode()
    finally:
        attempt.finish()


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """The process's environment with these variables, for the body."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
