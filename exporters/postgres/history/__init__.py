"""Remember every version of an instrument: schema `history`, written with each publication.

What holds now is not copied: `history.current_instruments` and
`history.current_broker_instruments` say of each published row since when it holds, the row
itself is in `marts`. A row that ends moves to `history.past_...`, whole. The views
`history.instrument_versions` and `history.broker_instrument_versions` show both.

Two times are kept of each row. `valid_from` and `valid_to` are as-of dates, half open: what is
believed today of that day. `publication_id`, `closed_by` and `superseded_by` are publications:
when it was believed. A rollback, or a second publication of a day, supersedes rows; it never
deletes one.
"""

from exporters.postgres.history.earlier import Earlier, put_before
from exporters.postgres.history.record import record_publication, refuse_older_day
from exporters.postgres.history.rewind import record_rollback

__all__ = [
    "Earlier",
    "put_before",
    "record_publication",
    "record_rollback",
    "refuse_older_day",
]
