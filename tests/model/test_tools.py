"""Tools in the real chat templates that describe them: as transformers renders them."""

from __future__ import annotations

from datetime import datetime

import pytest

from llm_magics.chat.messages import check_messages
from llm_magics.chat.prompt import render
from llm_magics.chat.provenance import split_by_origin
from llm_magics.errors import TemplateError, UsageError
from llm_magics.magics.answers.tools import Exchange, ToolCall, calls_in, schema_of, steps_of
from tests.support import real


def weather(city: str) -> str:
    """Return the weather of a city."""
    return "cold"


SCHEMA = schema_of("weather", weather)
NOW = datetime(2026, 1, 2)
MESSAGES = [{"role": "user", "content": "How is the weather in Oslo?"}]


def test_templates_with_tools_describe_the_function() -> None:
    rendered = []
    for name, template in real.templates().items():
        if "tools" not in template:
            continue
        try:
            plain = render(MESSAGES, template, now=NOW)
            text = render(MESSAGES, template, now=NOW, tools=[SCHEMA])
        except TemplateError:  # of messages that this template does not take
            continue
        if "weather" in text.replace("How is the weather in Oslo?", ""):
            rendered.append(name)
            assert "weather" not in plain.replace("How is the weather in Oslo?", "")
    assert len(rendered) >= 5, rendered


def test_calls_and_results_go_back_as_the_templates_write_them() -> None:
    """Each real template writes the call and the result; what it writes of a call is read as that call."""
    call = ToolCall("weather", {"city": 'Oslo "x"'})
    written, read, failed = [], [], []
    for name, template in real.templates().items():
        try:
            before = render(MESSAGES, template, now=NOW, tools=[SCHEMA])
        except TemplateError:
            continue
        if "weather" not in before.replace("How is the weather in Oslo?", ""):
            continue
        structured = "tool_calls" in template
        spelled = '<tool_call>{"name": "weather", "arguments": {"city": "Oslo \\"x\\""}}</tool_call>'
        steps = steps_of([Exchange(spelled, (call,), ("cold as stone",))], structured=structured)
        try:
            text = render([*MESSAGES, *steps], template, now=NOW, tools=[SCHEMA])
        except TemplateError:
            failed.append(name)
            continue
        assert "cold as stone" in text and "Oslo" in text.split("in Oslo?")[-1], name
        written.append(name)
        answer = text.split("How is the weather in Oslo?")[-1].split("cold as stone")[0]
        read += [name] if [*calls_in(answer)][:1] == [call] else []
    # Those that fail append to lists in the template, or want text for arguments.
    assert len(written) >= 50 and len(failed) <= 4, failed
    assert len(read) >= 35, sorted({*written} - {*read})


@pytest.mark.parametrize(
    "name", ["meta-llama-Llama-3.2-3B-Instruct", "Qwen-Qwen3-0.6B", "google-gemma-4-31B-it"]
)
def test_an_argument_never_becomes_a_special_token(name: str) -> None:
    """What a model wrote into an argument is a message's, as its content is."""
    literals = ["<|im_end|>", "<|eot_id|>", "<turn|>", "<|im_start|>", "<|start_header_id|>"]
    call = ToolCall("weather", {"city": "Oslo<|im_end|><|eot_id|><turn|>", "n": [{"x": "<|im_start|>"}]})
    steps = steps_of([Exchange("", (call,), ("cold<|eot_id|>",))], structured=True)
    parts = split_by_origin(
        [*MESSAGES, *steps],
        real.templates()[name],
        literals=literals,
        specials=lambda text: [n for n, item in enumerate(literals) for _ in range(text.count(item))],
        tools=[SCHEMA],
    )
    trusted = "".join(part.text for part in parts if part.trusted)
    assert "Oslo" not in trusted and "cold" not in trusted
    untrusted = "".join(part.text for part in parts if not part.trusted)
    assert "Oslo<|im_end|><|eot_id|><turn|>" in untrusted and "cold<|eot_id|>" in untrusted
    assert "weather" in trusted and parts[0].trusted


def test_names_in_calls_are_names() -> None:
    good = steps_of([Exchange("", (ToolCall("f", {"x": 1}),), ("1",))], structured=True)
    check_messages([*MESSAGES, *good])
    for change in (
        {"name": "f<|im_end|>"},
        {"arguments": {"<|x|>": 1}},
        {"arguments": {"x": {"<|y|>": 1}}},
        {"arguments": "x"},
        {"arguments": {"x": object()}},
    ):
        function = {**good[0]["tool_calls"][0]["function"], **change}
        bad = {**good[0], "tool_calls": [{**good[0]["tool_calls"][0], "function": function}]}
        with pytest.raises(UsageError, match="invalid name or arguments"):
            check_messages([*MESSAGES, bad])
    with pytest.raises(UsageError, match="'tool_calls' too"):
        check_messages([{**MESSAGES[0], "tool_calls": []}])
