"""Build the wheel of the registry alone: `make wheel`.

It is built in a folder of its own, from the package's files and nothing else, so that neither what
an earlier build left behind nor any other package can come into it. Nothing is downloaded: the
environment's own setuptools builds.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
PACKAGE = PROJECT / "instrument_registry"
DESCRIBED = PROJECT / "wheels" / "instrument_registry"


def build(into: Path) -> Path:
    """Build the wheel into a folder; returns its path."""
    with tempfile.TemporaryDirectory() as folder:
        tree, built = Path(folder) / "tree", Path(folder) / "built"
        skipped = shutil.ignore_patterns("__pycache__", "*.py[co]")
        shutil.copytree(PACKAGE, tree / PACKAGE.name, ignore=skipped)
        for path in (*DESCRIBED.iterdir(), PROJECT / "LICENSE"):
            shutil.copy2(path, tree)
        subprocess.run(
            [
                sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check",
                "--no-index", "--no-deps", "--no-build-isolation", "--wheel-dir", str(built),
                str(tree),
            ],
            check=True,
        )  # fmt: skip
        (wheel,) = built.glob("*.whl")
        into.mkdir(parents=True, exist_ok=True)
        return Path(shutil.copy2(wheel, into))


def main() -> None:
    """Build into the folder that is named, or `dist`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("into", nargs="?", type=Path, default=PROJECT / "dist")
    print(build(parser.parse_args().into))


if __name__ == "__main__":
    main()
