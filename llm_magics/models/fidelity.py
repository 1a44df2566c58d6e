"""How far packed weights are from their source.

Both read the same prose, and their distributions are compared.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np

from ..core.files import json_object, write_atomic
from ..core.sampling import log_softmax
from ..engine.base import Cache
from ..sources import store

TOKENS = 600
_CHUNK = 50  # tokens of which logits are in memory at once
# By the number format of the KV cache, which names what else the decoder computes in.
_FILES = {"float32": "fidelity.json", "int8": "fidelity-int8-kv.json", "float16": "fidelity-float16.json"}


@dataclass(frozen=True, slots=True)
class Fidelity:
    """What packing cost.

    Attributes:
        kl: mean Kullback-Leibler divergence from the source's distribution, nats per token.
        same_argmax: share of tokens where both hold the same token for the likeliest.
        tokens: how many were read.
    """

    kl: float
    same_argmax: float
    tokens: int

    def __str__(self) -> str:
        return (
            f"KL {self.kl:.4f} nats per token from the source, "
            f"same first choice {self.same_argmax:.1%} ({self.tokens} tokens)"
        )


@cache
def sample_text() -> str:
    """Return some 600 tokens of prose, written for this."""
    return files(__package__).joinpath("prose.txt").read_text("utf-8")


def measure(cache: Cache, reference: Cache, ids: list[int]) -> Fidelity:
    """Compare two models of one vocabulary over ``ids``, each by an empty cache."""
    divergence, same = 0.0, 0
    for at in range(0, len(ids), _CHUNK):
        theirs, ours = (
            log_softmax(item.extend(ids[at : at + _CHUNK], all_logits=True), np.float64)
            for item in (reference, cache)
        )
        divergence += float((np.exp(theirs) * (theirs - ours)).sum())
        same += int((theirs.argmax(-1) == ours.argmax(-1)).sum())
    return Fidelity(divergence / len(ids), same / len(ids), len(ids))


def read_fidelity(folder: Path, *, number_format: str) -> Fidelity | None:
    """Return what was measured for a converted model with a KV cache of that number format, if it was."""
    with suppress(OSError, ValueError, TypeError):
        return Fidelity(**json_object(folder / _FILES[number_format]))
    return None


def write_fidelity(folder: Path, fidelity: Fidelity, *, number_format: str) -> None:
    """Note it next to the converted model.

    The manifest does not name the file: losing it costs a measurement.
    """
    path = folder / _FILES[number_format]
    with store.writing(path):
        write_atomic(path, json.dumps(asdict(fidelity)))
