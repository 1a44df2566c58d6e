"""What people bring along from other magics: ;, <<, aliases, options of others, another owner of %%llm."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from llm_magics import Generation, ModelInfo, SamplingOptions, Token, UsageError
from llm_magics.magics import foreign_magics, keep_foreign_magics
from llm_magics.magics.answers import history
from llm_magics.magics.parsing.option_parser import ELSEWHERE
from llm_magics.magics.parsing.request import parse


def test_a_semicolon_at_the_end_is_quiet() -> None:
    request = parse("-n 3 Why is the sky blue?;", None, {})
    assert request.quiet and request.prompt == "Why is the sky blue?"
    assert parse("-o a;", "x = 1;\n", {}).quiet and parse("-o a", "x = 1;\n", {}).prompt == "x = 1;"
    assert not parse("Why?", None, {}).quiet


def test_an_answer_is_assigned_as_in_jupysql() -> None:
    request = parse("-n 3 sky << Why is the sky blue?", None, {})
    assert (request.variable, request.prompt) == ("sky", "Why is the sky blue?")
    assert parse("sky <<", "Why?\n", {}).variable == "sky" and parse("sky<< -x", None, {}).prompt == "-x"
    assert parse("What does 1 << 2 give?", None, {}).variable is None


@pytest.mark.parametrize("flag", ELSEWHERE)
def test_options_of_others_say_what_is_meant_here(flag: str) -> None:
    with pytest.raises(UsageError) as error:
        parse(f"{flag} x", "hi\n", {})
    assert ELSEWHERE[flag] in str(error.value)


def test_an_option_in_the_words_of_llm_is_explained() -> None:
    with pytest.raises(UsageError, match="is not an option") as error:
        parse("-o temperature 0.5", "hi\n", {})
    assert "Write --temperature 0.5" in str(error.value)


def test_another_owner_of_the_magic_keeps_it(capsys: pytest.CaptureFixture[str]) -> None:
    def theirs(line: str, cell: str = "") -> None: ...

    def ours(line: str, cell: str = "") -> None: ...

    theirs.__module__ = "other_llm.magics"
    ours.__module__ = "llm_magics.magics.llm"

    class Shell:
        class magics_manager:
            magics: dict[str, dict[str, Any]] = {"cell": {"llm": theirs}, "line": {}}  # noqa: RUF012

    shell = Shell()
    others = foreign_magics(shell)
    assert others == {"cell": theirs}
    Shell.magics_manager.magics["cell"]["llm"] = ours
    assert foreign_magics(shell) == {}
    keep_foreign_magics(shell, others)
    assert Shell.magics_manager.magics["cell"] == {"llm": theirs, "lm": ours}
    assert "use %%lm" in capsys.readouterr().out


def made(name: str) -> Generation:
    tokens = (Token(1, "x", -0.1, 0.1, 0, time_s=0.5),)
    return Generation("x", tokens, "stop", "?", options=SamplingOptions(seed=7), model=ModelInfo(name))


def test_the_history_keeps_no_text_unless_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_MAGICS_HOME", str(tmp_path))
    assert history.entries() == [] and "is off" in history.listing("", on=False)
    history.log(made("one"), None, "secret system")
    number = history.log(made("two"), "the 100% prompt", "be brief")
    assert b"secret" not in history.path().read_bytes()
    assert [entry.model for entry in history.entries()] == ["two", "one"]
    assert [entry.model for entry in history.entries("100%")] == ["two"] and not history.entries("1_0")
    entry = history.find(number)
    assert (entry.prompt, entry.system, entry.seed, entry.tokens) == ("the 100% prompt", "be brief", 7, 1)
    assert "seed 7" in history.listing("two", on=True)
    with pytest.raises(UsageError, match="was not kept"):
        history.find(1)
    with pytest.raises(UsageError, match="no answer 99"):
        history.find(99)


def test_a_large_seed_stays_in_the_history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_MAGICS_HOME", str(tmp_path))
    for seed in (0, 2**63 - 1, 2**63, 2**64 - 1):
        answer = replace(made("one"), options=SamplingOptions(seed=seed))
        assert history.find(history.log(answer, "?", None)).seed == seed


def test_a_damaged_history_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from llm_magics import StoreError

    monkeypatch.setenv("LLM_MAGICS_HOME", str(tmp_path))
    history.path().write_text("this is no database, and it is long enough to be read as one" * 100)
    with pytest.raises(StoreError, match="cannot be used"):
        history.log(made("one"), None, None)
