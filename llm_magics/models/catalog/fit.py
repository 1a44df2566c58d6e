"""Estimate from its configuration whether a model fits into the free memory, before it is loaded.

The rules were measured on ONNX Runtime 1.32 (benchmarks/memory.py): a packed matrix takes, for each weight,
its bits, 4 bytes a block of 32 for its scales and as much for the sums that the kernel precomputes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ...core import validation
from ...core.format import size
from ...decoder.precision import check_kv_cache, check_precision
from ...engine.caches import cache_pool
from ...engine.caches.kv_buffer import KVShape
from ...engine.generate import CHUNK
from ...engine.ort import KEPT_LOGITS
from ...errors import LLMMagicsError, MemoryNeeded, UnsupportedModel
from ...formats.config import Config, ignored_fields
from ...sanitize import single_line
from ...sources import catalog
from ..adapters.roles import weights_in

if TYPE_CHECKING:
    from ...decoder.spec import DecoderSpec
    from ...sources.source import Source

CONTEXT = 4096  # tokens that an estimate counts with
LENGTHS = 8192, 32_768, 131_072  # tokens of longer contexts, of which the cache is stated too
LEAST_CONTEXT = 512  # tokens without which a model is of no use: what has no room for them is refused
TIGHT = 0.7  # of the free memory
_BLOCK_BYTES = 8 / 32  # a weight's share of the scales and sums of its block
_RUNTIME = 35_000_000  # the graph and the threads of ONNX Runtime, in bytes
_QUANTIZED_4 = ("Q4_0", "Q4_1", "Q4_K", "INT4")


@dataclass(frozen=True, slots=True)
class Fit:
    """An estimate of the memory of a model. Sizes in bytes.

    Attributes:
        name, precision: of the model.
        context: the tokens that the cache is counted for; model_context: the most that the model takes.
        weights: (low, expected, high).
        cache: keys and values of ``context`` tokens; token_bytes: of one.
        working: what one call takes.
        free: what this process may still take.
        parameters: the number of weights; a table that is used twice counts once.
    """

    name: str
    precision: str
    context: int
    model_context: int
    weights: tuple[int, int, int]
    token_bytes: int
    working: int
    free: int
    parameters: int = 0

    @property
    def cache(self) -> int:
        return self.context * self.token_bytes

    @property
    def low(self) -> int:
        return self.weights[0] + self.cache + self.working

    @property
    def expected(self) -> int:
        return self.weights[1] + self.cache + self.working

    @property
    def high(self) -> int:
        return self.weights[2] + self.cache + self.working

    @property
    def verdict(self) -> str:
        """Return "fits", "tight" (over 70 % of what is free) or "too large"."""
        share = self.expected / max(self.free, 1)
        return "fits" if share <= TIGHT else "tight" if share <= 1 else "too large"

    @property
    def max_tokens(self) -> int:
        """Return how many tokens of context fit; 0 where the weights alone do not."""
        left = self.free - self.weights[1] - self.working
        return max(min(left // max(self.token_bytes, 1), self.model_context), 0)

    def __str__(self) -> str:
        name = single_line(self.name)
        verb = {"fits": "fits", "tight": "fits tightly", "too large": "is too large"}[self.verdict]
        limit = f"up to {self.max_tokens:,} of {self.model_context:,} tokens fit"
        longer = [count for count in LENGTHS if self.context < count <= self.model_context]
        caches = " · ".join(f"{count:,} tokens {size(count * self.token_bytes)}" for count in longer)
        return "\n".join(
            [
                f"{name} ({self.precision}) {verb}: about {size(self.expected)} of {size(self.free)} free, "
                f"with {self.context:,} tokens",
                f"weights {size(self.weights[1])} · cache {size(self.cache)} · working set "
                f"{size(self.working)} · between {size(self.low)} and {size(self.high)}",
                limit if self.max_tokens else "not even its weights fit",
                *([f"cache of longer contexts: {caches}"] if caches else []),
            ]
        )

    __repr__ = __str__


def fit(
    name: str | Path | None = None,
    *,
    precision: str = "auto",
    context: int = CONTEXT,
    kv_cache: str = "fp32",
    file: str | None = None,
    ignore_config: str | Iterable[str] = (),
) -> Fit:
    """Estimate whether a model fits into the free memory, without downloading its weights.

    Args:
        name: as :func:`load` takes it; None is the default model.
        precision: as :func:`load` takes it.
        context: tokens to count the KV cache for; the model's own limit where that is lower.
        kv_cache: as :func:`load` takes it.
        file: as :func:`load` takes it.
        ignore_config: as :func:`load` takes it.

    Raises:
        ModelNotFound, FetchError: there is no such model, or the Hub is out of reach.
        UnsupportedModel: this version cannot run it, or its size is not known before it is downloaded.
    """
    from ...decoder.families import spec_of
    from ...sources.resolve import resolve

    check_precision(precision)
    check_kv_cache(kv_cache)
    context = validation.require_int(context, "context", 1, 1 << 24)
    ignored = ignored_fields(ignore_config)
    row = catalog.of_repository(catalog.DEFAULT if name is None else str(name))
    if row is not None and row.package is None and row.config is not None and file is None:
        spec = spec_of(Config(dict(row.config), ignore=ignored))
        return estimate(row.name, spec, "F16", precision, context=context, kv_cache=kv_cache)
    source = resolve(None if name is None else str(name), file=file)
    path = source.metadata() if source.metadata else None
    if path is None and source.kind == "onnx":
        raise UnsupportedModel(
            f"the memory of {single_line(source.name)} is not known: an ONNX file does not state its shape",
            hint="Load it; %llm status then shows its memory.",
        )
    if path is None:
        raise UnsupportedModel(
            f"the memory of {single_line(source.name)} is not known before it is downloaded",
            hint=f"Download it with %llm pull {single_line(source.name)}, then ask again.",
        )
    return estimate(source.name, *read_shape(path, ignored), precision, context=context, kv_cache=kv_cache)


def estimate(
    name: str, spec: DecoderSpec, kind: str, precision: str, *, context: int, kv_cache: str = "fp32"
) -> Fit:
    """Estimate the memory of a decoder.

    Args:
        name: of the model.
        spec: the decoder.
        kind: the type of most matrices in the source, such as "BF16" or "Q4_0".
        precision: a key of recipe.PRECISIONS.
        context: tokens to count the KV cache for; the model's own limit where that is lower.
        kv_cache: a key of precision.KV_CACHES.
    """
    shape = replace(KVShape(*spec.cache_shape), number_format="int8" if kv_cache == "int8" else "float32")
    return Fit(
        name=name,
        precision=precision,
        context=min(context, spec.context),
        model_context=spec.context,
        weights=weight_bytes(spec, precision, kind),
        token_bytes=shape.token_bytes,
        working=working_bytes(spec) + 3 * shape.state_bytes,  # with the checkpoints of a short answer
        free=cache_pool.free_bytes(),
        parameters=weights_in(spec)
        - (spec.vocab * spec.hidden if spec.tied else 0)
        + spec.layers * spec.per_layer_dim * spec.vocab,  # looked up in the file, so that it takes no memory
    )


def read_shape(path: Path, ignore: tuple[str, ...]) -> tuple[DecoderSpec, str]:
    """Return the decoder that a file describes, and the type of most of its matrices.

    Args:
        path: a config.json, a GGUF file, or the model.json of a converted model.
        ignore: fields that may pass unused.
    """
    if path.name == "model.json":
        from ..loading.convert import ConvertedModel

        converted = ConvertedModel.read(path.parent)
        return converted.spec, "INT4" if converted.precision in ("int4", "repacked") else "F16"
    from ...decoder.families import spec_of

    if path.suffix == ".gguf":
        from ...formats.gguf import GgufFile
        from ...formats.gguf_config import config_from_gguf

        file = GgufFile(path)
        embed = file.tensors.get("token_embd.weight")
        vocab = embed.shape[0] if embed is not None else 1
        sizes: Counter[str] = Counter()
        for tensor in file.tensors.values():
            if len(tensor.shape) > 1 and tensor is not embed:
                sizes[tensor.kind] += tensor.blocks.nbytes
        spec = spec_of(config_from_gguf(file.metadata, vocab, file.tensors, ignore=ignore))
        return spec, sizes.most_common(1)[0][0] if sizes else "F16"
    config = Config.read(path, ignore=ignore)
    return spec_of(config), f"INT{config.quantization.bits}" if config.quantization else "F16"


def weight_bytes(spec: DecoderSpec, precision: str, kind: str = "F16") -> tuple[int, int, int]:
    """Estimate the bytes of the weights in memory: low, expected, high.

    Args:
        spec: the decoder.
        precision: a key of recipe.PRECISIONS.
        kind: the type of most matrices in the source, such as "BF16" or "Q4_0".
    """
    table = spec.vocab * spec.hidden
    matrices = weights_in(spec) - 2 * table
    widths = (spec.cache_dim, spec.full_head_dim) if spec.full_head_dim else (spec.cache_dim,)
    positions = spec.context * (spec.hidden if spec.positions == "learned" else sum(widths)) * 4
    keeps_bits = kind in (*_QUANTIZED_4, "Q8_0", "INT8")
    if precision in ("fp32", "fp16") or (precision == "exact" and not keeps_bits):
        # Dense matrices are copied into the kernel's own order; the table of embeddings is mapped, and only
        # the rows that are looked up are read. float16 is widened.
        expected = 4 * (matrices + table) + positions
        return int(0.85 * expected), expected, expected + 4 * table
    low = bits = 8.0
    if kind in _QUANTIZED_4 and precision not in ("int8", "w8a8"):
        # Q4_1 is extended or widened, and bits of other types are mixed in: a fifth of Q4_K_M is Q6_K.
        low, bits = 4.5, 5.0 if kind == "Q4_K" else 4.5
    elif precision == "int4":
        low, bits = 4.0, 5.0  # some matrices keep 8 bits
    packed = _BLOCK_BYTES + bits / 8
    tables = 2 * table * (1 + _BLOCK_BYTES)  # for the lookup, and once more for the head
    expected = int(matrices * packed + tables + positions)
    least = int(matrices * (_BLOCK_BYTES / 2 + low / 8) + table * (1 + _BLOCK_BYTES))
    most = int(matrices * (_BLOCK_BYTES + (1 if bits < 8 else bits / 8)) + tables + positions)
    return least, expected, int(1.1 * most)


def working_bytes(spec: DecoderSpec) -> int:
    """Estimate what one call takes: activations of a chunk of the prompt, logits, and the runtime itself."""
    heads = spec.heads + 2 * max(spec.kv_heads, spec.full_kv_heads)
    width = (
        3 * spec.ffn_in(spec.layers - 1) + 6 * spec.hidden + heads * max(spec.head_dim, spec.full_head_dim)
    )
    width += 2 * spec.layers * spec.per_layer_dim
    return 4 * (CHUNK * width + KEPT_LOGITS * spec.vocab) + _RUNTIME


def check_fit(
    source: Source, precision: str, ignore: tuple[str, ...], kv_cache: str, converted: Path | None = None
) -> None:
    """Refuse a model that cannot fit into the free memory; say the nearest ways out.

    A model of which the size is not known passes.

    Args:
        source: the model.
        precision: a key of recipe.PRECISIONS.
        ignore: fields that may pass unused.
        kv_cache: a key of precision.KV_CACHES.
        converted: the folder of the converted model, where there is one: it is read in place of the source.

    Raises:
        MemoryNeeded: even the least that it may take is more than what is free.
    """
    # A converted model's file takes no import that loading does not take too.
    path = converted / "model.json" if converted else source.metadata() if source.metadata else None
    if path is None:
        return
    try:
        spec, kind = read_shape(path, ignore)
    except LLMMagicsError:  # loading says what is wrong with it
        return
    estimated = estimate(source.name, spec, kind, precision, context=LEAST_CONTEXT, kv_cache=kv_cache)
    if estimated.low <= estimated.free:
        return
    ways, replacement = [], None
    if precision != "int4":
        smaller = estimate(source.name, spec, kind, "int4", context=LEAST_CONTEXT, kv_cache=kv_cache)
        if smaller.expected <= estimated.free:
            ways.append(f"Use precision int4 ({size(smaller.expected)}).")
    if name := _largest_that_fits(estimated.free):
        ways.append(f"Load {name}, which fits.")
        replacement = (source.name, name)
    ways.append("Run it on a machine with more memory.")
    ways.append("Pass anyway=True (--anyway) to load it all the same.")
    parts = f"weights {size(estimated.weights[1])} · cache for {estimated.context:,} tokens "
    raise MemoryNeeded(
        f"{single_line(estimated.name)} needs about {size(estimated.expected)} of memory, and "
        f"{size(estimated.free)} are free",
        why=f"{parts}{size(estimated.cache)} · work {size(estimated.working)}",
        hint="\n".join(ways),
        replacement=replacement,
    )


def _largest_that_fits(free: int) -> str:
    """Return the name of the largest model of the catalog that fits into ``free`` bytes; empty for none."""
    from ...decoder.families import spec_of

    best, name = 0, ""
    for entry in catalog.entries().values():
        if entry.config is not None and not entry.gated:
            expected = estimate(
                entry.name, spec_of(Config(dict(entry.config))), "F16", "auto", context=CONTEXT
            ).expected
            if best < expected <= TIGHT * free:
                best, name = expected, entry.name
    return name
