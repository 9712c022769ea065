#!/usr/bin/env python3
"""Deprecated: `warehouse sync --filter nifty`, which writes the same INSTRUMENTS line."""

from __future__ import annotations

from forward import forward

if __name__ == "__main__":
    forward("scripts/update_nifty_options.py", ["sync", "--filter", "nifty"])
