from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_magics import LLMMagicsError, UsageError
from llm_magics.magics.cell import OPTIONS, parse, usage
from llm_magics.magics.expand import expand

NS = {"x": 5, "pi": 3.14159, "d": {"}": 1, "k": "v"}, "text": "{x} {{y}}", "obj": "abc", "items": [1, 2]}


def test_every_option_reaches_its_place() -> None:
    request = parse(
        "-m NAME -s 'be brief' -n 5 -t 0.5 --top-k 3 --top-p=0.9 --min-p 0.1 --repetition-penalty 1.2 "
        "--seed 9 "
        r"--stop a --stop '\n\n' -o answer -p fp32 --threads 2 --raw -q",
        "hello\n",
        {},
    )
    assert (request.verb, request.prompt, request.model, request.system) == (
        "generate",
        "hello",
        "NAME",
        "be brief",
    )
    assert (request.out, request.precision, request.threads, request.raw, request.quiet) == (
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
        parse("", None, {}).verb == "status"
        and parse("--help", None, {}).verb == parse("-h", "x", {}).verb == "help"
    )


@pytest.mark.parametrize(
    ("line", "cell", "said"),
    [
        ("--temprature 0", "x", "--temperature"),
        ("-t", "x", "needs a value"),
        ("-t hot", "x", "does not understand 'hot'"),
        ("-n 1.5", "x", "does not understand"),
        ("-s 'open", "x", "not closed"),
        ("--raw=1", "x", "takes no value"),
        ("hello", "x", "is not an option"),
        ("", " \n", "empty"),
        ("-t 0", None, "no prompt"),
        ("-o 1x", "x", "name of a variable"),
        ("-o class", "x", "name of a variable"),
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
    start = time.monotonic()
    parse("", text, NS)
    assert time.monotonic() - start < 10


def test_the_cache_is_listed_and_emptied_by_verbs() -> None:
    assert parse("models", None, {}).verb == "models"
    request = parse("rm smollm2-135m-instruct", None, {})
    assert (request.verb, request.prompt) == ("rm", "smollm2-135m-instruct")
    for line in ("models are what?", "rm means what?", "-- models", "rm"):
        assert parse(line, None, {}).verb == "generate", line
