"""Completion in a real terminal: IPython in a pseudo-terminal, keys and what it writes."""

from __future__ import annotations

import os
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pty = pytest.importorskip("pty")


class Terminal:
    """IPython behind a pseudo-terminal."""

    def __init__(self, folder: Path) -> None:
        self._main, other = pty.openpty()
        env = {**os.environ, "TERM": "xterm", "IPYTHONDIR": str(folder), "COLUMNS": "120", "LINES": "40"}
        command = [sys.executable, "-m", "IPython", "--no-banner", "--colors=NoColor", "--no-confirm-exit"]
        self.process = subprocess.Popen(
            command, stdin=other, stdout=other, stderr=other, env=env, close_fds=True
        )
        os.close(other)
        self.text = ""

    def keys(self, text: str) -> None:
        os.write(self._main, text.encode())

    def wait_for(self, pattern: str, seconds: float = 60) -> bool:
        """Read until the pattern appears in what came since the last call."""
        deadline, seen = time.monotonic() + seconds, ""
        while time.monotonic() < deadline:
            if select.select([self._main], [], [], 0.2)[0]:
                try:
                    part = os.read(self._main, 65536).decode("utf-8", "replace")
                except OSError:
                    return False
                if "\x1b[6n" in part:  # where is the cursor? prompt_toolkit asks, a terminal answers
                    os.write(self._main, b"\x1b[1;1R")
                seen += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", part)
                self.text = seen
            if re.search(pattern, seen):
                return True
        return False

    def close(self) -> None:
        self.process.kill()
        self.process.wait(10)
        os.close(self._main)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    terminal = Terminal(tmp_path)
    yield terminal
    terminal.close()


def test_tab_completes_in_a_terminal(terminal: Terminal) -> None:
    assert terminal.wait_for(r"In \[1\]"), terminal.text
    terminal.keys("%load_ext llm_magics\r")
    assert terminal.wait_for(r"In \[2\]"), terminal.text
    terminal.keys("%llm --temper\t")
    assert terminal.wait_for("ature"), terminal.text  # only what is new is drawn
