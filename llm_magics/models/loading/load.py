"""From a name to a model that answers: resolve, fetch, convert once, open."""

from __future__ import annotations

import hashlib
import re
import threading
import time
import weakref
from collections import defaultdict
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ...chat import template_process
from ...core import progress, validation
from ...core.records import ModelInfo
from ...decoder.precision import check_kv_cache, check_precision
from ...engine.device import CPU, parse_device
from ...engine.sessions import packed_weights
from ...engine.sessions.threads import usable_cores
from ...errors import ModelFileError, StoreError, UnsupportedModel, UsageError
from ...formats.config import ignored_fields
from ...sanitize import single_line
from ...sources import catalog, store
from ...sources.resolve import local
from ..catalog.fit import check_fit
from ..cluster.model_spec import ModelSpec
from ..model import Model
from ..origin import Origin
from ..remote.address import is_server
from .convert import FORMAT, ConvertedModel, convert
from .opened import open_converted
from .thread_trial import choose_threads

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ...engine.base import Engine
    from ...sources.source import Source
    from ..adapters.lora import Adapter

MOST_THREADS = 1024  # ONNX Runtime would try to start any number

_Key = tuple[str, str, int, str | None, tuple[str, ...], str, str, str]
_loaded: weakref.WeakValueDictionary[_Key, Model] = weakref.WeakValueDictionary()
_loading: defaultdict[_Key, threading.Lock] = defaultdict(threading.Lock)  # a download holds up its own model


def load(
    name: str | Path | None = None,
    *,
    precision: str = "auto",
    threads: int | None = None,
    file: str | None = None,
    cache_mb: int | None = None,
    kv_cache: str = "fp32",
    device: str = "auto",
    adapter: Adapter | str | Path | None = None,
    ignore_config: str | Iterable[str] = (),
    anyway: bool = False,
) -> Model:
    """Load a model: from the cache, or fetch and convert it first, with progress.

    Args:
        name: a name from :func:`list_models`; ``org/name`` or ``org/name@revision`` on the Hugging Face
            Hub; a ``.gguf`` file; or a folder: a Hub checkpoint, an ONNX export, or what :meth:`Model.save`
            made. None is the default model.
        precision: a key of recipe.PRECISIONS: "auto" (within KL 0.01 of the source), "fp32", "fp16", "int8",
            "w8a8" (prompts and batches are faster), "int4", "exact".
        threads: of the engine; None takes one a physical core.
        file: which file of a repository or folder, where there are several (``.gguf``, ``.onnx``,
            ``.safetensors``).
        cache_mb: what the KV caches of this model's conversations may take, in MB; those used least recently
            are dropped, never one in use. None: an eighth of the free memory, from 64 to 512 MB, or as it was
            set before.
        kv_cache: "fp32", or "int8": keys and values in 8 bits, for long contexts in a quarter of the memory.
        device: "cpu", "cuda" or "cuda:N" (a card, in float16), or "auto": a card where there is one and it
            gives a first token, else the CPU.
        adapter: a LoRA adapter to go with it, as :meth:`Model.with_adapter` takes it: a folder, or
            "folder:0.8".
        ignore_config: names of fields of config.json, of a GGUF file or of adapter_config.json that may pass
            unused. Without it, a field that this version does not know is refused.
        anyway: load a model that does not fit into the free memory too.

    Returns:
        The same object as long as an earlier one with the same arguments is alive.

    Raises:
        ModelNotFound, FetchError, StoreError, ModelFileError, UnsupportedModel, UsageError.
    """
    check_precision(precision)
    check_kv_cache(kv_cache)
    parse_device(device)
    if isinstance(name, Path):
        name = str(name)
    if name is not None and not isinstance(name, str):
        raise UsageError(
            f"the name of a model must be a string or a path, got {validation.format_value(name)}",
            hint="Call lm.load() for the default model.",
        )
    if is_server(name):
        raise UsageError(f"{single_line(str(name))} is a server", hint="Call lm.connect(address).")
    threads = None if threads is None else validation.require_int(threads, "threads", 1, MOST_THREADS)
    cache_mb = None if cache_mb is None else validation.require_int(cache_mb, "cache_mb", 1)
    file = None if file is None else validation.require_str(file, "file")
    ignored = ignored_fields(ignore_config)
    if threads is not None and threads > (cores := usable_cores()):
        progress.warn(f"{threads} threads on {cores} cores: answers are slower than with {cores}")
    template_process.start()  # templates are ready to run when the model is
    asked = (name or catalog.DEFAULT, precision, threads or 0, file, ignored, kv_cache, device)
    key = (*asked, _path_fingerprint(asked[0]))
    with _loading[key]:
        model = _loaded.get(key)
        if model is None:
            try:
                with progress.displayed():
                    if threads is None:
                        choose_threads()
                    model = _loaded[key] = _load(*asked, anyway=anyway)
            finally:
                progress.finished()
            model.spec = _spec(asked[0], model, precision, file, ignored, kv_cache)
    if cache_mb is not None:
        model.pool.budget = cache_mb * 1_000_000
    return model if adapter is None else model.with_adapter(adapter)


def _spec(
    name: str, model: Model, precision: str, file: str | None, ignored: tuple[str, ...], kv_cache: str
) -> ModelSpec:
    """Return how another process opens a model that was loaded by these arguments."""
    path = None if name in catalog.entries() else local(name)
    place = name if path is None else str(path.resolve())
    device = getattr(model.engine, "device", CPU).kind  # a worker has cards of its own numbers
    return ModelSpec(place, model.info, precision, file, ignored, kv_cache, device)


def _path_fingerprint(name: str) -> str:
    """Return where a file or a folder lies and when it was written last.

    So another one of that name is another model; empty for what is no path.
    """
    path = None if name in catalog.entries() else local(name)
    if path is None:
        return ""
    parts = [path] if path.is_file() else sorted(path.glob("*"))
    stats = [(part.name, part.stat().st_size, part.stat().st_mtime_ns) for part in parts if part.is_file()]
    return f"{path.resolve()} {stats}"


def trim_malloc() -> None:
    """Give the system what a dropped model has left in the allocator's lists: half of it, otherwise."""
    import ctypes

    with suppress(OSError, AttributeError):  # glibc alone has it, and alone needs it
        ctypes.CDLL(None).malloc_trim(0)


def _load(
    name: str,
    precision: str,
    threads: int,
    file: str | None,
    ignored: tuple[str, ...],
    kv_cache: str,
    device: str,
    *,
    anyway: bool,
) -> Model:
    from ...sources.resolve import resolve

    source = resolve(name, file=file)
    if not anyway:
        check_fit(source, precision, ignored, kv_cache, converted=store.find(_key(source, precision)))
    progress.report(f"loading {single_line(source.name)} …", None)
    if ignored:  # the same files are another model then
        digest = hashlib.sha256("\0".join([source.fingerprint, *ignored]).encode())
        source = replace(source, fingerprint=digest.hexdigest())
    info = ModelInfo(source.name, source.revision, source.fingerprint, license=source.license)
    if source.kind in ("onnx", "saved") and precision != "auto":
        kind = "a saved model" if source.kind == "saved" else "an ONNX model"
        if not (source.kind == "saved" and _precision_of(source.fetch()) == precision):
            raise UsageError(
                f"{single_line(source.name)} is {kind}, which cannot be loaded in another precision",
                hint="Omit the precision, or load its source.",
            )
    if source.kind == "onnx":
        from .onnx import open_onnx

        _require_plain(source.name, kv_cache, device)
        return open_onnx(source.fetch(), info, threads=threads)
    if source.kind == "saved":
        if not store.is_intact(source.fetch()):
            raise ModelFileError(
                f"{source.fetch()} is damaged: a file does not match its manifest",
                hint="Save the model again.",
            )
        from .onnx import check_saved_graph

        if (source.fetch() / packed_weights.PLACES).exists():  # places in a file that anyone may have written
            raise ModelFileError(
                f"{source.fetch()} is a copy of the cache, not a saved model", hint="Save it with model.save."
            )
        check_saved_graph(source.fetch() / "decoder.onnx")
        return open_converted(
            source.fetch(), info, Origin(source.fetch()), threads=threads, kv_cache=kv_cache, device=device
        )

    def build(folder: Path) -> None:
        path = source.fetch()
        began = time.perf_counter()
        progress.message(f"converting {single_line(source.name)} ({precision}) …")
        _convert(source, path, folder, precision, ignored)
        if (folder / packed_weights.GRAPH).exists():
            packed_weights.write_packed(folder)
        progress.message(f"converted in {time.perf_counter() - began:.1f} s")
        _remove_old_formats(source.key)

    folder = store.ensure(_key(source, precision), build)
    store.mark_used(folder)
    if (folder / "model.onnx").exists():
        from .onnx import open_onnx

        _require_plain(source.name, kv_cache, device)
        return open_onnx(folder / "model.onnx", replace(info, precision=precision), threads=threads)

    @contextmanager
    def reference() -> Iterator[Engine]:
        key = _key(source, "fp32")
        there = store.find(key) is not None
        try:
            yield load(
                name,
                precision="fp32",
                device="cpu",
                threads=threads or None,
                file=file,
                ignore_config=ignored,
                anyway=anyway,
            ).engine
        finally:
            if not there:
                with suppress(StoreError):
                    store.remove(key)

    origin = Origin(folder, source.fetch, reference, ignored)
    return open_converted(folder, info, origin, threads=threads, kv_cache=kv_cache, device=device)


def _key(source: Source, precision: str) -> str:
    """Return where the cache has what is converted of a source."""
    return f"{source.key}/{precision}-{FORMAT}-{source.fingerprint[:32]}"


def _remove_old_formats(key: str) -> None:
    """Remove what earlier versions converted of the same source: nobody opens it any more."""
    for other in store.entries():
        result = re.fullmatch(rf"{re.escape(key)}/.+-(\d+)-[0-9a-f]{{12,64}}", other)
        if result and int(result[1]) < FORMAT:
            with suppress(StoreError):
                store.remove(other)


def _precision_of(folder: Path) -> str:
    """Return what a saved model's weights are held in."""
    return ConvertedModel.read(folder).precision


def _convert(source: Source, path: Path, folder: Path, precision: str, ignored: tuple[str, ...]) -> None:
    one = path.suffix == ".safetensors"  # of several, chosen by name
    if (path.is_dir() or one) and _needs_optimum(path.parent if one else path):
        from .optimum import export

        if one:
            raise UnsupportedModel(
                f"{path.name} cannot be selected: for this architecture, optimum exports the whole folder",
                hint="Omit the file, or put it into its own folder as model.safetensors.",
            )
        export(path, folder, precision=precision)
    else:
        convert(path, folder, precision=precision, license=source.license, ignore=ignored)


def _needs_optimum(folder: Path) -> bool:
    """Return whether a checkpoint is of an architecture with no row in families.py."""
    from ...decoder.families import FAMILIES
    from ...formats.config import read_table

    return read_table(folder / "config.json").get("model_type") not in FAMILIES


def _require_plain(name: str, kv_cache: str, device: str) -> None:
    """Raise UsageError where a cache or a device is asked for that a graph of others cannot have."""
    if kv_cache != "fp32":
        raise UsageError(
            f"{single_line(name)} is an ONNX export, which cannot have an {kv_cache} KV cache",
            hint="Load its source, or omit the KV cache.",
        )
    if device not in ("auto", "cpu"):
        raise UsageError(
            f"{single_line(name)} is an ONNX export, which runs on the CPU only",
            hint="Load its source, or use the CPU.",
        )
