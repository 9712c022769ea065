"""The gate: Great Expectations on the candidate, the verdict, and the report."""
