"""An answer in a terminal: words that are not broken at the edge, and tokens in colours where it has some."""

from __future__ import annotations

import math
import os
import re
import shutil
import sys

from ..core.records import Token
from ..sanitize import printable, safe_print
from ..views.static_tokens import RARE, UNLIKELY

_ORANGE, _PALE, _END = "\x1b[38;5;208;4m", "\x1b[38;5;215;4m", "\x1b[0m"
_WORDS = re.compile(r"\s+|\S+")


class Writer:
    """Writes tokens as they come. A word is written once it is whole: then it is known where it fits."""

    def __init__(self, *, tokens: bool) -> None:
        self._tty = sys.stdout.isatty()
        self._colours = tokens and self._tty and "NO_COLOR" not in os.environ
        self._column, self._word, self._width = 0, "", 0

    def add(self, token: Token) -> None:
        text = printable(token.text)
        if not self._tty:  # a file, or another program: nothing is added to the text
            return safe_print(text, end="", flush=True)
        style = self._style_of(token) if self._colours else ""
        for piece in _WORDS.findall(text):
            if piece.isspace():
                self.flush()
                self._space(piece)
            else:
                self._word += f"{style}{piece}{_END}" if style else piece
                self._width += len(piece)
        return None

    def flush(self) -> None:
        """Write the word that is begun."""
        if not self._word:
            return
        columns = shutil.get_terminal_size().columns
        if self._column and self._column + self._width > columns:
            safe_print("")
            self._column = 0
        safe_print(self._word, end="", flush=True)
        self._column += self._width
        self._word, self._width = "", 0

    def _space(self, piece: str) -> None:
        safe_print(piece, end="", flush=True)
        self._column = len(piece.rsplit("\n", 1)[-1]) + (0 if "\n" in piece else self._column)

    def _style_of(self, token: Token) -> str:
        p = math.exp(min(token.logprob, 0.0))
        return _ORANGE if p < RARE else _PALE if p < UNLIKELY else ""
