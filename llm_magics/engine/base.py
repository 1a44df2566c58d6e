"""The narrow interfaces everything else is written against."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import ContextOverflow, UsageError

Logits = NDArray[np.float32]


class Cache(Protocol):
    """The KV cache of one sequence, and the way to append to it. It knows no text and no sampling.

    Caches of one engine may be used by several threads at once, each cache by one of them.
    """

    @property
    def cached(self) -> Sequence[int]:
        """Return the token ids that it holds, in order."""
        ...

    @property
    def reusable_length(self) -> int:
        """Return how many leading cached tokens came in calls of two tokens or more.

        Kernels for one token round otherwise than those for many, which give the same bits however a text is
        cut. Reusing settled tokens only makes an answer independent of what was asked before.
        """
        ...

    def reusable_at(self, length: int) -> int:
        """Return the last place up to ``length`` from which it can go on at no cost.

        That is ``length``, but for recurrent layers: their state is kept at some places only.
        """
        ...

    @property
    def nbytes(self) -> int:
        """Return bytes of memory that it may take."""
        ...

    def nbytes_for(self, length: int) -> int:
        """Return what ``nbytes`` would be with ``length`` tokens."""
        ...

    def reserve(self, length: int) -> None:
        """Make room for ``length`` tokens now."""
        ...

    def truncate(self, length: int) -> None:
        """Forget all cached tokens but the first ``length``; costs nothing."""
        ...

    def copy_prefix_from(self, source: Any, length: int) -> None:
        """Hold the first ``length`` settled tokens of another cache of the same engine, and nothing else."""
        ...

    def extend(self, ids: Sequence[int], *, all_logits: bool = False) -> Logits:
        """Append ``ids`` (n ≥ 1) and return logits, float32.

        Args:
            ids: token ids, each below ``vocab_size``; ``len(cached) + n`` must not pass ``context_length``.
            all_logits: logits after each of the n tokens; otherwise after the last one only.

        Returns:
            ``(n, vocab)`` if ``every`` else ``(1, vocab)``. Valid until the next call: copy what you keep.
        """
        ...


class Engine(Protocol):
    """A decoder: token ids in, logits out. What it has read is in its caches."""

    vocab_size: int
    context_length: int

    def cache(self) -> Cache:
        """Return a cache for one sequence, empty."""
        ...


def check_fits(length: int, context_length: int, *, what: str, hint: str = "") -> None:
    """Check the number of tokens.

    Raises:
        ContextOverflow: the context of the model is shorter.
    """
    over = length - context_length
    if over > 0:
        raise ContextOverflow(
            f"{what} needs {length:,} tokens and the context holds {context_length:,}: {over:,} too many",
            over=over,
            hint=hint or "Shorten the prompt, or choose a model with a longer context.",
        )


def check_ids(ids: Sequence[int], before: int, *, vocab_size: int, context_length: int) -> int:
    """Return how long a cache is after ``ids`` come to the ``before`` tokens it holds.

    Raises:
        UsageError: there are none, or one is no token. ContextOverflow: they do not fit.
    """
    if len(ids) < 1:
        raise UsageError("extend() needs at least one token", hint="Pass one or more token ids.")
    check_fits(before + len(ids), context_length, what="this")
    if min(ids) < 0 or max(ids) >= vocab_size:
        raise UsageError(
            f"token ids must be from 0 to {vocab_size - 1:,}",
            hint="Encode the text with the tokenizer of this model.",
        )
    return before + len(ids)


class Detokenizer(Protocol):
    """Turns a stream of token ids into text and never shows half a character."""

    def push(self, id: int) -> str:
        """Return what the text gained by this token; empty while a character is incomplete."""
        ...

    def flush(self) -> str:
        """Return what is left at the end: incomplete bytes come out as U+FFFD."""
        ...


class Tokenizer(Protocol):
    """Text ↔ token ids."""

    vocab_size: int
    bos_id: int | None
    eos_id: int | None
    eos_ids: frozenset[int]
    special_token_strings: tuple[str, ...]  # how the special tokens are spelt

    def encode(self, text: str, *, special: bool = True, begin: bool = True) -> list[int]:
        """Return token ids.

        Args:
            text: the text to encode.
            special: read ``<|im_start|>`` and the like in the text as the special tokens they name.
            begin: the text begins here, so the BOS token goes before it where the model wants one.
        """
        ...

    def encode_parts(self, parts: Iterable[tuple[str, bool]]) -> list[int]:
        """Encode consecutive texts, each with a flag: whether its special tokens are recognized."""
        ...

    def special_ids_in_text(self, text: str) -> list[int]:
        """Return the ids of the special tokens that come of ``text`` when it is read with them."""
        ...

    def special_ids(self, ids: Iterable[int]) -> list[int]:
        """Return those of the ids that are special tokens."""
        ...

    def decode(self, ids: Sequence[int], *, skip_special: bool = False) -> str:
        """Return the text of ``ids``."""
        ...

    def token_text(self, id: int) -> str:
        """Return one token by itself, for showing: bytes that are no whole character come out as U+FFFD."""
        ...

    def token_bytes(self, id: int) -> bytes:
        """Return the bytes of one token by itself."""
        ...

    def detokenizer(self) -> Detokenizer:
        """Return a fresh incremental decoder. Special tokens add no text."""
        ...
