"""The tokens of a text, as a view needs them: ids, and what each adds to the text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ...core import validation
from ...core.records import Generation, Trace
from ...engine.answer import token_texts
from ...engine.base import Tokenizer
from ...engine.runtime import Runtime
from ...errors import UsageError

Text = str | Generation | Trace


@dataclass(frozen=True, slots=True)
class TokenizedText:
    """One text, cut.

    Attributes:
        ids: its tokens.
        texts: what each adds to the text; of a special token, how it is written.
        special: whether each is a special token.
        prompt: how many of them were given to the model, and not said by it.
    """

    ids: tuple[int, ...]
    texts: tuple[str, ...]
    special: tuple[bool, ...]
    prompt: int

    def head(self) -> dict[str, object]:
        """Return the header fields of a record about this text."""
        return {
            "ids": list(self.ids),
            "texts": list(self.texts),
            "special": [n for n, special in enumerate(self.special) if special],
            "prompt": self.prompt,
        }


def tokenize_text(runtime: Runtime, text: Text | Sequence[int]) -> TokenizedText:
    """Cut a text; an answer's are its prompt's tokens and its own, those of a trace as it was read.

    Raises:
        UsageError: there is nothing in it.
    """
    tokenizer = runtime.tokenizer
    if isinstance(text, Generation):
        ids = [*text.prompt_ids, *(token.id for token in text.tokens)]
        prompt = len(text.prompt_ids)
    elif isinstance(text, Trace):
        ids = [token.id for token in text.tokens]
        prompt = len(ids)
    elif isinstance(text, str):
        ids = tokenizer.encode(text, special=False)
        prompt = len(ids)
    else:
        ids = [_id(item, tokenizer.vocab_size) for item in text] if isinstance(text, Sequence) else []
        prompt = len(ids)
    if not ids:
        raise UsageError(
            f"there is no text in {validation.format_value(text)}",
            hint="Pass a text, an answer, or token ids.",
        )
    special = {*tokenizer.special_ids(ids)}
    return TokenizedText(tuple(ids), token_texts(tokenizer, ids), tuple(id in special for id in ids), prompt)


def _id(value: object, vocab_size: int) -> int:
    return validation.require_int(
        value, "a token", 0, vocab_size - 1, hint="Pass a text, an answer, or token ids."
    )


def previous_occurrences(ids: Sequence[int]) -> list[int]:
    """Return, for each position, the previous one with the same token; −1 without one."""
    newest: dict[int, int] = {}
    result = []
    for place, id in enumerate(ids):
        result.append(newest.get(id, -1))
        newest[id] = place
    return result


def token_labels(tokenizer: Tokenizer, ids: Iterable[int]) -> dict[str, str]:
    """Return how tokens are written by themselves, by id; JSON has no other keys than texts."""
    return {str(id): tokenizer.token_text(id) for id in sorted({int(item) for item in ids})}


def visible_token(text: str) -> str:
    """Return a token by itself in a terminal: spaces, breaks and half characters as signs."""
    if not text:
        return "▯"
    return text.replace("\n", "⏎").replace("\t", "⇥").replace("\ufffd", "▯").replace(" ", "␣")
