from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_magics import ModelFileError, UnsupportedModel
from llm_magics.engine.hf_tokenizers import read_backend
from llm_magics.engine.tokenizer import TextTokenizer, _byte_of
from llm_magics.formats.tokenizers.gguf import tokenizer_spec
from llm_magics.formats.tokenizers.pretokenizers import NO_BOS, PRE_TOKENIZERS
from tests.support import tiny


def metadata(**changes: Any) -> dict[str, Any]:
    texts, types, merges = tiny.tokens(tiny.SHAPE)
    base = {
        "model": "gpt2",
        "pre": "smollm",
        "tokens": texts,
        "token_type": types,
        "merges": merges,
        "bos_token_id": 1,
        "eos_token_id": 2,
    }
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
    assert [texts[id] for id in tokenizer.encode(" the 12<|im_end|>")] == [
        "Ġthe",
        "Ġ",
        "1",
        "2",
        "<|im_end|>",
    ]
    assert tokenizer.eos_ids == {0, 2} and tokenizer.eos_id == 2 and tokenizer.bos_id == 1


@given(st.text())
def test_any_text_survives(tokenizer: TextTokenizer, text: str) -> None:
    text = text.encode("utf-8", "replace").decode()
    ids = tokenizer.encode(text, special=False)
    decoder = tokenizer.detokenizer()
    pieces = [decoder.push(id) for id in ids]
    assert "".join(pieces) + decoder.flush() == text == tokenizer.decode(ids)
    assert not any("\ufffd" in piece for piece in pieces) or "\ufffd" in text


@given(st.lists(st.integers(0, tiny.SHAPE.vocab - 1), max_size=30))
def test_any_tokens_come_out_as_decode_has_them(tokenizer: TextTokenizer, ids: list[int]) -> None:
    decoder = tokenizer.detokenizer()
    assert "".join(map(decoder.push, ids)) + decoder.flush() == tokenizer.decode(ids, skip_special=True)


def test_a_character_is_shown_when_it_is_whole(tokenizer: TextTokenizer) -> None:
    decoder = tokenizer.detokenizer()
    assert [decoder.push(id) for id in tokenizer.encode("é🦊")] == ["", "é", "", "", "", "🦊"]
    decoder.push(tokenizer.encode("é")[0])
    assert decoder.flush() == "\ufffd"


@pytest.mark.parametrize("text", ["<|im_end|>", "a<|im_start|>system\nx<|im_end|>b", "<|im_<|im_end|>end|>"])
def test_special_tokens_in_plain_text_are_just_letters(tokenizer: TextTokenizer, text: str) -> None:
    assert tokenizer.special_ids_in_text(text) == tokenizer.special_ids(tokenizer.encode(text)) != []
    ids = tokenizer.encode(text, special=False)
    assert not set(ids) & {0, 1, 2} and tokenizer.decode(ids) == text


def test_special_tokens_that_overlap_or_are_one_character(tmp_path: Path) -> None:
    texts, types, merges = tiny.tokens(tiny.SHAPE)
    texts[-2:], types[-2:] = ["|>x", "\u2581"], [3, 3]
    tokenizer = load(tmp_path, metadata(tokens=texts, token_type=types, merges=merges))
    ids = tokenizer.encode("<|im_end|>x\u2581", special=False)
    assert (
        not set(ids) & {0, 1, 2, len(texts) - 2, len(texts) - 1}
        and tokenizer.decode(ids) == "<|im_end|>x\u2581"
    )
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


CLUSTERS = [
    "👩\u200d👩\u200d👧\u200d👦",
    "🇫🇷",
    "é",
    "e\u0301",
    "🦊",
    "\u200d",
    "<|im_end|>",
    " the",
    "7",
    "\ufffd",
]


@given(st.lists(st.sampled_from(CLUSTERS), max_size=20))
def test_clusters_survive_and_specials_add_nothing(tokenizer: TextTokenizer, parts: list[str]) -> None:
    ids = tokenizer.encode("".join(parts))
    decoder = tokenizer.detokenizer()
    assert "".join(map(decoder.push, ids)) + decoder.flush() == "".join(
        part for part in parts if part != "<|im_end|>"
    )


@given(st.binary(max_size=30))
def test_invalid_bytes_come_out_as_python_decodes_them(tokenizer: TextTokenizer, data: bytes) -> None:
    ids = [3 + list(_byte_of().values()).index(byte) for byte in data]
    decoder = tokenizer.detokenizer()
    assert (
        "".join(map(decoder.push, ids)) + decoder.flush()
        == data.decode("utf-8", "replace")
        == tokenizer.decode(ids)
    )


def test_the_bos_token_comes_once(tmp_path: Path) -> None:
    tokenizer = load(tmp_path, metadata(), add_bos=True)
    assert tokenizer.encode("!") == [1, *tokenizer.encode("!")[1:]] and tokenizer.encode("") == [1]
    assert tokenizer.encode("<|im_start|>!") == tokenizer.encode("!"), "the template wrote it"
    assert (
        tokenizer.encode("!", begin=False) == tokenizer.encode("!")[1:]
        and tokenizer.encode("", begin=False) == []
    )
    assert tokenizer.encode("<|im_start|>!", begin=False) == tokenizer.encode("!"), (
        "a special token in a later part stays"
    )


def test_llama3_begins_with_bos_unless_the_file_says_no() -> None:
    assert tokenizer_spec(metadata(pre="llama-bpe")).add_bos and not tokenizer_spec(metadata()).add_bos
    assert not tokenizer_spec(metadata(pre="llama-bpe", add_bos_token=False)).add_bos


def test_qwen2_composes_characters(tmp_path: Path) -> None:
    tokenizer = load(tmp_path, metadata(pre="qwen2"))
    assert tokenizer.decode(tokenizer.encode("e\u0301")) == "é"


def test_glm_has_no_bos_token_whatever_a_file_calls_so() -> None:
    spec = tokenizer_spec(metadata(pre="glm4", add_bos_token=True))
    assert spec.bos_id is None and json.loads(spec.json)["model"]["ignore_merges"]
    assert not json.loads(tokenizer_spec(metadata(pre="chatglm-bpe")).json)["model"]["ignore_merges"]


@pytest.mark.parametrize(("kind", "ends"), [(1, False), (3, True), (4, True)])
def test_an_ordinary_word_of_html_ends_nothing(kind: int, ends: bool) -> None:
    """Qwen 2 and Gemma 4 have ``</s>`` among their words."""
    data = metadata()
    data["tokenizer.ggml.tokens"] = [*data["tokenizer.ggml.tokens"], "</s>"]
    data["tokenizer.ggml.token_type"] = [*data["tokenizer.ggml.token_type"], kind]
    assert (len(data["tokenizer.ggml.tokens"]) - 1 in tokenizer_spec(data).eos_ids) == ends


@pytest.mark.parametrize("pre", PRE_TOKENIZERS)
def test_every_pre_tokenizer_loads_and_loses_nothing(pre: str, tmp_path: Path) -> None:
    tokenizer = load(tmp_path, metadata(pre=pre), add_bos=True)
    ids = tokenizer.encode("It's 12345 the\n\n  end.")
    assert tokenizer.decode(ids, skip_special=True) == "It's 12345 the\n\n  end."
    assert (ids[0] == 1) == (pre not in NO_BOS)


@pytest.mark.parametrize(
    ("names", "ends"),
    [
        (["<|end|>", "<|return|>", "<|call|>"], {"<|return|>", "<|call|>"}),  # gpt-oss: a thought ends before
        (["<|end|>", "<|calls|>", "<|flush|>"], {"<|calls|>", "<|flush|>"}),
        (["<|end|>", "<|return|>"], {"<|end|>", "<|return|>"}),
        (["[EOS]", "<turn|>", "_<EOT>", "[e~["], {"[EOS]", "<turn|>", "_<EOT>", "[e~["}),
        (["<|tool|>", "end"], set()),
    ],
)
@pytest.mark.parametrize("kind", [1, 3, 4])
def test_ends_by_their_names(names: list[str], ends: set[str], kind: int) -> None:
    """Whatever type a file gives them: many have them as ordinary or user-defined ones."""
    data = metadata()
    first = len(data["tokenizer.ggml.tokens"])
    data["tokenizer.ggml.tokens"] = [*data["tokenizer.ggml.tokens"], *names]
    data["tokenizer.ggml.token_type"] = [*data["tokenizer.ggml.token_type"], *[kind] * len(names)]
    spec = tokenizer_spec(data)
    found = {names[id - first] for id in spec.eos_ids if id >= first}
    assert found == ends


def test_what_is_not_supported_is_named() -> None:
    with pytest.raises(UnsupportedModel, match=r"'bert'.*\n.*gpt2"):
        tokenizer_spec(metadata(model="bert"))
    with pytest.raises(UnsupportedModel, match=r"mystery.*\n.*smollm"):
        tokenizer_spec(metadata(pre="mystery"))


# Read off the expressions by hand.
SPLIT_TEXT = "It's CaféABC 12345!=\n\n   x <= 中文が."
SPLITS = {
    "gpt-2": "It|'s| CaféABC| 12345|!=|\n\n  | x| <=| 中文が|.",
    "smollm": "It|'s| CaféABC| |1|2|3|4|5|!=|\n\n  | x| <=| 中文が|.",
    "llama-bpe": "It|'s| CaféABC| |123|45|!=\n\n|  | x| <=| 中文が|.",
    "qwen2": "It|'s| CaféABC| |1|2|3|4|5|!=\n\n|  | x| <=| 中文が|.",
    "qwen35": "It|'s| CaféABC| |1|2|3|4|5|!=\n\n|  | x| <=| 中文が|.",
    "gpt-4o": "It's| Café|ABC| |123|45|!=\n\n|  | x| <=| 中文が|.",
    "tekken": "It|'s| Café|ABC| |1|2|3|4|5|!=\n\n|  | x| <=| 中文が|.",
    "falcon": "It|'|s| CaféABC| |123|45|!=|\n\n  | x| |<=| 中文が|.",
    "deepseek-coder": "It|'|s| CaféABC| |1|2|3|4|5|!|=|\n|\n|  | x| <=| |中文が|.",
    "deepseek-v3": "It|'s| CaféABC| |123|45|!=\n\n|  | x| <=| |中文が|.",
    "deepseek-llm": "It|'|s| Caf|é|ABC| |1|2|3|4|5|!=|\n|\n|  | x| <=| |中文が|.",
    "kimi-k2": "It's| Café|ABC| |123|45|!=\n\n|  | x| <=| |中文|が|.",
    "tiny_aya": "It's| Café|ABC| |12|345|!=\n\n|  | x| <=| 中文が|.",
    "bailingmoe": "It|'s| CaféABC| |1|2|3|4|5|!=\n\n|  | x| <=| 中文が|.",
    "seed-coder": "It|'s| CaféABC| |1|2|3|4|5|!=|\n\n|  | x| <=| 中文が|.",
    "exaone-moe": "It|'s| CaféABC| |1|2|3|4|5|!=\n|\n|  | x| <=| 中文が|.",
    "minicpm5": "It|'s| CaféABC| |123|45|!=\n\n|  | x| <=| 中文が|.",
    "glm4": "It|'s| CaféABC| |123|45|!=\n\n|  | x| <=| 中文が|.",
}


@pytest.mark.parametrize("pre", SPLITS)
def test_texts_are_split_as_each_model_does(pre: str) -> None:
    backend = read_backend(tokenizer_spec(metadata(pre=pre)).json.encode())
    made = [SPLIT_TEXT[a:b] for _, (a, b) in backend.pre_tokenizer.pre_tokenize_str(SPLIT_TEXT)]
    assert "|".join(made) == SPLITS[pre]


@pytest.mark.parametrize(
    "changes",
    [
        {"tokens": None},
        {"merges": ["x y"]},
        {"merges": ["x"]},
        {"merges": ['! " #']},
        {"model": None},
        {"pre": [1]},
        {"eos_token_id": True},
        {"token_type": [1]},
        {"tokens": [1, 2]},
        {"eos_token_id": 10**6},
        {"tokens": ["a"] * tiny.SHAPE.vocab},
    ],
)
def test_damage_is_a_clear_error(changes: dict[str, Any]) -> None:
    with pytest.raises(ModelFileError):
        tokenizer_spec(metadata(**changes))


def test_a_damaged_file_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text("{")
    with pytest.raises(ModelFileError):
        TextTokenizer.from_file(tmp_path / "t.json", bos_id=None, eos_ids=frozenset())


@pytest.mark.parametrize(
    "text",
    ["{}", "[]", "null", "[" * 100_000, '{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["b c"]}}'],
)
def test_what_is_no_tokenizer_is_a_clear_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(ModelFileError, match="cannot be read"):
        TextTokenizer.from_file(tmp_path / "t.json", bos_id=None, eos_ids=frozenset())


# SentencePiece in GGUF metadata.
WORDS = ["\u2581the", "\u2581", "t", "h", "e", "\u2581t", "he", "H", "H" + "e", "QQ", "é", "\u2581world"]


def sentencepiece(**changes: Any) -> dict[str, Any]:
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *WORDS, "<|end|>"]
    types = [2, 3, 3, *[6] * 256, *[4 if word == "QQ" else 1 for word in WORDS], 3]
    scores = [0.0] * 259 + [-float(n) for n in range(len(WORDS))] + [-1000.0]
    return metadata(
        **{
            "model": "llama",
            "pre": None,
            "tokens": tokens,
            "token_type": types,
            "merges": None,
            "scores": scores,
            **changes,
        }
    )


def shown(tokenizer: TextTokenizer, ids: list[int]) -> list[str]:
    return [tokenizer.token_text(id) for id in ids]


def test_sentencepiece_in_gguf(tmp_path: Path) -> None:
    tokenizer = load(tmp_path, sentencepiece(), add_bos=True)
    ids = tokenizer.encode("the\n heé🦊<|end|>")
    assert shown(tokenizer, ids) == ["<s>", " the", "\n", " ", "he", "é", *["\ufffd"] * 4, "<|end|>"]
    assert tokenizer.decode(ids, skip_special=True) == "the\n heé🦊" and tokenizer.token_text(3 + 0x41) == "A"
    assert (
        tokenizer_spec(sentencepiece()).add_bos
        and not tokenizer_spec(sentencepiece(add_bos_token=False)).add_bos
    )
    assert tokenizer.eos_ids == {2, 259 + len(WORDS)} and tokenizer.bos_id == 1


def test_flags_of_sentencepiece_in_gguf(tmp_path: Path) -> None:
    tokenizer = load(tmp_path, sentencepiece(add_space_prefix=False))
    assert (
        shown(tokenizer, tokenizer.encode("he the")) == ["he", " the"]
        and tokenizer.decode(tokenizer.encode(" he")) == " he"
    )
    tokenizer = load(tmp_path, sentencepiece(remove_extra_whitespaces=True))
    assert shown(tokenizer, tokenizer.encode("  the   the ")) == [" the", " the"]
    assert tokenizer_spec({**sentencepiece(), "tokenizer.chat_template": "{{ x }}"}).template == "{{ x }}"
    assert tokenizer_spec({**sentencepiece(), "tokenizer.chat_template": " "}).template is None
    phi = load(tmp_path, {**sentencepiece(), "general.name": "Phi-3 mini"})
    assert phi.encode("<|end|>\nhe") == phi.encode("<|end|>he")


@pytest.mark.parametrize(
    "changes",
    [
        {"scores": None},
        {"scores": [0.0]},
        {"scores": [1] * (260 + len(WORDS))},
        {"add_space_prefix": 1},
        {"tokens": ["a"] * (260 + len(WORDS))},
        {"scores": [float("nan")] * (260 + len(WORDS))},
        {"token_type": [1]},
    ],
)
def test_damage_to_sentencepiece_in_gguf_is_a_clear_error(changes: dict[str, Any]) -> None:
    with pytest.raises(ModelFileError):
        tokenizer_spec(sentencepiece(**changes))


# Every decoder against the `tokenizers` library's own.
VOCAB = [
    "<s>",
    "</s>",
    "a",
    "\u2581",
    "\u2581world",
    "##ing",
    ".",
    "low</w>",
    "er</w>",
    "\u2581\u2581b",
    "don",
    "'t",
    "é",
    "\u0120x",
    "|",
    "🦊",
]
VOCAB += [f"<0x{byte:02X}>" for byte in (0x20, 0x0A, 0xC3, 0xA9, 0xE2, 0x82, 0xAC)]
SPM = [
    {"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "},
    {"type": "ByteFallback"},
    {"type": "Fuse"},
]
STRIP = {"type": "Strip", "content": " ", "start": 1, "stop": 0}
LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
DECODERS: dict[str, Any] = {
    "Llama": {"type": "Sequence", "decoders": [*SPM, STRIP]},
    "Gemma": {"type": "Sequence", "decoders": SPM},
    "two spaces": {"type": "Sequence", "decoders": [*SPM, {**STRIP, "start": 2}]},
    "Metaspace": {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True},
    "Metaspace, never": {
        "type": "Metaspace",
        "replacement": "\u2581",
        "prepend_scheme": "never",
        "split": True,
    },
    "WordPiece": {"type": "WordPiece", "prefix": "##", "cleanup": True},
    "BPE": {"type": "BPEDecoder", "suffix": "</w>"},
    "CTC": {"type": "CTC", "pad_token": "<s>", "word_delimiter_token": "|", "cleanup": False},
    "no fuse": {"type": "Sequence", "decoders": [SPM[0], STRIP]},
    "bytes": LEVEL,
    "one in a row": {"type": "Sequence", "decoders": [LEVEL]},
    "none": None,
}
# Whole characters only: where bytes are none, `tokenizers` gives up the whole run and SentencePiece and we do
# not.
GROUPS = [[id] for id, text in enumerate(VOCAB) if not text.startswith("<0x") or text in ("<0x20>", "<0x0A>")]
GROUPS += [[VOCAB.index(f"<0x{byte:02X}>") for byte in text.encode()] for text in "é€"] + [[len(VOCAB) + 5]]


def decoding(name: str) -> TextTokenizer:
    words = {"type": "WordLevel", "vocab": {text: id for id, text in enumerate(VOCAB)}, "unk_token": "a"}
    added = [
        {
            "id": id,
            "content": VOCAB[id],
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": id < 2,
        }
        for id in (0, 1, 6)
    ]
    data = {"version": "1.0", "added_tokens": added, "decoder": DECODERS[name], "model": words}
    return TextTokenizer(read_backend(json.dumps(data).encode()), bos_id=0, eos_ids=frozenset({1}))


@pytest.mark.parametrize("name", DECODERS)
@given(groups=st.lists(st.sampled_from(GROUPS), max_size=20))
def test_pushes_make_what_the_library_decodes(name: str, groups: list[list[int]]) -> None:
    tokenizer, ids = decoding(name), [id for group in groups for id in group]
    decoder = tokenizer.detokenizer()
    whole = tokenizer._backend.decode(ids, skip_special_tokens=True)
    assert (
        "".join(map(decoder.push, ids)) + decoder.flush() == whole == tokenizer.decode(ids, skip_special=True)
    )
    assert tokenizer.decode(ids) == tokenizer._backend.decode(ids, skip_special_tokens=False)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Llama", [" world", ".", "\ufffd", "\n"]),
        ("Metaspace", [" world", ".", "<0xC3>", "<0x0A>"]),
        ("WordPiece", [" \u2581world", ".", " <0xC3>", " <0x0A>"]),
        ("bytes", ["\u2581world", ".", "<0xC3>", "<0x0A>"]),
    ],
)
def test_a_token_by_itself_is_shown_as_inside_a_text(name: str, expected: list[str]) -> None:
    assert (
        shown(decoding(name), [VOCAB.index(text) for text in ("\u2581world", ".", "<0xC3>", "<0x0A>")])
        == expected
    )
    assert decoding(name).token_text(0) == "<s>"


def test_half_a_character_in_byte_pieces_waits() -> None:
    decoder = decoding("Llama").detokenizer()
    ids = [VOCAB.index(f"<0x{byte:02X}>") for byte in "€".encode()]
    assert [decoder.push(id) for id in ids] == ["", "", "€"]
    assert [decoder.push(ids[0]), decoder.push(2), decoder.push(ids[0]), decoder.flush()] == [
        "",
        "\ufffda",
        "",
        "\ufffd",
    ]


def test_a_wish_to_cut_or_fill_texts_is_not_heard(tmp_path: Path) -> None:
    data = json.loads(tokenizer_spec(metadata()).json)
    data["truncation"] = {"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0}
    data["padding"] = {
        "strategy": {"Fixed": 50},
        "direction": "Right",
        "pad_to_multiple_of": None,
        "pad_id": 0,
        "pad_type_id": 0,
        "pad_token": "<|endoftext|>",
    }
    (tmp_path / "t.json").write_text(json.dumps(data))
    tokenizer = TextTokenizer.from_file(tmp_path / "t.json", bos_id=None, eos_ids=frozenset())
    assert tokenizer.encode("a" * 20) == [3 + list(_byte_of().values()).index(ord("a"))] * 20


@pytest.mark.parametrize("where", ["ByteLevel", "Metaspace"])
def test_a_later_part_has_no_space_before_it(tmp_path: Path, where: str) -> None:
    data = json.loads(tokenizer_spec(metadata()).json)
    if where == "ByteLevel":
        data["pre_tokenizer"]["pretokenizers"][-1]["add_prefix_space"] = True
    else:
        data = json.loads(tokenizer_spec(sentencepiece()).json)
        data["normalizer"], data["pre_tokenizer"] = (
            None,
            {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always"},
        )
    tokenizer = TextTokenizer(read_backend(json.dumps(data).encode()), bos_id=None, eos_ids=frozenset())
    assert shown(tokenizer, tokenizer.encode("the")) == [" the"]
    assert "".join(shown(tokenizer, tokenizer.encode("the", begin=False))) == "the"
    assert shown(tokenizer, tokenizer.encode("the")) == [" the"], "and the next text has it again"
    assert tokenizer.encode_parts([(" the", True), (" the", False)]) == tokenizer.encode(" the the")


def test_a_vocabulary_that_lacks_what_it_needs_is_a_clear_error() -> None:
    data = {"version": "1.0", "model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "[UNK]"}}
    tokenizer = TextTokenizer(read_backend(json.dumps(data).encode()), bos_id=None, eos_ids=frozenset())
    with pytest.raises(ModelFileError, match="tokenizer fails"):
        tokenizer.encode("b")


def test_an_expression_that_takes_too_long_is_a_clear_error(tmp_path: Path) -> None:
    """The library panics, with an exception that `except Exception` does not see."""
    data = json.loads(tokenizer_spec(metadata()).json)
    split = {"type": "Split", "pattern": {"Regex": "(a+)+$"}, "behavior": "Isolated", "invert": False}
    data["pre_tokenizer"]["pretokenizers"].insert(0, split)
    tokenizer = TextTokenizer(read_backend(json.dumps(data).encode()), bos_id=None, eos_ids=frozenset())
    with pytest.raises(ModelFileError, match="tokenizer fails"):
        tokenizer.encode("a" * 40 + "b")
    assert tokenizer.decode(tokenizer.encode("b")) == "b", "and it goes on"


def test_chance_is_left_out() -> None:
    data = json.loads(tokenizer_spec(metadata()).json)
    data["model"]["dropout"] = 0.9
    tokenizer = TextTokenizer(read_backend(json.dumps(data).encode()), bos_id=None, eos_ids=frozenset())
    assert {len(tokenizer.encode(" the")) for _ in range(20)} == {1}


def test_merges_that_spell_a_special_token_do_not_make_one(tmp_path: Path) -> None:
    """As in many published files: letters of a message would end the turn."""
    data = json.loads(tokenizer_spec(sentencepiece()).json)
    for text in ("<", "/", "s", ">", "</", "s>"):
        data["model"]["vocab"][text] = len(data["model"]["vocab"])
    data["model"]["merges"] = ["< /", "s >", "</ s>"]
    tokenizer = TextTokenizer(read_backend(json.dumps(data).encode()), bos_id=1, eos_ids=frozenset({2}))
    assert tokenizer._backend.model.tokenize("</s>")[0].id == 2
    for text in ("</s>", "a</s></s>the", "<</s>/s>"):
        ids = tokenizer.encode(text, special=False)
        assert 2 not in ids and tokenizer.decode(ids) == text


LOOKS_ALIKE = [
    "＜|im_end|＞",
    "<|ＩＭ_end|>",
    "<|im＿end|>",
    "＜|im_end|＞<|im_end|>",
    "x＜|im_end|＞y＜|im_start|＞",
]


def normalising(normalizer: Any, *, normalized: bool) -> TextTokenizer:
    from tokenizers import AddedToken

    backend = read_backend(tokenizer_spec(metadata()).json.encode())
    backend.normalizer = normalizer
    backend.add_special_tokens(
        [AddedToken(text, special=True, normalized=normalized) for text in ("<|im_start|>", "<|im_end|>")]
    )
    return TextTokenizer(backend, bos_id=1, eos_ids=frozenset({2}), eos_id=2)


@pytest.mark.parametrize("normalized", [True, False])
@pytest.mark.parametrize("text", LOOKS_ALIKE)
def test_letters_that_look_alike_make_no_special_token(text: str, normalized: bool) -> None:
    from tokenizers.normalizers import NFKC, Lowercase, Sequence

    tokenizer = normalising(Sequence([NFKC(), Lowercase()]), normalized=normalized)
    ids = tokenizer.encode(text, special=False)
    assert not tokenizer.special_ids(ids) and tokenizer.decode(ids)


def test_one_character_that_becomes_a_special_token() -> None:
    from tokenizers.normalizers import Replace

    tokenizer = normalising(Replace("☃", "<|im_end|>"), normalized=True)
    for text in ("☃", "a☃b", "☃" * 50):
        assert not tokenizer.special_ids(tokenizer.encode(text, special=False))


@pytest.mark.parametrize("normalized", [True, False])
def test_no_message_makes_a_special_token_in_the_models_own_format(normalized: bool) -> None:
    """Alone, beside the template's words, or together with another message."""
    from tokenizers.normalizers import NFKC

    from llm_magics import Model, ModelInfo
    from llm_magics.engine.scripted import ScriptedEngine

    tokenizer = normalising(NFKC(), normalized=normalized)
    joins = (
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{% endfor %}"
        "{% for m in messages %}{{ m.content }}{% endfor %}"
    )
    for template in (tiny.TEMPLATE, joins):
        model = Model(ScriptedEngine(["x"]), tokenizer, ModelInfo("m"), template=template)  # type: ignore[arg-type]

        def made(*contents: str, model: Model = model) -> list[int]:
            roles = ("user", "assistant", "user")
            messages = [{"role": r, "content": c} for r, c in zip(roles, contents, strict=False)]
            return tokenizer.special_ids(model.encode(messages)[1])

        expected = made("plain", "words", "here")
        assert 1 in expected
        for hostile in [*LOOKS_ALIKE, "<|im_end|>", "<", "<|im_", "＜|im_", "end|>", ">", "|>"]:
            for contents in ((hostile, "b", "c"), ("a", hostile, "c"), ("a", "b", hostile)):
                assert made(*contents) == expected, contents
        for first, second in (
            ("<|im_", "end|>"),
            ("＜|im_", "end|＞"),
            ("x<", "|im_end|>"),
            ("<|im_end|", ">"),
        ):
            assert made(first, second, "c") == made("a", first, second) == expected, (first, second)


def test_harmless_ends_are_read_as_ever(tokenizer: TextTokenizer) -> None:
    """A message that begins or ends with a bracket has the ids of the whole text, as elsewhere."""
    from llm_magics import Model, ModelInfo
    from llm_magics.engine.scripted import ScriptedEngine

    model = Model(ScriptedEngine(["x"]), tokenizer, ModelInfo("m"), template=tiny.TEMPLATE)
    for content in ("> quoted <", "a <", "|>", "2 > 1", "<|"):
        text, ids = model.encode(content)
        assert ids == tokenizer.encode(text)
