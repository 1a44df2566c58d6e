"""One way to name every model: what a name stands for, and what it takes to have it here."""

from __future__ import annotations

import hashlib
import re
from difflib import get_close_matches
from pathlib import Path

from ..clean import line
from ..core.shards import read_index
from ..errors import ModelNotFound, UnsupportedModel, UsageError
from . import catalog, index, store
from .repository import choose, gguf_parts
from .source import Source


def resolve(name: str | None, *, file: str | None = None) -> Source:
    """What a name stands for. A path that exists wins over a name of the Hub.

    Args:
        name: of the catalogue, ``org/name[@revision]``, or a path; None is the default model.
        file: which file of a repository or folder.

    Raises:
        ModelNotFound: there is nothing of that name. UnsupportedModel, ModelFileError: there is, and it
            cannot be used.
    """
    if name is None or name in catalog.entries():
        if file:
            raise UsageError(f"{name or catalog.DEFAULT} is a single file", hint="leave out the file")
        entry = catalog.find(name)
        return Source(
            "gguf", entry.name, entry.revision, entry.sha256, entry.licence, lambda: index.downloaded(entry)
        )
    path = local(name)
    if path is not None:
        return _folder(path, file) if path.is_dir() else _file(path, name)
    return _not_here(name, file)


def local(name: str) -> Path | None:
    """The file or folder that a name stands for, if there is one."""
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
    if found := re.match(r"https?://(?:www\.)?(?:huggingface\.co|hf\.co)/([^/\s]+/[^/\s?#]+)", name):
        raise ModelNotFound(f"{line(name)} is an address, no name", hint=f"did you mean {line(found[1])}?")
    if name.endswith((".gguf", ".onnx")) or name.startswith((".", "/", "~")):
        raise ModelNotFound(f"there is no file {line(name)}", hint="check the path")
    near = get_close_matches(name, catalog.entries(), 3, 0.4)
    raise ModelNotFound(
        f"there is no model {line(name)!r}: neither a name of the catalogue nor a path",
        hint=(f"did you mean {' or '.join(near)}? " if near else "")
        + f"known: {', '.join(catalog.entries())}; org/name on the Hub; a .gguf file; a folder",
    )


def _file(path: Path, name: str) -> Source:
    if path.suffix.lower() == ".gguf":
        return _gguf(path)
    if path.suffix == ".onnx":
        return _onnx(path, path.stem)
    raise UnsupportedModel(
        f"{name} is neither .gguf nor .onnx", hint="name the folder of a checkpoint, not a file in it"
    )


def _gguf(path: Path) -> Source:
    parts = [path.with_name(name) for name in gguf_parts(path.name)]
    if missing := [part for part in parts if not part.is_file()]:
        raise ModelNotFound(
            f"there is no {line(missing[0].name)} beside {line(path.name)}: the file comes in "
            f"{len(parts)} parts",
            hint="put all parts into one folder",
        )
    digest = store.summed(parts[0]) if len(parts) == 1 else _fingerprint(parts)
    return Source("gguf", parts[0].stem, parts[0].name, digest, "unknown", lambda: parts[0])


def _folder(path: Path, file: str | None) -> Source:
    name = path.resolve().name
    if file is None and (path / "model.json").is_file() and (path / "decoder.onnx").is_file():
        return Source("saved", name, "saved", _fingerprint([path / store.MANIFEST]), "unknown", lambda: path)
    # By the rule that repositories of the Hub are held to.
    choice = choose(str(path), _files(path), file, shards=lambda index: read_index(path / index).values())
    if choice.kind == "gguf":
        return _file(path / choice.path, choice.path)
    if choice.kind == "onnx":
        return _onnx(path / choice.path, name)
    parts = [path / part for part in choice.files]
    return Source("safetensors", name, "local", _fingerprint(parts), "unknown", lambda: path / choice.path)


def _files(path: Path) -> dict[str, int]:
    """The files of a folder and of the folders in it, with their sizes in bytes."""
    found = [*path.glob("*"), *path.glob("*/*")]
    return {part.relative_to(path).as_posix(): part.stat().st_size for part in found if part.is_file()}


def _onnx(path: Path, name: str) -> Source:
    return Source("onnx", name, path.name, _fingerprint([path]), "unknown", lambda: path)


def _fingerprint(paths: list[Path]) -> str:
    """Of all files the sha256. That of a large one is noted, and taken again when its size, time or inode
    has changed.
    """
    digest = hashlib.sha256()
    for path in paths:
        large = path.stat().st_size > 1 << 20
        digest.update(f"{path.name}\0{store.summed(path) if large else store.sha256(path)}\0".encode())
    return digest.hexdigest()
