"""An 8-bit KV cache: attention that stores keys and values as int8, with a scale for each channel.

ONNX Runtime's GroupQueryAttention quantizes what it appends, and computes with what it reads back. Its
scales are constants of the graph (models/loading/kv_scales.py measures them). There is one for each channel,
as keys have a few channels that are far larger than the others (KIVI, Liu et al. 2024, arXiv:2402.02750).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from ...formats.tensors import Floats
from ..graph_builder import value

_SCALES = 12  # the input k_scale of GroupQueryAttention; v_scale stands behind it
_PAST = 3  # the input past_key; past_value stands behind it


def quantize_kv_cache(model: ir.Model, scales: Sequence[Floats]) -> None:
    """Make the KV cache of a decoder's graph one of int8, in place.

    Args:
        model: the graph that graph.py builds; it may have further inputs and outputs.
        scales: of each layer with attention, float32 (2, KV heads, cache_dim): of keys and of values.
    """
    nodes = [node for node in model.graph if node.op_type == "GroupQueryAttention"]
    for index, (node, layer) in enumerate(zip(nodes, scales, strict=True)):
        node.resize_inputs(max(len(node.inputs), _SCALES + 2))
        for part, channels in enumerate(layer):
            name, array = f"kv_scale.{index}.{part}", np.ascontiguousarray(channels[:, None], np.float32)
            scale = value(name, ir.DataType.FLOAT, *array.shape)
            scale.const_value = ir.tensor(array, name=name)
            model.graph.initializers[name] = scale
            node.replace_input_with(_SCALES + part, scale)
        for attribute in (
            ir.AttrString("k_quant_type", "PER_CHANNEL"),
            ir.AttrString("v_quant_type", "PER_CHANNEL"),
            ir.AttrInt64("kv_cache_bit_width", 8),
        ):
            node.attributes.add(attribute)
        for item in (*node.inputs[_PAST : _PAST + 2], *node.outputs[1:3]):
            assert item is not None
            item.type = ir.TensorType(ir.DataType.INT8)
