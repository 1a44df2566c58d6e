"""Guesses of a small model: they change how many calls an answer takes, and nothing of the answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest

from llm_magics import Model, ModelInfo, SamplingOptions, UsageError
from llm_magics.core.sampling import Sampler
from llm_magics.engine.base import Logits
from llm_magics.engine.generate import Stream
from llm_magics.engine.scripted import END, ScriptedCache, ScriptedEngine, ScriptedTokenizer
from llm_magics.engine.speculation.draft import MOST, best_count, same_vocabulary

PROMPT = "The fox"


class Random(ScriptedEngine):
    """A model whose logits are a fixed random function of the last two tokens, with noise of its own."""

    def __init__(self, noise: float = 0.0, sharpness: float = 3.0) -> None:
        super().__init__(["unused"])
        self.noise, self.sharpness, self.calls = noise, sharpness, 0

    def cache(self) -> ScriptedCache:
        return RandomCache(self)


class RandomCache(ScriptedCache):
    _engine: Random

    def extend(self, ids: Sequence[int], *, all_logits: bool = False) -> Logits:
        self._engine.calls += 1
        before = len(self.cached)
        super().extend(ids, all_logits=all_logits)
        rows = range(before, len(self.cached)) if all_logits else [len(self.cached) - 1]
        return np.stack([self._row(self.cached[max(0, at - 1) : at + 1]) for at in rows])

    def _row(self, last: Sequence[int]) -> Logits:
        engine = self._engine
        seed = sum(last) % 97
        logits = np.random.default_rng(seed).standard_normal(engine.vocab_size) * engine.sharpness
        logits += engine.noise * np.random.default_rng(seed + 1000).standard_normal(engine.vocab_size)
        logits[END] = -20
        return logits.astype(np.float32)


def model(engine: ScriptedEngine, size: int = 100) -> Model:
    return Model(engine, ScriptedTokenizer(), ModelInfo("scripted"), weights_bytes=size)


def stream(large: Model, small: Model | None, **options: object) -> Stream:
    made = large.stream(PROMPT, raw=True, draft=small, speculate=False, **options)
    made.to_end()
    return made


@pytest.mark.parametrize("noise", [0.0, 0.5, 3.0, 30.0])
@pytest.mark.parametrize("temperature", [0.0, 0.8, 1.5])
def test_a_draft_changes_nothing_of_an_answer(noise: float, temperature: float) -> None:
    small = model(Random(noise), 10)
    for seed in range(6):
        options = {"temperature": temperature, "seed": seed, "max_tokens": 60, "repetition_penalty": 1.1}
        with_draft, without = (
            stream(model(Random()), small, **options),
            stream(model(Random()), None, **options),
        )
        same = [
            [(token.id, token.logprob, token.u) for token in made.generation.tokens]
            for made in (with_draft, without)
        ]
        assert same[0] == same[1]
        guessed, right = with_draft.drafted
        assert 0 <= right <= guessed and without.drafted == (0, 0)
        if noise == 0:
            assert right == guessed > 30, "it samples with the same numbers"


def test_good_guesses_save_calls_and_bad_ones_end() -> None:
    good, bad, none = model(Random()), model(Random()), model(Random())
    stream(good, model(Random(), 10), max_tokens=200)
    worthless = stream(bad, model(Random(40.0), 10), max_tokens=200, temperature=1.5)
    stream(none, None, max_tokens=200)
    calls = [item.engine.calls for item in (good, bad, none)]  # type: ignore[attr-defined]
    assert calls[0] < calls[2] / 4 and calls[1] > calls[2] * 0.9
    assert worthless.drafted[0] < 40, "it is tried again now and then only"


def test_the_distribution_is_that_of_the_model() -> None:
    """Chi-square over 3,000 draws of the second token of an answer, against its exact distribution."""
    large, small = model(Random(sharpness=1.5)), model(Random(2.0, sharpness=1.5), 10)
    options = SamplingOptions(temperature=1.0, top_k=6, top_p=1.0, min_p=0.0, max_tokens=2)
    draws: Counter[tuple[int, int]] = Counter()
    for seed in range(3000):
        made = stream(large, small, temperature=1.0, top_k=6, top_p=1.0, min_p=0.0, max_tokens=2, seed=seed)
        first, second = (token.id for token in made.generation.tokens)
        draws[first, second] += 1
    exact: dict[tuple[int, int], float] = {}
    ids = list(PROMPT.encode())
    cache = RandomCache(Random(sharpness=1.5))
    for first, p in _probabilities(cache._row(ids[-2:]), options).items():
        for second, q in _probabilities(cache._row([ids[-1], first]), options).items():
            exact[first, second] = p * q
    assert set(draws) <= set(exact)
    expected = {pair: 3000 * p for pair, p in exact.items() if 3000 * p >= 5}
    rest = 3000 - sum(expected.values())
    statistic = sum((draws[pair] - mean) ** 2 / mean for pair, mean in expected.items())
    others = 3000 - sum(draws[pair] for pair in expected)
    statistic += (others - rest) ** 2 / rest if rest > 5 else 0.0
    degrees = len(expected) - (rest <= 5)
    # Wilson and Hilferty's approximation of the quantile of 99.99 %.
    bound = degrees * (1 - 2 / (9 * degrees) + 3.719 * (2 / (9 * degrees)) ** 0.5) ** 3
    assert degrees > 15 and statistic < bound, (statistic, bound)


def _probabilities(logits: Logits, options: SamplingOptions) -> dict[int, float]:
    order = np.argsort(-logits, kind="stable")[: options.top_k]
    odds = np.exp(logits[order].astype(np.float64) - logits.max())
    return dict(zip(order.tolist(), (odds / odds.sum()).tolist(), strict=True))


def test_the_number_of_guesses_pays() -> None:
    assert best_count(0.9, 0.1) > 2 and best_count(1.0, 0.01) == MOST
    assert best_count(0.9, 1.0) == 0, "a draft as large as the model is no help"
    assert best_count(0.1, 0.1) == 0 and best_count(0.0, 0.0) == 0


def test_a_draft_has_the_same_tokens() -> None:
    class Other(ScriptedTokenizer):
        def token_bytes(self, id: int) -> bytes:
            return b"?" if id == 7 else super().token_bytes(id)

    assert same_vocabulary(ScriptedTokenizer(), ScriptedTokenizer())
    assert not same_vocabulary(ScriptedTokenizer(), Other())
    wrong = Model(Random(), Other(), ModelInfo("other"))
    with pytest.raises(UsageError, match="other has other tokens than scripted"):
        model(Random()).stream("x", raw=True, draft=wrong)
    with pytest.raises(UsageError, match="draft must be a Model"):
        model(Random()).stream("x", raw=True, draft="other")  # type: ignore[arg-type]

    class Recurrent(Random):
        class shape:
            state_layers = 2

    with pytest.raises(UsageError, match="has recurrent layers"):
        model(Random()).stream("x", raw=True, draft=model(Recurrent()))


def test_the_cache_of_the_draft_is_given_back() -> None:
    small = model(Random(), 10)
    made = model(Random()).stream(PROMPT, raw=True, draft=small, max_tokens=50)
    for _, _ in zip(range(5), made, strict=False):
        pass
    assert not small.pool._entries[0].is_idle
    made.close()
    assert all(entry.is_idle for entry in small.pool._entries)
    model(Random()).stream(PROMPT, raw=True, draft=small, max_tokens=50).to_end()
    assert all(entry.is_idle for entry in small.pool._entries)


def test_a_forecast_leaves_the_sampler_alone() -> None:
    made = model(Random()).stream(PROMPT, raw=True, temperature=1.0)
    ahead = made.answer.forecast()
    assert isinstance(ahead, Sampler)
    row = np.zeros(257, np.float32)
    drawn = [ahead.choose(row, []) for _ in range(3)]
    again = made.answer.forecast()
    assert [again.choose(row, []) for _ in range(3)] == drawn
