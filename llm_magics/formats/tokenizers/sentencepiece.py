"""Convert SentencePiece models (``tokenizer.model``, GGUF metadata) to ``tokenizer.json``.

The file is a protocol buffer, read here by hand: a handful of fields, every length checked before it is
believed. Source: sentencepiece_model.proto of https://github.com/google/sentencepiece. How its parts are
put into the words of ``tokenizers`` follows what its own code does, and transformers'
convert_slow_tokenizer.py where that equals it.
"""

from __future__ import annotations

import base64
import json
import math
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ...errors import REDOWNLOAD, ModelFileError, UnsupportedModel

# Types of pieces, the same in both kinds of file; 5 is a piece that is never produced.
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, BYTE = 1, 2, 3, 4, 6
SPACE = "\u2581"  # ▁ stands for a space

MAX_BYTES = 16 << 20  # Gemma 3's has 4.7 million
MAX_PIECES = 1_000_000
MAX_MERGES = 3_000_000  # Gemma 3's are 515,000
MAX_PIECE = 1024  # characters: finding all ways to cut a piece in two takes the square of it


@dataclass(frozen=True, slots=True)
class SentencePieceModel:
    """A SentencePiece model.

    Attributes:
        texts, scores, types: of each piece, by id.
        kind: how texts are cut into pieces.
        prefix: whether a space is put before a text.
        squeeze: whether spaces at the ends are left out and several in a row become one.
        charsmap: how characters are normalised, as SentencePiece stores it; empty for not at all.
        bos, eos: the texts of these pieces.
        merges: "left right", the first one first, where they are known; else the scores mean them.
    """

    texts: Sequence[str]
    scores: Sequence[float]
    types: Sequence[int]
    kind: Literal["bpe", "unigram"] = "bpe"
    prefix: bool = True
    squeeze: bool = False
    charsmap: bytes = b""
    bos: str = "<s>"
    eos: str = "</s>"
    merges: Sequence[str] | None = None

    def __post_init__(self) -> None:
        if not len(self.texts) == len(self.scores) == len(self.types):
            raise bad(
                f"{len(self.texts):,} pieces, {len(self.scores):,} scores and {len(self.types):,} types"
            )
        if not self.texts or len(set(self.texts)) != len(self.texts):
            raise bad("it has no pieces, or two that are the same")
        if max(map(len, self.texts)) > MAX_PIECE:
            raise bad(f"a piece of more than {MAX_PIECE:,} characters")
        if not all(map(math.isfinite, self.scores)):
            raise bad("a score is not a number")
        if self.unknown is None and (self.kind == "unigram" or BYTE not in self.types):
            raise bad("it has no piece for what is unknown")

    @property
    def unknown(self) -> int | None:
        """Return the id of the piece that stands for unknown characters."""
        return next((id for id, type_ in enumerate(self.types) if type_ == UNKNOWN), None)

    def control(self, text: str) -> int | None:
        """Return the id of a control piece."""
        return next(
            (id for id, piece in enumerate(self.texts) if piece == text and self.types[id] == CONTROL), None
        )


def read_model(data: bytes) -> SentencePieceModel:
    """Read a ``tokenizer.model``.

    Raises:
        ModelFileError: it is damaged. UnsupportedModel: it is of a kind that this version cannot use.
    """
    if len(data) > MAX_BYTES:
        raise bad(f"{len(data):,} bytes, and at most {MAX_BYTES:,} are accepted")
    if _is_tiktoken(data):
        raise UnsupportedModel(
            "this tokenizer.model is a tiktoken vocabulary, not SentencePiece",
            hint="Use a copy of the model that comes with tokenizer.json.",
        )
    texts: list[str] = []
    scores: list[float] = []
    types: list[int] = []
    trainer: dict[int, Any] = {}
    normalizer: dict[int, Any] = {}
    for field, value in _fields(data):
        if field == 1:
            piece = dict(_fields(_bytes(value)))
            texts.append(_text(piece.get(1, b"")))
            scores.append(_float(piece.get(2, b"\0\0\0\0")))
            types.append(_int(piece.get(3, NORMAL)))
            if len(texts) > MAX_PIECES:
                raise bad(f"more than {MAX_PIECES:,} pieces")
        elif field == 2:
            trainer = dict(_fields(_bytes(value)))
        elif field == 3:
            normalizer = dict(_fields(_bytes(value)))
    kinds: dict[int, Literal["bpe", "unigram"]] = {1: "unigram", 2: "bpe"}
    kind = kinds.get(_int(trainer.get(3, 1)))
    if kind is None or trainer.get(24) or not normalizer.get(5, 1):
        raise UnsupportedModel(
            "only BPE and unigram SentencePiece models with standard space handling are supported",
            hint="Use a copy of the model that comes with tokenizer.json.",
        )
    return SentencePieceModel(
        texts,
        scores,
        types,
        kind,
        prefix=bool(_int(normalizer.get(3, 1))),
        squeeze=bool(_int(normalizer.get(4, 1))),
        charsmap=_bytes(normalizer.get(2, b"")),
        bos=_text(trainer.get(46, b"<s>")),
        eos=_text(trainer.get(47, b"</s>")),
    )


def tokenizer_json(
    pieces: SentencePieceModel, *, every: bool = True, rstrip: frozenset[str] = frozenset()
) -> str:
    """Return the text of tokenizer.json.

    Args:
        pieces: the SentencePiece model.
        every: where a space is put before a text, put one after every special token too, as the models of
            Llama 2's time were trained; false is what transformers calls ``legacy=False``.
        rstrip: special tokens that swallow the white space after them.
    """
    added = [
        {
            "id": id,
            "content": text,
            "single_word": False,
            "lstrip": False,
            "rstrip": text in rstrip,
            "normalized": False,
            "special": type_ != USER_DEFINED,
        }
        for id, (text, type_) in enumerate(zip(pieces.texts, pieces.types, strict=True))
        if type_ in (UNKNOWN, CONTROL, USER_DEFINED) and text
    ]
    normalizers = _charsmap(pieces.charsmap) if pieces.charsmap else []
    if pieces.squeeze:
        normalizers += [_replace(rf"\A +|[ {SPACE}]+\z", ""), _replace(" {2,}", " ")]
    if pieces.prefix and every:
        normalizers.append({"type": "Prepend", "prepend": SPACE})
    if every or not pieces.prefix:
        normalizers.append({"type": "Replace", "pattern": {"String": " "}, "content": SPACE})
    decoders: list[dict[str, Any]] = [
        {"type": "Replace", "pattern": {"String": SPACE}, "content": " "},
        {"type": "ByteFallback"},
        {"type": "Fuse"},
    ]
    if pieces.prefix:
        decoders.append(
            {"type": "Strip", "content": " ", "start": MAX_PIECE if pieces.squeeze else 1, "stop": 0}
        )
    splits: list[dict[str, Any]] = []
    if pieces.prefix and not every:
        splits.append({"type": "Metaspace", "replacement": SPACE, "prepend_scheme": "first", "split": False})
    if (
        pieces.kind == "unigram" and BYTE in pieces.types
    ):  # letters that spell a byte piece are cut: see _unigram
        cut = {"Regex": "<(?=0x[0-9A-F]{2}>)"}
        splits.append({"type": "Split", "pattern": cut, "behavior": "Isolated", "invert": False})
    data = {
        "version": "1.0",
        "added_tokens": added,
        "normalizer": {"type": "Sequence", "normalizers": normalizers},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": splits} if splits else None,
        "post_processor": None,
        "decoder": {"type": "Sequence", "decoders": decoders},
        "model": _bpe(pieces) if pieces.kind == "bpe" else _unigram(pieces),
    }
    return json.dumps(data, ensure_ascii=False)


def _charsmap(charsmap: bytes) -> list[dict[str, Any]]:
    """Return the normaliser that SentencePiece calls a precompiled map.

    `tokenizers` looks up a cluster of characters as a whole, SentencePiece one after the other. CR LF is put
    right here; a mark on a letter that becomes another (ϖ → π) is lost, as it is in transformers.
    """
    from tokenizers.normalizers import Precompiled

    try:
        mapped = Precompiled(charsmap).normalize_str
        alone, together = mapped("\r") + mapped("\n"), mapped("\r\n")
    except Exception as error:  # tokenizers raises plain Exception
        raise bad(f"its table of characters cannot be read: {error}") from error
    step = {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(charsmap).decode()}
    return [step] if alone == together else [_replace("\r\n", alone), step]


def _replace(pattern: str, content: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": {"Regex": pattern}, "content": content}


def _bpe(pieces: SentencePieceModel) -> dict[str, Any]:
    unknown = None if pieces.unknown is None else pieces.texts[pieces.unknown]
    return {
        "type": "BPE",
        "dropout": None,
        "unk_token": unknown,
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": True,
        "byte_fallback": BYTE in pieces.types,
        "ignore_merges": False,
        "vocab": {text: id for id, text in enumerate(pieces.texts)},
        "merges": _merges(pieces),
    }


def _merges(pieces: SentencePieceModel) -> list[str] | list[list[str]]:
    """Return the merges that the scores mean: every way to cut a piece into two others, the best score first.

    What is no ordinary text (control pieces, bytes) is neither made nor used, as in SentencePiece;
    transformers makes it too, and letters could become an end token there. The order among equals is
    transformers'.
    """
    if pieces.merges is not None:
        return [*pieces.merges]
    ids = {text: id for id, text in enumerate(pieces.texts) if pieces.types[id] in (NORMAL, USER_DEFINED)}
    result: list[tuple[float, int, int, str, str]] = []
    for text, id in ids.items():
        score, size, ways = pieces.scores[id], len(text), []
        for cut in range(1, size):
            left = text[:cut]
            if left in ids and (right := text[cut:]) in ids:
                ways.append((ids[left], ids[right], (score, cut, size - cut, left, right)))
        result += [way[2] for way in (sorted(ways) if len(ways) > 1 else ways)]
        if len(result) > MAX_MERGES:
            raise bad(f"more than {MAX_MERGES:,} merges")
    result.sort(key=lambda way: way[:3], reverse=True)  # stable: equals stay in the order of ids
    if any(" " in text for text in ids):
        return [[left, right] for *_, left, right in result]
    return [f"{left} {right}" for *_, left, right in result]  # loads faster


def _unigram(pieces: SentencePieceModel) -> dict[str, Any]:
    """Score special pieces so low that text becomes one only where its letters are unknown."""
    usual = [score for score, type_ in zip(pieces.scores, pieces.types, strict=True) if type_ == NORMAL] or [
        0.0
    ]
    rest = [
        text
        for text, type_ in zip(pieces.texts, pieces.types, strict=True)
        if type_ not in (NORMAL, USER_DEFINED)
    ]
    never = (min(*usual, 0.0) - 10) * (
        max(map(len, rest)) + 1
    )  # 10 is what SentencePiece takes off for unknown characters
    vocab = [
        [text, score if type_ == NORMAL else max(usual) * len(text) - 0.1 if type_ == USER_DEFINED else never]
        for text, score, type_ in zip(pieces.texts, pieces.scores, pieces.types, strict=True)
    ]
    return {
        "type": "Unigram",
        "unk_id": pieces.unknown,
        "vocab": vocab,
        "byte_fallback": BYTE in pieces.types,
    }


def _is_tiktoken(data: bytes) -> bool:
    """Return lines of a token in base64 and its rank, as Llama 3's original file has them."""
    token, space, rank = data[:200].split(b"\n")[0].partition(b" ")
    return bool(space) and rank.strip().isdigit() and len(token) % 4 == 0 and token.rstrip(b"=").isalnum()


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield the fields of a protobuf message as (number, value); fixed-width values are bytes."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            whole, at = _varint(data, at)
            yield number, whole
            continue
        if wire == 2:
            size, at = _varint(data, at)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise bad(f"a field of wire type {wire}")
        if at + size > len(data):
            raise bad("it ends in the middle of a field")
        yield number, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return a whole number in groups of seven bits, the lowest first, and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise bad("it ends in the middle of a number")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise bad("a number of more than 64 bits")


def _bytes(value: int | bytes) -> bytes:
    if not isinstance(value, bytes):
        raise bad("a field is of the wrong type")
    return value


def _text(value: int | bytes) -> str:
    try:
        return _bytes(value).decode("utf-8")
    except UnicodeDecodeError as error:
        raise bad(f"a text is not UTF-8: {error}") from error


def _int(value: int | bytes) -> int:
    if not isinstance(value, int):
        raise bad("a field is of the wrong type")
    return value


def _float(value: int | bytes) -> float:
    if len(_bytes(value)) != 4:
        raise bad("a score is not a number")
    number: float = struct.unpack("<f", _bytes(value))[0]
    return number


def bad(what: str) -> ModelFileError:
    return ModelFileError(f"the SentencePiece model is damaged: {what}", hint=REDOWNLOAD)
