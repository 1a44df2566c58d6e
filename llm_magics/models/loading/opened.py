"""From a converted model's folder to a model that answers, with a KV cache and on a device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from ...core import progress
from ...core.records import ModelInfo
from ...errors import LLMMagicsError, UnsupportedModel, UsageError
from ..model import Model
from ..origin import Origin
from .convert import ConvertedModel

if TYPE_CHECKING:
    from ...engine.device import Device
    from ...engine.ort import OrtEngine

MOST_DIFFERENCE = (
    1e-3  # KL in nats: kernels may split a sum in another way for another upper bound of the length
)

Variant = Callable[[Path | bytes], bytes]  # gives graphs of one model another number format


def open_converted(
    folder: Path, info: ModelInfo, origin: Origin, *, threads: int, kv_cache: str, device: str
) -> Model:
    """Open a converted model.

    Args:
        folder: of the converted model.
        info: the model in the records; its precision is completed.
        origin: the files that it was converted from.
        threads: of the engine; 0 takes one a physical core.
        kv_cache: a key of precision.KV_CACHES.
        device: "auto", "cpu", "cuda" or "cuda:N".

    Raises:
        UsageError: the device cannot be used. UnsupportedModel: this model cannot have it or that KV cache.
    """
    from ...engine.device import resolve_device
    from ...engine.sessions.mapped_memory import release_mapped
    from ...engine.tokenizer import TextTokenizer
    from ..adapters.sessions import LoraSessions

    converted = ConvertedModel.read(folder)
    opener = _Opener(folder, converted, threads)
    read_tokenizer = partial(
        TextTokenizer.from_file,
        folder / "tokenizer.json",
        bos_id=converted.bos_id,
        eos_id=converted.eos_id,
        eos_ids=frozenset(converted.eos_ids),
        add_bos=converted.add_bos,
    )
    place, optional = resolve_device(device)
    precision = converted.precision
    variant: Variant | None = None
    engine: OrtEngine | None = None
    if place.kind == "cuda" and not (optional and kv_cache == "int8"):
        try:
            engine, variant = opener.on_card(place, kv_cache)
            precision += f", float16 on {place.kind}"
        except LLMMagicsError as error:
            if not optional:
                raise
            progress.warn(f"{place} is not used: {error.message}")
    if engine is None and kv_cache == "int8":
        from .kv_scales import int8_cache

        variant = int8_cache(folder, converted.spec, opener.plain, read_tokenizer(), converted.template)
        engine = opener.open(variant(folder / "decoder.onnx"), "int8")
        precision += ", int8 KV cache"
    engine = engine or opener.plain()
    release_mapped(folder / "weights.bin", converted.weights_bytes)
    return Model(
        engine,
        read_tokenizer(),  # last: opening the graph takes the most memory
        replace(
            info,
            precision=precision,
            license=info.license if info.license != "unknown" else converted.license,
        ),
        template=converted.template,
        sampling=converted.sampling,
        weights_bytes=converted.weights_bytes,
        bytes_per_token=converted.bytes_per_token,
        origin=origin,
        lora_sessions=LoraSessions(folder, converted.spec, engine, threads=threads, variant=variant),
    )


class _Opener:
    """Opens the decoder of a converted model."""

    def __init__(self, folder: Path, converted: ConvertedModel, threads: int) -> None:
        self._folder, self._spec, self._threads = folder, converted.spec, threads
        self._precision = converted.precision

    def plain(self) -> OrtEngine:
        """Open it as it was converted, on the CPU."""
        return self.open(None, "float32")

    def open(
        self,
        graph: bytes | None,
        number_format: Literal["float32", "float16", "int8"],
        device: Device | None = None,
        *,
        cuda_graph: bool = False,
    ) -> OrtEngine:
        from ...engine.device import CPU
        from ...engine.ort import OrtEngine

        return OrtEngine(
            self._folder / "decoder.onnx",
            vocab_size=self._spec.vocab,
            context_length=self._spec.context,
            threads=self._threads,
            cache_shape=self._spec.cache_shape,
            graph=graph,
            number_format=number_format,
            device=device or CPU,
            cuda_graph=cuda_graph,
        )

    def on_card(self, device: Device, kv_cache: str) -> tuple[OrtEngine, Variant]:
        """Open it on a card, in float16, and try it with one token, and what is replayed with some more.

        Raises:
            UsageError: the card cannot be used. UnsupportedModel: a part of the decoder cannot run there.
        """
        from ...decoder.variants.half import require_half
        from ...engine.caches.captured_step import replay_problem

        require_half(self._spec, str(device))
        if self._precision == "w8a8":
            raise UnsupportedModel(
                f"{device} is not supported for models in w8a8", hint='Use device="cpu" (--device cpu).'
            )
        if kv_cache == "int8":
            raise UsageError(
                f"{device} has no int8 KV cache", hint="Omit it: on a card, the cache is float16."
            )
        graph, problem = self.half(self._folder / "decoder.onnx"), ""
        try:
            engine = self.open(graph, "float16", device, cuda_graph=True)
        except LLMMagicsError as error:  # where the card is the reason, the next line says so
            engine, problem = self.open(graph, "float16", device), error.message
        if not np.isfinite(engine.without_capture().cache().extend([0])).all():
            raise UsageError(
                f"{device} cannot be used: the model gives no numbers in float16", hint="Use the CPU."
            )
        if engine.captures and (problem := replay_problem(engine)):
            engine = self.open(graph, "float16", device)
        if problem:
            progress.warn(f"{device} is used without a CUDA graph: {problem}")
        return engine, self.half

    def half(self, graph: Path | bytes) -> bytes:
        """Return a graph of this model that computes in float16."""
        import onnx_ir as ir

        from ...decoder.graph_reader import read_graph
        from ...decoder.variants.half import to_half

        model = read_graph(graph, self._folder)
        to_half(model)
        return bytes(ir.to_proto(model).SerializeToString())
