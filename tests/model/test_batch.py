"""Rows of the real model: what a stream says alone, several at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import llm_magics as lm
from llm_magics.engine.batch import Batch, Request
from llm_magics.engine.caches.batch_cache import OrtBatchCache
from llm_magics.engine.generate import Stream

PROMPTS = [
    "What is the capital of France?",
    "hi",
    "List three uses of copper.",
    "Explain photosynthesis to a child. Be sure to speak of the leaves, of the light, of water and of the "
    "air we breathe.",
    "Name a river.",
    "def fibonacci(n):",
    "Why is the sky blue?",
]


def requests(some: lm.Model, prompts: list[str], **options: Any) -> list[Request]:
    chosen = lm.SamplingOptions(**options)
    return [Request(ids, text, chosen) for text, ids in (some.encode(prompt) for prompt in prompts)]


def alone(some: lm.Model, request: Request) -> lm.Generation:
    some.pool.clear()
    stream = Stream(
        some._runtime, request.ids, request.options, prompt=request.prompt, model=some.info, speculate=False
    )
    for _ in stream:
        pass
    return stream.generation


def together(some: lm.Model, asked: list[Request], **more: int) -> list[lm.Generation]:
    results = dict(Batch(some._runtime, asked, model=some.info, **more))
    assert all(isinstance(result, lm.Generation) for result in results.values())
    return [results[index] for index in range(len(asked))]  # type: ignore[misc]


@pytest.mark.parametrize(
    "options", [{"temperature": 0}, {"temperature": 0.8, "seed": 3}], ids=["greedy", "sampled"]
)
def test_rows_say_in_fp32_what_a_stream_says(exact: lm.Model, options: dict[str, Any]) -> None:
    asked = requests(exact, PROMPTS, max_tokens=24, **options)
    for one, row in zip(
        [alone(exact, request) for request in asked], together(exact, asked, rows=3), strict=True
    ):
        assert (row.text, row.stop_reason) == (one.text, one.stop_reason)
        assert [token.id for token in row.tokens] == [token.id for token in one.tokens]
        for a, b in zip(one.tokens, row.tokens, strict=True):
            assert b.logprob == pytest.approx(a.logprob, abs=1e-3) and b.entropy == pytest.approx(
                a.entropy, abs=1e-3
            )


def test_a_row_does_not_depend_on_its_company(model: lm.Model) -> None:
    """Bit for bit, in the default precision too: alone, in any place, with a beginning taken from another
    row.
    """
    asked = requests(model, PROMPTS, max_tokens=24, temperature=0)
    kinds = [together(model, asked, rows=rows) for rows in (2, 7)]
    kinds.append(together(model, asked[::-1], rows=3)[::-1])
    kinds.append([together(model, [request], rows=1)[0] for request in asked])
    for kind in kinds[1:]:
        for one, row in zip(kinds[0], kind, strict=True):
            assert [token.id for token in row.tokens] == [token.id for token in one.tokens]
            assert [token.logprob for token in row.tokens] == [token.logprob for token in one.tokens]
    assert any(each.timing.cached_tokens > 5 for each in kinds[0]) and not kinds[3][1].timing.cached_tokens


def test_rows_past_the_first_capacity(exact: lm.Model, prose: list[int]) -> None:
    """A long row makes the buffer grow while short ones are in it."""
    texts = [exact.tokenizer.decode(prose[:n]) for n in (250, 10, 40)]
    chosen = lm.SamplingOptions(max_tokens=20, temperature=0)
    asked = [Request(prose[:n], text, chosen) for n, text in zip((250, 10, 40), texts, strict=True)]
    for request, row in zip(asked, together(exact, asked), strict=True):
        assert [token.id for token in row.tokens] == [token.id for token in alone(exact, request).tokens]


def test_an_answer_in_the_making_is_not_disturbed(exact: lm.Model) -> None:
    stream = exact.stream("Write a poem about rain.", max_tokens=12, temperature=0, seed=1)
    begun = [next(stream).id for _ in range(6)]
    together(exact, requests(exact, PROMPTS[:2], max_tokens=5))
    whole = begun + [token.id for token in stream]
    assert whole == [
        token.id for token in exact.generate("Write a poem about rain.", max_tokens=12, temperature=0).tokens
    ]


def test_rows_of_logits(exact: lm.Model, prose: list[int], reference: np.ndarray) -> None:
    """Rows of different lengths against transformers."""
    lengths = [100, 7, 33]
    slots = exact.engine.batch_cache(3)  # type: ignore[attr-defined]
    for row, length in enumerate(lengths):
        begin = slots.start_row(row, prose[:length])
        logits = slots.extend_row(row, prose[begin:length])
        assert np.abs(logits[0] - reference[length - 1]).max() < 5e-4
    for step in range(4):
        logits = slots.step([prose[length + step] for length in lengths])
        for row, length in enumerate(lengths):
            assert np.abs(logits[row] - reference[length + step]).max() < 5e-4
    slots.copy_prefix(2, 0)
    logits = slots.step([prose[lengths[2] + 4]])
    assert np.abs(logits[0] - reference[lengths[2] + 4]).max() < 5e-4


def test_map(model: lm.Model) -> None:
    options = {"max_tokens": 16, "temperature": 0}
    answers = model.map([PROMPTS[0], "word " * 9000, None, PROMPTS[1]], **options, progress=False)
    assert answers.texts[0] is not None and "Paris" in answers.texts[0] and answers.texts[3]
    assert sorted(answers.errors) == [1, 2] and isinstance(answers[1], lm.ContextOverflow)


def test_many_share_engine_calls(model: lm.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixteen answers of sixteen tokens: one call gives each of them a token. How much faster that is,
    benchmarks/ measures.
    """
    asked = requests(
        model,
        [f"Write one sentence about {word}." for word in ("rain", "bread", "trains", "gold")] * 4,
        max_tokens=16,
        temperature=0,
    )
    calls = []
    original = OrtBatchCache.step
    monkeypatch.setattr(
        OrtBatchCache, "step", lambda self, *given: (calls.append(1), original(self, *given))[1]
    )
    made = together(model, asked)
    tokens = sum(len(result.tokens) for result in made if isinstance(result, lm.Generation))
    assert tokens > 200 and 0 < len(calls) < tokens / 8
