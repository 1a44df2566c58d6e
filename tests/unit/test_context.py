"""Context from the notebook: what cells were, how values are described, files, and the budget."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from llm_magics import ContextOverflow, UsageError
from llm_magics.magics.context.cell_log import CellLog
from llm_magics.magics.context.collect import ContextBlock, collect
from llm_magics.magics.context.composition import Composition, Part, fit_blocks
from llm_magics.magics.context.describe import describe
from llm_magics.magics.context.files import MOST_BYTES, read_file
from llm_magics.magics.parsing.expand import expand


@pytest.fixture
def shell() -> Any:
    from IPython.core.interactiveshell import InteractiveShell

    InteractiveShell.clear_instance()
    yield InteractiveShell.instance()
    InteractiveShell.clear_instance()


@pytest.fixture
def log(shell: Any) -> Any:
    log = CellLog(shell)
    log.start()
    yield log
    log.stop()


def run(shell: Any, *cells: str) -> None:
    for cell in cells:
        shell.run_cell(cell, store_history=True)


def test_cells_are_taken_with_their_values_and_errors(shell: Any, log: CellLog) -> None:
    run(shell, "x = 3", "x + 4", "y = 2  # llm: ignore\n# llm: ignore", "def f(n):\n    return 1 / n\nf(0)")
    blocks = collect(("above",), log, shell.user_ns)
    assert [block.title for block in blocks] == ["cell [1]", "cell [2]", "cell [4]"]
    assert "Output:\n```\n7\n```" in blocks[1].text
    assert "ZeroDivisionError: division by zero" in blocks[2].text and "return 1 / n" in blocks[2].text
    assert "IPython" not in blocks[2].text
    assert [block.title for block in collect(("[2]", "x,1"), log, shell.user_ns)] == [
        "cell [1]",
        "cell [2]",
        "x",
    ]
    for words, said in ((("9",), "no cell"), (("3",), "left out"), (("xx",), "no cell and no variable")):
        with pytest.raises(UsageError, match=said):
            collect(words, log, shell.user_ns)


def test_nothing_of_the_context_is_expanded_again(shell: Any, log: CellLog) -> None:
    run(shell, "secret = 'no'\ntext = '{secret}'", "text")
    blocks = collect(("above", "text"), log, shell.user_ns)
    assert all("{secret}" in block.text for block in blocks[1:]) and not any(
        "'no'" in b.text for b in blocks[1:]
    )


def test_a_cell_that_ran_again_counts_once(shell: Any, log: CellLog) -> None:
    run(shell, "a = 1", "b = 2", "a = 1")
    assert [block.title for block in collect(("above",), log, {})] == ["cell [2]", "cell [3]"]


@dataclasses.dataclass
class Point:
    x: int
    name: str = "p"


class Own:
    def _repr_llm_(self) -> str:
        return "as I want it"


class Broken:
    def __repr__(self) -> str:
        raise RuntimeError("no")


def double(x: int) -> int:
    """Double it."""
    return 2 * x


def test_values_are_described_by_their_kind() -> None:
    frame = pd.DataFrame({"team": ["a", "b", None] * 400, "n": range(1200)})
    text = describe(frame, "df")
    assert (
        text.startswith("df = DataFrame, 1,200 rows × 2 columns")
        and "400 missing" in text
        and "a,0\n" in text
    )
    assert len(text) < 400
    assert describe(frame["n"]).startswith("Series 'n', 1,200 values of int64")
    assert describe(np.zeros((3, 4), np.float32)).startswith("array, shape (3, 4), float32: [0.0, 0.0")
    assert describe({"a": frame, "b": 1}) == "dict with 2 keys\n  'a': <DataFrame 1200×2>\n  'b': 1"
    assert describe(Point(3)) == "Point(x=3, name='p')"
    assert "return 2 * x" in describe(double) and describe(Own()) == "as I want it"
    assert describe(list(range(99))).endswith("… (99 items)]") and "cannot be described" in describe(Broken())
    assert len(describe("x" * 100_000)) <= 8_000


def test_tensors_and_polars_are_described() -> None:
    import torch

    assert describe(torch.ones(2, 3)).startswith("tensor, shape (2, 3), torch.float32, on cpu: [1.0")


def test_a_file_of_the_folder_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = tmp_path / "inside"
    inner.mkdir()
    monkeypatch.chdir(inner)
    (inner / "notes.md").write_text("note {x}", "utf-8")
    (tmp_path / "outside.md").write_text("no")
    (inner / "link.md").symlink_to(tmp_path / "outside.md")
    (inner / "large.txt").write_bytes(b"x" * (MOST_BYTES + 1))
    (inner / "bytes.bin").write_bytes(b"\xff\xfe\x00")
    assert expand("Read {file:notes.md}.", {"x": 1})[0] == "Read note {x}."
    assert expand("{{file:notes.md}}", {})[0] == "{file:notes.md}"
    assert expand("{file:>4}", {"file": "a"})[0] == "   a"
    for name, said in {
        "../outside.md": "outside the folder",
        "link.md": "outside the folder",
        "/etc/hosts": "outside the folder",
        "missing.md": "no such file",
        "large.txt": "larger than 256 kB",
        "bytes.bin": "no text in UTF-8",
        "a\0b": "cannot be read",
    }.items():
        with pytest.raises(UsageError, match=said):
            read_file(name)


def test_the_oldest_parts_are_dropped_to_fit() -> None:
    blocks = [ContextBlock("cell", str(n), "x" * n) for n in (10, 20, 30)]

    def count(kept: Any) -> int:
        return 5 + sum(len(block.text) for block in kept)

    assert fit_blocks(blocks, count, limit=100, room=20, drop=False) == (blocks, [])
    kept, dropped = fit_blocks(blocks, count, limit=60, room=20, drop=True)
    assert (kept, dropped) == (blocks[2:], blocks[:2])
    with pytest.raises(ContextOverflow, match=r"65 tokens, and 40 of 60 are free.*: 25 too many") as error:
        fit_blocks(blocks, count, limit=60, room=20, drop=False)
    assert error.value.over == 25 and "--fit" in str(error.value)
    with pytest.raises(ContextOverflow):
        fit_blocks(blocks, count, limit=10, room=20, drop=True)


def test_the_parts_are_shown_as_text_and_never_as_html_of_theirs() -> None:
    parts = [Part("cell", "cell [1]", "<script>alert(1)</script>", 7), Part("prompt", "this cell", "why?", 3)]
    shown = Composition([*parts, Part("variable", "df", "old", 9, dropped=True)], 100, 20)
    assert shown.tokens == 10 and [part.title for part in shown.dropped] == ["df"]
    page = shown.to_html()
    assert "<script>" not in page and "&lt;script&gt;" in page and "<s>df</s>" in page
    assert "10 of 100 tokens: cell [1] 7, this cell 3; 20 are kept" in shown.to_text()


def test_displayed_output_is_noted_by_a_hook_of_the_kernel(shell: Any) -> None:
    log = CellLog(shell)
    data = {"text/plain": "\x1b[31mred\x1b[0m"}
    message = {"header": {"msg_type": "display_data"}, "content": {"data": data}}
    log._begin(SimpleNamespace(raw_cell="print('red')", store_history=True))
    assert log._note(message) is message and log._note({"odd": 1}) == {"odd": 1}
    log._end(SimpleNamespace(error_in_exec=None, error_before_exec=None, execution_count=3))
    assert log.cells()[-1].output == "red"
