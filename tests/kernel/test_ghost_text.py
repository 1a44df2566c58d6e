"""Ghost text of a real kernel: its model and its state, and the terminal's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernel.conftest import Kernel
from tests.kernel.test_terminal_completion import Terminal


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    terminal = Terminal(tmp_path)
    yield terminal
    terminal.close()


def test_the_model_of_ghost_text(kernel: Kernel, default_gguf: Path) -> None:
    assert kernel.run("%llm ghost").stdout == "Its model is the one in use.\n"
    assert "is not on this machine" in kernel.run("%llm ghost --ghost-model smollm2-360m-instruct").error
    named = kernel.run("%llm ghost --ghost-model smollm2-135m-instruct")
    assert named.stdout == "Its model is smollm2-135m-instruct.\n"
    assert "Turn Ghost Text On" in kernel.run("%llm ghost on").error


def test_a_request_of_the_page(kernel: Kernel, default_gguf: Path) -> None:
    kernel.run("%load_ext llm_magics")
    kernel.run("%%llm -t 0 -n 2 -q\nHi")
    code = (
        "import time\n"
        "magics = get_ipython().magics_manager.registry['LLMMagics'].workspace\n"
        "ghost, sent = magics.commands.ghost, []\n"
        "ghost._channel.send = lambda message, *_: sent.append(message)\n"
        "ghost.handle('a', 'start', {'prefix': 'days = [\"Monday\", \"Tuesday\", \"Wednesday\",'})\n"
        "deadline = time.time() + 60\n"
        "while not (sent and sent[-1].get('done')) and time.time() < deadline: time.sleep(0.02)\n"
        "print(sent[-1]['text'])"
    )
    assert "Thursday" in kernel.run(code).stdout


def test_control_g_in_a_terminal(terminal: Terminal, default_gguf: Path) -> None:
    assert terminal.wait_for(r"In \[1\]"), terminal.text
    terminal.keys("%load_ext llm_magics\r")
    assert terminal.wait_for(r"In \[2\]"), terminal.text
    terminal.keys("%llm ghost on\r")
    assert terminal.wait_for("Control-G asks"), terminal.text
    assert terminal.wait_for(r"In \[3\]"), terminal.text
    terminal.keys("s = '1, 2, 3, 4, 5, 6, 7, 8,")
    assert terminal.wait_for("8,"), terminal.text
    terminal.keys("\x07")
    assert terminal.wait_for("9, 10"), terminal.text
    terminal.keys("\x1b[C")  # Right accepts what there is, and ends the request
    assert terminal.wait_for("9, 10"), terminal.text
    terminal.keys("'")
    assert terminal.wait_for("'"), terminal.text
    terminal.keys("\r")
    assert terminal.wait_for(r"In \[4\]"), terminal.text
    terminal.keys("print('is', s)\r")
    assert terminal.wait_for(r"is 1, 2, 3, 4, 5, 6, 7, 8, 9, 10"), terminal.text
