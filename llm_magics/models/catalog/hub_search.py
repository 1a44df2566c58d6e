"""Search the Hugging Face Hub for language models, and say which of them this version can run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...core import progress, validation
from ...decoder.families import FAMILIES
from ...errors import FetchError, UsageError
from ...sanitize import single_line
from ...sources import hub

LIMIT = 20
_FIELDS = ("config", "downloads", "gated", "likes", "safetensors", "tags")


@dataclass(frozen=True, slots=True)
class HubModel:
    """One repository of the Hub, as its search tells.

    Attributes:
        name: org/name, as :func:`load` takes it.
        downloads: of the last month.
        license: as its tags state it, or "unknown".
        gated: whether its terms must be accepted first.
        parameters: the number of its weights; 0 where the Hub does not say.
        family: its model_type, "gguf" for GGUF files, or "unknown".
        supported: whether this version has its family; None where that is not known.
    """

    name: str
    downloads: int
    license: str
    gated: bool
    parameters: int
    family: str
    supported: bool | None

    def __str__(self) -> str:
        size = f"{self.parameters / 1e9:.2f} B" if self.parameters else "?"
        notes = [
            "accept its terms first" * self.gated,
            "" if self.supported is not False else "not supported",
        ]
        columns = f"{self.name:<56} {size:>9}  {self.license:<14} {self.family:<14} {self.downloads:>11,}"
        return f"{columns}  {', '.join(filter(None, notes))}".rstrip()


def search(words: str, *, limit: int = LIMIT) -> list[HubModel]:
    """Search the Hub for language models by name; most downloaded first. No token is needed.

    Args:
        words: to search for.
        limit: the most results, 1 to 100.

    Raises:
        UsageError: there are no words. FetchError: the Hub is out of reach, or its answer cannot be used.
    """
    words = " ".join(validation.require_str(words, "words").split())
    if not words:
        raise UsageError("there is nothing to search for", hint="Write a part of a model's name.")
    limit = validation.require_int(limit, "limit", 1, 100, hint="Use for example 20.")
    if hub.is_offline():
        raise FetchError("HF_HUB_OFFLINE is set, so the Hub cannot be searched", hint="Unset it.")
    progress.report(f"searching the Hub for {single_line(words)} …", None)
    params: dict[str, Any] = {"search": words, "filter": "text-generation", "sort": "downloads"}
    params |= {"direction": "-1", "limit": str(limit), "expand[]": list(_FIELDS)}
    rows = hub.request(lambda: hub.get_json("models", params, timeout=20.0, kind=list), "the search", None)
    named = [row for row in rows if isinstance(row, dict) and isinstance(row.get("id"), str)]
    return [_model(row) for row in named[:limit]]


def _model(row: Mapping[str, Any]) -> HubModel:
    def whole(value: object) -> int:
        return value if type(value) is int and 0 <= value < 1 << 60 else 0

    tags = [tag for tag in row.get("tags") or () if isinstance(tag, str)]
    config, weights = row.get("config"), row.get("safetensors")
    family = config.get("model_type") if isinstance(config, dict) else None
    supported: bool | None = family in FAMILIES if isinstance(family, str) else None
    if "gguf" in tags and not isinstance(family, str):
        family = "gguf"
    license = next((tag.removeprefix("license:") for tag in tags if tag.startswith("license:")), "unknown")
    return HubModel(
        name=single_line(row["id"], most=120),
        downloads=whole(row.get("downloads")),
        license=single_line(license, most=40),
        gated=bool(row.get("gated")),
        parameters=whole(weights.get("total")) if isinstance(weights, dict) else 0,
        family=single_line(family, most=40) if isinstance(family, str) else "unknown",
        supported=supported,
    )


def listing(words: str) -> str:
    """Return the results of a search as lines to read."""
    models = search(words)
    if not models:
        return f"The Hub has no language model for {single_line(words)!r}."
    head = f"{'model':<56} {'weights':>9}  {'license':<14} {'family':<14} {'downloads':>11}"
    return "\n".join([head, *map(str, models), "%llm fit NAME says whether one fits; %llm use NAME loads it"])
