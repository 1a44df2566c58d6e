"""What is shown is cleaned in one place, and everything that is shown goes there."""

from __future__ import annotations

import json

import pytest

from llm_magics import Generation, LLMMagicsError, ModelInfo, SamplingOptions, TemplateError, Token
from llm_magics.chat.prompt import render
from llm_magics.magics.output import Terminal
from llm_magics.sanitize import printable, replace_surrogates, single_line
from llm_magics.views.bundle import generation_bundle, read_output, tokens_bundle

DIRTY = "a\x1b[2Jb\x1b]0;title\x07c\x9b31md\x9ce\x07f\x7fg\x00h\u202ei\x1b]8;;http://e.vil\x1b\\j"


def test_sequences_and_controls_go() -> None:
    assert printable(DIRTY) == "abcdefghij"
    assert printable("a\tb\nc\r\nd é ✓ 日本") == "a\tb\nc\nd é ✓ 日本"
    assert printable("\ud800x") == "\ufffdx" and printable("\x1b") == "" and printable("\x1b[") == ""
    assert printable("abcdef", most=4) == "abc…" and single_line("a\n\x1b[1mb  c") == "a b c"


def test_a_sequence_that_never_ends_takes_no_time_and_not_the_text() -> None:
    assert len(printable("\x1b]" * 200_000)) == 0
    assert printable("\x1b[31" + "x" * 10) == "x" * 9  # the sequence ends with its first letter


def test_an_error_shows_nothing_raw_and_not_without_end() -> None:
    error = LLMMagicsError(f"bad {DIRTY}" + "x" * 1_000_000, hint=DIRTY)
    shown = "".join(error._render_traceback_())
    assert "\x1b" not in shown and len(shown) < 5_000 and "abcdefghij" in shown


def test_what_a_template_raises_is_cleaned_and_cut() -> None:
    with pytest.raises(TemplateError) as error:
        render([{"role": "user", "content": "x"}], "{{ raise_exception('\x1b[2J' + 'y' * 50000) }}")
    assert "\x1b" not in str(error.value) and len(str(error.value)) < 3_000


def test_the_bundle_drives_no_terminal() -> None:
    token = Token(1, DIRTY, -0.5, 1.0, 0)
    bundle = generation_bundle(
        Generation(DIRTY, (token,), "stop", "p", SamplingOptions(), model=ModelInfo("m"))
    )
    assert bundle["text/plain"] == "abcdefghij" == bundle["text/markdown"]
    json.dumps(bundle)


def test_the_terminal_is_not_driven(capsys: pytest.CaptureFixture[str]) -> None:
    view = Terminal(tokens=False)
    for piece in DIRTY:
        view.add(Token(1, piece, 0.0, 0.0, 0))
    view.status(DIRTY)
    out, err = capsys.readouterr()
    assert not set(out + err) & set("\x1b\x07\x9b\x9c\x00")


def test_names_and_licences_of_model_files_are_cleaned(capsys: pytest.CaptureFixture[str]) -> None:
    from IPython.core.interactiveshell import InteractiveShell

    from llm_magics import Model
    from llm_magics.engine.scripted import ScriptedEngine, ScriptedTokenizer
    from llm_magics.magics.llm import LLMMagics
    from llm_magics.magics.parsing.cell_request import CellRequest
    from llm_magics.magics.subcommands.table import TABLE

    info = ModelInfo(f"name {DIRTY}", revision=DIRTY, license=f"licence\n{DIRTY}" + "x" * 10_000)
    model = Model(ScriptedEngine(["x"]), ScriptedTokenizer(), info)
    InteractiveShell.clear_instance()
    magics = LLMMagics(InteractiveShell.instance())
    magics.workspace.models._model = model
    TABLE["status"].run(magics.workspace, CellRequest("status"))
    InteractiveShell.clear_instance()
    for shown in (repr(model), capsys.readouterr().out):
        assert not set(shown) & set("\x1b\x07\x9b\x9c\x00\u202e") and len(shown) < 3_000


def test_what_is_sent_can_be_encoded() -> None:
    text = "a\ud800b\U0001f98a\udfff"
    assert replace_surrogates({"k": [text, 1, None, (text,)]}) == {
        "k": ["a\ufffdb\U0001f98a\ufffd", 1, None, ["a\ufffdb\U0001f98a\ufffd"]]
    }
    token = Token(1, text, -0.5, 1.0, 0)
    made = Generation(text, (token,), "stop", text, model=ModelInfo(text, license=text))
    json.dumps(tokens_bundle(made), ensure_ascii=False).encode()
    again = read_output(tokens_bundle(made))
    assert (again.text, again.prompt, again.tokens) == (made.text, made.prompt, made.tokens)
    assert again.model == ModelInfo("a\ufffdb\U0001f98a\ufffd", license="a\ufffdb\U0001f98a\ufffd")
