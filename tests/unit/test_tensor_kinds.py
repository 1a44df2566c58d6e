"""Every type of a GGUF tensor: decoded as gguf does it, or refused by name."""

from __future__ import annotations

import numpy as np
import pytest
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
from gguf.quants import dequantize

from llm_magics import UnsupportedModel
from llm_magics.decoder.quantize import pack, pack_exact
from llm_magics.formats.tensors import Tensor

NOT_DECODED = ("Q8_1", "Q8_K", "I8", "I16", "I32", "I64", "F64", "Q1_0")
KINDS = [kind for kind in GGMLQuantizationType if kind.name not in NOT_DECODED]


def tensor(kind: GGMLQuantizationType) -> Tensor:
    block, size = GGML_QUANT_SIZES[kind]
    columns = 512 if block <= 512 else block
    # Small bytes: scales in float16 are finite then.
    blocks = np.random.default_rng(0).integers(0, 60, (4, columns // block * size), dtype=np.uint8)
    return Tensor("weight", kind.name, (4, columns), blocks)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_values_are_those_of_gguf(kind: GGMLQuantizationType) -> None:
    weight = tensor(kind)
    expected = weight.dequantize()
    if kind.name not in ("F32", "F16", "BF16"):
        np.testing.assert_array_equal(expected, dequantize(weight.blocks, kind).reshape(expected.shape))
    packed = pack([weight])
    assert packed.inputs >= 512 and np.isfinite(packed.scales).all()
    assert (pack_exact([weight]) is not None) == (kind.name in ("Q4_0", "Q4_1", "Q4_K", "Q8_0"))


@pytest.mark.parametrize("kind", ["Q8_K", "I8", "F64"])
def test_others_are_refused_by_name(kind: str) -> None:
    with pytest.raises(UnsupportedModel, match=f"weight has the type {kind}"):
        tensor(GGMLQuantizationType[kind]).dequantize()
