"""What makes two requests the same: the model, the prompt, the options, and the versions that compute."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from ... import __version__
from ...core.options import SamplingOptions
from ...core.records import ModelInfo


def request_key(info: ModelInfo, ids: Sequence[int], options: SamplingOptions | None, *more: Any) -> str:
    """Return the key of a request, hexadecimal.

    Args:
        info: the model; its fingerprint changes with the weights and the adapter.
        ids: the prompt, which has the chat template in it.
        options: of the sampling, with the form of the answer.
        more: whatever else changes the answer, as plain JSON.
    """
    asked = [
        *versions(),
        info.fingerprint,
        info.precision,
        list(ids),
        None if options is None else options.to_dict(),
        *more,
    ]
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()


@cache
def versions() -> tuple[str, str]:
    """Return the versions of this package and of ONNX Runtime: another one may round otherwise."""
    try:
        return __version__, version("onnxruntime")
    except PackageNotFoundError:
        return __version__, ""
