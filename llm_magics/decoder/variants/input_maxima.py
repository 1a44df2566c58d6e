"""Let a decoder tell how large the inputs of its products are, to scale w8a8 by."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ..graph_reader import product_input, weight_of
from ..quantize import BLOCK

# Not "down": its inputs have outliers in single tokens, which a scale for each channel does not reach (of the
# default model, simulated in float32: KL 0.0064 for it alone, 0.0037 for all others together).
SMOOTHED = ("qkv", "q", "q_gate", "k", "v", "o", "gate_up", "gate", "up")


def add_input_maxima(model: ir.Model) -> dict[str, int]:
    """Add ``max.{product}`` float32 (K,) in place: the largest absolute values of the product's inputs.

    Returns:
        The products with their K.
    """
    graph, widths = model.graph, {}
    axes = ir.Value(
        name="maxima.axes",
        const_value=ir.tensor(np.array([0, 1]), name="maxima.axes"),
        shape=ir.Shape([2]),
        type=ir.TensorType(ir.DataType.INT64),
    )
    graph.initializers.add(axes)
    for node in list(graph):
        name = weight_of(node)
        if node.op_type != "MatMulNBits" or name.partition(".")[0] not in SMOOTHED:
            continue
        x = product_input(node)
        inputs = node.attributes["K"].as_int()
        extended = x is not node.inputs[0]  # by the means of its blocks
        widths[name] = inputs * BLOCK // (BLOCK + 1) if extended else inputs
        sizes = ir.node("Abs", [x], name=f"abs.{name}")
        largest = ir.node("ReduceMax", [sizes.outputs[0], axes], {"keepdims": 0}, name=f"max.{name}")
        sizes.outputs[0].name, out = f"{sizes.name}.out", largest.outputs[0]
        out.name, out.type = f"max.{name}", ir.TensorType(ir.DataType.FLOAT)
        out.shape = ir.Shape([widths[name]])
        graph.insert_before(node, [sizes, largest])
        graph.outputs.append(out)
    return widths
