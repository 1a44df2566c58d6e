"""Guesses, and that they change nothing but the number of engine calls."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_magics import Generation, Model, ModelInfo, SamplingOptions
from llm_magics.engine.base import Logits
from llm_magics.engine.generate import Stream
from llm_magics.engine.scripted import END, ScriptedCache, ScriptedEngine, ScriptedTokenizer
from llm_magics.engine.speculation.prompt_lookup import COST, EARNED, FIRST, MOST, PromptLookup

TEXT = "The fox ran over the hill, and the hound ran after the fox."


class Counting(ScriptedEngine):
    """Counts its calls: the tokens of each."""

    def __init__(self, *answers: str, **more: int) -> None:
        super().__init__(answers, **more)  # type: ignore[arg-type]
        self.calls: list[int] = []

    def cache(self) -> ScriptedCache:
        self.made = CountingCache(self)
        return self.made


class CountingCache(ScriptedCache):
    _engine: Counting

    def extend(self, ids: Sequence[int], *, all_logits: bool = False) -> Logits:
        self._engine.calls.append(len(ids))
        return super().extend(ids, all_logits=all_logits)


class Chained(Counting):
    """A model whose logits are a fixed random function of the last two tokens: every place has its own
    distribution.
    """

    def cache(self) -> ScriptedCache:
        return ChainedCache(self)


class ChainedCache(CountingCache):
    def extend(self, ids: Sequence[int], *, all_logits: bool = False) -> Logits:
        before = len(self.cached)
        super().extend(ids, all_logits=all_logits)
        rows = range(before, len(self.cached)) if all_logits else [len(self.cached) - 1]
        return np.stack([self._row(self.cached[max(0, at - 1) : at + 1]) for at in rows])

    def _row(self, last: Sequence[int]) -> Logits:
        rng = np.random.default_rng(sum(last) % 11)  # few of them, so that the text repeats itself
        logits = (rng.standard_normal(self._engine.vocab_size) * 3).astype(np.float32)
        logits[END] = -20
        return logits


def answer(engine: Counting, prompt: str, speculate: bool, **options: object) -> tuple[Generation, list[int]]:
    model = Model(engine, ScriptedTokenizer(), ModelInfo("scripted"))
    chosen = SamplingOptions(**options)  # type: ignore[arg-type]
    stream = Stream(
        model._runtime, list(prompt.encode()), chosen, prompt=prompt, model=model.info, speculate=speculate
    )
    for _ in stream:
        pass
    return stream.generation, engine.calls


def untimed(generation: Generation) -> list[object]:
    return [
        (token.id, token.text, token.logprob, token.entropy, token.rank, token.alternatives)
        for token in generation.tokens
    ]


def test_guesses_are_what_followed_the_longest_match_most_recently() -> None:
    guesser = PromptLookup()
    assert guesser.propose([1, 2, 3, 4], 10) == []
    assert PromptLookup().propose([1, 2, 7, 0, 1, 2, 8, 0, 1, 2], 1) == [8]
    assert PromptLookup().propose([5, 1, 2, 7, 0, 6, 1, 2, 8, 0, 5, 1, 2], 1) == [
        7
    ]  # three tokens tell more than two
    assert PromptLookup().propose([1, 2, 7, 0, 1, 2], 10) == [7, 0]  # the purse holds two at first
    assert PromptLookup().propose([1, 2, 7, 0, 1, 2], 0) == [] and PromptLookup().propose(
        [3], 5
    ) == [] == PromptLookup().propose([3, 3], 5)


def test_a_loop_is_guessed_on() -> None:
    guesser = PromptLookup()
    guesser.update(0, 5)  # rich
    guesser.update(MOST, MOST)
    assert guesser.propose([1, 2, 3, 1, 2, 3, 1, 2], 9) == [3, 1, 2, 3, 1, 2, 3, 1, 2]


@given(st.lists(st.integers(0, 3), min_size=1, max_size=200), st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_a_text_never_loses_more_than_the_purse_allows(ids: list[int], seed: int) -> None:
    """Whatever comes true: calls of one token, and what guessing added or saved, in hundredths of such a
    call.
    """
    guesser, rng, lost, made = PromptLookup(), random.Random(seed), 0, 0
    seen = list(ids)
    for _ in range(100):
        guessed = guesser.propose(seen, 20)
        right = min(rng.choice([0, 0, 0, 1, MOST]), len(guessed))
        guesser.update(len(guessed), right)
        lost += COST * len(guessed) - 100 * right
        made += right + 1
        assert len(guessed) <= MOST and lost <= FIRST + EARNED * made
        seen += [*guessed[:right], rng.randrange(4)]


def test_a_repeated_text_takes_fewer_calls() -> None:
    prompt = f"Repeat: {TEXT}\n"
    (plain, one), (guessed, several) = (
        answer(Counting(TEXT), prompt, on, temperature=0) for on in (False, True)
    )
    assert plain.text == guessed.text == TEXT and untimed(plain) == untimed(guessed)
    assert len(one) == len(TEXT) + 1 and len(several) < len(TEXT) / 2
    assert guessed.stop_reason == "stop" and guessed.timing.prompt_tokens == len(prompt)


def test_a_text_that_repeats_nothing_takes_no_other_calls() -> None:
    text = "".join(map(chr, range(33, 120)))
    _, calls = answer(Counting(text), "}~", True, temperature=0)
    assert calls == [2] + [1] * len(text)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "options",
    [
        {"temperature": 0},
        {"temperature": 0.3},
        {"temperature": 0.5, "repetition_penalty": 1.3},
        {"temperature": 0.2, "top_k": 2, "alternatives": 0},
    ],
    ids=str,
)
def test_the_same_seed_gives_the_same_records(seed: int, options: dict[str, object]) -> None:
    runs = [answer(Chained("x"), TEXT, on, seed=seed, max_tokens=150, **options) for on in (False, True)]
    (plain, _), (guessed, calls) = runs
    assert untimed(plain) == untimed(guessed) and plain.stop_reason == guessed.stop_reason
    assert max(calls[1:]) > 1  # there was something to get wrong
    if options == {"temperature": 0}:
        assert len(calls) < 100


def test_the_distribution_stays_what_it_is() -> None:
    """Over many seeds, the second token after a guessed one is drawn as often as without guesses: here even
    draw for draw.
    """
    for seed in range(60):
        runs = [
            answer(Chained("x"), "ababababab", on, seed=seed, max_tokens=8, temperature=1.0, top_k=3)
            for on in (False, True)
        ]
        assert untimed(runs[0][0]) == untimed(runs[1][0])


@pytest.mark.parametrize("most", [1, 2, 7, 20])
def test_max_tokens_ends_within_guesses(most: int) -> None:
    engine = Counting(TEXT)
    made, _ = answer(engine, TEXT, True, temperature=0, max_tokens=most)
    assert made.text == TEXT[:most] and made.stop_reason == "length" and len(made.tokens) == most
    assert len(engine.made.cached) == len(TEXT) + most - 1  # no more than it takes


def test_the_context_ends_within_guesses() -> None:
    room = len(TEXT) - 5
    made, _ = answer(Counting(TEXT, context_length=len(TEXT) + room), TEXT, True, temperature=0)
    assert made.text == TEXT[:room] and made.stop_reason == "length"


@pytest.mark.parametrize("stop", ["over", "the h", "fox."])
def test_a_stop_string_within_guesses(stop: str) -> None:
    runs = [answer(Counting(TEXT), f"{TEXT} {TEXT}", on, temperature=0, stop=(stop,)) for on in (False, True)]
    (plain, _), (guessed, calls) = runs
    assert max(calls[1:]) > 3
    assert guessed.text == TEXT[: TEXT.index(stop)] and untimed(plain) == untimed(guessed)
    assert guessed.stop_reason == "stop"


def test_an_end_token_that_was_guessed_ends_the_answer() -> None:
    engine, tokenizer = Counting("abcabc"), ScriptedTokenizer()
    model = Model(engine, tokenizer, ModelInfo("scripted"))
    ids = [*b"abcabc", END, *b"abcabc", END, *b"abc!"]
    stream = Stream(model._runtime, ids, SamplingOptions(temperature=0), prompt="", model=model.info)
    assert (
        len(list(stream)) == 7
        and stream.generation.text == "abcabc"
        and stream.generation.stop_reason == "stop"
    )
    assert list(engine.made.cached) == [*ids, *b"abcabc"]  # nothing after the end was kept


def test_closing_between_two_tokens_of_one_call() -> None:
    engine = Counting(TEXT, "ok")
    model = Model(engine, ScriptedTokenizer(), ModelInfo("scripted"))
    stream = Stream(
        model._runtime, list(TEXT.encode()), SamplingOptions(temperature=0), prompt=TEXT, model=model.info
    )
    calls = []
    while len(calls) < 2 or calls[-1] != calls[-2]:
        next(stream)
        calls.append(len(engine.calls))
    made = len(calls)
    stream.close()
    assert (
        stream.generation.text == TEXT[:made]
        and stream.generation.stop_reason == "interrupted"
        and not list(stream)
    )
    assert model.generate("hi", temperature=0).text == "ok"


def test_times_never_run_backwards() -> None:
    made, _ = answer(Counting(TEXT, seconds_per_token=0), TEXT, True, temperature=0)
    times = [token.time_s for token in made.tokens]
    assert times == sorted(times) and times[0] > 0
    assert made.timing.first_token_s == times[0]


def test_another_stream_in_between_two_calls() -> None:
    engine = Chained("x")
    model = Model(engine, ScriptedTokenizer(), ModelInfo("scripted"))

    def stream() -> Stream:
        return Stream(
            model._runtime,
            list(TEXT.encode()),
            SamplingOptions(temperature=0, max_tokens=60),
            prompt="",
            model=model.info,
        )

    alone = [token.id for token in stream()]
    one, two = stream(), stream()
    taken: tuple[list[int], list[int]] = ([], [])
    for turn in range(60):
        for mine, some in zip(taken, (one, two), strict=True):
            if turn % 3 or some is one:
                mine.extend(token.id for token in [next(some)])
    taken[1].extend(token.id for token in two)
    assert taken[0] == alone == taken[1]
