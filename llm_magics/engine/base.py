"""The narrow interfaces everything else is written against."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import ContextOverflow, UsageError

Logits = NDArray[np.float32]


class Engine(Protocol):
    """A decoder with a KV cache for one sequence. It knows no text and no sampling."""

    vocab_size: int
    context_length: int
    owner: object | None
    """Who filled the cache last; the generation loop keeps it, so that two streams over one engine never mix.
    """

    @property
    def cached(self) -> Sequence[int]:
        """The token ids the KV cache holds, in order."""
        ...

    @property
    def settled(self) -> int:
        """How many leading cached tokens came in calls of two tokens or more.

        Kernels for one token round otherwise than those for many, which give the same bits however a text is
        cut. Reusing settled tokens only makes an answer independent of what was asked before.
        """
        ...

    def rewind(self, length: int) -> None:
        """Forget all cached tokens but the first ``length``; costs nothing."""
        ...

    def extend(self, ids: Sequence[int], *, every: bool = False) -> Logits:
        """Append ``ids`` (n ≥ 1) to the cache and return logits, float32.

        Args:
            ids: token ids, each below ``vocab_size``; ``len(cached) + n`` must not pass ``context_length``.
            every: logits after each of the n tokens; otherwise after the last one only.

        Returns:
            ``(n, vocab)`` if ``every`` else ``(1, vocab)``. Valid until the next call: copy what you keep.
        """
        ...


def check_ids(ids: Sequence[int], before: int, *, vocab_size: int, context_length: int) -> int:
    """How long the cache is after ``ids`` come to the ``before`` tokens it holds.

    Raises:
        UsageError: there are none, or one is no token. ContextOverflow: they do not fit.
    """
    if len(ids) < 1:
        raise UsageError("extend needs at least one token", hint="pass one or more token ids")
    total = before + len(ids)
    if total > context_length:
        raise ContextOverflow(
            f"{total:,} tokens do not fit the context of {context_length:,}: {total - context_length:,} too "
            f"many",
            over=total - context_length,
            hint="shorten the prompt, or choose a model with a longer context",
        )
    if min(ids) < 0 or max(ids) >= vocab_size:
        raise UsageError(
            f"token ids must be from 0 to {vocab_size - 1:,}", hint="encode with this model's tokenizer"
        )
    return total


class Decoder(Protocol):
    """Turns a stream of token ids into text and never shows half a character."""

    def push(self, id: int) -> str:
        """What the text gained by this token; empty while a character is incomplete."""
        ...

    def flush(self) -> str:
        """What is left at the end: incomplete bytes come out as U+FFFD."""
        ...


class Tokenizer(Protocol):
    """Text ↔ token ids."""

    vocab_size: int
    bos_id: int | None
    eos_id: int | None
    eos_ids: frozenset[int]

    def encode(self, text: str, *, special: bool = True, begin: bool = True) -> list[int]:
        """Token ids.

        Args:
            special: read ``<|im_start|>`` and the like in the text as the special tokens they name.
            begin: the text begins here, so the BOS token goes before it where the model wants one.
        """
        ...

    def encode_parts(self, parts: Iterable[tuple[str, bool]]) -> list[int]:
        """Token ids of texts that follow one another, each with whether its special tokens are read as
        such.
        """
        ...

    def has_special(self, text: str) -> bool:
        """Whether ``text`` spells a special token."""
        ...

    def decode(self, ids: Sequence[int], *, skip_special: bool = False) -> str:
        """The text of ``ids``."""
        ...

    def token_text(self, id: int) -> str:
        """One token by itself, for showing: bytes that are no whole character come out as U+FFFD."""
        ...

    def decoder(self) -> Decoder:
        """A fresh incremental decoder. Special tokens add no text."""
        ...
