"""DecoderSpec: what a decoder is, whatever its file calls it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from ..errors import ModelFileError, UnsupportedModel


@dataclass(frozen=True, slots=True)
class DecoderSpec:
    """The shape of a decoder-only transformer.

    Attributes:
        family: the row in families.py.
        layers, hidden, heads, kv_heads, head_dim, ffn, vocab, context: sizes; ``context`` in tokens.
        norm_eps: epsilon of the RMS norms.
        rope_theta: base of the rotary embedding (Su et al. 2021, arXiv:2104.09864).
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
    rope_theta: float

    def __post_init__(self) -> None:
        limits = {"layers": 1_000, "hidden": 1 << 17, "heads": 1_024, "kv_heads": 1_024, "head_dim": 1_024,
                  "ffn": 1 << 19, "vocab": 1 << 21, "context": 1 << 24}  # fmt: skip
        for name, most in limits.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
                raise ModelFileError(f"the model file gives {name} = {value!r}", hint="the file is damaged: fetch it again")
        if self.heads % self.kv_heads:
            raise ModelFileError(f"{self.heads} heads cannot share {self.kv_heads} KV heads", hint="fetch the file again")
        if self.head_dim % 16:
            raise UnsupportedModel(
                f"heads of {self.head_dim} dimensions cannot be run: the attention kernel takes multiples of 16",
                hint="choose another model",
            )

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> DecoderSpec:
        return cls(**{field.name: data[field.name] for field in fields(cls)})
