"""The scales of an 8-bit KV cache: measured once, with the model itself, and kept next to it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...core import progress
from ...core.files import json_object, write_atomic
from ...engine.caches.kv_buffer import KVShape
from ...errors import StoreError
from ...formats.tensors import Floats
from ...sources import store
from ..fidelity import sample_text
from ..prompts import PromptEncoder

if TYPE_CHECKING:
    from ...decoder.spec import DecoderSpec
    from ...engine.ort import OrtEngine
    from ...engine.tokenizer import TextTokenizer

TOKENS = 512  # of the sample text that are read
MARGIN = 1.4  # other texts may have larger keys and values; what is beyond is clipped
_FILE = "kv_scales.json"
_LARGEST = 64 << 20  # bytes of the file


def int8_cache(
    folder: Path,
    spec: DecoderSpec,
    open_engine: Callable[[], OrtEngine],
    tokenizer: TextTokenizer,
    template: str | None,
) -> Callable[[Path | bytes], bytes]:
    """Return what gives graphs of a model an int8 KV cache.

    Args:
        folder: of the converted model.
        spec: its decoder.
        open_engine: opens it with a cache of floats, where the scales must be measured.
        tokenizer: of the model.
        template: its chat template, or None.

    Raises:
        UnsupportedModel: ONNX Runtime is too old.
    """
    from ...decoder.graph_builder import require_new_operators
    from ...decoder.graph_reader import read_graph
    from ...decoder.variants.int8_cache import quantize_kv_cache

    require_new_operators("an int8 KV cache")
    shape = KVShape(*spec.cache_shape)
    scales = _read(folder, shape)
    if scales is None:
        # As a text, and as a message: the first token of a conversation has the largest keys.
        encoder = PromptEncoder(tokenizer, template)
        prompts = [encoder.encode(sample_text(), None, raw)[1] for raw in (True, template is None)]
        scales = _measure(folder, open_engine(), prompts, rotates=spec.positions == "rope")

    def quantize(graph: Path | bytes) -> bytes:
        import onnx_ir as ir

        model = read_graph(graph, folder)
        quantize_kv_cache(model, [scales[source] for source in shape.sources])
        return bytes(ir.to_proto(model).SerializeToString())

    return quantize


def scales_for(texts: Sequence[Sequence[NDArray[Any]]], *, rotates: bool) -> list[Floats]:
    """Return scales with which int8 reaches beyond the keys and values of some texts.

    Args:
        texts: what each text has left in each KV cache, float32 (2, KV heads, tokens, cache_dim).
        rotates: whether keys are turned by their position. Two channels that are turned together, half a head
            apart, then have one scale, which holds at every position: the length of the pair stays.

    Returns:
        Float32 (2, KV heads, cache_dim) of each cache.
    """
    largest = [[_largest(cache, rotates=rotates) for cache in text] for text in texts]
    joined = (np.maximum.reduce(caches) for caches in zip(*largest, strict=True))
    return [MARGIN * np.maximum(item, 1e-6).astype(np.float32) / np.float32(127) for item in joined]


def _largest(cache: NDArray[Any], *, rotates: bool) -> Floats:
    """Return the largest absolute key and value of each channel."""
    largest: Floats = np.abs(cache).max(axis=2)
    if rotates:
        first, second = np.split(cache[0], 2, axis=-1)
        largest[0] = np.tile(np.hypot(first, second).max(axis=1), 2)
    return largest


def _read(folder: Path, shape: KVShape) -> list[Floats] | None:
    """Return the scales that were measured for a converted model; None where there are no sound ones."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        stored = [np.array(item, np.float32) for item in json_object(folder / _FILE, _LARGEST)["scales"]]
        good = all(np.isfinite(item).all() and (item > 0).all() for item in stored)
        if good and [item.shape for item in stored] == [(2, *sizes) for sizes in shape.sizes]:
            return stored
    return None


def _measure(
    folder: Path, engine: OrtEngine, prompts: Sequence[Sequence[int]], *, rotates: bool
) -> list[Floats]:
    """Let a model read sample texts, and keep the scales for their keys and values in its folder.

    Returns:
        The scales of each KV cache, float32 (2, KV heads, cache_dim).
    """
    progress.message("measuring keys and values for the int8 KV cache …")
    texts = []
    for ids in prompts:
        cache = engine.cache()
        cache.extend(ids[: min(TOKENS, engine.context_length)])
        texts.append(cache.keys_values())
    scales = scales_for(texts, rotates=rotates)
    rounded = [[[[float(f"{x:.6g}") for x in head] for head in part] for part in item] for item in scales]
    with suppress(StoreError), store.writing(folder / _FILE):  # a folder of the user's may be read-only
        write_atomic(folder / _FILE, json.dumps({"scales": rounded}))
    return [np.array(item, np.float32) for item in rounded]
