"""DecoderSpec: what a decoder is, whatever its file calls it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from ..errors import ModelFileError, UnsupportedModel
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
        embed_scale: what embeddings are multiplied by.
        experts, experts_used, expert_ffn: of a mixture of experts; 0 experts is a dense model.
        normalize_experts: the weights of the chosen experts sum to one.
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
    embed_scale: float = 1.0
    experts: int = 0
    experts_used: int = 0
    expert_ffn: int = 0
    normalize_experts: bool = True
    tied: bool | None = None
    attention_bias: bool | None = None
    mlp_bias: bool | None = None

    def __post_init__(self) -> None:
        for name, most in _SIZES.items():
            _whole(name, getattr(self, name), 1, most)
        for name, most in {
            "rotary_dim": self.head_dim,
            "window": 1 << 30,
            "experts": 1_024,
            "experts_used": self.experts,
            "expert_ffn": 1 << 19,
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
            ("rope_scaling", Mapping | None),
            ("local_scaling", Mapping | None),
            ("tied", bool | None),
            ("attention_bias", bool | None),
            ("mlp_bias", bool | None),
        ):
            if not isinstance(getattr(self, name), kind):
                raise _absurd(name, getattr(self, name))
        for name in ("sliding", "no_rope"):
            if not all(isinstance(layer, int) and 0 <= layer < self.layers for layer in getattr(self, name)):
                raise _absurd(name, getattr(self, name))
        if self.heads % self.kv_heads:
            raise ModelFileError(
                f"{self.heads} heads cannot share {self.kv_heads} KV heads",
                hint="choose another copy of the model",
            )
        if self.rope_theta <= 0 or self.rotary_dim % 2 or (self.positions == "rope" and self.head_dim % 2):
            raise _absurd("rotary embedding", (self.rope_theta, self.rotary_dim, self.head_dim))
        if self.experts and not (self.experts_used and self.gated and self.block == "pre"):
            raise UnsupportedModel(
                "experts of this shape cannot be run yet", hint="choose a model of the Mixtral or Qwen3 kind"
            )
        if self.qk_norm and self.head_dim != self.cache_dim:
            raise UnsupportedModel(
                f"heads of {self.head_dim} dimensions with normed queries cannot be run yet",
                hint="choose another model",
            )

    @property
    def cache_dim(self) -> int:
        """head_dim as the attention kernel takes it: multiples of 16; what is added stays zero."""
        return -(-self.head_dim // 16) * 16

    @property
    def attention_scale(self) -> float:
        return self.scale or self.head_dim**-0.5

    def slides(self, layer: int) -> bool:
        """Whether the layer sees only the last ``window`` tokens."""
        return self.window > 0 and (not self.sliding or layer in self.sliding)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> DecoderSpec:
        """Raises TypeError for a field that is missing or unknown."""
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
    return ModelFileError(
        f"the model file gives {name} = {value!r:.60}", hint="choose another copy of the model"
    )
