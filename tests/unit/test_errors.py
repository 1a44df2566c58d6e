"""Errors: their text, their page, and the corrected cell that a view offers."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from llm_magics import errors
from llm_magics.magics.context.collect import ContextBlock
from llm_magics.magics.context.composition import fit_blocks
from llm_magics.magics.corrections import Corrections, corrected
from llm_magics.magics.parsing.request import parse
from llm_magics.sources import catalog

ROOT = Path(__file__).parents[2]
CLASSES = [getattr(errors, name) for name in errors.__all__]


def test_the_views_know_every_class() -> None:
    text = (ROOT / "labextension/src/errors/errorText.ts").read_text("utf-8")
    listed = re.search(r"new Set\(\[(.*?)\]\)", text, re.DOTALL)
    assert listed and re.findall(r"'(\w+)'", listed[1]) == sorted(errors.__all__)


@pytest.mark.parametrize("kind", [kind for kind in CLASSES if kind is not errors.Interrupted])
def test_every_class_has_a_section_of_the_page(kind: type[errors.LLMMagicsError]) -> None:
    heads = re.findall(r"^#+ (.*)$", (ROOT / "docs/errors.md").read_text("utf-8"), re.MULTILINE)
    assert kind.page in [head.lower().replace(" ", "-") for head in heads]


def test_an_error_says_what_why_and_what_to_do() -> None:
    error = errors.MemoryNeeded(
        "a needs 3 GB", why="weights 2 GB · work 1 GB", hint="Use b.\nRun it elsewhere."
    )
    assert str(error) == "a needs 3 GB\n  weights 2 GB · work 1 GB\n  → Use b.\n  → Run it elsewhere."
    assert error.hints == ("Use b.", "Run it elsewhere.")
    (shown,) = error._render_traceback_()
    assert shown == f"MemoryNeeded: {error}\n  {errors.DOCS}#memoryneeded"


def test_what_is_wrong_is_red_where_ipython_shows_colors(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = SimpleNamespace(colors="Linux")
    monkeypatch.setitem(__import__("sys").modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    (shown,) = errors.UsageError("no", hint="Do.")._render_traceback_()
    assert shown.startswith("\x1b[1;31mUsageError: no\x1b[0m\n  → Do.")
    shell.colors = "NoColor"
    assert "\x1b" not in errors.UsageError("no")._render_traceback_()[0]


def shell_with(code: str) -> Any:
    return SimpleNamespace(get_parent=lambda: {"content": {"code": code}})


@pytest.mark.parametrize(
    ("line", "fixed"),
    [
        ("--max-token 5", "--max-tokens 5"),
        ("--temprature=0 -n 5", "--temperature=0 -n 5"),
        ("--see=df --max_tokens 5", "--see=df --max-tokens 5"),
    ],
)
def test_a_misspelled_option_is_corrected(line: str, fixed: str) -> None:
    with pytest.raises(errors.UsageError) as caught:
        parse(line, "why --max-token?", {})
    corrections = Corrections()
    corrections.note(caught.value, shell_with(f"%%llm {line}\nwhy --max-token?"))
    assert corrections.find(str(caught.value)) == f"%%llm {fixed}\nwhy --max-token?"
    assert corrections.find("another") is None and corrections.find(None) is None


def test_an_error_without_a_near_name_has_no_correction() -> None:
    corrections = Corrections()
    with pytest.raises(errors.UsageError) as caught:
        parse("--xyzzy hi", None, {})
    corrections.note(caught.value, shell_with("%llm --xyzzy hi"))
    assert corrections.find(str(caught.value)) is None


def test_a_misspelled_model_is_corrected() -> None:
    with pytest.raises(errors.ModelNotFound) as caught:
        catalog.find("smollm2-135m-instuct")
    corrections = Corrections()
    corrections.note(caught.value, shell_with("%llm -m smollm2-135m-instuct hi"))
    assert corrections.find(str(caught.value)) == "%llm -m smollm2-135m-instruct hi"


def test_a_prompt_that_is_too_long_is_corrected_by_fit() -> None:
    blocks = [ContextBlock("variable", "df", "x" * 90), ContextBlock("cell", "cell [4]", "y" * 20)]
    with pytest.raises(errors.ContextOverflow) as caught:
        fit_blocks(
            blocks, lambda kept: 5 + sum(len(item.text) for item in kept), limit=100, room=10, drop=False
        )
    assert caught.value.why == "df 90 tokens · cell [4] 20 tokens · this cell 5 tokens"
    corrections = Corrections()
    corrections.note(caught.value, shell_with("%%llm --see df,4\nWhat?"))
    assert corrections.find(str(caught.value)) == "%%llm --fit --see df,4\nWhat?"


def test_only_a_word_of_its_own_is_replaced() -> None:
    assert corrected("x --max-token-s --max-token", "--max-token", "-n") == "x --max-token-s -n"
    assert corrected("nothing", "--no", "-n") is None and corrected("", "a", "b") is None
    assert corrected("a \\1 c", "\\1", "\\g<0>") == "a \\g<0> c"
