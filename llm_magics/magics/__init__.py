"""What ``%load_ext llm_magics`` loads. Thin: nothing of the engine is imported before the first answer is
asked for.
"""

from __future__ import annotations

from typing import Any


def load_ipython_extension(ipython: Any) -> None:
    """Called by ``%load_ext llm_magics``."""
    from ..views.bundle import register
    from .llm import LLMMagics

    ipython.register_magics(LLMMagics(ipython))
    register(ipython)
    if questions not in ipython.input_transformers_cleanup:
        ipython.input_transformers_cleanup.append(questions)


def unload_ipython_extension(ipython: Any) -> None:
    """Called by ``%unload_ext llm_magics``."""
    manager = ipython.magics_manager
    for kind in ("line", "cell"):
        manager.magics[kind].pop("llm", None)
    if magics := manager.registry.pop("LLMMagics", None):
        magics.forget()
    if questions in ipython.input_transformers_cleanup:
        ipython.input_transformers_cleanup.remove(questions)


def questions(lines: list[str]) -> list[str]:
    """Let ``%llm What is that?`` ask: IPython would take the question mark for its own help and never call
    the magic.
    """
    return [
        f"get_ipython().run_line_magic('llm', {line.strip()[5:].strip()!r})\n"
        if line.startswith("%llm ") and line.rstrip().endswith("?")
        else line
        for line in lines
    ]
