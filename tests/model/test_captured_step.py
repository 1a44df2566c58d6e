"""Steps that a card replays as a CUDA graph: what a CPU can prove of them, with its own kernels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import llm_magics as lm
from llm_magics import ModelFileError
from llm_magics.engine.caches import captured_step
from llm_magics.engine.caches.captured_step import CapturedStep
from llm_magics.engine.ort import OrtEngine
from llm_magics.models.model import Model
from llm_magics.tuning.run import run_to_end
from tests.support.cards import pretend_card
from tests.support.runs import run_of


@pytest.fixture(autouse=True)
def card(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_card(monkeypatch)


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, int]]:
    """Every replayed step: the id of its graph, its token, and the length after it."""
    seen: list[tuple[str, int, int]] = []
    real = CapturedStep.run

    def run(self: CapturedStep, token: int, total: int) -> Any:
        seen.append((self._options.get_run_config_entry("gpu_graph_id"), token, total))
        return real(self, token, total)

    monkeypatch.setattr(CapturedStep, "run", run)
    return seen


def engine_of(model: Model) -> OrtEngine:
    assert isinstance(model.engine, OrtEngine)
    return model.engine


def test_steps_have_the_logits_of_the_kernels(
    home: Path, default_gguf: Path, steps: list[tuple[str, int, int]]
) -> None:
    engine = engine_of(lm.load(device="cuda"))
    assert engine.captures
    steps.clear()  # those of the trial
    captured, plain = engine.cache(), engine.without_capture().cache()
    ids = np.random.default_rng(0).integers(0, 49_000, 530).tolist()
    for part in (
        ids[:500],
        *([token] for token in ids[500:]),
    ):  # the buffer is moved on the way
        assert np.array_equal(captured.extend(part), plain.extend(part))
    assert [step[1:] for step in steps] == [(token, 501 + n) for n, token in enumerate(ids[500:])]
    assert len({step[0] for step in steps}) == 2  # what was captured is not replayed over freed memory
    captured.truncate(40)
    plain.truncate(40)
    assert np.array_equal(captured.extend([7]), plain.extend([7]))  # the same memory: the same graph
    assert len({step[0] for step in steps}) == 2


def test_each_cache_has_a_graph_of_its_own(
    home: Path, tiny_gguf: Path, steps: list[tuple[str, int, int]]
) -> None:
    engine = engine_of(lm.load(str(tiny_gguf), device="cuda"))
    steps.clear()
    caches = [engine.cache(), engine.cache()]
    for cache in caches:
        cache.extend([1, 2, 3])
    expected = [cache.extend([4])[0].copy() for cache in caches]
    assert np.array_equal(*expected) and len({step[0] for step in steps}) == 2
    assert "0" not in {step[0] for step in steps}  # reserved by ONNX Runtime


def test_what_is_not_a_step_of_one_sequence_is_not_captured(
    home: Path, tiny_gguf: Path, steps: list[tuple[str, int, int]]
) -> None:
    model = lm.load(str(tiny_gguf), device="cuda")
    adapter = run_to_end(run_of(lm.load(str(tiny_gguf), device="cpu"), steps=2)).adapter
    steps.clear()
    cache = engine_of(model).cache()
    cache.extend([1])  # a first token has nothing behind it
    cache.extend([2, 3])
    cache.extend([4], all_logits=True)
    assert [step[1:] for step in steps] == [(4, 4)]
    steps.clear()
    list(model.map(["Hello", "Once upon"], max_tokens=4))
    model.with_adapter(adapter).generate("Hello", max_tokens=4)
    assert not steps
    model.generate("Hello", max_tokens=4, speculate=False)
    assert len(steps) >= 3


def test_steps_that_answer_otherwise_are_not_used(
    home: Path, tiny_gguf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr("llm_magics.core.progress.warn", told.append)
    real = CapturedStep.run
    monkeypatch.setattr(CapturedStep, "run", lambda self, token, total: real(self, token, total - 1))
    model = lm.load(str(tiny_gguf), device="cuda")
    assert not engine_of(model).captures and "float16 on cuda" in model.info.precision
    assert len(told) == 1 and told[0].startswith(
        "cuda:0 is used without a CUDA graph: its answers differ (KL"
    )
    assert model.generate("Hello", max_tokens=4).tokens


@pytest.mark.parametrize("where", ["opened", "run"])
def test_a_card_that_captures_nothing(
    where: str, home: Path, tiny_gguf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr("llm_magics.core.progress.warn", told.append)

    def refuse(*_: Any, **__: Any) -> Any:
        raise ModelFileError("this session cannot capture")

    if where == "run":
        monkeypatch.setattr(CapturedStep, "run", refuse)
    else:
        real = OrtEngine.__init__

        def opened(self: OrtEngine, *args: Any, **options: Any) -> None:
            if options.get("cuda_graph"):
                refuse()
            real(self, *args, **options)

        monkeypatch.setattr(OrtEngine, "__init__", opened)
    model = lm.load(str(tiny_gguf), device="cuda")
    (warning,) = told
    assert warning.startswith("cuda:0 is used without a CUDA graph: ")
    assert warning.endswith("this session cannot capture")
    assert not engine_of(model).captures and model.generate("Hello", max_tokens=4).tokens


def test_a_graph_is_released_with_its_cache(
    home: Path, tiny_gguf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engine_of(lm.load(str(tiny_gguf), device="cuda"))
    if not hasattr(engine.session, "release_captured_graph"):
        pytest.skip("ONNX Runtime before 1.32 has no such call")
    released: list[int] = []
    monkeypatch.setattr(engine.session, "release_captured_graph", released.append)
    first = next(captured_step._ids) + 1
    cache = engine.cache()
    cache.extend([1, 2, 3])
    cache.extend([4])
    cache.reserve(1024)  # elsewhere in memory
    assert released == [first]
    cache.extend([5])
    del cache
    assert released == [first, first + 1]
