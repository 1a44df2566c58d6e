"""Measure how large the inputs of a model's products are on a sample text, to scale w8a8 by."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...core import progress
from ...formats.tensors import Floats
from ..fidelity import sample_text
from ..prompts import PromptEncoder

if TYPE_CHECKING:
    from ...decoder.spec import DecoderSpec
    from ...engine.tokenizer import TextTokenizer

TOKENS = 512  # of the sample text that are read


def sample_prompts(tokenizer: TextTokenizer, template: str | None) -> list[list[int]]:
    """Return the sample as a text, and as a message.

    The first token of a conversation has the largest values.

    Args:
        tokenizer: of the model.
        template: its chat template, or None.
    """
    encoder = PromptEncoder(tokenizer, template)
    return [list(encoder.encode(sample_text(), None, raw)[1])[:TOKENS] for raw in (True, template is None)]


def measure_inputs(folder: Path, spec: DecoderSpec, prompts: Sequence[Sequence[int]]) -> dict[str, Floats]:
    """Return the largest absolute values of the inputs of products, (K,), by the products' names.

    Args:
        folder: of the decoder in the precision auto.
        spec: of the decoder.
        prompts: token ids that it reads.
    """
    import onnx_ir as ir

    from ...decoder.graph_reader import read_graph
    from ...decoder.variants.input_maxima import add_input_maxima
    from ...engine.ort import OrtEngine

    progress.message("measuring the inputs of products for w8a8 …")
    model = read_graph(folder / "decoder.onnx", folder)
    widths = add_input_maxima(model)
    engine = OrtEngine(
        folder / "decoder.onnx",
        vocab_size=spec.vocab,
        context_length=spec.context,
        cache_shape=spec.cache_shape,
        graph=ir.to_proto(model).SerializeToString(),
    )
    maxima = {name: np.zeros(width, np.float32) for name, width in widths.items()}
    for prompt in prompts:
        ids = list(prompt[: spec.context])
        taps = {f"max.{name}": np.zeros(width, np.float32) for name, width in widths.items()}
        buffer = engine.buffer(rows=1, capacity=len(ids), logits=1)
        buffer.run(np.array([ids], np.int64), [len(ids)], np.array([len(ids) - 1], np.int64), taps=taps)
        for name, values in maxima.items():
            np.maximum(values, taps[f"max.{name}"], out=values)
    return maxima
