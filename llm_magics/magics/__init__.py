"""What ``%load_ext llm_magics`` loads. Thin: nothing of the engine is imported before the first answer is asked for."""

from __future__ import annotations

from typing import Any


def load_ipython_extension(ipython: Any) -> None:
    """Called by ``%load_ext llm_magics``."""
    from ..views.bundle import register
    from .llm import LLMMagics

    ipython.register_magics(LLMMagics(ipython))
    register(ipython)


def unload_ipython_extension(ipython: Any) -> None:
    """Called by ``%unload_ext llm_magics``."""
    for kind in ("line", "cell"):
        ipython.magics_manager.magics[kind].pop("llm", None)
