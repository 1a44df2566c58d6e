"""The card of a model: what its license asks, what it costs to run, and where it comes from."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ...core import validation
from ...core.format import size
from ...core.records import ModelInfo
from ...engine.caches.cache_pool import free_bytes
from ...errors import LLMMagicsError
from ...sources import catalog
from ...sources.catalog import CatalogEntry
from ...trust import licenses
from ...trust.licenses import ADVICE
from ...views.inspection_record import InspectionRecord, Stored, table
from . import speed
from .fit import read_shape, weight_bytes
from .model_table import UNKNOWN, describe, shape_of_entry

if TYPE_CHECKING:
    from ..fidelity import Fidelity

_PRECISIONS = ("fp32", "int8", "auto", "int4")
_TRAINING = ("texts", "until", "made_from")


class ModelCard(InspectionRecord):
    """What a model's license asks, and what it costs. Made by :func:`card` and :meth:`Model.card`.

    ``head["row"]`` is the row of :class:`ModelTable`. ``head["license"]`` has the conditions, where and when
    the text was read; ``head["contexts"]`` the bytes of memory by tokens of context; ``head["precisions"]``
    the bytes of the weights, and the KL divergence where it was measured; ``head["training"]`` what is known
    of the data; ``head["saving"]``: what ``save`` does by itself (``done``), and what is left to you.
    """

    kind = "card"
    storage: ClassVar[Stored] = {}

    def to_text(self) -> str:
        """Return the card as lines."""
        row, license = self.head["row"], self.head["license"]
        read = f"read {license['read']}" if license["read"] else "its text was not read"
        lines = [
            f"{row['title']} · {license['name']} · {row['repository'] or row['name']}",
            f"commercial use: {license['commercial']}",
            *(
                f"  {item['question']}: {item['answer']} {item['section']}".rstrip()
                for item in license["conditions"]
            ),
            f"  {license['url'] or 'no text known'}, {read}. {ADVICE}",
            "memory with tokens of context: "
            + (
                ", ".join(f"{item['tokens']:,} → {size(item['bytes'])}" for item in self.head["contexts"])
                or UNKNOWN
            ),
        ]
        if memory := row["memory"]:
            limit = f"{memory['max_tokens']:,} of {row['context']:,} tokens"
            lines.append(f"fits up to {limit} in {size(self.head['free'])}")
        for item in self.head["precisions"]:
            kl = "not measured" if item["kl"] is None else f"KL {item['kl']:.4f} nats/token"
            lines.append(f"  {item['name']:<6} {size(item['bytes']):>8}  {kl}")
        lines += [
            f"{name.replace('_', ' ')}: {value or UNKNOWN}" for name, value in self.head["training"].items()
        ]
        saving = self.head["saving"]
        lines += [f"save does: {item}" for item in saving["done"]]
        lines += [f"left to you: {item}" for item in saving["left"]]
        return "\n".join(lines)

    def to_markdown(self) -> str:
        """Return the card as Markdown, to paste into a document."""
        row, license = self.head["row"], self.head["license"]
        lines = [f"# {row['title']}", "", f"License: [{license['name']}]({license['url']})", ""]
        lines += ["| question | answer | section |", "|---|---|---|"]
        lines += [
            f"| {item['question']} | {item['answer']} | {item['section']} |" for item in license["conditions"]
        ]
        return "\n".join([*lines, "", ADVICE, ""])

    def to_pandas(self) -> Any:
        """Return one row a condition of the license."""
        conditions = self.head["license"]["conditions"]
        return table(
            {name: [item[name] for item in conditions] for name in ("question", "answer", "section")}
        )


def card(name: str | Path | None = None) -> ModelCard:
    """Return the card of a model; the Hub is asked only for one that the catalog does not know.

    Args:
        name: as :func:`load` takes it; None is the default model.

    Raises:
        ModelNotFound, FetchError: there is no such model, or the Hub is out of reach.
    """
    text = catalog.DEFAULT if name is None else validation.require_str(str(name), "name")
    entry = catalog.of_repository(text)
    if entry is not None and entry.config is not None:
        return _make(entry, ModelInfo(entry.name, "", "", license=entry.license))
    from ...sources.resolve import resolve

    try:
        source = resolve(text)
    except LLMMagicsError:
        if entry is None:
            raise
        return _make(entry, ModelInfo(entry.name, "", "", license=entry.license))
    entry = entry or CatalogEntry(source.name, source.name, source.name if "/" in source.name else "")
    if source.license != UNKNOWN:
        entry = replace(entry, license=source.license)
    shape = None
    path = source.metadata() if source.metadata else None
    if path is not None:
        shape = read_shape(path, ())
        entry = replace(entry, context=shape[0].context)
    info = ModelInfo(source.name, source.revision, source.fingerprint, license=source.license)
    return _make(entry, info, shape=shape)


def card_of(info: ModelInfo, folder: Path | None, fidelity: Fidelity | None) -> ModelCard:
    """Return the card of a loaded model.

    Args:
        info: the model.
        folder: of the converted model; None where it was not converted.
        fidelity: what packing cost, where it was measured.
    """
    entry = catalog.of_repository(info.name) or CatalogEntry(info.name, info.name, "")
    shape = None
    if folder is not None:
        shape = read_shape(folder / "model.json", ())
        entry = replace(entry, context=shape[0].context)
    if info.license != UNKNOWN:
        entry = replace(entry, license=info.license)
    measured = {info.precision: fidelity} if fidelity else {}
    return _make(entry, info, shape=shape, state="in use", measured=measured)


def _make(
    entry: CatalogEntry,
    info: ModelInfo,
    *,
    shape: Any = None,
    state: str = "",
    measured: dict[str, Fidelity] | None = None,
) -> ModelCard:
    row = describe(
        entry,
        state=state,
        machine=speed.machine(measure=False),
        used=speed.measured_speeds(),
        shape=shape,
    )
    license = licenses.find(entry.license)
    training = {name: (entry.training or {}).get(name, "") for name in _TRAINING}
    training["languages"] = ", ".join(entry.languages)
    head = {
        "row": row,
        "license": _conditions(license),
        "contexts": _contexts(row),
        "precisions": _precisions(entry, shape, measured or {}),
        "training": training,
        "saving": saving(license),
        "free": free_bytes(),
    }
    return ModelCard(info, head)


def _conditions(license: licenses.License) -> dict[str, Any]:
    """Return a license as plain JSON types."""
    lists = {name: list(getattr(license, name)) for name in ("may", "must")}
    return {**asdict(license), **lists, "conditions": [asdict(item) for item in license.conditions]}


def saving(license: licenses.License) -> dict[str, list[str]]:
    """Return what ``save``, ``merge`` and an adapter's ``save`` do for a license, and what is left to do."""
    done = ["the model card names base, revision, hash and options"]
    left = []
    if not license.known:
        return {"done": done, "left": ["find out what the license allows: no rule of it is applied"]}
    done.insert(0, "license texts of the source are copied")
    if license.notice:
        done.insert(0, "NOTICE has the line that the license asks for")
    if license.name_prefix:
        prefix = license.name_prefix.replace(" ", "-")
        done.insert(0, f"the name of what is tuned or merged begins with {prefix}-")
    if license.built_with:
        done.append(f"the model card says “{license.built_with}”")
        left.append(f"show “{license.built_with}” where users see it")
    if license.use_policy:
        left.append("bind your users to the use policy")
    if license.commercial == "no":
        left.append("do not use it commercially")
    return {"done": done, "left": left}


def _contexts(row: dict[str, Any]) -> list[dict[str, int]]:
    """Return the memory at some lengths of context, each twice the one before."""
    memory, most = row["memory"], row["context"]
    if memory is None or not most:
        return []
    lengths = [1024 << step for step in range(12) if 1024 << step < most]
    base = memory["weights"] + memory["working"]
    return [{"tokens": n, "bytes": base + n * memory["token_bytes"]} for n in [*lengths, most]]


def _precisions(entry: CatalogEntry, shape: Any, measured: dict[str, Fidelity]) -> list[dict[str, Any]]:
    """Return the bytes of the weights by precision, and the KL divergence where it was measured."""
    known = shape or shape_of_entry(entry)
    if known is None:
        return []
    rows: list[dict[str, Any]] = []
    for name in _PRECISIONS:
        # The label of a loaded model says how "auto" packed it: "repacked", say.
        other = next((value for label, value in measured.items() if label not in _PRECISIONS), None)
        fidelity = measured.get(name, other if name == "auto" else None)
        exact = name == "fp32"
        rows.append(
            {
                "name": name,
                "bytes": weight_bytes(known[0], name, known[1])[1],
                "kl": 0.0 if exact else fidelity and fidelity.kl,
                "same": 1.0 if exact else fidelity and fidelity.same_argmax,
            }
        )
    return rows
