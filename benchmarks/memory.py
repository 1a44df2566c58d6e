"""Memory and speed of models against what `lm.fit` expects: random weights in the shapes of ten real models.

    python benchmarks/memory.py [--models gpt2 llama-3.2-1b …] [--precision int8] [--context 4000]

Each model is converted, and loaded by a process of its own, which reads a prompt and decodes 16 tokens. The
memory is what that process has more at the end than before it loaded the model. Needs what `make test` sets
up.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from llm_magics.decoder.spec import DecoderSpec

MB = 1e6
_CONV = ["conv", "conv", "full_attention"]
_FIVE = ["sliding_attention"] * 4 + ["full_attention"]
# model_type and what differs from its defaults; sizes as in the config.json of the named model.
SHAPES: dict[str, tuple[str, dict[str, Any]]] = {
    "gpt2": ("gpt2", {}),
    "gemma-3-270m": (
        "gemma3_text",
        {"hidden_size": 640, "intermediate_size": 2048, "num_hidden_layers": 18, "num_attention_heads": 4}
        | {"num_key_value_heads": 1, "head_dim": 256, "vocab_size": 262_144, "sliding_window": 512}
        | {"max_position_embeddings": 32_768},
    ),
    "smollm2-360m": (
        "llama",
        {"hidden_size": 960, "intermediate_size": 2560, "num_hidden_layers": 32, "num_attention_heads": 15}
        | {"num_key_value_heads": 5, "vocab_size": 49_152, "max_position_embeddings": 8192}
        | {"tie_word_embeddings": True},
    ),
    "lfm2-350m": (
        "lfm2",
        {"hidden_size": 1024, "intermediate_size": 6656, "num_hidden_layers": 16, "num_attention_heads": 16}
        | {"num_key_value_heads": 8, "vocab_size": 65_536, "max_position_embeddings": 128_000}
        | {"layer_types": [*_CONV * 3, "conv", "full_attention", *["conv", "full_attention"] * 2, "conv"]},
    ),
    "pythia-410m": (
        "gpt_neox",
        {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16}
        | {"vocab_size": 50_304, "max_position_embeddings": 2048},
    ),
    "qwen2.5-0.5b": (
        "qwen2",
        {"hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24, "num_attention_heads": 14}
        | {"num_key_value_heads": 2, "vocab_size": 151_936, "max_position_embeddings": 32_768}
        | {"tie_word_embeddings": True},
    ),
    "qwen3-0.6b": (
        "qwen3",
        {"hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 28, "num_attention_heads": 16}
        | {"num_key_value_heads": 8, "head_dim": 128, "vocab_size": 151_936}
        | {"max_position_embeddings": 40_960, "tie_word_embeddings": True},
    ),
    "qwen3.5-0.65b": (  # needs transformers 5
        "qwen3_5_text",
        {"hidden_size": 1024, "intermediate_size": 3584, "num_hidden_layers": 20, "num_attention_heads": 8}
        | {"num_key_value_heads": 2, "linear_num_value_heads": 16, "vocab_size": 248_320}
        | {"max_position_embeddings": 262_144, "tie_word_embeddings": True},
    ),
    "gemma-4-e2b": (  # needs transformers 5; its table of 2.3 billion weights is a sparse file
        "gemma4_text",
        {"hidden_size": 1536, "intermediate_size": 6144, "num_hidden_layers": 35, "num_attention_heads": 8}
        | {"num_key_value_heads": 1, "num_kv_shared_layers": 20, "use_double_wide_mlp": True}
        | {"final_logit_softcapping": 30.0, "layer_types": _FIVE * 7},
    ),
    "llama-3.2-1b": (
        "llama",
        {"hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16, "num_attention_heads": 32}
        | {"num_key_value_heads": 8, "head_dim": 64, "vocab_size": 128_256}
        | {"max_position_embeddings": 131_072, "tie_word_embeddings": True},
    ),
    "olmo-2-1b": (
        "olmo2",
        {"hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16, "num_attention_heads": 16}
        | {"num_key_value_heads": 16, "vocab_size": 100_352, "max_position_embeddings": 4096},
    ),
    "smollm2-1.7b": (
        "llama",
        {"hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 24, "num_attention_heads": 32}
        | {"num_key_value_heads": 32, "vocab_size": 49_152, "max_position_embeddings": 8192}
        | {"tie_word_embeddings": True},
    ),
}
NEWER = ("qwen3.5-0.65b", "gemma-4-e2b")


def build(model: str, precision: str, folder: Path) -> None:
    """Convert random weights of that shape into ``folder``."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    from llm_magics.decoder import graph
    from llm_magics.decoder.families import FAMILIES, spec_of
    from llm_magics.decoder.precision import Precision
    from llm_magics.decoder.weights import Weights
    from llm_magics.engine.sessions.packed_weights import write_packed
    from llm_magics.formats.config import Config
    from llm_magics.formats.tensors import Tensor

    kind, fields = SHAPES[model]
    config = AutoConfig.for_model(kind, **copy.deepcopy(fields))
    with torch.device("meta"):
        shapes = {
            name: tuple(part.shape)
            for name, part in AutoModelForCausalLM.from_config(config).state_dict().items()
        }
    if config.tie_word_embeddings:
        shapes.pop("lm_head.weight", None)
    rng = np.random.default_rng(0)

    class Lazy(dict[str, Tensor]):
        """Tensors that are made when they are read: all of a large model are never there at once."""

        def __getitem__(self, name: str) -> Tensor:
            shape = shapes[name]
            if np.prod(shape) > 1 << 30:
                path = folder / "sparse"
                path.touch()
                os.truncate(path, 2 * int(np.prod(shape)))
                rows = np.memmap(path, np.uint8, "r", shape=(shape[0], 2 * shape[1]))
                return Tensor(name, "F16", shape, rows)
            values = rng.integers(-20_000, 20_000, shape, np.int16).astype(np.float16) * np.float16(1e-6)
            if len(shape) == 1:
                values = np.abs(values) + np.float16(1)
            rows = values.reshape(-1, shape[-1]) if len(shape) > 1 else values[None]
            return Tensor(name, "F16", shape, rows.view(np.uint8))

        def __contains__(self, name: object) -> bool:
            return name in shapes

    spec = spec_of(Config(json.loads(config.to_json_string())))
    graph.build(Weights(spec, FAMILIES[spec.family].hub, Lazy()), folder, Precision(precision))
    write_packed(folder)
    (folder / "spec.json").write_text(json.dumps(spec.to_dict()))


def run(folder: Path, context: int) -> None:
    """Load the model and read a prompt; print the memory that it took, in bytes."""
    import psutil

    from llm_magics.engine.generate import CHUNK
    from llm_magics.engine.ort import OrtEngine
    from llm_magics.engine.prefill import chunk_ends

    spec, process = read(folder), psutil.Process()
    import onnxruntime  # noqa: F401  # its own memory is not the model's

    before, own = process.memory_info().rss, anonymous()
    engine = OrtEngine(
        folder / "decoder.onnx",
        vocab_size=spec.vocab,
        context_length=spec.context,
        cache_shape=spec.cache_shape,
    )
    cache, begin = engine.cache(), 0
    for end in chunk_ends(0, context, CHUNK):
        cache.extend([5] * (end - begin))
        begin = end
    for _ in range(16):
        cache.extend([7])
    memory, own = process.memory_info().rss - before, anonymous() - own
    cache, tokens = engine.cache(), 48
    cache.extend([5] * 8)
    best = 0.0
    for _ in range(3):
        start = time.perf_counter()
        for _ in range(tokens // 3):
            cache.extend([7])
        best = max(best, tokens / 3 / (time.perf_counter() - start))
    print(memory, own, best)


def anonymous() -> int:
    """Return the memory that no file backs, in bytes; 0 where the system does not tell it."""
    table = Path("/proc/self/smaps_rollup")
    result = re.search(r"Anonymous:\s+(\d+) kB", table.read_text()) if table.exists() else None
    return int(result[1]) * 1024 if result else 0


def read(folder: Path) -> DecoderSpec:
    return DecoderSpec.from_dict(json.loads((folder / "spec.json").read_text()))


def main() -> None:
    from llm_magics.models.catalog.fit import estimate

    parser = argparse.ArgumentParser()
    parser.add_argument("--models", nargs="+", default=[name for name in SHAPES if name not in NEWER])
    parser.add_argument("--precision", default="int8")
    parser.add_argument("--context", type=int, default=4000)
    parser.add_argument("--run", type=Path)
    parser.add_argument("--quick", action="store_true", help="try the script: its figures mean nothing")
    args = parser.parse_args()
    if args.run:
        return run(args.run, args.context)
    if args.quick:
        args.models, args.context = ["gpt2"], 20
    from llm_magics.models.catalog.speed import machine

    here = machine()
    assert here is not None
    bits = {"int4": 4, "fp32": 32}.get(args.precision, 8)
    heads = ("measured", "its own", "expected", "ratio", "tokens/s", "expected", "ratio")
    print(" " * 16 + "".join(f"{head:>12}" for head in heads))
    for model in args.models:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            build(model, args.precision, folder)
            spec = read(folder)
            context = min(args.context, spec.context - 20)
            command = [sys.executable, __file__, "--run", name, "--context", str(context)]
            done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
            memory, own, speed = map(float, done.stdout.splitlines()[-1].split())
            fast = here.tokens_per_s(spec, bits)
            expected = estimate(model, spec, "F16", args.precision, context=context + 16).expected
            print(
                f"{model:16}{memory / MB:9,.0f} MB{own / MB:9,.0f} MB{expected / MB:9,.0f} MB"
                f"{expected / memory:12.2f}"
                f"{speed:12.1f}{fast:12.1f}{fast / speed:12.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
