"""Tiny random models of every family, made by transformers, which is also the oracle."""

from __future__ import annotations

import copy
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

TRANSFORMERS = int(version("transformers").partition(".")[0])

COMMON = {
    "vocab_size": 293,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
NEOX = {
    "vocab_size": 293,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": 256,
    "hidden_act": "gelu",
}
FALCON = {
    "vocab_size": 293,
    "hidden_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "ffn_hidden_size": 96,
    "max_position_embeddings": 256,
}
FALCON_RW = {
    **FALCON,
    "alibi": True,
    "multi_query": False,
    "parallel_attn": False,
    "bias": True,
    "new_decoder_architecture": False,
}
GPT2 = {"vocab_size": 293, "n_embd": 64, "n_layer": 3, "n_head": 4, "n_positions": 256}
GEMMA3 = {"head_dim": 32, "query_pre_attn_scalar": 32, "sliding_window": 24, "num_hidden_layers": 7}
EXPERTS = {"num_experts_per_tok": 2}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}
OLMO3 = {"num_hidden_layers": 5, "sliding_window": 24}
GRANITE = {
    "embedding_multiplier": 3.0,
    "residual_multiplier": 0.4,
    "attention_multiplier": 0.2,
    "logits_scaling": 1.7,
}
GRANITE4 = {
    "layer_types": ["attention"] * 3 if TRANSFORMERS < 5 else ["full_attention"] * 3,
    "num_local_experts": 0,
    "num_experts_per_tok": 0,
    "shared_intermediate_size": 96,
    "mamba_n_heads": 8,
}
LFM2 = {
    **{key: value for key, value in COMMON.items() if key != "intermediate_size"},
    "num_hidden_layers": 5,
    "intermediate_size": 140,
    "block_multiple_of": 32,
    "layer_types": ["conv", "full_attention", "conv", "conv", "full_attention"],
}
LFM2_MOE = {
    **{key: value for key, value in LFM2.items() if key != "block_multiple_of"},
    **{"num_experts": 6, "num_experts_per_tok": 2, "moe_intermediate_size": 32, "num_dense_layers": 1},
}
GPT_OSS = {
    "head_dim": 32,
    "num_local_experts": 6,
    "num_experts_per_tok": 2,
    "num_hidden_layers": 4,
    "sliding_window": 24,
    "rope_scaling": {
        "rope_type": "yarn",
        "factor": 4.0,
        "beta_fast": 32.0,
        "beta_slow": 1.0,
        "truncate": False,
        "original_max_position_embeddings": 64,
    },
}
GPT_NEO = {
    "vocab_size": 293,
    "hidden_size": 64,
    "num_layers": 4,
    "num_heads": 4,
    "max_position_embeddings": 256,
    "attention_types": [[["global", "local"], 2]],
    "window_size": 24,
}
GPTJ = {
    "vocab_size": 293,
    "n_embd": 64,
    "n_layer": 3,
    "n_head": 2,
    "n_positions": 256,
    "rotary_dim": 16,
    "tie_word_embeddings": False,
}

# name → (model_type, what differs from the class's own defaults)
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("llama", {**COMMON, "tie_word_embeddings": False}),
    "llama-tied": ("llama", {**COMMON, "tie_word_embeddings": True}),
    "llama-odd": (
        "llama",
        {
            **COMMON,
            "head_dim": 48,
            "num_attention_heads": 3,
            "num_key_value_heads": 1,
            "hidden_size": 72,
            "intermediate_size": 100,
        },
    ),
    "llama-biases": ("llama", {**COMMON, "attention_bias": True, "mlp_bias": True}),
    "llama-3.1": ("llama", {**COMMON, "rope_scaling": LLAMA3, "rope_theta": 500_000.0}),
    "llama-linear": ("llama", {**COMMON, "rope_scaling": {"rope_type": "linear", "factor": 4.0}}),
    "llama-yarn": (
        "llama",
        {
            **COMMON,
            "rope_scaling": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64},
        },
    ),
    "openllama-3b": (
        "llama",
        {**COMMON, "hidden_size": 80, "num_key_value_heads": 4},
    ),  # heads of 20, as 3B has 100
    "mistral": ("mistral", {**COMMON, "sliding_window": 24}),
    "mistral-full": ("mistral", {**COMMON, "sliding_window": None}),
    "mixtral": ("mixtral", {**COMMON, **EXPERTS, "num_local_experts": 4, "sliding_window": None}),
    "qwen2": ("qwen2", {**COMMON}),
    "qwen2-sliding": (
        "qwen2",
        {**COMMON, "use_sliding_window": True, "sliding_window": 16, "max_window_layers": 1},
    ),
    "qwen3": ("qwen3", {**COMMON, "head_dim": 32}),
    "qwen3-moe": (
        "qwen3_moe",
        {
            **COMMON,
            **EXPERTS,
            "head_dim": 32,
            "num_experts": 6,
            "moe_intermediate_size": 32,
            "norm_topk_prob": True,
        },
    ),
    "qwen3-moe-raw": (
        "qwen3_moe",
        {
            **COMMON,
            **EXPERTS,
            "head_dim": 32,
            "num_experts": 6,
            "moe_intermediate_size": 32,
            "norm_topk_prob": False,
        },
    ),
    "smollm3": ("smollm3", {**COMMON, "num_hidden_layers": 5}),
    "olmo2": ("olmo2", {**COMMON}),
    "gpt-oss": ("gpt_oss", {**COMMON, **GPT_OSS}),
    "olmo3": ("olmo3", {**COMMON, **OLMO3}),
    "olmo3-yarn": (
        "olmo3",
        {**COMMON, **OLMO3, "rope_scaling": YARN, "rope_theta": 500_000.0},
    ),
    "granite": ("granite", {**COMMON, **GRANITE}),
    "granite-4": ("granitemoehybrid", {**COMMON, **GRANITE, **GRANITE4, "position_embedding_type": None}),
    "granite-4-rope": (
        "granitemoehybrid",
        {**COMMON, **GRANITE, **GRANITE4, "position_embedding_type": "rope", "rope_theta": 50_000.0},
    ),
    "lfm2": ("lfm2", {**LFM2}),
    "gemma": ("gemma", {**COMMON, "head_dim": 32}),
    "gemma2": ("gemma2", {**COMMON, "head_dim": 32, "sliding_window": 24, "query_pre_attn_scalar": 24}),
    "gemma2-large": ("gemma2", {**COMMON, "head_dim": 32, "sliding_window": 24, "query_pre_attn_scalar": 32}),
    "gemma3": ("gemma3_text", {**COMMON, **GEMMA3}),
    "gemma3-scaled": (
        "gemma3_text",
        {**COMMON, **GEMMA3, "rope_scaling": {"rope_type": "linear", "factor": 8.0}},
    ),
    "phi3": ("phi3", {**COMMON, "sliding_window": 24}),
    "phi3-long": (
        "phi3",
        {
            **COMMON,
            "original_max_position_embeddings": 256,
            "max_position_embeddings": 1024,
            "rope_scaling": {
                "type": "longrope",
                "short_factor": [1.0 + 0.1 * n for n in range(8)],
                "long_factor": [4.0] * 8,
            },
        },
    ),
    "phi4-mini": ("phi3", {**COMMON, "partial_rotary_factor": 0.75}),
    "falcon-7b": (
        "falcon",
        {**FALCON, "multi_query": True, "parallel_attn": True, "new_decoder_architecture": False},
    ),
    "falcon-40b": ("falcon", {**FALCON, "new_decoder_architecture": True, "num_kv_heads": 2}),
    "falcon-11b": (
        "falcon",
        {**FALCON, "new_decoder_architecture": True, "num_kv_heads": 2, "num_ln_in_parallel_attn": 1},
    ),
    "falcon-rw": ("falcon", FALCON_RW),
    "falcon-rw-odd": ("falcon", {**FALCON_RW, "num_attention_heads": 6, "hidden_size": 96}),
    "pythia": ("gpt_neox", {**NEOX}),
    "neox-sequential": ("gpt_neox", {**NEOX, "use_parallel_residual": False, "rotary_pct": 1.0}),
    "neox-tanh": ("gpt_neox", {**NEOX, "hidden_act": "gelu_new"}),
    "neox-20b": (
        "gpt_neox",
        {**NEOX, "hidden_size": 96, "num_attention_heads": 2},
    ),  # 12 dimensions of 48 are turned
    "gpt-neo": ("gpt_neo", {**GPT_NEO}),
    "gptj": ("gptj", {**GPTJ}),
    "gpt2": ("gpt2", {**GPT2}),
    "gpt2-odd": ("gpt2", {**GPT2, "n_embd": 60, "n_head": 3, "vocab_size": 301}),
}

MINISTRAL = {
    "rope_type": "yarn",
    "rope_theta": 1_000_000.0,
    "factor": 4.0,
    "original_max_position_embeddings": 128,
    "beta_fast": 32.0,
    "beta_slow": 1.0,
    "mscale": 1.0,
    "mscale_all_dim": 1.0,
    "llama_4_scaling_beta": 0.1,
}
QWEN35 = {
    "num_hidden_layers": 5,
    "head_dim": 32,
    "linear_key_head_dim": 16,
    "linear_value_head_dim": 24,
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "rope_parameters": {"rope_type": "default", "rope_theta": 50_000.0, "partial_rotary_factor": 0.25},
}
QWEN35_MOE = {"num_experts": 6, "num_experts_per_tok": 2, "moe_intermediate_size": 32}
QWEN35_MOE |= {"shared_expert_intermediate_size": 64}
GEMMA4 = {
    "num_hidden_layers": 7,
    "head_dim": 32,
    "global_head_dim": 64,
    "sliding_window": 24,
    "vocab_size_per_layer_input": 300,
    "hidden_size_per_layer_input": 64,
    "layer_types": [f"{kind}_attention" for kind in ("sliding", "sliding", "full") * 2 + ("full",)],
}
# What transformers 4 does not have.
NEWER: dict[str, tuple[str, dict[str, Any]]] = {
    "ministral3": ("ministral3", {**COMMON, "head_dim": 32, "rope_parameters": MINISTRAL}),
    "lfm2-moe": ("lfm2_moe", {**LFM2_MOE}),
    "lfm2-moe-plain": (
        "lfm2_moe",
        {**LFM2_MOE, "use_expert_bias": False, "num_dense_layers": 0, "routed_scaling_factor": 1.5},
    ),
    "qwen3.5": ("qwen3_5_text", {**COMMON, **QWEN35}),
    "qwen3.5-moe": ("qwen3_5_moe_text", {**COMMON, **QWEN35, **QWEN35_MOE, "num_hidden_layers": 4}),
    "qwen3.5-unusual": (
        "qwen3_5_text",
        {
            **COMMON,
            **QWEN35,
            "attention_bias": True,
            "tie_word_embeddings": True,
            "linear_conv_kernel_dim": 3,
            "linear_num_value_heads": 6,
            "rms_norm_eps": 1e-3,
            "layer_types": [kind + "_attention" for kind in ("full", "linear", "linear", "full", "linear")],
            "rope_parameters": {"rope_type": "default", "rope_theta": 9e4, "partial_rotary_factor": 0.5},
        },
    ),
    "gemma4": (
        "gemma4_text",
        {**COMMON, **GEMMA4, "num_kv_shared_layers": 3, "use_double_wide_mlp": True},
    ),
    "gemma4-12b": (
        "gemma4_unified_text",
        {
            **{key: value for key, value in {**COMMON, **GEMMA4}.items() if "per_layer" not in key},
            "num_global_key_value_heads": 1,
            "attention_k_eq_v": True,
            "final_logit_softcapping": 20.0,
        },
    ),
    "gemma4-unusual": (
        "gemma4_text",
        {
            **COMMON,
            **GEMMA4,
            "num_kv_shared_layers": 2,
            "num_global_key_value_heads": 4,
            "attention_k_eq_v": True,
            "tie_word_embeddings": False,
            "attention_bias": True,
            "rms_norm_eps": 1e-3,
            "rope_parameters": {
                "sliding_attention": {"rope_type": "default", "rope_theta": 5e4},
                "full_attention": {
                    "rope_type": "proportional",
                    "partial_rotary_factor": 0.5,
                    "rope_theta": 9e5,
                    "factor": 2.0,
                },
            },
        },
    ),
    "qwen3.5-even": ("qwen3_5_text", {**COMMON, **QWEN35, "linear_num_value_heads": 2}),
}
if TRANSFORMERS >= 5:
    CASES |= NEWER

LONG = {
    "rope_type": "longrope",
    "short_factor": [1.0 + 0.1 * n for n in range(8)],
    "long_factor": [4.0] * 8,
}
# The same with unusual values: a field that is passed over is seen in the logits.
UNUSUAL: dict[str, tuple[str, dict[str, Any]]] = {
    "llama-unusual": (
        "llama",
        {
            **COMMON,
            "rope_theta": 50_000.0,
            "rms_norm_eps": 1e-3,
            "hidden_act": "gelu",
            "attention_bias": True,
            "tie_word_embeddings": True,
            "head_dim": 32,
        },
    ),
    "llama-yarn-mscale": (
        "llama",
        {**COMMON, "rope_scaling": {**YARN, "mscale": 1.3, "mscale_all_dim": 0.7}},
    ),
    "llama-yarn-nulls": (
        "llama",
        {
            **COMMON,
            "rope_theta": 70_000.0,
            "rope_scaling": {
                **YARN,
                "attention_factor": None,
                "beta_fast": None,
                "beta_slow": 2,
                "truncate": False,
            },
        },
    ),
    "llama-longrope": (
        "llama",
        {
            **COMMON,
            "max_position_embeddings": 512,
            "original_max_position_embeddings": 256,
            "rope_scaling": LONG,
        },
    ),
    "llama-dynamic": ("llama", {**COMMON, "rope_scaling": {"rope_type": "dynamic", "factor": 3.0}}),
    "mistral-unusual": (
        "mistral",
        {**COMMON, "sliding_window": 17, "rope_theta": 50_000.0, "head_dim": 32, "hidden_act": "relu"},
    ),
    "mistral-yarn": ("mistral", {**COMMON, "head_dim": 16, "sliding_window": None, "rope_scaling": YARN}),
    "mixtral-unusual": (
        "mixtral",
        {
            **COMMON,
            "num_local_experts": 6,
            "num_experts_per_tok": 3,
            "rope_theta": 30_000.0,
            "sliding_window": 20,
            "rms_norm_eps": 1e-3,
        },
    ),
    "mixtral-defaults": ("mixtral", {**COMMON, **EXPERTS}),
    "qwen2-unusual": (
        "qwen2",
        {
            **COMMON,
            "rope_theta": 1_000_000.0,
            "use_sliding_window": True,
            "sliding_window": 20,
            "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
            "tie_word_embeddings": True,
        },
    ),
    "qwen2-longrope": (
        "qwen2",
        {
            **COMMON,
            "max_position_embeddings": 512,
            "original_max_position_embeddings": 256,
            "rope_scaling": LONG,
        },
    ),
    "qwen3-unusual": (
        "qwen3",
        {**COMMON, "head_dim": 48, "rope_theta": 1_000_000.0, "rope_scaling": YARN, "attention_bias": True},
    ),
    "qwen3-moe-unusual": (
        "qwen3_moe",
        {
            **COMMON,
            "num_experts_per_tok": 3,
            "num_experts": 5,
            "head_dim": 16,
            "moe_intermediate_size": 48,
            "norm_topk_prob": True,
            "rope_theta": 1_000_000.0,
            "use_sliding_window": True,
            "sliding_window": 18,
        },
    ),
    "smollm3-unusual": (
        "smollm3",
        {**COMMON, "rope_theta": 60_000.0, "no_rope_layers": [0, 1, 1], "tie_word_embeddings": False},
    ),
    "smollm3-sliding": (
        "smollm3",
        {**COMMON, "num_hidden_layers": 5, "use_sliding_window": True, "sliding_window": 16},
    ),
    "olmo2-unusual": (
        "olmo2",
        {**COMMON, "rope_theta": 500_000.0, "rms_norm_eps": 1e-3, "attention_bias": True},
    ),
    "gpt-oss-unusual": (
        "gpt_oss",
        {
            **COMMON,
            **GPT_OSS,
            "num_experts_per_tok": 3,
            "sliding_window": 17,
            "rms_norm_eps": 1e-3,
            "rope_theta": 70_000.0,
            "layer_types": ["full_attention", "sliding_attention", "sliding_attention", "full_attention"],
        },
    ),
    "olmo3-unusual": (
        "olmo3",
        {
            **COMMON,
            "sliding_window": 17,
            "rms_norm_eps": 1e-3,
            "attention_bias": True,
            "rope_theta": 70_000.0,
            "layer_types": ["full_attention", "sliding_attention", "sliding_attention"],
        },
    ),
    "granite-unusual": (
        "granite",
        {**COMMON, **GRANITE, "attention_bias": True, "mlp_bias": True, "rope_scaling": YARN},
    ),
    "lfm2-unusual": (
        "lfm2",
        {
            **LFM2,
            "conv_L_cache": 4,
            "norm_eps": 1e-3,
            "rope_theta": 70_000.0,
            "block_auto_adjust_ff_dim": False,
            "intermediate_size": 100,
            "layer_types": ["full_attention", "conv", "conv", "full_attention", "conv"],
        },
    ),
    "gpt-neo-unusual": (
        "gpt_neo",
        {
            **GPT_NEO,
            "num_layers": 3,
            "attention_types": [[["local"], 2], [["global"], 1]],
            "intermediate_size": 100,
            "layer_norm_epsilon": 1e-3,
            "activation_function": "relu",
        },
    ),
    "gptj-unusual": (
        "gptj",
        {**GPTJ, "n_inner": 100, "rotary_dim": 32, "layer_norm_epsilon": 1e-3, "activation_function": "gelu"},
    ),
    "gemma-unusual": (
        "gemma",
        {**COMMON, "head_dim": 48, "rope_theta": 70_000.0, "hidden_act": "gelu_pytorch_tanh"},
    ),
    "gemma2-unusual": (
        "gemma2",
        {
            **COMMON,
            "head_dim": 32,
            "sliding_window": 17,
            "query_pre_attn_scalar": 48,
            "attn_logit_softcapping": 7.0,
            "final_logit_softcapping": 3.0,
            "rope_theta": 70_000.0,
            "layer_types": ["full_attention", "sliding_attention", "sliding_attention"],
        },
    ),
    "gemma3-unusual": (
        "gemma3_text",
        {
            **COMMON,
            **GEMMA3,
            "rope_theta": 90_000.0,
            "rope_local_base_freq": 500.0,
            "sliding_window_pattern": 3,
            "query_pre_attn_scalar": 48,
        },
    ),
    "phi3-unusual": (
        "phi3",
        {
            **COMMON,
            "rope_theta": 30_000.0,
            "partial_rotary_factor": 0.5,
            "rms_norm_eps": 1e-3,
            "hidden_act": "gelu",
        },
    ),
    "phi3-long-partial": (
        "phi3",
        {
            **COMMON,
            "original_max_position_embeddings": 256,
            "max_position_embeddings": 1024,
            "partial_rotary_factor": 0.75,
            "rope_theta": 30_000.0,
            "rope_scaling": {
                "type": "longrope",
                "short_factor": [1.0 + 0.2 * n for n in range(6)],
                "long_factor": [3.0] * 6,
            },
        },
    ),
    "falcon-unusual": (
        "falcon",
        {
            **FALCON,
            "new_decoder_architecture": True,
            "num_kv_heads": 1,
            "rope_theta": 50_000.0,
            "layer_norm_epsilon": 1e-3,
            "activation": "gelu_new",
            "bias": True,
        },
    ),
    "neox-unusual": (
        "gpt_neox",
        {
            **NEOX,
            "rotary_emb_base": 60_000,
            "rotary_pct": 0.5,
            "layer_norm_eps": 1e-3,
            "attention_bias": False,
        },
    ),
    "neox-scaled": ("gpt_neox", {**NEOX, "rope_scaling": {"rope_type": "linear", "factor": 4.0}}),
    "gpt2-unusual": (
        "gpt2",
        {
            **GPT2,
            "n_inner": 100,
            "layer_norm_epsilon": 1e-3,
            "activation_function": "gelu",
            "tie_word_embeddings": False,
        },
    ),
}
EVERY = {**CASES, **UNUSUAL}


@cache
def _warm_up() -> None:
    """Let torch's vector functions run once: seen in one of many runs, the first angles of a process were off
    by 1e-4 in the oracle, and right in every later run of the same weights.
    """
    import torch

    angles = torch.arange(1 << 18, dtype=torch.float32) / 7
    for function in (torch.cos, torch.sin, torch.exp, torch.log1p):
        function(angles)
    torch.pow(torch.tensor(10_000.0), angles / (1 << 18))


def make(case: str, folder: Path, *, seed: int = 0) -> Any:
    """Save a random model as a Hub checkpoint; gives transformers' own, fp32, eager attention."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    kind, changes = EVERY[case]
    _warm_up()
    torch.manual_seed(seed)
    config = AutoConfig.for_model(kind, **copy.deepcopy(changes))  # 5.x writes into what it is passed
    # Falcon's eager attention adds its ALiBi twice (4.57); Gemma 2 caps its scores in eager attention only.
    attention = "sdpa" if kind == "falcon" else "eager"
    model = AutoModelForCausalLM.from_config(config, attn_implementation=attention).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():  # larger than at birth, so that a wrong part is seen
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.ndim == 1:
                is_norm = name.endswith("weight") and (
                    "gemma" not in kind or "gemma4" in kind
                )  # Gemma 1 to 3 keep their norms as what is added to one
                parameter.copy_(is_norm + 0.1 * noise)
                if "gemma4" in kind and name.endswith(("q_norm.weight", "k_norm.weight")):
                    parameter *= len(parameter) ** -0.25  # trained ones are small: scores are not divided
            else:
                wide = (
                    3 if name.endswith(("gate.weight", "router.weight")) and len(parameter) < 16 else 1.5
                )  # routers decide
                if kind == "gpt_neo" and "q_proj" in name:  # trained ones are small: scores are not divided
                    wide /= 4
                parameter.copy_(noise * wide / np.sqrt(parameter.shape[-1]))
        for name, buffer in model.named_buffers():
            if name.endswith("layer_scalar"):
                buffer.copy_(0.7 + 0.3 * torch.rand(buffer.shape, generator=generator))
            if name.endswith("expert_bias"):  # it chooses experts
                buffer.copy_(0.2 * torch.randn(buffer.shape, generator=generator))
    model.tie_weights()
    model.save_pretrained(folder)
    return model
