"""The reasoning of a model: found by its marks, folded, left out of conversations, bounded."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_magics import Generation, Model, ModelInfo, Token, UsageError
from llm_magics.core.reasoning import split_reasoning
from llm_magics.engine.scripted import ScriptedEngine, ScriptedTokenizer
from llm_magics.magics.answers.bounded_reasoning import BoundedReasoning
from llm_magics.magics.parsing.request import parse
from llm_magics.views.bundle import generation_bundle, read_output


@pytest.mark.parametrize(
    ("text", "prompt", "thought", "answer", "closed"),
    [
        ("<think>\nhm\n</think>\n\nYes.", "", "hm", "Yes.", True),
        ("hm, so\n</think>\n\nYes.", "…<think>\n", "hm, so", "Yes.", True),
        ("hm, so</think>Yes.", "", "hm, so", "Yes.", True),  # a lone end tag
        ("still thin", "…<|im_start|>assistant\n<think>\n", "still thin", "", False),
        ("[THINK]a[/THINK]b", "", "a", "b", True),
        ("<|channel>thought\na<channel|>b", "", "a", "b", True),
        (
            "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>Yes.<|return|>",
            "<|start|>assistant",
            "hm",
            "Yes.",
            True,
        ),
        ("<|channel|>analysis<|message|>hm", "", "hm", "", False),
        ("<think></think>Yes.", "", "", "Yes.", True),
        (
            "They write <think> before they answer.",
            "",
            "",
            "They write <think> before they answer.",
            True,
        ),
        ("Use `<think>` and `</think>` as tags.", "", "", "Use `<think>` and `</think>` as tags.", True),
        ("", "", "", "", True),
    ],
)
def test_reasoning_is_found(text: str, prompt: str, thought: str, answer: str, closed: bool) -> None:
    split = split_reasoning(text, prompt)
    assert (split.thought, split.answer, split.closed) == (thought, answer, closed)


@given(st.text(alphabet="<>/|[]think channel\n", max_size=80), st.sampled_from(["", "<think>\n"]))
def test_any_text_is_split_without_loss_of_prose(text: str, prompt: str) -> None:
    split = split_reasoning(text, prompt)
    assert split.answer == text or split.thought or split.end or "<|channel|>" in text


def answer(*pieces: str, specials: dict[int, str] | None = None, prompt: str = "?") -> Generation:
    tokens = tuple(Token(n, piece, -0.1, 0.1, 0) for n, piece in enumerate(pieces))
    return Generation("".join(pieces), tokens, "stop", prompt, specials=specials or {})


def test_special_tokens_that_the_text_hides_are_marks() -> None:
    hidden = answer("", "hm", "", "Yes.", "", specials={0: "[THINK]", 2: "[/THINK]", 4: "</s>"})
    assert (hidden.text, hidden.reasoning, hidden.answer) == ("hmYes.", "hm", "Yes.")
    plain = answer("Yes.", "", specials={1: "</s>"})
    assert (plain.reasoning, plain.answer) == ("", "Yes.")


def test_reasoning_is_folded_in_the_output_and_stays_in_the_record() -> None:
    made = answer("<think>", "a <b>secret</b>", "</think>", "**Yes.**")
    bundle = generation_bundle(made, "a note")
    text = bundle["text/markdown"]
    assert text.startswith("<details><summary>reasoning, 2 words</summary>") and "**Yes.**" in text
    assert "<b>" not in text
    assert "<details>" not in generation_bundle(made, fold=False)["text/markdown"]
    again = read_output(bundle)
    assert (again.text, again.reasoning, again.answer) == (made.text, "a <b>secret</b>", "**Yes.**")


def test_options_are_read() -> None:
    assert parse("--think off hi", None, {}).think == 0 and parse("--think 20 hi", None, {}).think == 20
    assert parse("-R hi", None, {}).reasoning
    for wrong in ("0", "-3", "much"):
        with pytest.raises(UsageError, match="--think got an invalid value"):
            parse(f"--think {wrong} hi", None, {})


def scripted(*words: str) -> Any:
    return Model(ScriptedEngine([*words]), ScriptedTokenizer(), ModelInfo("scripted", fingerprint="1"))


def test_a_model_without_a_switch_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match="has no switch for reasoning"):
        scripted("a").stream("x", thinking=False)


def test_the_switch_of_the_template_is_used() -> None:
    template = (
        "{% for m in messages %}{{ m.content }}{% endfor %}|"
        "{% if enable_thinking is defined and enable_thinking is false %}<think></think>{% endif %}"
    )
    model = Model(ScriptedEngine(["a"]), ScriptedTokenizer(), ModelInfo("m"), template=template)
    assert model.stream("x", thinking=False).generation.prompt == "x|<think></think>"
    assert model.stream("x", thinking=True).generation.prompt == model.stream("x").generation.prompt == "x|"


class _Stream:
    """A stream of words that can be closed, as of a model that thinks for long."""

    def __init__(self, made: Generation, upto: int) -> None:
        self._made, self.closed, self.count = made, False, 0
        self._upto = upto

    def __iter__(self) -> Any:
        for token in self._made.tokens[self._upto :]:
            if self.closed:
                return
            self.count += 1
            yield token

    def close(self) -> None:
        self.closed = True

    @property
    def generation(self) -> Generation:
        tokens = self._made.tokens[: self._upto + self.count]
        return Generation("".join(t.text for t in tokens), tokens, "stop", self._made.prompt)


def test_reasoning_is_ended_after_so_many_tokens() -> None:
    long = answer("<think>", "a", "b", "c", "d", "</think>", "x", prompt="?")
    calls: list[Any] = []

    class Fake:
        def stream_branch(self, before: Generation, at: int, token: str) -> _Stream:
            calls.append((before.text, at, token))
            return _Stream(answer("<think>", "a", "b", token, "Yes."), 4)

    bounded = BoundedReasoning(Fake(), _Stream(long, 0), 3)
    text = "".join(token.text for token in bounded)
    assert calls == [("<think>ab", 3, "\n</think>\n\n")]
    assert text == "<think>ab\n</think>\n\nYes." and bounded.generation.answer == "Yes."
    short = BoundedReasoning(Fake(), _Stream(answer("<think>", "a", "</think>", "Yes."), 0), 3)
    assert "".join(token.text for token in short) == "<think>a</think>Yes." and len(calls) == 1
