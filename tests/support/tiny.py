"""Tiny random Llama models as GGUF files, and the same weights for transformers as an oracle."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter
from gguf.quants import quantize
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Weights = dict[str, Floats]

# GGUF's names of a layer's tensors → those of the Hub.
HUB_NAMES = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


@dataclass(frozen=True)
class Shape:
    layers: int = 2
    hidden: int = 64
    heads: int = 4
    kv_heads: int = 2
    head_dim: int = 16
    ffn: int = 96
    vocab: int = 300
    context: int = 256
    tied: bool = True


SHAPE = Shape()
ODD = Shape(layers=1, hidden=96, heads=3, kv_heads=1, head_dim=48, ffn=160, vocab=293, tied=False)
WIDE = replace(
    SHAPE, hidden=640, heads=4, kv_heads=4, head_dim=160, ffn=704
)  # large enough for the extended packing

TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% "
    "endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def random_weights(shape: Shape, seed: int) -> Weights:
    """In GGUF's names; q and k not yet permuted."""
    rng = np.random.default_rng(seed)
    q, kv = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim

    def matrix(rows: int, columns: int) -> Floats:
        return (rng.standard_normal((rows, columns)) / np.sqrt(columns) * 1.5 + 0.02).astype(np.float32)

    def norm() -> Floats:
        return (1 + 0.1 * rng.standard_normal(shape.hidden)).astype(np.float32)

    weights = {"token_embd.weight": matrix(shape.vocab, shape.hidden), "output_norm.weight": norm()}
    if not shape.tied:
        weights["output.weight"] = matrix(shape.vocab, shape.hidden)
    for i in range(shape.layers):
        weights |= {
            f"blk.{i}.attn_norm.weight": norm(),
            f"blk.{i}.attn_q.weight": matrix(q, shape.hidden),
            f"blk.{i}.attn_k.weight": matrix(kv, shape.hidden),
            f"blk.{i}.attn_v.weight": matrix(kv, shape.hidden),
            f"blk.{i}.attn_output.weight": matrix(shape.hidden, q),
            f"blk.{i}.ffn_norm.weight": norm(),
            f"blk.{i}.ffn_gate.weight": matrix(shape.ffn, shape.hidden),
            f"blk.{i}.ffn_up.weight": matrix(shape.ffn, shape.hidden),
            f"blk.{i}.ffn_down.weight": matrix(shape.hidden, shape.ffn),
        }
    return weights


def tokens(shape: Shape) -> tuple[list[str], list[int], list[str]]:
    """Special tokens, the 256 bytes, a few merges, and fillers: (tokens, types, merges)."""
    from llm_magics.engine.tokenizer import _byte_of

    texts, types = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"], [3, 3, 3]
    texts += list(_byte_of())
    merges = ["Ġ t", "h e", "Ġt he", "i n", "e r"]
    texts += ["".join(merge.split()) for merge in merges]
    texts += [f"<filler {n}>" for n in range(shape.vocab - len(texts))]
    return texts, types + [1] * (len(texts) - 3), merges


def write(
    path: Path,
    weights: Weights,
    shape: Shape,
    *,
    kind: str = "F32",
    embed_kind: str | None = None,
    **more: Any,
) -> None:
    """Write a GGUF file; ``more`` replaces or adds metadata strings."""
    writer = GGUFWriter(path, "llama")
    writer.add_block_count(shape.layers)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.hidden)
    writer.add_feed_forward_length(shape.ffn)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_key_length(shape.head_dim)
    writer.add_rope_dimension_count(shape.head_dim)
    writer.add_rope_freq_base(10_000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    texts, types, merges = tokens(shape)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(more.pop("pre", "smollm"))
    writer.add_token_list(texts)
    writer.add_token_types(types)
    writer.add_token_merges(merges)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_chat_template(more.pop("template", TEMPLATE))
    writer.add_license("apache-2.0")
    for name, array in weights.items():
        type_ = GGMLQuantizationType[
            (embed_kind or kind) if "token_embd" in name or name == "output.weight" else kind
        ]
        if array.ndim == 1 or "norm" in name:
            type_ = GGMLQuantizationType.F32
        if name.endswith(("attn_q.weight", "attn_k.weight")):
            array = weave(array, shape.head_dim)
        data = array if type_ == GGMLQuantizationType.F32 else quantize(array, type_)
        writer.add_tensor(name, data, raw_dtype=type_)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def weave(rows: Floats, head_dim: int) -> Floats:
    """Halves to neighbouring pairs, as llama.cpp's converter does it."""
    return np.ascontiguousarray(
        rows.reshape(-1, 2, head_dim // 2, rows.shape[1]).swapaxes(1, 2).reshape(rows.shape)
    )


def oracle(weights: Weights, shape: Shape, rope_theta: float = 10_000.0) -> Any:
    """transformers' LlamaForCausalLM over the same weights, fp32."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=shape.vocab,
        hidden_size=shape.hidden,
        intermediate_size=shape.ffn,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        head_dim=shape.head_dim,
        rms_norm_eps=1e-5,
        rope_theta=rope_theta,
        max_position_embeddings=shape.context,
        tie_word_embeddings=shape.tied,
        attention_bias=False,
    )
    state = {}
    for name, array in weights.items():
        if name.startswith("blk."):
            _, layer, part, _ = name.split(".")
            state[f"model.layers.{layer}.{HUB_NAMES[part]}.weight"] = torch.tensor(array)
    state["model.embed_tokens.weight"] = torch.tensor(weights["token_embd.weight"])
    state["model.norm.weight"] = torch.tensor(weights["output_norm.weight"])
    state["lm_head.weight"] = torch.tensor(weights.get("output.weight", weights["token_embd.weight"]))
    model = LlamaForCausalLM(config).eval()
    model.load_state_dict(state)
    return model
