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

from llm_magics import (
    Generation,
    ModelFileError,
    ModelInfo,
    SamplingOptions,
    Timing,
    Token,
    Trace,
    UsageError,
)
from llm_magics.core.records import Alternative
from llm_magics.views.bundle import generation_bundle, read_output
from llm_magics.views.mime import GENERATION_MIME
from llm_magics.views.record_codec import decode_record, encode_record

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
    u=st.none() | st.integers(0, 2**32 - 2).map(lambda n: n / 2**32),
    log_total=st.none() | st.floats(-90, 90, width=32),
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
    again = read_output(json.loads(json.dumps(generation_bundle(made))))
    assert replace(again, tokens=()) == replace(made, tokens=())
    for found, token in zip(again.tokens, made.tokens, strict=True):
        assert (found.id, found.text, found.logprob, found.rank) == (
            token.id,
            token.text,
            token.logprob,
            token.rank,
        )
        assert (found.u, found.log_total) == (token.u, token.log_total)
        assert found.entropy == pytest.approx(token.entropy, abs=1.3e-4)
        assert found.time_s == pytest.approx(token.time_s, abs=2e-5)
        assert [(other.id, other.text) for other in found.alternatives] == [
            (other.id, other.text) for other in token.alternatives
        ]
        for one, other in zip(found.alternatives, token.alternatives, strict=True):
            expected = token.logprob if other.id == token.id else other.logprob
            assert one.logprob == pytest.approx(expected, abs=5e-4)


def test_what_differs_from_run_to_run_lies_apart() -> None:
    token = Token(1, "a", -0.5, 1.0, 0, (Alternative(1, "a", -0.5),), 0.1)
    one, two = (
        generation_bundle(answer((replace(token, time_s=time_s),)))[GENERATION_MIME] for time_s in (0.1, 0.2)
    )
    assert one.pop("run") != two.pop("run") and one == two


@pytest.mark.parametrize("name", sorted(path.name for path in GOLDEN.glob("schema-*.json")))
def test_golden_records(name: str) -> None:
    """Each holds a bundle as it was saved, and what must be read of it."""
    golden = json.loads((GOLDEN / name).read_text("utf-8"))
    found = read_output(golden["bundle"])
    assert found.text == golden["text"] and found.stop_reason == golden["stop_reason"]
    rows = [
        [token.id, token.text, token.logprob, token.rank, [other.id for other in token.alternatives]]
        for token in found.tokens
    ]
    assert rows == golden["tokens"]
    assert found.model.fingerprint == golden["fingerprint"] and found.vocab_size == golden["vocab_size"]
    assert {str(id): data.hex() for id, data in found.pieces.items()} == golden["pieces"]
    if "dice" in golden:
        assert [[token.u, token.log_total] for token in found.tokens] == golden["dice"]
    if form := golden.get("form"):
        assert found.options.grammar is not None and found.options.grammar.to_dict() == form["grammar"]
        told = [
            [token.allowed, token.log_allowed, [other.banned for other in token.alternatives]]
            for token in found.tokens
        ]
        assert told == form["tokens"] and found.value == form["value"]
    if "paths" in golden:
        assert list(found.prompt_texts) == golden["prompt_texts"] and len(found.branches) == 2
        assert "".join(found.prompt_texts) == found.prompt
        assert {str(id): text for id, text in found.specials.items()} == golden["specials"]
        for number, rows in enumerate(golden["paths"]):
            path = found.path(number)
            assert [(token.id, token.text) for token in path.tokens] == [(id, text) for id, text, *_ in rows]
            assert path.text == "".join(token.text for token in path.tokens)


def test_branches_are_kept_with_their_answer() -> None:
    def token(n: int) -> Token:
        return Token(n, f" {n}", -n / 10, 1.0, 0, (Alternative(n, f" {n}", -n / 10),), n / 10)

    whole = answer(tuple(map(token, range(5))), prompt_ids=(1, 2), prompt_texts=("a", "b"))
    first = answer((*whole.tokens[:2], token(7), token(8)), prompt_ids=(1, 2))
    second = answer((*first.tokens[:3], token(9)), prompt_ids=(1, 2))
    tree = whole.with_branch(first, at=2).with_branch(second, at=3, parent=1)
    again = read_output(json.loads(json.dumps(generation_bundle(tree))))
    assert again.path(0).text == whole.text and again.prompt_texts == ("a", "b")
    assert again.path(1).text == first.text and again.path(2).text == second.text == " 0 1 7 9"
    assert [branch.parent for branch in again.branches] == [0, 1]
    assert again.branches[1].tokens == tree.branches[1].tokens
    assert Generation.from_dict(json.loads(json.dumps(tree.to_dict()))) == tree
    with pytest.raises(UsageError, match="branch 3 does not exist"):
        tree.path(3)
    with pytest.raises(UsageError, match="does not exist"):
        tree.with_branch(second, at=1, parent=5)
    with pytest.raises(UsageError, match="already has 20 branches"):
        for _ in range(20):
            tree = tree.with_branch(second, at=1)


def test_a_branch_of_itself_is_damage() -> None:
    token = Token(1, "a", -0.5, 1.0, 0)
    data = answer((token,)).with_branch(answer((token,)), at=0).to_dict()
    data["branches"][0]["parent"] = 1
    with pytest.raises(ModelFileError, match="in the wrong order"):
        Generation.from_dict(data)


def test_a_trace_is_kept_too() -> None:
    read = Trace("ab", (Token(1, "a", 0.0, 0.0, 0), Token(2, "b", -1.0, 0.5, 3)), ModelInfo("m"), 1)
    assert decode_record(json.loads(json.dumps(encode_record(read)))) == read
    with pytest.raises(ModelFileError, match="a trace"):
        read_output({GENERATION_MIME: encode_record(read)})


def test_there_are_golden_records_of_every_schema() -> None:
    schemas = {
        json.loads(path.read_text("utf-8"))["bundle"][GENERATION_MIME]["schema"]
        for path in GOLDEN.glob("schema-*.json")
    }
    assert schemas == {1, 2, 3, 4}


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_damaged_data_is_one_clear_error(data: st.DataObject) -> None:
    token = Token(1, "a", -0.5, 1.0, 0, (Alternative(1, "a", -0.5), Alternative(2, "b", -1.0)), 0.1)
    payload = generation_bundle(answer((token,) * 3))[GENERATION_MIME]
    raw = bytearray(zlib.decompress(base64.b64decode(payload["data"])))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(raw)))
    for damaged in (bytes(raw), bytes(raw[:cut])):
        text = base64.b64encode(zlib.compress(damaged)).decode()
        try:
            read_output({GENERATION_MIME: {**payload, "data": text}})
        except ModelFileError as error:
            assert error.hint


def test_a_later_schema_says_so() -> None:
    payload = generation_bundle(answer(()))[GENERATION_MIME]
    with pytest.raises(ModelFileError, match="schema 99"):
        read_output({GENERATION_MIME: {**payload, "schema": 99}})


def test_what_the_tokens_say_is_kept_once() -> None:
    token = Token(1, "ab", -0.5, 1.0, 0)
    whole = answer((token,), prompt_ids=(3, 4), prompt_texts=("the ", "prompt"))
    other = replace(whole, text="abc", prompt="another prompt")
    for made in (whole, other):
        again = read_output({GENERATION_MIME: encode_record(made)})
        assert (again.text, again.prompt, again.stop_reason) == (made.text, made.prompt, "stop")
        assert again.options == made.options and again.model == made.model
    size = len(zlib.decompress(base64.b64decode(encode_record(whole)["data"])))
    assert size < len(zlib.decompress(base64.b64decode(encode_record(other)["data"])))
