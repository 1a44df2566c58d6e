"""%llm lens and its like: what is a verb, and what is a prompt."""

from __future__ import annotations

import pytest

import llm_magics as lm
from llm_magics.magics.cell import parse, usage
from llm_magics.magics.inside.verbs import NAMES, VERBS

ANSWER = lm.Generation("yes", (), "stop", "well?")


def test_a_verb_takes_its_text_and_options() -> None:
    request = parse('lens -p fp32 --watch " Rome" --watch " Milan" The capital is', None, {})
    assert request.verb == "lens" and request.prompt == "The capital is"
    assert request.look == {"watch": (" Rome", " Milan")} and request.precision == "fp32"


def test_options_may_stand_before_the_verb() -> None:
    assert parse("-p fp32 lens The {what}", None, {"what": "sea"}).prompt == "The sea"


def test_a_cell_may_hold_the_text() -> None:
    request = parse("lens --watch x", "two\nlines\n", {})
    assert (request.verb, request.prompt, request.said) == ("lens", "two\nlines", "")
    with pytest.raises(lm.UsageError, match="goes into the cell"):
        parse("lens text", "cell", {})


def test_an_answer_is_found_by_its_name() -> None:
    request = parse("lens answer", None, {"answer": ANSWER})
    assert request.record is ANSWER and request.said == ""
    assert parse("lens answer", None, {"answer": 3}).record is None


def test_two_dashes_make_it_a_prompt() -> None:
    request = parse("-- lens cap or hood?", None, {})
    assert (request.verb, request.prompt) == ("generate", "lens cap or hood?")
    assert parse("lenses are round", None, {}).verb == "generate"


def test_options_of_verbs_are_checked() -> None:
    with pytest.raises(lm.UsageError, match="goes with a verb"):
        parse("--watch x What is this?", None, {})
    for line, flag in (
        ("lens -t 1 x", "--temperature"),
        ("lens --raw x", "--raw"),
        ("walk --layer 3 x", "--layer"),
    ):
        with pytest.raises(lm.UsageError, match=f"has no {flag}"):
            parse(line, None, {})
    assert parse("walk -t 1.2 --seed 3 x", None, {}).options == {"temperature": 1.2, "seed": 3}
    with pytest.raises(lm.UsageError, match="variable"):
        parse("lens -o 3x text", None, {})


def test_the_help_lists_every_verb() -> None:
    text = usage()
    for name, verb in VERBS.items():
        assert f"%llm {name}" in text and set(verb.options) <= set(NAMES)


def test_variables_in_the_options_of_a_verb() -> None:
    """Options behind the verb were sent with their braces, and --eval before it was not heard."""
    request = parse('lens --watch "{city}" --watch {nobody} The capital is', None, {"city": " Rome"})
    assert request.look == {"watch": (" Rome", "{nobody}")} and "nobody" in request.left[0]
    assert parse("--eval lens {1 + 1} is", None, {}).prompt == "2 is"
    assert parse("lens --eval {1 + 1} is", None, {}).prompt == "2 is"
