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

from . import package_conflict

if TYPE_CHECKING:
    from .core.options import SamplingOptions
    from .core.records import Alternative, Generation, ModelInfo, Timing, Token, Trace
    from .engine.generate import Stream
    from .errors import (
        ClusterError,
        ContextOverflow,
        FetchError,
        GatedModel,
        IncompleteAnswer,
        Interrupted,
        LLMMagicsError,
        MemoryNeeded,
        ModelFileError,
        ModelNotFound,
        ServerError,
        StoreError,
        TemplateError,
        UnsupportedModel,
        UsageError,
    )
    from .evaluation.evaluation import Evaluation
    from .evaluation.run import evaluate
    from .magics import load_ipython_extension, unload_ipython_extension
    from .magics.playground_view import playground
    from .magics.tuning.tune_cell import tune
    from .models.adapters.lora import Adapter, load_adapter
    from .models.catalog.card import ModelCard, card
    from .models.catalog.fit import Fit, fit
    from .models.catalog.hub_search import HubModel, search
    from .models.catalog.model_table import ModelTable, list_models
    from .models.catalog.notebook_licenses import licenses
    from .models.compare import compare, compare_tokenizers
    from .models.fidelity import Fidelity
    from .models.loading.load import load
    from .models.model import Model
    from .models.remote.model import RemoteModel, connect
    from .models.rows.batch_generate import BatchAnswers
    from .serving.server import ModelServer, serve
    from .tuning.run import TuneRun
    from .views.bundle import read_output, show_tokens

__version__ = "0.1.0"

package_conflict.warn()

# ONNX Runtime sends telemetry by default since 1.29. This must be set before it is imported, by whomever.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

# Where each public name lives. They are imported when first used, so that `import llm_magics` stays instant.
_HOMES = {
    "core.options": ("SamplingOptions",),
    "core.records": ("Alternative", "Generation", "ModelInfo", "Timing", "Token", "Trace"),
    "engine.generate": ("Stream",),
    "evaluation.evaluation": ("Evaluation",),
    "evaluation.run": ("evaluate",),
    "errors": (
        "ClusterError",
        "ContextOverflow",
        "FetchError",
        "GatedModel",
        "IncompleteAnswer",
        "Interrupted",
        "LLMMagicsError",
        "MemoryNeeded",
        "ModelFileError",
        "ModelNotFound",
        "ServerError",
        "StoreError",
        "TemplateError",
        "UnsupportedModel",
        "UsageError",
    ),
    "magics": ("load_ipython_extension", "unload_ipython_extension"),
    "magics.playground_view": ("playground",),
    "magics.tuning.tune_cell": ("tune",),
    "models.adapters.lora": ("Adapter", "load_adapter"),
    "models.compare": ("compare", "compare_tokenizers"),
    "models.fidelity": ("Fidelity",),
    "models.catalog.fit": ("Fit", "fit"),
    "models.catalog.card": ("ModelCard", "card"),
    "models.catalog.notebook_licenses": ("licenses",),
    "models.loading.load": ("load",),
    "models.catalog.model_table": ("ModelTable", "list_models"),
    "models.rows.batch_generate": ("BatchAnswers",),
    "models.model": ("Model",),
    "models.remote.model": ("RemoteModel", "connect"),
    "models.catalog.hub_search": ("HubModel", "search"),
    "serving.server": ("ModelServer", "serve"),
    "tuning.run": ("TuneRun",),
    "views.bundle": ("read_output", "show_tokens"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Adapter",
    "Alternative",
    "BatchAnswers",
    "ClusterError",
    "ContextOverflow",
    "Evaluation",
    "FetchError",
    "Fidelity",
    "Fit",
    "GatedModel",
    "Generation",
    "HubModel",
    "IncompleteAnswer",
    "Interrupted",
    "LLMMagicsError",
    "MemoryNeeded",
    "Model",
    "ModelCard",
    "ModelFileError",
    "ModelInfo",
    "ModelNotFound",
    "ModelServer",
    "ModelTable",
    "RemoteModel",
    "SamplingOptions",
    "ServerError",
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
    "card",
    "compare",
    "compare_tokenizers",
    "connect",
    "evaluate",
    "fit",
    "licenses",
    "list_models",
    "load",
    "load_adapter",
    "load_ipython_extension",
    "playground",
    "read_output",
    "search",
    "serve",
    "show_tokens",
    "tune",
    "unload_ipython_extension",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'llm_magics' has no attribute {name!r}")
    return getattr(import_module(f".{_HOME_OF[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(_HOME_OF))
