"""Text ↔ token ids on the ``tokenizers`` library, and decoding that never shows half a character."""

from __future__ import annotations

import codecs
import json
import re
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

    def __init__(self, backend: Backend, *, bos_id: int | None, eos_ids: frozenset[int], add_bos: bool = False) -> None:
        self._backend = backend
        self.vocab_size: int = backend.get_vocab_size()
        self.bos_id, self.eos_ids = bos_id, eos_ids
        self._bos = [bos_id] if add_bos and bos_id is not None else []
        added = backend.get_added_tokens_decoder()
        self._added = {id: token.content for id, token in added.items()}
        self._special = {id for id, token in added.items() if token.special}
        literals = sorted((token.content for token in added.values() if token.special), key=len, reverse=True)
        self._literal = re.compile("|".join(map(re.escape, literals))) if literals else None
        self._bytes: dict[int, bytes] = {}

    @classmethod
    def from_file(cls, path: Path, *, bos_id: int | None, eos_ids: frozenset[int], add_bos: bool = False) -> TextTokenizer:
        """Load a ``tokenizer.json``.

        Raises:
            ModelFileError: the file is missing, damaged or no byte-level tokenizer.
        """
        from tokenizers import Tokenizer as Backend

        try:
            text = path.read_text("utf-8")
            backend = Backend.from_str(text)
        except Exception as error:  # tokenizers raises plain Exception
            raise ModelFileError(
                f"{path} cannot be read: {error}", hint="remove that folder and load the model again"
            ) from error
        if '"ByteLevel"' not in text:
            kind = json.loads(text).get("decoder")
            raise ModelFileError(f"{path} is no byte-level tokenizer (decoder {kind})", hint="choose another model")
        return cls(backend, bos_id=bos_id, eos_ids=eos_ids, add_bos=add_bos)

    def encode(self, text: str, *, special: bool = True) -> list[int]:
        if special or not self.has_special(text):
            return self._bos + list(self._backend.encode(text, add_special_tokens=False).ids)
        return self._bos + self._plain(text)

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

    def _plain(self, text: str) -> list[int]:
        """Encode with special tokens read as the characters they are spelt with.

        A special token can only be found whole, so the text is cut inside each one, after its first character.
        """
        assert self._literal is not None  # has_special said so
        ids: list[int] = []
        begin = 0
        for match in self._literal.finditer(text):
            ids += self._backend.encode(text[begin : match.start() + 1], add_special_tokens=False).ids
            begin = match.start() + 1
        return ids + list(self._backend.encode(text[begin:], add_special_tokens=False).ids)

    def _token_bytes(self, id: int) -> bytes:
        known = self._bytes.get(id)
        if known is None:
            if id in self._added:
                known = self._added[id].encode()
            else:
                piece, byte_of = self._backend.id_to_token(id) or "", _byte_of()
                known = b"".join(bytes([byte_of[char]]) if char in byte_of else char.encode() for char in piece)
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
