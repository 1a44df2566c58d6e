"""The tokens of a text, as a view needs them: ids, and what each adds to the text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ...core import given
from ...core.records import Generation, Trace
from ...engine.base import Tokenizer
from ...engine.generate import Runtime
from ...errors import UsageError

Text = str | Generation | Trace


@dataclass(frozen=True, slots=True)
class Pieces:
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
        """As a view's record has them."""
        return {
            "ids": list(self.ids),
            "texts": list(self.texts),
            "special": [n for n, special in enumerate(self.special) if special],
            "prompt": self.prompt,
        }


def pieces_of(runtime: Runtime, text: Text | Sequence[int]) -> Pieces:
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
        ids = [_id(each, tokenizer.vocab_size) for each in text] if isinstance(text, Sequence) else []
        prompt = len(ids)
    if not ids:
        raise UsageError(
            f"there is no text to look at in {given.shown(text)}",
            hint="pass some text, an answer, or token ids",
        )
    special = {*tokenizer.specials(ids)}
    return Pieces(tuple(ids), texts_of(tokenizer, ids), tuple(id in special for id in ids), prompt)


def _id(value: object, vocab_size: int) -> int:
    return given.whole(value, "a token", 0, vocab_size - 1, hint="pass a text, an answer, or token ids")


def texts_of(tokenizer: Tokenizer, ids: Sequence[int]) -> tuple[str, ...]:
    """What each token adds to the text."""
    decoder, special = tokenizer.decoder(), {*tokenizer.specials(ids)}
    texts = [tokenizer.token_text(id) if id in special else decoder.push(id) for id in ids]
    if texts:
        texts[-1] += decoder.flush()
    return tuple(texts)


def earlier_copies(ids: Sequence[int]) -> list[int]:
    """For each place the newest earlier one with the same token; −1 where there is none."""
    newest: dict[int, int] = {}
    found = []
    for place, id in enumerate(ids):
        found.append(newest.get(id, -1))
        newest[id] = place
    return found


def words(tokenizer: Tokenizer, ids: Iterable[int]) -> dict[str, str]:
    """How tokens are written by themselves, by id; JSON has no other keys than texts."""
    return {str(id): tokenizer.token_text(id) for id in sorted({int(each) for each in ids})}


def shown(text: str) -> str:
    """A token by itself in a terminal: spaces, breaks and half characters as signs."""
    if not text:
        return "▯"
    return text.replace("\n", "⏎").replace("\t", "⇥").replace("\ufffd", "▯").replace(" ", "␣")


def percent(p: float) -> str:
    """Two digits, as src/format.ts has it."""
    value = 100 * p
    if value != value:
        return "–"
    if value < 0.01:
        return "<0.01 %"
    if value >= 99.5:
        return "100 %" if value >= 99.95 else f"{value:.1f} %"
    return f"{value:.{0 if value >= 9.95 else 1 if value >= 0.995 else 2}f} %"
