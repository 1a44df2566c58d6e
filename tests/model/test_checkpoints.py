"""Every family as transformers 4.57 and 5.24 save it, with default and unusual values: our graph says the
same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from llm_magics.engine.ort import OrtEngine
from tests.support import checkpoints, decoders, families


def opened(source: Path, folder: Path) -> OrtEngine:
    return decoders.engine(checkpoints.weights_of(source), folder, "fp32")


@pytest.fixture(scope="module", params=checkpoints.PYTHONS)
def saved(request: pytest.FixtureRequest) -> Path:
    return checkpoints.folder(request.param)


@pytest.mark.parametrize("case", {**families.EVERY, **families.NEWER})
def test_logits_and_greedy_tokens(saved: Path, case: str, tmp_path: Path) -> None:
    folder, ids = saved / case, checkpoints.ids()
    if case in families.NEWER and not folder.exists():
        pytest.skip("transformers 4 does not have this family")
    expected, greedy = np.load(folder / "logits.npy"), np.load(folder / "greedy.npy").tolist()
    engine = opened(folder, tmp_path / "fp32")
    most = 1e-4 * max(1.0, float(np.abs(expected).max()))  # processors round otherwise
    assert np.abs(engine.cache().extend(ids, all_logits=True) - expected).max() < most
    cache, text = engine.cache(), ids[: checkpoints.PROMPT]
    while len(text) < len(greedy):
        text.append(int(cache.extend(text[len(cache.cached) :])[-1].argmax()))
    assert text == greedy
    if (folder / "model.gguf").is_file():
        engine = opened(folder / "model.gguf", tmp_path / "gguf")
        assert np.abs(engine.cache().extend(ids, all_logits=True) - expected).max() < most


def test_what_the_configuration_says_of_biases_and_the_head_is_checked(tmp_path: Path) -> None:
    """M20 and its siblings: a head or a bias that the configuration and the file disagree on."""
    import json

    from safetensors.numpy import load_file, save_file

    from llm_magics import UnsupportedModel
    from llm_magics.decoder.families import FAMILIES, spec_of
    from llm_magics.decoder.weights import Weights
    from llm_magics.formats.config import Config
    from llm_magics.formats.safetensors import Safetensors

    families.make("llama", tmp_path)
    raw, tensors = (
        json.loads((tmp_path / "config.json").read_text()),
        load_file(tmp_path / "model.safetensors"),
    )

    def built(tensors: dict[str, np.ndarray], *ignore: str, **changes: object) -> str:
        save_file(tensors, tmp_path / "model.safetensors")
        config = Config({**raw, **changes}, ignore=ignore)
        spec = spec_of(config)
        weights = Weights(spec, FAMILIES["llama"].hub, Safetensors(tmp_path))
        try:
            weights.check_head()
            for role in ("q", "down"):
                weights.vector(role, 1, kind="bias")
        except UnsupportedModel as error:
            return str(error)
        return "own head" if weights.has("head") else "tied"

    assert built(tensors) == "own head"
    headless = {name: value for name, value in tensors.items() if name != "lm_head.weight"}
    assert "has no lm_head.weight" in built(headless)
    assert built(headless, "tie_word_embeddings") == "tied"
    assert "is another table" in built(tensors, tie_word_embeddings=True)
    assert built(tensors, "tie_word_embeddings", tie_word_embeddings=True) == "own head"
    same = {**tensors, "lm_head.weight": tensors["model.embed_tokens.weight"]}
    assert built(same, tie_word_embeddings=True) == "tied"
    biased = {**tensors, "model.layers.1.self_attn.q_proj.bias": np.zeros(64, np.float32)}
    assert "attention_bias = false" in built(biased) and "q_proj.bias" in built(biased)
    assert built(biased, "attention_bias") == "own head"
    assert "no bias for q" in built(tensors, attention_bias=True)
    assert "mlp_bias" in built(tensors, mlp_bias=True)
