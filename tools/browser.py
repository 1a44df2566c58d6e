"""A browser for the tests: one on the PATH, else Playwright's own, else the system's package.

Run by ``make test``; says what to do where none can be had.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def find_chromium() -> str | None:
    """The path of a Chromium: the system's or Playwright's."""
    if on_path := next(filter(None, map(shutil.which, NAMES)), None):
        return on_path
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    return own if Path(own).exists() else None


def main() -> int:
    if path := find_chromium():
        print(f"browser: {path}")
        return 0
    print("installing a browser for the tests …", flush=True)
    tries = [[sys.executable, "-m", "playwright", "install", "chromium-headless-shell"]]
    if shutil.which("apt-get") and os.geteuid() == 0:
        tries = [["apt-get", "install", "-y", "-q", "chromium"], *tries]
        subprocess.run(["apt-get", "update", "-q"], capture_output=True, timeout=300, check=False)
    for command in tries:
        try:
            subprocess.run(command, capture_output=True, timeout=600, check=False)
        except (OSError, subprocess.SubprocessError):
            continue
        if path := find_chromium():
            print(f"browser: {path}")
            return 0
    print("there is no Chromium: apt-get install chromium, or put one on the PATH", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
