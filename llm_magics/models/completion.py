"""Continue code or prose at a cursor; where the tokenizer can, with the text behind the cursor."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..core.options import SamplingOptions
from ..core.records import Token
from ..engine.base import Tokenizer
from ..engine.generate import Stream

if TYPE_CHECKING:
    from .model import Model

# Tokens of fill-in-the-middle: before the prefix, before the suffix, before the answer (Bavarian et al. 2022,
# arXiv:2207.14255), as Qwen and CodeGemma, StarCoder and Granite, SantaCoder, and DeepSeek spell them.
FIM_TOKENS = (
    ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),
    ("<fim_prefix>", "<fim_suffix>", "<fim_middle>"),
    ("<fim-prefix>", "<fim-suffix>", "<fim-middle>"),
    ("<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"),
)
_BLANKS = " \t\n"


@dataclass(frozen=True, slots=True)
class Cursor:
    """The text around a cursor.

    Attributes:
        prefix: what stands before the cursor.
        suffix: what stands behind it; used only where the tokenizer has tokens of fill-in-the-middle.
        code: whether it is code; prose ends with its line.
        one_line: whether code ends with its line too.
    """

    prefix: str
    suffix: str = ""
    code: bool = True
    one_line: bool = False


def fim_tokens(tokenizer: Tokenizer) -> tuple[str, str, str] | None:
    """Return the three tokens of fill-in-the-middle, or None where the tokenizer does not have them."""
    for tokens in FIM_TOKENS:
        ids = [tokenizer.encode(token, begin=False) for token in tokens]
        if all(len(item) == 1 for item in ids) and len({item[0] for item in ids}) == len(tokens):
            return tokens
    return None


class Completion:
    """What a model puts at a cursor; an iterator of the text so far.

    The model continues the plain text, with no chat template; decoding is greedy. White space before the
    cursor is left to the model, whose tokens begin with it, and is taken off its text again.

    Args:
        model: the model.
        cursor: the text around the cursor.
        max_tokens: at most this many tokens.

    Attributes:
        tokens: the tokens so far.

    Raises:
        ContextOverflow: the text is too long.
    """

    def __init__(self, model: Model, cursor: Cursor, *, max_tokens: int = 24) -> None:
        fim = fim_tokens(model.tokenizer) if cursor.suffix.strip() else None
        bare = cursor.prefix.rstrip(_BLANKS)
        self._blanks = "" if fim else cursor.prefix[len(bare) :]
        if fim is None:
            ids = model.tokenizer.encode_parts([(bare, False)])
        else:
            first, second, third = fim
            parts = [(first, True), (cursor.prefix, False), (second, True), (cursor.suffix, False)]
            ids = model.tokenizer.encode_parts([*parts, (third, True)])
        if not ids and model.tokenizer.bos_id is not None:
            ids = [model.tokenizer.bos_id]
        self._ends = _ends(cursor, fim is not None)
        options = SamplingOptions(max_tokens=max_tokens, temperature=0.0, alternatives=0)
        self._stream = Stream(
            model.runtime, ids, options, prompt=cursor.prefix, model=model.info, transient=True
        )
        self.tokens: list[Token] = []

    def __iter__(self) -> Iterator[str]:
        for token in self._stream:
            self.tokens.append(token)
            text, ended = self._visible()
            if text:
                yield text
            if ended:
                return self.close()
        return None

    @property
    def text(self) -> str:
        """Return the text so far, as it is put at the cursor."""
        return self._visible()[0]

    def _visible(self) -> tuple[str, bool]:
        """Return the text without the white space before the cursor, and whether it has come to its end."""
        text, blanks = "".join(token.text for token in self.tokens), self._blanks
        if blanks.startswith(text) and text != blanks:
            return "", False
        text = text[len(blanks) :] if text.startswith(blanks) else text.lstrip(_BLANKS) if blanks else text
        at = min((place for end in self._ends if (place := text.find(end)) >= 0), default=-1)
        return (text, False) if at < 0 else (text[:at], True)

    @property
    def cached_tokens(self) -> int:
        """Return how many tokens of the prompt were in a KV cache."""
        return self._stream.answer.cached_tokens

    def close(self) -> None:
        """Stop, from any thread."""
        self._stream.close()


def _ends(cursor: Cursor, fills: bool) -> tuple[str, ...]:
    """Return the strings that end a completion: the end of a line, or of a block on a fresh line."""
    line = cursor.prefix.rpartition("\n")[2]
    block = cursor.code and not cursor.one_line and not line.strip()
    end = "\n\n" if block else "\n"
    return (end, "<|") if fills else (end,)
