"""Every precision on the default model, against transformers over its weights in fp32: 600 tokens of
prose.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from llm_magics.decoder import graph
from llm_magics.decoder.families import FAMILIES, spec_of
from llm_magics.decoder.precision import Precision
from llm_magics.decoder.spec import DecoderSpec
from llm_magics.decoder.weights import Weights
from llm_magics.engine.ort import OrtEngine
from llm_magics.formats.gguf import GgufFile
from llm_magics.formats.gguf_config import config_from_gguf
from llm_magics.formats.tensors import Tensor
from tests.support.decoders import log_softmax
from tests.support.k_quants import q4_k

# (from, precision) → largest mean KL in nats per token, least share of equal arg-max, largest weights.bin in
# MB. Of 200 tokens, one in twenty or a little more: processors round otherwise.
CASES = {
    ("file", "int8"): (0.01, 0.93, 170),
    ("file", "int4"): (0.01, 0.93, 130),
    ("file", "exact"): (1e-6, 0.998, 130),
    ("floats", "auto"): (0.01, 0.93, 170),
    ("floats", "int4"): (0.05, 0.93, 130),
    ("floats", "fp16"): (1e-5, 0.998, 330),
}


class AsFloats(Weights):
    """The same weights as if they had come in float32."""

    def matrix(
        self, role: str, layer: int = 0, shape: tuple[int, int] | None = None, *, expert: int = 0
    ) -> Tensor:
        tensor = super().matrix(role, layer, shape, expert=expert)
        return Tensor.of(tensor.name, tensor.dequantize())


class WithQ4K(Weights):
    """The same weights, with every matrix in Q4_K that its layout allows: those of the MLP's way back."""

    def matrix(
        self, role: str, layer: int = 0, shape: tuple[int, int] | None = None, *, expert: int = 0
    ) -> Tensor:
        tensor = super().matrix(role, layer, shape, expert=expert)
        return tensor if tensor.shape[1] % 256 else q4_k(tensor.name, tensor.dequantize())


def logits_of(folder: Path, spec: DecoderSpec, ids: list[int]) -> np.ndarray:
    """Return the logits of a converted decoder, (tokens, vocabulary)."""
    engine = OrtEngine(
        folder / "decoder.onnx",
        vocab_size=spec.vocab,
        context_length=spec.context,
        cache_shape=spec.cache_shape,
    )
    cache = engine.cache()
    parts = [cache.extend(ids[at : at + 100], all_logits=True).copy() for at in range(0, len(ids), 100)]
    return np.concatenate(parts)


def compare(reference: np.ndarray, logits: np.ndarray) -> tuple[float, float]:
    """Return the mean KL divergence in nats per token, and the share of tokens with the same arg-max."""
    theirs, ours = log_softmax(reference), log_softmax(logits)
    divergence = (np.exp(theirs) * (theirs - ours)).sum(-1).mean()
    return float(divergence), float((ours.argmax(-1) == theirs.argmax(-1)).mean())


@pytest.mark.parametrize(("source", "precision"), CASES)
def test_fidelity(
    source: str, precision: str, default_gguf: Path, prose: list[int], reference: np.ndarray, tmp_path: Path
) -> None:
    file = GgufFile(default_gguf)
    spec = spec_of(config_from_gguf(file.metadata, 49152, file.tensors))
    kind = Weights if source == "file" else AsFloats
    graph.build(kind(spec, FAMILIES["llama"].gguf, file.tensors), tmp_path, Precision(precision))
    divergence, same = compare(reference, logits_of(tmp_path, spec, prose))
    size = (tmp_path / "weights.bin").stat().st_size / 1e6
    most, least, room = CASES[source, precision]
    assert divergence < most and same >= least and size < room, (divergence, same, size)


def test_q4_k_keeps_its_bits(default_gguf: Path, prose: list[int], tmp_path: Path) -> None:
    """Against its own weights in fp32: as near as with 8 bits a weight, which take more room."""
    file = GgufFile(default_gguf)
    spec = spec_of(config_from_gguf(file.metadata, 49152, file.tensors))
    logits, sizes = {}, {}
    for precision in ("fp32", "auto", "int8", "exact"):
        folder = tmp_path / precision
        folder.mkdir()
        graph.build(WithQ4K(spec, FAMILIES["llama"].gguf, file.tensors), folder, Precision(precision))
        logits[precision] = logits_of(folder, spec, prose)
        sizes[precision] = (folder / "weights.bin").stat().st_size
    for precision, (most, least) in {"auto": (0.01, 0.93), "exact": (1e-6, 0.998)}.items():
        divergence, same = compare(logits["fp32"], logits[precision])
        assert divergence < most and same >= least, (precision, divergence, same)
        assert sizes[precision] < 0.8 * sizes["int8"]
