"""The tokenizer in a GGUF file's metadata → the text of a Hugging Face ``tokenizer.json``. No torch, no transformers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import ModelFileError, UnsupportedModel

# Token types of the format; the others are ordinary.
_CONTROL, _USER_DEFINED = 3, 4

_GPT2 = [{"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}]
_DIGITS = [{"type": "Digits", "individual_digits": True}]


def _split(pattern: str) -> list[dict[str, Any]]:
    """Split by a regular expression of the model's own, then bytes."""
    return [
        {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False},
        {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False},
    ]


_LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
# tokenizer.ggml.pre → what happens before the merges, as each model's own tokenizer.json has it.
PRE_TOKENIZERS = {
    "smollm": _DIGITS + _GPT2,
    "gpt-2": _GPT2,
    "default": _GPT2,
    "llama-bpe": _split(_LLAMA3),
    "qwen2": _split(_LLAMA3.replace("{1,3}", "")),
}

# Rows whose own tokenizer.json composes characters first (é of two code points becomes one). llama.cpp does not.
_NORMALIZED = {"qwen2"}
# Rows that begin texts with the BOS token where the file does not say: llama.cpp's llama-vocab.cpp has the same rule.
_BEGINS = {"llama-bpe"}

# Control tokens that end an answer, whatever the metadata calls "eos".
_ENDS = {"<|im_end|>", "<|eot_id|>", "<|end_of_text|>", "<|endoftext|>", "<|end|>", "<|eom_id|>", "</s>"}


@dataclass(frozen=True, slots=True)
class TokenizerSpec:
    """A tokenizer, ready to be written.

    Attributes:
        json: the text of tokenizer.json.
        bos_id: beginning-of-text token, if any.
        eos_id: what the file calls the end token, if any; templates may write it.
        eos_ids: every token that ends an answer.
        add_bos: whether a text begins with the BOS token.
        template: the chat template (Jinja), if any.
    """

    json: str
    bos_id: int | None
    eos_id: int | None
    eos_ids: frozenset[int]
    add_bos: bool
    template: str | None = None


def tokenizer_spec(metadata: Mapping[str, Any]) -> TokenizerSpec:
    """Read the tokenizer from GGUF metadata.

    Raises:
        UnsupportedModel: a kind of tokenizer or pre-tokenizer with no row here.
        ModelFileError: something is missing or does not fit together.
    """
    kind, pre = metadata.get("tokenizer.ggml.model"), metadata.get("tokenizer.ggml.pre", "default")
    for key, value in (("model", kind), ("pre", pre)):
        if not isinstance(value, str):
            raise _bad(f"tokenizer.ggml.{key} is missing or of the wrong type")
    if kind != "gpt2":
        raise UnsupportedModel(
            f"the tokenizer kind {kind!r} is not supported yet", hint="supported today: gpt2 (byte-level BPE)"
        )
    if pre not in PRE_TOKENIZERS:
        raise UnsupportedModel(
            f"the pre-tokenizer {pre!r} is not supported yet", hint="supported today: " + ", ".join(PRE_TOKENIZERS)
        )
    tokens = _list(metadata, "tokens", str)
    types = _list(metadata, "token_type", int)
    merges = _list(metadata, "merges", str)
    if len(types) != len(tokens):
        raise _bad(f"{len(tokens):,} tokens but {len(types):,} token types")
    vocab = {token: id for id, token in enumerate(tokens)}
    if len(vocab) != len(tokens):
        raise _bad("two tokens are the same")
    added = [
        {"id": id, "content": token, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
         "special": type_ == _CONTROL}
        for id, (token, type_) in enumerate(zip(tokens, types, strict=True)) if type_ in (_CONTROL, _USER_DEFINED)
    ]  # fmt: skip
    data = {
        "version": "1.0",
        "added_tokens": added,
        "normalizer": {"type": "NFC"} if pre in _NORMALIZED else None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": PRE_TOKENIZERS[pre]},
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {
            "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
            "fuse_unk": False, "byte_fallback": False, "ignore_merges": pre == "llama-bpe", "vocab": vocab,
            "merges": [_merge(merge, vocab) for merge in merges],
        },
    }  # fmt: skip
    template = metadata.get("tokenizer.chat_template")
    special = {token["content"]: token["id"] for token in added if token["special"]}
    eos = {_id(metadata, f"{name}_token_id", len(tokens)) for name in ("eos", "eot", "eom")}
    return TokenizerSpec(
        json=json.dumps(data, ensure_ascii=False),
        bos_id=_id(metadata, "bos_token_id", len(tokens)),
        eos_id=_id(metadata, "eos_token_id", len(tokens)),
        eos_ids=frozenset(eos - {None}) | {id for text, id in special.items() if text in _ENDS},  # type: ignore[arg-type]
        add_bos=metadata.get("tokenizer.ggml.add_bos_token", pre in _BEGINS) is True,
        template=template if isinstance(template, str) and template.strip() else None,
    )


def _merge(text: str, vocab: Mapping[str, int]) -> str:
    """The merge, checked. It stays one string: `tokenizers` reads pairs too, but takes a quarter longer to load them."""
    left, space, right = text.partition(" ")
    if not space or " " in right or left + right not in vocab or left not in vocab or right not in vocab:
        raise _bad(f"the merge {text!r} names unknown tokens")
    return text


def _list(metadata: Mapping[str, Any], key: str, kind: type) -> list[Any]:
    value = metadata.get(f"tokenizer.ggml.{key}")
    if not isinstance(value, list) or not all(isinstance(item, kind) for item in value):
        raise _bad(f"tokenizer.ggml.{key} is missing or of the wrong type")
    return value


def _id(metadata: Mapping[str, Any], key: str, vocab: int) -> int | None:
    value = metadata.get(f"tokenizer.ggml.{key}")
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < vocab):
        raise _bad(f"tokenizer.ggml.{key} is {value!r}")
    return value


def _bad(what: str) -> ModelFileError:
    return ModelFileError(f"the tokenizer in the model file is damaged: {what}", hint="fetch the file again")
