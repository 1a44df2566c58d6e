"""Progress is shown in the cell's own output while it lasts, and nothing of it stays: never on stderr."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llm_magics.sources import store
from llm_magics.views.mime import GENERATION_MIME
from tests.kernel.conftest import Kernel


@pytest.fixture
def unconverted(default_gguf: Path, tmp_path: Path) -> Iterator[Kernel]:
    """A kernel that has the default model's file and must convert it."""
    (tmp_path / "downloads").symlink_to(store.home() / "downloads")
    kernel = Kernel(LLM_MAGICS_HOME=str(tmp_path))
    kernel.run("%load_ext llm_magics")
    yield kernel
    kernel.close()


def texts(displays: list[dict[str, Any]]) -> list[str]:
    return [str(data.get("text/plain")) for data in displays]


def test_the_first_answer_shows_what_is_done_and_leaves_nothing_of_it(unconverted: Kernel) -> None:
    first = unconverted.run("%%llm -n 4 -t 0 --threads 64\nhi")
    shown = texts(first.displays)
    assert first.status == "ok" and not first.stderr
    assert shown[0].startswith("loading smollm2") and any("converting" in words for words in shown)
    assert (
        GENERATION_MIME in first.data
        and "loading" not in str(first.data)
        and "converting" not in str(first.data)
    )
    assert "64 threads on" in first.data["text/plain"]  # a warning stays
    later = unconverted.run("%llm -n 4 -t 0 hi")
    assert not later.stderr and not any("loading" in words for words in texts(later.displays))


def test_quiet_is_quiet(unconverted: Kernel) -> None:
    answer = unconverted.run("%%llm -q -n 4\nhi")
    assert answer.status == "ok" and not answer.displays and not answer.stderr and not answer.stdout
    tuned = unconverted.run("%%llm_tune -q --steps 1 --depth 1 --eval-fraction 0\na => b")
    assert tuned.status == "ok" and not tuned.displays and not tuned.stderr


def test_python_calls_show_a_line_that_goes(unconverted: Kernel) -> None:
    loaded = unconverted.run("import llm_magics as lm\nmodel = lm.load()")
    assert loaded.status == "ok" and not loaded.stderr
    assert texts(loaded.displays)[0].startswith("loading smollm2") and len(loaded.displays) > 2
    assert loaded.data == {"text/plain": "", "text/html": ""}
    many = unconverted.run("rows = model.map(['Tell a story.'] * 12, max_tokens=60, temperature=0)")
    assert many.status == "ok" and not many.stderr and "answering: " in str(many.displays)
    assert many.data == {"text/plain": "", "text/html": ""}
    assert not unconverted.run("lm.load()").stderr


def test_a_verb_shows_what_is_done(unconverted: Kernel) -> None:
    lens = unconverted.run("%llm logit_lens The sky is")
    assert lens.status == "ok" and not lens.stderr
    assert texts(lens.displays)[0].startswith("loading smollm2") and "loading" not in str(lens.data)


@pytest.mark.parametrize("code", ["%%llm -m gpt-5\nhi", "%%llm -m missing.gguf\nhi"])
def test_an_error_leaves_no_line(unconverted: Kernel, code: str) -> None:
    failed = unconverted.run(code)
    assert failed.status == "error" and not failed.displays and not failed.stderr


def test_an_interrupt_while_converting_leaves_no_line(unconverted: Kernel) -> None:
    def stop(result: Any) -> None:
        if "converting" in texts(result.displays)[-1] and not stopped:
            stopped.append(unconverted.manager.interrupt_kernel())

    stopped: list[Any] = []
    cut = unconverted.run("%%llm -n 4\nhi", on_display=stop)
    assert cut.status == "error" and "Interrupted" in cut.error and not cut.stderr
    assert cut.data == {"text/plain": "", "text/html": ""}
    assert unconverted.run("%llm -n 4 hi").status == "ok"
