"""Another project on the package index has our import name; where both are installed, their files overlap."""

from __future__ import annotations

import os
import sys
import warnings

FIX_COMMAND = (
    "python -m pip uninstall -y llm-magics && "
    "python -m pip install --force-reinstall --no-deps open-llm-magics"
)


_told = False


def warn() -> None:
    """Warn once per process if the distribution ``llm-magics`` is installed too."""
    global _told
    if not _told and is_installed():
        _told = True
        warnings.warn(
            "the package 'llm-magics', another project, is installed too, and its files overlap those of "
            f"'open-llm-magics': either may fail. To keep this one: {FIX_COMMAND}",
            stacklevel=1,
        )


def is_installed() -> bool:
    """Tell whether the distribution ``llm-magics``, another project, is on the path."""
    return any(map(_has_namesake, dict.fromkeys(sys.path)))


def _has_namesake(folder: str) -> bool:
    try:
        with os.scandir(folder or ".") as entries:
            return any(
                entry.name.startswith("llm_magics-") and entry.name.endswith((".dist-info", ".egg-info"))
                for entry in entries
            )
    except OSError:  # a zip file, or not there
        return False
