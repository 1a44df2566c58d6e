"""A real ipykernel, and what a front end would show of each cell."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.manager import start_new_kernel

from tests.support.homes import own_home

ROOT = Path(__file__).parents[2]


@dataclass
class Result:
    """One cell, after it ran: its outputs with updates applied, as a front end keeps them."""

    status: str = ""
    outputs: list[dict[str, Any]] = field(default_factory=list)
    stdout: str = ""
    stderr: str = ""
    displays: list[dict[str, Any]] = field(default_factory=list)  # every state of every output
    error: str = ""
    updates: list[float] = field(default_factory=list)  # when each display message came
    seconds: float = 0.0

    @property
    def data(self) -> dict[str, Any]:
        assert len(self.outputs) == 1, self.outputs
        return self.outputs[0]


class Kernel:
    def __init__(self, **more: str) -> None:
        paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        self.home = tempfile.TemporaryDirectory()
        env = {**os.environ, "PYTHONPATH": paths, **own_home(Path(self.home.name)), **more}
        self.manager, self.client = start_new_kernel(kernel_name="python3", env=env)
        self.started = time.time()

    def run(self, code: str, *, on_display: Any = None) -> Result:
        result, places = Result(), {}

        def hook(message: dict[str, Any]) -> None:
            kind, content = message["msg_type"], message["content"]
            if kind in ("display_data", "update_display_data", "execute_result"):
                key = content.get("transient", {}).get("display_id")
                if kind == "update_display_data":
                    result.outputs[places[key]] = content["data"]
                else:
                    places[key] = len(result.outputs)
                    result.outputs.append(content["data"])
                result.updates.append(time.monotonic())
                result.displays.append(content["data"])
                if on_display:
                    on_display(result)
            elif kind == "stream":
                setattr(result, content["name"], getattr(result, content["name"]) + content["text"])
            elif kind == "error":
                result.error = "\n".join(content["traceback"])

        start = time.monotonic()
        # Nobody sits there: what asks for input is refused.
        reply = self.client.execute_interactive(code, output_hook=hook, timeout=120, allow_stdin=False)
        result.status = reply["content"]["status"]
        result.seconds = time.monotonic() - start
        return result

    def value(self, expression: str) -> str:
        return self.run(f"print({expression})").stdout.strip()

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
        self.home.cleanup()


@pytest.fixture(scope="module")
def kernel(default_gguf: Path) -> Iterator[Kernel]:
    kernel = Kernel()
    assert kernel.run("%load_ext llm_magics").status == "ok"
    yield kernel
    kernel.close()


@pytest.fixture
def fresh_kernel(default_gguf: Path) -> Iterator[Kernel]:
    kernel = Kernel()
    yield kernel
    kernel.close()
