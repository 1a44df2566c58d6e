"""Find which threads decode fastest on this machine: a trial of two seconds at first use; its result is kept.

It reads packed matrices of 60 MB one after the other with a norm behind each, as a decoded token does. Logits
have the same bits with every number of threads, so that only the speed depends on it.
"""

from __future__ import annotations

import json
import platform
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core import progress
from ...core.files import json_object, write_atomic
from ...engine.sessions import threads
from ...engine.sessions.threads import Threads, physical_cores, usable_cores
from ...errors import LLMMagicsError
from ...sources import store
from ..catalog.speed import save_timed_graph

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

_MANY = 3  # cores: with fewer there is nothing to choose, unless the container has a quota
_GAIN = 0.9  # of the time of the usual setting: less is noise
_LAYERS, _WIDTH, _INNER = 6, 2048, 4096  # of the products that are timed
_ROUNDS, _RUNS = 5, 4


def choose_threads() -> None:
    """Set the threads of the sessions of this process: those that won the trial on this machine."""
    if usable_cores() < _MANY and usable_cores() == physical_cores():
        return
    usual, machine = threads.default_threads(), _machine()
    with suppress(OSError, ValueError, TypeError, KeyError, LLMMagicsError):
        stored = json_object(_path())
        if stored["machine"] == machine and type(stored["count"]) is int and type(stored["spin"]) is bool:
            return threads.choose(Threads(max(0, stored["count"]), stored["spin"]))
    progress.report("choosing the number of threads …", None)
    best = fastest(usual, candidates(usual))
    threads.choose(best)
    with suppress(OSError, LLMMagicsError):  # it is tried again next time
        _path().parent.mkdir(parents=True, exist_ok=True)
        write_atomic(_path(), json.dumps({"machine": machine, **asdict(best)}))
    return None


def candidates(usual: Threads) -> list[Threads]:
    """List the settings that are tried, the usual one first."""
    cores = usable_cores()
    half = max(1, cores // 2)
    others = [Threads(cores), Threads(cores, spin=False), Threads(half), Threads(half, spin=False)]
    return [usual, *(other for other in others if other != usual)]


def fastest(usual: Threads, tried: list[Threads]) -> Threads:
    """Return the setting with the shortest run; the usual one where none is clearly faster."""
    with tempfile.TemporaryDirectory() as name:
        seconds = _time(Path(name), tried)
    best = min(tried, key=lambda setting: seconds[setting])
    return best if seconds[best] < _GAIN * seconds[usual] else usual


def _time(folder: Path, tried: list[Threads]) -> dict[Threads, float]:
    """Return the shortest time of a run with each setting, in seconds; they are tried in turns."""
    path = _write_graph(folder)
    sessions = {setting: _session(path, setting) for setting in tried}
    feed = {"x": np.ones((1, 1, _WIDTH), np.float32)}
    seconds = dict.fromkeys(tried, float("inf"))
    for _ in range(_ROUNDS):
        for setting, session in sessions.items():
            session.run(None, feed)  # wakes the threads
            for _ in range(_RUNS):
                begin = time.perf_counter()
                session.run(None, feed)
                seconds[setting] = min(seconds[setting], time.perf_counter() - begin)
    return seconds


def _session(path: Path, threads: Threads) -> InferenceSession:
    from ...engine.sessions.session import open_session

    hint = "Update onnxruntime."
    return open_session(path, threads=threads.count, spin=threads.spin, patterns=True, hint=hint)


def _write_graph(folder: Path) -> Path:
    """Write the graph that is timed, and return its path."""
    import onnx_ir as ir

    from ...decoder.graph_builder import GraphBuilder
    from ...decoder.quantize import BLOCK, Packed

    builder, random = GraphBuilder(folder), np.random.default_rng(0)
    x: Any = ir.Value(name="x", shape=ir.Shape([1, 1, _WIDTH]), type=ir.TensorType(ir.DataType.FLOAT))
    output = x
    for layer in range(_LAYERS):
        for inputs, outputs in ((_WIDTH, _INNER), (_INNER, _WIDTH)):
            q = random.integers(0, 256, (outputs, inputs // BLOCK, BLOCK // 2), np.uint8)
            weight = Packed(inputs, 4, q, np.full((outputs, inputs // BLOCK), 1e-3, np.float32))
            output = builder.linear(f"m{layer}.{inputs}", output, weight)
        scale = builder.constant(f"norm{layer}", np.ones(_WIDTH, np.float32))
        output = builder.node("SimplifiedLayerNormalization", [output, scale], epsilon=1e-5)
    return save_timed_graph(builder, x, [output], folder)


def _machine() -> str:
    """Return what the result of a trial is valid for."""
    import onnxruntime

    parts = platform.processor() or platform.machine(), _model_name(), usable_cores(), physical_cores()
    return " ".join(map(str, (*parts, onnxruntime.__version__)))


def _model_name() -> str:
    """Return the name of the processor, where the system tells it."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return ""


def _path() -> Path:
    return store.home() / "threads.json"
