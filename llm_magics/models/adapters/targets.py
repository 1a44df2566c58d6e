"""Where an adapter's matrices belong: modules as the Hub names them ↔ layer and role, as the decoder does."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import numpy as np

from ...decoder.families import FAMILIES
from ...decoder.spec import DecoderSpec
from ...decoder.weights import deinterleave_rotary, gated_rows, qkv_rows
from ...errors import UnsupportedModel, UsageError
from ...sanitize import single_line
from .lora import MERGE, Adapter, Array, LoraPair
from .roles import LINEAR, PER_LAYER, roles_by_matmul, roles_in_layer, shape_of

ROLES = ("q", "k", "v", "o", "gate", "up", "down", "q_gate", "conv_in", "conv_out", *LINEAR, *PER_LAYER)
Place = tuple[int, str]  # layer, role


def module_of(spec: DecoderSpec, role: str) -> tuple[str, tuple[str, ...]]:
    """Return the module that holds a role, as ``layers.{i}.…``, and all roles that it holds."""
    names = FAMILIES[spec.family].hub.names
    if spec.attention_gate and role in ("q", "q_gate"):
        return names["q"], ("q", "q_gate")
    if role in names:
        return names[role], (role,)
    return (names["qkv"], ("q", "k", "v")) if role in "qkv" else (names["gate_up"], ("gate", "up"))


def resolve_targets(spec: DecoderSpec, targets: str | Iterable[str]) -> tuple[str, ...]:
    """Return the roles that are meant: "all", roles of :data:`ROLES`, or modules such as "q_proj".

    Raises:
        UsageError: one of them is nothing of this model.
    """
    there = [role for roles in roles_by_matmul(spec).values() for role in roles]
    if targets == "all":
        return tuple(there)
    result: set[str] = set()
    for target in [targets] if isinstance(targets, str) else targets:
        names = {role: module_of(spec, role)[0].rpartition(".")[2] for role in there}
        meant = {role for role in there if target in (role, names[role])}
        if not meant:
            known = ", ".join(dict.fromkeys(names.values()))
            raise UsageError(
                f"{single_line(str(target))} is not a tunable module", hint=f"Choose from {known}."
            )
        result |= {role for item in meant for role in module_of(spec, item)[1]}
    if not result:
        raise UsageError("there are no modules to train", hint='Pass targets="all" to train every matrix.')
    return tuple(role for role in there if role in result)


def to_modules(spec: DecoderSpec, pairs: Mapping[Place, LoraPair]) -> dict[str, LoraPair]:
    """Convert pairs by (layer, role) to PEFT's module names. Roles of one module must share A."""
    prefix = FAMILIES[spec.family].hub.prefixes[0]
    result: dict[str, LoraPair] = {}
    for layer, role in pairs:
        name, roles = module_of(spec, role)
        module = prefix + name.format(i=layer)
        if module in result:
            continue
        rows = _rows(spec, layer, roles)
        first = pairs[layer, roles[0]]
        b = np.zeros((sum(map(len, rows.values())), first.rank), np.float32)
        for item in roles:
            b[rows[item]] = pairs[layer, item].b
        result[module] = LoraPair(first.a, b)
    return result


def to_layer_roles(spec: DecoderSpec, adapter: Adapter) -> dict[Place, LoraPair]:
    """Convert pairs by PEFT's module names to (layer, role).

    Raises:
        UnsupportedModel: it changes what this model does not have, or what cannot be changed here.
    """
    known: dict[str, tuple[str, ...]] = {}
    for roles in roles_by_matmul(spec).values():
        for role in roles:
            name, parts = module_of(spec, role)
            known[re.escape(name).replace(r"\{i\}", r"(\d+)")] = parts
    result: dict[Place, LoraPair] = {}
    for module, pair in adapter.pairs.items():
        match, roles = next(
            (
                (match, roles)
                for pattern, roles in known.items()
                if (match := re.fullmatch(rf"(?:[A-Za-z_]\w*\.)*?{pattern}", module))
            ),
            (None, ()),
        )
        layer = int(match[1]) if match else spec.layers
        if not roles or layer >= spec.layers or not _has(spec, layer, roles):
            ends = module.rpartition(".")[2] in ("lm_head", "embed_tokens", "embed_in", "embed_out", "wte")
            name = single_line(module)
            raise UnsupportedModel(
                f"the adapter changes {name}, which cannot be changed without merging"
                if ends
                else f"the adapter changes {name}, which this model does not have or cannot change",
                hint=MERGE if ends else f"Load the model that it was trained on. {MERGE}",
            )
        rows = _rows(spec, layer, roles)
        out, into = sum(map(len, rows.values())), shape_of(spec, layer, roles[0])[1]
        if pair.b.shape[0] != out or pair.a.shape[1] != into:
            raise UnsupportedModel(
                f"the adapter's {single_line(module)} is {pair.b.shape[0]} × {pair.a.shape[1]}, "
                f"and the model's {out} × {into}",
                hint="Load the model that it was trained on.",
            )
        for role in roles:
            result[layer, role] = LoraPair(pair.a, np.ascontiguousarray(pair.b[rows[role]]))
    return result


def stack_pairs(
    spec: DecoderSpec, places: Mapping[Place, LoraPair], layer: int, roles: tuple[str, ...]
) -> LoraPair | None:
    """Return what is added to a product that stacks these roles: one pair, or None for nothing.

    Where all have one A, as ours do, the B are stacked; else A are stacked, and B is block-diagonal.
    """
    present = {role: places[layer, role] for role in roles if (layer, role) in places}
    if not present:
        return None
    first = next(iter(present.values()))
    same = all(pair.a is first.a or np.array_equal(pair.a, first.a) for pair in present.values())
    rank = first.rank if same else sum(pair.rank for pair in present.values())
    out: list[Array] = []
    begin = 0
    for role in roles:
        rows = np.zeros((shape_of(spec, layer, role)[0], rank), np.float32)
        if role in present:
            width = present[role].rank
            rows[:, begin : begin + width] = present[role].b
            begin += 0 if same else width
        out.append(rows)
    a = first.a if same else np.concatenate([pair.a for pair in present.values()])
    return LoraPair(np.ascontiguousarray(a), np.concatenate(out))


def _has(spec: DecoderSpec, layer: int, roles: tuple[str, ...]) -> bool:
    """Return whether a layer has all of these roles: some take the keys and values of another layer."""
    if spec.own_layers == spec.layers and not spec.keys_as_values:
        return True
    return {*roles} <= {role for stacked in roles_in_layer(spec, layer).values() for role in stacked}


def _rows(spec: DecoderSpec, layer: int, roles: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Return which rows of a module each role has."""
    if roles == ("q", "k", "v"):
        return {role: rows for role, rows in qkv_rows(spec, FAMILIES[spec.family].hub.qkv).items()}
    if roles == ("q", "q_gate"):
        return gated_rows(spec)
    if roles in (("q",), ("k",)) and FAMILIES[spec.family].hub.interleaved:
        count = shape_of(spec, layer, roles[0])[0]
        return {roles[0]: deinterleave_rotary(count, spec.head_dim, spec.rotary_dim)}
    begin, result = 0, {}
    for role in roles:
        size = shape_of(spec, layer, role)[0]
        result[role] = np.arange(begin, begin + size)
        begin += size
    return result
