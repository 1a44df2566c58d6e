"""Fields of configurations: used, known to be harmless, or refused by name. None is passed over in
silence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from llm_magics import ModelFileError, UnsupportedModel
from llm_magics.decoder.families import FAMILIES, spec_of
from llm_magics.decoder.mixers.rotary import tables
from llm_magics.decoder.spec import DecoderSpec
from llm_magics.formats.config import Config, class_defaults
from llm_magics.formats.gguf_config import config_from_gguf
from tests.support.families import COMMON

LLAMA: dict[str, Any] = {"model_type": "llama", **COMMON}
GGUF: dict[str, Any] = {
    "general.architecture": "llama",
    "llama.block_count": 3,
    "llama.context_length": 256,
    "llama.embedding_length": 64,
    "llama.feed_forward_length": 96,
    "llama.attention.head_count": 4,
    "llama.attention.head_count_kv": 2,
    "llama.attention.layer_norm_rms_epsilon": 1e-5,
    "llama.rope.dimension_count": 16,
    "llama.vocab_size": 293,
}


def spec(raw: Mapping[str, Any], **changes: Any) -> DecoderSpec:
    return spec_of(Config({**raw, **changes}))


def from_gguf(**changes: Any) -> DecoderSpec:
    named = {key.replace("__", "."): value for key, value in changes.items()}
    return spec_of(config_from_gguf({**GGUF, **named}, 293, {}))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("attention_multiplier", 0.5),
        ("residual_multiplier", 0.22),
        ("logits_scaling", 8.0),
        ("qk_layernorm", True),
        ("sliding_window", 128),
        ("layer_types", ["sliding_attention"] * 3),
        ("rope_interleaved", True),
        ("per_layer_config", {"0": {"head_dim": 8}}),
        ("is_encoder_decoder", True),
        ("add_cross_attention", True),
        ("pruned_heads", {"0": [1]}),
        ("num_experts", 4),
    ],
)
def test_an_unknown_field_is_refused_by_name(key: str, value: Any) -> None:
    with pytest.raises(UnsupportedModel, match=key) as error:
        spec(LLAMA, **{key: value})
    assert f'ignore_config="{key}"' in str(error.value) and f"--ignore-config {key}" in str(error.value)
    assert spec_of(Config({**LLAMA, key: value}, ignore=[key])) == spec(LLAMA)


HARMLESS = """
    use_cache initializer_range pretraining_tp attention_dropout hidden_dropout resid_pdrop embd_pdrop
    attn_pdrop classifier_dropout output_router_logits router_aux_loss_coef router_jitter_noise
    summary_type summary_use_proj summary_activation summary_first_dropout summary_proj_to_labels
    reorder_and_upcast_attn is_decoder bos_token_id eos_token_id pad_token_id
    sliding_window max_window_layers no_rope_layer_interval rope_scaling rope_parameters
    embed_dropout resid_dropout
    num_ln_in_parallel_attn num_kv_heads original_max_position_embeddings multi_query
""".split()  # noqa: SIM905  # the last two lines: read, and seen in tests/model/test_checkpoints.py


@pytest.mark.parametrize("family", FAMILIES)
def test_every_field_of_every_class_is_used_or_refused(family: str) -> None:
    """Any field of transformers' class, at another value: another decoder, an error, or harmless."""
    harmless = set(HARMLESS)
    if family.startswith(("gemma2", "gemma3")):
        harmless.add("hidden_act")
    if family.startswith("gemma4"):  # of its mixture of experts; a context beyond the longest here
        harmless |= {"num_experts", "top_k_experts", "moe_intermediate_size", "max_position_embeddings"}
        harmless |= {"vocab_size_per_layer_input", "num_kv_shared_layers"}  # seen in tests/model
    if family == "ministral3":  # the context ends where queries would be scaled
        harmless.add("max_position_embeddings")
    defaults = class_defaults()["families"][family]["defaults"]
    small = {"num_hidden_layers": 4, "n_layer": 4, "vocab_size": 300, "model_type": family}
    small |= {"max_window_layers": 1, "sliding_window": 64}
    small = {key: value for key, value in small.items() if key in defaults or key == "model_type"}
    if family == "granitemoehybrid":
        small |= {"layer_types": ["attention"] * 4, "num_local_experts": 0}
        harmless |= {key for key in defaults if key.startswith("mamba_")}  # of layers that it has none of
        harmless |= {"num_experts_per_tok", "time_step_limit", "intermediate_size"}
    if family == "lfm2":
        small["intermediate_size"] = 1000  # no multiple of the blocks
    before = spec(small)
    for key, value in defaults.items():
        if key in harmless:
            continue
        others: list[Any] = (
            [not value]
            if isinstance(value, bool)
            else [value * 2, value // 2 if isinstance(value, int) else value / 2]
            if isinstance(value, (int, float))
            else ["relu"]
            if isinstance(value, str)
            else [True, 2, ["full_attention"] * 8]
        )
        seen = False
        for other in others:
            try:
                seen |= spec(small, **{key: other}) != before
            except (UnsupportedModel, ModelFileError):
                seen = True
        assert seen, (family, key, value)


def test_harmless_fields_and_defaults_pass() -> None:
    more = {
        "architectures": ["LlamaForCausalLM"],
        "torch_dtype": "bfloat16",
        "dtype": "bfloat16",
        "transformers_version": "5.24.0",
        "use_cache": True,
        "attention_dropout": 0.1,
        "pretraining_tp": 2,
        "_name_or_path": "x",
        "auto_map": {"AutoModelForCausalLM": "modeling.X"},
        "unsloth_fixed": True,
        "is_llama_config": True,
        "rope_interleaved": False,
        "bos_token_id": 1,
        "do_sample": True,
        "temperature": 0.6,
        "some_switch": None,
        "some_list": [],
    }
    assert spec(LLAMA, **more) == spec(LLAMA)


@pytest.mark.parametrize("method", ["bitsandbytes", "quanto", "hqq"])
def test_quantised_checkpoints_are_named(method: str) -> None:
    with pytest.raises(UnsupportedModel, match=f"quantized by {method}") as error:
        spec(LLAMA, quantization_config={"quant_method": method, "bits": 4})
    assert "fetch" not in str(error.value)


def test_defaults_are_those_of_transformers_classes() -> None:
    """google/gemma-3-4b-it, 12b and 27b leave them out (M4)."""
    text = {"hidden_size": 2560, "intermediate_size": 10240, "num_hidden_layers": 34, "sliding_window": 1024}
    scaling = {"factor": 8.0, "rope_type": "linear"}
    raw = {
        "model_type": "gemma3",
        "architectures": ["Gemma3ForConditionalGeneration"],
        "boi_token_index": 255999,
        "mm_tokens_per_image": 256,
        "vision_config": {"hidden_size": 1152},
        "text_config": {**text, "model_type": "gemma3_text", "rope_scaling": scaling},
    }
    found = spec(raw)
    assert (found.heads, found.kv_heads, found.head_dim, found.vocab) == (8, 4, 256, 262_208)
    assert (found.context, found.tied, found.local_theta, found.rope_theta) == (131_072, True, 1e4, 1e6)
    assert found.rope_scaling == {"factor": 8.0, "rope_type": "linear"} and found.local_scaling is None
    assert spec({"model_type": "mixtral", "num_hidden_layers": 2}).rope_theta == 1e6
    assert spec({"model_type": "mistral", "num_hidden_layers": 2}).window == 4096
    assert spec({"model_type": "mistral", "num_hidden_layers": 2, "sliding_window": None}).window == 0


def test_rope_parameters_that_say_two_things_are_refused() -> None:
    old = {"rope_type": "linear", "factor": 2.0}
    assert spec(LLAMA, rope_scaling=old, rope_parameters=old) == spec(LLAMA, rope_scaling=old)
    with pytest.raises(UnsupportedModel, match="contradict each other"):
        spec(LLAMA, rope_scaling=old, rope_parameters={"rope_type": "linear", "factor": 4.0})
    with pytest.raises(UnsupportedModel, match="partial_rotary_factor"):
        spec(LLAMA, rope_parameters={"rope_theta": 1e4, "rope_type": "default", "partial_rotary_factor": 0.5})
    with pytest.raises(UnsupportedModel, match="llama_4_scaling_beta"):
        spec(LLAMA, rope_parameters={"rope_theta": 1e4, "rope_type": "yarn", "llama_4_scaling_beta": 0.1})
    nested = {"full_attention": {"rope_theta": 5e4}, "sliding_attention": {"rope_theta": 1e4}}
    with pytest.raises(UnsupportedModel, match="differ between layers"):
        spec(LLAMA, rope_parameters=nested)
    same = {"full_attention": {"rope_theta": 5e4}, "sliding_attention": {"rope_theta": 5e4}}
    assert spec(LLAMA, rope_parameters=same).rope_theta == 5e4
    with pytest.raises(UnsupportedModel, match="chunked_attention"):
        spec({**LLAMA, "model_type": "qwen2"}, layer_types=["chunked_attention"] * 3)


@pytest.mark.parametrize("family", ["llama", "mistral", "qwen2", "qwen3", "phi3", "olmo2", "gemma2"])
def test_longrope_ends_the_context_in_every_family(family: str) -> None:
    table = {"rope_type": "longrope", "short_factor": [1.0] * 8, "long_factor": [4.0] * 8}
    raw = {**LLAMA, "model_type": family, "head_dim": 16, "max_position_embeddings": 1024}
    for more in (
        {"rope_scaling": table, "original_max_position_embeddings": 128},
        {"rope_parameters": {**table, "original_max_position_embeddings": 128, "rope_theta": 1e4}},
    ):
        if family == "phi3" and "rope_parameters" in more:
            more["original_max_position_embeddings"] = 128
        assert spec(raw, **more).context == 128


def test_gguf_linear_scaling_in_both_spellings() -> None:
    """M7: a factor with no type is linear, and so is the older key."""
    want, _ = tables(spec(LLAMA, rope_scaling={"rope_type": "linear", "factor": 4.0}))
    for more in (
        {"llama__rope__scaling__factor": 4.0},
        {"llama__rope__scale_linear": 4.0},
        {"llama__rope__scaling__type": "linear", "llama__rope__scaling__factor": 4.0},
    ):
        assert np.array_equal(tables(from_gguf(**more))[0], want)
    plain, _ = tables(spec(LLAMA))
    for more in (
        {"llama__rope__scaling__type": "none", "llama__rope__scaling__factor": 4.0},
        {"llama__rope__scaling__factor": 0.0},
        {"llama__rope__scaling__factor": 1.0},
    ):
        assert np.array_equal(tables(from_gguf(**more))[0], plain)


def test_gguf_yarn_as_llama_cpp_scales_it() -> None:
    yarn = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}
    keys = {
        "llama__rope__scaling__type": "yarn",
        "llama__rope__scaling__factor": 4.0,
        "llama__rope__scaling__original_context_length": 64,
    }
    want, _ = tables(spec(LLAMA, rope_scaling=yarn))
    assert np.array_equal(tables(from_gguf(**keys))[0], want)
    twice = from_gguf(**keys, llama__rope__scaling__attn_factor=2.0)
    assert np.allclose(tables(twice)[0], 2 * want)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("llama.expert_shared_count", 1),
        ("llama.attention.scale", 0.1),
        ("llama.residual_scale", 0.5),
        ("llama.attention.causal", False),
        ("llama.final_logit_softcapping", 30.0),
        ("llama.rope.scaling.attn_factor", 1.5),
        ("llama.attention.value_length", 32),
        ("llama.something.new", 3),
    ],
)
def test_an_unknown_gguf_key_is_refused_by_name(key: str, value: Any) -> None:
    metadata = {**GGUF, "llama.attention.key_length": 16, key: value}
    with pytest.raises(UnsupportedModel) as error:
        spec_of(config_from_gguf(metadata, 293, {}))
    if "value_length" not in key:
        assert f'ignore_config="{key}"' in str(error.value)
        assert spec_of(config_from_gguf(metadata, 293, {}, ignore=[key])) == from_gguf()


def test_gguf_arrays_of_one_value(tmp_path: Any) -> None:
    """M15: llama.cpp takes a value a layer."""
    same = from_gguf(
        llama__attention__head_count=[4, 4, 4],
        llama__attention__head_count_kv=[2, 2, 2],
        llama__feed_forward_length=[96] * 3,
    )
    assert same == from_gguf()
    with pytest.raises(UnsupportedModel, match=r"head_count_kv differs between layers"):
        from_gguf(llama__attention__head_count_kv=[2, 4, 2])


def test_other_kinds_of_gguf_files_are_named() -> None:
    for kind in ("adapter", "mmproj", "imatrix"):
        with pytest.raises(UnsupportedModel, match=kind):
            config_from_gguf({**GGUF, "general.type": kind}, 293, {})


# What configurations on the Hub hold besides the sizes (written down from the files of these models).
REAL: dict[str, dict[str, Any]] = {
    "meta-llama/Llama-3.2-1B-Instruct": {
        "architectures": ["LlamaForCausalLM"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": 128000,
        "eos_token_id": [128001, 128008, 128009],
        "head_dim": 64,
        "hidden_act": "silu",
        "hidden_size": 2048,
        "initializer_range": 0.02,
        "intermediate_size": 8192,
        "max_position_embeddings": 131072,
        "mlp_bias": False,
        "model_type": "llama",
        "num_attention_heads": 32,
        "num_hidden_layers": 16,
        "num_key_value_heads": 8,
        "pretraining_tp": 1,
        "rms_norm_eps": 1e-05,
        "rope_scaling": {
            "factor": 32.0,
            "high_freq_factor": 4.0,
            "low_freq_factor": 1.0,
            "original_max_position_embeddings": 8192,
            "rope_type": "llama3",
        },
        "rope_theta": 500000.0,
        "tie_word_embeddings": True,
        "torch_dtype": "bfloat16",
        "transformers_version": "4.45.0.dev0",
        "use_cache": True,
        "vocab_size": 128256,
    },
    "HuggingFaceTB/SmolLM2-135M-Instruct": {
        "architectures": ["LlamaForCausalLM"],
        "hidden_size": 576,
        "intermediate_size": 1536,
        "is_llama_config": True,
        "model_type": "llama",
        "num_attention_heads": 9,
        "num_hidden_layers": 30,
        "num_key_value_heads": 3,
        "pad_token_id": 2,
        "rope_interleaved": False,
        "rope_scaling": None,
        "rope_theta": 100000,
        "tie_word_embeddings": True,
        "transformers.js_config": {"kv_cache_dtype": {"q4f16": "float16", "fp16": "float16"}},
        "use_cache": True,
        "vocab_size": 49152,
    },
    "openlm-research/open_llama_3b": {
        "architectures": ["LlamaForCausalLM"],
        "hidden_act": "silu",
        "hidden_size": 3200,
        "intermediate_size": 8640,
        "max_position_embeddings": 2048,
        "model_type": "llama",
        "num_attention_heads": 32,
        "num_hidden_layers": 26,
        "rms_norm_eps": 1e-06,
        "tie_word_embeddings": False,
        "use_cache": True,
        "vocab_size": 32000,
    },
    "huggyllama/llama-7b": {"model_type": "llama", "max_sequence_length": 2048, "vocab_size": 32000},
    "mistralai/Mistral-7B-Instruct-v0.3": {
        "model_type": "mistral",
        "hidden_size": 4096,
        "max_position_embeddings": 32768,
        "sliding_window": None,
        "rope_theta": 1000000.0,
        "attention_dropout": 0.0,
        "vocab_size": 32768,
    },
    "mistralai/Mixtral-8x7B-Instruct-v0.1": {
        "model_type": "mixtral",
        "num_local_experts": 8,
        "num_experts_per_tok": 2,
        "output_router_logits": False,
        "router_aux_loss_coef": 0.02,
        "sliding_window": None,
        "rope_theta": 1000000.0,
    },
    "Qwen/Qwen2.5-0.5B-Instruct": {
        "model_type": "qwen2",
        "hidden_size": 896,
        "num_attention_heads": 14,
        "num_key_value_heads": 2,
        "num_hidden_layers": 24,
        "intermediate_size": 4864,
        "max_window_layers": 21,
        "sliding_window": 32768,
        "use_sliding_window": False,
        "tie_word_embeddings": True,
        "rope_theta": 1000000.0,
    },
    "Qwen/Qwen3-30B-A3B": {
        "model_type": "qwen3_moe",
        "decoder_sparse_step": 1,
        "head_dim": 128,
        "max_window_layers": 48,
        "mlp_only_layers": [],
        "moe_intermediate_size": 768,
        "norm_topk_prob": True,
        "num_experts": 128,
        "num_experts_per_tok": 8,
        "output_router_logits": False,
        "rope_scaling": None,
        "rope_theta": 1000000.0,
        "router_aux_loss_coef": 0.001,
        "sliding_window": None,
        "use_sliding_window": False,
    },
    "Qwen/Qwen3-0.6B": {
        "model_type": "qwen3",
        "head_dim": 128,
        "hidden_size": 1024,
        "num_attention_heads": 16,
        "num_key_value_heads": 8,
        "num_hidden_layers": 28,
        "max_window_layers": 28,
        "sliding_window": None,
        "use_sliding_window": False,
        "attention_bias": False,
        "tie_word_embeddings": True,
    },
    "google/gemma-2b": {
        "model_type": "gemma",
        "hidden_act": "gelu",
        "hidden_activation": None,
        "hidden_size": 2048,
        "head_dim": 256,
        "num_attention_heads": 8,
        "num_key_value_heads": 1,
        "num_hidden_layers": 18,
        "intermediate_size": 16384,
        "rope_scaling": None,
    },
    "google/gemma-2-2b-it": {
        "model_type": "gemma2",
        "attn_logit_softcapping": 50.0,
        "cache_implementation": "hybrid",
        "final_logit_softcapping": 30.0,
        "hidden_act": "gelu_pytorch_tanh",
        "hidden_activation": "gelu_pytorch_tanh",
        "query_pre_attn_scalar": 256,
        "sliding_window": 4096,
        "sliding_window_size": 4096,
    },
    "google/gemma-3-1b-it": {
        "model_type": "gemma3_text",
        "cache_implementation": "hybrid",
        "hidden_size": 1152,
        "num_attention_heads": 4,
        "num_key_value_heads": 1,
        "rope_local_base_freq": 10000,
        "rope_scaling": None,
        "rope_theta": 1000000,
        "sliding_window": 512,
        "sliding_window_pattern": 6,
    },
    "microsoft/Phi-3-mini-4k-instruct": {
        "model_type": "phi3",
        "auto_map": {"AutoConfig": "configuration_phi3.Phi3Config"},
        "embd_pdrop": 0.0,
        "original_max_position_embeddings": 4096,
        "resid_pdrop": 0.0,
        "rope_scaling": None,
        "sliding_window": 2047,
        "attention_bias": False,
    },
    "microsoft/Phi-4-mini-instruct": {
        "model_type": "phi3",
        "embd_pdrop": 0.0,
        "full_attn_mod": 1,
        "hidden_size": 3072,
        "num_attention_heads": 24,
        "num_key_value_heads": 8,
        "interpolate_factor": 1,
        "lm_head_bias": False,
        "mlp_bias": False,
        "original_max_position_embeddings": 4096,
        "max_position_embeddings": 131072,
        "partial_rotary_factor": 0.75,
        "rope_scaling": {"type": "longrope", "short_factor": [1.0] * 48, "long_factor": [1.1] * 48},
        "sliding_window": 262144,
    },
    "tiiuae/falcon-7b": {
        "model_type": "falcon",
        "alibi": False,
        "apply_residual_connection_post_layernorm": False,
        "bias": False,
        "hidden_size": 4544,
        "num_attention_heads": 71,
        "num_kv_heads": 71,
        "multi_query": True,
        "new_decoder_architecture": False,
        "parallel_attn": True,
        "auto_map": {"AutoModel": "modeling_falcon.FalconModel"},
    },
    "EleutherAI/pythia-160m": {
        "model_type": "gpt_neox",
        "hidden_size": 768,
        "num_attention_heads": 12,
        "num_hidden_layers": 12,
        "intermediate_size": 3072,
        "layer_norm_eps": 1e-05,
        "rotary_emb_base": 10000,
        "rotary_pct": 0.25,
        "use_parallel_residual": True,
        "classifier_dropout": 0.1,
    },
    "openai-community/gpt2": {
        "model_type": "gpt2",
        "activation_function": "gelu_new",
        "n_ctx": 1024,
        "n_embd": 768,
        "n_head": 12,
        "n_layer": 12,
        "n_positions": 1024,
        "resid_pdrop": 0.1,
        "summary_type": "cls_index",
        "task_specific_params": {"text-generation": {"do_sample": True, "max_length": 50}},
    },
    "HuggingFaceTB/SmolLM3-3B": {
        "model_type": "smollm3",
        "layer_types": ["full_attention"] * 36,
        "max_window_layers": 28,
        "no_rope_layer_interval": 4,
        "no_rope_layers": [1, 1, 1, 0] * 9,
        "rope_theta": 5000000.0,
        "sliding_window": None,
        "use_sliding_window": False,
        "pretraining_tp": 2,
    },
    "allenai/OLMo-2-0425-1B": {
        "model_type": "olmo2",
        "attention_bias": False,
        "hidden_size": 2048,
        "num_attention_heads": 16,
        "num_key_value_heads": 16,
        "num_hidden_layers": 16,
        "rms_norm_eps": 1e-06,
        "rope_theta": 500000,
    },
}


@pytest.mark.parametrize("name", REAL)
def test_configurations_of_real_models_pass(name: str) -> None:
    assert spec_of(Config(REAL[name])).layers


def test_the_configuration_of_a_qwen_3_5_checkpoint() -> None:
    """With the fields that its files have besides those of transformers' class."""
    text = {
        **{"model_type": "qwen3_5_text", "vocab_size": 248_320, "hidden_size": 2560, "num_hidden_layers": 32},
        **{"intermediate_size": 9216, "num_attention_heads": 16, "num_key_value_heads": 4, "head_dim": 256},
        **{"attn_output_gate": True, "mamba_ssm_dtype": "float32", "mlp_only_layers": []},
        **{"mtp_num_hidden_layers": 1, "mtp_use_dedicated_embeddings": False, "dtype": "bfloat16"},
        "rope_parameters": {
            **{"mrope_interleaved": True, "mrope_section": [11, 11, 10], "rope_type": "default"},
            **{"partial_rotary_factor": 0.25, "rope_theta": 10_000_000},
        },
    }
    outer = {"model_type": "qwen3_5", "image_token_id": 1, "text_config": text, "vision_config": {"depth": 2}}
    for raw in (text, outer):
        config = Config(raw)
        made = spec_of(config)
        config.check_unread()
        assert (made.rotary_dim, made.rope_theta) == (64, 10_000_000)
        assert made.attention_layers == (3, 7, 11, 15, 19, 23, 27, 31) and len(made.linear_layers) == 24
    for name, value in (
        ("mamba_ssm_dtype", "bfloat16"),
        ("mlp_only_layers", [1]),
        ("attn_output_gate", False),
    ):
        with pytest.raises(ModelFileError, match=name):
            spec_of(Config({**text, name: value}))


def test_an_older_runtime_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    import onnxruntime

    from llm_magics.decoder.graph import check_operators

    text = {"model_type": "qwen3_5_text", "num_hidden_layers": 4, "hidden_size": 64, "vocab_size": 300}
    made, plain = spec_of(Config(text)), spec_of(Config({**text, "model_type": "llama"}))
    check_operators(made)
    monkeypatch.setattr(onnxruntime, "__version__", "1.23.2")
    check_operators(plain)
    with pytest.raises(UnsupportedModel, match=r"needs ONNX Runtime 1\.32, and this is 1\.23\.2") as error:
        check_operators(made)
    assert "Python 3.11" in error.value.hint
