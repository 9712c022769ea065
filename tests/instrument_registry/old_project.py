"""A project as the old overview describes one: its token files, and who reads them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

PROTECTED = (
    "zerodha/crawlers/binary_crawler1/enriched_metadata_binary_crawler.json",
    "zerodha/crawlers/binary_crawler1/intraday_crawler_instruments.json",
    "zerodha/crawlers/binary_crawler1/hot_token_metadata.json",
    "zerodha/crawlers/intraday_zerodha_token.json",
    "zerodha/crawlers/master_token/nifty50_tokens.json",
    "zerodha/ubuntu_crawlers/crawlers/a/hot_token_metadata.json",
    "zerodha_websocket/crawlers/master_token/nifty50_tokens.json",
    "clickhouse_setup/zerodha_token_lookup_consolidated.json",
    "shared_core/instrument_token/token_lookup_enriched.json",
    "shared_core/instrument_token/focus_instruments.json",
    "shared_core/instrument_token/canonical_instruments.yaml",
    "shared_core/instrument_token/instrument_csv_files/zerodha.csv",
    "shared_core/instrument_token/instrument_csv_files/angel_one_instruments_master.json",
    "shared_core/intraday/broker_instrument_enriched_tokens/angel_one_intraday_enriched_token.json",
    "shared_core/intraday/broker_instrument_enriched_tokens/binary_crawler1_enriched_metadata.json",
    "ml_backend/models/tokens.json",
    ".env",
)
DEPRECATED = (
    "clickhouse_setup/token_analysis_2025.json",
    "intraday_trading/comprehensive_session_lookup.json",
    "intraday_trading/config/mapping_report.txt",
    "intraday_trading/indices_tokens_final.json",
    "intraday_trading/session_tokens_metadata.json",
    "jsonl/zerodha_token_lookup_consolidated.json",
)


def write(root: Path, files: dict[str, bytes]) -> None:
    for path, data in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)


def make(root: Path) -> Path:
    """The project: every file that the overview names, each with bytes of its own but one pair."""
    write(root, {path: Path(path).name[::-1].encode() for path in (*PROTECTED, *DEPRECATED)})
    write(root, {"scanner/main.py": b"print('no token file is named here')\n"})
    return root


def content(root: Path) -> dict[bytes, tuple[int, bytes]]:
    """Mode and bytes of everything under a root but the trash; a symlink's bytes are its target."""
    found: dict[bytes, tuple[int, bytes]] = {}
    for path in root.rglob("*"):
        below = path.relative_to(root)
        told = path.lstat()
        if below.parts[0] == ".trash" or stat.S_ISDIR(told.st_mode):
            continue
        data = os.fsencode(path.readlink()) if path.is_symlink() else path.read_bytes()
        found[os.fsencode(below)] = (told.st_mode, data)
    return found


def trashed(root: Path) -> dict[str, bytes]:
    """What lies in the trash, by the path that it had."""
    return {
        str(path.relative_to(run)): path.read_bytes()
        for run in sorted((root / ".trash").iterdir()) if run.is_dir()
        for path in sorted(run.rglob("*")) if path.is_file()
    }  # fmt: skip
