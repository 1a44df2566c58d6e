"""Several answers of the real model at once: bit for bit what each is alone."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

import llm_magics as lm

LONG = "The ferry left the quay at ten past six, and the gulls had only begun to quarrel. " * 8
PROMPTS = [f"{n} {LONG}What left the {word}?" for n, word in enumerate(("quay", "harbour", "town"))]
OPTIONS: list[dict[str, Any]] = [
    {"temperature": 0, "speculate": False},
    {"temperature": 0.8, "seed": 3, "speculate": True},
]


@pytest.fixture(params=["packed", "fp32"])
def some(request: pytest.FixtureRequest, model: lm.Model, exact: lm.Model) -> lm.Model:
    return model if request.param == "packed" else exact


def record(answer: lm.Generation) -> list[object]:
    return [
        answer.text,
        answer.stop_reason,
        *((token.id, token.logprob, token.entropy, token.alternatives) for token in answer.tokens),
    ]


def alone(some: lm.Model, prompt: str, options: dict[str, Any]) -> list[object]:
    some.pool.clear()
    return record(some.generate(prompt, max_tokens=24, **options))


@pytest.mark.parametrize("options", OPTIONS, ids=["greedy", "guessing"])
def test_in_turns_and_gathered(some: lm.Model, options: dict[str, Any]) -> None:
    expected = [alone(some, prompt, options) for prompt in PROMPTS]
    some.pool.clear()
    streams = [some.stream(prompt, max_tokens=24, **options) for prompt in PROMPTS]
    going = list(streams)
    while going:
        going = [stream for stream in going if next(stream, None) is not None]
    assert [record(stream.generation) for stream in streams] == expected

    async def gathered() -> list[lm.Generation]:
        return await asyncio.gather(*(some.agenerate(p, max_tokens=24, **options) for p in PROMPTS))

    some.pool.clear()
    assert [record(answer) for answer in asyncio.run(gathered())] == expected


def test_beside_a_map(some: lm.Model) -> None:
    expected = alone(some, PROMPTS[0], OPTIONS[1])
    asked = ["Name a river.", "Name a town.", "Name a bird."] * 4
    rows = some.map(asked, max_tokens=16, progress=False)
    beside: list[lm.Generation | lm.LLMMagicsError] = []
    thread = threading.Thread(
        target=lambda: beside.extend(some.map(asked, max_tokens=16, progress=False)), daemon=True
    )
    thread.start()
    runs = 0
    while thread.is_alive() or not runs:
        assert alone(some, PROMPTS[0], OPTIONS[1]) == expected
        runs += 1
    assert [record(row) for row in beside] == [record(row) for row in rows]  # type: ignore[arg-type]


def test_conversations_stay_warm(model: lm.Model) -> None:
    model.pool.clear()
    for prompt in PROMPTS:
        model.generate(prompt, max_tokens=4)
    for prompt in PROMPTS:
        timing = model.generate(prompt, max_tokens=4).timing
        assert timing.cached_tokens == timing.prompt_tokens - 2


def test_the_budget_is_kept_and_can_be_set(model: lm.Model) -> None:
    before = model.pool.budget
    try:
        assert lm.load(cache_mb=60) is model and model.pool.budget == 60_000_000
        for prompt in PROMPTS:
            model.generate(prompt, max_tokens=2)
        assert model.pool.count == 2 and model.pool.nbytes <= 60_000_000
        with pytest.raises(lm.UsageError, match="cache_mb"):
            lm.load(cache_mb=0)
    finally:
        model.pool.budget = before


def test_measuring_beside_an_answer(model: lm.Model, exact: lm.Model, default_gguf: Path) -> None:
    expected = alone(model, PROMPTS[1], OPTIONS[0])
    thread = threading.Thread(target=model.measure_fidelity, daemon=True)
    thread.start()
    while thread.is_alive():
        assert alone(model, PROMPTS[1], OPTIONS[0]) == expected
    assert model.fidelity is not None and 0 < model.fidelity.kl < 0.01


def test_an_exact_model_is_its_source(exact: lm.Model) -> None:
    found = exact.measure_fidelity()
    assert found.kl == 0 and found.same_argmax == 1
