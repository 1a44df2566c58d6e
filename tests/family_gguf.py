"""transformers' models as GGUF files, written the way llama.cpp's convert_hf_to_gguf.py writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from gguf import MODEL_ARCH_NAMES, GGUFWriter, get_tensor_name_map
from safetensors.numpy import load_file

# What of families.CASES llama.cpp can hold, and the architecture it becomes.
_ARCH = {
    "llama": "llama",
    "mistral": "llama",
    "mixtral": "llama",
    "qwen2": "qwen2",
    "qwen3": "qwen3",
    "qwen3_moe": "qwen3moe",
    "smollm3": "smollm3",
    "olmo2": "olmo2",
    "gemma": "gemma",
    "gemma2": "gemma2",
    "gemma3_text": "gemma3",
    "phi3": "phi3",
    "falcon": "falcon",
    "gpt_neox": "gptneox",
    "gpt2": "gpt2",
}
CASES = (
    "llama",
    "llama-tied",
    "llama-3.1",
    "llama-linear",
    "openllama-3b",
    "mistral",
    "mistral-full",
    "mixtral",
    "qwen2",
    "qwen3",
    "qwen3-moe",
    "smollm3",
    "olmo2",
    "gemma",
    "gemma2-large",
    "gemma3",
    "gemma3-scaled",
    "phi3",
    "phi3-long",
    "phi4-mini",
    "falcon-7b",
    "falcon-40b",
    "pythia",
    "neox-sequential",
    "gpt2",
    "gpt2-odd",
)


def write(path: Path, model: Any, folder: Path) -> None:
    """Write ``model``, which was saved in ``folder``, in F32, with the metadata that llama.cpp needs."""
    config, arch = model.config, _ARCH[model.config.model_type]
    writer = GGUFWriter(path, arch)
    layers, heads = config.num_hidden_layers, config.num_attention_heads
    kv, rope = _kv_heads(config), _rope(config)
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // heads
    writer.add_block_count(layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(
        getattr(config, "intermediate_size", None)
        or getattr(config, "ffn_hidden_size", None)
        or 4 * config.hidden_size
    )
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv)
    if getattr(config, "head_dim", None) and arch not in ("falcon", "gptneox", "gpt2"):
        writer.add_key_length(head_dim)
        writer.add_value_length(head_dim)
    if arch in ("falcon", "gptneox", "gpt2"):
        writer.add_layer_norm_eps(getattr(config, "layer_norm_eps", None) or config.layer_norm_epsilon)
    else:
        writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    if arch == "gptneox":
        writer.add_rope_dimension_count(int(rope["partial_rotary_factor"] * head_dim))
        writer.add_rope_freq_base(rope["rope_theta"])
        writer.add_parallel_residual(config.use_parallel_residual)
    elif arch != "gpt2":
        writer.add_rope_dimension_count(int((rope.get("partial_rotary_factor") or 1.0) * head_dim))
        writer.add_rope_freq_base(rope["rope_theta"])
    if getattr(config, "sliding_window", None) and arch in ("llama", "gemma2", "gemma3", "phi3"):
        writer.add_sliding_window(config.sliding_window)
    if arch == "gemma2":
        writer.add_attn_logit_softcapping(config.attn_logit_softcapping)
        writer.add_final_logit_softcapping(config.final_logit_softcapping)
    if experts := getattr(config, "num_local_experts", None) or getattr(config, "num_experts", None):
        writer.add_expert_count(experts)
        writer.add_expert_used_count(config.num_experts_per_tok)
        if arch == "qwen3moe":
            writer.add_expert_feed_forward_length(config.moe_intermediate_size)
    state = load_file(folder / "model.safetensors")
    _scaling(writer, config, rope, state, head_dim)
    names = get_tensor_name_map(next(kind for kind, name in MODEL_ARCH_NAMES.items() if name == arch), layers)
    tied = config.tie_word_embeddings
    for name, array in _stacked(state).items():
        if tied and name in ("lm_head.weight", "embed_out.weight"):
            continue
        if name in ("rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight"):
            writer.add_tensor(name, array)
            continue
        suffix = name.rpartition(".")[2]
        target = names.get_name(name, try_suffixes=(".weight", ".bias"))
        assert target, name
        writer.add_tensor(target, _changed(name, array, arch, config, heads, kv, suffix))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _kv_heads(config: Any) -> int:
    if config.model_type == "falcon":
        return (
            config.num_kv_heads
            if config.new_decoder_architecture
            else 1
            if config.multi_query
            else config.num_attention_heads
        )
    return getattr(config, "num_key_value_heads", None) or config.num_attention_heads


def _rope(config: Any) -> dict[str, Any]:
    """The rotary embedding of the full layers, as transformers 5 writes it."""
    new = getattr(config, "rope_parameters", None)
    if new:
        return new.get("full_attention", new)
    return {
        "rope_theta": getattr(config, "rotary_emb_base", None) or getattr(config, "rope_theta", None),
        "partial_rotary_factor": getattr(config, "rotary_pct", None)
        or getattr(config, "partial_rotary_factor", 1.0),
        **(getattr(config, "rope_scaling", None) or {}),
    }


def _scaling(
    writer: GGUFWriter, config: Any, scaling: dict[str, Any], state: dict[str, np.ndarray], head_dim: int
) -> None:
    kind = scaling.get("rope_type", scaling.get("type"))
    if kind == "linear":
        from gguf import RopeScalingType

        writer.add_rope_scaling_type(RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(scaling["factor"])
    elif kind == "llama3":  # LlamaModel.generate_extra_tensors
        base, factor = scaling["rope_theta"], scaling["factor"]
        frequency = 1.0 / (base ** (np.arange(0, head_dim, 2) / head_dim))
        first = scaling["original_max_position_embeddings"]
        long, short = first / scaling["low_freq_factor"], first / scaling["high_freq_factor"]
        factors = []
        for wave in 2 * np.pi / frequency:
            smooth = (first / wave - scaling["low_freq_factor"]) / (
                scaling["high_freq_factor"] - scaling["low_freq_factor"]
            )
            factors.append(
                1 if wave < short else factor if wave > long else 1 / ((1 - smooth) / factor + smooth)
            )
        state["rope_freqs.weight"] = np.array(factors, np.float32)
    elif kind == "longrope":  # Phi3MiniModel.generate_extra_tensors
        first = config.original_max_position_embeddings
        scale = config.max_position_embeddings / first
        writer.add_rope_scaling_orig_ctx_len(first)
        writer.add_rope_scaling_attn_factors(float(np.sqrt(1 + np.log(scale) / np.log(first))))
        state["rope_factors_long.weight"] = np.array(scaling["long_factor"], np.float32)
        state["rope_factors_short.weight"] = np.array(scaling["short_factor"], np.float32)


def _stacked(state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Experts of a layer become one tensor; buffers are left out."""
    out: dict[str, Any] = {}
    for name, array in state.items():
        if name.endswith((".attention.bias", ".attn.bias", ".masked_bias", "inv_freq")):
            continue
        if ".experts." in name:
            head, _, tail = name.partition(".experts.")
            out.setdefault(f"{head}.experts.{tail.partition('.')[2]}", []).append(array)
        else:
            out[name] = array
    return {name: np.stack(value) if isinstance(value, list) else value for name, value in out.items()}


def _changed(
    name: str, array: np.ndarray, arch: str, config: Any, heads: int, kv: int, suffix: str
) -> np.ndarray:
    if arch in ("llama", "smollm3") and ("q_proj" in name or "k_proj" in name):  # LlamaModel.permute
        count = heads if "q_proj" in name else kv
        array = array.reshape(count, 2, -1, *array.shape[1:]).swapaxes(1, 2).reshape(array.shape)
    if arch.startswith("gemma") and name.endswith("norm.weight"):
        array = array + 1
    if arch == "gpt2" and suffix == "weight" and array.ndim == 2 and ".h." in name:
        array = array.T
    if "query_key_value" in name:  # grouped by KV head → all queries, all keys, all values
        each = heads // kv
        dim = array.shape[0] // (kv * (each + 2))
        grouped = array.reshape(kv, each + 2, dim, *array.shape[1:])
        parts = [grouped[:, :each], grouped[:, each : each + 1], grouped[:, each + 1 :]]
        array = np.concatenate([part.reshape(-1, *array.shape[1:]) for part in parts])
    return np.ascontiguousarray(array)
