"""From a name to a model that answers: resolve, fetch, convert once, open."""

from __future__ import annotations

import hashlib
import os
import re
import threading
import time
import weakref
from collections import defaultdict
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..chat import helper
from ..clean import line
from ..core import given, progress
from ..core.records import ModelInfo
from ..decoder.recipe import check_precision
from ..errors import ModelFileError, StoreError, UnsupportedModel, UsageError
from ..sources import catalog, store
from ..sources.names import local
from . import fidelity
from .convert import FORMAT, Converted, convert
from .model import Model

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..sources.catalog import CatalogEntry
    from ..sources.source import Source
    from .adapter import Adapter

MOST_THREADS = 1024  # ONNX Runtime would try to start any number

_Key = tuple[str, str, int, str | None, tuple[str, ...], str]
_loaded: weakref.WeakValueDictionary[_Key, Model] = weakref.WeakValueDictionary()
_loading: defaultdict[_Key, threading.Lock] = defaultdict(threading.Lock)  # a download holds up its own model


def load(
    name: str | Path | None = None,
    *,
    precision: str = "auto",
    threads: int | None = None,
    file: str | None = None,
    cache_mb: int | None = None,
    adapter: Adapter | str | Path | None = None,
    ignore_config: str | Iterable[str] = (),
) -> Model:
    """Load a model: from the cache, or fetch and convert it first, with progress.

    Args:
        name: a name from :func:`list_models`; ``org/name`` or ``org/name@revision`` on the Hugging Face
            Hub; a ``.gguf`` file; or a folder: a Hub checkpoint, an ONNX export, or what :meth:`Model.save`
            made. None is the default model.
        precision: a key of recipe.PRECISIONS: "auto" (within KL 0.01 of the source), "fp32", "fp16", "int8",
            "int4", "exact".
        threads: of the engine; None takes one a physical core.
        file: which file of a repository or folder, where there are several (``.gguf``, ``.onnx``,
            ``.safetensors``).
        cache_mb: what the KV caches of this model's conversations may take, in MB; those used least recently
            are dropped, never one in use. None: an eighth of the free memory, from 64 to 512 MB, or as it was
            set before.
        adapter: a LoRA adapter to go with it, as :meth:`Model.with_adapter` takes it: a folder, or
            "folder:0.8".
        ignore_config: names of fields of config.json, of a GGUF file or of adapter_config.json that may pass
            unused. Without it, a field that this version does not know is refused.

    Returns:
        The same object as long as an earlier one with the same arguments is alive.

    Raises:
        ModelNotFound, FetchError, StoreError, ModelFileError, UnsupportedModel, UsageError.
    """
    check_precision(precision)
    if isinstance(name, Path):
        name = str(name)
    if name is not None and not isinstance(name, str):
        raise UsageError(
            f"a model's name is a text or a path, got {given.shown(name)}", hint="lm.load() takes the default"
        )
    threads = None if threads is None else given.whole(threads, "threads", 1, MOST_THREADS)
    cache_mb = None if cache_mb is None else given.whole(cache_mb, "cache_mb", 1)
    file = None if file is None else given.text(file, "file")
    ignored = (ignore_config,) if isinstance(ignore_config, str) else ignore_config
    ignored = tuple(sorted(set(given.texts(ignored, "ignore_config", hint="pass names of fields"))))
    if threads is not None and threads > (cores := physical_cores()):
        progress.warn(f"{threads} threads on {cores} cores: answers are slower than with {cores}")
    helper.start()  # templates are ready to run when the model is
    asked = (name or catalog.DEFAULT, precision, threads or 0, file, ignored)
    key = (*asked, _as_it_is(asked[0]))
    with _loading[key]:
        model = _loaded.get(key)
        if model is None:
            with progress.displayed():
                model = _loaded[key] = _load(*asked)
    if cache_mb is not None:
        model.pool.budget = cache_mb * 1_000_000
    return model if adapter is None else model.with_adapter(adapter)


def physical_cores() -> int:
    """The physical cores; ONNX Runtime takes a thread for each of them by itself."""
    import psutil

    return int(psutil.cpu_count(logical=False) or os.cpu_count() or 1)


def _as_it_is(name: str) -> str:
    """Where a file or a folder lies and when it was written last, so that another one of that name is another
    model; empty for what is no path.
    """
    path = None if name in catalog.entries() else local(name)
    if path is None:
        return ""
    parts = [path] if path.is_file() else sorted(path.glob("*"))
    stats = [(part.name, part.stat().st_size, part.stat().st_mtime_ns) for part in parts if part.is_file()]
    return f"{path.resolve()} {stats}"


def give_back_memory() -> None:
    """Give the system what a dropped model has left in the allocator's lists: half of it, otherwise."""
    import ctypes

    with suppress(OSError, AttributeError):  # glibc alone has it, and alone needs it
        ctypes.CDLL(None).malloc_trim(0)


def list_models() -> list[CatalogEntry]:
    """The models that :func:`load` knows by name."""
    return list(catalog.entries().values())


def _load(name: str, precision: str, threads: int, file: str | None, ignored: tuple[str, ...]) -> Model:
    from ..sources.names import resolve

    source = resolve(name, file=file)
    progress.tell(f"loading {line(source.name)} …", None)
    if ignored:  # the same files are another model then
        digest = hashlib.sha256("\0".join([source.fingerprint, *ignored]).encode())
        source = replace(source, fingerprint=digest.hexdigest())
    info = ModelInfo(source.name, source.revision, source.fingerprint, licence=source.licence)
    if source.kind in ("onnx", "saved") and precision != "auto":
        held = "a saved model" if source.kind == "saved" else "an ONNX model"
        if not (source.kind == "saved" and _precision_of(source.fetch()) == precision):
            raise UsageError(
                f"{line(source.name)} is {held}, whose precision is what it is",
                hint="leave out the precision, or load what it was made from",
            )
    if source.kind == "onnx":
        from .ready import open_ready

        return open_ready(source.fetch(), info, threads=threads)
    if source.kind == "saved":
        if not store.sound(source.fetch()):
            raise ModelFileError(
                f"{source.fetch()} is damaged: a file is not as its manifest says",
                hint="save the model again",
            )
        from .ready import check_saved_graph

        check_saved_graph(source.fetch() / "decoder.onnx")
        return _open(source.fetch(), info, threads)

    def build(folder: Path) -> None:
        path = source.fetch()
        began = time.perf_counter()
        progress.say(f"converting {line(source.name)} ({precision}) …")
        _convert(source, path, folder, precision, ignored)
        progress.say(f"converted in {time.perf_counter() - began:.1f} s")
        _drop_older(source.key)

    folder = store.ensure(_key(source, precision), build)
    if (folder / "model.onnx").exists():
        from .ready import open_ready

        return open_ready(folder / "model.onnx", replace(info, precision=precision), threads=threads)
    model = _open(folder, info, threads)

    @contextmanager
    def reference() -> Iterator[Model]:
        kept = _key(source, "fp32")
        there = store.has(kept)
        try:
            yield load(name, precision="fp32", threads=threads or None, file=file, ignore_config=ignored)
        finally:
            if not there:
                with suppress(StoreError):
                    store.remove(kept)

    model.reference = reference
    model.source, model.ignore_config = source.fetch, ignored
    return model


def _key(source: Source, precision: str) -> str:
    """Where the cache has what is converted of a source."""
    return f"{source.key}/{precision}-{FORMAT}-{source.fingerprint[:32]}"


def _drop_older(key: str) -> None:
    """Remove what earlier versions converted of the same source: nobody opens it any more."""
    for other in store.entries():
        found = re.fullmatch(rf"{re.escape(key)}/.+-(\d+)-[0-9a-f]{{12,64}}", other)
        if found and int(found[1]) < FORMAT:
            with suppress(StoreError):
                store.remove(other)


def _precision_of(folder: Path) -> str:
    """What a saved model's weights are held in."""
    return Converted.read(folder).precision


def _convert(source: Source, path: Path, folder: Path, precision: str, ignored: tuple[str, ...]) -> None:
    one = path.suffix == ".safetensors"  # of several, chosen by name
    if (path.is_dir() or one) and _no_row(path.parent if one else path):
        from .optimum import export

        if one:
            raise UnsupportedModel(
                f"{path.name} cannot be chosen: of this architecture whole folders are exported",
                hint="leave out the file, or put it into a folder of its own as model.safetensors",
            )
        export(path, folder, precision=precision)
    else:
        convert(path, folder, precision=precision, licence=source.licence, ignore=ignored)


def _no_row(folder: Path) -> bool:
    """Whether a checkpoint is of an architecture with no row in families.py."""
    from ..decoder.families import FAMILIES
    from ..formats.config import read_table

    return read_table(folder / "config.json").get("model_type") not in FAMILIES


def _open(folder: Path, info: ModelInfo, threads: int) -> Model:
    from ..engine.ort import OrtEngine
    from ..engine.tokenizer import TextTokenizer
    from .adapted import Slots

    converted = Converted.read(folder)
    spec = converted.spec
    engine = OrtEngine(
        folder / "decoder.onnx",
        vocab_size=spec.vocab,
        context_length=spec.context,
        threads=threads,
        cache_shape=(spec.layers, spec.kv_heads, spec.cache_dim),
    )
    tokenizer = TextTokenizer.from_file(
        folder / "tokenizer.json",
        bos_id=converted.bos_id,
        eos_id=converted.eos_id,
        eos_ids=frozenset(converted.eos_ids),
        add_bos=converted.add_bos,
    )
    licence = info.licence if info.licence != "unknown" else converted.licence
    model = Model(
        engine,
        tokenizer,
        replace(info, precision=converted.precision, licence=licence),
        template=converted.template,
        weights_bytes=converted.weights_bytes,
        bytes_per_token=converted.bytes_per_token,
        folder=folder,
    )
    model.slots = Slots(folder, spec, engine, threads=threads)
    model.fidelity = fidelity.kept(folder)
    return model
