"""An interrupt at every line of the engine: the next answer is that of a fresh model, and nothing crashes."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import llm_magics as lm
from llm_magics.core.output import Output
from llm_magics.engine import generate, hf_onnx, ort
from llm_magics.engine.caches import batch_cache, cache_pool, kv_buffer, recurrent_state

_CACHES = (kv_buffer, cache_pool, batch_cache, recurrent_state)
FILES = {module.__file__ for module in (*_CACHES, hf_onnx, generate, ort)}


@contextmanager
def interrupted_at(line: int | None) -> Iterator[list[int]]:
    """Raise KeyboardInterrupt before the ``line``-th line of the engine that is run; count them."""
    seen = [0]

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code.co_filename not in FILES:
            return None
        if event == "line":
            seen[0] += 1
            if seen[0] == line:
                sys.settrace(None)
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield seen
    finally:
        sys.settrace(before)


def everywhere(work: Callable[[], object], after: Callable[[], None]) -> int:
    """Run ``work`` again and again, each time interrupted one line later; how many lines there are."""
    line = 0
    while True:
        line += 1
        with interrupted_at(line) as seen, suppress(KeyboardInterrupt):
            work()
        after()
        if seen[0] < line:  # it came to its end
            return seen[0]


PROMPT, OTHER = (
    "The quick brown fox jumps over the lazy dog. " * 2 + "Then it sleeps.",
    "something else altogether",
)


def records(answer: lm.Generation) -> list[tuple[object, ...]]:
    return [
        (token.id, token.text, token.logprob, token.entropy, token.alternatives) for token in answer.tokens
    ]


@pytest.fixture
def small_buffers(monkeypatch: pytest.MonkeyPatch) -> None:
    """So small that reading, decoding and copying all make them grow."""
    monkeypatch.setattr(ort, "FIRST_CAPACITY", 8)
    monkeypatch.setattr(batch_cache, "FIRST_CAPACITY", 8)
    monkeypatch.setattr(generate, "CHUNK", 50)


def test_at_every_line_of_an_answer(tiny_gguf: Path, home: Path, small_buffers: None) -> None:
    model = lm.load(str(tiny_gguf))
    ask = {"raw": True, "max_tokens": 12, "temperature": 0}
    expected = {prompt: records(model.generate(prompt, **ask)) for prompt in (PROMPT, OTHER)}
    model.pool.clear()

    def work() -> None:
        model.generate(PROMPT, **ask)
        model.generate(PROMPT[:100] + OTHER, **ask)  # a beginning that is copied

    def after() -> None:
        assert records(model.generate(OTHER, **ask)) == expected[OTHER]
        assert records(model.generate(PROMPT, **ask)) == expected[PROMPT]
        assert all(entry.is_idle for entry in model.pool._entries)
        model.pool.clear()

    assert everywhere(work, after) > 400


def test_at_every_line_of_a_batch(tiny_gguf: Path, home: Path, small_buffers: None) -> None:
    model = lm.load(str(tiny_gguf))
    ask: dict[str, Any] = {"raw": True, "max_tokens": 6, "temperature": 0, "progress": False}
    prompts = [PROMPT, PROMPT[:60] + OTHER, OTHER]
    expected = [records(answer) for answer in model.map(prompts, **ask)]  # type: ignore[arg-type]

    def after() -> None:
        assert [records(answer) for answer in model.map(prompts, **ask)] == expected  # type: ignore[arg-type]

    assert everywhere(lambda: model.map(prompts, **ask, rows=2), after) > 200


def test_at_every_line_of_a_reading(tiny_gguf: Path, home: Path, small_buffers: None) -> None:
    model = lm.load(str(tiny_gguf))
    expected = model.score(PROMPT)

    def after() -> None:
        assert model.score(PROMPT) == expected
        model.pool.clear()

    assert everywhere(lambda: model.score(PROMPT), after) > 50


@pytest.mark.parametrize("work", ["rewind", "append", "adopt"])
def test_never_more_is_noted_than_is_held(work: str) -> None:
    line = 0
    while True:
        line += 1
        held = kv_buffer.CacheContents()
        if work != "adopt":
            held.append(range(10))
        with interrupted_at(line) as seen, suppress(KeyboardInterrupt):
            held.truncate(4) if work == "rewind" else getattr(held, work)([7, 8, 9])
        assert held.reusable_length <= len(held.cached)
        if seen[0] < line:
            return


def test_an_output_that_is_interrupted_while_it_appears_stays_one_output(monkeypatch: Any) -> None:
    shown: list[str] = []

    class Handle:
        def update(self, bundle: dict[str, str], **_: object) -> None:
            shown.append(f"update {bundle['text/plain']}")

    def display(bundle: dict[str, str], **_: object) -> Handle:
        shown.append(f"display {bundle['text/plain']}")
        signal.raise_signal(signal.SIGINT)  # the message is out, the handle is not back
        return Handle()

    monkeypatch.setattr("IPython.display.display", display)
    output = Output()
    with pytest.raises(KeyboardInterrupt):
        output.show({"text/plain": "There"})
    output.show({"text/plain": "interrupted"})
    assert shown == ["display There", "update interrupted"]
