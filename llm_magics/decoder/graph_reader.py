"""Read a decoder's graph, to be edited, and find its products in it."""

from __future__ import annotations

from pathlib import Path

import onnx_ir as ir


def read_graph(graph: Path | bytes, folder: Path) -> ir.Model:
    """Read a graph, to be edited: a file, or its content with weights in ``folder``."""
    if isinstance(graph, Path):
        return ir.load(graph)
    import onnx

    model = ir.from_proto(onnx.load_model_from_string(graph))
    for item in model.graph.initializers.values():
        if isinstance(item.const_value, ir.ExternalTensor):
            item.const_value.base_dir = folder
    return model


def weight_of(node: ir.Node) -> str:
    """Return the name of the weights that a product multiplies by ("qkv.3"); empty for any other node."""
    products = ("MatMul", "MatMulNBits", "MatMulInteger")
    if node.op_type not in products or len(node.inputs) < 2 or node.inputs[1] is None:
        return ""
    output = node.inputs[1].producer()  # in float16 they are widened first
    source = output.inputs[0] if output is not None and output.op_type == "Cast" else node.inputs[1]
    return ((source.name or "") if source is not None else "").removesuffix(".q")


def product_input(product: ir.Node) -> ir.Value:
    """Return what a product reads, before the means of its blocks or the rounding."""
    x = product.inputs[0]
    assert x is not None
    before = x.producer()
    if before is not None and before.op_type == "Concat":
        x = before.inputs[0]
    elif product.op_type == "MatMulInteger":  # Mul, Div, QuantizeLinear
        for _ in range(3):
            output = x.producer() if x is not None else None
            assert output is not None
            x = output.inputs[0]
    assert x is not None
    return x


def product_output(product: ir.Node) -> ir.Value:
    """Return what a product gives, scaled where it is computed in integers."""
    out = product.outputs[0]
    if product.op_type == "MatMulInteger":  # Cast, Mul, Mul
        for _ in range(3):
            out = next(iter(out.uses())).node.outputs[0]
    return out
