"""The body of a request to our server: everything is used, or refused by name."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from llm_magics import ContextOverflow, ModelNotFound, UsageError
from llm_magics.serving.body import Completion, read_body
from llm_magics.serving.reply import error_reply

HI = [{"role": "user", "content": "Hi"}]


def read(chat: bool = True, **fields: Any) -> Completion:
    return read_body({"messages": HI, **fields} if chat else fields, "m", chat=chat)


def test_what_is_read() -> None:
    asked = read(
        model="m",
        max_completion_tokens=5,
        temperature=0.5,
        stop="x",
        seed=3,
        logprobs=True,
        top_logprobs=4,
        stream=True,
        stream_options={"include_usage": True},
        user="me",
        n=1,
        tools=None,
        response_format={"type": "json_schema", "json_schema": {"schema": {"type": "object"}}},
    )
    assert asked.prompt == HI and asked.streams and asked.usage and asked.logprobs and not asked.raw
    assert asked.options == {
        "max_tokens": 5,
        "temperature": 0.5,
        "stop": ["x"],
        "seed": 3,
        "alternatives": 4,
        "schema": {"type": "object"},
    }
    plain = read()
    assert plain.options["alternatives"] == 0 and not plain.logprobs and not plain.streams
    assert plain.options["seed"] != read().options["seed"]  # as OpenAI's: another answer each time
    raw = read(chat=False, prompt=["Once"], logprobs=2)
    assert raw.prompt == "Once" and raw.raw and raw.options["alternatives"] == 2


def test_content_in_parts() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert read(messages=[{"role": "user", "content": parts}]).prompt[0]["content"] == "ab"
    picture = {"type": "image_url", "image_url": {"url": base64.b64encode(b"x").decode()}}
    with pytest.raises(UsageError, match="no text"):
        read(messages=[{"role": "user", "content": [picture]}])


@pytest.mark.parametrize(
    "fields",
    [
        {"n": 2},
        {"tools": [{"type": "function"}]},
        {"logit_bias": {"5": 1}},
        {"top_logprobs": 21, "logprobs": True},
        {"logprobs": "yes"},
        {"response_format": {"type": "grammar"}},
        {"response_format": "json"},
        {"messages": []},
        {"messages": "Hi"},
        {"best_guess": 1},
        {"audio": {}},
    ],
    ids=str,
)
def test_what_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        read(**fields)


def test_others() -> None:
    with pytest.raises(ModelNotFound):
        read(model="gpt")
    for body in ([], "x", None, 5):
        with pytest.raises(UsageError):
            read_body(body, "m", chat=True)
    with pytest.raises(UsageError):
        read(chat=False, prompt=["a", "b"])
    with pytest.raises(UsageError, match="echo"):
        read(chat=False, prompt="a", echo=True)
    status, told = error_reply(ContextOverflow("too long", over=7), 100)
    assert status == 400 and told["error"]["n_prompt_tokens"] - told["error"]["n_ctx"] == 7
