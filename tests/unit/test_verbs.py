"""%llm logit_lens and its like: what is a verb, and what is a prompt."""

from __future__ import annotations

import pytest

import llm_magics as lm
from llm_magics.magics.inspection.subcommands import NAMES, SUBCOMMANDS
from llm_magics.magics.parsing.options import OPTIONS
from llm_magics.magics.parsing.request import parse
from llm_magics.magics.subcommands.table import TABLE, usage

ANSWER = lm.Generation("yes", (), "stop", "well?")


def test_a_verb_takes_its_text_and_options() -> None:
    request = parse('lens -p fp32 --track " Rome" --track " Milan" The capital is', None, {})
    assert request.command == "logit_lens" and request.prompt == "The capital is"
    assert request.inspection_options == {"track": (" Rome", " Milan")} and request.precision == "fp32"


def test_options_may_stand_before_the_verb() -> None:
    assert parse("-p fp32 lens The {what}", None, {"what": "sea"}).prompt == "The sea"


def test_a_cell_may_hold_the_text() -> None:
    request = parse("lens --track x", "two\nlines\n", {})
    assert (request.command, request.prompt, request.notice) == ("logit_lens", "two\nlines", "")
    with pytest.raises(lm.UsageError, match="into the cell"):
        parse("lens text", "cell", {})


def test_an_answer_is_found_by_its_name() -> None:
    request = parse("lens answer", None, {"answer": ANSWER})
    assert request.record is ANSWER and request.notice == ""
    assert parse("lens answer", None, {"answer": 3}).record is None


def test_two_dashes_make_it_a_prompt() -> None:
    request = parse("-- lens cap or hood?", None, {})
    assert (request.command, request.prompt) == ("generate", "lens cap or hood?")
    assert parse("lenses are round", None, {}).command == "generate"


def test_options_of_verbs_are_checked() -> None:
    with pytest.raises(lm.UsageError, match="only valid with a subcommand"):
        parse("--track x What is this?", None, {})
    for line, flag in (
        ("lens -t 1 x", "--temperature"),
        ("lens --raw x", "--raw"),
        ("walk --layer 3 x", "--layer"),
    ):
        with pytest.raises(lm.UsageError, match=f"has no option {flag}"):
            parse(line, None, {})
    assert parse("walk -t 1.2 --seed 3 x", None, {}).options == {"temperature": 1.2, "seed": 3}
    with pytest.raises(lm.UsageError, match="variable"):
        parse("lens -o 3x text", None, {})


def test_the_help_lists_every_verb() -> None:
    text = usage()
    for name, verb in SUBCOMMANDS.items():
        assert f"%llm {name}" in text and set(verb.options) <= set(NAMES)


def test_variables_in_the_options_of_a_verb() -> None:
    """Options behind the verb were sent with their braces, and --eval before it was not heard."""
    request = parse('lens --track "{city}" --track {nobody} The capital is', None, {"city": " Rome"})
    assert (
        request.inspection_options == {"track": (" Rome", "{nobody}")} and "nobody" in request.unresolved[0]
    )
    assert parse("--eval lens {1 + 1} is", None, {}).prompt == "2 is"
    assert parse("lens --eval {1 + 1} is", None, {}).prompt == "2 is"


@pytest.mark.parametrize("name", TABLE)
def test_every_subcommand_explains_itself(name: str) -> None:
    """Its help says how it is written, what it does, and each option that it takes."""
    request = parse(f"help {name}", None, {})
    assert (request.command, request.prompt) == ("help", name)
    text, command = usage(name), TABLE[name]
    assert text.startswith(f"{command.usage}  {command.help}") and command.usage.startswith(f"%llm {name}")
    assert all(option.flags[-1] in text for option in OPTIONS if option.name in command.options)
    assert parse(f"{name}?", None, {}).prompt == name and parse(f"{name} --help", None, {}).command == "help"
    if command.example:
        assert parse(command.example.removeprefix("%llm "), None, {"answer": ANSWER}).command == name
