"""A draft for a model of another size: 135M guesses for a model of the width of SmolLM2 1.7B.

    python benchmarks/draft.py [--rounds 2]

No second model of the family is at hand. The large one is the default model made wider: zeros fill its
matrices up to the sizes of the 1.7B (hidden 2,048, 32 heads, 8,192 inside), and the norms are scaled, so that
it computes what the default model computes, at the cost of its size. It keeps 30 layers, which makes it 2.1B.
The drafts are the default model itself, and the default model without some of its layers, which guesses
worse, as a smaller model does. How many guesses are right is measured on the answers.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from statistics import median

import numpy as np
from speed import OTHERS, REWRITES

import llm_magics as lm
from llm_magics.decoder.weights import Weights
from llm_magics.models.loading.convert import ConvertedModel, weights_of

HERE = Path(__file__).parent
HIDDEN, HEADS, FFN, HEAD_DIM = 2048, 32, 8192, 64
DRAFTS = {"all 30 layers": (), "28 of 30 layers": (20, 24), "26 of 30 layers": (16, 19, 22, 25)}


def padded(array: np.ndarray, *shape: int) -> np.ndarray:
    """Return the array in the corner of zeros, in float16."""
    out = np.zeros(shape, np.float16)
    out[tuple(slice(size) for size in array.shape)] = array
    return out


def write(
    folder: Path, model: lm.Model, weights: Weights, *, wide: bool, without: tuple[int, ...] = ()
) -> Path:
    """Write a checkpoint as the Hub has it: the default model made wider, or without some layers."""
    if (folder / "config.json").exists():
        return folder
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    assert model.folder is not None
    spec, converted = weights.spec, ConvertedModel.read(model.folder)
    hidden, ffn = (HIDDEN, FFN) if wide else (spec.hidden, spec.ffn)
    heads, kv_heads = (HEADS, HEADS) if wide else (spec.heads, spec.kv_heads)
    shrink = spec.hidden / hidden  # a mean over zeros too is smaller by this
    layers = [layer for layer in range(spec.layers) if layer not in without]

    def matrix(role: str, layer: int, rows: int, columns: int) -> np.ndarray:
        own = weights.matrix(role, layer).dequantize()
        if wide and role in ("k", "v"):  # each head of queries has its own copy
            own = own.reshape(spec.kv_heads, HEAD_DIM, -1).repeat(spec.heads // spec.kv_heads, axis=0)
            own = own.reshape(spec.heads * HEAD_DIM, -1)
        return padded(own, rows, columns)

    def norm(role: str, layer: int) -> np.ndarray:
        return padded(weights.norm(role, layer, spec.hidden) * np.sqrt(shrink), hidden)

    files: dict[str, dict[str, np.ndarray]] = {
        "outer.safetensors": {
            "model.embed_tokens.weight": padded(weights.matrix("embed").dequantize(), spec.vocab, hidden),
            "model.norm.weight": norm("final_norm", 0),
        }
    }
    index = {}
    for number, layer in enumerate(layers):
        at = f"model.layers.{number}."
        q, kv = heads * HEAD_DIM, kv_heads * HEAD_DIM
        files[f"layer-{number}.safetensors"] = {
            f"{at}self_attn.q_proj.weight": matrix("q", layer, q, hidden),
            f"{at}self_attn.k_proj.weight": matrix("k", layer, kv, hidden),
            f"{at}self_attn.v_proj.weight": matrix("v", layer, kv, hidden),
            f"{at}self_attn.o_proj.weight": matrix("o", layer, hidden, q),
            f"{at}mlp.gate_proj.weight": matrix("gate", layer, ffn, hidden),
            f"{at}mlp.up_proj.weight": matrix("up", layer, ffn, hidden),
            f"{at}mlp.down_proj.weight": matrix("down", layer, hidden, ffn),
            f"{at}input_layernorm.weight": norm("attn_norm", layer),
            f"{at}post_attention_layernorm.weight": norm("ffn_norm", layer),
        }
        for name, tensors in files.items():
            save_file(tensors, folder / name)
            index.update(dict.fromkeys(tensors, name))
        files.clear()
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    (folder / "tokenizer.json").write_text((model.folder / "tokenizer.json").read_text("utf-8"), "utf-8")
    ends = {"bos_token_id": converted.bos_id, "eos_token_id": converted.eos_id}
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": converted.template}))
    config = {
        "model_type": "llama",
        "hidden_size": hidden,
        "intermediate_size": ffn,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "head_dim": HEAD_DIM,
        "num_hidden_layers": len(layers),
        "vocab_size": spec.vocab,
        "max_position_embeddings": spec.context,
        "rms_norm_eps": spec.norm_eps * shrink,
        "rope_theta": spec.rope_theta,
        "tie_word_embeddings": True,
        "hidden_act": "silu",
        **ends,
    }
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def answer(model: lm.Model, prompt: str, tokens: int, draft: lm.Model | None) -> tuple[float, float, str]:
    """Return tokens a second, the share of right guesses, and the text."""
    model.pool.clear()
    start = time.perf_counter()
    stream = model.stream(prompt, temperature=0, max_tokens=tokens, draft=draft, speculate=False)
    count = sum(1 for _ in stream)
    guessed, right = stream.drafted
    return count / (time.perf_counter() - start), right / guessed if guessed else 0.0, stream.generation.text


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="try the script: its figures mean nothing")
    args = parser.parse_args()
    base = lm.load()
    assert base.origin.source is not None
    weights, place = weights_of(base.origin.source()), HERE.parent / ".cache" / "bench"
    rounds, tokens, prompts = args.rounds, 96, [*OTHERS, *REWRITES]
    if args.quick:  # a model as its own draft
        print(answer(base, prompts[0], 3, lm.load(precision="int8")))
        return
    large = lm.load(str(write(place / "draft-wide", base, weights, wide=True)), precision="int4")
    drafts = {
        name: lm.load(
            str(write(place / f"draft-{30 - len(without)}", base, weights, wide=False, without=without)),
            precision="int4",
        )
        for name, without in DRAFTS.items()
    }
    sizes = [model.weights_bytes / 1e6 for model in (large, drafts["all 30 layers"])]
    print(f"{sizes[0]:,.0f} MB, and {sizes[1]:,.0f} MB as a draft")
    plain = {
        prompt: median(answer(large, prompt, tokens, None)[0] for _ in range(rounds)) for prompt in prompts
    }
    print(f"alone: {median(plain.values()):.1f} tokens/s")
    for name, draft in drafts.items():
        runs = {prompt: [answer(large, prompt, tokens, draft) for _ in range(rounds)] for prompt in prompts}
        ratios = [median(run[0] for run in runs[prompt]) / plain[prompt] for prompt in prompts]
        right = [runs[prompt][0][1] for prompt in prompts]
        print(
            f"draft with {name}: {median(right):.0%} of the guesses are right ({min(right):.0%} to "
            f"{max(right):.0%}), {median(ratios):.2f} x as fast ({min(ratios):.2f} to {max(ratios):.2f})"
        )


if __name__ == "__main__":
    main()
