"""Tools in the real chat templates that describe them: as transformers renders them."""

from __future__ import annotations

from datetime import datetime

import pytest

from llm_magics.chat.prompt import render
from llm_magics.errors import TemplateError
from llm_magics.magics.answers.tools import schema_of
from tests.support import real


def weather(city: str) -> str:
    """Return the weather of a city."""
    return "cold"


SCHEMA = schema_of("weather", weather)
MESSAGES = [{"role": "user", "content": "How is the weather in Oslo?"}]


def test_templates_with_tools_describe_the_function() -> None:
    rendered = []
    for name, template in real.templates().items():
        if "tools" not in template:
            continue
        try:
            plain = render(MESSAGES, template, now=datetime(2026, 1, 2))
            text = render(MESSAGES, template, now=datetime(2026, 1, 2), tools=[SCHEMA])
        except TemplateError:  # of messages that this template does not take
            continue
        if "weather" in text.replace("How is the weather in Oslo?", ""):
            rendered.append(name)
            assert "weather" not in plain.replace("How is the weather in Oslo?", "")
    assert len(rendered) >= 5, rendered


@pytest.mark.parametrize("role", ["assistant", "tool"])
def test_results_go_back_in_their_role(role: str) -> None:
    hermes = next(
        text for text in real.templates().values() if "<tool_call>" in text and "tool_response" in text
    )
    call = '<tool_call>\n{"name": "weather", "arguments": {"city": "Oslo"}}\n</tool_call>'
    steps = [*MESSAGES, {"role": "assistant", "content": call}, {"role": "tool", "content": "cold as stone"}]
    text = render(steps, hermes, tools=[SCHEMA])
    assert (call if role == "assistant" else "cold as stone") in text and "<tool_response>" in text
