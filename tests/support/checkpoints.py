"""Tiny checkpoints of every family, saved by one transformers, with its logits and its greedy tokens.

The tests run this as a program in two environments: ``python -m tests.support.checkpoints FOLDER``. What one
wrote stays in ``.cache/checkpoints`` until ``tests/support/families.py`` changes.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from filelock import FileLock

from llm_magics.decoder.families import FAMILIES, spec_of
from llm_magics.decoder.weights import Weights
from llm_magics.formats.config import Config
from llm_magics.formats.gguf import GgufFile
from llm_magics.formats.gguf_config import config_from_gguf
from llm_magics.formats.safetensors import Safetensors
from tests.support import families, family_gguf

ROOT = Path(__file__).parents[2]
TOKENS, PROMPT, GREEDY = 100, 30, 40  # the text is longer than every sliding window here
PYTHONS = {"4.57": Path(sys.executable), "5.24": ROOT / ".venvs" / "transformers5" / "bin" / "python"}


def ids() -> list[int]:
    """The text that is read."""
    return np.random.default_rng(0).integers(3, 290, TOKENS).tolist()


def weights_of(source: Path) -> Weights:
    """The weights of a checkpoint's folder or of a GGUF file; neither needs a tokenizer."""
    if source.is_dir():
        spec = spec_of(Config.read(source / "config.json"))
        return Weights(spec, FAMILIES[spec.family].hub, Safetensors(source))
    file = GgufFile(source)
    vocab = file.tensors["token_embd.weight"].shape[0]
    spec = spec_of(config_from_gguf(file.metadata, vocab, file.tensors))
    return Weights(spec, FAMILIES[spec.family].gguf, file.tensors)


def write(folder: Path) -> None:
    """Save every case with the transformers of this interpreter."""
    import torch

    text = ids()
    for case, (kind, _) in families.EVERY.items():
        place = folder / case
        model = families.make(case, place)
        with torch.no_grad():
            logits = model(torch.tensor([text])).logits[0].numpy()
            longer = text[:PROMPT]
            for _ in range(GREEDY):  # with no cache: some families go on wrongly from one
                out = model(torch.tensor([longer]), use_cache=False).logits[0, -1]
                longer = [*longer, int(out.argmax())]
        np.save(place / "logits.npy", logits)
        np.save(place / "greedy.npy", np.array(longer))
        if case in family_gguf.CASES:
            family_gguf.write(place / "model.gguf", model, place)
        print(kind, case, flush=True)


def folder(version: str) -> Path:
    """The checkpoints of that version of transformers, made where they are not there."""
    made = b"".join(
        (Path(__file__).parent / name).read_bytes()
        for name in ("families.py", "family_gguf.py", "checkpoints.py")
    )
    place = ROOT / ".cache" / "checkpoints" / f"{version}-{hashlib.sha256(made).hexdigest()[:12]}"
    place.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(place.with_suffix(".lock")):
        if not place.is_dir():
            making = place.with_name(f"{place.name}.{os.getpid()}")
            subprocess.run(
                [PYTHONS[version], "-m", "tests.support.checkpoints", making],
                cwd=ROOT,
                env={
                    **os.environ,
                    "OMP_NUM_THREADS": "1",
                },  # more threads wait for each other
                check=True,
                timeout=900,
                stdout=subprocess.DEVNULL,
            )
            making.rename(place)
    return place


if __name__ == "__main__":
    write(Path(sys.argv[1]))
