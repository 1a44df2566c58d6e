"""Packed weights, unpacked in numpy, are the source's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest
from gguf import GGMLQuantizationType
from gguf.quants import quantize

import llm_magics.decoder.quantize as quantize_module
from llm_magics import UsageError
from llm_magics.decoder import graph_builder, smoothquant
from llm_magics.decoder.graph_builder import GraphBuilder
from llm_magics.decoder.precision import Precision, check_precision
from llm_magics.decoder.quantize import BLOCK, Packed, pack, pack4, pack_exact
from llm_magics.decoder.smoothquant import smooth8
from llm_magics.formats.tensors import Tensor
from tests.support.k_quants import q4_k


def stored(kind: str, rows: int = 6, columns: int = 96, seed: int = 0) -> Tensor:
    weights = np.random.default_rng(seed).standard_normal((rows, columns)).astype(np.float32) + 0.3
    if kind == "Q4_K":
        return q4_k("w", weights)
    blocks = quantize(weights, GGMLQuantizationType[kind]).view(np.uint8).reshape(rows, -1)
    return Tensor("w", kind, (rows, columns), blocks)


def unpack(packed: Packed, k: int) -> np.ndarray:
    """What MatMulNBits multiplies by, (N, K), the extension folded back in."""
    n, blocks = packed.scales.shape
    if packed.bits == 8:
        q = packed.q.astype(np.float64)
        zeros = np.full((n, blocks), 128.0) if packed.zeros is None else packed.zeros.astype(np.float64)
    else:
        q = np.stack([packed.q & 15, packed.q >> 4], -1).reshape(n, blocks, BLOCK).astype(np.float64)
        zeros = np.full((n, blocks), 8.0)
        if packed.zeros is not None:
            zeros = (
                np.stack([packed.zeros & 15, packed.zeros >> 4], -1)
                .reshape(n, -1)[:, :blocks]
                .astype(np.float64)
            )
    flat = ((q - zeros[..., None]) * packed.scales[..., None]).reshape(n, -1)
    weights, extra = flat[:, :k], flat[:, k : k + packed.means]
    return weights + np.repeat(extra / BLOCK, BLOCK, axis=1) if packed.means else weights


@pytest.mark.parametrize("kind", ["Q4_0", "Q8_0"])
def test_whole_zero_points_are_exact(kind: str) -> None:
    tensor = stored(kind)
    np.testing.assert_array_equal(unpack(pack([tensor]), 96).astype(np.float32), tensor.dequantize())


@pytest.mark.parametrize("kind", ["Q4_1", "Q4_K"])
def test_small_q4_1_is_widened_to_8_bits(kind: str) -> None:
    tensor = stored(kind, columns=256)
    packed = pack([tensor])
    assert packed.bits == 8 and packed.means == 0
    step = packed.scales.max() * 16  # the source's own d
    assert np.abs(unpack(packed, 256) - tensor.dequantize()).max() <= step / 32 * 1.001


@pytest.mark.parametrize("kind", ["Q4_1", "Q4_K"])
def test_large_q4_1_keeps_4_bits_and_extends_the_input(kind: str) -> None:
    tensor = stored(kind, 640, 1024)
    packed = pack([tensor])
    assert packed.bits == 4 and packed.means == 32
    error = unpack(packed, 1024) - tensor.dequantize()
    d = packed.scales[:, :32].mean()
    assert np.sqrt(np.square(error).mean()) < d / 40
    plain = Packed(
        1024, 4, packed.q, packed.scales, packed.zeros
    )  # without the means: what rounding the zero point would cost
    assert np.sqrt(np.square(unpack(plain, 1024) - tensor.dequantize()).mean()) > d / 5


@pytest.mark.parametrize("kind", ["F16", "Q5_0", "Q6_K"])
def test_other_kinds_are_rounded_to_8_bits(kind: str) -> None:
    source = np.random.default_rng(3).standard_normal((4, 256)).astype(np.float32)
    if kind == "Q6_K":  # no encoder in the gguf package: 8 bits of float32 do as well
        kind, blocks = "F32", source.view(np.uint8)
    else:
        blocks = quantize(source, GGMLQuantizationType[kind]).view(np.uint8).reshape(4, -1)
    tensor = Tensor("w", kind, (4, 256), blocks)
    packed = pack([tensor])
    assert packed.bits == 8
    assert np.abs(unpack(packed, 256) - tensor.dequantize()).max() <= packed.scales.max() / 2 * 1.001


def test_stacking_and_row_order() -> None:
    a, b = stored("Q4_0", seed=1), stored("Q4_0", seed=2)
    order = np.array([5, 4, 3, 2, 1, 0])
    expected = np.concatenate([a.dequantize()[order], b.dequantize()])
    np.testing.assert_array_equal(unpack(pack([a.take(order), b]), 96).astype(np.float32), expected)
    np.testing.assert_array_equal(Precision("fp32").pack("q", [a.take(order), b]), expected.T)


def test_large_tables_are_packed_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    tensor = Tensor.of("w", np.random.default_rng(0).standard_normal((37, 96)).astype(np.float32))
    whole = pack([tensor])
    monkeypatch.setattr(quantize_module, "CHUNK", 96 * 5)
    parts = pack([tensor])
    np.testing.assert_array_equal(whole.q, parts.q)
    np.testing.assert_array_equal(whole.scales, parts.scales)


@pytest.mark.parametrize("kind", ["F16", "BF16", "F32"])
def test_floats_are_read_as_the_gguf_package_reads_them(kind: str) -> None:
    tensor = stored(kind)
    from gguf.quants import dequantize

    np.testing.assert_array_equal(tensor.dequantize(), dequantize(tensor.blocks, GGMLQuantizationType[kind]))


def test_blocks_of_zeros_stay_zero() -> None:
    zero = Tensor("w", "Q4_1", (2, 64), np.zeros((2, 40), np.uint8))
    assert not unpack(pack([zero]), 64).any()


def test_four_bits_of_floats_are_the_nearest_and_find_a_grid_again() -> None:
    tensor = stored("Q4_1", 640, 1024)
    floats = Tensor.of("w", tensor.dequantize())
    np.testing.assert_allclose(unpack(pack4([floats]), 1024), unpack(pack([tensor]), 1024), atol=0.02)
    random = Tensor.of("w", np.random.default_rng(0).standard_normal((640, 1024)).astype(np.float32))
    error = unpack(pack4([random]), 1024) - random.dequantize()
    assert 0.003 < np.square(error).mean() < 0.0075  # (range / 15)² / 12 of a normal distribution is 0.0062


@pytest.mark.parametrize("kind", ["Q4_0", "Q4_1", "Q4_K", "Q8_0"])
def test_exact_keeps_every_bit(kind: str) -> None:
    tensor = stored(kind, columns=256)
    packed = pack_exact([tensor])
    assert packed is not None
    weights = unpack(packed, 256)
    if packed.offsets is not None:
        weights = weights + np.repeat(packed.offsets.T / BLOCK, BLOCK, axis=1)
    np.testing.assert_allclose(weights, tensor.dequantize(), rtol=0, atol=2e-7)
    assert pack_exact([stored("F16")]) is None


def test_blocks_of_equal_weights_keep_them() -> None:
    """A block without a range has d = 0: all of it is in its minimum, and in Q4_K it may not be positive."""
    weights = np.random.default_rng(0).standard_normal((640, 1024)).astype(np.float32)
    weights[:, 64:96], weights[:, 96:128] = -0.5, 0
    tensor = q4_k("w", weights)
    kept = unpack(pack([tensor]), 1024)
    error = np.abs(kept - tensor.dequantize())
    assert error[:, 64:96].max() < 0.08 and error[:, 96:128].max() < 0.08  # steps of 4 bits are 0.3 here
    assert np.array_equal(Precision("int4").pack("o", [tensor]).q, pack([tensor]).q)  # not rounded once more


def test_int4_gives_8_bits_to_what_it_would_harm() -> None:
    smooth = np.random.default_rng(0).standard_normal((640, 1024)).astype(np.float32)
    spiky = smooth.copy()
    spiky[:, ::32] *= 12  # one outlier a block takes the range from the other 31
    assert Precision("int4").pack("o", [Tensor.of("w", smooth)]).bits == 4
    assert Precision("int4").pack("o", [Tensor.of("w", spiky)]).bits == 8


def test_unknown_precision() -> None:
    with pytest.raises(UsageError, match=r"Did you mean int4"):
        check_precision("int44")


@pytest.mark.parametrize("kind", ["Q2_K", "Q3_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS"])
def test_other_k_quants_are_rounded_to_8_bits(kind: str) -> None:
    """The gguf package has no encoder for them: blocks of any bytes, with scales that are numbers, are as
    good.
    """
    from gguf import GGML_QUANT_SIZES
    from gguf.quants import dequantize

    width, size = GGML_QUANT_SIZES[GGMLQuantizationType[kind]]
    rng = np.random.default_rng(0)
    blocks = rng.integers(0, 256, (8, 512 // width, size), np.uint8)
    halves = {"Q2_K": (80, 82), "Q3_K": (108,), "Q5_K": (0, 2), "Q6_K": (208,)}.get(kind, (0,))
    for at in halves:
        blocks[..., at : at + 2] = (
            rng.uniform(0.001, 0.01, (8, 512 // width, 1)).astype(np.float16).view(np.uint8)
        )
    tensor = Tensor("w", kind, (8, 512), blocks.reshape(8, -1))
    expected = dequantize(tensor.blocks, GGMLQuantizationType[kind])
    np.testing.assert_array_equal(tensor.dequantize(), expected)
    packed = pack([tensor])
    assert (
        packed.bits == 8 and np.abs(unpack(packed, 512) - expected).max() <= packed.scales.max() / 2 * 1.001
    )


@pytest.mark.parametrize(
    ("precision", "most"), {"fp32": 0.0, "fp16": 2e-3, "int8": 0.02, "exact": 0.0, "int4": 0.3}.items()
)
def test_rows_of_a_large_table_are_looked_up(
    precision: str, most: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table is written some rows at a time: a row is the same wherever it stands."""
    monkeypatch.setattr(graph_builder, "CHUNK", 1000)
    table = np.random.default_rng(0).normal(0, 1, (50, 128)).astype(np.float32)
    b = GraphBuilder(tmp_path)
    ids = graph_builder.value("ids", ir.DataType.INT64, "B", "S")
    rows = b.lookup("table", Tensor.of("table", table), Precision(precision), ids)
    rows.name, rows.type, rows.shape = "rows", ir.TensorType(ir.DataType.FLOAT), ir.Shape(("B", "S", 128))
    b.close()
    graph = ir.Graph(
        [ids],
        [rows],
        nodes=b.nodes,
        initializers=b.initializers,
        opset_imports={"": 21, graph_builder.MS: 1},
    )
    ir.save(ir.Model(graph, ir_version=10), tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    wanted = np.array([[0, 7, 8, 49], [3, 3, 41, 20]])
    (got,) = session.run(None, {"ids": wanted})
    assert got.shape == (2, 4, 128) and np.abs(got - table[wanted]).max() <= most
    assert precision in ("fp32", "exact") or np.abs(got - table[wanted]).max() > 0


def test_smoothed_weights_and_inputs_multiply_to_the_product(monkeypatch: pytest.MonkeyPatch) -> None:
    """With outliers in some channels of the inputs, and rows of the weights packed some at a time."""
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((70, 96)).astype(np.float32)
    x = rng.standard_normal((20, 96)).astype(np.float32)
    x[:, ::24] *= 40
    monkeypatch.setattr(smoothquant, "CHUNK", 96 * 8)
    parts = [Tensor.of("a", weights[:30]), Tensor.of("b", weights[30:])]
    smoothed = smooth8(parts, np.abs(x).max(0))
    assert smoothed.q.shape == (96, 70) and np.abs(smoothed.q).max() == 127

    def rounded(values: np.ndarray) -> np.ndarray:
        scale = np.abs(values).max(-1, keepdims=True) / 127
        return np.rint(values / scale) * scale

    expected = x @ weights.T
    ours = rounded(x * smoothed.inverse) @ (smoothed.q * smoothed.scales)
    without = rounded(x) @ rounded(weights).T
    error, plain = np.square(ours - expected).mean(), np.square(without - expected).mean()
    assert error < np.square(expected).mean() * 2e-3 and error < plain / 2
