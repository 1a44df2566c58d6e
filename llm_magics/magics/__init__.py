"""What ``%load_ext llm_magics`` loads. Thin: nothing of the engine is imported before the first answer is
asked for.
"""

from __future__ import annotations

from typing import Any


def load_ipython_extension(ipython: Any) -> None:
    """Called by ``%load_ext llm_magics``."""
    from .. import namesake
    from ..views.bundle import register
    from .llm import LLMMagics
    from .question import Question, help_of_a_cell
    from .tuning.magic import TuneMagics

    namesake.warn()
    magics = LLMMagics(ipython)
    ipython.register_magics(magics, TuneMagics(ipython, magics))
    if getattr(ipython, "kernel", None) is not None:
        magics.orders.channel.open()
    register(ipython)
    transformers = ipython.input_transformer_manager.token_transformers
    if Question not in transformers:
        transformers.append(Question)
    if help_of_a_cell not in ipython.input_transformers_cleanup:
        ipython.input_transformers_cleanup.append(help_of_a_cell)


def unload_ipython_extension(ipython: Any) -> None:
    """Called by ``%unload_ext llm_magics``."""
    manager = ipython.magics_manager
    for kind in ("line", "cell"):
        for name in ("llm", "llm_tune"):
            manager.magics[kind].pop(name, None)
    manager.registry.pop("TuneMagics", None)
    if magics := manager.registry.pop("LLMMagics", None):
        magics.forget()
        magics.orders.channel.close()
    from .question import Question, help_of_a_cell

    if help_of_a_cell in ipython.input_transformers_cleanup:
        ipython.input_transformers_cleanup.remove(help_of_a_cell)
    transformers = ipython.input_transformer_manager.token_transformers
    if Question in transformers:
        transformers.remove(Question)
