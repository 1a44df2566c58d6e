from __future__ import annotations

import base64
import json
import zlib

import pytest

from llm_magics import Generation, ModelFileError, ModelInfo, SamplingOptions, Token
from llm_magics.core.records import Alternative
from llm_magics.views import answer_text
from llm_magics.views.bundle import generation_bundle, read_output
from llm_magics.views.mime import GENERATION_MIME


def generation(text: str = "Hi *there*", reason: str = "stop", tokens: int = 2) -> Generation:
    token = Token(1, "Hi", -0.5, 1.0, 0, (Alternative(1, "Hi", -0.5), Alternative(2, "<b>", -1.5)), 0.1)
    return Generation(
        text, (token,) * tokens, reason, "prompt", SamplingOptions(max_tokens=2), model=ModelInfo("m")
    )  # type: ignore[arg-type]


def test_bundle_round_trip() -> None:
    bundle = json.loads(json.dumps(generation_bundle(generation())))
    assert read_output(bundle) == generation()
    assert bundle["text/plain"] == bundle["text/markdown"] == "Hi *there*"
    assert bundle[GENERATION_MIME]["model"]["name"] == "m" and bundle[GENERATION_MIME]["options"]["seed"] == 0


@pytest.mark.parametrize(
    "data", ["!", "", base64.b64encode(b"x").decode(), base64.b64encode(zlib.compress(b"{}")).decode(), 5]
)
def test_damaged_records(data: object) -> None:
    with pytest.raises(ModelFileError):
        read_output({GENERATION_MIME: {"data": data}})
    with pytest.raises(ModelFileError):
        read_output({})


def test_a_bomb_is_not_unpacked() -> None:
    bomb = base64.b64encode(zlib.compress(b" " * (80 << 20), 9)).decode()
    with pytest.raises(ModelFileError, match="too large"):
        read_output({GENERATION_MIME: {"data": bomb}})


def test_a_newer_schema_says_so() -> None:
    with pytest.raises(ModelFileError, match="schema 99"):
        Generation.from_dict({**generation().to_dict(), "schema": 99})


def test_endings() -> None:
    assert "interrupted after 2 tokens" in answer_text.markdown(generation(reason="interrupted"))
    assert "raise it with -n" in answer_text.plain(generation(reason="length"))
    assert "context is full" in answer_text.plain(generation(reason="length", tokens=1))
    assert "empty answer" in answer_text.markdown(generation(""))
    assert answer_text.markdown(generation("```py\nx = 1", "length")).splitlines()[2:] == [
        "```",
        "",
        "*— stopped at max_tokens=2; raise it with -n*",
    ]
