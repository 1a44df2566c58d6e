"""Text ↔ token ids on the ``tokenizers`` library, and decoding that never shows half a character."""

from __future__ import annotations

import codecs
import re
import threading
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ..errors import ModelFileError

if TYPE_CHECKING:
    from tokenizers import Tokenizer as Backend


@cache
def _byte_of() -> dict[str, int]:
    """GPT-2's printable stand-in for every byte, the other way round.

    Source: encoder.py of https://github.com/openai/gpt-2; bytes that print stand for themselves, the rest from U+0100 on.
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in set(printable)]
    return {chr(byte): byte for byte in printable} | {chr(0x100 + n): byte for n, byte in enumerate(others)}


class TextTokenizer:
    """A byte-level BPE tokenizer. Implements :class:`~.base.Tokenizer`."""

    def __init__(
        self, backend: Backend, *, bos_id: int | None, eos_ids: frozenset[int], eos_id: int | None = None, add_bos: bool = False
    ) -> None:
        self._backend = backend
        self.bos_id, self.eos_id, self.eos_ids = bos_id, eos_id, eos_ids
        self._bos = [bos_id] if add_bos and bos_id is not None else []
        self._lock = threading.Lock()  # held while the backend's one switch for special tokens is set
        added = backend.get_added_tokens_decoder()
        # Counting them together builds the whole table, 11 ms at 49k tokens.
        self.vocab_size: int = max(backend.get_vocab_size(with_added_tokens=False), *(id + 1 for id in added), 0)
        self._added = {id: token.content for id, token in added.items()}
        self._special = {id for id, token in added.items() if token.special}
        literals = sorted((token.content for token in added.values() if token.special), key=len, reverse=True)
        self._literal = re.compile("|".join(map(re.escape, literals))) if literals else None
        self._bytes: dict[int, bytes] = {}

    @classmethod
    def from_file(
        cls, path: Path, *, bos_id: int | None, eos_ids: frozenset[int], eos_id: int | None = None, add_bos: bool = False
    ) -> TextTokenizer:
        """Load a ``tokenizer.json``.

        Raises:
            ModelFileError: the file is missing, damaged or no byte-level tokenizer.
        """
        from tokenizers import Tokenizer as Backend
        from tokenizers.decoders import ByteLevel

        try:
            backend = Backend.from_buffer(path.read_bytes())
        except Exception as error:  # tokenizers raises plain Exception
            raise ModelFileError(
                f"{path} cannot be read: {error}", hint="remove that folder and load the model again"
            ) from error
        if not isinstance(backend.decoder, ByteLevel):
            kind = type(backend.decoder).__name__
            raise ModelFileError(f"{path} is no byte-level tokenizer (decoder {kind})", hint="choose another model")
        return cls(backend, bos_id=bos_id, eos_ids=eos_ids, eos_id=eos_id, add_bos=add_bos)

    def encode(self, text: str, *, special: bool = True, begin: bool = True) -> list[int]:
        plain = not special and self.has_special(text)
        with self._lock:
            self._backend.encode_special_tokens = plain  # true: they are spelt out like any other text
            ids = list(self._backend.encode(text, add_special_tokens=False).ids)
        # A chat template may have written the BOS token itself.
        return self._bos + ids if begin and ids[:1] != self._bos else ids

    def has_special(self, text: str) -> bool:
        """Whether the text spells a special token such as ``<|im_start|>``."""
        return self._literal is not None and self._literal.search(text) is not None

    def decode(self, ids: Sequence[int], *, skip_special: bool = False) -> str:
        data = b"".join(b"" if skip_special and id in self._special else self._token_bytes(id) for id in ids)
        return data.decode("utf-8", "replace")

    def token_text(self, id: int) -> str:
        return self._token_bytes(id).decode("utf-8", "replace")

    def decoder(self) -> TextDecoder:
        return TextDecoder(self)

    def shown_bytes(self, id: int) -> bytes:
        """The bytes a token adds to a text: none for a special one."""
        return b"" if id in self._special else self._token_bytes(id)

    def _token_bytes(self, id: int) -> bytes:
        known = self._bytes.get(id)
        if known is None:
            if id in self._added:
                known = self._added[id].encode()
            else:
                piece, byte_of = self._backend.id_to_token(id) or "", _byte_of()
                # As `tokenizers` does: a token with any other character in it stands for itself.
                whole = all(char in byte_of for char in piece)
                known = bytes(byte_of[char] for char in piece) if whole else piece.encode()
            self._bytes[id] = known
        return known


class ShowsBytes(Protocol):
    def shown_bytes(self, id: int) -> bytes: ...


class TextDecoder:
    """Incremental decoding: bytes of an unfinished character wait for the rest. Implements :class:`~.base.Decoder`."""

    def __init__(self, tokenizer: ShowsBytes) -> None:
        self._tokenizer = tokenizer
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, id: int) -> str:
        return self._utf8.decode(self._tokenizer.shown_bytes(id))

    def flush(self) -> str:
        return self._utf8.decode(b"", final=True)
