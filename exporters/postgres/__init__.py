"""PostgreSQL as a destination: `marts.*` and `public.instruments`, published by difference."""

from exporters.postgres.catalog import candidate_oids
from exporters.postgres.errors import (
    CandidateChanged,
    PublicationOutOfReach,
    PublicationUnknown,
    SubscriptionsChangedMeanwhile,
)
from exporters.postgres.history import Earlier, put_before
from exporters.postgres.ledger import (
    PendingExport,
    exported_digest,
    last_publication_id,
    pending_exports,
    prune_undo,
    record_export,
)
from exporters.postgres.overrides import (
    capture_overrides,
    hides_hand_changes,
    unpublished_overrides,
)
from exporters.postgres.publish import publish
from exporters.postgres.request import Publication, PublishRequest
from exporters.postgres.rollback import rollback_to
from exporters.postgres.seal import NOTIFY_CHANNEL
from exporters.postgres.verify import repair_instruments, verify_published

__all__ = [
    "NOTIFY_CHANNEL",
    "CandidateChanged",
    "Earlier",
    "PendingExport",
    "Publication",
    "PublicationOutOfReach",
    "PublicationUnknown",
    "PublishRequest",
    "SubscriptionsChangedMeanwhile",
    "candidate_oids",
    "capture_overrides",
    "exported_digest",
    "hides_hand_changes",
    "last_publication_id",
    "pending_exports",
    "prune_undo",
    "publish",
    "put_before",
    "record_export",
    "repair_instruments",
    "rollback_to",
    "unpublished_overrides",
    "verify_published",
]
