"""What ``%load_ext llm_magics`` loads.

Thin: nothing of the engine is imported before the first answer is asked for.
"""

from __future__ import annotations

from typing import Any


def load_ipython_extension(ipython: Any) -> None:
    """Register the magics: IPython calls this for ``%load_ext llm_magics``."""
    from .. import package_conflict
    from ..views.widget import set_router
    from .llm import LLMMagics
    from .parsing import completion
    from .parsing.question_mark import QuestionMarkTransform, help_of_a_cell
    from .tuning.magic import TuneMagics

    package_conflict.warn()
    magics = LLMMagics(ipython)
    others = foreign_magics(ipython)
    ipython.register_magics(magics, TuneMagics(magics))
    if others:
        keep_foreign_magics(ipython, others)
    if getattr(ipython, "kernel", None) is not None:
        magics.channel.open()
    _register_formatters(ipython)
    set_router(lambda channel: magics.workspace.router(channel).handle)
    magics.log.start()
    completion.register(ipython, lambda: magics.workspace.conversations.names)
    transformers = ipython.input_transformer_manager.token_transformers
    if QuestionMarkTransform not in transformers:
        transformers.append(QuestionMarkTransform)
    if help_of_a_cell not in ipython.input_transformers_cleanup:
        ipython.input_transformers_cleanup.append(help_of_a_cell)


def _register_formatters(ipython: Any) -> None:
    """Show Generation and Trace as themselves where they are a cell's last value."""

    def bundle_of(value: Any, **_: Any) -> dict[str, Any]:
        from ..core.records import Trace
        from ..views.bundle import generation_bundle, tokens_bundle

        return tokens_bundle(value) if isinstance(value, Trace) else generation_bundle(value)

    for name in ("Generation", "Trace"):
        formatter = ipython.display_formatter.mimebundle_formatter
        formatter.for_type_by_name("llm_magics.core.records", name, bundle_of)


def foreign_magics(ipython: Any) -> dict[str, Any]:
    """Return the magics named ``llm`` that another extension has registered, by kind."""
    named = {kind: magics.get("llm") for kind, magics in ipython.magics_manager.magics.items()}
    return {
        kind: magic
        for kind, magic in named.items()
        if magic is not None and not str(getattr(magic, "__module__", "")).startswith("llm_magics.")
    }


def keep_foreign_magics(ipython: Any, others: dict[str, Any]) -> None:
    """Keep ``%%llm`` for the extension that had it first, and offer ours as ``%%lm``."""
    from ..sanitize import safe_print

    for kind, magic in others.items():
        own = ipython.magics_manager.magics[kind]
        own["lm"], own["llm"] = own["llm"], magic
    owner = str(getattr(next(iter(others.values())), "__module__", "another extension"))
    safe_print(f"%%llm belongs to {owner}, which was loaded before: use %%lm for llm_magics.")


def unload_ipython_extension(ipython: Any) -> None:
    """Remove the magics: IPython calls this for ``%unload_ext llm_magics``."""
    from ..views.widget import set_router

    manager = ipython.magics_manager
    for kind in ("line", "cell"):
        ours = ("lm",) if "lm" in manager.magics[kind] else ("llm",)
        for name in (*ours, "llm_tune"):
            manager.magics[kind].pop(name, None)
    manager.registry.pop("TuneMagics", None)
    if magics := manager.registry.pop("LLMMagics", None):
        magics.close()
        set_router(None)
    from .parsing import completion
    from .parsing.question_mark import QuestionMarkTransform, help_of_a_cell

    completion.unregister(ipython)
    if help_of_a_cell in ipython.input_transformers_cleanup:
        ipython.input_transformers_cleanup.remove(help_of_a_cell)
    transformers = ipython.input_transformer_manager.token_transformers
    if QuestionMarkTransform in transformers:
        transformers.remove(QuestionMarkTransform)
