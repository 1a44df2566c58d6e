"""Test how many threads a session has where nobody states it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from llm_magics.engine.sessions import threads
from llm_magics.engine.sessions.session import open_session
from llm_magics.engine.sessions.threads import Threads
from llm_magics.models.loading import thread_trial


@pytest.fixture(autouse=True)
def own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Choose nothing yet, and keep what is chosen in a folder of the test's own."""
    monkeypatch.setattr(threads, "_chosen", None)
    monkeypatch.setattr(threads, "_CGROUP", tmp_path)
    monkeypatch.setenv("LLM_MAGICS_HOME", str(tmp_path / "home"))
    return tmp_path


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, 8),
        ({"cpu.max": "max 100000\n"}, 8),
        ({"cpu.max": "250000 100000\n"}, 2),
        ({"cpu.max": "20000 100000\n"}, 1),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 8),
        ({"cpu/cpu.cfs_quota_us": "300000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 3),
        ({"cpu.max": "damaged"}, 8),
    ],
)
def test_a_quota_of_a_container(
    files: dict[str, str], expected: int, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(16)), raising=False)
    monkeypatch.setattr(threads, "physical_cores", lambda: 8)
    for name, text in files.items():
        (own / name).parent.mkdir(exist_ok=True)
        (own / name).write_text(text)
    assert threads.usable_cores() == expected
    assert threads.default_threads() == (Threads() if expected == 8 else Threads(expected))


def test_fewer_processors_than_the_machine_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {3}, raising=False)
    monkeypatch.setattr(threads, "physical_cores", lambda: 8)
    assert threads.default_threads() == Threads(1)


def machine(monkeypatch: pytest.MonkeyPatch, cores: int) -> list[list[Threads]]:
    """Pretend to have so many cores, and list what is tried."""
    tried: list[list[Threads]] = []

    def fastest(usual: Threads, candidates: list[Threads]) -> Threads:
        tried.append(candidates)
        return candidates[-1]

    for module in (threads, thread_trial):
        monkeypatch.setattr(module, "physical_cores", lambda: cores)
        monkeypatch.setattr(module, "usable_cores", lambda: cores)
    monkeypatch.setattr(thread_trial, "fastest", fastest)
    return tried


def test_a_trial_is_made_once(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = machine(monkeypatch, 8)
    thread_trial.choose_threads()
    assert tried == [[Threads(), Threads(8), Threads(8, False), Threads(4), Threads(4, False)]]
    assert threads.default_threads() == Threads(4, False)
    monkeypatch.setattr(threads, "_chosen", None)
    thread_trial.choose_threads()
    assert len(tried) == 1 and threads.default_threads() == Threads(4, False)
    # Another machine, or a damaged file: once more.
    path = own / "home" / "threads.json"
    for text in (json.dumps({"machine": "another", "count": 3, "spin": True}), "{", '{"count": "3"}'):
        path.write_text(text)
        thread_trial.choose_threads()
        assert json.loads(path.read_text())["count"] == 4
    assert len(tried) == 4


def test_two_cores_need_no_trial(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = machine(monkeypatch, 2)
    thread_trial.choose_threads()
    assert not tried and threads.default_threads() == Threads()


def test_a_real_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every setting computes the same; the usual one stays unless another is clearly faster."""
    settings = [Threads(), Threads(1), Threads(1, spin=False)]
    seconds = thread_trial._time(tmp_path, settings)
    assert [*seconds] == settings and all(0 < time < 5 for time in seconds.values())
    feed = {"x": np.random.default_rng(0).standard_normal((1, 1, 2048)).astype(np.float32)}
    results = [
        open_session(
            tmp_path / "timed.onnx", threads=setting.count, spin=setting.spin, patterns=True, hint=""
        ).run(None, feed)[0]
        for setting in settings
    ]
    assert np.array_equal(results[0], results[1]) and np.array_equal(results[0], results[2])
    for times, expected in (((1.0, 0.95), 0), ((1.0, 0.5), 1)):
        pair = settings[:2]
        monkeypatch.setattr(
            thread_trial, "_time", lambda folder, tried, times=times: dict(zip(tried, times, strict=True))
        )
        assert thread_trial.fastest(pair[0], pair) == pair[expected]
