"""A decoder that computes in float16, as GPUs want it: every float value but the logits and foreign inputs.

Weights stay in the file as they are; ONNX Runtime casts them once, when the session is made. Its CUDA kernels
accumulate in float32.
"""

from __future__ import annotations

import onnx_ir as ir

from ...errors import UnsupportedModel
from ..spec import DecoderSpec

_PREFIX = "past_"  # of the inputs that are float16 too: the KV cache


def require_half(spec: DecoderSpec, device: str) -> None:
    """Check that a decoder can compute in float16 on a card.

    Raises:
        UnsupportedModel: a part of it has no kernel there, or its activations overflow float16.
    """
    parts = {
        "convolutions": bool(spec.conv_layers),
        "linear attention": bool(spec.linear_layers),
        "experts": bool(spec.experts),
        "ALiBi": spec.positions == "alibi",
        "activations beyond float16": spec.family.startswith("gemma"),
    }
    part = next((part for part, has in parts.items() if has), None)
    if part is not None:
        raise UnsupportedModel(
            f"{device} is not supported for models with {part}", hint='Use device="cpu" (--device cpu).'
        )


def to_half(model: ir.Model) -> None:
    """Let a decoder's graph compute in float16, in place. Its KV cache becomes float16, its logits do not.

    Args:
        model: the graph that graph.py builds; it may have further inputs, which stay float32.
    """
    graph, casts = model.graph, []
    single, half = ir.DataType.FLOAT, ir.DataType.FLOAT16
    for value in (*graph.initializers.values(), *graph.inputs):
        if value.dtype != single:
            continue
        if (value.name or "").startswith(_PREFIX):
            value.type = ir.TensorType(half)
        else:
            casts.append(_cast(value, half))
    for node in graph:
        if node.op_type == "Cast" and node.attributes["to"].as_int() == int(single):
            node.attributes.add(ir.AttrInt64("to", int(half)))
        for output in node.outputs:
            if output.dtype == single:
                output.type = ir.TensorType(half)
    graph.insert_before(graph[0], casts)
    at = next(index for index, output in enumerate(graph.outputs) if output.name == "logits")
    logits = graph.outputs[at]
    logits.name = "logits.half"
    cast = _cast(logits, single)
    graph.append(cast)
    graph.outputs[at] = cast.outputs[0]
    cast.outputs[0].name, cast.outputs[0].shape = "logits", logits.shape


def _cast(value: ir.Value, dtype: ir.DataType) -> ir.Node:
    """Return a cast of a value, which all of its readers read from now on."""
    uses = list(value.uses())
    cast = ir.node("Cast", [value], {"to": int(dtype)}, name=f"cast.{value.name}")
    cast.outputs[0].name, cast.outputs[0].type = f"cast.{value.name}", ir.TensorType(dtype)
    for use in uses:
        use.node.replace_input_with(use.idx, cast.outputs[0])
    return cast
