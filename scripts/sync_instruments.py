#!/usr/bin/env python3
"""Deprecated: `warehouse sync --filter nifty|banknifty|all`."""

from __future__ import annotations

import argparse

from forward import forward

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--filter", default="nifty", help="nifty, banknifty, all, ...")
    forward("scripts/sync_instruments.py", ["sync", "--filter", parser.parse_args().filter])
