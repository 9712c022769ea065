"""What dbt and Python have to spell alike."""

from __future__ import annotations

import re
from pathlib import Path

from exporters.postgres.history import events


def test_a_share_moves_between_the_same_series_in_dbt_and_in_history(project: Path) -> None:
    """Else a share would stay one instrument and be told as renamed, or the other way round."""
    macros = project / "dbt_project" / "macros" / "continuity"
    text = (macros / "share_without_series.sql").read_text()
    assert re.findall(r"regexp_replace\(\{\{ canonical_id \}\}, '(.*?)', ''\)", text) == [
        events.SERIES
    ]
