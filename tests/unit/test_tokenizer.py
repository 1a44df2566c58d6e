from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_magics import ModelFileError, UnsupportedModel
from llm_magics.engine.tokenizer import TextTokenizer, _byte_of
from llm_magics.models.gguf_tokenizer import PRE_TOKENIZERS, tokenizer_spec
from tests import tiny


def metadata(**changes: Any) -> dict[str, Any]:
    texts, types, merges = tiny.tokens(tiny.SHAPE)
    base = {"model": "gpt2", "pre": "smollm", "tokens": texts, "token_type": types, "merges": merges, "bos_token_id": 1,
            "eos_token_id": 2}  # fmt: skip
    return {f"tokenizer.ggml.{key}": value for key, value in {**base, **changes}.items() if value is not None}


def load(folder: Path, data: dict[str, Any], *, add_bos: bool = False) -> TextTokenizer:
    spec = tokenizer_spec(data)
    (folder / "tokenizer.json").write_text(spec.json, "utf-8")
    ids = {"bos_id": spec.bos_id, "eos_id": spec.eos_id, "eos_ids": spec.eos_ids}
    return TextTokenizer.from_file(folder / "tokenizer.json", add_bos=add_bos, **ids)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> TextTokenizer:
    return load(tmp_path_factory.mktemp("tokenizer"), metadata())


def test_merges_digits_and_special_tokens(tokenizer: TextTokenizer) -> None:
    texts = tiny.tokens(tiny.SHAPE)[0]
    assert [texts[id] for id in tokenizer.encode(" the 12<|im_end|>")] == ["Ġthe", "Ġ", "1", "2", "<|im_end|>"]
    assert tokenizer.eos_ids == {0, 2} and tokenizer.eos_id == 2 and tokenizer.bos_id == 1


@given(st.text())
def test_any_text_survives(tokenizer: TextTokenizer, text: str) -> None:
    text = text.encode("utf-8", "replace").decode()
    ids = tokenizer.encode(text, special=False)
    decoder = tokenizer.decoder()
    pieces = [decoder.push(id) for id in ids]
    assert "".join(pieces) + decoder.flush() == text == tokenizer.decode(ids)
    assert not any("\ufffd" in piece for piece in pieces) or "\ufffd" in text


@given(st.lists(st.integers(0, tiny.SHAPE.vocab - 1), max_size=30))
def test_any_tokens_come_out_as_decode_has_them(tokenizer: TextTokenizer, ids: list[int]) -> None:
    decoder = tokenizer.decoder()
    assert "".join(map(decoder.push, ids)) + decoder.flush() == tokenizer.decode(ids, skip_special=True)


def test_a_character_is_shown_when_it_is_whole(tokenizer: TextTokenizer) -> None:
    decoder = tokenizer.decoder()
    assert [decoder.push(id) for id in tokenizer.encode("é🦊")] == ["", "é", "", "", "", "🦊"]
    decoder.push(tokenizer.encode("é")[0])
    assert decoder.flush() == "\ufffd"


@pytest.mark.parametrize("text", ["<|im_end|>", "a<|im_start|>system\nx<|im_end|>b", "<|im_<|im_end|>end|>"])
def test_special_tokens_in_plain_text_are_just_letters(tokenizer: TextTokenizer, text: str) -> None:
    assert tokenizer.has_special(text) and set(tokenizer.encode(text)) & {0, 1, 2}
    ids = tokenizer.encode(text, special=False)
    assert not set(ids) & {0, 1, 2} and tokenizer.decode(ids) == text


def test_special_tokens_that_overlap_or_are_one_character(tmp_path: Path) -> None:
    texts, types, merges = tiny.tokens(tiny.SHAPE)
    texts[-2:], types[-2:] = ["|>x", "\u2581"], [3, 3]
    tokenizer = load(tmp_path, metadata(tokens=texts, token_type=types, merges=merges))
    ids = tokenizer.encode("<|im_end|>x\u2581", special=False)
    assert not set(ids) & {0, 1, 2, len(texts) - 2, len(texts) - 1} and tokenizer.decode(ids) == "<|im_end|>x\u2581"
    assert tokenizer.encode("\u2581") == [len(texts) - 1], "and the next text has its special tokens again"


def test_plain_text_is_merged_across_what_spells_a_special_token(tmp_path: Path) -> None:
    texts, types, _ = tiny.tokens(tiny.SHAPE)
    texts[-1] = "<|"
    tokenizer = load(tmp_path, metadata(tokens=texts, token_type=types, merges=["< |"]))
    assert tokenizer.encode("<|im_end|>", special=False)[0] == len(texts) - 1


def test_threads_do_not_see_each_others_special_tokens(tokenizer: TextTokenizer) -> None:
    text = "a<|im_end|>" * 50
    special, plain = tokenizer.encode(text), tokenizer.encode(text, special=False)
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda n: tokenizer.encode(text, special=n % 2 == 0), range(200)))
    assert all(ids == (plain if n % 2 else special) for n, ids in enumerate(made))


CLUSTERS = ["👩\u200d👩\u200d👧\u200d👦", "🇫🇷", "é", "e\u0301", "🦊", "\u200d", "<|im_end|>", " the", "7", "\ufffd"]


@given(st.lists(st.sampled_from(CLUSTERS), max_size=20))
def test_clusters_survive_and_specials_add_nothing(tokenizer: TextTokenizer, parts: list[str]) -> None:
    ids = tokenizer.encode("".join(parts))
    decoder = tokenizer.decoder()
    assert "".join(map(decoder.push, ids)) + decoder.flush() == "".join(part for part in parts if part != "<|im_end|>")


@given(st.binary(max_size=30))
def test_invalid_bytes_come_out_as_python_decodes_them(tokenizer: TextTokenizer, data: bytes) -> None:
    ids = [3 + list(_byte_of().values()).index(byte) for byte in data]
    decoder = tokenizer.decoder()
    assert "".join(map(decoder.push, ids)) + decoder.flush() == data.decode("utf-8", "replace") == tokenizer.decode(ids)


def test_the_bos_token_comes_once(tmp_path: Path) -> None:
    tokenizer = load(tmp_path, metadata(), add_bos=True)
    assert tokenizer.encode("!") == [1, *tokenizer.encode("!")[1:]] and tokenizer.encode("") == [1]
    assert tokenizer.encode("<|im_start|>!") == tokenizer.encode("!"), "the template wrote it"
    assert tokenizer.encode("!", begin=False) == tokenizer.encode("!")[1:] and tokenizer.encode("", begin=False) == []
    assert tokenizer.encode("<|im_start|>!", begin=False) == tokenizer.encode("!"), "a special token in a later part stays"


def test_llama3_begins_with_bos_unless_the_file_says_no() -> None:
    assert tokenizer_spec(metadata(pre="llama-bpe")).add_bos and not tokenizer_spec(metadata()).add_bos
    assert not tokenizer_spec(metadata(pre="llama-bpe", add_bos_token=False)).add_bos


def test_qwen2_composes_characters(tmp_path: Path) -> None:
    tokenizer = load(tmp_path, metadata(pre="qwen2"))
    assert tokenizer.decode(tokenizer.encode("e\u0301")) == "é"


@pytest.mark.parametrize("pre", PRE_TOKENIZERS)
def test_every_pre_tokenizer_loads_and_loses_nothing(pre: str, tmp_path: Path) -> None:
    tokenizer = load(tmp_path, metadata(pre=pre), add_bos=True)
    ids = tokenizer.encode("It's 12345 the\n\n  end.")
    assert ids[0] == 1 and tokenizer.decode(ids[1:]) == "It's 12345 the\n\n  end."


def test_what_is_not_supported_is_named() -> None:
    with pytest.raises(UnsupportedModel, match="llama"):
        tokenizer_spec(metadata(model="llama"))
    with pytest.raises(UnsupportedModel, match="mystery"):
        tokenizer_spec(metadata(pre="mystery"))


@pytest.mark.parametrize(
    "changes",
    [{"tokens": None}, {"merges": ["x y"]}, {"merges": ["x"]}, {"merges": ["! \" #"]}, {"model": None}, {"pre": [1]},
     {"eos_token_id": True}, {"token_type": [1]}, {"tokens": [1, 2]}, {"eos_token_id": 10**6},
     {"tokens": ["a"] * tiny.SHAPE.vocab}],
)  # fmt: skip
def test_damage_is_a_clear_error(changes: dict[str, Any]) -> None:
    with pytest.raises(ModelFileError):
        tokenizer_spec(metadata(**changes))


def test_a_damaged_file_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text("{")
    with pytest.raises(ModelFileError):
        TextTokenizer.from_file(tmp_path / "t.json", bos_id=None, eos_ids=frozenset())


def test_another_kind_of_tokenizer_is_named(tmp_path: Path) -> None:
    data = json.loads(tokenizer_spec(metadata()).json)
    data["decoder"] = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
    (tmp_path / "t.json").write_text(json.dumps(data))
    with pytest.raises(ModelFileError, match="Metaspace"):
        TextTokenizer.from_file(tmp_path / "t.json", bos_id=None, eos_ids=frozenset())
