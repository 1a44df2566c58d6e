"""Open language models in a notebook cell, on your machine, with every token they weighed.

    %load_ext llm_magics

    %%llm
    Why is the sky blue?

Or from Python::

    import llm_magics as lm
    model = lm.load()
    print(model.generate("Why is the sky blue?").text)
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import namesake

if TYPE_CHECKING:
    from .core.options import SamplingOptions
    from .core.records import Alternative, Generation, ModelInfo, Timing, Token, Trace
    from .engine.generate import Stream
    from .errors import (
        ContextOverflow,
        FetchError,
        Interrupted,
        LLMMagicsError,
        ModelFileError,
        ModelNotFound,
        StoreError,
        TemplateError,
        UnsupportedModel,
        UsageError,
    )
    from .magics import load_ipython_extension, unload_ipython_extension
    from .magics.host import playground
    from .magics.tuning.magic import tune
    from .models.adapter import Adapter, load_adapter
    from .models.beside import compare, tokenizers
    from .models.fidelity import Fidelity
    from .models.load import list_models, load
    from .models.map import Answers
    from .models.model import Model
    from .tuning.run import TuneRun
    from .views.bundle import tokens

__version__ = "0.1.0"

namesake.warn()

# ONNX Runtime sends telemetry by default since 1.29. This must be set before it is imported, by whomever.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

# Where each public name lives. They are imported when first used, so that `import llm_magics` stays instant.
_HOMES = {
    "core.options": ("SamplingOptions",),
    "core.records": ("Alternative", "Generation", "ModelInfo", "Timing", "Token", "Trace"),
    "engine.generate": ("Stream",),
    "errors": (
        "ContextOverflow",
        "FetchError",
        "Interrupted",
        "LLMMagicsError",
        "ModelFileError",
        "ModelNotFound",
        "StoreError",
        "TemplateError",
        "UnsupportedModel",
        "UsageError",
    ),
    "magics": ("load_ipython_extension", "unload_ipython_extension"),
    "magics.host": ("playground",),
    "magics.tuning.magic": ("tune",),
    "models.adapter": ("Adapter", "load_adapter"),
    "models.beside": ("compare", "tokenizers"),
    "models.fidelity": ("Fidelity",),
    "models.load": ("list_models", "load"),
    "models.map": ("Answers",),
    "models.model": ("Model",),
    "tuning.run": ("TuneRun",),
    "views.bundle": ("tokens",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Adapter",
    "Alternative",
    "Answers",
    "ContextOverflow",
    "FetchError",
    "Fidelity",
    "Generation",
    "Interrupted",
    "LLMMagicsError",
    "Model",
    "ModelFileError",
    "ModelInfo",
    "ModelNotFound",
    "SamplingOptions",
    "StoreError",
    "Stream",
    "TemplateError",
    "Timing",
    "Token",
    "Trace",
    "TuneRun",
    "UnsupportedModel",
    "UsageError",
    "__version__",
    "compare",
    "list_models",
    "load",
    "load_adapter",
    "load_ipython_extension",
    "playground",
    "tokenizers",
    "tokens",
    "tune",
    "unload_ipython_extension",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'llm_magics' has no attribute {name!r}")
    return getattr(import_module(f".{_HOME_OF[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(_HOME_OF))
