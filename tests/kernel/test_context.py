"""Cells, variables and files of a notebook as context, in a real kernel on the real model."""

from __future__ import annotations

from pathlib import Path

from tests.kernel.conftest import Kernel


def test_cells_and_variables_are_added_to_the_prompt(kernel: Kernel, tmp_path: Path) -> None:
    kernel.run("import pandas as pd\ndf = pd.DataFrame({'city': ['Rome', 'Oslo'], 'n': [3, 4]})")
    kernel.run("print('printed', 'by a cell')\ndf")
    kernel.run("password = 'hunter2'\n# llm: ignore")
    kernel.run("1 / 0")
    result = kernel.run("%%llm --see above --see df -n 4 -t 0 -o a\nWhat went wrong?")
    assert result.status == "ok"
    prompt = kernel.value("a.prompt")
    for text in (
        "printed by a cell",
        "ZeroDivisionError",
        "What went wrong?",
        "DataFrame, 2 rows × 2 columns",
    ):
        assert text in prompt
    assert "hunter2" not in prompt and "load_ext" not in prompt
    shown = kernel.run("%llm context").data
    assert "cell [" in shown["text/plain"] and "printed by a cell" in shown["text/plain"]
    assert "<details>" in shown["text/html"] and "this cell" in shown["text/html"]
    total = int(shown["text/plain"].split(" of ")[0].replace(",", ""))
    assert total == int(kernel.value("a.timing.prompt_tokens"))
    missing = kernel.run("%%llm --see dff -n 4\nhi")
    assert missing.status == "error" and "Did you mean df?" in missing.error


def test_too_much_is_refused_before_anything_runs_or_dropped(kernel: Kernel, tmp_path: Path) -> None:
    for animal in ("fox", "dog", "cat"):
        kernel.run(f"print('The quick brown {animal} jumps over it. ' * 400)")
    kernel.run("print('the newest cell')")
    result = kernel.run("%%llm --see above -n 4\nWhat is the newest?")
    assert result.status == "error" and "too many" in result.error and "--fit" in result.error
    result = kernel.run("%%llm --see above --fit -n 4 -o b\nWhat is the newest?")
    assert result.status == "ok" and "dropped to fit: cell [" in str(result.outputs)
    assert "the newest cell" in kernel.value("b.prompt")
    assert "dropped" in kernel.run("%llm context").data["text/plain"]


def test_a_file_of_the_folder_is_read(kernel: Kernel, tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("The key is under {the mat}.", "utf-8")
    kernel.run(f"import os; os.chdir({str(tmp_path)!r})")
    assert kernel.run("%%llm -n 2 -o c\nRead {file:notes.md}").status == "ok"
    assert "under {the mat}." in kernel.value("c.prompt")
    outside = kernel.run("%%llm -n 2\nRead {file:../../etc/passwd}")
    assert outside.status == "error" and "outside the folder" in outside.error


def test_a_cell_that_failed_is_corrected_as_a_difference(kernel: Kernel) -> None:
    """The answer is scripted: what a small model writes is not the matter here."""
    kernel.run(
        "from llm_magics.models.model import Model\n"
        "stream = Model.stream\n"
        "def scripted(self, prompt, **options):\n"
        "    global asked\n"
        "    asked = prompt\n"
        "    return stream(self, 'Repeat: ```python\\ntotal = 10 / 2\\n```', **options)\n"
        "prices = [1, 2, 3]"
    )
    assert kernel.run("total = 10 / 0\nprices").status == "error"
    result = kernel.run("%llm -n 60 explain")
    assert result.status == "ok" and result.outputs
    kernel.run("Model.stream = scripted")
    result = kernel.run("%llm -n 60 fix")
    assert result.status == "ok"
    asked = kernel.value("asked")
    assert "line 1" in asked and "site-packages" not in asked
    assert "ZeroDivisionError" in asked and "prices: list" in asked and "total = 10 / 0" in asked
    kernel.run("Model.stream = stream")
    none = kernel.run("%llm fix 999")
    assert none.status == "error" and "there is no cell [999]" in none.error


def test_answers_become_values(kernel: Kernel) -> None:
    kernel.run(
        "from dataclasses import replace\nfrom llm_magics.magics.answering import AnswerRunner\n"
        "answer = AnswerRunner.answer\n"
        "def scripted(self, request): return replace(answer(self, request), text=said)"
    )
    kernel.run('AnswerRunner.answer = scripted\nsaid = \'<think>{"a": 0}</think>Here: {"a": [1, 2]}\'')
    result = kernel.run("%%llm -n 2 -f json -o value\nhi")
    assert result.status == "ok" and result.outputs[-1]["application/json"] == {"a": [1, 2]}
    assert kernel.value("value") == "{'a': [1, 2]}"
    kernel.run("said = '| a | b |\\n|--|--|\\n| 1 | 2 |'")
    assert "text/html" in kernel.run("%%llm -n 2 -f table -o frame\nhi").outputs[-1]
    assert kernel.value("frame.to_dict('list')") == "{'a': [1], 'b': [2]}"
    result = kernel.run("%%llm -n 2 -f json -o value\nhi")
    assert result.status == "error" and "the answer has no JSON" in result.error
    kernel.run("AnswerRunner.answer = answer")
    plain = kernel.run("%%llm -n 2 -f text\nhi").data
    assert set(plain) == {"text/plain", "text/html"}
