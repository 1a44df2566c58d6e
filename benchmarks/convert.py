"""Peak memory and time of converting a checkpoint of the shape of Llama 3.2 1B: random weights,
bfloat16, in shards.

    python benchmarks/convert.py [--layers 16] [--precisions auto int4]

The bound of the project is 1.3 × the output file + 500 MB. Each conversion runs in its own process; the peak
is the system's VmHWM, the pages of the mapped source counted in.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

SHAPE = {
    "model_type": "llama",
    "hidden_size": 2048,
    "intermediate_size": 8192,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 64,
    "vocab_size": 128256,
    "max_position_embeddings": 4096,
    "rms_norm_eps": 1e-5,
    "rope_theta": 500000.0,
    "tie_word_embeddings": True,
}
CHILD = """
import sys, time, re
from pathlib import Path
from llm_magics.models.loading import convert
from llm_magics.decoder import graph
from llm_magics.formats.config import Config
from llm_magics.decoder.families import FAMILIES, spec_of
from llm_magics.decoder.precision import Precision
from llm_magics.formats.safetensors import Safetensors
from llm_magics.decoder.weights import Weights
source, out, precision = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
spec, tensors = spec_of(Config.read(source / "config.json")), Safetensors(source)
def on_layer(layers):
    for layer in layers:
        yield layer
        tensors.release()
start = time.perf_counter()
graph.build(Weights(spec, FAMILIES[spec.family].hub, tensors), out, Precision(precision), on_layer=on_layer)
peak = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())
print(time.perf_counter() - start, int(peak[1]) / 1024)
"""


def checkpoint(folder: Path, layers: int) -> int:
    """Write the shards; gives the number of weights."""
    (folder / "config.json").write_text(json.dumps({**SHAPE, "num_hidden_layers": layers}))
    hidden, ffn, kv = 2048, 8192, 512
    base = {"model.embed_tokens.weight": (SHAPE["vocab_size"], hidden), "model.norm.weight": (hidden,)}
    parts = [base]
    for i in range(layers):
        at = f"model.layers.{i}."
        parts.append(
            {
                f"{at}input_layernorm.weight": (hidden,),
                f"{at}post_attention_layernorm.weight": (hidden,),
                **{
                    f"{at}self_attn.{name}_proj.weight": (rows, hidden)
                    for name, rows in (("q", hidden), ("k", kv), ("v", kv), ("o", hidden))
                },
                f"{at}mlp.gate_proj.weight": (ffn, hidden),
                f"{at}mlp.up_proj.weight": (ffn, hidden),
                f"{at}mlp.down_proj.weight": (hidden, ffn),
            }
        )
    rng, total, index = np.random.default_rng(0), 0, {}
    for number, shapes in enumerate(parts):
        name = f"model-{number:05}.safetensors"
        at, header = 0, {}
        for key, shape in shapes.items():
            size = 2 * int(np.prod(shape))
            header[key] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [at, at + size]}
            at, index[key] = at + size, name
        text = json.dumps(header).encode()
        with open(folder / name, "wb") as file:
            file.write(len(text).to_bytes(8, "little") + text)
            for key, shape in shapes.items():
                for rows in np.array_split(np.arange(shape[0]), max(1, shape[0] // 4096)):
                    values = rng.standard_normal((len(rows), *shape[1:]), np.float32) * 0.02 + (
                        1 if "norm" in key else 0
                    )
                    (values.view(np.uint32) >> 16).astype(np.uint16).tofile(file)
                total += int(np.prod(shape))
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    return total


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--layers", type=int, default=16)
    parser.add_argument("--precisions", nargs="+", default=["auto", "int4"])
    parser.add_argument("--quick", action="store_true", help="try the script: its figures mean nothing")
    args = parser.parse_args()
    if args.quick:
        args.layers, args.precisions, SHAPE["vocab_size"] = 1, ["int4"], 4096
    with tempfile.TemporaryDirectory() as place:
        source = Path(place) / "source"
        source.mkdir()
        count = checkpoint(source, args.layers)
        read = sum(path.stat().st_size for path in source.iterdir()) / 2**20
        print(f"{count / 1e9:.2f} billion weights, {read:,.0f} MB of safetensors in {args.layers + 1} shards")
        for precision in args.precisions:
            out = Path(place) / precision
            out.mkdir()
            start = time.perf_counter()
            done = subprocess.run(
                [sys.executable, "-c", CHILD, str(source), str(out), precision],
                capture_output=True,
                text=True,
                check=True,
            )
            seconds, peak = map(float, re.findall(r"[\d.]+", done.stdout)[:2])
            size = (out / "weights.bin").stat().st_size / 2**20
            bound = 1.3 * size + 500
            took = time.perf_counter() - start
            print(
                f"{precision}: output {size:,.0f} MB in {seconds:.0f} s ({took:.0f} s with the start), "
                f"peak {peak:,.0f} MB, bound {bound:,.0f} MB: {peak / bound:.2f} of it"
            )


if __name__ == "__main__":
    main()
