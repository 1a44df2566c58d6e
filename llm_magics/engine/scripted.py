"""An engine that says what it was told to: for tests, documentation and demonstrations of the views."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import deepcopy
from time import sleep

import numpy as np

from ..errors import ContextOverflow, UsageError
from .base import Logits
from .tokenizer import TextDecoder

END = 256


class ScriptedEngine:
    """Gives the texts of a queue, one a prompt, byte by byte. Implements :class:`~.base.Engine` over ids
    0–256.

    Args:
        answers: each new prompt takes the next; after the last they begin again.
        seconds_per_token: how long a call takes, to make a slow model.
    """

    vocab_size = 257

    def __init__(
        self, answers: Sequence[str], *, context_length: int = 4096, seconds_per_token: float = 0.0
    ) -> None:
        if not answers:
            raise UsageError("a scripted engine needs at least one answer", hint='ScriptedEngine(["Hello."])')
        self.context_length = context_length
        self.owner: object | None = None
        self._answers = [[*answer.encode(), END] for answer in answers]
        self._turn = -1
        self._rewound, self._begin = True, 0
        self.pause = seconds_per_token
        self._cached: list[int] = []

    @property
    def cached(self) -> Sequence[int]:
        return self._cached

    @property
    def settled(self) -> int:
        return len(self._cached)

    def rewind(self, length: int) -> None:
        del self._cached[length:]
        self._rewound = True

    def extend(self, ids: Sequence[int], *, every: bool = False) -> Logits:
        over = len(self._cached) + len(ids) - self.context_length
        if over > 0:
            raise ContextOverflow(f"{over:,} tokens too many", over=over, hint="shorten the prompt")
        before = len(self._cached)
        self._cached.extend(ids)
        sleep(self.pause)
        if not every and (len(ids) > 1 or self._rewound):  # a prompt, or a part of one
            self._turn += self._rewound
            self._rewound, self._begin = False, len(self._cached)
        # Every other byte is possible but unlikely, in a fixed order, so that the views have something to
        # show.
        count = len(ids) if every else 1
        logits = np.tile(np.linspace(1, 0, self.vocab_size, dtype=np.float32), (count, 1))
        answer = self._answers[max(self._turn, 0) % len(self._answers)]
        for row, place in enumerate(
            range(before + 1 + len(ids) - count - self._begin, len(self._cached) + 1 - self._begin)
        ):
            if place >= 0:
                logits[row, answer[min(place, len(answer) - 1)]] = 9.0
        return logits

    def slots(self, rows: int) -> ScriptedSlots:
        """Rows whose prompts take the next answers of the queue."""
        return ScriptedSlots(self, rows)

    def next_answer(self) -> ScriptedEngine:
        """An engine that gives the next answer of the queue only."""
        self._turn += 1
        one = ScriptedEngine([""], context_length=self.context_length)
        one._answers = [self._answers[self._turn % len(self._answers)]]
        return one


class ScriptedSlots:
    """A scripted engine's rows. Implements :class:`~.batch.Slots`."""

    token_bytes = 1

    def __init__(self, engine: ScriptedEngine, rows: int) -> None:
        self._engine = engine
        self._rows: list[ScriptedEngine] = [ScriptedEngine([""]) for _ in range(rows)]

    def begin(self, row: int, ids: Sequence[int]) -> int:
        self._rows[row] = self._engine.next_answer()
        return 0

    def extend(self, row: int, ids: Sequence[int]) -> Logits:
        sleep(self._engine.pause)
        return self._rows[row].extend(ids)

    def step(self, ids: Sequence[int]) -> Logits:
        sleep(self._engine.pause)
        return np.concatenate(
            [row.extend([id], every=True) for row, id in zip(self._rows, ids, strict=False)]
        )

    def copy(self, source: int, target: int) -> None:
        self._rows[target] = deepcopy(self._rows[source])


class ScriptedTokenizer:
    """One token a byte, and an end token. Implements :class:`~.base.Tokenizer`."""

    vocab_size = 257
    bos_id: int | None = None
    eos_id: int | None = END
    eos_ids = frozenset({END})

    def encode(self, text: str, *, special: bool = True, begin: bool = True) -> list[int]:
        return list(text.encode())

    def encode_parts(self, parts: Iterable[tuple[str, bool]]) -> list[int]:
        return [byte for text, _ in parts for byte in text.encode()]

    def has_special(self, text: str) -> bool:
        return False

    def decode(self, ids: Sequence[int], *, skip_special: bool = False) -> str:
        return b"".join(map(self.shown_bytes, ids)).decode("utf-8", "replace")

    def token_text(self, id: int) -> str:
        return self.shown_bytes(id).decode("utf-8", "replace")

    def shown_bytes(self, id: int) -> bytes:
        return b"" if id == END else bytes([id])

    def decoder(self) -> TextDecoder:
        return TextDecoder(self)
