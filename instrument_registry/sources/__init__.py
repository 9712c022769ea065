"""A publication as columns, and where it is read: PostgreSQL, the snapshot, Redis."""
