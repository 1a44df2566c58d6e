"""A decoder with slots for adapters: x W becomes x W + (x A) B wherever a slot is asked for.

It is made from the graph that is there, without its weights, which both go on reading from the same file. The
graph itself stays as it is: with no adapter nothing is paid for one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
import onnx_ir as ir

from .graph_builder import value
from .graph_reader import product_input, product_output, weight_of
from .mixers.attention import padded
from .spec import DecoderSpec

# Products by what they may stack, in the order of its rows.
STACKS: Mapping[str, tuple[str, ...]] = {
    "qkv": ("q", "k", "v"),
    "q": ("q",),
    "q_gate": ("q_gate",),
    "k": ("k",),
    "v": ("v",),
    "o": ("o",),
    "gate_up": ("gate", "up"),
    "gate": ("gate",),
    "up": ("up",),
    "down": ("down",),
    "conv_in": ("conv_in",),
    "conv_out": ("conv_out",),
    "linear_qkv": ("linear_qkv",),
    "linear_z": ("linear_z",),
    "linear_out": ("linear_out",),
    "ple_gate": ("ple_gate",),
    "ple_out": ("ple_out",),
}


def add_lora_inputs(path: Path, wanted: Collection[tuple[int, str]]) -> tuple[bytes, list[tuple[int, str]]]:
    """Return the graph in ``path`` with slots for the matrices at ``wanted`` (layer, role).

    A slot has two inputs, float32: ``a.{product}.{layer}`` (in, rank) and ``b.{product}.{layer}`` (rank,
    out). The rank is free, and may be 0.

    Returns:
        The model, to be opened with the weights of the same folder, and its slots as (layer, product).
    """
    model = ir.load(path)
    graph = model.graph
    slots: list[tuple[int, str]] = []
    for node in list(graph):
        product, _, layer = weight_of(node).partition(".")
        roles = STACKS.get(product, ())
        if not layer.isdigit() or not any((int(layer), role) in wanted for role in roles):
            continue
        x, out = product_input(node), product_output(node)
        # Sizes of one name are taken to be equal: each has a name of its own.
        into, rank, wide = (f"{size}.{product}.{layer}" for size in ("in", "rank", "out"))
        a = value(f"a.{product}.{layer}", ir.DataType.FLOAT, into, rank)
        b = value(f"b.{product}.{layer}", ir.DataType.FLOAT, rank, wide)
        graph.inputs.extend([a, b])
        uses, last = list(out.uses()), out.producer()
        assert last is not None
        inner = ir.node("MatMul", [x, a], name=f"slot.{product}.{layer}.a")
        outer = ir.node("MatMul", [inner.outputs[0], b], name=f"slot.{product}.{layer}.b")
        added = ir.node("Add", [out, outer.outputs[0]], name=f"slot.{product}.{layer}")
        for new in (inner, outer, added):
            new.outputs[0].name = f"{new.name}.out"
        graph.insert_after(last, [inner, outer, added])
        for use in uses:
            use.node.replace_input_with(use.idx, added.outputs[0])
        slots.append((int(layer), product))
    return ir.to_proto(model).SerializeToString(), slots


def to_graph_row_order(spec: DecoderSpec, layer: int, product: str, b: np.ndarray) -> np.ndarray:
    """Reorder the rows of B (out, rank) from the Hub's order to that of the graph.

    The graph reorders and pads the heads of q and k.
    """
    kv_heads, dim = spec.kv_heads_in(layer), spec.head_dim_in(layer)
    heads = {"q": spec.heads, "k": kv_heads, "v": kv_heads}
    roles = STACKS[product]
    if roles[0] not in heads:
        return b
    ends = np.cumsum([heads[role] * dim for role in roles])
    parts = np.split(b, ends[:-1])
    return np.concatenate([padded(spec, role, layer, part) for role, part in zip(roles, parts, strict=True)])
