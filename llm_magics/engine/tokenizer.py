"""Text ↔ token ids on the ``tokenizers`` library, and decoding that never shows half a character.

How the parts of a token list become text is read off the tokenizer's own decoder. Two kinds are done here
byte by byte:

- byte-level ones (GPT-2, Llama 3, Qwen, Falcon …), with pieces that spell bytes in printable stand-ins;
- SentencePiece's (Llama 2, Mistral, Gemma, Phi-3 …), where ``▁`` is a space, ``<0xE2>`` a byte, and the space
  that was put before the text is taken away again.

Any other is asked again and again with the newest tokens and shows what came to be.
"""

from __future__ import annotations

import codecs
import re
import threading
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ..core.tokenizer_errors import tokenizer_errors
from ..core.validation import check_surrogates
from ..errors import REDOWNLOAD, ModelFileError
from .hf_tokenizers import read_backend, state, without_prefix

if TYPE_CHECKING:
    from tokenizers import Tokenizer as Backend

    from .base import Detokenizer

_SPACE = "\u2581"  # ▁
_BYTE = re.compile("<0x([0-9A-Fa-f]{2})>")
_OPENING = (
    {"type": "Replace", "pattern": {"String": _SPACE}, "content": " "},
    {"type": "ByteFallback"},
    {"type": "Fuse"},
)

# SentencePiece shows one U+FFFD for every byte that belongs to no character; Python's "replace" one for
# several.
codecs.register_error("llm_magics.each", lambda error: ("\ufffd" * (error.end - error.start), error.end))  # type: ignore[attr-defined]


@cache
def _byte_of() -> dict[str, int]:
    """Return GPT-2's printable stand-in for every byte, the other way round.

    Source: encoder.py of https://github.com/openai/gpt-2; bytes that print stand for themselves, the rest
    from U+0100 on.
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in set(printable)]
    return {chr(byte): byte for byte in printable} | {chr(0x100 + n): byte for n, byte in enumerate(others)}


class TextTokenizer:
    """Any tokenizer that the ``tokenizers`` library runs. Implements :class:`~.base.Tokenizer`."""

    def __init__(
        self,
        backend: Backend,
        *,
        bos_id: int | None,
        eos_ids: frozenset[int],
        eos_id: int | None = None,
        add_bos: bool = False,
    ) -> None:
        backend.no_truncation()  # a tokenizer.json may ask for both, and a prompt would lose its end
        backend.no_padding()
        if getattr(backend.model, "dropout", None):  # merges left out by chance are for training
            backend.model.dropout = None
        self._backend = backend
        self.bos_id, self.eos_id, self.eos_ids = bos_id, eos_id, eos_ids
        self._bos = [bos_id] if add_bos and bos_id is not None else []
        # Held while the backend's switches are set, and whenever it works without the GIL.
        self._lock = threading.Lock()
        added = backend.get_added_tokens_decoder()
        # Counting them together builds the whole table, 11 ms at 49k tokens.
        self.vocab_size: int = max(
            backend.get_vocab_size(with_added_tokens=False), *(id + 1 for id in added), 0
        )
        self._added: dict[int, str] = {id: token.content for id, token in added.items()}
        self._special = {id for id, token in added.items() if token.special}
        self._literal = _any_of(self._added[id] for id in self._special)
        self.special_token_strings = tuple(sorted({self._added[id] for id in self._special}))
        unknown = getattr(backend.model, "unk_token", None)
        self._unk_id: int | None = backend.token_to_id(unknown) if isinstance(unknown, str) else None
        self._strips_left = {token.content for token in added.values() if token.lstrip}
        self._kind, self._strip = _kind(state(backend.decoder))
        self._errors = "llm_magics.each" if self._kind == "pieces" else "replace"
        self._later, self._every = without_prefix(backend)
        # Gemma adds 6,000 tokens, and needs no cutting at them.
        stretches = self._added if self._later else ()
        self._not_special = _any_of(self._added[id] for id in stretches if id not in self._special)
        self._normalizer = backend.normalizer
        self._parts = {False: (backend.normalizer, backend.pre_tokenizer), True: self._later}
        self._is_later = False  # which of these the backend has now
        self._bytes: dict[int, bytes] = {}

    @classmethod
    def from_file(
        cls,
        path: Path,
        *,
        bos_id: int | None,
        eos_ids: frozenset[int],
        eos_id: int | None = None,
        add_bos: bool = False,
    ) -> TextTokenizer:
        """Load a ``tokenizer.json``.

        Raises:
            ModelFileError: the file is missing or damaged.
        """
        try:
            backend = read_backend(path.read_bytes())
        except (OSError, ValueError) as error:
            raise ModelFileError(
                f"{path} cannot be read: {error}", hint="Delete that folder, and load the model again."
            ) from error
        return cls(backend, bos_id=bos_id, eos_ids=eos_ids, eos_id=eos_id, add_bos=add_bos)

    @classmethod
    def from_text(
        cls,
        text: str,
        *,
        bos_id: int | None,
        eos_ids: frozenset[int],
        eos_id: int | None = None,
        add_bos: bool = False,
    ) -> TextTokenizer:
        """Read the text of a ``tokenizer.json``.

        Raises:
            ModelFileError: it is damaged.
        """
        try:
            backend = read_backend(text.encode())
        except ValueError as error:
            raise ModelFileError(f"the tokenizer cannot be read: {error}", hint=REDOWNLOAD) from error
        return cls(backend, bos_id=bos_id, eos_ids=eos_ids, eos_id=eos_id, add_bos=add_bos)

    def encode(self, text: str, *, special: bool = True, begin: bool = True) -> list[int]:
        ids = self._encode(text, special, begin)
        return self._with_bos(ids) if begin else ids

    def encode_parts(self, parts: Iterable[tuple[str, bool]]) -> list[int]:
        """Encode one text in parts, each with a flag: whether its special tokens are recognized.

        The space that belongs to a text's beginning is put where encoding the whole would put it: once, or
        after every special token too, as Llama 2 does.
        """
        ids: list[int] = []
        for text, special in parts:
            ids += self._encode(text, special, not ids or (self._every and ids[-1] in self._added))
        return self._with_bos(ids)

    def _with_bos(self, ids: list[int]) -> list[int]:
        # A chat template may have written the BOS token itself.
        return self._bos + ids if ids[:1] != self._bos else ids

    def _encode(self, text: str, special: bool, begin: bool) -> list[int]:
        if begin or self._later is None:
            return self._run(text, special, False)
        # Only the stretch before the first added token is the going on of what was before.
        head, tail = text, ""
        result = [match for match in (self._not_special, self._literal if special else None) if match]
        firsts = [first for match in result if (first := match.search(text))]
        if firsts:
            first = min(firsts, key=lambda match: match.start())
            head, tail = text[: first.start()], text[first.start() :]
            if first.group() in self._strips_left:
                head = head.rstrip()
        return self._run(head, special, True) + (self._run(tail, special, False) if tail else [])

    def _run(self, text: str, special: bool, later: bool) -> list[int]:
        return list(self._ask(text, False, later).ids) if special else self._plain(text, later)

    def _plain(self, text: str, later: bool) -> list[int]:
        """Encode text without special tokens, whatever it spells or normalizes to.

        The library is told to spell special tokens out. Merges, and a normaliser that turns look-alikes into
        the letters of one, may still make one: no token spans two calls, so the text is cut inside what
        became it.
        """
        output = self._ask(text, True, later)
        ids: list[int] = list(output.ids)
        places = [
            place
            for place, id in enumerate(ids)
            if id in self._special and not self._unknown(output, place, text)
        ]
        if not places:
            return ids
        spans = [output.offsets[place] for place in places]
        cuts = sorted({begin + 1 for begin, end in spans if end - begin > 1})
        if not cuts:  # single characters that are special by themselves: nothing else stands for them
            return [id for place, id in enumerate(ids) if place not in set(places)]
        pieces = [text[a:b] for a, b in pairwise([0, *cuts, len(text)]) if a < b]
        return [id for n, piece in enumerate(pieces) for id in self._plain(piece, later or n > 0)]

    def _unknown(self, encoding: Any, place: int, text: str) -> bool:
        """Return whether a special token only stands for characters that the vocabulary lacks."""
        if encoding.ids[place] != self._unk_id:
            return False
        begin, end = encoding.offsets[place]
        return not self._spells(text[begin:end], self._added[encoding.ids[place]])

    def _spells(self, text: str, literal: str) -> bool:
        return literal in text or literal in self._normal(text)

    def _normal(self, text: str) -> str:
        normalizer = self._normalizer
        return str(normalizer.normalize_str(text)) if normalizer is not None else text

    def _ask(self, text: str, plain: bool, later: bool) -> Any:
        """Return the library's Encoding; ``plain`` spells special tokens out like any other text."""
        check_surrogates(text)
        later = later and self._later is not None
        with self._lock:
            if self._is_later != later:
                self._backend.normalizer, self._backend.pre_tokenizer = self._parts[later]  # type: ignore[misc]
                self._is_later = later
            self._backend.encode_special_tokens = plain
            with tokenizer_errors():
                return self._backend.encode(text, add_special_tokens=False)

    def special_ids_in_text(self, text: str) -> list[int]:
        """Return the special tokens that the text spells, without those that stand for unknown letters."""
        output = self._ask(text, False, False)
        return [
            id
            for place, id in enumerate(output.ids)
            if id in self._special and not self._unknown(output, place, text)
        ]

    def special_ids(self, ids: Iterable[int]) -> list[int]:
        """Return those of the ids that are special tokens."""
        return [id for id in ids if id in self._special]

    def decode(self, ids: Sequence[int], *, skip_special: bool = False) -> str:
        if self._kind == "other":
            return self._decode_other(ids, skip_special)
        data = b"".join(b"" if skip_special and id in self._special else self.token_bytes(id) for id in ids)
        return _stripped(data.decode("utf-8", self._errors), self._strip)

    def _decode_other(self, ids: Sequence[int], skip_special: bool = True) -> str:
        with self._lock, tokenizer_errors():
            text: str = self._backend.decode(list(ids), skip_special_tokens=skip_special)
            return text

    def token_text(self, id: int) -> str:
        return self.token_bytes(id).decode("utf-8", "replace")

    def detokenizer(self) -> Detokenizer:
        if self._kind == "other":
            return WindowDetokenizer(self._decode_other)
        return TextDetokenizer(self, errors=self._errors, strip=self._strip)

    def visible_bytes(self, id: int) -> bytes:
        """Return the bytes a token adds to a text: none for a special one."""
        return b"" if id in self._special else self.token_bytes(id)

    def token_bytes(self, id: int) -> bytes:
        """Return the bytes of a token inside a text, in UTF-8.

        A special one stands for what it is written as.
        """
        known = self._bytes.get(id)
        if known is None:
            known = self._bytes[id] = self._bytes_of(id)
        return known

    def _bytes_of(self, id: int) -> bytes:
        if id in self._special or (id in self._added and self._kind == "bytes"):
            return self._added[id].encode()
        piece: str = self._backend.id_to_token(id) or ""
        if self._kind == "bytes":
            byte_of = _byte_of()
            # As `tokenizers` does: a token with any other character in it stands for itself.
            whole = all(char in byte_of for char in piece)
            return bytes(byte_of[char] for char in piece) if whole else piece.encode()
        if self._kind == "pieces":
            byte = _BYTE.fullmatch(piece)
            return bytes([int(byte[1], 16)]) if byte else piece.replace(_SPACE, " ").encode()
        # What a second one adds: the first of a text may look different.
        once = self._decode_other([id], False)
        return (self._decode_other([id, id], False)[len(once) :] or once).encode()


class HasVisibleBytes(Protocol):
    def visible_bytes(self, id: int) -> bytes: ...


class TextDetokenizer:
    """Incremental decoding: bytes of an unfinished character wait for the rest.

    Implements :class:`~.base.Decoder`.

    Args:
        errors: what becomes of bytes that are no character, in the words of Python's ``bytes.decode``.
        strip: how many spaces at most to take off the beginning.
    """

    def __init__(self, tokenizer: HasVisibleBytes, *, errors: str = "replace", strip: int = 0) -> None:
        self._tokenizer, self._strip = tokenizer, strip
        self._utf8 = codecs.getincrementaldecoder("utf-8")(errors)

    def push(self, id: int) -> str:
        return self._strip_start(self._utf8.decode(self._tokenizer.visible_bytes(id)))

    def flush(self) -> str:
        return self._strip_start(self._utf8.decode(b"", final=True))

    def _strip_start(self, text: str) -> str:
        if not self._strip or not text:
            return text
        rest = _stripped(text, self._strip)
        self._strip = 0 if rest else self._strip - len(text)
        return rest


class WindowDetokenizer:
    """Incremental decoding by a decoder that gives whole texts only.

    The newest tokens are decoded again at every step.

    Args:
        decode: token ids → text without special tokens.
    """

    def __init__(self, decode: Callable[[list[int]], str]) -> None:
        self._decode = decode
        self._old: list[int] = []  # the tokens shown last: what they are in front of may depend on them
        self._new: list[int] = []  # tokens not shown yet

    def push(self, id: int) -> str:
        self._new.append(id)
        text = self._new_text()
        if not text or text.endswith("\ufffd"):  # nothing yet, or a character that may still become whole
            return ""
        self._old, self._new = self._new, []
        return text

    def flush(self) -> str:
        text = self._new_text()
        self._old, self._new = [], []
        return text

    def _new_text(self) -> str:
        before = self._decode(self._old) if self._old else ""
        return self._decode(self._old + self._new)[len(before) :]


def _kind(decoder: dict[str, Any]) -> tuple[str, int]:
    """Return how to decode ("bytes", "pieces" or "other"), and how many spaces go at the beginning."""
    steps = decoder.get("decoders", [decoder])
    if [step.get("type") for step in steps] == ["ByteLevel"]:
        return "bytes", 0
    if tuple(steps[:3]) == _OPENING:
        if len(steps) == 3:
            return "pieces", 0
        if len(steps) == 4 and steps[3] == {
            "type": "Strip",
            "content": " ",
            "start": steps[3].get("start"),
            "stop": 0,
        }:
            return "pieces", steps[3]["start"]
    return "other", 0


def _stripped(text: str, most: int) -> str:
    return text[len(text[:most]) - len(text[:most].lstrip(" ")) :] if most else text


def _any_of(literals: Iterable[str]) -> re.Pattern[str] | None:
    """Return a pattern that matches any of the strings, the longest first; None without strings."""
    ordered = sorted(filter(None, literals), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, ordered))) if ordered else None
