"""The models that have a name here, as a table: what may be used, what fits, and how fast it is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from typing import Any, ClassVar

from ...core import validation
from ...core.format import size
from ...core.records import ModelInfo
from ...decoder.spec import DecoderSpec
from ...engine.caches.cache_pool import free_bytes
from ...engine.sessions.threads import physical_cores
from ...formats.config import Config
from ...sanitize import single_line
from ...sources import catalog, store
from ...sources.catalog import CatalogEntry
from ...trust import licenses
from ...views.inspection_record import InspectionRecord, Stored, table
from . import speed
from .fit import CONTEXT, Fit, estimate

UNKNOWN = licenses.UNKNOWN
_LIMIT = re.compile(r"([<>])\s*([\d.]+)\s*(gb|mb|tok/s|tokens/s)", re.IGNORECASE)
_WORDS = {
    "fits": lambda row: (row["memory"] or {}).get("verdict") in ("fits", "tight"),
    "cached": lambda row: bool(row["state"]),
    "commercial": lambda row: row["license"]["commercial"] in ("yes", "on terms"),
}


class ModelTable(InspectionRecord):
    """The models of the catalog. Made by :func:`list_models` and ``%llm models``; a sequence of its rows.

    ``head["rows"]``: of each model its ``name``, ``title``, ``repository``, ``license`` (its conditions),
    ``gated``, ``languages``, ``good_for``, ``context``, ``fetch`` (bytes), ``memory`` and ``speed`` (None
    where not known), and ``state``: "in use", "in the cache", "damaged" or empty. ``head["machine"]``: cores,
    bytes free, and the measured rate in bytes a second. ``head["date"]``: when it was made.
    """

    kind = "models"
    storage: ClassVar[Stored] = {}

    def __len__(self) -> int:
        return len(self.head["rows"])

    def __getitem__(self, index: int) -> CatalogEntry:
        return catalog.find(self.head["rows"][index]["name"])

    def __iter__(self) -> Iterator[CatalogEntry]:
        return (self[index] for index in range(len(self)))

    def to_text(self) -> str:
        """Return the table, and the rest of the cache."""
        rows, machine = self.head["rows"], self.head["machine"]
        head = f"{'model':<24}{'license':<17}{'commercial':<12}{'fetch':>8}{'memory':>9}"
        lines = [f"{head}{'tok/s':>8}{'context':>10}", *map(_line, rows)]
        fitting = sum(map(_WORDS["fits"], rows))
        lines.append(
            f"{len(rows)} models, {fitting} fit in {size(machine['free'])} with "
            f"{self.head['context']:,} tokens; %llm card NAME, %llm use NAME"
        )
        if machine["rate"] is None:
            lines.append("speed not measured: %llm models --measure")
        if others := self.head["others"]:
            lines.append(f"in the cache, {store.home()}:")
            lines += [
                f"  {single_line(item['key']):<60} {size(item['bytes']):>8}{', damaged' * item['damaged']}"
                for item in others
            ]
            lines.append(f"  {'together':<60} {size(sum(item['bytes'] for item in others)):>8}; %llm rm NAME")
        return "\n".join(lines)

    def to_pandas(self) -> Any:
        """Return one row a model."""
        rows = self.head["rows"]
        columns = {name: [row[name] for row in rows] for name in ("name", "title", "repository", "gated")}
        columns["license"] = [row["license"]["short"] for row in rows]
        columns["commercial"] = [row["license"]["commercial"] for row in rows]
        columns["fetch"] = [row["fetch"] for row in rows]
        columns["memory"] = [row["memory"] and row["memory"]["expected"] for row in rows]
        columns["tokens_per_s"] = [row["speed"] and row["speed"]["value"] for row in rows]
        columns["context"] = [row["context"] for row in rows]
        columns["state"] = [row["state"] for row in rows]
        return table(columns)


def list_models(words: str = "", *, measure: bool = False, in_use: str = "") -> ModelTable:
    """Return the models that :func:`load` knows by name, smallest first.

    Args:
        words: parts of a name, license or language, "fits", "cached", "commercial", "< 2 GB", "> 20 tok/s".
        measure: whether to measure the machine, so that the table has expected speeds; takes two seconds.
        in_use: the name of the model in use.
    """
    words = validation.require_str(words, "words")
    here = speed.machine(measure=measure)
    cached, intact = store.entries(), store.cached()
    used = speed.measured_speeds()
    rows = []
    for entry in catalog.entries().values():
        keys = [key for key in cached if key.split("/")[0] in entry.cache_folders]
        state = "in the cache" if any(key in intact for key in keys) else "damaged" if keys else ""
        if in_use in (entry.name, entry.repository):
            state = "in use"
        rows.append(describe(entry, state=state, machine=here, used=used))
    rows = [row for row in rows if matches(row, words)]
    rows.sort(key=lambda row: (row["memory"] is None, (row["memory"] or {}).get("expected", 0), row["title"]))
    others = [
        {"key": key, "bytes": nbytes, "damaged": key not in intact} for key, nbytes in sorted(cached.items())
    ]
    machine = {"cores": physical_cores(), "free": free_bytes(), "rate": here and round(here.eight_bits)}
    head = {"rows": rows, "machine": machine, "context": CONTEXT, "others": [] if words.strip() else others}
    head["date"] = datetime.now(timezone.utc).isoformat(timespec="minutes")
    return ModelTable(ModelInfo("", "", ""), head)


def describe(
    entry: CatalogEntry,
    *,
    state: str = "",
    machine: speed.Machine | None = None,
    used: Mapping[str, float] | None = None,
    shape: tuple[DecoderSpec, str] | None = None,
) -> dict[str, Any]:
    """Return the row of a model as plain values.

    Args:
        entry: the row of the catalog.
        state: whether it is here.
        machine: the measurement of this machine; None where there is none.
        used: measured speeds, by name and precision.
        shape: the decoder and the type of most of its matrices; None takes those of the row.
    """
    shape = shape or shape_of_entry(entry)
    license = licenses.find(entry.license)
    fit = estimate(entry.name, *shape, "auto", context=CONTEXT) if shape else None
    parameters = fit.parameters if fit else None
    return {
        "name": entry.name,
        "title": entry.title,
        "repository": entry.repository,
        "license": {
            "id": license.id,
            "name": license.name,
            "short": license.short,
            "commercial": license.commercial,
            "asks": license.asks,
            "may": list(license.may),
            "must": list(license.must),
        },
        "gated": entry.gated,
        "languages": list(entry.languages),
        "good_for": entry.good_for,
        "context": min(entry.context, shape[0].context) if shape and entry.context else entry.context or None,
        "parameters": parameters,
        # By the bits of its weights where the size of the files is not known.
        "fetch": entry.size_bytes or (int(parameters * entry.bits / 8) if parameters else None),
        "fetch_known": bool(entry.size_bytes),
        "memory": _memory(fit) if fit else None,
        "speed": _speed(entry, shape, machine, used or {}),
        "state": state,
    }


def matches(row: Mapping[str, Any], words: str) -> bool:
    """Return whether a row has all that the words ask for. Twin: inspect/models/filter.ts."""
    for sign, number, unit in _LIMIT.findall(words):
        is_speed = unit.lower().startswith("tok")
        value = (row["speed"] or {}).get("value") if is_speed else (row["memory"] or {}).get("expected")
        limit = float(number.rstrip(".") or 0) * (1 if is_speed else 1e9 if unit.lower() == "gb" else 1e6)
        if value is None or not (value < limit if sign == "<" else value > limit):
            return False
    text = " ".join([row["name"], row["title"], row["license"]["short"], row["good_for"], *row["languages"]])
    for word in _LIMIT.sub(" ", words).lower().split():
        test = _WORDS.get(word)
        if not (test(row) if test else word in text.lower()):
            return False
    return True


def shape_of_entry(entry: CatalogEntry) -> tuple[DecoderSpec, str] | None:
    """Return the decoder of a row and the type of most of its matrices; None where it is not known."""
    if entry.config is None:
        return None
    from ...decoder.families import spec_of

    packaged = entry.package
    return spec_of(Config(dict(entry.config))), "Q4_1" if packaged and "Q4_1" in packaged.file else "F16"


def _memory(fit: Fit) -> dict[str, Any]:
    return {
        "weights": fit.weights[1],
        "cache": fit.cache,
        "working": fit.working,
        "expected": fit.expected,
        "low": fit.low,
        "high": fit.high,
        "token_bytes": fit.token_bytes,
        "verdict": fit.verdict,
        "max_tokens": fit.max_tokens,
    }


def _speed(
    entry: CatalogEntry,
    shape: tuple[DecoderSpec, str] | None,
    machine: speed.Machine | None,
    used: Mapping[str, float],
) -> dict[str, Any] | None:
    """Return tokens a second: as measured in use, else as expected."""
    for name in (entry.name, entry.repository):
        measured = [value for key, value in used.items() if key.rpartition("/")[0] == name]
        if measured:
            return {"value": max(measured), "measured": True}
    if machine is None or shape is None:
        return None
    bits = 4 if shape[1] == "Q4_1" else 8
    return {"value": round(machine.tokens_per_s(shape[0], bits), 1), "measured": False}


def _line(row: Mapping[str, Any]) -> str:
    memory, fast = row["memory"], row["speed"]
    verdict = memory["verdict"] if memory and memory["verdict"] != "fits" else ""
    notes = ", ".join(filter(None, [row["state"], verdict, "gated" if row["gated"] else ""]))
    fetch = ("" if row["fetch_known"] else "≈") + size(row["fetch"]) if row["fetch"] else UNKNOWN
    tokens = "–" if fast is None else f"{'' if fast['measured'] else '≈'}{fast['value']:.0f}"
    context = f"{row['context']:,}" if row["context"] else UNKNOWN
    return (
        f"{row['name']:<24}{row['license']['short']:<17}{row['license']['commercial']:<12}{fetch:>8}"
        f"{size(memory['expected']) if memory else UNKNOWN:>9}{tokens:>8}{context:>10}  {notes}"
    ).rstrip()
