"""Tokenizers, their test vectors and chat templates of real models, which nobody here wrote.

The source package of llama-cpp-python holds llama.cpp's ``models/``. It is fetched once from the package
index into the cache folder, and never built: only its data files are unpacked.
"""

from __future__ import annotations

import os
import shutil
import tarfile
from functools import cache
from pathlib import Path
from typing import Any

from llm_magics.sources import package_index, store
from llm_magics.sources.catalog import PackagedFile

_FILE = "llama_cpp_python-0.3.36.tar.gz"
_MODELS = "llama_cpp_python-0.3.36/vendor/llama.cpp/models/"
_SOURCE = PackagedFile(
    name="llama.cpp's models",
    file="",
    size_bytes=0,
    sha256="832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e",
    package="llama-cpp-python",
    package_version="0.3.36",
    wheel=_FILE,
    wheel_sha256="832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e",
    wheel_bytes=76_589_250,
    member="",
)


@cache
def folder() -> Path:
    """Where they lie: ``ggml-vocab-*.gguf`` with ``.inp`` and ``.out``, and ``templates/``."""
    root = store.home() / "downloads" / _SOURCE.sha256[:16]
    there = root / "models"
    with store.lock(_FILE):
        if there.exists():
            return there
        root.mkdir(parents=True, exist_ok=True)
        archive = package_index._download(_SOURCE, root / _FILE)
        fresh = root / "unpacking"
        shutil.rmtree(fresh, ignore_errors=True)
        with tarfile.open(archive) as tar:
            for member in tar:
                name = member.name.removeprefix(_MODELS)
                if name != member.name and member.isfile():
                    member.name = name
                    tar.extract(member, fresh, filter="data")
        os.replace(fresh, there)
        archive.unlink()
    return there


def vocabularies() -> list[str]:
    return sorted(path.stem.removeprefix("ggml-vocab-") for path in folder().glob("ggml-vocab-*.gguf"))


@cache
def metadata(name: str) -> dict[str, Any]:
    """The header of ``ggml-vocab-NAME.gguf``."""
    from llm_magics.formats.gguf import GgufFile

    return GgufFile(folder() / f"ggml-vocab-{name}.gguf").metadata


def has_vectors(name: str) -> bool:
    return (folder() / f"ggml-vocab-{name}.gguf.inp").exists()


def vectors(name: str) -> list[tuple[str, list[int]]]:
    """Texts, each with the ids that the model's own tokenizer gives, BOS and the like left out."""
    path = folder() / f"ggml-vocab-{name}.gguf"
    texts = path.with_name(path.name + ".inp").read_bytes().decode().split("\n__ggml_vocab_test__\n")
    lines = path.with_name(path.name + ".out").read_text("utf-8").splitlines()
    return [(text, [*map(int, line.split())]) for text, line in zip(texts, lines, strict=False)]


def templates() -> dict[str, str]:
    """Chat templates by name: those that lie there as files, and those in the vocabularies."""
    found = {path.stem: path.read_text("utf-8") for path in sorted((folder() / "templates").glob("*.jinja"))}
    for name in vocabularies():
        if text := metadata(name).get("tokenizer.chat_template"):
            found[f"vocab {name}"] = text
    return found
