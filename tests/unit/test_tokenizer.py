from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_magics import ModelFileError, UnsupportedModel
from llm_magics.engine.tokenizer import TextTokenizer
from llm_magics.models.gguf_tokenizer import PRE_TOKENIZERS, tokenizer_spec
from tests import tiny


def metadata(**changes: Any) -> dict[str, Any]:
    texts, types, merges = tiny.tokens(tiny.SHAPE)
    base = {"model": "gpt2", "pre": "smollm", "tokens": texts, "token_type": types, "merges": merges, "bos_token_id": 1,
            "eos_token_id": 2}  # fmt: skip
    return {f"tokenizer.ggml.{key}": value for key, value in {**base, **changes}.items() if value is not None}


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> TextTokenizer:
    spec = tokenizer_spec(metadata())
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    path.write_text(spec.json, "utf-8")
    return TextTokenizer.from_file(path, bos_id=spec.bos_id, eos_ids=spec.eos_ids)


def test_merges_digits_and_special_tokens(tokenizer: TextTokenizer) -> None:
    texts = tiny.tokens(tiny.SHAPE)[0]
    assert [texts[id] for id in tokenizer.encode(" the 12<|im_end|>")] == ["Ġthe", "Ġ", "1", "2", "<|im_end|>"]
    assert tokenizer.eos_ids == {0, 2} and tokenizer.bos_id == 1


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


@pytest.mark.parametrize("pre", PRE_TOKENIZERS)
def test_every_pre_tokenizer_loads_and_loses_nothing(pre: str, tmp_path: Path) -> None:
    spec = tokenizer_spec(metadata(pre=pre))
    (tmp_path / "t.json").write_text(spec.json, "utf-8")
    tokenizer = TextTokenizer.from_file(tmp_path / "t.json", bos_id=1, eos_ids=spec.eos_ids, add_bos=True)
    ids = tokenizer.encode("It's 12345 the\n\n  end.")
    assert ids[0] == 1 and tokenizer.decode(ids[1:]) == "It's 12345 the\n\n  end."


def test_what_is_not_supported_is_named() -> None:
    with pytest.raises(UnsupportedModel, match="llama"):
        tokenizer_spec(metadata(model="llama"))
    with pytest.raises(UnsupportedModel, match="mystery"):
        tokenizer_spec(metadata(pre="mystery"))


@pytest.mark.parametrize(
    "changes",
    [{"tokens": None}, {"merges": ["x y"]}, {"merges": ["x"]}, {"token_type": [1]}, {"tokens": [1, 2]}, {"eos_token_id": 10**6},
     {"tokens": ["a"] * tiny.SHAPE.vocab}],
)  # fmt: skip
def test_damage_is_a_clear_error(changes: dict[str, Any]) -> None:
    with pytest.raises(ModelFileError):
        tokenizer_spec(metadata(**changes))


def test_a_damaged_file_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text("{")
    with pytest.raises(ModelFileError):
        TextTokenizer.from_file(tmp_path / "t.json", bos_id=None, eos_ids=frozenset())
