"""`token_lookup_enriched.json`, as older programs load it: every row of Kite's dump, by token.

The warehouse writes the file with each publication, whole or not at all; `get_by_broker_token`
answers the same from the registry without reading 50 MB of JSON.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from instrument_registry.errors import RegistryUnavailable, shown
from instrument_registry.settings import read_settings

FILE_NAME: Final = "token_lookup_enriched.json"


def get_token_lookup_path() -> Path:
    """Where the warehouse writes it: TOKEN_LOOKUP_FILE, else `files` below WAREHOUSE_HOME."""
    said = read_settings().environment
    named = said.get("TOKEN_LOOKUP_FILE")
    home = Path(said.get("WAREHOUSE_HOME") or ".warehouse")
    return (Path(named) if named else home / "files" / FILE_NAME).expanduser()


def load_token_lookup() -> dict[str, dict[str, Any]]:
    """The whole file: by the token as text, a dict a row.

    Raises:
        RegistryUnavailable: it is not there, or it is no such file. There is no empty answer: a
            lookup of nothing looks like a market without instruments.
    """
    path = get_token_lookup_path()
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RegistryUnavailable(
            f"{path} cannot be read: {error.strerror}. Run `warehouse export`, or name the file "
            "with TOKEN_LOOKUP_FILE"
        ) from error
    except ValueError as error:
        raise RegistryUnavailable(f"{path} is not JSON: {error}. Run `warehouse export`") from error
    if not isinstance(found, dict):
        raise RegistryUnavailable(f"{path} holds {shown(found)}; expected an object by token")
    return found
