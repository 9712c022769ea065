"""Write the reference of the registry's Python names: `make api-docs`.

It is made by pdoc from the docstrings, and what pdoc warns of ends it. The pages need no network.
"""

from __future__ import annotations

import argparse
import typing
import warnings
from importlib import import_module
from pathlib import Path

import pdoc
import pdoc.render

import instrument_registry

PACKAGE = instrument_registry.__name__
# What programs import. Every other module is how these are made.
MODULES = (
    PACKAGE,
    f"{PACKAGE}.cleanup_old_token_files",
    f"{PACKAGE}.errors",
    f"{PACKAGE}.following.subscriptions",
    f"{PACKAGE}.following.watching",
    f"{PACKAGE}.instrument_registry",
    f"{PACKAGE}.lookups.contract_lookups",
    f"{PACKAGE}.lookups.explanation",
    f"{PACKAGE}.migration_status",
    f"{PACKAGE}.monitoring.counting",
    f"{PACKAGE}.older.shapes",
    f"{PACKAGE}.older.token_lookup",
    f"{PACKAGE}.registry_config",
    f"{PACKAGE}.registry_factory",
    f"{PACKAGE}.registry_helper",
    f"{PACKAGE}.registry_sync_monitor",
    f"{PACKAGE}.settings",
    f"{PACKAGE}.sources.snapshot",
    f"{PACKAGE}.symbols",
)


def build(into: Path) -> Path:
    """Write the pages into a folder; returns the first one.

    Raises:
        Warning: pdoc is in doubt about something.
    """
    _resolve_names()
    pdoc.render.configure(docformat="google", show_source=False, footer_text="instrument_registry")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pdoc.pdoc(*MODULES, output_directory=into)
    return into / f"{PACKAGE}.html"


def _resolve_names() -> None:
    """Do what pdoc does not: names that are found when first asked for, and texts for types."""
    for name in MODULES:
        module = import_module(name)
        for public in getattr(module, "__all__", ()):
            getattr(module, public)
    # A named tuple's constructor knows the names of no module.
    constructor = instrument_registry.BrokerRow.__new__
    constructor.__annotations__ = typing.get_type_hints(instrument_registry.BrokerRow)


def main() -> None:
    """Build into the folder that is named, or `build/api`; print the first page's path."""
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(__file__).resolve().parents[1] / "build" / "api"
    parser.add_argument("into", nargs="?", type=Path, default=default)
    print(build(parser.parse_args().into))


if __name__ == "__main__":
    main()
