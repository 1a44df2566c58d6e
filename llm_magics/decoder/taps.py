"""Graphs that show the inside of a decoder, made from the graph that is there, over the same weights file.

- :func:`with_taps`: the decoder itself, whose residual stream, attention weights and heads can be read too.
- :func:`readout`: its end alone, from a residual to logits: what the logit lens reads a layer with.
- :func:`outputs_of_heads`: what each layer's attention makes of its heads, and
- :func:`head_alone`: its last product alone.

The graph itself stays as it is: a model that nobody looks into pays nothing for this.
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from .nodes import value, weight_of
from .spec import DecoderSpec

_FLOAT = ir.DataType.FLOAT


def with_residuals(model: ir.Model, spec: DecoderSpec) -> None:
    """Add ``residual.{i}`` (B, S, hidden) in place: the residual stream before layer i; that of i = layers is
    the last.
    """
    graph = model.graph
    products = _products(graph)
    for layer in range(spec.layers + 1):
        tapped = _residual(graph, products, layer, spec.layers)
        _output(graph, tapped, f"residual.{layer}", "B", "S", spec.hidden)


def with_taps(model: ir.Model, spec: DecoderSpec) -> None:
    """Add these outputs too, float32, in place:

    - ``attention.{i}`` (B, heads, S, total): the weights after softmax; a row sums to one.
    - ``heads.{i}`` (B, S, heads · head_dim): what the heads give, before the product that mixes them.
    """
    with_residuals(model, spec)
    graph = model.graph
    products = _products(graph)
    attentions = [node for node in graph if node.op_type == "GroupQueryAttention"]
    for layer, attention in enumerate(attentions):
        attention.resize_outputs(4)
        attention.attributes["qk_output"] = ir.AttrInt64("qk_output", 2)  # after softmax
        _output(graph, attention.outputs[3], f"attention.{layer}", "B", spec.heads, "S", "total")
        heads = _plain_input(products[f"o.{layer}"])
        _output(graph, heads, f"heads.{layer}", "B", "S", spec.heads * spec.head_dim)


def readout(model: ir.Model, spec: DecoderSpec) -> None:
    """Leave of it only ``hidden`` float32 (1, n, hidden) → ``logits`` (1, n, vocab): final norm, head,
    caps."""
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
    _picked(graph).replace_all_uses_with(plain.outputs[0])
    _keep(graph, [hidden], [graph.outputs[0]])
    graph.outputs[0].shape = ir.Shape(("B", "n", spec.vocab))


def head_alone(model: ir.Model, spec: DecoderSpec) -> None:
    """Leave of it only ``hidden`` float32 (1, n, hidden) → ``logits`` (1, n, vocab): the last product, with
    no norm before it and no cap behind it.
    """
    graph = model.graph
    picked, logits = _picked(graph), graph.outputs[0]
    if spec.final_softcap:  # logits = cap · tanh(x / cap)
        scaled = _behind(_behind(logits, "Mul").inputs[0], "Tanh").inputs[0]
        logits = _behind(scaled, "Div").inputs[0]  # type: ignore[assignment]  # a product has all its inputs
    hidden = value("hidden", _FLOAT, "B", "n", spec.hidden)
    picked.replace_all_uses_with(hidden)
    logits.type, logits.shape = ir.TensorType(_FLOAT), ir.Shape(("B", "n", spec.vocab))
    graph.outputs.clear()
    if logits.name != "logits":
        logits.name = "products"
    _keep(graph, [hidden], [logits])


def outputs_of_heads(model: ir.Model, spec: DecoderSpec) -> None:
    """Leave of it only ``heads.{i}`` float32 (1, n, heads · head_dim) → ``out.{i}`` (1, n, hidden), for every
    layer.
    """
    graph = model.graph
    inputs, outputs, products = [], [], _products(graph)
    for layer in range(spec.layers):
        product = products[f"o.{layer}"]
        before = _plain_input(product)
        given = value(f"heads.{layer}", _FLOAT, "B", "n", spec.heads * spec.head_dim)
        before.replace_all_uses_with(given)
        out = _with_sums(product)
        out.name, out.type = f"out.{layer}", ir.TensorType(_FLOAT)
        out.shape = ir.Shape(("B", "n", spec.hidden))
        inputs.append(given)
        outputs.append(out)
    graph.outputs.clear()
    _keep(graph, inputs, outputs)


def _residual(graph: ir.Graph, products: dict[str, ir.Node], layer: int, layers: int) -> ir.Value:
    """Where the stream runs before a layer: what the norm before its queries reads, or the queries
    themselves."""
    if layer == layers:
        norm = _final_norm(graph)
    else:
        x = _plain_input(products.get(f"qkv.{layer}") or products[f"q.{layer}"])
        made = x.producer()
        if made is None or not made.op_type.endswith("LayerNormalization"):
            return x
        norm = made
    stream = norm.outputs[3] if norm.op_type.startswith("Skip") else norm.inputs[0]
    assert stream is not None
    return stream


def _final_norm(graph: ir.Graph) -> ir.Node:
    return next(
        node
        for node in graph
        if node.op_type.endswith("LayerNormalization")
        and any(each is not None and each.name == "final_norm.0" for each in node.inputs)
    )


def _picked(graph: ir.Graph) -> ir.Value:
    """What the head reads: the normed stream at the places that are asked for."""
    at = next(each for each in graph.inputs if each.name == "logits_at")
    return next(iter(at.uses())).node.outputs[0]


def _products(graph: ir.Graph) -> dict[str, ir.Node]:
    """By the names of their weights."""
    return {name: node for node in graph if (name := weight_of(node))}


def _plain_input(product: ir.Node) -> ir.Value:
    """What a product reads; the means of its blocks may stand behind it."""
    x = product.inputs[0]
    assert x is not None
    made = x.producer()
    if made is not None and made.op_type == "Concat":
        x = made.inputs[0]
        assert x is not None
    return x


def _with_sums(product: ir.Node) -> ir.Value:
    """A product's result with what is added to it at once: the offsets of its blocks, and its bias."""
    out = product.outputs[0]
    name = weight_of(product)
    while True:
        uses = [use.node for use in out.uses() if use.node.op_type == "Add"]
        if len(uses) != 1 or not any(_belongs(each, out, name) for each in uses[0].inputs):
            return out
        out = uses[0].outputs[0]


def _belongs(each: ir.Value | None, out: ir.Value, name: str) -> bool:
    if each is None or each is out:
        return False
    made = each.producer()
    if made is not None and made.op_type == "MatMul" and made.inputs[1] is not None:
        return made.inputs[1].name == f"{name}.offsets"
    return each.name == f"{name}.bias"


def _behind(each: ir.Value | None, op: str) -> ir.Node:
    made = each.producer() if each is not None else None
    assert made is not None and made.op_type == op, f"there is no {op} here"
    return made


def _output(graph: ir.Graph, tapped: ir.Value, name: str, *shape: int | str) -> None:
    """Give a value out under a name. A value that is one already is passed on."""
    node = ir.node("Identity", [tapped], name=f"tap.{name}")
    out = node.outputs[0]
    out.name, out.type, out.shape = name, ir.TensorType(_FLOAT), ir.Shape(shape)
    if not tapped.name:  # an output of a node that nobody asked for
        tapped.name = f"tapped.{name}"
    made = tapped.producer()
    assert made is not None
    graph.insert_after(made, node)
    graph.outputs.append(out)


def _keep(graph: ir.Graph, inputs: Sequence[ir.Value], outputs: Sequence[ir.Value]) -> None:
    """Leave only what these outputs need."""
    needed: set[ir.Node] = set()
    values: set[ir.Value] = set()
    waiting = list(outputs)
    while waiting:
        each = waiting.pop()
        values.add(each)
        made = each.producer()
        if made is not None and made not in needed:
            needed.add(made)
            waiting += [other for other in made.inputs if other is not None]
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
