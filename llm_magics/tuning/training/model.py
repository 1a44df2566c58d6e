"""The decoder once more, in torch, for training only.

Frozen weights, one flat batch, LoRA where it is wanted.

It reads the same DecoderSpec and the same weights by role as the graph of ``decoder/``, so it knows every
family that has a row there. What it leaves out is why it is fast: no logits but at completions, no padding,
no gradient for a frozen weight, no layer below the first that learns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...decoder.mixers.attention import alibi_slopes
from ...decoder.mixers.rotary import tables
from ...decoder.spec import DecoderSpec
from ...decoder.weights import Weights
from ...errors import UnsupportedModel
from ...models.adapters.roles import roles_in_layer, shape_of, weights_in
from .attention import Masks, attention
from .batch import Batch, earlier_tokens
from .loss import chunked_cross_entropy

if TYPE_CHECKING:
    from torch import Tensor, device, dtype

# Adds a LoRA: (layer, product, input (N, in), output (N, out)) → output.
Add = Callable[[int, str, "Tensor", "Tensor"], "Tensor"]


@dataclass(slots=True)
class Layer:
    """Weights of one layer by product (``qkv``, ``o``, ``gate_up`` or ``up``, ``down``), (out, in) each."""

    weights: dict[str, Tensor]
    biases: dict[str, Tensor]
    norms: dict[str, tuple[Tensor, Tensor | None]]
    experts: list[tuple[Tensor, Tensor]]
    expert_biases: list[tuple[Tensor, Tensor]]
    sinks: Tensor | None = None


class TrainableModel:
    """Frozen weights of the layers from ``first`` on, the embedding and the head.

    Args:
        weights: of the model.
        kind: the dtype of weights and activations; None is float32.
        first: layers below are loaded when they are asked for, and dropped at once.
        on_layer: walks over the layers that are loaded, to show progress.
        device: where the weights lie; None is the CPU.
    """

    def __init__(
        self,
        weights: Weights,
        kind: dtype | None = None,
        *,
        first: int = 0,
        on_layer: Callable[[range], Iterable[int]] = iter,
        device: device | None = None,
    ) -> None:
        import torch

        spec = weights.spec
        if spec.linear_layers or spec.value_norm:
            why = "it has linear attention" if spec.linear_layers else "its layers differ in their heads"
            raise UnsupportedModel(
                f"{spec.family} cannot be tuned here yet: {why}",
                hint="Train an adapter with PEFT; lm.load(…, adapter=folder) uses it.",
            )
        self.spec: DecoderSpec = spec
        self._source, self.kind = weights, kind or torch.float32
        self.device = torch.device("cpu") if device is None else device
        self.embedding = self._tensor(weights.matrix("embed", shape=(spec.vocab, spec.hidden)).dequantize())
        self.head = self.embedding
        if weights.has("head"):
            self.head = self._tensor(weights.matrix("head", shape=(spec.vocab, spec.hidden)).dequantize())
        bias = weights.vector("head", size=spec.vocab, kind="bias")
        self._head_bias = None if bias is None else torch.from_numpy(np.array(bias)).to(self.device)
        self._positions = (
            self._tensor(weights.matrix("positions", shape=(spec.context, spec.hidden)).dequantize())
            if spec.positions == "learned"
            else None
        )
        self._final = self._norm_of("final_norm", 0)
        self._tables: dict[bool, tuple[Tensor, Tensor]] = {}
        self.layers: dict[int, Layer] = {i: self._load(i) for i in on_layer(range(first, spec.layers))}

    @property
    def count(self) -> int:
        """Return how many weights the whole model has, without its norms."""
        shared = self.head is self.embedding
        return weights_in(self.spec) - (self.spec.vocab * self.spec.hidden if shared else 0)

    @property
    def nbytes(self) -> int:
        """Return bytes of the weights that are held."""
        tensors = [self.embedding, *([] if self.head is self.embedding else [self.head])]
        for layer in self.layers.values():
            tensors += [*layer.weights.values(), *(part for pair in layer.experts for part in pair)]
        return sum(part.numel() * part.element_size() for part in tensors)

    def load_layer(self, i: int) -> None:
        """Load a layer, if it is not there."""
        if i not in self.layers:
            self.layers[i] = self._load(i)

    def drop_layers(self, below: int) -> None:
        """Forget the layers below that one."""
        self.layers = {i: layer for i, layer in self.layers.items() if i >= below}

    def embed(self, batch: Batch) -> Tensor:
        """Return what goes into the first layer, (N, hidden)."""
        import torch

        x = torch.nn.functional.embedding(batch.ids, self.embedding)
        if self.spec.embed_scale != 1:
            x = x * torch.tensor(self.spec.embed_scale, dtype=self.kind, device=self.device)
        if self._positions is not None:
            x = x + torch.nn.functional.embedding(batch.places, self._positions)
        return x

    def run(self, x: Tensor, batch: Batch, layers: Iterable[int], add: Add | None = None) -> Tensor:
        """Compute these layers: (N, hidden) before the first one → (N, hidden) after the last one."""
        masks: Masks = {}
        for i in layers:
            x = self._layer(i, self.layers.get(i) or self._load(i), x, batch, masks, add or _nothing)
        return x

    def token_losses(self, x: Tensor, batch: Batch) -> Tensor:
        """Return −ln p of what is learnt, float32 (n,), from (N, hidden) after the last layer."""
        x = self._norm(self._final, x.index_select(0, batch.at))
        return chunked_cross_entropy(x, self.head, self._head_bias, batch.targets, self.spec.final_softcap)

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
        scale = self.spec.residual_scale
        if i in self.spec.conv_layers:
            attended = self._convolution(layer, inner, batch, masks, linear)
        else:
            attended = self._attention(i, layer, inner, batch, masks, linear)
        attended = attended if scale == 1 else attended * scale
        if block == "parallel":
            own = norm("ffn_norm", x) if "ffn_norm" in layer.norms else inner
            return x + attended + self._mlp(layer, own, linear)
        if block in ("post", "sandwich"):
            attended = norm("attn_post_norm", attended)
        x = x + attended
        out = self._mlp(layer, x if block == "post" else norm("ffn_norm", x), linear)
        out = out if scale == 1 else out * scale
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

        from . import autograd_ops

        spec, n = self.spec, len(x)
        heads = [spec.heads, spec.kv_heads, spec.kv_heads]
        turns = spec.positions == "rope" and i not in spec.no_rope
        qkv = linear("qkv", x)
        if turns and not spec.qk_norm:  # queries and keys at once
            cos, sin = (table[batch.places, None] for table in self._rotary(i))
            qk, v = torch.split(qkv.view(n, -1, spec.head_dim), [sum(heads[:2]), heads[2]], dim=1)
            qk = autograd_ops.rotate(qk, cos, sin)
            q, k = torch.split(qk, heads[:2], dim=1)
            return linear("o", attention(spec, i, q, k, v, batch, masks, self._slopes(), layer.sinks))
        q, k, v = torch.split(qkv, [item * spec.head_dim for item in heads], dim=1)
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
                autograd_ops.rotate(part, cos[batch.places, None], sin[batch.places, None]) for part in (q, k)
            )
        return linear("o", attention(spec, i, q, k, v, batch, masks, self._slopes(), layer.sinks))

    def _convolution(
        self, layer: Layer, x: Tensor, batch: Batch, masks: Masks, linear: Callable[[str, Tensor], Tensor]
    ) -> Tensor:
        """Compute a gated short convolution (see decoder/mixers/convolution.py) within each example."""
        before, after, value = linear("conv_in", x).chunk(3, dim=1)
        gated, weights = before * value, layer.weights["conv"]
        out = gated * weights[:, -1]
        for distance in range(1, weights.shape[1]):
            name = f"{distance} back", False
            if name not in masks:
                masks[name] = earlier_tokens(batch, distance)
            places = masks[name]
            earlier = gated.index_select(0, places.clamp(min=0)) * (places >= 0)[:, None]
            out = out + earlier * weights[:, -1 - distance]
        return linear("conv_out", after * out)

    def _mlp(self, layer: Layer, x: Tensor, linear: Callable[[str, Tensor], Tensor]) -> Tensor:

        from . import autograd_ops

        if layer.experts:
            return self._experts(layer, x)
        if not self.spec.gated:
            return linear("down", _activated(self.spec.activation, linear("up", x)))
        both = linear("gate_up", x)
        if self.spec.activation == "silu":
            return linear("down", autograd_ops.swiglu(both))
        gate, up = both.chunk(2, dim=1)
        return linear("down", _activated(self.spec.activation, gate) * up)

    def _experts(self, layer: Layer, x: Tensor) -> Tensor:
        """Compute each token with the router's top-k experts (Shazeer et al. 2017, arXiv:1701.06538)."""
        import torch

        spec, linear = self.spec, torch.nn.functional.linear
        logits = linear(x, layer.weights["router"], layer.biases.get("router")).float()
        if spec.router == "sigmoid":
            shares = torch.sigmoid(logits)
            bias = layer.biases.get("expert_bias", 0.0)
            chosen = (shares + bias).topk(spec.experts_used, dim=1).indices
            weight = shares.gather(1, chosen)
        else:
            weight, chosen = torch.softmax(logits, dim=1).topk(spec.experts_used, dim=1)
        if spec.normalize_experts:
            weight = weight / weight.sum(1, keepdim=True)
        out = torch.zeros_like(x)
        for expert, (gate_up, down) in enumerate(layer.experts):
            token, rank = (chosen == expert).nonzero(as_tuple=True)
            if not len(token):
                continue
            biases = layer.expert_biases[expert] if layer.expert_biases else (None, None)
            gate, up = linear(x[token], gate_up, biases[0]).chunk(2, dim=1)
            item = linear(self._gated(gate, up), down, biases[1])
            out = out.index_add(0, token, item * weight[token, rank, None].to(item.dtype))
        return out if spec.expert_scale == 1 else out * spec.expert_scale

    def _gated(self, gate: Tensor, up: Tensor) -> Tensor:
        """Return what an expert's gate lets through: see ``swiglu_alpha`` of DecoderSpec."""
        import torch

        spec = self.spec
        if spec.swiglu_alpha == 1 and not spec.swiglu_offset and not spec.swiglu_limit:
            return _activated(spec.activation, gate) * up
        if spec.swiglu_limit:
            gate, up = gate.clamp(max=spec.swiglu_limit), up.clamp(-spec.swiglu_limit, spec.swiglu_limit)
        return gate * torch.sigmoid(spec.swiglu_alpha * gate) * (up + spec.swiglu_offset)

    def _norm(self, norm: tuple[Tensor, Tensor | None], x: Tensor) -> Tensor:
        import torch

        from . import autograd_ops

        weight, bias = norm
        if self.spec.norm == "layer":
            return torch.nn.functional.layer_norm(x, weight.shape, weight, bias, self.spec.norm_eps)
        return autograd_ops.rms(x, weight, self.spec.norm_eps)  # type: ignore[no-any-return]

    def _rotary(self, i: int) -> tuple[Tensor, Tensor]:
        """Return cosines and sines of the dimensions that are turned, both halves, (context, turned)."""
        local = bool(self.spec.local_theta) and self.spec.slides(i)
        if local not in self._tables:
            half = (self.spec.rotary_dim or self.spec.head_dim) // 2
            output = tables(self.spec, local=local, factors=self._source.vector("rope_factors"))
            cos, sin = (table[:, :half] for table in output)
            pairs = np.concatenate([cos, cos], axis=1), np.concatenate([-sin, sin], axis=1)
            self._tables[local] = self._tensor(pairs[0]), self._tensor(pairs[1])
        return self._tables[local]

    def _slopes(self) -> Tensor | None:
        return self._tensor(alibi_slopes(self.spec.heads)) if self.spec.positions == "alibi" else None

    def _tensor(self, array: Any) -> Tensor:
        import torch

        # np.array copies: what comes from a mapped file cannot be written, which torch does not take.
        return torch.from_numpy(np.array(array, np.float32, order="C")).to(self.device, self.kind)

    def _norm_of(self, role: str, i: int, size: int = 0) -> tuple[Tensor, Tensor | None]:
        bias = self._source.vector(role, i, kind="bias")
        return (
            self._tensor(self._source.norm(role, i, size)),
            None if bias is None else self._tensor(bias),
        )

    def _load(self, i: int) -> Layer:
        """Load a layer from the source; matrices with the same input are stacked (``roles_in_layer``)."""
        import torch

        spec, w = self.spec, self._source
        layer = Layer({}, {}, {}, [], [])
        if spec.sinks:
            sinks = w.vector("sinks", i, size=spec.heads)
            layer.sinks = None if sinks is None else self._tensor(sinks)
        for product, roles in roles_in_layer(spec, i).items():
            shapes = [shape_of(spec, i, role) for role in roles]
            rows = [w.matrix(role, i, shape).dequantize() for role, shape in zip(roles, shapes, strict=True)]
            layer.weights[product] = self._tensor(np.concatenate(rows))
            result = [
                w.vector(role, i, size=size, kind="bias")
                for role, (size, _) in zip(roles, shapes, strict=True)
            ]
            if any(bias is not None for bias in result):
                filled = [
                    np.zeros(size, np.float32) if bias is None else bias
                    for bias, (size, _) in zip(result, shapes, strict=True)
                ]
                layer.biases[product] = self._tensor(np.concatenate(filled))
        if spec.has_experts(i):
            if spec.router_bias:
                layer.biases["expert_bias"] = self._tensor(w.bare_vector("expert_bias", i, spec.experts))
            layer.weights["router"] = self._tensor(
                w.matrix("router", i, (spec.experts, spec.hidden)).dequantize()
            )
            bias = w.vector("router", i, size=spec.experts, kind="bias")
            if bias is not None:
                layer.biases["router"] = self._tensor(bias)
            sizes = {"gate": spec.expert_ffn, "up": spec.expert_ffn, "down": spec.hidden}
            biases = [w.expert_bias(f"expert_{role}", i, size) for role, size in sizes.items()]
            if all(item is not None for item in biases):
                gates, ups, downs = (self._tensor(item) for item in biases)
                layer.expert_biases = [(torch.cat([gates[e], ups[e]]), downs[e]) for e in range(spec.experts)]
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
        if i in spec.conv_layers:
            layer.weights["conv"] = self._tensor(w.conv_kernel("conv", i, spec.hidden, spec.conv_kernel))
        elif spec.qk_norm:
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
