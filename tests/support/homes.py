"""A cache folder for the kernels of a test: the models are those that are here, the adapters are its own."""

from __future__ import annotations

from pathlib import Path

from llm_magics.sources import store

SHARED = ("downloads", "models", "sums", "locks")


def own_home(folder: Path) -> dict[str, str]:
    """Make the folder, and return the environment that a kernel needs to use it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in SHARED:
        real = store.home() / name
        real.mkdir(parents=True, exist_ok=True)
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(real)
    # Tests look at how an answer is generated, the same one twice too.
    return {"LLM_MAGICS_HOME": str(folder), "LLM_MAGICS_KEEP_ANSWERS": "off"}
