"""Where Redis is: the kinds of `REDIS_URL`, and how to show one without its password.

    redis://[user:password@]host[:port][/db]
    rediss://...?ssl_ca_certs=/path/ca.pem       TLS; the certificate is checked
    unix://[user:password@]/path/redis.sock[?db=1]
    redis+cluster://[user:password@]host:port,host:port     a cluster, any of its nodes
    rediss+cluster://...                         the same over TLS

Options after `?` are those of redis-py: `socket_timeout`, `ssl_ca_certs`, `ssl_certfile`,
`ssl_keyfile`, `ssl_cert_reqs`, `ssl_check_hostname`, and so on.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

import redis
from redis.backoff import ExponentialWithJitterBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.retry import Retry

from exporters.errors import DestinationRefused

CONNECT_SECONDS = 5.0
"""How long a connection may take to open."""

ANSWER_SECONDS = 60.0
"""How long Redis may be silent: it answers one transaction of a million keys in a few seconds."""

_CLUSTER = "+cluster://"
_DEFAULT_PORT = "6379"


def redacted(url: str) -> str:
    """The URL with `***` where a password stands."""
    hidden = re.sub(r"(?i)([?&][^=&]*password=)[^&]*", r"\1***", url)
    # Up to the last @ before the path: a password may hold one unescaped.
    return re.sub(r"^([^:/]+://[^:@/]*):.*@", r"\1:***@", hidden)


def is_cluster(url: str) -> bool:
    """Whether the URL names a Redis Cluster."""
    return _CLUSTER in url.partition("?")[0]


def open_server(url: str) -> redis.Redis:
    """A client of one server; it connects at its first command.

    Raises:
        DestinationRefused: The URL is none.
    """
    try:
        options = _options(url)
    except ValueError:
        # The cause may quote the part of the URL that holds the password.
        raise _not_a_url(url) from None
    pool = redis.ConnectionPool(**options)
    return redis.Redis.from_pool(pool)


def open_cluster(url: str) -> RedisCluster:
    """A client of a cluster; it connects at once.

    Raises:
        DestinationRefused: The URL is none.
        redis.RedisError: No node answers.
    """
    scheme, _, rest = url.partition(_CLUSTER)
    place, mark, query = rest.partition("?")
    login, at, hosts = place.rstrip("/").rpartition("@")
    try:
        nodes = [_host_and_port(part) for part in hosts.split(",")]
        options = _options(f"{scheme}://{login}{at}{nodes[0][0]}:{nodes[0][1]}{mark}{query}")
    except ValueError:
        raise _not_a_url(url) from None
    for only_for_one in ("host", "port", "db"):
        options.pop(only_for_one, None)
    is_tls = options.pop("connection_class", None) is redis.SSLConnection
    startup = [
        ClusterNode(host, port)  # type: ignore[no-untyped-call]  # redis-py's
        for host, port in nodes
    ]
    return RedisCluster(startup_nodes=startup, ssl=is_tls, **options)


def _options(url: str) -> dict[str, Any]:
    """What redis-py makes of the URL, with our time limits and RESP 2 for exact bytes."""
    parts = urlsplit(url)
    database = parts.path.strip("/")
    if parts.scheme != "unix" and database and not database.isdigit():
        raise ValueError("the database is not a number")
    if parts.scheme == "unix" and not parts.path:
        raise ValueError("no path of a socket")
    given: dict[str, Any] = redis.connection.parse_url(  # type: ignore[no-untyped-call]  # redis-py's
        url
    )
    return {
        "socket_connect_timeout": CONNECT_SECONDS,
        "socket_timeout": ANSWER_SECONDS,
        "retry": Retry(ExponentialWithJitterBackoff(base=0.1, cap=1), 3),
        **given,
        "protocol": 2,
    }


def _host_and_port(part: str) -> tuple[str, int]:
    parsed = urlsplit(f"redis://{part.strip()}")
    if not parsed.hostname:
        raise ValueError("a node without a host")
    return parsed.hostname, parsed.port or int(_DEFAULT_PORT)


def _not_a_url(url: str) -> DestinationRefused:
    scheme = url.partition("://")[0] if "://" in url else "none"
    return DestinationRefused(
        f"REDIS_URL cannot be understood (its scheme: {scheme[:20]})",
        expected="redis://host:port/db, rediss://..., unix:///path, or redis+cluster://host:port,...",
        consumers="Redis was not touched.",
        remedy="Correct the URL; a password with special characters is percent-encoded.",
    )
