"""Another project on the package index has our import name; where both are installed, their files overlap."""

from __future__ import annotations

import os
import sys
import warnings

MEND = (
    "python -m pip uninstall -y llm-magics && "
    "python -m pip install --force-reinstall --no-deps open-llm-magics"
)


_told = False


def warn() -> None:
    """Say so, once in a process, where the distribution ``llm-magics`` is installed beside ours."""
    global _told
    if not _told and any(map(_has_namesake, dict.fromkeys(sys.path))):
        _told = True
        warnings.warn(
            "the package 'llm-magics', another project, is installed too, and its files overlap those of "
            f"'open-llm-magics': either may fail. To keep this one: {MEND}",
            stacklevel=1,
        )


def _has_namesake(folder: str) -> bool:
    try:
        with os.scandir(folder or ".") as entries:
            return any(
                entry.name.startswith("llm_magics-") and entry.name.endswith((".dist-info", ".egg-info"))
                for entry in entries
            )
    except OSError:  # a zip file, or not there
        return False
