"""From what a user names as an adapter to the adapter in memory."""

from __future__ import annotations

from pathlib import Path

from ...core import validation
from ...core.validation import check_strength
from .lora import WEIGHTS, Adapter, load_adapter, with_strength


class AdapterCache:
    """Adapters that were read from folders, by folder and time of the last change.

    Args:
        ignore_config: names of fields of adapter_config.json that may pass unused.
    """

    def __init__(self, ignore_config: tuple[str, ...]) -> None:
        self._ignore_config = ignore_config
        self._adapters: dict[tuple[Path, int], Adapter] = {}

    def resolve(
        self, adapter: Adapter | str | Path, strength: float | None, name: str
    ) -> tuple[Adapter, float, str]:
        """Return the adapter, its strength and its name.

        Args:
            adapter: an adapter, or the name or folder of one, with a strength behind a colon.
            strength: replaces the one behind the colon; None is 1 where there is no colon.
            name: replaces the folder's name.

        Raises:
            UsageError: there is no such adapter, or the strength is out of range.
            UnsupportedModel: its configuration has a field that is not known.
        """
        if isinstance(adapter, (str, Path)):
            label, own_strength = with_strength(str(adapter))
            strength = own_strength if strength is None else strength
            folder = _adapter_folder(label)
            adapter, name = self._read(folder), name or folder.name
        validation.require_instance(adapter, Adapter, "adapter", hint="Pass an adapter or its folder.")
        return adapter, check_strength(1.0 if strength is None else strength), name or "adapter"

    def _read(self, folder: Path) -> Adapter:
        """Read an adapter, or return the object that was read before where the file is the same."""
        try:
            key = folder.resolve(), (folder / WEIGHTS).stat().st_mtime_ns
        except OSError:
            return load_adapter(folder, ignore_config=self._ignore_config)  # says what is missing
        if key not in self._adapters:
            self._adapters[key] = load_adapter(folder, ignore_config=self._ignore_config)
        return self._adapters[key]


def _adapter_folder(name: str) -> Path:
    """Return the folder that a name means: one that exists, else the adapter that is saved under the name.

    Raises:
        UsageError: it is neither.
    """
    from ...sources import adapters

    folder = validation.require_path(name, "an adapter")
    if folder.exists():
        return folder
    saved = adapters.find(name)
    if saved is None:
        raise adapters.missing(name)
    return saved.folder
