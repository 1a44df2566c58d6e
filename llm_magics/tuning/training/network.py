"""The decoder once more, in torch, for training only: frozen weights, one flat batch, LoRA where it is
wanted.

It reads the same DecoderSpec and the same weights by role as the graph of ``decoder/``, so it knows every
family that has a row there. What it leaves out is why it is fast: no logits but at completions, no padding,
no gradient for a frozen weight, no layer below the first that learns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...decoder.attention import alibi_slopes
from ...decoder.rotary import tables
from ...decoder.spec import DecoderSpec
from ...decoder.weights import Weights
from ...models.places import parts, shape_of, weights_in
from .attend import Masks, attend
from .batch import Batch
from .fused import functions
from .loss import losses

if TYPE_CHECKING:
    from torch import Tensor, dtype

# Adds a LoRA: (layer, product, input (N, in), output (N, out)) → output.
Add = Callable[[int, str, "Tensor", "Tensor"], "Tensor"]


@dataclass(slots=True)
class Layer:
    """Weights of one layer by product (``qkv``, ``o``, ``gate_up`` or ``up``, ``down``), (out, in) each."""

    weights: dict[str, Tensor]
    biases: dict[str, Tensor]
    norms: dict[str, tuple[Tensor, Tensor | None]]
    experts: list[tuple[Tensor, Tensor]]


class Network:
    """Frozen weights of the layers from ``first`` on, the embedding and the head.

    Args:
        weights: of the model.
        kind: the dtype of weights and activations; None is float32.
        first: layers below are loaded when they are asked for, and dropped at once.
        each: walks over the layers that are loaded, to show progress.
    """

    def __init__(
        self,
        weights: Weights,
        kind: dtype | None = None,
        *,
        first: int = 0,
        each: Callable[[range], Iterable[int]] = iter,
    ) -> None:
        import torch

        self.spec: DecoderSpec = weights.spec
        self._source, self.kind = weights, kind or torch.float32
        spec = self.spec
        self.embedding = self._tensor(weights.matrix("embed", shape=(spec.vocab, spec.hidden)).dequantize())
        self.head = self.embedding
        if weights.has("head"):
            self.head = self._tensor(weights.matrix("head", shape=(spec.vocab, spec.hidden)).dequantize())
        bias = weights.vector("head", size=spec.vocab, kind="bias")
        self._head_bias = None if bias is None else torch.from_numpy(bias)
        self._positions = (
            self._tensor(weights.matrix("positions", shape=(spec.context, spec.hidden)).dequantize())
            if spec.positions == "learned"
            else None
        )
        self._final = self._norm_of("final_norm", 0)
        self._tables: dict[bool, tuple[Tensor, Tensor]] = {}
        self.layers: dict[int, Layer] = {i: self._load(i) for i in each(range(first, spec.layers))}

    @property
    def count(self) -> int:
        """How many weights the whole model has, without its norms."""
        shared = self.head is self.embedding
        return weights_in(self.spec) - (self.spec.vocab * self.spec.hidden if shared else 0)

    @property
    def nbytes(self) -> int:
        """Bytes of the weights that are held."""
        held = [self.embedding, *([] if self.head is self.embedding else [self.head])]
        for layer in self.layers.values():
            held += [*layer.weights.values(), *(part for pair in layer.experts for part in pair)]
        return sum(part.numel() * part.element_size() for part in held)

    def hold(self, i: int) -> None:
        """Load a layer, if it is not there."""
        if i not in self.layers:
            self.layers[i] = self._load(i)

    def drop(self, below: int) -> None:
        """Forget the layers below that one."""
        self.layers = {i: layer for i, layer in self.layers.items() if i >= below}

    def embed(self, batch: Batch) -> Tensor:
        """What goes into the first layer, (N, hidden)."""
        import torch

        x = torch.nn.functional.embedding(batch.ids, self.embedding)
        if self.spec.embed_scale != 1:
            x = x * torch.tensor(self.spec.embed_scale, dtype=self.kind)
        if self._positions is not None:
            x = x + torch.nn.functional.embedding(batch.places, self._positions)
        return x

    def run(self, x: Tensor, batch: Batch, layers: Iterable[int], add: Add | None = None) -> Tensor:
        """(N, hidden) before the first of these layers → (N, hidden) after the last one."""
        masks: Masks = {}
        for i in layers:
            x = self._layer(i, self.layers.get(i) or self._load(i), x, batch, masks, add or _nothing)
        return x

    def losses(self, x: Tensor, batch: Batch) -> Tensor:
        """−ln p of what is learnt, float32 (n,), from (N, hidden) after the last layer."""
        x = self._norm(self._final, x.index_select(0, batch.at))
        return losses(x, self.head, self._head_bias, batch.targets, self.spec.final_softcap)

    def _layer(
        self,
        i: int,
        layer: Layer,
        x: Tensor,
        batch: Batch,
        masks: Masks,
        add: Add,
    ) -> Tensor:
        block = self.spec.block

        def linear(product: str, x: Tensor) -> Tensor:
            import torch

            out = torch.nn.functional.linear(x, layer.weights[product], layer.biases.get(product))
            return add(i, product, x, out)

        def norm(role: str, x: Tensor) -> Tensor:
            return self._norm(layer.norms[role], x)

        inner = x if block == "post" else norm("attn_norm", x)
        attended = self._attention(i, layer, inner, batch, masks, linear)
        if block == "parallel":
            own = norm("ffn_norm", x) if "ffn_norm" in layer.norms else inner
            return x + attended + self._mlp(layer, own, linear)
        if block in ("post", "sandwich"):
            attended = norm("attn_post_norm", attended)
        x = x + attended
        out = self._mlp(layer, x if block == "post" else norm("ffn_norm", x), linear)
        return x + (norm("ffn_post_norm", out) if block in ("post", "sandwich") else out)

    def _attention(
        self,
        i: int,
        layer: Layer,
        x: Tensor,
        batch: Batch,
        masks: Masks,
        linear: Callable[[str, Tensor], Tensor],
    ) -> Tensor:
        import torch

        spec, n = self.spec, len(x)
        heads = [spec.heads, spec.kv_heads, spec.kv_heads]
        turns = spec.positions == "rope" and i not in spec.no_rope
        qkv = linear("qkv", x)
        if turns and not spec.qk_norm:  # queries and keys at once
            cos, sin = (table[batch.places, None] for table in self._rotary(i))
            qk, v = torch.split(qkv.view(n, -1, spec.head_dim), [sum(heads[:2]), heads[2]], dim=1)
            qk = functions().rotate(qk, cos, sin)
            q, k = torch.split(qk, heads[:2], dim=1)
            return linear("o", attend(spec, i, q, k, v, batch, masks, self._slopes()))
        q, k, v = torch.split(qkv, [each * spec.head_dim for each in heads], dim=1)
        if spec.qk_norm:
            by_head = spec.qk_norm == "head"
            q, k = (
                self._norm(
                    layer.norms[role], part.reshape(n, -1, spec.head_dim) if by_head else part
                ).reshape(n, -1)
                for role, part in (("q_norm", q), ("k_norm", k))
            )
        q, k, v = (part.view(n, -1, spec.head_dim) for part in (q, k, v))
        if turns:
            cos, sin = self._rotary(i)
            q, k = (
                functions().rotate(part, cos[batch.places, None], sin[batch.places, None]) for part in (q, k)
            )
        return linear("o", attend(spec, i, q, k, v, batch, masks, self._slopes()))

    def _mlp(self, layer: Layer, x: Tensor, linear: Callable[[str, Tensor], Tensor]) -> Tensor:
        if self.spec.experts:
            return self._experts(layer, x)
        if not self.spec.gated:
            return linear("down", _activated(self.spec.activation, linear("up", x)))
        both = linear("gate_up", x)
        if self.spec.activation == "silu":
            return linear("down", functions().swiglu(both))
        gate, up = both.chunk(2, dim=1)
        return linear("down", _activated(self.spec.activation, gate) * up)

    def _experts(self, layer: Layer, x: Tensor) -> Tensor:
        """Each token by its best few (Shazeer et al. 2017, arXiv:1701.06538)."""
        import torch

        spec, linear = self.spec, torch.nn.functional.linear
        shares = torch.softmax(linear(x, layer.weights["router"]).float(), dim=1)
        weight, chosen = shares.topk(spec.experts_used, dim=1)
        if spec.normalize_experts:
            weight = weight / weight.sum(1, keepdim=True)
        out = torch.zeros_like(x)
        for expert, (gate_up, down) in enumerate(layer.experts):
            token, rank = (chosen == expert).nonzero(as_tuple=True)
            if not len(token):
                continue
            gate, up = linear(x[token], gate_up).chunk(2, dim=1)
            each = linear(_activated(spec.activation, gate) * up, down)
            out = out.index_add(0, token, each * weight[token, rank, None].to(each.dtype))
        return out

    def _norm(self, norm: tuple[Tensor, Tensor | None], x: Tensor) -> Tensor:
        import torch

        weight, bias = norm
        if self.spec.norm == "layer":
            return torch.nn.functional.layer_norm(x, weight.shape, weight, bias, self.spec.norm_eps)
        return functions().rms(x, weight, self.spec.norm_eps)  # type: ignore[no-any-return]

    def _rotary(self, i: int) -> tuple[Tensor, Tensor]:
        """Cosines and sines of the dimensions that are turned, both halves, (context, turned)."""
        local = bool(self.spec.local_theta) and self.spec.slides(i)
        if local not in self._tables:
            half = (self.spec.rotary_dim or self.spec.head_dim) // 2
            made = tables(self.spec, local=local, factors=self._source.vector("rope_factors"))
            cos, sin = (table[:, :half] for table in made)
            pairs = np.concatenate([cos, cos], axis=1), np.concatenate([-sin, sin], axis=1)
            self._tables[local] = self._tensor(pairs[0]), self._tensor(pairs[1])
        return self._tables[local]

    def _slopes(self) -> Tensor | None:
        return self._tensor(alibi_slopes(self.spec.heads)) if self.spec.positions == "alibi" else None

    def _tensor(self, array: Any) -> Tensor:
        import torch

        # np.array copies: what comes from a mapped file cannot be written, which torch does not take.
        return torch.from_numpy(np.array(array, np.float32, order="C")).to(self.kind)

    def _norm_of(self, role: str, i: int, size: int = 0) -> tuple[Tensor, Tensor | None]:
        bias = self._source.vector(role, i, kind="bias")
        return (
            self._tensor(self._source.norm(role, i, size)),
            None if bias is None else self._tensor(bias),
        )

    def _load(self, i: int) -> Layer:
        """A layer from the source. Matrices that read the same are stacked, as :func:`parts` says."""
        spec, w = self.spec, self._source
        layer = Layer({}, {}, {}, [])
        for product, roles in parts(spec).items():
            shapes = [shape_of(spec, role) for role in roles]
            rows = [w.matrix(role, i, shape).dequantize() for role, shape in zip(roles, shapes, strict=True)]
            layer.weights[product] = self._tensor(np.concatenate(rows))
            found = [
                w.vector(role, i, size=size, kind="bias")
                for role, (size, _) in zip(roles, shapes, strict=True)
            ]
            if any(bias is not None for bias in found):
                filled = [
                    np.zeros(size, np.float32) if bias is None else bias
                    for bias, (size, _) in zip(found, shapes, strict=True)
                ]
                layer.biases[product] = self._tensor(np.concatenate(filled))
        if spec.experts:
            layer.weights["router"] = self._tensor(
                w.matrix("router", i, (spec.experts, spec.hidden)).dequantize()
            )
            for e in range(spec.experts):
                gate, up, down = (
                    w.matrix(f"expert_{role}", i, shape, expert=e).dequantize()
                    for role, shape in (
                        ("gate", (spec.expert_ffn, spec.hidden)),
                        ("up", (spec.expert_ffn, spec.hidden)),
                        ("down", (spec.hidden, spec.expert_ffn)),
                    )
                )
                layer.experts.append((self._tensor(np.concatenate([gate, up])), self._tensor(down)))
        for role in ("attn_norm", "ffn_norm", "attn_post_norm", "ffn_post_norm"):
            name = next((name for name in (f"{role}_alone", role) if w.has(name, i)), None)
            if name:
                layer.norms[role] = self._norm_of(name, i)
        if spec.qk_norm:
            for role, heads in (("q_norm", spec.heads), ("k_norm", spec.kv_heads)):
                layer.norms[role] = self._norm_of(
                    role, i, spec.head_dim * (1 if spec.qk_norm == "head" else heads)
                )
        return layer


def _activated(kind: str, x: Tensor) -> Tensor:
    import torch

    functional = torch.nn.functional
    if kind == "silu":
        return functional.silu(x)
    if kind == "relu":
        return functional.relu(x)
    return functional.gelu(x, approximate="tanh" if kind == "gelu_tanh" else "none")


def _nothing(layer: int, product: str, x: Tensor, out: Tensor) -> Tensor:
    return out
