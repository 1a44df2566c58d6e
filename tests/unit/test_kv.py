"""The pool of caches: what is found again, what stays warm, what goes, and who is never disturbed."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref

import pytest

from llm_magics import Model, ModelInfo
from llm_magics.engine.caches.cache_pool import LEAST, MOST, Pool, free_bytes
from llm_magics.engine.generate import CHUNK
from llm_magics.engine.scripted import ScriptedCache, ScriptedEngine, ScriptedTokenizer


def pool_of(budget: int = 1000) -> Pool:
    return Pool(ScriptedEngine(["x"]), budget)


def hold(pool: Pool, ids: list[int]) -> int:
    """Answer a prompt and go; how much of it was there."""
    lease = pool.acquire(ids)
    lease.extend(ids[lease.cached_tokens :])
    lease.release()
    return lease.cached_tokens


def held(pool: Pool) -> list[list[int]]:
    return [list(entry.cache.cached) for entry in pool._entries]


A, B, C = ([first, *range(first, first + 40)] for first in (1, 60, 120))


def test_conversations_stay_warm_side_by_side() -> None:
    pool = pool_of()
    assert [hold(pool, ids) for ids in (A, B, C)] == [0, 0, 0]
    assert [hold(pool, [*ids, 7, 8]) for ids in (A, B, C, A, B, C)] == [41, 41, 41, 41, 41, 41]
    assert pool.count == 3


def test_a_new_thread_of_the_same_beginning_copies_it() -> None:
    """A shared system prompt is taken over, and the conversation that had it keeps what it has."""
    pool = pool_of()
    hold(pool, A)
    assert hold(pool, [*A[:5], *B]) == 5
    assert sorted(held(pool)) == sorted([A, [*A[:5], *B]])


def test_a_prompt_whose_end_was_edited_keeps_the_other() -> None:
    pool = pool_of()
    hold(pool, A)
    assert hold(pool, [*A[:30], 9, 9]) == 30 and sorted(held(pool)) == sorted([A, [*A[:30], 9, 9]])
    assert hold(pool, A) == len(A) - 2 and pool.count == 2


def test_the_same_prompt_again_takes_no_more_memory() -> None:
    pool = pool_of()
    for _ in range(5):
        hold(pool, A)
    assert pool.count == 1


def test_what_is_in_use_is_copied_from_and_never_taken() -> None:
    pool = pool_of(budget=10)
    one = pool.acquire(A)
    one.extend(A)
    two = pool.acquire([*A, 9, 9])
    assert two.cached_tokens == len(A) and list(two.cached) == A
    two.extend([9, 9])
    assert list(one.cached) == A  # far over the budget, and still there
    one.extend([5])
    assert list(one.cached) == [*A, 5] and list(two.cached) == [*A, 9, 9]
    one.release(), two.release()
    assert pool.nbytes <= 43 and pool.count <= 1


def test_the_least_recently_used_goes_first() -> None:
    pool = pool_of(budget=3 * 41 + 2)
    for ids in (A, B, C):
        hold(pool, ids)
    hold(pool, A)  # used again
    assert hold(pool, [200] * 41) == 0
    assert B not in held(pool) and A in held(pool) and C in held(pool)
    assert pool.nbytes <= pool.budget


def test_growing_drops_idle_caches_before_it_takes_more() -> None:
    pool = pool_of(budget=100)
    hold(pool, A), hold(pool, B)
    lease = pool.acquire(C)
    lease.extend(C)
    assert pool.nbytes <= 100 and C in held(pool)
    lease.extend([1] * 50)
    assert held(pool) == [[*C, *[1] * 50]]


def test_a_lease_that_was_dropped_is_over() -> None:
    pool = pool_of()
    gc.disable()
    try:
        lease = pool.acquire(A)
        lease.extend(A)
        del lease
        assert hold(pool, [*A, 3, 4]) == 41 and pool.count == 1
    finally:
        gc.enable()


def test_released_twice_is_released_once() -> None:
    pool = pool_of()
    one = pool.acquire(A)
    one.release()
    two = pool.acquire(A)
    one.release()
    assert not pool._entries[0].is_idle
    two.release()
    assert pool._entries[0].is_idle


def test_tokens_that_came_one_by_one_are_computed_again() -> None:
    pool = pool_of()
    lease = pool.acquire(A)
    lease.extend(A)
    for id in (7, 8, 9):
        lease.extend([id])
    lease.release()
    assert hold(pool, [*A, 7, 8, 9, 10, 11]) == len(A)


def test_one_token_is_never_left_alone() -> None:
    pool = pool_of()
    hold(pool, A)
    assert hold(pool, A) == len(A) - 2
    assert pool.acquire([]).cached_tokens == 0


def test_the_budget_fits_the_machine() -> None:
    assert LEAST <= Pool(ScriptedEngine(["x"])).budget <= MOST
    assert 0 < free_bytes() < 1 << 50


def test_a_containers_limit_counts(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "max").write_text(str(300 << 20) + "\n")
    (tmp_path / "now").write_text(str(100 << 20) + "\n")
    monkeypatch.setattr(
        "llm_magics.engine.caches.cache_pool._CGROUPS", ((str(tmp_path / "max"), str(tmp_path / "now")),)
    )
    assert free_bytes() == 200 << 20
    (tmp_path / "max").write_text("max\n")
    assert free_bytes() > 200 << 20


def scripted(*answers: str, **more: object) -> Model:
    return Model(ScriptedEngine(answers, **more), ScriptedTokenizer(), ModelInfo("scripted"))  # type: ignore[arg-type]


def test_a_dropped_model_is_gone_at_once() -> None:
    """With no help of the garbage collector: an answer in the making holds no model in a ring."""
    gc.disable()
    try:
        model = scripted("abc", "def", "ghi")
        model.generate("hi")
        stream = model.stream("hi")
        next(stream)
        dead = [weakref.ref(model), weakref.ref(model.pool), weakref.ref(model.engine)]
        answer = model.last
        del model, stream
        assert [ref() for ref in dead] == [None] * 3
        assert answer is not None and answer.text == "d"
    finally:
        gc.enable()


def test_a_stream_that_was_left_gives_its_cache_back() -> None:
    gc.disable()
    try:
        model = scripted("abc", "def")
        for _ in model.stream("a prompt"):
            break
        assert model.generate("a prompt").text == "def" and model.pool.count == 1
    finally:
        gc.enable()


class Slow(ScriptedEngine):
    """Counts the calls of its caches."""

    calls = 0

    def cache(self) -> ScriptedCache:
        engine = self

        class Counted(ScriptedCache):
            def extend(self, ids, *, all_logits=False):  # type: ignore[no-untyped-def]
                engine.calls += 1
                return super().extend(ids, all_logits=all_logits)

        return Counted(self)


def slow(*answers: str) -> Model:
    engine = Slow(answers, context_length=1 << 20, seconds_per_token=0.02)
    return Model(engine, ScriptedTokenizer(), ModelInfo("slow"))


def test_cancelling_is_heard_within_a_chunk_of_the_prompt() -> None:
    model = slow("abc")

    async def work() -> None:
        task = asyncio.create_task(model.agenerate("x" * (CHUNK * 200)))  # four seconds of prompt
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        made = model.engine.calls  # type: ignore[attr-defined]
        await asyncio.sleep(0.2)
        assert model.engine.calls <= made + 1  # type: ignore[attr-defined]

    began = time.monotonic()
    asyncio.run(work())
    assert time.monotonic() - began < 2


def test_close_from_another_thread() -> None:
    model = slow("a" * 500)
    stream = model.stream("hi", max_tokens=500)
    texts: list[str] = []
    reader = threading.Thread(target=lambda: texts.extend(token.text for token in stream))
    reader.start()
    while not texts:
        time.sleep(0.01)
    stream.close()
    reader.join(2)
    assert not reader.is_alive()
    made = stream.generation
    assert made.stop_reason == "interrupted" and made.text == "".join(texts) and 0 < len(texts) < 100
    assert list(stream) == [] and all(entry.is_idle for entry in model.pool._entries)


def test_close_while_the_prompt_is_read() -> None:
    model = slow("abc")
    stream = model.stream("x" * (CHUNK * 200))
    reader = threading.Thread(target=lambda: list(stream))
    reader.start()
    time.sleep(0.15)
    stream.close()
    reader.join(1)
    assert not reader.is_alive() and stream.generation.text == ""


def test_a_stream_that_is_closed_before_it_began_does_nothing() -> None:
    model = slow("abc")
    stream = model.stream("hi")
    stream.close()
    assert list(stream) == [] and model.engine.calls == 0  # type: ignore[attr-defined]


@pytest.mark.parametrize("how", ["close", "interrupt", "drop"])
def test_text_held_for_a_stop_string_is_kept(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = scripted("one END")
    stream = model.stream("hi", stop="ENDS", temperature=0)
    shown = "".join(next(stream).text for _ in range(7))
    assert shown == "one "
    if how == "close":
        stream.close()
    elif how == "drop":
        del stream
    else:

        def interrupted(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(ScriptedCache, "extend", interrupted)
        with pytest.raises(KeyboardInterrupt):
            next(stream)
    assert model.last is not None and model.last.text == "one END"
    assert "".join(token.text for token in model.last.tokens) == "one END"
    assert model.last.stop_reason == "interrupted"


def test_half_a_character_is_not_lost_in_silence() -> None:
    model = scripted("aé")
    stream = model.stream("hi", temperature=0)
    next(stream), next(stream)
    stream.close()
    assert stream.generation.text == "a\ufffd"
