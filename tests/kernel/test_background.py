"""Answers that are generated while other cells run."""

from __future__ import annotations

import time

from tests.kernel.conftest import Kernel


def test_other_cells_go_on_and_the_output_grows(kernel: Kernel) -> None:
    kernel.run("%%llm -n 1\nhi")
    result = kernel.run("%%llm --background -n 60 -t 0 --raw -o job\nOnce upon a time there was")
    assert result.status == "ok" and result.seconds < 5
    assert kernel.value("1 + 1") == "2" and "BackgroundAnswer" in kernel.value("job")
    answer = kernel.run("answer = await job\nprint(len(answer.tokens), answer.text == job.text, job.done)")
    assert answer.stdout.split() == ["60", "True", "True"]
    assert kernel.run("%%llm -n 60 -t 0 --raw -o plain\nOnce upon a time there was").status == "ok"
    assert kernel.value("plain.text == answer.text") == "True"


def test_it_is_stopped_from_another_cell(kernel: Kernel) -> None:
    kernel.run("%%llm --background -n 3000 -t 1.5 -o job\nWrite a very long story.")
    kernel.run("%%llm -n 5 -o other\nhi")  # answers side by side
    start = time.monotonic()
    kernel.run("job.stop()\nmade = job.result(20)")
    assert time.monotonic() - start < 10
    assert (
        kernel.value("made.stop_reason") == "interrupted"
        and kernel.value("len(made.tokens) < 3000") == "True"
    )
    assert "Nothing runs" in kernel.run("%llm stop").stdout
    kernel.run("%%llm --background -n 3000 -t 1.5 -o job\nWrite a very long story.")
    assert "1 answer stopped" in kernel.run("%llm stop").stdout
    assert kernel.value("job.result(20).stop_reason") == "interrupted"
    refused = kernel.run("%%llm --background --samples 2\nhi")
    assert refused.status == "error" and "--background gives one answer" in refused.error
