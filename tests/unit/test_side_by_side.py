"""Two answers side by side, several models and samples."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_magics import Generation, ModelInfo, SamplingOptions, Token, UsageError
from llm_magics.magics.answers.side_by_side import difference
from llm_magics.magics.parsing.request import parse


def made(*pieces: str, seed: int = 0) -> Generation:
    tokens = tuple(Token(n, piece, -0.5, 0.1, 0) for n, piece in enumerate(pieces))
    options = SamplingOptions(seed=seed)
    return Generation("".join(pieces), tokens, "stop", "?", options=options, model=ModelInfo("m<1>"))


def test_answers_part_at_a_token() -> None:
    shown = difference(made("The", " sky", " is", " blue"), made("The", " sky", " was", " red"))
    assert (shown.common, shown.token) == (7, (3, 3))
    assert shown.sentence() == 'they part at token 3, after "…The sky": A " is" 61 %, B " was" 61 %'
    page = shown.to_html()
    assert "<b> is</b> blue" in page and "m&lt;1&gt;" in page and "<pre>The sky</pre>" in page


def test_a_token_is_never_cut() -> None:
    shown = difference(made("un", "able"), made("unab", "ashed"))
    assert (shown.common, shown.token) == (0, (1, 1))


def test_equal_answers_and_ends_are_said() -> None:
    assert difference(made("a", "b"), made("a", "b")).sentence() == "both answers are the same text"
    assert 'A ends, B "b"' in difference(made("a"), made("a", "b")).sentence()


@given(st.lists(st.text(max_size=3), max_size=6), st.lists(st.text(max_size=3), max_size=6))
def test_any_two_answers_can_be_shown(a: list[str], b: list[str]) -> None:
    shown = difference(made(*a), made(*b))
    assert shown.answers[0].text[: shown.common] == shown.answers[1].text[: shown.common]
    assert shown.to_text() and "<script" not in shown.to_html()


def test_several_models_and_samples_are_read() -> None:
    request = parse("-m a -m b -n 3 hi", None, {})
    assert (request.model, request.models, request.samples) == (None, ("a", "b"), 1)
    request = parse("-m a --samples 4 hi", None, {})
    assert (request.model, request.models, request.samples) == ("a", (), 4)
    for count in ("0", "65"):
        with pytest.raises(UsageError, match="--samples must be from 1 to 64"):
            parse(f"--samples {count} hi", None, {})
    assert parse("lens -m a x", None, {}).model == "a" and parse("-m a lens x", None, {}).model == "a"
    with pytest.raises(UsageError, match="takes one model"):
        parse("-m a -m b lens x", None, {})
    assert parse("sample_tree --samples 3 x", None, {}).inspection_options == {"samples": 3}
