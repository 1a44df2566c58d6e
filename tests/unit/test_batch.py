"""Many prompts over scripted rows: order, refilling, errors, memory, interrupts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from llm_magics import ContextOverflow, Generation, LLMMagicsError, ModelInfo, SamplingOptions, UsageError
from llm_magics.engine.base import Logits
from llm_magics.engine.batch import Batch, Request, Result, SupportsBatching
from llm_magics.engine.caches.cache_pool import Pool
from llm_magics.engine.runtime import Runtime
from llm_magics.engine.scripted import ScriptedBatchCache, ScriptedEngine, ScriptedTokenizer

ANSWERS = ["a", "the second", "no. 3", "", "five is long, the longest of them all", "6!", "seven"]


class Watched(ScriptedEngine):
    """Keeps the rows it gave, which count their calls."""

    def batch_cache(self, rows: int) -> WatchedSlots:
        self.given = WatchedSlots(self, rows)
        return self.given


class WatchedSlots(ScriptedBatchCache):
    """Rows that remember how many were stepped at a time, and may be interrupted."""

    interrupt_at = 10**9

    def __init__(self, engine: ScriptedEngine, rows: int) -> None:
        super().__init__(engine, rows)
        self.sizes: list[int] = []
        self.begun: list[int] = []

    def start_row(self, row: int, ids: Sequence[int]) -> int:
        self.begun.append(row)
        return super().start_row(row, ids)

    def step(self, ids: Sequence[int]) -> Logits:
        self.sizes.append(len(ids))
        if len(self.sizes) > self.interrupt_at:
            raise KeyboardInterrupt
        return super().step(ids)


class OneSequence(ScriptedEngine):
    """An engine with no rows."""

    batch_cache = None  # type: ignore[assignment]


def request(prompt: str = "hi", **options: object) -> Request:
    return Request(list(prompt.encode()), prompt, SamplingOptions(**{"temperature": 0, **options}))  # type: ignore[arg-type]


def batch(engine: ScriptedEngine, requests: Sequence[Request | LLMMagicsError], **more: int) -> Batch:
    runtime = Runtime(engine, ScriptedTokenizer(), Pool(engine))
    return Batch(runtime, requests, model=ModelInfo("scripted"), **{"memory": 1 << 20, **more})


def texts(results: dict[int, Result]) -> list[str]:
    return [
        result.text if isinstance(result, Generation) else type(result).__name__
        for _, result in sorted(results.items())
    ]


@pytest.mark.parametrize("rows", [1, 2, 3, 7, 50])
def test_every_prompt_gets_its_own_answer(rows: int) -> None:
    engine = Watched(ANSWERS)
    asked = [request(f"prompt {number}") for number in range(len(ANSWERS))]
    results = dict(batch(engine, asked, rows=rows))
    assert texts(results) == ANSWERS
    for number, result in results.items():
        assert isinstance(result, Generation)
        assert (
            result.prompt == f"prompt {number}"
            and result.stop_reason == "stop"
            and result.timing.prompt_tokens == 8
        )
        times = [token.time_s for token in result.tokens]
        assert times == sorted(times) and times[0] > 0 and len(times) == len(ANSWERS[number]) + 1
    longest = len(ANSWERS[4])
    assert max(engine.given.sizes) == min(
        rows, len(ANSWERS) - 1
    )  # the empty answer ends before its first step
    if rows >= len(ANSWERS):
        assert len(engine.given.sizes) == longest
    assert sum(engine.given.sizes) == sum(map(len, ANSWERS))


def test_a_row_that_ends_is_filled_again_at_once() -> None:
    engine = Watched(["ab", "abcdefgh", "cd"])
    order = [index for index, _ in batch(engine, [request()] * 3, rows=2)]
    assert order == [0, 2, 1]
    assert engine.given.begun == [0, 1, 0] and engine.given.sizes == [2, 2, 2, 2, 1, 1, 1, 1]


def test_the_last_row_moves_where_one_has_ended() -> None:
    engine = Watched(["a", "bcd", "efghij"])
    assert texts(dict(batch(engine, [request()] * 3, rows=3))) == ["a", "bcd", "efghij"]
    assert engine.given.sizes == [3, 2, 2, 1, 1, 1]


def test_each_row_has_its_own_options() -> None:
    asked = [
        request(max_tokens=3),
        request(stop=("sec",)),
        request(alternatives=0),
        request(max_tokens=1, alternatives=3),
    ]
    results = dict(batch(Watched(["a long one", "the second", "x", "yz"]), asked, rows=4))
    assert texts(results) == ["a l", "the ", "x", "y"]
    kept = [result for _, result in sorted(results.items()) if isinstance(result, Generation)]
    assert [each.stop_reason for each in kept] == ["length", "stop", "stop", "length"]
    assert kept[2].tokens[0].alternatives == () and len(kept[3].tokens[0].alternatives) == 3
    assert [each.options for each in kept] == [each.options for each in asked]


def test_a_row_draws_as_a_single_stream_does() -> None:
    """Sampled rows of one seed take the same numbers whatever stands beside them."""
    asked = [request("same", temperature=1.5, seed=7, max_tokens=40, top_k=0, top_p=1.0, min_p=0.0)] * 3
    alone = dict(batch(Watched(["twelve words"]), asked[:1], rows=1))[0]
    together = dict(batch(Watched(["twelve words"]), [asked[0], request("other"), asked[0]], rows=3))
    assert isinstance(alone, Generation)
    for number in (0, 2):
        other = together[number]
        assert isinstance(other, Generation) and [token.id for token in other.tokens] == [
            token.id for token in alone.tokens
        ]


def test_a_bad_row_is_an_error_by_itself() -> None:
    asked = [request(), request("x" * 99), UsageError("no text", hint="…"), request(""), request()]
    asked.insert(4, Request([1, 257], "unknown token", SamplingOptions()))
    results = dict(batch(Watched(["one", "two"], context_length=50), asked, rows=2))
    assert texts(results) == ["one", "ContextOverflow", "UsageError", "UsageError", "UsageError", "two"]
    error = results[1]
    assert isinstance(error, ContextOverflow) and error.over == 50


def test_a_full_context_ends_a_row() -> None:
    result = dict(batch(Watched(["abcdefgh"], context_length=6), [request("xyz")], rows=2))[0]
    assert isinstance(result, Generation) and result.text == "abc" and result.stop_reason == "length"


def test_no_more_rows_than_memory_holds() -> None:
    engine = Watched(["abcdef"])  # one byte a token: 2 + 10 a row
    assert texts(dict(batch(engine, [request(max_tokens=10)] * 5, rows=5, memory=30))) == ["abcdef"] * 5
    assert max(engine.given.sizes) == 2
    engine = Watched(["abcdef"])
    assert texts(dict(batch(engine, [request(max_tokens=10)] * 3, rows=5, memory=0))) == ["abcdef"] * 3
    assert max(engine.given.sizes) == 1  # one always runs


def test_requests_are_read_when_a_row_is_free() -> None:
    read = []

    def requests() -> Iterator[Request]:
        for number in range(6):
            read.append(number)
            yield request()

    answers = batch(Watched(["abc"]), requests(), rows=2)  # type: ignore[arg-type]
    assert read == []
    next(answers)
    assert len(read) <= 4


def test_an_interrupt_keeps_what_there_is() -> None:
    engine = Watched(["ab", "abcdefgh", "cdefgh", "never"])
    answers = batch(engine, [request()] * 4, rows=2)
    got = [next(answers)]
    engine.given.interrupt_at = 4
    with pytest.raises(KeyboardInterrupt):
        got += list(answers)
    assert [index for index, _ in got] == [0]
    results = answers.results
    assert texts(results) == ["ab", "abcde", "cde"]
    reasons = [result.stop_reason for result in results.values() if isinstance(result, Generation)]
    assert reasons == ["stop", "interrupted", "interrupted"]
    assert list(answers) == []


def test_closing() -> None:
    answers = batch(Watched(["ab", "abcdefgh"]), [request()] * 2, rows=2)
    next(answers)
    answers.close()
    assert list(answers) == [] and texts(answers.results) == ["ab", "abc"]


def test_an_engine_with_one_sequence_answers_one_by_one() -> None:
    assert isinstance(Watched(["a"]), SupportsBatching)
    engine = OneSequence(["one", "two"], context_length=50)
    engine.batch_cache = None  # type: ignore[method-assign,assignment]
    asked = [request(), request("x" * 99), UsageError("no text", hint="…"), request()]
    assert texts(dict(batch(engine, asked))) == ["one", "ContextOverflow", "UsageError", "two"]
