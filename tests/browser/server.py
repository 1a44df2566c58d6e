"""A real Jupyter server and a real browser, and what a user does there."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.homes import own_home

CLIENTS = {"lab": "/lab/tree/", "notebook": "/notebooks/"}


def notebook(*cells: str) -> dict[str, Any]:
    """A notebook with these code cells, not run."""
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
        "cells": [
            {
                "cell_type": "code",
                "id": f"cell-{n}",
                "metadata": {},
                "source": source,
                "outputs": [],
                "execution_count": None,
            }
            for n, source in enumerate(cells)
        ],
    }


@contextmanager
def serve(
    folder: Path,
    *,
    dark: bool = False,
    env: dict[str, str] | None = None,
    token: str = "",
    python: str = sys.executable,
    theme: str = "",
) -> Iterator[str]:
    """A Jupyter server on a free port; gives its address."""
    settings = folder / ".settings"
    themes = settings / "@jupyterlab" / "apputils-extension"
    themes.mkdir(parents=True, exist_ok=True)
    name = theme or ("JupyterLab Dark" if dark else "JupyterLab Light")
    (themes / "themes.jupyterlab-settings").write_text(json.dumps({"theme": name}))
    quiet = settings / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    quiet.write_text(json.dumps({"fetchNews": "false", "checkForUpdates": False}))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    command = [
        *(python, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}"),
        *(
            "--ip=127.0.0.1",
            f"--IdentityProvider.token={token}",
            f"--ServerApp.disable_check_xsrf={not token}",
        ),
        "--expose-app-in-browser",  # what a test asks of the application, it asks as an extension would
        "--JupyterNotebookApp.expose_app_in_browser=True",
        f"--ServerApp.root_dir={folder}",
        f"--LabApp.user_settings_dir={settings}",
    ]
    own = own_home(folder / ".home")
    environment = {**os.environ, **own, "JUPYTERLAB_WORKSPACES_DIR": str(settings / "spaces"), **(env or {})}
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        try:
            for _ in range(240):
                try:
                    urllib.request.urlopen(f"{address}/api/status?token={token}", timeout=2).close()
                    break
                except OSError:
                    if server.poll() is not None:
                        raise RuntimeError((folder / "server.log").read_text()[-2000:]) from None
                    time.sleep(0.25)
            yield address
        finally:
            server.terminate()
            try:
                server.wait(15)
            except subprocess.TimeoutExpired:
                server.kill()


class Page:
    """A notebook in a tab, and the keys that a user presses.

    Attributes:
        errors: what the console complained of, and requests that went anywhere but to the server.
    """

    def __init__(self, page: Any, address: str, client: str) -> None:
        self.page, self.address, self.client = page, address, client
        self.errors: list[str] = []
        self.file = Path()
        page.on("console", lambda message: message.type == "error" and self._complain(message.text))
        page.on("pageerror", lambda error: self._complain(str(error)))
        page.on("request", lambda request: self._check(request.url))

    def _complain(self, text: str) -> None:
        # What Jupyter itself says, with or without us.
        known = (
            "favicon",
            "Canceled future for",  # a kernel ended while JupyterLab still asks it for a subshell
            "404 (Not Found)",
            "403 (Forbidden)",  # Notebook 7 serves no fonts to its own MathJax
            "/api/kernels",
            "ERR_CONNECTION",
            "filebrowser:open-path",
            "debugger state",
            "reading 'schema'",
            "Comm not found for comm id",
        )
        if not any(word in text for word in known):
            self.errors.append(text)

    def _check(self, url: str) -> None:
        ours = (self.address, self.address.replace("http", "ws"), "data:", "blob:", "about:")
        if not url.startswith(ours):
            self.errors.append(f"foreign request: {url}")

    def open(self, name: str) -> Page:
        reset = "?reset" if self.client == "lab" else ""  # what other tests left open stays closed
        self.page.goto(f"{self.address}{CLIENTS[self.client]}{name}{reset}")
        self.page.wait_for_selector(".jp-NotebookPanel .jp-Cell, .jp-Notebook .jp-Cell", timeout=60_000)
        return self

    def wait_for_kernel(self) -> None:
        self.page.wait_for_function(
            """() => {
              const panel = window.jupyterapp?.shell.currentWidget
              return panel?.sessionContext?.session?.kernel?.status === 'idle'
            }""",
            timeout=60_000,
        )

    def run(self, cell: int, *, wait: bool = True, timeout: float = 90) -> None:
        """Run a cell as a user does; wait until it is done."""
        self.page.locator(".jp-Notebook .jp-CodeCell").nth(cell).locator(".cm-content").click()
        self.page.keyboard.press("Control+Enter")
        if wait:
            prompt = self.page.locator(".jp-Notebook .jp-CodeCell").nth(cell).locator(".jp-InputPrompt")
            self.page.wait_for_timeout(150)
            deadline = time.monotonic() + timeout
            while "*" in prompt.inner_text() or prompt.inner_text().strip() in ("[ ]:", ""):
                assert time.monotonic() < deadline, "the cell is not done"
                self.page.wait_for_timeout(100)

    def output(self, cell: int) -> Any:
        return self.page.locator(".jp-Notebook .jp-CodeCell").nth(cell).locator(".jp-Cell-outputArea")

    def shut(self) -> None:
        """End the notebook's kernel."""
        self.page.evaluate(
            "() => window.jupyterapp?.shell.currentWidget?.sessionContext?.shutdown().catch(() => {})"
        )

    def saved(self) -> dict[str, Any]:
        """Save the notebook, and read what is in the file."""
        before = self.file.stat().st_mtime_ns
        self.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
        for _ in range(50):
            if self.file.stat().st_mtime_ns != before:
                break
            self.page.wait_for_timeout(100)
        content: dict[str, Any] = json.loads(self.file.read_text())
        return content
