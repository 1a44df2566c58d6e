"""The model of ghost text: the one that is named for it, else the one in use, else the default model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import UsageError
from ...sanitize import single_line
from ...sources import catalog, store

if TYPE_CHECKING:
    from ...models.model import Model
    from ..session import ModelProvider


class GhostModel:
    """Load the model of ghost text once. It is never downloaded by typing: only what is here is loaded.

    Args:
        models: the model in use.

    Attributes:
        name: the model that the user named for ghost text; empty for the one in use.
    """

    def __init__(self, models: ModelProvider) -> None:
        self._models = models
        self.name = ""
        self._own: tuple[str, Model] | None = None

    def use(self, name: str = "") -> Model:
        """Return the model of ghost text.

        Args:
            name: of a request; empty takes the one that was named before.

        Raises:
            UsageError: it is not on this machine, or the one in use is behind a server.
        """
        name = name or self.name
        active = self._models.active
        if not name and active is not None:
            return active
        if not name and self._models.remote is not None:
            raise UsageError(
                "ghost text needs a model on this machine",
                hint="Name one: %llm ghost --ghost-model smollm2-135m-instruct.",
            )
        if not name and not is_here(catalog.DEFAULT):
            raise UsageError("no model is loaded", hint="Run a %%llm cell first, which fetches the model.")
        if not name:
            return self._models.use()
        if active is not None and name in (active.name, _known_name(active)):
            return active
        return self._load(name)

    def _load(self, name: str) -> Model:
        from ...models.loading.load import load

        if self._own is None or self._own[0] != name:
            if not is_here(name):
                raise not_here(name)
            self._own = None  # gives its memory back before the next one is loaded
            self._own = name, load(name)
        return self._own[1]

    def clear(self) -> None:
        """Release the model that was loaded for ghost text."""
        self._own = None


def not_here(name: str) -> UsageError:
    """Return the error of a model that would have to be downloaded."""
    shown = single_line(name)
    return UsageError(f"{shown} is not on this machine", hint=f"Run %llm pull {shown} to download it.")


def is_here(name: str) -> bool:
    """Return whether a model is loaded without a download: it is converted, or it is a file or a folder."""
    entry = catalog.of_repository(name)
    from ...sources.resolve import local

    if entry is None and local(name) is not None:
        return True
    folders = entry.cache_folders if entry else {name.partition("@")[0].replace("/", "-")}
    return any(key.partition("/")[0] in folders for key in store.entries())


def _known_name(model: Model) -> str:
    entry = catalog.of_repository(model.name)
    return entry.name if entry else model.name
