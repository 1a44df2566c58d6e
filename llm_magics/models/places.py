"""Where an adapter's matrices belong: modules as the Hub names them ↔ layer and role, as the decoder does."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping

import numpy as np

from ..clean import line
from ..decoder.families import FAMILIES
from ..decoder.spec import DecoderSpec
from ..decoder.weights import qkv_rows
from ..errors import UnsupportedModel, UsageError
from .adapter import MERGE, Adapter, Array, Pair

ROLES = ("q", "k", "v", "o", "gate", "up", "down")
Place = tuple[int, str]  # layer, role


def parts(spec: DecoderSpec) -> Mapping[str, tuple[str, ...]]:
    """Product → the roles of the matrices that read the same; experts are not among them."""
    found: dict[str, tuple[str, ...]] = {"qkv": ("q", "k", "v"), "o": ("o",)}
    if not spec.experts:
        found |= {"gate_up": ("gate", "up")} if spec.gated else {"up": ("up",)}
        found["down"] = ("down",)
    return found


def shape_of(spec: DecoderSpec, role: str) -> tuple[int, int]:
    """(out, in) of the matrix of a role."""
    own, shared = spec.heads * spec.head_dim, spec.kv_heads * spec.head_dim
    return {
        "q": (own, spec.hidden),
        "k": (shared, spec.hidden),
        "v": (shared, spec.hidden),
        "o": (spec.hidden, own),
        "gate": (spec.ffn, spec.hidden),
        "up": (spec.ffn, spec.hidden),
        "down": (spec.hidden, spec.ffn),
    }[role]


def weights_in(spec: DecoderSpec) -> int:
    """About how many weights a decoder has: its matrices, with a head of its own."""
    layer = sum(math.prod(shape_of(spec, role)) for roles in parts(spec).values() for role in roles)
    layer += 3 * spec.experts * spec.expert_ffn * spec.hidden
    return spec.layers * layer + 2 * spec.vocab * spec.hidden


def holder(spec: DecoderSpec, role: str) -> tuple[str, tuple[str, ...]]:
    """The module that holds a role, as ``layers.{i}.…``, and all roles that it holds."""
    names = FAMILIES[spec.family].hub.names
    if role in names:
        return names[role], (role,)
    return (names["qkv"], ("q", "k", "v")) if role in "qkv" else (names["gate_up"], ("gate", "up"))


def chosen(spec: DecoderSpec, targets: str | Iterable[str]) -> tuple[str, ...]:
    """The roles that are meant: "all", roles of :data:`ROLES`, or modules such as "q_proj".

    Raises:
        UsageError: one of them is nothing of this model.
    """
    there = [role for roles in parts(spec).values() for role in roles]
    if targets == "all":
        return tuple(there)
    found: set[str] = set()
    for target in [targets] if isinstance(targets, str) else targets:
        names = {role: holder(spec, role)[0].rpartition(".")[2] for role in there}
        meant = {role for role in there if target in (role, names[role])}
        if not meant:
            known = ", ".join(dict.fromkeys(names.values()))
            raise UsageError(
                f"{line(str(target))} is nothing that can be tuned here", hint=f"choose from {known}"
            )
        found |= {role for each in meant for role in holder(spec, each)[1]}
    if not found:
        raise UsageError("there is nothing to tune", hint='targets="all" tunes every matrix')
    return tuple(role for role in there if role in found)


def to_modules(spec: DecoderSpec, pairs: Mapping[Place, Pair]) -> dict[str, Pair]:
    """By module, as PEFT keeps them. Roles that one module holds must have one A."""
    prefix = FAMILIES[spec.family].hub.prefixes[0]
    found: dict[str, Pair] = {}
    for layer, role in pairs:
        name, roles = holder(spec, role)
        module = prefix + name.format(i=layer)
        if module in found:
            continue
        if len(roles) == 1:
            found[module] = pairs[layer, role]
            continue
        rows = _rows(spec, roles)
        first = pairs[layer, roles[0]]
        b = np.zeros((sum(map(len, rows.values())), first.rank), np.float32)
        for each in roles:
            b[rows[each]] = pairs[layer, each].b
        found[module] = Pair(first.a, b)
    return found


def to_places(spec: DecoderSpec, adapter: Adapter) -> dict[Place, Pair]:
    """By layer and role.

    Raises:
        UnsupportedModel: it changes what this model does not have, or what cannot be changed here.
    """
    known: dict[str, tuple[str, ...]] = {}
    for roles in parts(spec).values():
        for role in roles:
            name, held = holder(spec, role)
            known[re.escape(name).replace(r"\{i\}", r"(\d+)")] = held
    found: dict[Place, Pair] = {}
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
        if not roles or layer >= spec.layers:
            ends = module.rpartition(".")[2] in ("lm_head", "embed_tokens", "embed_in", "embed_out", "wte")
            raise UnsupportedModel(
                f"the adapter changes {line(module)}, which cannot be done while it runs"
                if ends
                else f"the adapter changes {line(module)}, which this model does not have or cannot change",
                hint=MERGE if ends else f"load the model that it was trained on; or {MERGE}",
            )
        rows = _rows(spec, roles)
        out, into = sum(map(len, rows.values())), shape_of(spec, roles[0])[1]
        if pair.b.shape[0] != out or pair.a.shape[1] != into:
            raise UnsupportedModel(
                f"the adapter's {line(module)} is {pair.b.shape[0]} × {pair.a.shape[1]}, and the model's "
                f"{out} × {into}",
                hint="it was trained on another model",
            )
        for role in roles:
            found[layer, role] = Pair(pair.a, np.ascontiguousarray(pair.b[rows[role]]))
    return found


def fused(spec: DecoderSpec, places: Mapping[Place, Pair], layer: int, roles: tuple[str, ...]) -> Pair | None:
    """What is added to a product that stacks these roles: one pair, or None for nothing.

    Where all have one A, as ours do, the B are stacked; else A are stacked, and B is block-diagonal.
    """
    held = {role: places[layer, role] for role in roles if (layer, role) in places}
    if not held:
        return None
    first = next(iter(held.values()))
    same = all(pair.a is first.a or np.array_equal(pair.a, first.a) for pair in held.values())
    rank = first.rank if same else sum(pair.rank for pair in held.values())
    out: list[Array] = []
    begin = 0
    for role in roles:
        rows = np.zeros((shape_of(spec, role)[0], rank), np.float32)
        if role in held:
            width = held[role].rank
            rows[:, begin : begin + width] = held[role].b
            begin += 0 if same else width
        out.append(rows)
    a = first.a if same else np.concatenate([pair.a for pair in held.values()])
    return Pair(np.ascontiguousarray(a), np.concatenate(out))


def _rows(spec: DecoderSpec, roles: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Which rows of a module each role has."""
    if roles == ("q", "k", "v"):
        return {role: rows for role, rows in qkv_rows(spec, FAMILIES[spec.family].hub.qkv).items()}
    begin, found = 0, {}
    for role in roles:
        size = shape_of(spec, role)[0]
        found[role] = np.arange(begin, begin + size)
        begin += size
    return found
