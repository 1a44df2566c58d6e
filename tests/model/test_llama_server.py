"""A model behind a real llama.cpp server beside the same file here."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import llm_magics as lm
from tests.support.llama_server import serve

PROMPT = "What is the capital of Italy?"


@pytest.fixture(scope="module")
def remote(default_gguf: Path) -> Iterator[lm.RemoteModel]:
    with serve(default_gguf, "smollm") as address:
        yield lm.connect(address)


def test_logprobs_are_those_of_the_same_file_here(remote: lm.RemoteModel, model: lm.Model) -> None:
    assert remote.served == "smollm"
    there, here = (item.generate(PROMPT, max_tokens=8, temperature=0.0) for item in (remote, model))
    assert there.timing.prompt_tokens == here.timing.prompt_tokens
    first, own = there.tokens[0], here.tokens[0]
    assert first.id == own.id and first.text == own.text and abs(first.logprob - own.logprob) < 0.5
    ours = {other.id: other.logprob for other in own.alternatives}
    both = [(other.logprob, ours[other.id]) for other in first.alternatives if other.id in ours]
    assert len(both) >= 7 and max(abs(a - b) for a, b in both) < 1.0
    assert there.missing == ("entropy",) and len(first.alternatives) == 10
    drawn = remote.generate(PROMPT, max_tokens=4, temperature=1.5, seed=3).tokens[0]
    known = {other.id: other.logprob for other in first.alternatives}
    assert abs(drawn.logprob - known.get(drawn.id, drawn.logprob)) < 0.05  # raw, at any temperature


def test_forms_rows_labels_and_raw(remote: lm.RemoteModel) -> None:
    value = remote.generate("Ann is 31 years old.", schema="name, age int", max_tokens=80).value
    assert isinstance(value["name"], str) and isinstance(value["age"], int)
    answers = remote.map([f"Say {n}." for n in range(5)], max_tokens=8, temperature=0.0, progress=False)
    alone = [remote.generate(f"Say {n}.", max_tokens=8, temperature=0.0).text for n in range(5)]
    assert not answers.errors and answers.texts == alone
    choice = remote.choose("Is the sky blue? Answer yes or no.", {"yes": ["Yes", "yes"], "no": ["No", "no"]})
    assert 0 < choice.probabilities["yes"] < 1 and choice.record.head["approximate"]
    raw = remote.generate("Once upon a", raw=True, max_tokens=4)
    assert raw.prompt == "Once upon a" and len(raw.tokens) == 4


def test_errors_and_stopping(remote: lm.RemoteModel) -> None:
    with pytest.raises(lm.ContextOverflow) as caught:
        remote.generate("word " * 3000, max_tokens=4)
    assert caught.value.over > 1000
    stream = remote.stream("Write a long story.", max_tokens=1500)
    started = time.monotonic()
    threading.Timer(0.5, stream.close).start()
    count = sum(1 for _ in stream)
    assert time.monotonic() - started < 5 and count < 1400
    assert stream.generation.stop_reason == "interrupted"
