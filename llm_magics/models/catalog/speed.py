"""Expect the speed of a model before it is downloaded, from one short measurement of this machine.

A decoded token reads every weight once, and each node of the graph costs a call. The seconds of a token are
the bytes at 4 bits by the rate of the 4-bit kernel, the bytes at 8 bits by the rate of the 8-bit kernel, and
the nodes times the seconds of a node. The rates are those of ONNX Runtime's MatMulNBits with one row, which
has the limits of memory and of int8 arithmetic in it. benchmarks/memory.py compares with measured speeds.
"""

from __future__ import annotations

import json
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...core import progress
from ...core.files import json_object, write_atomic
from ...errors import LLMMagicsError
from ...sources import store
from ..adapters.roles import weights_in

if TYPE_CHECKING:
    import onnx_ir as ir

    from ...core.records import Generation
    from ...decoder.graph_builder import GraphBuilder
    from ...decoder.spec import DecoderSpec

KEPT_S = 24 * 3600.0  # the measurement of a machine
_ROWS, _WIDTH = 4096, 2048  # of the products that are timed
_BYTES = 240_000_000  # of all of them: more than the cache of a processor holds for one process
_NODES = 200
_TIMED_S, _WARM_RUNS, _MOST_RUNS = 0.25, 2, 200
_NODES_PER_LAYER = 15
_SCALE = 4 / 32  # bytes of a weight's share of its block's scale
_FEWEST = 16  # tokens of an answer that is taken as a measurement


@dataclass(frozen=True, slots=True)
class Machine:
    """What was measured.

    Attributes:
        four_bits, eight_bits: rates in bytes a second of packed weights.
        node: seconds a node of the graph.
        measured_at: seconds since 1970.
    """

    four_bits: float
    eight_bits: float
    node: float
    measured_at: float

    def tokens_per_s(self, spec: DecoderSpec, bits: int) -> float:
        """Return the expected speed of decoding.

        Args:
            spec: the decoder.
            bits: 4, 8 or 32 of most matrices.
        """
        table = spec.vocab * spec.hidden
        experts = 3 * spec.expert_ffn * spec.hidden * (spec.layers - spec.dense_layers)
        idle = experts * (spec.experts - spec.experts_used) if spec.experts else 0
        matrices = weights_in(spec) - 2 * table - idle
        rate = self.four_bits if bits == 4 else self.eight_bits
        head = 4.0 if bits == 32 else 1 + _SCALE
        seconds = matrices * (bits / 8 + (_SCALE if bits < 32 else 0)) / rate + table * head / self.eight_bits
        return 1 / (seconds + self.node * _NODES_PER_LAYER * spec.layers)


def machine(*, measure: bool = True) -> Machine | None:
    """Return the measurement of this machine: that of the last day, or a new one.

    Args:
        measure: whether to measure where there is none; None is returned otherwise.
    """
    with suppress(OSError, ValueError, TypeError, KeyError, LLMMagicsError):
        stored = Machine(**{name: float(value) for name, value in json_object(_path()).items()})
        if 0 <= time.time() - stored.measured_at < KEPT_S and min(stored.four_bits, stored.eight_bits) > 0:
            return stored
    if not measure:
        return None
    progress.report("measuring this machine …", None)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        result = Machine(_rate(folder, 4), _rate(folder, 8), _node_seconds(folder), time.time())
    _write(_path(), asdict(result))
    return result


def note_speed(answer: Generation) -> None:
    """Keep the speed of an answer: it replaces the expectation from then on."""
    speed = answer.timing.decode_tokens_per_s
    if len(answer.tokens) < _FEWEST or not speed > 0:
        return
    speeds = measured_speeds()
    key = f"{answer.model.name}/{answer.model.precision}"
    before = speeds.get(key)
    if before is None or abs(speed / before - 1) > 0.05:
        _write(store.home() / "speeds.json", {**speeds, key: round(speed, 2)})


def measured_speeds() -> dict[str, float]:
    """Return "name/precision" → tokens a second, as measured in use."""
    try:
        known = json_object(store.home() / "speeds.json")
    except (OSError, ValueError, LLMMagicsError):
        return {}
    return {
        name: float(value) for name, value in known.items() if isinstance(value, (int, float)) and value > 0
    }


def _path() -> Path:
    return store.home() / "machine.json"


def _write(path: Path, value: object) -> None:
    """Write a note; where the folder cannot be written, it is measured again next time."""
    with suppress(OSError, LLMMagicsError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, json.dumps(value))


def _rate(folder: Path, bits: int) -> float:
    """Measure products of one row with packed weights, in bytes a second."""
    from ...decoder.graph_builder import GraphBuilder
    from ...decoder.quantize import BLOCK, Packed

    x, builder = _input(), GraphBuilder(folder)
    q = np.random.default_rng(0).integers(0, 256, (_ROWS, _WIDTH // BLOCK, BLOCK * bits // 8), np.uint8)
    weight = Packed(_WIDTH, bits, q, np.full((_ROWS, _WIDTH // BLOCK), 1e-3, np.float32))
    count, outputs = _BYTES // weight.nbytes, []
    for index in range(count):
        q[0, 0] = index % 256  # ONNX Runtime keeps equal weights once
        outputs.append(builder.linear(f"m{index}", x, weight))
    return count * weight.nbytes / _seconds(builder, x, outputs, folder)


def _node_seconds(folder: Path) -> float:
    """Measure a chain of small nodes, in seconds a node."""
    from ...decoder.graph_builder import GraphBuilder

    builder, x = GraphBuilder(folder), _input()
    scale = builder.constant("scale", np.ones(_WIDTH, np.float32))
    output = x
    for _ in range(_NODES):
        output = builder.node("SimplifiedLayerNormalization", [output, scale], epsilon=1e-5)
    return _seconds(builder, x, [output], folder) / _NODES


def _input() -> ir.Value:
    import onnx_ir as ir

    return ir.Value(name="x", shape=ir.Shape([1, 1, _WIDTH]), type=ir.TensorType(ir.DataType.FLOAT))


def save_timed_graph(builder: GraphBuilder, x: ir.Value, outputs: list[ir.Value], folder: Path) -> Path:
    """Write a graph that is only timed, next to the weights of its builder, and return its path."""
    import onnx_ir as ir

    from ...decoder.graph_builder import MS

    builder.close()
    for output in outputs:
        output.type = ir.TensorType(ir.DataType.FLOAT)
    graph = ir.Graph(
        [x],
        outputs,
        nodes=builder.nodes,
        initializers=builder.initializers,
        name="timed",
        opset_imports={"": 21, MS: 1},
    )
    path = folder / "timed.onnx"
    ir.save(ir.Model(graph, ir_version=10, producer_name="llm-magics"), path)
    return path


def _seconds(builder: GraphBuilder, x: ir.Value, outputs: list[ir.Value], folder: Path) -> float:
    """Return the least seconds of a run of a graph."""
    from ...engine.sessions.session import open_session

    path = save_timed_graph(builder, x, outputs, folder)
    session = open_session(path, threads=0, patterns=True, hint="Update onnxruntime.")
    feed = {"x": np.ones((1, 1, _WIDTH), np.float32)}
    best, end = float("inf"), time.perf_counter() + _TIMED_S
    for count in range(_MOST_RUNS):
        begin = time.perf_counter()
        session.run(None, feed)
        if count >= _WARM_RUNS:
            best = min(best, time.perf_counter() - begin)
        if time.perf_counter() > end and count > _WARM_RUNS:
            break
    return best
