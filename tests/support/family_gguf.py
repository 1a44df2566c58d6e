"""transformers' models as GGUF files, written the way llama.cpp's convert_hf_to_gguf.py writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from gguf import MODEL_ARCH_NAMES, ExpertGatingFuncType, GGUFWriter, get_tensor_name_map
from safetensors.numpy import load_file

from tests.support import families

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
    "olmo3": "olmo2",
    "ministral3": "mistral3",
    "granite": "granite",
    "lfm2": "lfm2",
    "lfm2_moe": "lfm2moe",
    "gpt_oss": "gpt-oss",
    "qwen3_5_text": "qwen35",
    "qwen3_5_moe_text": "qwen35moe",
    "granitemoehybrid": "granite",
    "gemma": "gemma",
    "gemma2": "gemma2",
    "gemma3_text": "gemma3",
    "gemma4_text": "gemma4",
    "gemma4_unified_text": "gemma4",
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
    "olmo3",
    "olmo3-yarn",
    "ministral3",
    "granite",
    "granite-4",
    "lfm2",
    "lfm2-moe",
    "gpt-oss",
    "qwen3.5",
    "qwen3.5-even",
    "qwen3.5-moe",
    "gemma",
    "gemma2-large",
    "gemma3",
    "gemma3-scaled",
    "gemma4",
    "gemma4-12b",
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
CASES = tuple(case for case in CASES if case in families.EVERY)  # those that this transformers has


def write(path: Path, model: Any, folder: Path) -> None:
    """Write ``model``, which was saved in ``folder``, in F32, with the metadata that llama.cpp needs."""
    config, arch = model.config, _ARCH[model.config.model_type]
    writer = GGUFWriter(path, arch)
    if arch == "gemma4":
        return _gemma4(writer, config, load_file(folder / "model.safetensors"))
    layers, heads = config.num_hidden_layers, config.num_attention_heads
    kv, rope = _kv_heads(config), _rope(config)
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // heads
    writer.add_block_count(layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    folder_state = load_file(folder / "model.safetensors")
    ffn = folder_state.get("model.layers.0.feed_forward.w1.weight")
    writer.add_feed_forward_length(
        (len(ffn) if ffn is not None else None)
        or getattr(config, "shared_intermediate_size", None)
        or getattr(config, "intermediate_size", None)
        or getattr(config, "ffn_hidden_size", None)
        or 4 * config.hidden_size
    )
    writer.add_head_count(heads)
    if arch == "lfm2moe":  # LFM2MoeModel.set_gguf_parameters
        writer.add_leading_dense_block_count(config.num_dense_layers)
        writer.add_expert_gating_func(ExpertGatingFuncType.SIGMOID)
    if arch in ("lfm2", "lfm2moe"):  # LFM2Model.set_gguf_parameters
        writer.add_head_count_kv([kv if kind == "full_attention" else 0 for kind in config.layer_types])
        writer.add_shortconv_l_cache(config.conv_L_cache)
    else:
        writer.add_head_count_kv(kv)
    if getattr(config, "head_dim", None) and arch not in ("falcon", "gptneox", "gpt2"):
        writer.add_key_length(head_dim)
        writer.add_value_length(head_dim)
    if arch in ("falcon", "gptneox", "gpt2"):
        writer.add_layer_norm_eps(getattr(config, "layer_norm_eps", None) or config.layer_norm_epsilon)
    else:
        writer.add_layer_norm_rms_eps(getattr(config, "norm_eps", None) or config.rms_norm_eps)
    if arch == "gptneox":
        writer.add_rope_dimension_count(int(rope["partial_rotary_factor"] * head_dim))
        writer.add_rope_freq_base(rope["rope_theta"])
        writer.add_parallel_residual(config.use_parallel_residual)
    elif arch != "gpt2":
        writer.add_rope_dimension_count(int((rope.get("partial_rotary_factor") or 1.0) * head_dim))
        writer.add_rope_freq_base(rope["rope_theta"])
    if getattr(config, "sliding_window", None) and arch in (
        *("llama", "gemma2", "gemma3", "phi3", "olmo2", "gpt-oss"),
    ):
        writer.add_sliding_window(config.sliding_window)
    if config.model_type == "olmo3":
        writer.add_sliding_window_pattern([kind == "sliding_attention" for kind in config.layer_types])
    if arch == "qwen35moe":
        writer.add_expert_shared_feed_forward_length(config.shared_expert_intermediate_size)
    if arch in ("qwen35", "qwen35moe"):  # Qwen3NextModel.set_gguf_parameters
        writer.add_ssm_conv_kernel(config.linear_conv_kernel_dim)
        writer.add_ssm_state_size(config.linear_key_head_dim)
        writer.add_ssm_group_count(config.linear_num_key_heads)
        writer.add_ssm_time_step_rank(config.linear_num_value_heads)
        writer.add_ssm_inner_size(config.linear_value_head_dim * config.linear_num_value_heads)
        writer.add_full_attention_interval(4)
        writer.add_rope_dimension_sections([11, 11, 10, 0])
    if arch == "granite":
        writer.add_attention_scale(config.attention_multiplier)
        writer.add_embedding_scale(config.embedding_multiplier)
        writer.add_residual_scale(config.residual_multiplier)
        writer.add_logit_scale(config.logits_scaling)
        if config.model_type == "granitemoehybrid":
            writer.add_rope_scaling_finetuned(config.position_embedding_type == "rope")
    if arch == "gemma2":
        writer.add_attn_logit_softcapping(config.attn_logit_softcapping)
        writer.add_final_logit_softcapping(config.final_logit_softcapping)
    if experts := getattr(config, "num_local_experts", None) or getattr(config, "num_experts", None):
        writer.add_expert_count(experts)
        writer.add_expert_used_count(config.num_experts_per_tok)
        if arch in ("qwen3moe", "gpt-oss", "lfm2moe", "qwen35moe"):
            size = getattr(config, "moe_intermediate_size", None) or config.intermediate_size
            writer.add_expert_feed_forward_length(size)
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
        if name.endswith("conv.conv.weight"):  # LFM2Model.modify_tensors
            array = array.squeeze(1)
        if arch == "lfm2moe" and ".experts." in name:  # LFM2MoeModel.modify_tensors
            name = name.removeprefix("model.")
        if name.endswith("feed_forward.expert_bias"):
            name += ".bias"
        name = name.replace(".linear_attn.dt_bias", ".linear_attn.dt_proj.bias")
        target = names.get_name(name, try_suffixes=(".weight", ".bias"))
        assert target, name
        writer.add_tensor(target, _changed(name, array, arch, config, heads, kv, suffix))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _gemma4(writer: GGUFWriter, config: Any, state: dict[str, np.ndarray]) -> None:
    """Gemma4Model of llama.cpp's converter."""
    layers, slides = config.num_hidden_layers, [kind == "sliding_attention" for kind in config.layer_types]
    by_layer = [config.per_layer_config[layer] for layer in range(layers)]
    full = by_layer[slides.index(False)]
    sliding = by_layer[slides.index(True)]
    own = layers - config.num_kv_shared_layers
    writer.add_block_count(layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    wide = 2 if config.use_double_wide_mlp else 1
    ffn = config.intermediate_size
    writer.add_feed_forward_length(
        ffn if wide == 1 else [ffn if i < own else wide * ffn for i in range(layers)]
    )
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv([item.num_key_value_heads for item in by_layer])
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_shared_kv_layers(config.num_kv_shared_layers)
    width = getattr(config, "hidden_size_per_layer_input", 0)
    writer.add_embedding_length_per_layer_input(width)
    writer.add_sliding_window(config.sliding_window)
    writer.add_sliding_window_pattern(slides)
    writer.add_key_length(full.head_dim)
    writer.add_value_length(full.head_dim)
    writer.add_key_length_swa(sliding.head_dim)
    writer.add_value_length_swa(sliding.head_dim)
    writer.add_rope_dimension_count(full.head_dim)
    writer.add_rope_dimension_count_swa(sliding.head_dim)
    rope = config.rope_parameters
    writer.add_rope_freq_base(rope["full_attention"]["rope_theta"])
    writer.add_rope_freq_base_swa(rope["sliding_attention"]["rope_theta"])
    if config.final_logit_softcapping:
        writer.add_final_logit_softcapping(config.final_logit_softcapping)
    turned = int(full.head_dim * rope["full_attention"]["partial_rotary_factor"] / 2)
    factors = [1.0] * turned + [1e30] * (full.head_dim // 2 - turned)
    writer.add_tensor("rope_freqs.weight", np.array(factors, np.float32))
    names = get_tensor_name_map(
        next(kind for kind, name in MODEL_ARCH_NAMES.items() if name == "gemma4"), layers
    )
    for name, array in state.items():
        name = f"{name}.weight" if name.endswith("layer_scalar") else name
        target = names.get_name(name, try_suffixes=(".weight", ".bias"))
        assert target, name
        writer.add_tensor(target, array)
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
    if kind == "yarn":
        from gguf import RopeScalingType

        writer.add_rope_scaling_type(RopeScalingType.YARN)
        writer.add_rope_scaling_factor(scaling["factor"])
        writer.add_rope_scaling_orig_ctx_len(scaling["original_max_position_embeddings"])
        if config.model_type == "ministral3":
            writer.add_rope_scaling_yarn_log_mul(scaling["mscale_all_dim"])
            writer.add_attn_temperature_scale(scaling["llama_4_scaling_beta"])
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
        if name.endswith((".gate_up_proj", ".gate_up_proj_bias")):  # GptOssModel.modify_tensors
            array = array.swapaxes(1, 2) if array.ndim == 3 else array
            start, kind = name.partition("gate_up_proj")[0], "bias" if name.endswith("bias") else "weight"
            out[f"{start}gate_proj.{kind}"], out[f"{start}up_proj.{kind}"] = array[:, ::2], array[:, 1::2]
        elif name.endswith(".experts.down_proj"):
            out[f"{name}.weight"] = array.swapaxes(1, 2)
        elif name.endswith(".experts.down_proj_bias"):
            out[f"{name.removesuffix('_bias')}.bias"] = array
        elif name.endswith(".sinks"):
            out[f"{name}.weight"] = array
        elif name.endswith("shared_mlp.input_linear.weight"):  # GraniteMoeModel.modify_tensors
            start = name.removesuffix("shared_mlp.input_linear.weight")
            out[f"{start}mlp.gate_proj.weight"], out[f"{start}mlp.up_proj.weight"] = np.split(array, 2)
        elif name.endswith("shared_mlp.output_linear.weight"):
            out[name.replace("shared_mlp.output_linear", "mlp.down_proj")] = array
        elif ".experts." in name:
            head, _, tail = name.partition(".experts.")
            out.setdefault(f"{head}.experts.{tail.partition('.')[2]}", []).append(array)
        else:
            out[name] = array
    return {name: np.stack(value) if isinstance(value, list) else value for name, value in out.items()}


def _changed(
    name: str, array: np.ndarray, arch: str, config: Any, heads: int, kv: int, suffix: str
) -> np.ndarray:
    permuted = arch in ("llama", "smollm3", "granite", "mistral3")  # LlamaModel.permute
    if permuted and ("q_proj" in name or "k_proj" in name):
        count = heads if "q_proj" in name else kv
        array = array.reshape(count, 2, -1, *array.shape[1:]).swapaxes(1, 2).reshape(array.shape)
    if arch in ("qwen35", "qwen35moe"):
        return np.ascontiguousarray(_qwen35(name, array, config))
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


def _qwen35(name: str, array: np.ndarray, config: Any) -> np.ndarray:
    """Qwen3NextModel.modify_tensors: norms plus one, −exp(A_log), value heads in tiles of the key heads."""
    if name.endswith("norm.weight") and ".linear_attn." not in name:
        return array + 1
    if name.endswith("A_log"):
        array = -np.exp(array)
    keys, dim = config.linear_num_key_heads, config.linear_value_head_dim
    groups = config.linear_num_value_heads // keys

    def tiled(rows: np.ndarray, size: int) -> np.ndarray:
        return rows.reshape(keys, groups, size, *rows.shape[1:]).swapaxes(0, 1).reshape(rows.shape)

    if name.endswith(("A_log", "dt_proj.bias", "in_proj_a.weight", "in_proj_b.weight")):
        return tiled(array, 1)
    if name.endswith("in_proj_z.weight"):
        return tiled(array, dim)
    if name.endswith("linear_attn.out_proj.weight"):
        return tiled(array.T, dim).T
    if name.endswith(("in_proj_qkv.weight", "conv1d.weight")):
        array = array.squeeze(1) if array.ndim == 3 else array
        begin = 2 * keys * config.linear_key_head_dim
        return np.concatenate([array[:begin], tiled(array[begin:], dim)])
    return array
