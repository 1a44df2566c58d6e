"""Graphs that show the inside of a decoder, made from the graph that is there, over the same weights file.

- :func:`with_taps`: the decoder itself, with outputs for its residual stream, attention weights and heads.
- :func:`readout`: its end alone, from a residual to logits: what the logit lens reads a layer with.
- :func:`outputs_of_heads`: what each layer's attention makes of its heads, and
- :func:`head_alone`: its last product alone.

The graph itself stays as it is: a model that nobody looks into pays nothing for this.
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from .graph_builder import value
from .graph_reader import product_input, product_output, weight_of
from .spec import DecoderSpec

_FLOAT = ir.DataType.FLOAT


def with_residuals(model: ir.Model, spec: DecoderSpec) -> None:
    """Add ``residual.{i}`` (B, S, hidden) in place: the residual stream before layer i.

    That of i = layers is the last.
    """
    graph = model.graph
    products = _products(graph)
    for layer in range(spec.layers + 1):
        tapped = _residual(graph, products, layer, spec.layers)
        _output(graph, tapped, f"residual.{layer}", "B", "S", spec.hidden)


def with_taps(model: ir.Model, spec: DecoderSpec) -> None:
    """Add these outputs too, float32, in place.

    - ``attention.{i}`` (B, heads, S, total): the weights after softmax; a row sums to one.
    - ``heads.{i}`` (B, S, heads · head_dim of the layer): what the heads give, before the product that mixes
      them.
    """
    with_residuals(model, spec)
    graph = model.graph
    products = _products(graph)
    attentions = [node for node in graph if node.op_type == "GroupQueryAttention"]
    for layer, attention in zip(spec.attention_layers, attentions, strict=True):
        attention.resize_outputs(4)
        attention.attributes["qk_output"] = ir.AttrInt64("qk_output", 2)  # after softmax
        _output(graph, attention.outputs[3], f"attention.{layer}", "B", spec.heads, "S", "total")
        heads = product_input(products[f"o.{layer}"])
        _output(graph, heads, f"heads.{layer}", "B", "S", spec.heads * spec.head_dim_in(layer))


def logit_lens_graph(model: ir.Model, spec: DecoderSpec) -> None:
    """Keep only ``hidden`` float32 (1, n, hidden) → ``logits`` (1, n, vocab).

    Final norm, LM head and soft cap.
    """
    graph = model.graph
    norm = _final_norm(graph)
    skips = norm.op_type.startswith("Skip")
    hidden = value("hidden", _FLOAT, "B", "n", spec.hidden)
    parts = norm.inputs[2:] if skips else norm.inputs[1:]
    plain = ir.node(
        norm.op_type.removeprefix("Skip"),
        [hidden, *parts],
        {"epsilon": norm.attributes["epsilon"].as_float(), "axis": -1},
        name="read",
    )
    plain.outputs[0].name = "read.out"
    graph.insert_before(norm, plain)
    _select_rows(graph).replace_all_uses_with(plain.outputs[0])
    _prune(graph, [hidden], [graph.outputs[0]])
    graph.outputs[0].shape = ir.Shape(("B", "n", spec.vocab))


def lm_head_graph(model: ir.Model, spec: DecoderSpec) -> None:
    """Keep only ``hidden`` float32 (1, n, hidden) → ``logits`` (1, n, vocab).

    The LM head without norm or soft cap.
    """
    graph = model.graph
    picked, logits = _select_rows(graph), graph.outputs[0]
    if spec.final_softcap:  # logits = cap · tanh(x / cap)
        scaled = _next_node(_next_node(logits, "Mul").inputs[0], "Tanh").inputs[0]
        logits = _next_node(scaled, "Div").inputs[0]  # type: ignore[assignment]  # a product has all its inputs
    hidden = value("hidden", _FLOAT, "B", "n", spec.hidden)
    picked.replace_all_uses_with(hidden)
    logits.type, logits.shape = ir.TensorType(_FLOAT), ir.Shape(("B", "n", spec.vocab))
    graph.outputs.clear()
    if logits.name != "logits":
        logits.name = "products"
    _prune(graph, [hidden], [logits])


def head_output_graph(model: ir.Model, spec: DecoderSpec) -> None:
    """Keep only ``heads.{i}`` (1, n, heads · head_dim) → ``out.{i}`` (1, n, hidden), float32, per layer."""
    graph = model.graph
    inputs, outputs, products = [], [], _products(graph)
    for layer in spec.attention_layers:
        product = products[f"o.{layer}"]
        before = product_input(product)
        heads = value(f"heads.{layer}", _FLOAT, "B", "n", spec.heads * spec.head_dim_in(layer))
        before.replace_all_uses_with(heads)
        out = _with_sums(product)
        out.name, out.type = f"out.{layer}", ir.TensorType(_FLOAT)
        out.shape = ir.Shape(("B", "n", spec.hidden))
        inputs.append(heads)
        outputs.append(out)
    graph.outputs.clear()
    _prune(graph, inputs, outputs)


def _residual(graph: ir.Graph, products: dict[str, ir.Node], layer: int, layers: int) -> ir.Value:
    """Return where the stream runs before a layer.

    What the norm before its queries reads, or the queries themselves.
    """
    if layer == layers:
        norm = _final_norm(graph)
    else:
        names = (f"{product}.{layer}" for product in ("qkv", "q", "conv_in", "linear_qkv"))
        x = product_input(next(products[name] for name in names if name in products))
        output = x.producer()
        if output is None or not output.op_type.endswith("LayerNormalization"):
            return x
        norm = output
    stream = norm.outputs[3] if norm.op_type.startswith("Skip") else norm.inputs[0]
    assert stream is not None
    return stream


def _final_norm(graph: ir.Graph) -> ir.Node:
    return next(
        node
        for node in graph
        if node.op_type.endswith("LayerNormalization")
        and any(item is not None and item.name == "final_norm.0" for item in node.inputs)
    )


def _select_rows(graph: ir.Graph) -> ir.Value:
    """Return what the head reads: the normed stream at the places that are asked for."""
    at = next(item for item in graph.inputs if item.name == "logits_at")
    return next(iter(at.uses())).node.outputs[0]


def _products(graph: ir.Graph) -> dict[str, ir.Node]:
    """Return the matmul nodes by the names of their weights."""
    return {name: node for node in graph if (name := weight_of(node))}


def _with_sums(product: ir.Node) -> ir.Value:
    """Return a product's result as it goes into the residual stream.

    With the offsets of its blocks, its bias, and the residual scale.
    """
    out, name = product_output(product), weight_of(product)
    while True:
        uses = [use.node for use in out.uses() if use.node.op_type in ("Add", "Mul")]
        if len(uses) != 1 or not any(_is_in_layer(item, out, name) for item in uses[0].inputs):
            return out
        out = uses[0].outputs[0]


def _is_in_layer(node: ir.Value | None, out: ir.Value, name: str) -> bool:
    if node is None or node is out:
        return False
    output = node.producer()
    if output is not None and output.op_type == "MatMul" and output.inputs[1] is not None:
        return output.inputs[1].name == f"{name}.offsets"
    return node.name in (f"{name}.bias", "residual_scale")


def _next_node(node: ir.Value | None, op: str) -> ir.Node:
    output = node.producer() if node is not None else None
    assert output is not None and output.op_type == op, f"there is no {op} here"
    return output


def _output(graph: ir.Graph, tapped: ir.Value, name: str, *shape: int | str) -> None:
    """Give a value out under a name. A value that is one already is passed on."""
    node = ir.node("Identity", [tapped], name=f"tap.{name}")
    out = node.outputs[0]
    out.name, out.type, out.shape = name, ir.TensorType(_FLOAT), ir.Shape(shape)
    if not tapped.name:  # an output of a node that nobody asked for
        tapped.name = f"tapped.{name}"
    output = tapped.producer()
    assert output is not None
    graph.insert_after(output, node)
    graph.outputs.append(out)


def _prune(graph: ir.Graph, inputs: Sequence[ir.Value], outputs: Sequence[ir.Value]) -> None:
    """Remove every node that these outputs do not need."""
    needed: set[ir.Node] = set()
    values: set[ir.Value] = set()
    waiting = list(outputs)
    while waiting:
        item = waiting.pop()
        values.add(item)
        output = item.producer()
        if output is not None and output not in needed:
            needed.add(output)
            waiting += [other for other in output.inputs if other is not None]
    graph.outputs.clear()
    graph.outputs.extend(outputs)
    for node in reversed(list(graph)):
        if node not in needed:
            graph.remove(node, safe=False)
    graph.inputs.clear()
    graph.inputs.extend(inputs)
    for name, constant in list(graph.initializers.items()):
        if constant not in values:
            del graph.initializers[name]
