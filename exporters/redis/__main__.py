"""`python -m exporters.redis --database-url ... --redis-url ... [--dry-run]`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence

from exporters.destination import Destination
from exporters.redis.hashes import RedisHashes
from exporters.standalone import Connection, options, run


def main(arguments: Sequence[str] | None = None) -> int:
    """Export the publication to Redis; the exit code."""
    parser = options("exporters.redis", "Bring Redis to the last publication.")
    parser.add_argument(
        "--redis-url",
        default=os.environ.get("REDIS_URL"),
        help="redis://, rediss://, unix:// or redis+cluster:// (default: REDIS_URL)",
    )
    parser.add_argument(
        "--ttl-seconds",
        type=_positive,
        default=os.environ.get("REDIS_TTL_SECONDS") or None,
        help="after how long without an export the keys expire (default: never)",
    )

    def build(given: argparse.Namespace, connection: Connection) -> Iterator[Destination]:
        if not given.redis_url:
            parser.error("--redis-url or REDIS_URL is needed")
        yield RedisHashes(given.redis_url, connection, given.ttl_seconds)

    return run(parser, arguments, build)


def _positive(text: str) -> int:
    number = int(text)
    if number <= 0:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number of seconds")
    return number


if __name__ == "__main__":
    sys.exit(main())
