"""What dbt has in its templates and sqlfluff's jinja templater lacks."""

from __future__ import annotations

import os


def env_var(name: str, default: str | None = None) -> str:
    """An environment variable, as dbt's `env_var`.

    Raises:
        KeyError: it is not set and has no default.
    """
    return os.environ[name] if default is None else os.environ.get(name, default)
