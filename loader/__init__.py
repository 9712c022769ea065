"""Fetch broker dumps and land them, as text and by `COPY`, in PostgreSQL's `staging` schema."""
