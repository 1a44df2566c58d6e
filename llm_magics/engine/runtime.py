"""What generation needs of a model."""

from __future__ import annotations

from dataclasses import dataclass

from .base import Engine, Tokenizer
from .caches.cache_pool import Pool


@dataclass(frozen=True, slots=True)
class Runtime:
    """An engine with its tokenizer and its KV caches."""

    engine: Engine
    tokenizer: Tokenizer
    pool: Pool
