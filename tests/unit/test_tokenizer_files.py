from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from llm_magics import ModelFileError, UnsupportedModel
from llm_magics.engine.hf_tokenizers import read_backend
from llm_magics.engine.tokenizer import TextTokenizer
from llm_magics.formats.tokenizers import folder as tokenizer_files
from llm_magics.formats.tokenizers.folder import spec_from_folder
from llm_magics.formats.tokenizers.gguf import TokenizerSpec, byte_level_json
from tests.support.pieces import train

LETTERS = ["<s>", "</s>", "<|im_end|>", "Ġ", "a", "b", "ab", "Ġab"]
BOS_FIRST = {
    "type": "TemplateProcessing",
    "pair": [],
    "special_tokens": {"<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]}},
    "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
}
EOS_LAST = {**BOS_FIRST, "single": BOS_FIRST["single"][::-1]}


def ready(post_processor: Any = None, **changes: Any) -> dict[str, Any]:
    """A tokenizer.json."""
    vocab = {text: id for id, text in enumerate(LETTERS)}
    data = json.loads(
        byte_level_json("gpt-2", vocab, ["a b", "Ġ ab"], [(id, LETTERS[id], True) for id in range(3)])
    )
    return {**data, "post_processor": post_processor, **changes}


def folder(path: Path, **files: Any) -> Path:
    """Files by name, "__" for the dot; what is no text or bytes is written as JSON."""
    for name, content in files.items():
        target = path / name.replace("__", ".")
        target.write_bytes(content) if isinstance(content, bytes) else target.write_text(
            content if isinstance(content, str) else json.dumps(content), "utf-8"
        )
    return path


def loaded(spec: TokenizerSpec) -> TextTokenizer:
    return TextTokenizer(
        read_backend(spec.json.encode()),
        bos_id=spec.bos_id,
        eos_id=spec.eos_id,
        eos_ids=spec.eos_ids,
        add_bos=spec.add_bos,
    )


@cache
def sentencepiece(**options: Any) -> bytes:
    return train(vocab_size=400, **options)


def test_a_ready_tokenizer_stays_as_it_is(tmp_path: Path) -> None:
    text = json.dumps(ready())
    spec = spec_from_folder(folder(tmp_path, tokenizer__json=text, tokenizer__model=b"not looked at"))
    assert spec == TokenizerSpec(text, None, None, frozenset({1, 2}), False, None)
    assert loaded(spec).decode(loaded(spec).encode("ab ab")) == "ab ab"


@pytest.mark.parametrize("as_table", [False, True])
def test_roles(tmp_path: Path, as_table: bool) -> None:
    def written(text: str) -> Any:
        return {"__type": "AddedToken", "content": text, "lstrip": False} if as_table else text

    config = {
        "bos_token": written("<s>"),
        "eos_token": written("<|im_end|>"),
        "unk_token": None,
        "pad_token": written("[PAD]"),
    }
    spec = spec_from_folder(folder(tmp_path, tokenizer__json=ready(), tokenizer_config__json=config))
    assert (spec.bos_id, spec.eos_id, spec.eos_ids, spec.add_bos) == (0, 2, frozenset({1, 2}), False)


def test_roles_from_the_older_file(tmp_path: Path) -> None:
    files = {
        "tokenizer_config__json": {"eos_token": "</s>"},
        "special_tokens_map__json": {"eos_token": "a", "bos_token": "<s>"},
    }
    spec = spec_from_folder(folder(tmp_path, tokenizer__json=ready(), **files))
    assert (spec.bos_id, spec.eos_id) == (0, 1)


@pytest.mark.parametrize(("post", "begins"), [(BOS_FIRST, True), (EOS_LAST, False), (None, False)])
def test_the_post_processor_says_whether_bos_comes_first(tmp_path: Path, post: Any, begins: bool) -> None:
    spec = spec_from_folder(
        folder(tmp_path, tokenizer__json=ready(post), tokenizer_config__json={"add_bos_token": not begins})
    )
    assert spec.add_bos == begins and spec.bos_id == (0 if begins else None)
    assert loaded(spec).encode("ab") == ([0, 6] if begins else [6]), "and nothing at the end"


@pytest.mark.parametrize("kind", ["LlamaTokenizer", "LlamaTokenizerFast", "GemmaTokenizerFast"])
def test_some_classes_go_by_their_configuration(tmp_path: Path, kind: str) -> None:
    config = {"tokenizer_class": kind, "bos_token": "<s>"}
    for given, begins in (({}, True), ({"add_bos_token": False}, False), ({"add_bos_token": None}, True)):
        for post in (BOS_FIRST, None):
            spec = spec_from_folder(
                folder(tmp_path, tokenizer__json=ready(post), tokenizer_config__json={**config, **given})
            )
            assert (spec.add_bos, spec.bos_id) == (begins, 0)


def test_ends_from_every_file(tmp_path: Path) -> None:
    files = {
        "generation_config__json": {"eos_token_id": [3, 999, -1]},
        "config__json": {"eos_token_id": 4, "text_config": {"eos_token_id": 5}},
    }
    assert spec_from_folder(folder(tmp_path, tokenizer__json=ready(), **files)).eos_ids == {1, 2, 3, 4, 5}


@pytest.mark.parametrize(
    ("config", "template"),
    [
        ({}, None),
        ({"chat_template": "one"}, "one"),
        ({"chat_template": " \n"}, None),
        ({"chat_template": None}, None),
        (
            {"chat_template": [{"name": "rag", "template": "x"}, {"name": "default", "template": "one"}]},
            "one",
        ),
    ],
)
def test_templates(tmp_path: Path, config: dict[str, Any], template: str | None) -> None:
    assert (
        spec_from_folder(folder(tmp_path, tokenizer__json=ready(), tokenizer_config__json=config)).template
        == template
    )
    assert (
        spec_from_folder(folder(tmp_path, chat_template__jinja="from a file\n")).template == "from a file\n"
    )


def test_a_template_in_its_own_json(tmp_path: Path) -> None:
    assert (
        spec_from_folder(
            folder(tmp_path, tokenizer__json=ready(), chat_template__json={"chat_template": "x"})
        ).template
        == "x"
    )


def test_declared_tokens_are_added(tmp_path: Path) -> None:
    config = {
        "added_tokens_decoder": {
            "0": {"content": "<s>", "special": True},
            "8": {"content": "<|new|>", "special": True, "rstrip": True},
            "9": {"content": "<plain>"},
            "55": {"content": "<far>"},
        },
        "additional_special_tokens": ["b", {"content": "<nowhere>"}],
    }
    tokenizer = loaded(
        spec_from_folder(folder(tmp_path, tokenizer__json=ready(), tokenizer_config__json=config))
    )
    assert tokenizer.encode("a<|new|>  a<plain>ab") == [4, 8, 4, 9, 4, 5], (
        "b is special now, and found before the merges"
    )
    assert tokenizer.decode([4, 8, 9, 5, 4], skip_special=True) == "a<plain>a"
    assert tokenizer.vocab_size == 10 and not tokenizer.special_ids_in_text("<nowhere>")


def test_sentencepiece_alone(tmp_path: Path) -> None:
    spec = spec_from_folder(folder(tmp_path, tokenizer__model=sentencepiece()))
    assert (spec.bos_id, spec.eos_id, spec.eos_ids, spec.add_bos) == (1, 2, frozenset({2}), True)
    tokenizer = loaded(spec)
    ids = tokenizer.encode("the world 🦊\n")
    assert ids[0] == 1 and tokenizer.decode(ids, skip_special=True) == "the world 🦊\n"


def test_sentencepiece_with_a_configuration(tmp_path: Path) -> None:
    count = loaded(spec_from_folder(folder(tmp_path, tokenizer__model=sentencepiece()))).vocab_size
    config = {
        "add_bos_token": False,
        "legacy": False,
        "eos_token": "<|end|>",
        "tokenizer_class": "LlamaTokenizer",
    }
    files = {
        "tokenizer_config__json": config,
        "added_tokens__json": {"<|user|>": count + 1, "<|end|>": count},
    }
    spec = spec_from_folder(folder(tmp_path, **files))
    tokenizer = loaded(spec)
    assert (spec.eos_id, spec.add_bos, spec.eos_ids) == (count, False, frozenset({2, count}))
    assert tokenizer.token_text(tokenizer.encode("<|end|>the")[1]) == "t", (
        "legacy is false: the only space is at the beginning"
    )
    assert tokenizer.encode("<|end|><|user|>") == [count, count + 1]
    assert tokenizer.decode([count, count + 1], skip_special=True) == "<|user|>"


def test_sentencepiece_without_a_prefix(tmp_path: Path) -> None:
    given = folder(
        tmp_path, tokenizer__model=sentencepiece(), tokenizer_config__json={"add_prefix_space": False}
    )
    tokenizer = loaded(spec_from_folder(given))
    assert (
        tokenizer.token_text(tokenizer.encode("the")[1]) == "t"
        and tokenizer.decode(tokenizer.encode(" the")[1:]) == " the"
    )


def test_a_vocabulary_and_merges(tmp_path: Path) -> None:
    vocab = {text: id for id, text in enumerate(["<|endoftext|>", *LETTERS[3:]])}
    given = folder(
        tmp_path,
        vocab__json=vocab,
        merges__txt="#version: 0.2\na b\nĠ ab\n",
        tokenizer_config__json={"eos_token": "<|endoftext|>", "bos_token": "<|endoftext|>"},
    )
    spec = spec_from_folder(given)
    assert (spec.bos_id, spec.eos_id, spec.eos_ids, spec.add_bos) == (0, 0, frozenset({0}), False)
    assert loaded(spec).encode("ab ab<|endoftext|>") == [4, 5, 0] and not loaded(spec).encode(
        "<|endoftext|>", special=False
    ).count(0)
    with pytest.raises(UnsupportedModel, match=r"BartTokenizer.*\n.*tokenizer\.json"):
        spec_from_folder(folder(tmp_path, tokenizer_config__json={"tokenizer_class": "BartTokenizer"}))
    with pytest.raises(UnsupportedModel, match="space"):
        spec_from_folder(folder(tmp_path, tokenizer_config__json={"add_prefix_space": True}))


def test_a_space_before_texts_as_the_configuration_has_it(tmp_path: Path) -> None:
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    given = folder(
        tmp_path,
        tokenizer__json=ready(pre_tokenizer=level),
        tokenizer_config__json={"add_prefix_space": True},
    )
    assert loaded(spec_from_folder(given)).encode("ab") == [7]
    assert loaded(spec_from_folder(folder(tmp_path, tokenizer_config__json={"x": 1}))).encode("ab") == [6]


def test_nothing_there_is_a_clear_error(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere", folder(tmp_path, vocab__json={})):
        with pytest.raises(ModelFileError, match=r"no tokenizer\.json.*\n.*copy"):
            spec_from_folder(path)


HOSTILE: list[dict[str, Any]] = [
    {"tokenizer__json": "{"},
    {"tokenizer__json": b"\xff\xfe"},
    {"tokenizer__json": "[" * 500_000},
    {"tokenizer__json": {}},
    {"tokenizer_config__json": "["},
    {"tokenizer_config__json": "[]"},
    {"tokenizer_config__json": "[" * 500_000},
    {"tokenizer_config__json": '{"a":' * 100_000},
    {"tokenizer_config__json": b"\xff"},
    {"tokenizer_config__json": "1" * 10_000},
    *(
        {"tokenizer_config__json": config}
        for config in (
            {"bos_token": 5},
            {"eos_token": {"content": 5}},
            {"eos_token": ["a"]},
            {"tokenizer_class": {}},
            {"chat_template": 5},
            {"chat_template": {"default": "x"}},
            {"added_tokens_decoder": []},
            {"added_tokens_decoder": {"x": {"content": "a"}}},
            {"added_tokens_decoder": {"5": "a"}},
            {"added_tokens_decoder": {"5": {"content": 5}}},
            {"added_tokens_decoder": {"-5": {"content": "a"}}},
            {"added_tokens_decoder": {"9" * 50: {"content": "a"}}},
            {"added_tokens_decoder": {"5": {"content": "a", "special": "yes"}}},
            {"additional_special_tokens": [5]},
            {"additional_special_tokens": "a"},
            {"add_prefix_space": "yes"},
            {"tokenizer_class": "LlamaTokenizer", "add_bos_token": "yes"},
        )
    ),
    {"special_tokens_map__json": {"bos_token": 5}},
    {"added_tokens__json": {"a": "x"}},
    {"added_tokens__json": {"a": 1.5}},
    {"generation_config__json": {"eos_token_id": "2"}},
    {"generation_config__json": {"eos_token_id": [True]}},
    {"config__json": {"eos_token_id": {}}},
    {"config__json": []},
    {"chat_template__json": {"chat_template": 5}},
    {"chat_template__jinja": b"\xff"},
]


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_hostile_files_are_a_clear_error(tmp_path: Path, number: int) -> None:
    with pytest.raises(ModelFileError) as caught:
        spec_from_folder(folder(tmp_path, **{"tokenizer__json": ready(), **HOSTILE[number]}))
    assert caught.value.hint and len(str(caught.value)) < 2_000


@pytest.mark.parametrize(
    "vocab",
    [{"a": "x"}, {"a": -1}, {"a": True}, {"a": 0, "b": 0}, {"a": 1 << 40}, {"a": 0}, {"a": 0, "b": 1}],
)
def test_hostile_vocabularies_are_a_clear_error(tmp_path: Path, vocab: Any) -> None:
    with pytest.raises(ModelFileError):
        spec_from_folder(folder(tmp_path, vocab__json=vocab, merges__txt="a b\n"))


def test_tokens_that_cannot_have_the_ids_they_ask_for(tmp_path: Path) -> None:
    files = {"tokenizer__model": sentencepiece(), "added_tokens__json": {"<|user|>": 5}}
    with pytest.raises(ModelFileError, match=r"<\|user\|>.*5"):
        spec_from_folder(folder(tmp_path, **files))


@pytest.mark.parametrize(
    ("limit", "name"), [("MAX_TOKENIZER", "tokenizer__json"), ("MAX_SMALL", "tokenizer_config__json")]
)
def test_large_files_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, name: str
) -> None:
    monkeypatch.setattr(tokenizer_files, limit, 20)
    with pytest.raises(ModelFileError, match="more than 20 bytes"):
        spec_from_folder(folder(tmp_path, **{"tokenizer__json": ready(), name: {"x": "y" * 50}}))


def test_code_named_in_a_file_is_not_run(tmp_path: Path) -> None:
    config = {
        "tokenizer_class": "os.system",
        "auto_map": {"AutoTokenizer": ["evil.Evil", None]},
        "name_or_path": "/etc/passwd",
    }
    (tmp_path / "evil.py").write_text("raise SystemExit")
    assert (
        spec_from_folder(folder(tmp_path, tokenizer__json=ready(), tokenizer_config__json=config)).bos_id
        is None
    )


def test_links_are_followed(tmp_path: Path) -> None:
    """The Hub's cache is made of them."""
    (tmp_path / "snapshot").mkdir()
    folder(tmp_path, tokenizer__json=ready(BOS_FIRST))
    (tmp_path / "snapshot" / "tokenizer.json").symlink_to(tmp_path / "tokenizer.json")
    assert spec_from_folder(tmp_path / "snapshot").add_bos


def plain(folder: Path, **config: Any) -> Path:
    """A tokenizer.json with no BOS in its post-processor, and what stands beside it."""
    from tokenizers import Tokenizer as Backend
    from tokenizers.models import BPE

    backend = Backend(BPE({"<s>": 0, "</s>": 1, "a": 2, "b": 3}, []))
    backend.add_special_tokens(["<s>", "</s>"])
    backend.save(str(folder / "tokenizer.json"))
    table = {"tokenizer_class": "LlamaTokenizer", "bos_token": "<s>", "eos_token": "</s>", **config}
    (folder / "tokenizer_config.json").write_text(json.dumps(table))
    return folder


def test_bos_of_tokenizers_that_transformers_5_saved(tmp_path: Path) -> None:
    """M18: it writes no add_bos_token, and the post-processor says it."""
    assert spec_from_folder(plain(tmp_path)).add_bos  # as transformers 4 reads it
    assert not spec_from_folder(plain(tmp_path, backend="tokenizers")).add_bos
    assert spec_from_folder(plain(tmp_path, backend="tokenizers", add_bos_token=True)).add_bos
    assert not spec_from_folder(plain(tmp_path, add_bos_token=False)).add_bos


def test_several_chat_templates_and_none_for_a_chat(tmp_path: Path) -> None:
    """M25: it was a raw continuation, without a word."""
    tools, rag = {"name": "tool_use", "template": "T"}, {"name": "rag", "template": "R"}
    with pytest.raises(
        UnsupportedModel, match=r"chat templates \(tool_use, rag\), and none is named default"
    ):
        spec_from_folder(plain(tmp_path, chat_template=[tools, rag]))
    assert spec_from_folder(tmp_path, ignore=["chat_template"]).template is None
    with pytest.raises(UnsupportedModel, match="tool_use"):
        spec_from_folder(plain(tmp_path, chat_template=[tools]))
    default = {"name": "default", "template": "D"}
    assert spec_from_folder(plain(tmp_path, chat_template=[tools, default])).template == "D"


def test_fields_that_change_how_texts_are_cut_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModel, match="split_special_tokens"):
        spec_from_folder(plain(tmp_path, split_special_tokens=True))
    assert spec_from_folder(tmp_path, ignore=["split_special_tokens"]).eos_id == 1
    assert spec_from_folder(plain(tmp_path, do_lower_case=True)).eos_id == 1  # tokenizer.json says it itself
    (tmp_path / "tokenizer.json").unlink()
    (tmp_path / "vocab.json").write_text('{"a": 0}')
    (tmp_path / "merges.txt").write_text("")
    with pytest.raises(UnsupportedModel, match="do_lower_case"):
        spec_from_folder(tmp_path)
