"""One row a model family: what its configuration means, and where its weights lie.

Adding a family is adding a row.

A row reads config.json as the Hub has it; GGUF metadata is first put into the same words (see config.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..errors import CHOOSE_COPY, ModelFileError, UnsupportedModel
from ..formats.config import Config
from ..formats.fused_experts import FusedExperts
from ..formats.gpt_oss import GptOssTensors
from .family_fields import common, gemma, gpt, granite, lfm2, llama, qwen35
from .family_fields.common import MAX_CONTEXT, Fields
from .spec import DecoderSpec
from .weight_names import (
    FALCON_HUB,
    GEMMA2_HUB,
    GEMMA4_GGUF,
    GEMMA4_HUB,
    GGUF,
    GPT2_HUB,
    GPT_NEO_HUB,
    GPT_OSS_GGUF,
    GPT_OSS_HUB,
    GPTJ_HUB,
    GRANITE_HYBRID_HUB,
    LFM2_GGUF,
    LFM2_HUB,
    LFM2_MOE_GGUF,
    LFM2_MOE_HUB,
    LLAMA,
    NEOX_HUB,
    PHI3_HUB,
    PREFIXES,
    QK_NORMS,
    QWEN35_GGUF,
    QWEN35_HUB,
    QWEN35_MOE_GGUF,
    QWEN35_MOE_HUB,
    experts,
    fused,
    without,
)
from .weights import Layout


@dataclass(frozen=True, slots=True)
class Family:
    """One row.

    Attributes:
        fields: what the configuration says beyond the sizes, as fields of DecoderSpec.
        hub: names in checkpoints of the Hugging Face Hub.
        gguf: names in GGUF files.
    """

    fields: Callable[[Config], Fields]
    hub: Layout
    gguf: Layout


_PLAIN_HUB, _PLAIN_GGUF = Layout(LLAMA, PREFIXES), Layout(GGUF)


_GEMMA3 = Family(gemma.gemma3, Layout({**GEMMA2_HUB, **QK_NORMS}, PREFIXES, norm_plus=1.0), _PLAIN_GGUF)
_GEMMA4 = Family(gemma.gemma4, Layout(GEMMA4_HUB, PREFIXES), Layout(GEMMA4_GGUF))
_QWEN35 = Family(
    qwen35.qwen35, Layout(QWEN35_HUB, PREFIXES, norm_plus=1.0), Layout(QWEN35_GGUF, ggml_states=True)
)
_QWEN35_MOE = Family(
    qwen35.qwen35_moe,
    Layout(QWEN35_MOE_HUB, PREFIXES, norm_plus=1.0, adapt=FusedExperts),
    Layout(QWEN35_MOE_GGUF, ggml_states=True),
)
_INTERLEAVED = Layout(GGUF, interleaved=True)
_FUSED_GGUF = Layout(fused(GGUF))
FAMILIES = {
    "llama": Family(common.llama, _PLAIN_HUB, _INTERLEAVED),
    "mistral": Family(llama.mistral, _PLAIN_HUB, _INTERLEAVED),
    "mixtral": Family(
        llama.mixtral, Layout(experts("w1", "w3", "w2", "gate", "block_sparse_moe"), PREFIXES), _INTERLEAVED
    ),
    "qwen2": Family(llama.qwen2, _PLAIN_HUB, _PLAIN_GGUF),
    "qwen3": Family(llama.qwen3, Layout({**LLAMA, **QK_NORMS}, PREFIXES), _PLAIN_GGUF),
    "qwen3_moe": Family(
        llama.qwen3_moe,
        Layout({**experts("gate_proj", "up_proj", "down_proj", "gate", "mlp"), **QK_NORMS}, PREFIXES),
        _PLAIN_GGUF,
    ),
    "qwen3_5_text": _QWEN35,
    "qwen3_5": _QWEN35,
    "qwen3_5_moe_text": _QWEN35_MOE,
    "qwen3_5_moe": _QWEN35_MOE,
    "gpt_oss": Family(
        llama.gpt_oss, Layout(GPT_OSS_HUB, PREFIXES, adapt=GptOssTensors), Layout(GPT_OSS_GGUF)
    ),
    "smollm3": Family(llama.smollm3, _PLAIN_HUB, _INTERLEAVED),
    "olmo2": Family(
        llama.olmo2,
        Layout({**without(GEMMA2_HUB, "attn_norm", "ffn_norm"), **QK_NORMS}, PREFIXES),
        Layout(without(GGUF, "attn_norm", "ffn_norm")),
    ),
    "olmo3": Family(
        llama.olmo3,
        Layout({**without(GEMMA2_HUB, "attn_norm", "ffn_norm"), **QK_NORMS}, PREFIXES),
        Layout(without(GGUF, "attn_norm", "ffn_norm")),
    ),
    "ministral3": Family(llama.ministral3, _PLAIN_HUB, _INTERLEAVED),
    "mistral3": Family(llama.mistral, _PLAIN_HUB, _INTERLEAVED),
    "granite": Family(granite.granite, _PLAIN_HUB, _INTERLEAVED),
    "granitemoehybrid": Family(granite.granite_hybrid, Layout(GRANITE_HYBRID_HUB, PREFIXES), _INTERLEAVED),
    "lfm2": Family(lfm2.lfm2, Layout(LFM2_HUB, PREFIXES), Layout(LFM2_GGUF)),
    "lfm2_moe": Family(lfm2.lfm2_moe, Layout(LFM2_MOE_HUB, PREFIXES), Layout(LFM2_MOE_GGUF)),
    "gemma": Family(gemma.gemma, Layout(LLAMA, PREFIXES, norm_plus=1.0), _PLAIN_GGUF),
    "gemma2": Family(gemma.gemma2, Layout(GEMMA2_HUB, PREFIXES, norm_plus=1.0), _PLAIN_GGUF),
    "gemma3_text": _GEMMA3,
    "gemma3": _GEMMA3,
    "gemma4_text": _GEMMA4,
    "gemma4": _GEMMA4,
    "gemma4_unified_text": _GEMMA4,
    "gemma4_unified": _GEMMA4,
    "phi3": Family(
        llama.phi3,
        Layout(PHI3_HUB, PREFIXES),
        Layout(without(fused(GGUF), "gate", "up", gate_up="blk.{i}.ffn_up")),
    ),
    "falcon": Family(
        gpt.falcon,
        Layout(FALCON_HUB, ("transformer.", ""), qkv="grouped"),
        Layout(
            {**fused(GGUF), "ffn_norm_alone": "blk.{i}.attn_norm", "attn_norm_alone": "blk.{i}.attn_norm_2"}
        ),
    ),
    "gpt_neox": Family(gpt.neox, Layout(NEOX_HUB, ("gpt_neox.", ""), qkv="grouped"), _FUSED_GGUF),
    "gpt_neo": Family(gpt.gpt_neo, Layout(GPT_NEO_HUB, ("transformer.", "")), _FUSED_GGUF),
    "gptj": Family(gpt.gptj, Layout(GPTJ_HUB, ("transformer.", ""), interleaved=True), _FUSED_GGUF),
    "gpt2": Family(gpt.gpt2, Layout(GPT2_HUB, ("transformer.", ""), transposed=True), _FUSED_GGUF),
}


def spec_of(config: Config) -> DecoderSpec:
    """Return the decoder that a configuration describes.

    Raises:
        UnsupportedModel: the family has no row here, or uses what its row cannot express.
        ModelFileError: a value is missing or absurd.
    """
    family = config.family
    if family not in FAMILIES:
        raise UnsupportedModel(
            f"the architecture {family!r:.60} is not supported",
            hint="Choose one of " + ", ".join(sorted(FAMILIES)) + ".",
        )
    heads = config.integer("num_attention_heads", "n_head")
    sizes = {
        "layers": config.layers,
        "hidden": config.hidden,
        "heads": heads,
        "kv_heads": config.kv_heads(heads),
        "head_dim": config.head_dim(),
        "vocab": config.integer("vocab_size"),
        "ffn": config.integer("intermediate_size", "n_inner", "ffn_hidden_size", default=4 * config.hidden),
        "context": min(config.context, MAX_CONTEXT),
    }
    if sizes["vocab"] > 1 << 21 or sizes["layers"] > 1_000:
        raise ModelFileError(f"the model file has impossible sizes: {sizes}"[:200], hint=CHOOSE_COPY)
    fields = {**sizes, "tied": config.falcon_flag("tie_word_embeddings"), **FAMILIES[family].fields(config)}
    config.check_unread()
    return DecoderSpec(family=family, **fields)
