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
from llm_magics.decoder.weights import Weights
from llm_magics.engine.ort import OrtEngine
from llm_magics.formats.gguf import GgufFile
from llm_magics.formats.gguf_config import config_from_gguf
from llm_magics.formats.tensors import Tensor
from tests.support.decoders import log_softmax

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


@pytest.mark.parametrize(("source", "precision"), CASES)
def test_fidelity(
    source: str, precision: str, default_gguf: Path, prose: list[int], reference: np.ndarray, tmp_path: Path
) -> None:
    file = GgufFile(default_gguf)
    spec = spec_of(config_from_gguf(file.metadata, 49152, file.tensors))
    kind = Weights if source == "file" else AsFloats
    graph.build(kind(spec, FAMILIES["llama"].gguf, file.tensors), tmp_path, Precision(precision))
    engine = OrtEngine(
        tmp_path / "decoder.onnx",
        vocab_size=spec.vocab,
        context_length=spec.context,
        cache_shape=spec.cache_shape,
    )
    cache = engine.cache()
    logits = np.concatenate(
        [cache.extend(prose[at : at + 100], all_logits=True).copy() for at in range(0, len(prose), 100)]
    )
    theirs, ours = log_softmax(reference), log_softmax(logits)
    divergence, same = (
        (np.exp(theirs) * (theirs - ours)).sum(-1).mean(),
        (ours.argmax(-1) == theirs.argmax(-1)).mean(),
    )
    size = (tmp_path / "weights.bin").stat().st_size / 1e6
    most, least, room = CASES[source, precision]
    assert divergence < most and same >= least and size < room, (divergence, same, size)
