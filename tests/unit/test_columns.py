"""Records as a notebook keeps them: small, the same again, and readable in whatever version wrote them."""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_magics import Generation, ModelFileError, ModelInfo, SamplingOptions, Timing, Token
from llm_magics.core.records import Alternative
from llm_magics.views.bundle import MIME, generation_bundle, read_bundle

GOLDEN = Path(__file__).parents[1] / "golden"
LOGPROBS = st.floats(-60, 0)
OTHERS = st.lists(st.builds(Alternative, st.integers(0, 300_000), st.text(max_size=4), LOGPROBS), max_size=5)
TOKENS = st.builds(
    Token,
    id=st.integers(0, 2**32 - 1),
    text=st.text(max_size=5),
    logprob=LOGPROBS,
    entropy=st.floats(0, 15),
    rank=st.integers(0, 300_000),
    alternatives=OTHERS.map(tuple),
    time_s=st.floats(0, 100),
)


def answer(tokens: tuple[Token, ...], **more: Any) -> Generation:
    tokens = tuple(sorted(tokens, key=lambda token: token.time_s))
    return Generation(
        "".join(token.text for token in tokens),
        tokens,
        "stop",
        "the prompt",
        SamplingOptions(seed=5),
        Timing(0.1, 100.0, 7, 3),
        ModelInfo("m", "r", "f", "auto", "apache-2.0"),
        **more,
    )


@settings(max_examples=60)
@given(st.lists(TOKENS, max_size=12))
def test_what_is_kept_is_read_again(tokens: list[Token]) -> None:
    made = answer(tuple(tokens), vocab_size=49152, pieces={5: b"\xe2\x82"})
    again = read_bundle(json.loads(json.dumps(generation_bundle(made))))
    assert replace(again, tokens=()) == replace(made, tokens=())
    for kept, token in zip(again.tokens, made.tokens, strict=True):
        assert (kept.id, kept.text, kept.logprob, kept.rank) == (
            token.id,
            token.text,
            token.logprob,
            token.rank,
        )
        assert kept.entropy == pytest.approx(token.entropy, abs=1.3e-4)
        assert kept.time_s == pytest.approx(token.time_s, abs=2e-5)
        assert [(other.id, other.text) for other in kept.alternatives] == [
            (other.id, other.text) for other in token.alternatives
        ]
        for one, other in zip(kept.alternatives, token.alternatives, strict=True):
            expected = token.logprob if other.id == token.id else other.logprob
            assert one.logprob == pytest.approx(expected, abs=5e-4)


def test_what_differs_from_run_to_run_lies_apart() -> None:
    token = Token(1, "a", -0.5, 1.0, 0, (Alternative(1, "a", -0.5),), 0.1)
    one, two = (generation_bundle(answer((replace(token, time_s=time_s),)))[MIME] for time_s in (0.1, 0.2))
    assert one.pop("run") != two.pop("run") and one == two


@pytest.mark.parametrize("name", sorted(path.name for path in GOLDEN.glob("*.json")))
def test_golden_records(name: str) -> None:
    """Each holds a bundle as it was saved, and what must be read of it."""
    golden = json.loads((GOLDEN / name).read_text("utf-8"))
    found = read_bundle(golden["bundle"])
    assert found.text == golden["text"] and found.stop_reason == golden["stop_reason"]
    rows = [
        [token.id, token.text, token.logprob, token.rank, [other.id for other in token.alternatives]]
        for token in found.tokens
    ]
    assert rows == golden["tokens"]
    assert found.model.fingerprint == golden["fingerprint"] and found.vocab_size == golden["vocab_size"]
    assert {str(id): data.hex() for id, data in found.pieces.items()} == golden["pieces"]


def test_there_are_golden_records_of_every_schema() -> None:
    schemas = {
        json.loads(path.read_text("utf-8"))["bundle"][MIME]["schema"] for path in GOLDEN.glob("*.json")
    }
    assert schemas == {1, 2}


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_damaged_data_is_one_clear_error(data: st.DataObject) -> None:
    token = Token(1, "a", -0.5, 1.0, 0, (Alternative(1, "a", -0.5), Alternative(2, "b", -1.0)), 0.1)
    kept = generation_bundle(answer((token,) * 3))[MIME]
    raw = bytearray(zlib.decompress(base64.b64decode(kept["data"])))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(raw)))
    for damaged in (bytes(raw), bytes(raw[:cut])):
        text = base64.b64encode(zlib.compress(damaged)).decode()
        try:
            read_bundle({MIME: {**kept, "data": text}})
        except ModelFileError as error:
            assert error.hint


def test_a_later_schema_says_so() -> None:
    kept = generation_bundle(answer(()))[MIME]
    with pytest.raises(ModelFileError, match="schema 99"):
        read_bundle({MIME: {**kept, "schema": 99}})
