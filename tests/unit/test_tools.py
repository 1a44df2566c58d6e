"""Functions that a model may call: schemas, calls, arguments, and who is asked."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_magics import UsageError
from llm_magics.magics.answers.call_formats import words_before_calls
from llm_magics.magics.answers.tool_calls import REFUSED, run_call
from llm_magics.magics.answers.tools import (
    Exchange,
    ToolCall,
    calls_in,
    checked_arguments,
    schema_of,
    steps_of,
    tools_of,
)

RAN: list[Any] = []


def weather(
    city: str, days: int = 1, unit: Literal["C", "F"] = "C", places: list[str] | None = None
) -> dict[str, Any]:
    """Return the weather of a city."""
    RAN.append((city, days, unit, places))
    return {"city": city, "degrees": 12.5}


def broken(x: float) -> float:
    return 1 / x


TOOLS = tools_of("weather, broken", {"weather": weather, "broken": broken})


def test_a_schema_is_that_of_transformers() -> None:
    from transformers.utils.chat_template_utils import get_json_schema

    def add(a: int, b: float = 1.0) -> float:
        """Add two numbers.

        Args:
            a: the first
            b: the second
        """
        return a + b

    theirs, ours = (
        get_json_schema(add)["function"]["parameters"],
        schema_of("add", add)["function"]["parameters"],
    )
    assert ours["required"] == theirs["required"]
    kinds = [{name: item["type"] for name, item in each["properties"].items()} for each in (ours, theirs)]
    assert kinds[0] == kinds[1] == {"a": "integer", "b": "number"}
    shown = TOOLS["weather"].schema["function"]
    assert shown["description"] == "Return the weather of a city."
    assert shown["parameters"]["properties"]["unit"] == {"type": "string", "enum": ["C", "F"]}


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ("nope", "is no function"),
        ("", "names no function"),
        ("bare", "no type hint"),
        ("odd", "cannot be described"),
    ],
)
def test_what_cannot_be_described_is_refused(names: str, said: str) -> None:
    def bare(x): ...  # type: ignore[no-untyped-def]

    def odd(x: object) -> None: ...

    with pytest.raises(UsageError, match=said):
        tools_of(names, {"bare": bare, "odd": odd, "nope": 3})


def test_calls_are_read_and_never_evaluated() -> None:
    text = 'I look.\n<tool_call>\n{"name": "weather", "arguments": {"city": "Oslo"}}\n</tool_call>'
    assert [*calls_in(text)] == [ToolCall("weather", {"city": "Oslo"})]
    assert [*calls_in('{"name": "weather", "parameters": {"city": "Oslo"}}')] == [
        ToolCall("weather", {"city": "Oslo"})
    ]
    for other in (
        "weather('Oslo')",
        "[weather('Oslo')]",
        "[weather(city=open('x'))]",
        "It is cold.",
        '{"name": 3, "arguments": {}}',
        "<tool_call>[1",
        '{"a": 1}',
    ):
        assert [*calls_in(other)] == []


FORMATS = [
    "<think>\nI call.\n</think>\n\n"
    '<tool_call>\n{"name": "weather", "arguments": {"city": "Oslo"}}\n</tool_call>',
    '[TOOL_CALLS] [{"name": "weather", "arguments": {"city": "Oslo"}}]',
    '[TOOL_CALLS]weather[CALL_ID]call00000[ARGS]{"city": "Oslo"}',
    '{"name": "weather", "parameters": {"city": "Oslo"}}',
    '<|python_tag|>{"name": "weather", "parameters": {"city": "Oslo"}}<|eom_id|>',
    "[weather(city='Oslo')]",
    "<|tool_call_start|>[weather(city='Oslo')]<|tool_call_end|>",
    '<|tool_call|>[{"name": "weather", "arguments": {"city": "Oslo"}}]<|/tool_call|>',
    '<|tool_call>call:weather{city:<|"|>Oslo<|"|>}<tool_call|>',
    "<tool_call>\n<function=weather>\n<parameter=city>\nOslo\n</parameter>\n</function>\n</tool_call>",
    "<tool_call>weather\n<arg_key>city</arg_key>\n<arg_value>Oslo</arg_value>\n</tool_call>",
    '<function=weather>{"city": "Oslo"}</function>',
    "<|channel|>analysis<|message|>I call.<|end|><|start|>assistant<|channel|>commentary "
    'to=functions.weather <|constrain|>json<|message|>{"city": "Oslo"}<|call|>',
    '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>weather\n```json\n{"city": "Oslo"}\n```'
    "<｜tool▁call▁end｜>",
    '<|tool_call_begin|>functions.weather:0<|tool_call_argument_begin|>{"city": "Oslo"}<|tool_call_end|>',
    '<minimax:tool_call>\n<invoke name="weather">\n<parameter name="city">Oslo</parameter>\n</invoke>',
    '```json\n{"name": "weather", "arguments": {"city": "Oslo"}}\n```',
    '{"type": "function", "function": {"name": "weather", "arguments": "{\\"city\\": \\"Oslo\\"}"}}',
]


@pytest.mark.parametrize("text", FORMATS)
def test_calls_are_read_in_the_formats_of_models(text: str) -> None:
    assert [*calls_in(text)] == [ToolCall("weather", {"city": "Oslo"})]
    assert words_before_calls(text).strip("`json\n") == ""


def test_several_calls_and_their_types() -> None:
    body = "<parameter=days>\n3\n</parameter>\n<parameter=city>\nOslo\n</parameter>"
    text = f"<tool_call>\n<function=weather>\n{body}"
    assert [*calls_in(text)] == [ToolCall("weather", {"days": 3, "city": "Oslo"})]
    gemma = '<|tool_call>call:weather{places:[<|"|>a,b:c<|"|>],days:2}<tool_call|>'
    assert [*calls_in(f"{gemma}{gemma}")] == [ToolCall("weather", {"places": ["a,b:c"], "days": 2})] * 2
    many = '<tool_call>{"name": "weather", "arguments": {}}</tool_call>' * 30
    assert len([*calls_in(many)]) == 16, "a model that repeats itself is cut off"


def test_calls_and_results_become_messages() -> None:
    text = 'I look.\n<tool_call>{"name": "weather", "arguments": {"a b": 1}}</tool_call>'
    exchange = Exchange(text, tuple(calls_in(text)) * 2, ("cold", "warm"))
    plain = steps_of([exchange], structured=False)
    assert [step["role"] for step in plain] == ["assistant", "tool", "tool"] and plain[0]["content"] == text
    steps = steps_of([exchange], structured=True)
    assert [step["content"] for step in steps] == ["I look.", "cold", "", "warm"]
    call = steps[0]["tool_calls"][0]
    assert call["function"] == {"name": "weather", "arguments": {"a_b": 1}}
    assert steps[1]["tool_call_id"] == call["id"] and len(call["id"]) == 9
    assert steps[2]["tool_calls"][0]["id"] != call["id"]


@given(st.text(alphabet='<>/tool_call{}[]":,name argumets', max_size=120))
def test_any_text_is_read(text: str) -> None:
    assert isinstance([*calls_in(text)], list)


def test_arguments_have_the_types_of_the_hints() -> None:
    tool = TOOLS["weather"]
    assert checked_arguments(tool, {"city": "Oslo", "days": 2.0}) == {"city": "Oslo", "days": 2}
    assert type(checked_arguments(TOOLS["broken"], {"x": 2})["x"]) is float
    for arguments, said in (
        ({}, "needs city"),
        ({"city": 3}, "weather.city must be str"),
        ({"city": "x", "days": True}, "must be int"),
        ({"city": "x", "unit": "K"}, "must be one of C, F"),
        ({"city": "x", "places": [1]}, "must be str"),
        ({"city": "x", "__class__": 1}, "has no parameter __class__"),
    ):
        with pytest.raises(ValueError, match=said):
            checked_arguments(tool, arguments)


def test_a_call_is_shown_and_confirmed(monkeypatch: pytest.MonkeyPatch) -> None:
    call, asked = ToolCall("weather", {"city": "Oslo"}), []

    def answer(text: str) -> Any:
        def said(prompt: str) -> str:
            asked.append(prompt)
            return text

        return said

    RAN.clear()
    monkeypatch.setattr("builtins.input", answer("n"))
    assert run_call(call, TOOLS, ask=True) == REFUSED and not RAN
    monkeypatch.setattr("builtins.input", answer("y"))
    assert run_call(call, TOOLS, ask=True) == '{"city": "Oslo", "degrees": 12.5}'
    assert RAN == [("Oslo", 1, "C", None)] and "weather(city='Oslo')" in asked[-1]
    assert run_call(ToolCall("rm", {}), TOOLS, ask=False).startswith("error: there is no function rm")
    assert (
        run_call(ToolCall("broken", {"x": 0}), TOOLS, ask=False)
        == "error: ZeroDivisionError: float division by zero"
    )

    def nobody(prompt: str) -> str:
        raise EOFError

    monkeypatch.setattr("builtins.input", nobody)
    with pytest.raises(UsageError, match="nobody can be asked"):
        run_call(call, TOOLS, ask=True)
