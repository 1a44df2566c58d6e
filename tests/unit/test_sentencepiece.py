from __future__ import annotations

import random
import struct
import time
import unicodedata
from functools import cache
from itertools import pairwise
from typing import Any

import pytest
import sentencepiece
from hypothesis import given
from hypothesis import strategies as st

from llm_magics import LLMMagicsError, ModelFileError, UnsupportedModel
from llm_magics.engine.hf_tokenizers import read_backend
from llm_magics.engine.tokenizer import TextTokenizer
from llm_magics.formats.tokenizers.gguf import tokenizer_spec
from llm_magics.formats.tokenizers.sentencepiece import (
    MAX_PIECE,
    SentencePieceModel,
    read_model,
    tokenizer_json,
)
from tests.support.pieces import strings, train

STRINGS = strings(500)
MODELS: dict[str, dict[str, Any]] = {
    "as Llama 2": {},
    "as Gemma": {
        "add_dummy_prefix": False,
        "split_digits": True,
        "user_defined_symbols": ["\n\n", "<sep>", "QQ"],
    },
    "squeezed": {"remove_extra_whitespaces": True},
    "no bytes": {"byte_fallback": False},
    "more control": {
        "control_symbols": ["<|im_start|>", "<|im_end|>"],
        "unk_piece": "<?>",
        "eos_piece": "[end]",
    },
    "unigram": {"model_type": "unigram"},
    "unigram, no bytes, no prefix": {
        "model_type": "unigram",
        "byte_fallback": False,
        "add_dummy_prefix": False,
    },
    "unigram, squeezed": {"model_type": "unigram", "remove_extra_whitespaces": True, "split_digits": True},
}
NORMALISED: dict[str, dict[str, Any]] = {
    "as OpenLLaMA": {"normalization_rule_name": "nmt_nfkc"},
    "nfkc": {"normalization_rule_name": "nfkc", "remove_extra_whitespaces": True},
    "unigram nmt_nfkc": {
        "model_type": "unigram",
        "normalization_rule_name": "nmt_nfkc",
        "remove_extra_whitespaces": True,
    },
}


@cache
def both(name: str) -> tuple[TextTokenizer, Any]:
    """Our tokenizer and SentencePiece's own from the same file."""
    data = train(**{**MODELS, **NORMALISED}[name])
    return ours(read_model(data)), sentencepiece.SentencePieceProcessor(model_proto=data)


def ours(pieces: SentencePieceModel, **options: Any) -> TextTokenizer:
    backend = read_backend(tokenizer_json(pieces, **options).encode())
    return TextTokenizer(backend, bos_id=pieces.control(pieces.bos), eos_ids=frozenset())


def loses_a_mark(text: str) -> bool:
    """What the docstring of _charsmap says."""
    return any(unicodedata.normalize("NFKC", a) != a and unicodedata.combining(b) for a, b in pairwise(text))


@pytest.mark.parametrize("name", [*MODELS, *NORMALISED])
def test_ids_are_sentencepieces_own(name: str) -> None:
    tokenizer, theirs = both(name)
    texts = [text for text in STRINGS if name in MODELS or not loses_a_mark(text)]
    assert len(texts) > 550
    for text in texts:
        assert tokenizer.encode(text) == theirs.encode(text), repr(text)


@pytest.mark.parametrize(
    "name", [name for name, kw in {**MODELS, **NORMALISED}.items() if kw.get("byte_fallback", True)]
)
def test_texts_are_sentencepieces_own(name: str) -> None:
    tokenizer, theirs = both(name)
    for text in STRINGS:
        ids = theirs.encode(text)
        decoder = tokenizer.detokenizer()
        assert (
            tokenizer.decode(ids) == theirs.decode(ids) == "".join(map(decoder.push, ids)) + decoder.flush()
        )


@given(st.text().map(lambda text: text.encode("utf-8", "replace").decode()))
def test_any_text_has_sentencepieces_ids_and_survives(text: str) -> None:
    tokenizer, theirs = both("as Llama 2")
    ids = tokenizer.encode(text, special=False)
    # SentencePiece reads ▁ as a space, and stops at a null character.
    assert tokenizer.decode(ids) == text.replace("\u2581", " ") and (
        "\0" in text or ids == theirs.encode(text)
    )


@given(st.lists(st.integers(3, 699), max_size=30))
def test_any_ids_come_out_as_sentencepiece_has_them(ids: list[int]) -> None:
    """Also bytes that are no character: each is one U+FFFD."""
    tokenizer, theirs = both("as Llama 2")
    ids = [id for id in ids if id < tokenizer.vocab_size]
    while ids[:1] == [3 + 0x20]:  # `tokenizers` and we take this space away too
        ids = ids[1:]
    decoder = tokenizer.detokenizer()
    assert "".join(map(decoder.push, ids)) + decoder.flush() == tokenizer.decode(ids) == theirs.decode(ids)


def test_control_pieces_are_letters_in_plain_text() -> None:
    tokenizer, theirs = both("as Llama 2")
    for text in ("a</s>b", "<s>", "</s></s>", "x<unk>y", "<<s>s>"):
        assert tokenizer.special_ids_in_text(text) and tokenizer.encode(text, special=False) == theirs.encode(
            text
        )
    assert tokenizer.encode("a</s>")[-1] == 2


def test_roles_and_flags_are_read() -> None:
    pieces = read_model(train(**MODELS["more control"]))
    assert (pieces.kind, pieces.prefix, pieces.squeeze, pieces.charsmap) == ("bpe", True, False, b"")
    assert (pieces.bos, pieces.eos, pieces.control("<s>"), pieces.control("[end]")) == ("<s>", "[end]", 1, 2)
    assert pieces.unknown == 0 and pieces.texts[0] == "<?>" and pieces.control("the") is None
    pieces = read_model(train(**NORMALISED["unigram nmt_nfkc"]))
    assert (pieces.kind, pieces.squeeze) == ("unigram", True) and len(pieces.charsmap) > 200_000


def model(texts: list[str], **options: Any) -> SentencePieceModel:
    types = [2, 3, 3, *[6] * 256, *[1] * len(texts)]
    bytes_ = [f"<0x{byte:02X}>" for byte in range(256)]
    return SentencePieceModel(
        ["<unk>", "<s>", "</s>", *bytes_, *texts],
        [0.0] * 259 + [-float(n) for n in range(len(texts))],
        types,
        **options,
    )


def test_letters_never_merge_into_a_control_piece() -> None:
    tokenizer = ours(model(["<", "/", "s", ">", "</", "s>", "\u2581"]))
    assert [tokenizer.token_text(id) for id in tokenizer.encode("</s>", special=False)] == [" ", "</", "s>"]


def test_a_later_part_has_no_prefix() -> None:
    tokenizer, _ = both("as Llama 2")
    whole = tokenizer.encode("Hello world of tokens")
    assert tokenizer.encode("Hello") + tokenizer.encode(" world of tokens", begin=False) == whole
    assert tokenizer.encode_parts([("Hello", True), (" world", False), (" of tokens", True)]) == whole
    assert tokenizer.encode("") == tokenizer.encode("", begin=False) == []


@pytest.mark.parametrize("every", [True, False])
def test_parts_have_their_prefixes_where_the_whole_has_them(every: bool) -> None:
    tokenizer = ours(read_model(train(control_symbols=["<|im_start|>", "<|im_end|>"])), every=every)
    parts = ["<s><|im_start|>", "Hello", "<|im_end|>", " world", "<|im_end|>\n<|im_start|>the", " of tokens"]
    whole = tokenizer.encode("".join(parts))
    assert tokenizer.encode_parts([(part, True) for part in parts]) == whole
    assert tokenizer.encode_parts([("", True), ("".join(parts), True)]) == whole
    always = "<s><|im_start|> Hello<|im_end|>  world<|im_end|> \n<|im_start|> the of tokens"
    once = "<s><|im_start|>Hello<|im_end|> world<|im_end|>\n<|im_start|>the of tokens"
    assert "".join(map(tokenizer.token_text, whole)) == (always if every else once)
    rest = tokenizer.encode("the<|im_end|>the", begin=False)
    assert "".join(map(tokenizer.token_text, rest)) == ("the<|im_end|> the" if every else "the<|im_end|>the")


def test_legacy_false_puts_one_prefix() -> None:
    pieces = read_model(train())
    once, always = ours(pieces, every=False), ours(pieces)
    assert once.encode("Hello") == always.encode("Hello") and once.decode(once.encode("Hello")) == "Hello"
    assert once.encode("</s>Hello") != always.encode("</s>Hello")
    assert once.decode(once.encode("</s>Hello"), skip_special=True) == "Hello"


@pytest.mark.parametrize("name", ["as Llama 2", "as Gemma", "squeezed"])
def test_the_same_model_in_gguf_metadata_is_the_same_tokenizer(name: str) -> None:
    pieces = read_model(train(**MODELS[name]))
    metadata = {
        "model": "llama",
        "tokens": pieces.texts,
        "scores": pieces.scores,
        "token_type": pieces.types,
        "add_space_prefix": pieces.prefix,
        "remove_extra_whitespaces": pieces.squeeze,
    }
    spec = tokenizer_spec({f"tokenizer.ggml.{key}": value for key, value in metadata.items()})
    assert spec.json == tokenizer_json(pieces)


def test_special_tokens_that_swallow_white_space() -> None:
    tokenizer = ours(read_model(train()), rstrip=frozenset({"</s>"}))
    assert tokenizer.encode("</s>\n Hello") == tokenizer.encode("</s>Hello")


def test_a_large_vocabulary_takes_seconds() -> None:
    rng = random.Random(0)
    texts = list("abcdefghijklmnopqrstuvwxyz\u2581")
    known = set(texts)
    while len(texts) < 32_000:
        text = rng.choice(texts) + rng.choice(texts)
        if len(text) <= 14 and text not in known:
            known.add(text)
            texts.append(text)
    pieces = model(texts)
    start = time.process_time()
    tokenizer_json(pieces)
    assert time.process_time() - start < 3, "0.4 s on the development machine"


def varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out, value = out + bytes([value & 0x7F | 0x80]), value >> 7
    return out + bytes([value])


def field(number: int, value: int | bytes | float) -> bytes:
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def proto(pieces: list[tuple[str, float, int]], trainer: bytes = b"", normalizer: bytes = b"") -> bytes:
    body = b"".join(
        field(1, field(1, text.encode()) + field(2, score) + field(3, type_)) for text, score, type_ in pieces
    )
    return body + field(2, field(3, 2) + trainer) + field(3, normalizer)


GOOD = [("<unk>", 0.0, 2), ("<s>", 0.0, 3), ("a", -1.0, 1), ("b", -2.0, 1)]


def test_a_model_written_by_hand_is_read() -> None:
    pieces = read_model(
        proto(GOOD) + field(99, b"what later versions add") + varint(99 << 3 | 1) + b"8 bytes!"
    )
    assert (pieces.texts, pieces.scores, pieces.types) == (
        ["<unk>", "<s>", "a", "b"],
        [0.0, 0.0, -1.0, -2.0],
        [2, 3, 1, 1],
    )


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x0a",
        b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x0a\xff\xff\xff\x7f",
        b"\x0b",
        b"not one",
        field(1, 5),
        field(2, 7),
        proto(GOOD[1:]),
        proto([*GOOD, GOOD[2]]),
        proto(GOOD, field(46, b"\xff")),
        proto([*GOOD, ("c", float("nan"), 1)]),
        proto([*GOOD, ("c", float("inf"), 1)]),
        proto([*GOOD, ("x" * (MAX_PIECE + 1), 0.0, 1)]),
        proto(GOOD) + field(1, field(1, b"c") + field(2, 1)),
        proto(GOOD) + field(1, field(1, b"\xff")),
        proto(GOOD) + field(1, field(1, b"c") + field(3, b"1")),
        proto(GOOD, normalizer=field(3, b"yes")),
        proto(GOOD, normalizer=field(2, 1)),
        proto(GOOD)[:-1],
    ],
)
def test_damage_is_a_clear_error(data: bytes) -> None:
    with pytest.raises(ModelFileError) as caught:
        read_model(data)
    assert caught.value.hint


def test_a_damaged_table_of_characters_is_a_clear_error() -> None:
    for charsmap in (b"x", b"\x04\0\0\0", b"\xff\xff\xff\xff" * 9):
        with pytest.raises(ModelFileError, match="table of characters"):
            tokenizer_json(read_model(proto(GOOD, normalizer=field(2, charsmap))))


def test_what_is_not_supported_is_named() -> None:
    for data in (
        train(model_type="char", byte_fallback=False),
        train(model_type="word", byte_fallback=False),
        proto(GOOD, field(24, 1)),
        proto(GOOD, normalizer=field(5, 0)),
    ):
        with pytest.raises(UnsupportedModel, match="SentencePiece"):
            read_model(data)
    with pytest.raises(UnsupportedModel, match="tiktoken"):
        read_model(b"IQ== 0\nIg== 1\nIw== 2\n" * 20)


def test_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llm_magics.formats.tokenizers.sentencepiece.MAX_BYTES", 10)
    with pytest.raises(ModelFileError, match="bytes"):
        read_model(proto(GOOD))
    monkeypatch.setattr("llm_magics.formats.tokenizers.sentencepiece.MAX_BYTES", 10_000)
    monkeypatch.setattr("llm_magics.formats.tokenizers.sentencepiece.MAX_PIECES", 3)
    with pytest.raises(ModelFileError, match="pieces"):
        read_model(proto(GOOD))
    monkeypatch.setattr("llm_magics.formats.tokenizers.sentencepiece.MAX_MERGES", 5)
    with pytest.raises(ModelFileError, match="merges"):
        tokenizer_json(model(["a", "aa", "aaa", "aaaa"]))


def test_random_damage_gives_a_model_or_a_clear_error() -> None:
    rng, data = random.Random(0), train()
    for _ in range(300):
        damaged = bytearray(data)
        for _ in range(rng.choice([1, 5])):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        if rng.random() < 0.3:
            damaged = damaged[: rng.randrange(len(damaged))]
        try:
            tokenizer = ours(read_model(bytes(damaged)))
            tokenizer.decode(tokenizer.encode("Hello wörld </s> 🦊"))
        except LLMMagicsError as error:
            assert error.hint
