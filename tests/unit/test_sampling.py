from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from llm_magics import ModelFileError, SamplingOptions, UsageError
from llm_magics.core.sampling import (
    Sampler,
    TokenScorer,
    apply_penalties,
    apply_repetition_penalty,
    candidates,
    top_k_indices,
)
from llm_magics.formats import sampling_defaults


def logits(seed: int = 0, vocab: int = 1000) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal(vocab) * 3).astype(np.float32)


@pytest.mark.parametrize("vocab", [1, 7, 127, 128, 129, 1000, 49_152])
@pytest.mark.parametrize("k", [1, 10, 100])
def test_top_is_the_head_of_a_full_sort(vocab: int, k: int) -> None:
    x = logits(vocab, vocab)
    expected = np.argsort(-x, kind="stable")[:k]
    np.testing.assert_array_equal(top_k_indices(x, k), expected)


def test_top_breaks_ties_by_index() -> None:
    np.testing.assert_array_equal(top_k_indices(np.array([1, 3, 2, 3, 0], np.float32), 3), [1, 3, 2])


@pytest.mark.parametrize("shift", [0, 50, -50, 500, -500])
def test_weigh_against_float64(shift: float) -> None:
    x = logits(5) + np.float32(shift)
    p = np.exp(x.astype(np.float64) - x.max())
    p /= p.sum()
    order = np.argsort(-x)
    for place in (0, 1, 500, 999):
        found = TokenScorer(len(x)).score(x, int(order[place]), 5)
        assert found.rank == place
        assert found.logprob == pytest.approx(np.log(p[order[place]]), abs=1e-4)
        assert found.entropy == pytest.approx(-(p * np.log(p)).sum(), abs=1e-4)
        assert found.top_ids == tuple(order[:5])
        assert found.top_logprobs == pytest.approx(np.log(p[order[:5]]), abs=1e-4)


def test_certainty_has_no_entropy() -> None:
    x = np.full(100, -1e4, np.float32)
    x[3] = 0
    found = TokenScorer(100).score(x, 3, 0)
    assert (found.logprob, found.entropy, found.rank, found.top_ids) == (0, 0, 0, ())


def test_greedy_is_the_maximum_and_the_penalty_moves_it() -> None:
    x = logits(1)
    best, second = top_k_indices(x, 2).tolist()
    assert Sampler(SamplingOptions(temperature=0)).choose(x, [best]) == best
    assert Sampler(SamplingOptions(temperature=0, repetition_penalty=2.0)).choose(x, [best, best]) == second


def test_penalty_divides_positive_and_multiplies_negative_once() -> None:
    x = np.array([2.0, -2.0, 3.0], np.float32)
    np.testing.assert_allclose(apply_repetition_penalty(x, [0, 1, 1, 0], 2.0), [1.0, -4.0, 3.0])
    np.testing.assert_allclose(x, [2.0, -2.0, 3.0])


def test_same_seed_same_tokens_other_seed_others() -> None:
    def draw(seed: int) -> list[int]:
        sampler = Sampler(SamplingOptions(seed=seed, temperature=1.5, top_k=0, top_p=1, min_p=0))
        return [sampler.choose(logits(n), []) for n in range(20)]

    assert draw(3) == draw(3) != draw(4)


@pytest.mark.parametrize(
    "options",
    [
        {"top_k": 5},
        {"top_p": 0.5, "top_k": 0},
        {"top_p": 0.999, "top_k": 0},
        {"min_p": 0.2, "top_k": 0, "top_p": 1.0},
        {"top_k": 0, "top_p": 1.0, "min_p": 0.0},
    ],
)
def test_draws_follow_the_distribution(options: dict) -> None:
    chosen = SamplingOptions(temperature=1.3, **options)
    x = logits(9, 200)
    ids, odds = candidates(x, chosen)
    sampler = Sampler(chosen)
    drawn = np.bincount([sampler.choose(x, []) for _ in range(4000)], minlength=200)[ids] / 4000
    assert drawn.sum() == pytest.approx(1)
    np.testing.assert_allclose(drawn, odds / odds.sum(), atol=0.035)


@pytest.mark.parametrize(
    "bad",
    [
        {"temperature": -1},
        {"temperature": float("nan")},
        {"top_p": 0},
        {"top_p": 1.1},
        {"min_p": 2},
        {"top_k": -1},
        {"max_tokens": 0},
        {"max_tokens": True},
        {"seed": -1},
        {"repetition_penalty": 0},
        {"stop": ("",)},
        {"alternatives": 101},
        {"temperature": "hot"},
        {"top_k": 1.5},
    ],
)
def test_bad_options_are_named(bad: dict) -> None:
    with pytest.raises(UsageError, match=next(iter(bad)).split("_")[0]):
        SamplingOptions(**bad)


def test_options_round_trip() -> None:
    options = SamplingOptions(stop=["a", "b"], seed=5)  # type: ignore[arg-type]
    assert SamplingOptions.from_dict(options.to_dict()) == options


def test_presence_and_frequency_penalties_count_the_answer_alone() -> None:
    """As OpenAI's API and vLLM have them: logit − presence − count · frequency, of generated tokens."""
    logits = np.array([1.0, 2.0, 3.0, 4.0], np.float32)
    options = SamplingOptions(temperature=0, presence_penalty=1.5, frequency_penalty=0.5)
    changed = apply_penalties(logits, [3, 3, 2, 2, 1], 2, options)  # the prompt is 3, 3
    assert changed.tolist() == [1.0, 2.0 - 1.5 - 0.5, 3.0 - 1.5 - 2 * 0.5, 4.0]
    assert Sampler(options, 2).choose(logits, [3, 3, 2, 2, 1]) == 3
    assert Sampler(options, 0).choose(np.array([0, 0, 3.0, 4.0], np.float32), [3]) == 2


@pytest.mark.parametrize("size", [1, 2, 3])
def test_no_ngram_is_repeated_as_in_transformers(size: int) -> None:
    import torch
    from transformers import NoRepeatNGramLogitsProcessor

    rng = np.random.default_rng(0)
    for _ in range(50):
        seen = rng.integers(0, 5, int(rng.integers(1, 30))).tolist()
        logits = rng.normal(0, 1, 9).astype(np.float32)
        ours = apply_penalties(logits, seen, 0, SamplingOptions(no_repeat_ngram_size=size))
        theirs = NoRepeatNGramLogitsProcessor(size)(torch.tensor([seen]), torch.tensor(logits[None].copy()))
        assert np.array_equal(ours, theirs[0].numpy())


def test_something_is_always_left() -> None:
    options = SamplingOptions(temperature=0, no_repeat_ngram_size=1)
    assert Sampler(options).choose(np.array([1.0, 2.0], np.float32), [0, 1]) == 1


def test_records_of_answers_without_these_penalties_stay_as_they_were() -> None:
    assert not {"presence_penalty", "no_repeat_ngram_size"} & SamplingOptions().to_dict().keys()
    options = SamplingOptions(presence_penalty=0.5, no_repeat_ngram_size=3)
    assert SamplingOptions.from_dict(options.to_dict()) == options


def test_settings_of_the_maker_are_read(tmp_path: Path) -> None:
    assert sampling_defaults.from_folder(tmp_path) == {}
    file = tmp_path / "generation_config.json"
    file.write_text('{"temperature": 0.6, "top_k": 20, "do_sample": true, "min_p": null, "eos_token_id": 2}')
    assert sampling_defaults.from_folder(tmp_path) == {"temperature": 0.6, "top_k": 20}
    for text in ('{"temperature": -1}', '{"top_k": "many"}', "{", '{"top_p": [1]}'):
        file.write_text(text)
        with pytest.raises(ModelFileError, match="sampling settings"):
            sampling_defaults.from_folder(tmp_path)
    keys = {"general.sampling.temp": 0.6000000238418579, "general.sampling.penalty_repeat": 1.05}
    assert sampling_defaults.from_gguf(keys) == {"temperature": 0.6, "repetition_penalty": 1.05}
