"""Tokens as binary columns: what a saved notebook holds of them, about a hundred bytes a token.

The bytes are, before they are deflated: the length of a JSON header (4 bytes, little-endian), the header, and
the columns in the order of :data:`COLUMNS`. A column of width w and n values is w planes of n bytes, the
lowest bytes first: planes of one kind deflate well.

| column | width | value |
|---|---|---|
| id | 4 | token id |
| logprob | 8 | float64, exact |
| entropy | 2 | round(4096 · nats), at most 65,535 |
| rank | 4 | from 0 |
| count | 1 | how many alternatives the token has |
| prompt | 4 | the prompt's token ids |
| word | 4 | ids of all tokens that occur, ascending, each less the one before |
| other | 4 | of each alternative, its place among the words |
| other_logprob | 2 | round(−1024 · nats), at most 65,535, less that of the alternative before it, modulo
65,536 |
| u | 4 | 2³² · the random number that decided; 2³² − 1 where none did |
| log_total | 4 | float32; NaN where it was not noted |

| allowed | 4 | how many tokens the grammar allowed; 2³² − 1 where none was |
| log_allowed | 4 | float32; NaN where no grammar was |
| banned | 1 | of each alternative, 1 where the grammar did not allow it |

The last five are absent in records of earlier schemas, and empty where no token has them.

The header holds ``lengths`` (values a column), ``words`` (the text of each), and ``texts``, ``other_texts``
and ``prompt_words``: where a token, an alternative or a token of the prompt, by its place, has another text
than its word. The last is absent where the prompt's texts were not noted.
"""

from __future__ import annotations

import json
import math
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .records import Alternative, Token

COLUMNS = {
    "id": 4,
    "logprob": 8,
    "entropy": 2,
    "rank": 4,
    "count": 1,
    "prompt": 4,
    "word": 4,
    "other": 4,
    "other_logprob": 2,
    "u": 4,
    "log_total": 4,
    "allowed": 4,
    "log_allowed": 4,
    "banned": 1,
}
LATE = ("u", "log_total", "allowed", "log_allowed", "banned")  # those that a record may lack
NO_U = 2**32 - 1
ENTROPY, LOGPROB, MOST = 4096, 1024, 65_535
_MOST_VALUES = 1 << 27
MOST_TOKENS = 1 << 17  # of an answer with its branches, or of a prompt: no model here has a longer context
_MOST_OTHERS = 1 << 21


def pack(tokens: tuple[Token, ...], head: dict[str, Any]) -> bytes:
    """Return the tokens, without their times, and ``head`` in one piece.

    Its ``prompt_ids`` and ``prompt_texts``, where it has them, are kept as a column and among the words.
    """
    prompt_ids, prompt_texts = head.get("prompt_ids", ()), head.get("prompt_texts", ())
    others = [other for token in tokens for other in token.alternatives]
    texts: dict[int, str] = {}
    for id, text in chain(
        ((item.id, item.text) for item in others),
        ((item.id, item.text) for item in tokens),
        zip(prompt_ids, prompt_texts),  # noqa: B905  # the texts may not have been noted
    ):
        texts.setdefault(id, text)
    ids = sorted(texts)
    place = {id: n for n, id in enumerate(ids)}
    quantised = np.clip(np.rint([-LOGPROB * other.logprob for other in others]), 0, MOST).astype(np.uint16)
    counts = np.array([len(token.alternatives) for token in tokens], np.uint8)
    firsts = (np.cumsum(counts, dtype=np.int64) - counts)[counts > 0]
    before = np.concatenate([[0], quantised[:-1]]).astype(np.uint16)[: len(quantised)]
    before[firsts] = 0
    columns: dict[str, NDArray[Any]] = {
        "id": np.array([token.id for token in tokens], np.uint32),
        "logprob": np.array([token.logprob for token in tokens], np.float64),
        "entropy": np.clip(np.rint([ENTROPY * token.entropy for token in tokens]), 0, MOST).astype(np.uint16),
        "rank": np.array([token.rank for token in tokens], np.uint32),
        "count": counts,
        "prompt": np.array(prompt_ids, np.uint32),
        "word": np.diff(np.array(ids, np.uint32), prepend=np.uint32(0)),
        "other": np.array([place[other.id] for other in others], np.uint32),
        "other_logprob": quantised - before,
        "u": np.array([NO_U if token.u is None else round(token.u * 2**32) for token in tokens], np.uint32),
        "log_total": np.array(
            [math.nan if token.log_total is None else token.log_total for token in tokens], np.float32
        ),
        "allowed": np.array(
            [NO_U if token.allowed is None else token.allowed for token in tokens], np.uint32
        ),
        "log_allowed": np.array(
            [math.nan if token.log_allowed is None else token.log_allowed for token in tokens], np.float32
        ),
        "banned": np.array([other.banned for other in others], np.uint8),
    }
    if (columns["allowed"] == NO_U).all():
        for name in ("allowed", "log_allowed", "banned"):
            columns[name] = columns[name][:0]
    if (columns["u"] == NO_U).all():
        columns["u"] = columns["u"][:0]
    if np.isnan(columns["log_total"]).all():
        columns["log_total"] = columns["log_total"][:0]
    header = {
        **{key: value for key, value in head.items() if key not in ("prompt_ids", "prompt_texts")},
        "lengths": {name: len(column) for name, column in columns.items()},
        "words": [texts[id] for id in ids],
        "texts": {n: token.text for n, token in enumerate(tokens) if token.text != texts[token.id]},
        "other_texts": {n: other.text for n, other in enumerate(others) if other.text != texts[other.id]},
    }
    if prompt_texts:
        header["prompt_words"] = {
            n: text
            for n, (id, text) in enumerate(zip(prompt_ids, prompt_texts, strict=True))
            if text != texts[id]
        }
    packed = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    return b"".join([len(packed).to_bytes(4, "little"), packed, *map(to_byte_planes, columns.values())])


def unpack(
    data: bytes, times: NDArray[np.float64], *, most: int = MOST_TOKENS
) -> tuple[tuple[Token, ...], dict[str, Any]]:
    """Return tokens and head.

    Args:
        data: the bytes that :func:`pack` wrote.
        times: seconds, one a token.
        most: tokens that are read; more are refused before they are made.

    Raises:
        ValueError, KeyError, TypeError, IndexError: the data is damaged.
    """
    size = int.from_bytes(data[:4], "little")
    head = json.loads(data[4 : 4 + size].decode("utf-8", "surrogatepass"))
    columns = _read_columns(data, 4 + size, head["lengths"], most)
    ids, words = np.cumsum(columns["word"], dtype=np.uint32).tolist(), head["words"]
    text_of = dict(zip(ids, words, strict=True))
    tokens = _read_tokens(columns, times, ids, text_of, head.pop("texts"), head.pop("other_texts"))
    del head["lengths"], head["words"]
    head["prompt_ids"] = columns["prompt"].tolist()
    prompt_words = head.pop("prompt_words", None)
    if prompt_words is not None:
        head["prompt_texts"] = [
            prompt_words.get(str(n), text_of.get(id)) for n, id in enumerate(head["prompt_ids"])
        ]
    return tuple(tokens), head


def _read_columns(data: bytes, at: int, lengths: dict[str, Any], most: int) -> dict[str, NDArray[Any]]:
    """Return the columns that begin at byte ``at``, after checking how long they claim to be."""
    columns: dict[str, NDArray[Any]] = {}
    for name, width in COLUMNS.items():
        count = lengths.get(name, 0) if name in LATE else lengths[name]
        if not isinstance(count, int) or not 0 <= count < _MOST_VALUES:
            raise ValueError(f"{name} has {count!r:.20} values")
        if count > {"id": most, "prompt": MOST_TOKENS, "other": _MOST_OTHERS}.get(name, _MOST_VALUES):
            raise ValueError(f"it has too many tokens ({name}: {count:,})")
        columns[name] = from_byte_planes(data[at : at + count * width], count, width)
        at += count * width
    if at != len(data):
        raise ValueError("its columns have other lengths")
    return columns


def _read_tokens(
    columns: dict[str, NDArray[Any]],
    times: NDArray[np.float64],
    ids: list[int],
    text_of: dict[int, str],
    texts: dict[str, str],
    other_texts: dict[str, str],
) -> list[Token]:
    """Return the tokens.

    Args:
        columns: as :func:`_read_columns` gives them.
        times: seconds, one a token.
        ids: the ids of all words, by their place in the list of words.
        text_of: the text of each id.
        texts: the texts of tokens that differ from those of their ids, by place.
        other_texts: the same of alternatives.
    """
    other_logprobs = columns["other_logprob"].astype(np.uint16)
    others, first = [ids[place] for place in columns["other"].tolist()], 0
    tokens: list[Token] = []
    us, totals = columns["u"].tolist(), columns["log_total"].astype("<u4").view("<f4").tolist()
    counts, masses = columns["allowed"].tolist(), columns["log_allowed"].astype("<u4").view("<f4").tolist()
    banned = columns["banned"].tolist()
    late = (("u", us), ("log_total", totals), ("allowed", counts), ("log_allowed", masses))
    for name, values in (*late, ("banned", banned)):
        if values and len(values) != len(others if name == "banned" else columns["id"]):
            raise ValueError(f"{name} has {len(values)} values")
    rows = zip(
        columns["id"].tolist(),
        columns["logprob"].view(np.float64).tolist(),
        (columns["entropy"] / ENTROPY).tolist(),
        columns["rank"].tolist(),
        columns["count"].tolist(),
        times.tolist(),
        strict=True,
    )
    for n, (id, logprob, entropy, rank, count, time_s) in enumerate(rows):
        values = np.cumsum(other_logprobs[first : first + count], dtype=np.uint16).tolist()
        result = tuple(
            # What was chosen is kept exactly.
            Alternative(
                other,
                other_texts.get(str(place), text_of[other]),
                logprob if other == id else -q / LOGPROB,
                bool(banned and banned[place]),
            )
            for place, (other, q) in enumerate(zip(others[first : first + count], values, strict=True), first)
        )
        u = us[n] / 2**32 if us and us[n] != NO_U else None
        total = totals[n] if totals and totals[n] == totals[n] else None
        text = texts.get(str(n), text_of[id])
        some = counts[n] if counts and counts[n] != NO_U else None
        mass = masses[n] if some is not None and masses and masses[n] == masses[n] else None
        tokens.append(Token(id, text, logprob, entropy, rank, result, time_s, u, total, some, mass))
        first += count
    return tokens


def to_byte_planes(column: NDArray[Any]) -> bytes:
    """Return all lowest bytes of the values, then the next …."""
    width = column.dtype.itemsize
    column = np.ascontiguousarray(column).astype(column.dtype.newbyteorder("<"), copy=False)
    return column.view(np.uint8).reshape(-1, width).T.tobytes()


def from_byte_planes(data: bytes, count: int, width: int) -> NDArray[Any]:
    """Return the values again: uint8, uint16, uint32 or uint64."""
    parts = np.frombuffer(data, np.uint8).reshape(width, count)
    return np.ascontiguousarray(parts.T).view(f"<u{width}").reshape(count)
