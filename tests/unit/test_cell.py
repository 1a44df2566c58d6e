from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_magics import Generation, LLMMagicsError, UsageError
from llm_magics.magics.inspection.subcommands import SUBCOMMANDS
from llm_magics.magics.parsing.expand import expand
from llm_magics.magics.parsing.options import OPTIONS
from llm_magics.magics.parsing.request import parse
from llm_magics.magics.subcommands.table import usage

NS = {"x": 5, "pi": 3.14159, "d": {"}": 1, "k": "v"}, "text": "{x} {{y}}", "obj": "abc", "items": [1, 2]}


def test_every_option_reaches_its_place() -> None:
    request = parse(
        "-m NAME -s 'be brief' -n 5 -t 0.5 --top-k 3 --top-p=0.9 --min-p 0.1 --repetition-penalty 1.2 "
        "--seed 9 "
        r"--stop a --stop '\n\n' -o answer -p fp32 --threads 2 --raw -q",
        "hello\n",
        {},
    )
    assert (request.command, request.prompt, request.model, request.system) == (
        "generate",
        "hello",
        "NAME",
        "be brief",
    )
    assert (request.variable, request.precision, request.threads, request.raw, request.quiet) == (
        "answer",
        "fp32",
        2,
        True,
        True,
    )
    assert request.options == {
        "max_tokens": 5,
        "temperature": 0.5,
        "top_k": 3,
        "top_p": 0.9,
        "min_p": 0.1,
        "repetition_penalty": 1.2,
        "seed": 9,
        "stop": ("a", "\n\n"),
    }
    assert all(flag in usage() for option in OPTIONS for flag in option.flags)


def test_line_magic_takes_the_rest_as_it_stands() -> None:
    request = parse("""-t 0 What's "up" with -t and it's {x}""", None, NS)
    assert request.prompt == """What's "up" with -t and it's 5""" and request.options == {"temperature": 0.0}
    assert parse("-- -5 is a number", None, {}).prompt == "-5 is a number"
    assert (
        parse("", None, {}).command == "status"
        and parse("--help", None, {}).command == parse("-h", "x", {}).command == "help"
    )


@pytest.mark.parametrize(
    ("line", "cell", "said"),
    [
        ("--temprature 0", "x", "--temperature"),
        ("-t", "x", "needs a value"),
        ("-t hot", "x", "invalid value: 'hot'"),
        ("-n 1.5", "x", "invalid value"),
        ("-s 'open", "x", "not closed"),
        ("--raw=1", "x", "takes no value"),
        ("hello", "x", "is not an option"),
        ("", " \n", "empty"),
        ("-t 0", None, "prompt is missing"),
        ("-o 1x", "x", "valid variable name"),
        ("-o class", "x", "valid variable name"),
    ],
)
def test_mistakes_are_named(line: str, cell: str | None, said: str) -> None:
    with pytest.raises(UsageError) as error:
        parse(line, cell, {})
    assert said in str(error.value) and error.value.hint


def test_values_are_never_expanded_again() -> None:
    hostile = "{__import__('os').system('false')} {x}"
    for evaluate in (False, True):
        text, left = expand("{a} and {b}", {"a": hostile, "b": "{a}"}, evaluate=evaluate)
        assert text == f"{hostile} and {{a}}" and not left
    assert parse("-s {a}", "hi {a}", {"a": "-o z {x}"}).system == "-o z {x}"


@given(st.text(), st.one_of(st.none(), st.text()))
def test_no_text_raises_anything_but_our_errors(line: str, cell: str | None) -> None:
    try:
        parse(line, cell, NS)
    except LLMMagicsError as error:
        assert error.hint


@given(st.text(alphabet="{}x!:r'\"[] \\-=o", max_size=60))
def test_no_braces_or_quotes_either(text: str) -> None:
    for line, cell in [(text, None), ("", text), (text, "x")]:
        try:
            parse(line, cell, {"x": "{x}"})
        except LLMMagicsError as error:
            assert error.hint


@pytest.mark.parametrize(
    "text",
    ["{" * 1_000_000, "{}" * 500_000, "a" * 1_000_000, "{a b}" * 30_000, "{{" * 500_000, "}" * 1_000_000],
)
def test_long_bodies_are_quick(text: str) -> None:
    start = time.process_time()
    parse("", text, NS)
    assert time.process_time() - start < 10


def test_the_cache_is_listed_and_emptied_by_verbs() -> None:
    assert parse("models", None, {}).command == "models"
    request = parse("rm smollm2-135m-instruct", None, {})
    assert (request.command, request.prompt) == ("rm", "smollm2-135m-instruct")
    for line in ("models are what?", "rm means what?", "-- models", "-- rm"):
        assert parse(line, None, {}).command == "generate", line


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("-t {t} -n {n} hi", {"temperature": 0.7, "max_tokens": 8}),
        ("-t={t} -n8 hi", {"temperature": 0.7, "max_tokens": 8}),
        ("-t0.5 --seed {n} hi", {"temperature": 0.5, "seed": 8}),
        (r"--stop \n hi", {"stop": ("\n",)}),
        (r"--stop '\n' --stop \t hi", {"stop": ("\n", "\t")}),
        (r"--stop {end} hi", {"stop": ("END",)}),
    ],
)
def test_numbers_and_stop_strings(line: str, values: dict[str, Any]) -> None:
    """N12: numbers took no {…}. N9: an unquoted \\n stopped at the letter n."""
    assert parse(line, None, {"t": 0.7, "n": 8, "end": "END"}).options == values


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (r"C:\Users\me\model.gguf", r"C:\Users\me\model.gguf"),
        (r"\\server\share\m.gguf", r"\\server\share\m.gguf"),
        (r"a\ b.gguf", "a b.gguf"),
        (r"a\\b", r"a\b"),
        (r"a\"b", 'a"b'),
        (r"'C:\new\x'", r"C:\new\x"),
        (r'"C:\new\x"', r"C:\new\x"),
    ],
)
def test_backslashes_of_paths(written: str, meant: str) -> None:
    """N19"""
    assert parse(f"-m {written} Hi", None, {}).model == meant


@pytest.mark.parametrize(
    ("line", "verb"),
    [
        ("help", "help"),
        ("status", "status"),
        ("version", "version"),
        ("list", "models"),
        ("models", "models"),
        ("tokens?", "help"),
        ("lens?", "help"),
        ("help me", "generate"),
        ("-- help", "generate"),
        ("status of the war in 1944?", "generate"),
    ],
)
def test_a_known_word_alone_is_a_command(line: str, verb: str) -> None:
    """N21: they were prompts, answered at length. N8: a word with ? is help."""
    assert parse(line, None, {}).command == verb


@pytest.mark.parametrize("word", ["rm", "probe", "compare", "watch"])
def test_a_verb_that_lacks_its_text_says_how_it_is_written(word: str) -> None:
    with pytest.raises(UsageError) as error:
        parse(word, None, {})
    assert f"%llm -- {word}" in error.value.hint and parse(f"-- {word}", None, {}).command == "generate"


@pytest.mark.parametrize(
    ("line", "written"),
    [
        ("tokens maybe", "%llm tokens [on|off]"),
        ("card my model", "%llm card [NAME]"),
        ("rm this model", "%llm rm NAME"),
        ("compare --against FILE", "%llm compare [TEXT]"),
        ("walk", "%llm walkthrough TEXT"),
        ("probe The sky is", "%llm probe PROMPT ⇒ A | B"),
        ("watch The sky is", "%llm track --track A [TEXT]"),
        ("compare apples and oranges, please", "%llm compare [TEXT]"),
    ],
)
def test_a_verb_that_is_not_understood_is_no_prompt(line: str, written: str) -> None:
    """B6: the model answered, at length and in earnest."""
    with pytest.raises(UsageError) as error:
        parse(line, None, {})
    assert f"Write {written}" in error.value.hint
    assert f"%llm -- {line.split()[0]}" in error.value.hint
    assert parse(f"-- {line}", None, {}).prompt == line


@pytest.mark.parametrize(
    "verb", [*SUBCOMMANDS, "tokens", "models", "adapters", "rm", "playground", "status", "version"]
)
def test_every_verb_has_help(verb: str) -> None:
    """B6: %llm compare --help was answered by the model; lens had "no --help"."""
    for line in (f"{verb} --help", f"{verb} -h", f"{verb}?", f"--help {verb}"):
        request = parse(line, None, {})
        assert (request.command, request.prompt) == ("help", verb), line
    assert f"%llm {verb}" in usage(verb) and "\n" in usage(verb) and "--temperature" not in usage(verb)


@pytest.mark.parametrize("verb", list(SUBCOMMANDS))
def test_the_example_of_a_verb_is_understood(verb: str) -> None:
    line = SUBCOMMANDS[verb].example.removeprefix("%llm ")
    assert parse(line, None, {"answer": Generation("x", (), "stop", "p")}).command == verb


def test_a_near_miss_is_said() -> None:
    """B6: lense and tokenise were prompts, and nobody said so."""
    assert parse("lense The sky is", None, {}).notice == "did you mean %llm logit_lens?"
    assert parse("tokenise The sky is", None, {}).notice == "did you mean %llm tokenize?"
    assert not parse("Compare apples and oranges", None, {}).notice
    request = parse("help me", None, {})
    assert request.command == "generate" and request.notice.startswith("taken as a prompt")
    assert not parse("help me with a good deal more", None, {}).notice


@pytest.mark.parametrize(
    ("line", "cell", "hint"),
    [
        ("--temp 0 hi", None, "--temperature?"),
        ("--max 3 hi", None, "--max-tokens?"),
        ("- hi", None, "after --"),
        ("-5 + 3 = ?", None, "after --"),
        ("-s “be brief”", "x", "Quote a value"),
        ("—system x", "x", "hyphens"),
        ("-n 30 attention please", None, "To ask the model, write %llm"),
    ],
)
def test_hints_lead_the_right_way(line: str, cell: str | None, hint: str) -> None:
    with pytest.raises(UsageError) as error:
        parse(line, cell, {})
    assert hint in error.value.hint
