"""What the views of the catalog and of a card ask of the kernel: a card, a download, a measurement.

A notebook's file may name any model: only names of the catalog are followed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import RELOAD_PAGE, UsageError
from ...models.catalog.card import ModelCard, card
from ...models.catalog.model_table import ModelTable, list_models
from ...sources import catalog
from ...views.inspection_record import InspectionRecord
from ..session import ModelProvider

KINDS = (ModelTable.kind, ModelCard.kind)


def run(models: ModelProvider, view: str, action: str, order: Mapping[str, Any]) -> InspectionRecord:
    """Return the record that a view of the catalog requests.

    Args:
        models: the model in use.
        view: "models" or "card".
        action: "open" (a card), "pull" or "measure".
        order: the message.

    Raises:
        UsageError: the action or the name does not exist. FetchError, StoreError: the download failed.
    """
    if action == "measure":
        return _table(models, measure=True)
    name = order.get("name")
    if action not in ("open", "pull") or not isinstance(name, str) or name not in catalog.entries():
        raise UsageError(f"this view does not support {action!r:.40}", hint=RELOAD_PAGE)
    if action == "open":
        return card(name)
    models.pull(name)
    return card(name) if view == ModelCard.kind else _table(models)


def _table(models: ModelProvider, *, measure: bool = False) -> ModelTable:
    return list_models(measure=measure, in_use=models.loaded.name if models.loaded else "")
