"""An analyst's way in, as profiles.yml.example says it: plain dbt, in a schema of one's own."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from tests.end_to_end.conftest import Published
from tests.installation import PROJECT

# The two lines of the example, on a copy of the project (which the profile would be left in).
COMMANDS = """
set -eu
eval "$(warehouse url postgres --dbt-env)"
cd {copy} && dbt build --select +stg_kite__instruments
"""


def test_plain_dbt_builds_beside_what_consumers_see(published: Published, tmp_path: Path) -> None:
    example = PROJECT / "profiles.yml.example"
    for line in ('eval "$(warehouse url postgres --dbt-env)"', "cd dbt_project && dbt build"):
        assert line in example.read_text(), "the example no longer says what is tried here"
    copy = tmp_path / "dbt_project"
    shutil.copytree(
        PROJECT / "dbt_project", copy, ignore=shutil.ignore_patterns("target", "logs", ".user.yml")
    )
    shutil.copy(example, copy / "profiles.yml")
    at = published.at
    programs = Path(sys.executable).parent
    done = at.start_program(
        ["bash", "-c", COMMANDS.format(copy=copy)],
        PATH=f"{programs}:{os.environ['PATH']}", USER="asha", DBT_SEND_ANONYMOUS_USAGE_STATS="0",
    ).done()  # fmt: skip
    assert done.code == 0, done.out + done.err
    ((rows,),) = at.execute("select count(*) from dev_asha.stg_kite__instruments")
    assert rows == len(published.rows)
    # Neither the candidate nor anything published was touched.
    built = at.execute("select distinct schemaname from pg_tables where schemaname like 'dev%'")
    views = at.execute("select distinct schemaname from pg_views where schemaname like 'dev%'")
    assert {name for (name,) in built + views} == {"dev_asha"}
    assert at.seen() == published.seen
