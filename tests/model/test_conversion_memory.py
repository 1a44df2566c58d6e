"""A conversion takes little memory, whatever the size of the model: layers of the shape of a 7B."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from llm_magics.formats.gguf import GgufFile
from llm_magics.formats.tokenizers.gguf import tokenizer_spec

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from /proc")

HIDDEN, FFN, VOCAB, LAYERS = 4096, 11008, 32000, 1  # a layer at a time is read: more of them take no more
CONFIG = {
    "model_type": "llama",
    "hidden_size": HIDDEN,
    "intermediate_size": FFN,
    "num_attention_heads": 32,
    "vocab_size": VOCAB,
    "max_position_embeddings": 4096,
    "rms_norm_eps": 1e-5,
    "tie_word_embeddings": False,
    "num_hidden_layers": LAYERS,
    "hidden_act": "silu",
}
CODE = """
import re, sys
from pathlib import Path
from llm_magics.engine.sessions.packed_weights import write_packed
from llm_magics.models.loading.convert import convert

convert(Path(sys.argv[1]), Path(sys.argv[2]), precision=sys.argv[3])
write_packed(Path(sys.argv[2]))
print(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""


def sparse_checkpoint(folder: Path, tokenizer: str) -> int:
    """Write shards with a layer each that take no disk: holes, which are read as zeros.

    Returns:
        The size of the largest shard in bytes.
    """
    shards: list[dict[str, tuple[int, ...]]] = []
    for i in range(LAYERS):
        at = f"model.layers.{i}."
        norms = {f"{at}{name}.weight": (HIDDEN,) for name in ("input_layernorm", "post_attention_layernorm")}
        attention = {f"{at}self_attn.{name}_proj.weight": (HIDDEN, HIDDEN) for name in "qkvo"}
        mlp = {f"{at}mlp.{name}_proj.weight": (FFN, HIDDEN) for name in ("gate", "up")}
        shards.append({**norms, **attention, **mlp, f"{at}mlp.down_proj.weight": (HIDDEN, FFN)})
    shards.append({"model.embed_tokens.weight": (VOCAB, HIDDEN)})
    shards.append({"model.norm.weight": (HIDDEN,), "lm_head.weight": (VOCAB, HIDDEN)})
    places, largest = {}, 0
    for number, shapes in enumerate(shards):
        name, at, header = f"model-{number}.safetensors", 0, {}
        for key, shape in shapes.items():
            end = at + 2 * shape[0] * (shape[1] if len(shape) > 1 else 1)
            header[key] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, end]}
            at, places[key] = end, name
        text = json.dumps(header).encode()
        with open(folder / name, "wb") as file:
            file.write(len(text).to_bytes(8, "little") + text)
            file.truncate(8 + len(text) + at)
        largest = max(largest, 8 + len(text) + at)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "tokenizer.json").write_text(tokenizer)
    return largest


@pytest.mark.parametrize("precision", ["auto", "int4"])
def test_the_peak_of_a_conversion(tiny_gguf: Path, tmp_path: Path, precision: str) -> None:
    source, output = tmp_path / "source", tmp_path / "output"
    source.mkdir()
    output.mkdir()
    largest = sparse_checkpoint(source, tokenizer_spec(GgufFile(tiny_gguf).metadata).json)
    command = [sys.executable, "-c", CODE, str(source), str(output), precision]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=True)
    peak = int(done.stdout.split()[-1]) * 1024
    print(f"{precision}: a peak of {peak / largest:.2f} of the largest shard")
    assert 50e6 < peak < 1.2 * largest
    (output / "weights.bin").unlink()
