"""One row a model family: how its metadata and weight names map to a DecoderSpec and to roles in the graph.

Adding a family is adding a row. ``{i}`` in a weight name stands for the layer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import ModelFileError, UnsupportedModel
from .spec import DecoderSpec

_LLAMA_WEIGHTS = {
    "embed": "token_embd.weight",
    "head": "output.weight",
    "final_norm": "output_norm.weight",
    "rope_factors": "rope_freqs.weight",
    "attn_norm": "blk.{i}.attn_norm.weight",
    "q": "blk.{i}.attn_q.weight",
    "k": "blk.{i}.attn_k.weight",
    "v": "blk.{i}.attn_v.weight",
    "o": "blk.{i}.attn_output.weight",
    "ffn_norm": "blk.{i}.ffn_norm.weight",
    "gate": "blk.{i}.ffn_gate.weight",
    "up": "blk.{i}.ffn_up.weight",
    "down": "blk.{i}.ffn_down.weight",
}


@dataclass(frozen=True, slots=True)
class Family:
    """How one family is written in GGUF.

    Attributes:
        weights: role → tensor name.
        interleaved_rope: q and k rows are stored so that rotary pairs are neighbours (llama.cpp permutes Llama's).
    """

    weights: Mapping[str, str]
    interleaved_rope: bool


FAMILIES = {"llama": Family(_LLAMA_WEIGHTS, interleaved_rope=True)}


def spec_from_gguf(metadata: Mapping[str, Any], vocab: int) -> DecoderSpec:
    """Read the decoder's shape from GGUF metadata.

    Raises:
        UnsupportedModel: the architecture has no row here, or uses what its row cannot express.
        ModelFileError: a key is missing or absurd.
    """
    family = metadata.get("general.architecture")
    if family not in FAMILIES:
        raise UnsupportedModel(
            f"the architecture {family!r} is not supported yet", hint="supported today: " + ", ".join(sorted(FAMILIES))
        )
    if metadata.get(f"{family}.expert_count"):
        raise UnsupportedModel("mixture-of-experts models are not supported yet", hint="choose a dense model")
    scaling = metadata.get(f"{family}.rope.scaling.type", "none")
    if scaling != "none":
        raise UnsupportedModel(f"rope scaling {scaling!r} is not supported yet", hint="choose a model without it")

    def need(key: str) -> Any:
        try:
            return metadata[f"{family}.{key}"]
        except KeyError:
            raise ModelFileError(f"the model file lacks {family}.{key}", hint="fetch the file again") from None

    hidden, heads = need("embedding_length"), need("attention.head_count")
    if not isinstance(hidden, int) or not isinstance(heads, int) or heads < 1:
        raise ModelFileError(f"the model file gives {heads!r} heads for a width of {hidden!r}", hint="fetch it again")
    head_dim = metadata.get(f"{family}.attention.key_length", hidden // heads)
    if metadata.get(f"{family}.rope.dimension_count", head_dim) != head_dim:
        raise UnsupportedModel("partial rotary embeddings are not supported yet", hint="choose another model")
    return DecoderSpec(
        family=family,
        layers=need("block_count"),
        hidden=hidden,
        heads=heads,
        kv_heads=metadata.get(f"{family}.attention.head_count_kv", heads),
        head_dim=head_dim,
        ffn=need("feed_forward_length"),
        vocab=vocab,
        context=need("context_length"),
        norm_eps=float(need("attention.layer_norm_rms_epsilon")),
        rope_theta=float(metadata.get(f"{family}.rope.freq_base", 10_000.0)),
    )
