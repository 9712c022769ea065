"""`public.instruments` as a destination of its own: compared with what is published, and mended."""

from __future__ import annotations

from exporters.destination import Plan
from exporters.errors import DestinationRefused, VerificationError
from exporters.postgres.session import Connection
from exporters.postgres.verify import repair_instruments, verify_published


class PublicInstruments:
    """The legacy table, outside a publication.

    Args:
        connection: A direct connection with no transaction open.
    """

    name = "public.instruments"

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def plan(self) -> Plan:
        """Compare it with the published view, and the published tables with their digests.

        Raises:
            DestinationRefused: `marts` itself is damaged, which would be passed on.
        """
        differences = verify_published(self._connection)
        damaged = [told for told in differences if told.startswith("marts.")]
        if damaged:
            raise DestinationRefused(
                "; ".join(damaged),
                expected="the tables as they were published",
                consumers="public.instruments was not touched.",
                remedy="Run the last sync again: it builds and publishes what is missing.",
            )
        return Plan(note="; ".join(differences), upkeep=len(differences))

    def apply(self, plan: Plan) -> None:  # noqa: ARG002  # the comparison is made again, under a lock
        """Bring it to what is published."""
        repair_instruments(self._connection)

    def verify(self) -> None:
        """Compare again.

        Raises:
            VerificationError: It still differs.
        """
        differences = verify_published(self._connection)
        if differences:
            raise VerificationError("; ".join(differences), expected="the table as published")
