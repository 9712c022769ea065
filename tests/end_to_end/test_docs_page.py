"""`warehouse docs`: one page about what is published, for a machine without a network."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from tests.end_to_end.conftest import Published


def test_docs_are_one_page_of_the_published_schema(published: Published) -> None:
    parsed = published.at.home / "dbt" / "target" / "candidate-kite" / "partial_parse.msgpack"
    before = parsed.read_bytes()
    page = Path(published.at.run("docs").ok().out.strip())
    # The next sync need not parse the project anew, which takes seconds.
    assert parsed.read_bytes() == before
    assert [path.name for path in page.parent.iterdir()] == ["index.html"]
    text = page.read_text()
    manifest, catalog = embedded(text, "manifest"), embedded(text, "catalog")
    # As PostgreSQL has them, not as the project says they should be.
    found = catalog["nodes"]["model.instrument_warehouse.exp_redis__instruments"]
    assert found["metadata"]["schema"] == "marts"
    assert found["columns"]["instrument_token"]["type"] == "integer"
    schemas = {node["metadata"]["schema"] for node in catalog["nodes"].values()}
    assert "candidate" not in schemas
    # Nothing comes from elsewhere when it is opened: no script, style or picture, no tracker.
    loads = r"<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)=[\"']?(?:https?:)?//[^>]*"
    assert re.findall(loads, text) == []
    assert manifest["metadata"]["send_anonymous_usage_stats"] is False
    assert published.at.seen() == published.seen


def embedded(page: str, label: str) -> Any:
    """One of the two documents that dbt writes into its static page."""
    start = page.index(f'{label}:{{"metadata"') + len(f"{label}:")
    return json.JSONDecoder().raw_decode(page, start)[0]
