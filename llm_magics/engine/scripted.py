"""An engine that says what it was told to: for tests, documentation and demonstrations of the views."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from copy import copy
from itertools import cycle
from time import sleep

import numpy as np

from ..core.validation import check_surrogates
from ..errors import UsageError
from .base import Logits, check_fits
from .caches.kv_buffer import CacheContents
from .tokenizer import TextDetokenizer

END = 256


class ScriptedEngine:
    """Gives the texts of a queue, one a prompt, byte by byte.

    Implements :class:`~.base.Engine` over ids 0–256.

    Args:
        answers: each new prompt takes the next; after the last they begin again.
        seconds_per_token: how long a call takes, to make a slow model.
    """

    vocab_size = 257

    def __init__(
        self, answers: Sequence[str], *, context_length: int = 4096, seconds_per_token: float = 0.0
    ) -> None:
        if not answers:
            raise UsageError(
                "a scripted engine needs at least one answer", hint='Write ScriptedEngine(["Hello."]).'
            )
        self.context_length, self.pause = context_length, seconds_per_token
        self._answers = cycle([*answer.encode(), END] for answer in answers)
        self._lock = threading.Lock()

    def cache(self) -> ScriptedCache:
        """Return a cache; its prompts take the next answers of the queue."""
        return ScriptedCache(self)

    def batch_cache(self, rows: int) -> ScriptedBatchCache:
        """Return rows; their prompts take the next answers of the queue."""
        return ScriptedBatchCache(self, rows)

    def next_answer(self) -> list[int]:
        """Return the ids of the next answer of the queue."""
        with self._lock:
            return next(self._answers)


class ScriptedCache(CacheContents):
    """Implements :class:`~.base.Cache`. What comes after a rewind is a new prompt."""

    def __init__(self, engine: ScriptedEngine) -> None:
        super().__init__()
        self._engine = engine
        self._answer: list[int] = []
        self._rewound, self._begin = True, 0

    @property
    def nbytes(self) -> int:
        return len(self.cached)

    def nbytes_for(self, length: int) -> int:
        return length

    def reserve(self, length: int) -> None: ...

    def truncate(self, length: int) -> None:
        super().truncate(length)
        self._rewound = True

    def copy_prefix_from(self, source: ScriptedCache, length: int) -> None:
        self.truncate(0)
        self.adopt(source.cached[:length])

    def extend(self, ids: Sequence[int], *, all_logits: bool = False) -> Logits:
        before = len(self.cached)
        check_fits(before + len(ids), self._engine.context_length, what="this")
        sleep(self._engine.pause)
        self.append(ids)
        if not all_logits and (len(ids) > 1 or self._rewound):  # a prompt, or a part of one
            if self._rewound:
                self._answer = self._engine.next_answer()
            self._rewound, self._begin = False, len(self.cached)
        # Every other byte is possible but unlikely, in a fixed order, so that the views have something to
        # show.
        count = len(ids) if all_logits else 1
        logits = np.tile(np.linspace(1, 0, self._engine.vocab_size, dtype=np.float32), (count, 1))
        first = before + 1 + len(ids) - count - self._begin
        for row, place in enumerate(range(first, first + count)):
            if place >= 0 and self._answer:
                logits[row, self._answer[min(place, len(self._answer) - 1)]] = 9.0
        return logits


class ScriptedBatchCache:
    """A scripted engine's rows. Implements :class:`~.batch.Slots`."""

    token_bytes = 1

    def __init__(self, engine: ScriptedEngine, rows: int) -> None:
        self._rows = [engine.cache() for _ in range(rows)]

    def start_row(self, row: int, ids: Sequence[int]) -> int:
        self._rows[row].truncate(0)
        return 0

    def extend_row(self, row: int, ids: Sequence[int]) -> Logits:
        return self._rows[row].extend(ids)

    def step(self, ids: Sequence[int]) -> Logits:
        return np.concatenate(
            [row.extend([id], all_logits=True) for row, id in zip(self._rows, ids, strict=False)]
        )

    def copy_prefix(self, source: int, target: int) -> None:
        self._rows[target] = copy(self._rows[source])
        self._rows[target].cached = list(self._rows[source].cached)


class ScriptedTokenizer:
    """One token a byte, and an end token. Implements :class:`~.base.Tokenizer`."""

    vocab_size = 257
    bos_id: int | None = None
    eos_id: int | None = END
    eos_ids = frozenset({END})
    special_token_strings: tuple[str, ...] = ()

    def encode(self, text: str, *, special: bool = True, begin: bool = True) -> list[int]:
        check_surrogates(text)
        return list(text.encode())

    def encode_parts(self, parts: Iterable[tuple[str, bool]]) -> list[int]:
        return [byte for text, _ in parts for byte in text.encode()]

    def special_ids_in_text(self, text: str) -> list[int]:
        return []

    def special_ids(self, ids: Iterable[int]) -> list[int]:
        return [id for id in ids if id == END]

    def decode(self, ids: Sequence[int], *, skip_special: bool = False) -> str:
        return b"".join(map(self.visible_bytes, ids)).decode("utf-8", "replace")

    def token_text(self, id: int) -> str:
        return self.visible_bytes(id).decode("utf-8", "replace")

    def token_bytes(self, id: int) -> bytes:
        return self.visible_bytes(id)

    def visible_bytes(self, id: int) -> bytes:
        return b"" if id == END else bytes([id])

    def detokenizer(self) -> TextDetokenizer:
        return TextDetokenizer(self)
