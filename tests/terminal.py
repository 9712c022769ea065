"""A program in a terminal, as a person runs it: what it draws, as text."""

from __future__ import annotations

import errno
import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

COLUMNS, LINES = 160, 50
# Colours, cursor movements, titles (ECMA-48).
_CONTROLS = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07]*\x07|[@-_])")


def run_in_terminal(
    command: Sequence[str], *, cwd: Path, environment: Mapping[str, str], seconds: float = 120
) -> tuple[int, str]:
    """The exit code, and everything that was drawn, one state of the screen after the other."""
    screen, device = pty.openpty()
    fcntl.ioctl(device, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    process = subprocess.Popen(
        command, cwd=cwd, stdin=device, stdout=device, stderr=device, close_fds=True,
        env={**environment, "TERM": "xterm-256color"}, start_new_session=True,
    )  # fmt: skip
    os.close(device)
    try:
        drawn = _read(screen, process, time.monotonic() + seconds)
        code = process.wait(10)
    finally:
        os.close(screen)
        if process.poll() is None:
            process.kill()
            process.wait()
    return code, _CONTROLS.sub("", drawn.decode(errors="replace")).replace("\r", "\n")


def _read(screen: int, process: subprocess.Popen[bytes], deadline: float) -> bytes:
    os.set_blocking(screen, False)
    drawn = b""
    while time.monotonic() < deadline:
        is_over = process.poll() is not None
        try:
            piece = os.read(screen, 1 << 16)
        except BlockingIOError:
            piece = b""
        except OSError as error:
            # Linux's word for: nobody has the terminal open any more.
            if error.errno != errno.EIO:
                raise
            return drawn
        drawn += piece
        if not piece:
            if is_over:
                return drawn
            time.sleep(0.01)
    raise AssertionError(f"the program goes on; it has drawn {drawn[-2000:]!r}")
