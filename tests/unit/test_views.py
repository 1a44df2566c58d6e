from __future__ import annotations

import base64
import json
import zlib

import pytest

from llm_magics import Generation, ModelFileError, ModelInfo, SamplingOptions, Token
from llm_magics.core.records import Alternative
from llm_magics.views import static
from llm_magics.views.bundle import MIME, generation_bundle, read_bundle


def generation(text: str = "Hi *there*", reason: str = "stop", tokens: int = 2) -> Generation:
    token = Token(1, "Hi", -0.5, 1.0, 0, (Alternative(1, "Hi", -0.5), Alternative(2, "<b>", -1.5)), 0.1)
    return Generation(
        text, (token,) * tokens, reason, "prompt", SamplingOptions(max_tokens=2), model=ModelInfo("m")
    )  # type: ignore[arg-type]


def test_bundle_round_trip() -> None:
    bundle = json.loads(json.dumps(generation_bundle(generation())))
    assert read_bundle(bundle) == generation()
    assert bundle["text/plain"] == bundle["text/markdown"] == "Hi *there*"
    assert bundle[MIME]["model"]["name"] == "m" and bundle[MIME]["options"]["seed"] == 0


@pytest.mark.parametrize(
    "data", ["!", "", base64.b64encode(b"x").decode(), base64.b64encode(zlib.compress(b"{}")).decode(), 5]
)
def test_damaged_records(data: object) -> None:
    with pytest.raises(ModelFileError):
        read_bundle({MIME: {"data": data}})
    with pytest.raises(ModelFileError):
        read_bundle({})


def test_a_bomb_is_not_unpacked() -> None:
    bomb = base64.b64encode(zlib.compress(b" " * (80 << 20), 9)).decode()
    with pytest.raises(ModelFileError, match="too large"):
        read_bundle({MIME: {"data": bomb}})


def test_a_newer_schema_says_so() -> None:
    with pytest.raises(ModelFileError, match="schema 99"):
        Generation.from_dict({**generation().to_dict(), "schema": 99})


def test_endings() -> None:
    assert "interrupted after 2 tokens" in static.markdown(generation(reason="interrupted"))
    assert "raise it with -n" in static.plain(generation(reason="length"))
    assert "context is full" in static.plain(generation(reason="length", tokens=1))
    assert "empty answer" in static.markdown(generation(""))
    assert static.markdown(generation("```py\nx = 1", "length")).splitlines()[2:] == [
        "```",
        "",
        "*— stopped at max_tokens=2; raise it with -n*",
    ]
