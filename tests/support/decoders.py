"""Decoders of tiny checkpoints, and how they are read."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import llm_magics as lm
from llm_magics.decoder import graph
from llm_magics.decoder.families import FAMILIES, spec_of
from llm_magics.decoder.precision import Precision
from llm_magics.decoder.weights import Weights
from llm_magics.engine.ort import OrtEngine
from llm_magics.formats.config import Config
from llm_magics.formats.safetensors import Safetensors


def log_softmax(logits: np.ndarray) -> np.ndarray:
    x = logits.astype(np.float64) - logits.max(-1, keepdims=True)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def read(model: lm.Model, ids: list[int], step: int = 64) -> np.ndarray:
    cache = model.engine.cache()
    parts = [cache.extend(ids[at : at + step], all_logits=True).copy() for at in range(0, len(ids), step)]
    return np.concatenate(parts)


def engine(weights: Weights, folder: Path, precision: str) -> OrtEngine:
    folder.mkdir()
    graph.build(weights, folder, Precision(precision))
    spec = weights.spec
    return OrtEngine(
        folder / "decoder.onnx",
        vocab_size=spec.vocab,
        context_length=spec.context,
        cache_shape=spec.cache_shape,
    )


def checkpoint(folder: Path) -> Weights:
    spec = spec_of(Config.read(folder / "config.json"))
    return Weights(spec, FAMILIES[spec.family].hub, Safetensors(folder))


def pieces(made: OrtEngine, ids: list[int]) -> np.ndarray:
    """Logits (tokens, vocab) read in pieces: many tokens, single ones, many again."""
    cache = made.cache()
    out = [cache.extend(ids[:20], all_logits=True).copy()]
    out += [cache.extend([id], all_logits=True).copy() for id in ids[20:40]]
    return np.concatenate([*out, cache.extend(ids[40:], all_logits=True)])


def greedy(made: OrtEngine, ids: list[int], count: int) -> list[int]:
    cache, ids = made.cache(), list(ids)
    for _ in range(count):
        ids.append(int(cache.extend(ids[len(cache.cached) :])[-1].argmax()))
    return ids
