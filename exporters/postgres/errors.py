"""What only a publication in PostgreSQL can meet.

    ExportError                               exporters.errors
    ├── CandidateChanged                      not what was audited: build and audit again   exit 3
    ├── SubscriptionsChangedMeanwhile         a person changed is_active since: build again exit 3
    └── DestinationRefused                    exporters.errors                              exit 4
        ├── PublicationUnknown                no publication has this number                exit 2
        ├── PublicationOutOfReach             its undo rows were pruned                     exit 2
        └── OlderThanPublished                its day is before the last published one      exit 2

A lock that is not given in time, a lost connection or a full disk is a
`DestinationUnavailable`; a shape or a row that the target cannot take is a
`DestinationRefused`; what reads back otherwise is a `VerificationError`.
"""

from __future__ import annotations

from exporters.errors import DestinationRefused, ExportError


class CandidateChanged(ExportError):
    """The candidate is no longer the one that was audited: build and audit again."""

    is_transient = True
    exit_code = 3


class SubscriptionsChangedMeanwhile(ExportError):
    """A person changed `is_active` after the candidate was built; the change is recorded.

    Args:
        count: Overrides that were written, changed or removed.
    """

    is_transient = True
    exit_code = 3

    def __init__(self, count: int) -> None:
        self.count = count
        super().__init__(
            f"{count} subscriptions were changed by hand in public.instruments since the build",
            expected="the subscriptions that the candidate was built with",
            consumers="Consumers see the last publication and the changes made by hand",
            remedy="The changes are recorded as overrides: build again, then publish",
        )


class PublicationUnknown(DestinationRefused):
    """No publication has the number asked for."""

    exit_code = 2


class PublicationOutOfReach(DestinationRefused):
    """The rows that lead back to the publication were pruned."""

    exit_code = 2


class OlderThanPublished(DestinationRefused):
    """The as-of date is before that of the last publication."""

    exit_code = 2
