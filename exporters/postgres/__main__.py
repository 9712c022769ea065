"""`python -m exporters.postgres --database-url ... [--dry-run]`: mend `public.instruments`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence

from exporters.destination import Destination
from exporters.postgres.public_instruments import PublicInstruments
from exporters.standalone import Connection, options, run


def main(arguments: Sequence[str] | None = None) -> int:
    """Bring `public.instruments` to the last publication; the exit code."""
    parser = options("exporters.postgres", "Bring public.instruments to the last publication.")

    def build(_: argparse.Namespace, connection: Connection) -> Iterator[Destination]:
        yield PublicInstruments(connection)

    return run(parser, arguments, build)


if __name__ == "__main__":
    sys.exit(main())
