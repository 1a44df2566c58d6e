"""The licenses of the models that a notebook used, joined."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ...core import validation
from ...core.files import json_object
from ...errors import UsageError
from ...sanitize import single_line
from ...sources import catalog
from ...trust.licenses import ADVICE, License, find, join
from ...views.mime import GENERATION_MIME, INSPECTION_MIME, PLAYGROUND_MIME, TUNING_MIME

_MIMES = (GENERATION_MIME, INSPECTION_MIME, PLAYGROUND_MIME, TUNING_MIME)
_MOST_BYTES = 1 << 30  # of a notebook


def licenses(path: str | Path) -> str:
    """Return the licenses of the models that the outputs of a notebook are of, and what they ask together.

    Args:
        path: of the notebook's file.

    Raises:
        UsageError: there is no such file, or it is no notebook.
    """
    file = validation.require_path(path, "path")
    if file.suffix != ".ipynb" or not file.is_file():
        raise UsageError(f"{file} is not a notebook", hint="Write the name of an .ipynb file.")
    try:
        content = json_object(file, most=_MOST_BYTES)
    except (OSError, ValueError) as error:
        raise UsageError(f"{file} cannot be read: {error}", hint="Save the notebook again.") from error
    return joined(_models_in(content))


def joined(models: Mapping[str, str]) -> str:
    """Return the licenses of models as lines to read.

    Args:
        models: name → id of the license.
    """
    if not models:
        return "No output of a model was found."
    lines = []
    known = {name: _license(name, id) for name, id in models.items()}
    for name, license in sorted(known.items()):
        lines.append(f"{single_line(name)}: {license.name}, commercial use: {license.commercial}")
    distinct, asked = join(known.values())
    if asked:
        lines += [
            "they ask you to:" if len(distinct) > 1 else "it asks you to:",
            *(f"  {item}" for item in asked),
        ]
    lines += [f"  {license.url}" for license in distinct if license.url]
    if unknown := [license.name for license in distinct if not license.known]:
        lines.append(f"nothing is known of: {', '.join(unknown)}")
    return "\n".join([*lines, ADVICE])


def _license(name: str, id: str) -> License:
    """Return the license of a model: as its record states it, else as the catalog does."""
    entry = catalog.of_repository(name)
    stated = find(id)
    return find(entry.license) if entry is not None and not stated.known else stated


def _models_in(notebook: Mapping[str, Any]) -> dict[str, str]:
    """Return the license of the model of each of our outputs, by name."""
    licenses: dict[str, str] = {}
    for record in _records(notebook.get("cells")):
        model = record.get("model")
        if isinstance(model, dict) and isinstance(model.get("name"), str) and model["name"]:
            licenses.setdefault(model["name"], str(model.get("licence") or ""))
    return licenses


def _records(cells: Any) -> Iterable[Mapping[str, Any]]:
    for cell in cells if isinstance(cells, list) else ():
        outputs = cell.get("outputs") if isinstance(cell, dict) else None
        for output in outputs if isinstance(outputs, list) else ():
            data = output.get("data") if isinstance(output, dict) else None
            for mime in _MIMES:
                record = data.get(mime) if isinstance(data, dict) else None
                if isinstance(record, str):
                    record = json.loads(record)
                if isinstance(record, dict):
                    yield record
