"""DecoderSpec: what a decoder is, whatever its file calls it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from ..errors import CHOOSE_COPY, CHOOSE_MODEL, ModelFileError, UnsupportedModel
from ..formats.config import LARGEST

Norm = Literal["rms", "layer"]
Block = Literal["pre", "post", "sandwich", "parallel"]
Positions = Literal["rope", "alibi", "learned"]
Activation = Literal["silu", "gelu", "gelu_tanh", "relu"]

_SIZES = {
    "layers": 1_000,
    "hidden": 1 << 17,
    "heads": 1_024,
    "kv_heads": 1_024,
    "head_dim": 1_024,
    "ffn": 1 << 19,
    "vocab": 1 << 21,
    "context": 1 << 24,
}
_CHOICES = {
    "norm": ("rms", "layer"),
    "block": ("pre", "post", "sandwich", "parallel"),
    "positions": ("rope", "alibi", "learned"),
    "activation": ("silu", "gelu", "gelu_tanh", "relu"),
    "qk_norm": ("", "head", "full"),
    "router": ("softmax", "sigmoid"),
}


@dataclass(frozen=True, slots=True)
class DecoderSpec:
    """The shape of a decoder-only transformer.

    Attributes:
        family: the row in families.py.
        layers, hidden, heads, kv_heads, head_dim, ffn, vocab, context: sizes; ``context`` in tokens.
        norm_eps, norm: epsilon and kind of the norms (RMS or layer norm).
        rope_theta, rotary_dim, rope_scaling: base of the rotary embedding (Su et al. 2021, arXiv:2104.09864),
            how many dimensions of a head it turns (0: all), and how its frequencies are stretched (see
                rotary.py).
        positions: rotary, ALiBi (Press et al. 2021, arXiv:2108.12409) or a learned table.
        block: where the norms stand: before each part ("pre"), behind it ("post"), both ("sandwich"), or
            before attention and MLP that read the same residual ("parallel").
        activation, gated: of the MLP; gated is act(gate)·up.
        qk_norm: RMS norm of queries and keys, by "head" or over the "full" width.
        scale: of the attention scores; 0 stands for head_dim ** -0.5.
        softcap, final_softcap: c·tanh(x/c) on scores and on logits; 0 for none.
        window: of sliding attention in tokens, this one counted in; 0 for none.
        sliding: the layers it applies to; empty for all.
        local_theta, local_scaling: rope_theta and rope_scaling of the sliding layers; 0 for the same as the
            others.
        no_rope: the layers without rotary embedding.
        full_head_dim, full_kv_heads: head_dim and kv_heads of the layers that do not slide; 0 for the same as
            the others.
        keys_as_values: those layers have no projection of values: theirs are the keys before norm and
            rotation.
        value_norm: values are RMS-normalized by head, without weights.
        kv_shared_layers: how many last layers take keys and values of the last layer of their kind before
            them (sliding or full).
        wide_mlp: the MLP of those layers is twice as wide.
        per_layer_dim: the width of an embedding of the token that every layer adds to the stream, behind a
            gate (Gemma 3n, Gemma 4); 0 for none.
        layer_scale: the stream is multiplied by a number at the end of each layer.
        embed_scale: what embeddings are multiplied by.
        conv_layers, conv_kernel: the layers with a gated short convolution in place of attention (LFM2), and
            how many tokens it sees, its own counted in.
        linear_layers: the layers with linear attention in place of attention (Gated DeltaNet), with
            ``linear_key_heads`` keys of ``linear_key_dim`` and ``linear_value_heads`` values of
            ``linear_value_dim`` a token, behind a convolution that sees ``linear_kernel`` tokens.
        attention_gate: the outputs of attention are multiplied by σ of a gate: its rows stand behind those of
            each head's query.
        residual_scale: what the outputs of attention and MLP are multiplied by before they are added.
        logit_scale: what logits are multiplied by.
        experts, experts_used, expert_ffn: of a mixture of experts; 0 experts is a dense model.
        dense_layers: how many first layers have an MLP in place of experts.
        router: the weights of experts are the softmax of the router's logits, or their sigmoid.
        router_bias: experts are chosen by their weights plus a bias that does not change the weights.
        shared_ffn: the width of an MLP that computes every token next to the experts, behind a gate of one
            value; 0 for none.
        expert_scale: what the output of the experts is multiplied by.
        normalize_experts: the weights of the chosen experts sum to one.
        sinks: each head has a logit that takes part in the softmax over the scores, and gives nothing.
        swiglu_alpha, swiglu_offset, swiglu_limit: of experts: gate · σ(alpha · gate) · (up + offset), with
            gate and up clamped to the limit; 0 for no limit.
        tied: whether the head is the table of embeddings; None where the file's tensors decide.
        attention_bias, mlp_bias: whether the products of attention and of the MLP have biases; None likewise.
    """

    family: str
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    ffn: int
    vocab: int
    context: int
    norm_eps: float
    rope_theta: float = 10_000.0
    norm: Norm = "rms"
    rotary_dim: int = 0
    rope_scaling: Mapping[str, Any] | None = None
    positions: Positions = "rope"
    block: Block = "pre"
    activation: Activation = "silu"
    gated: bool = True
    qk_norm: Literal["", "head", "full"] = ""
    scale: float = 0.0
    softcap: float = 0.0
    final_softcap: float = 0.0
    window: int = 0
    sliding: tuple[int, ...] = ()
    local_theta: float = 0.0
    local_scaling: Mapping[str, Any] | None = None
    no_rope: tuple[int, ...] = ()
    full_head_dim: int = 0
    full_kv_heads: int = 0
    keys_as_values: bool = False
    value_norm: bool = False
    kv_shared_layers: int = 0
    wide_mlp: bool = False
    per_layer_dim: int = 0
    layer_scale: bool = False
    embed_scale: float = 1.0
    conv_layers: tuple[int, ...] = ()
    conv_kernel: int = 0
    linear_layers: tuple[int, ...] = ()
    linear_kernel: int = 0
    linear_key_heads: int = 0
    linear_value_heads: int = 0
    linear_key_dim: int = 0
    linear_value_dim: int = 0
    attention_gate: bool = False
    residual_scale: float = 1.0
    logit_scale: float = 1.0
    experts: int = 0
    experts_used: int = 0
    expert_ffn: int = 0
    normalize_experts: bool = True
    dense_layers: int = 0
    router: Literal["softmax", "sigmoid"] = "softmax"
    router_bias: bool = False
    expert_scale: float = 1.0
    shared_ffn: int = 0
    sinks: bool = False
    swiglu_alpha: float = 1.0
    swiglu_offset: float = 0.0
    swiglu_limit: float = 0.0
    tied: bool | None = None
    attention_bias: bool | None = None
    mlp_bias: bool | None = None

    def __post_init__(self) -> None:
        for name, most in _SIZES.items():
            _whole(name, getattr(self, name), 1, most)
        for name, most in {
            "rotary_dim": self.head_dim,
            "full_head_dim": 1_024,
            "full_kv_heads": 1_024,
            "kv_shared_layers": self.layers - 1,
            "per_layer_dim": 1 << 14,
            "window": 1 << 30,
            "experts": 1_024,
            "experts_used": self.experts,
            "expert_ffn": 1 << 19,
            "dense_layers": self.layers,
            "shared_ffn": 1 << 19,
            "conv_kernel": 64,
            "linear_kernel": 64,
            "linear_key_heads": 1_024,
            "linear_value_heads": 1_024,
            "linear_key_dim": 1_024,
            "linear_value_dim": 1_024,
        }.items():
            _whole(name, getattr(self, name), 0, most)
        for name in (
            "norm_eps",
            "rope_theta",
            "scale",
            "softcap",
            "final_softcap",
            "local_theta",
            "embed_scale",
            "residual_scale",
            "logit_scale",
            "swiglu_alpha",
            "swiglu_offset",
            "swiglu_limit",
            "expert_scale",
        ):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= LARGEST:
                raise _absurd(name, value)
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise _absurd(name, getattr(self, name))
        for name, kind in (
            ("family", str),
            ("gated", bool),
            ("sinks", bool),
            ("keys_as_values", bool),
            ("value_norm", bool),
            ("wide_mlp", bool),
            ("layer_scale", bool),
            ("attention_gate", bool),
            ("router_bias", bool),
            ("rope_scaling", Mapping | None),
            ("local_scaling", Mapping | None),
            ("tied", bool | None),
            ("attention_bias", bool | None),
            ("mlp_bias", bool | None),
        ):
            if not isinstance(getattr(self, name), kind):
                raise _absurd(name, getattr(self, name))
        for name in ("sliding", "no_rope", "conv_layers", "linear_layers"):
            if not all(isinstance(layer, int) and 0 <= layer < self.layers for layer in getattr(self, name)):
                raise _absurd(name, getattr(self, name))
        self._check_mixers()
        self._check_shared_keys()
        self._check_combinations()

    def _check_mixers(self) -> None:
        """Check the layers without attention."""
        if self.conv_layers and (self.conv_kernel < 2 or len(set(self.conv_layers)) >= self.layers):
            raise _absurd("conv_kernel or conv_layers", (self.conv_kernel, self.conv_layers))
        if self.linear_layers and not (
            self.linear_kernel >= 2
            and self.linear_key_heads
            and self.linear_key_dim
            and self.linear_value_dim
            and self.linear_value_heads
            and self.linear_value_heads % self.linear_key_heads == 0
            and len({*self.linear_layers, *self.conv_layers}) < self.layers
        ):
            raise _absurd("linear_layers", self.linear_layers)

    def _check_shared_keys(self) -> None:
        """Check that every layer that shares keys and values finds them."""
        own = {self.slides(layer) for layer in range(self.own_layers)}
        if not {self.slides(layer) for layer in range(self.layers)} <= own:
            raise _absurd("kv_shared_layers", self.kv_shared_layers)
        mixed = self.full_head_dim or self.full_kv_heads or self.kv_shared_layers or self.keys_as_values
        if mixed and (self.qk_norm != "head" or self.conv_layers or self.linear_layers):
            raise UnsupportedModel(
                "layers that differ in their heads are supported with norms of each head's queries only",
                hint=CHOOSE_MODEL,
            )
        if self.full_kv_heads and self.heads % self.full_kv_heads:
            raise _absurd("full_kv_heads", self.full_kv_heads)

    def _check_combinations(self) -> None:
        """Refuse what fits together in no model, or in none that is supported."""
        if self.heads % self.kv_heads:
            raise ModelFileError(
                f"{self.heads} attention heads are not divisible by {self.kv_heads} KV heads",
                hint=CHOOSE_COPY,
            )
        if self.rope_theta <= 0 or self.rotary_dim % 2 or (self.positions == "rope" and self.head_dim % 2):
            raise _absurd("rotary embedding", (self.rope_theta, self.rotary_dim, self.head_dim))
        if self.experts and not (self.experts_used and self.gated and self.block == "pre"):
            raise UnsupportedModel(
                "experts of this shape are not supported yet",
                hint="Choose a mixture such as Mixtral or Qwen3.",
            )
        if self.router == "sigmoid" and not self.normalize_experts:
            raise UnsupportedModel(
                "experts by sigmoid without normalized weights are not supported yet",
                hint="Choose a mixture such as Mixtral or Qwen3.",
            )
        for size in (self.head_dim, self.full_head_dim):
            if self.qk_norm and size % 16:
                raise UnsupportedModel(
                    f"heads of {size} dimensions with query norms are not supported yet", hint=CHOOSE_MODEL
                )

    @property
    def cache_dim(self) -> int:
        """Return head_dim, padded for the attention kernel."""
        return padded_dim(self.head_dim)

    @property
    def own_layers(self) -> int:
        """Return how many first layers have keys and values of their own."""
        return self.layers - self.kv_shared_layers

    def head_dim_in(self, layer: int) -> int:
        """Return the dimensions of a head of one layer."""
        return self.full_head_dim if self.full_head_dim and not self.slides(layer) else self.head_dim

    def cache_dim_in(self, layer: int) -> int:
        """Return cache_dim of one layer."""
        return padded_dim(self.head_dim_in(layer))

    def kv_heads_in(self, layer: int) -> int:
        """Return the heads of keys and values of one layer."""
        return self.full_kv_heads if self.full_kv_heads and not self.slides(layer) else self.kv_heads

    def ffn_in(self, layer: int) -> int:
        """Return the width of the MLP of one layer."""
        return 2 * self.ffn if self.wide_mlp and layer >= self.own_layers else self.ffn

    def has_values(self, layer: int) -> bool:
        """Return whether a layer has a projection of values."""
        return layer < self.own_layers and not (self.keys_as_values and not self.slides(layer))

    def kv_source(self, layer: int) -> int:
        """Return the layer with the keys and values that a layer attends to: itself, or an earlier one."""
        if layer < self.own_layers:
            return layer
        kind = self.slides(layer)
        return max(other for other in range(self.own_layers) if self.slides(other) == kind)

    def has_experts(self, layer: int) -> bool:
        """Return whether a layer has a mixture of experts in place of an MLP."""
        return self.experts > 0 and layer >= self.dense_layers

    @property
    def attention_layers(self) -> tuple[int, ...]:
        """Return the layers with attention, from 0."""
        return tuple(i for i in range(self.layers) if i not in (*self.conv_layers, *self.linear_layers))

    @property
    def linear_width(self) -> int:
        """Return the channels of the convolution of linear attention: queries, keys and values."""
        keys = self.linear_key_heads * self.linear_key_dim
        return 2 * keys + self.linear_value_heads * self.linear_value_dim

    @property
    def cache_shape(self) -> tuple[Any, ...]:
        """Return the sizes of :class:`~llm_magics.engine.caches.kv_buffer.KVShape`."""
        own = [layer for layer in self.attention_layers if layer < self.own_layers]
        sizes = tuple((self.kv_heads_in(layer), self.cache_dim_in(layer)) for layer in own)
        sources = tuple(own.index(self.kv_source(layer)) for layer in self.attention_layers)
        convolutions = len(self.conv_layers), self.hidden, max(self.conv_kernel - 1, 0)
        states: tuple[int, ...] = ()
        if self.linear_layers:
            states = len(self.linear_layers), self.linear_value_heads, self.linear_value_dim
            states += self.linear_key_dim, self.linear_width, self.linear_kernel - 1
        return sizes, sources, *convolutions, *states

    @property
    def attention_scale(self) -> float:
        return self.scale or self.head_dim**-0.5

    def slides(self, layer: int) -> bool:
        """Return whether the layer sees only the last ``window`` tokens."""
        return self.window > 0 and (not self.sliding or layer in self.sliding)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> DecoderSpec:
        """Read what :meth:`to_dict` wrote.

        Raises:
            TypeError: a field is missing or unknown.
        """
        lists = {
            field.name: tuple(data[field.name])
            for field in fields(cls)
            if isinstance(data.get(field.name), list)
        }
        return cls(**{**data, **lists})


def _whole(name: str, value: object, least: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise _absurd(name, value)


def _absurd(name: str, value: object) -> ModelFileError:
    return ModelFileError(f"the model file gives {name} = {value!r:.60}", hint=CHOOSE_COPY)


def padded_dim(head_dim: int) -> int:
    """Return head_dim as the attention kernel takes it: a multiple of 16; what is added stays zero."""
    return -(-head_dim // 16) * 16
