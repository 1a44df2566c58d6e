"""The tokenizer in a GGUF file's metadata → the text of a Hugging Face ``tokenizer.json``.

No torch, no transformers.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...errors import REDOWNLOAD, ModelFileError, UnsupportedModel
from .. import sampling_defaults
from .pretokenizers import BEGINS, NO_BOS, NORMALIZED, PRE_TOKENIZERS, WHOLE_WORDS
from .sentencepiece import BYTE as _BYTE
from .sentencepiece import CONTROL as _CONTROL
from .sentencepiece import NORMAL, SentencePieceModel, tokenizer_json
from .sentencepiece import UNKNOWN as _UNKNOWN
from .sentencepiece import USER_DEFINED as _USER_DEFINED

_NO_TOKEN = 0xFFFFFFFF  # -1, as older converters write a token that there is not

# Control tokens that end an answer, whatever the metadata calls "eos".
ENDS = {
    "<|im_end|>",
    "<|eot_id|>",
    "<|end_of_text|>",
    "<|endoftext|>",
    "<|end|>",
    "<|eom_id|>",
    "</s>",
    "<end_of_turn>",
    "<|eot|>",
    "<|eom|>",
    "<|end_of_turn|>",
    "<|END_OF_TURN_TOKEN|>",
    "<\uff5cend\u2581of\u2581sentence\uff5c>",
    "<end_of_utterance>",
    "<|return|>",
    "<|call|>",
    "<|calls|>",
    "<|flush|>",
    "<EOT>",
    "_<EOT>",
    "[EOT]",
    "[EOS]",
    "<eos>",
    "<turn|>",
    "<|tool_response>",
    "[e~[",
}
# Where both of a pair exist, <|end|> ends a thought or a part of an answer, and not the answer (as llama.cpp
# has it).
_LATER_ENDS = ({"<|return|>", "<|call|>"}, {"<|calls|>", "<|flush|>"})


def end_tokens(tokens: Mapping[str, int]) -> set[int]:
    """Return the ids of those tokens that end an answer, by what they are called."""
    result = {token for token in ENDS if token in tokens}
    if any(pair <= result for pair in _LATER_ENDS):
        result.discard("<|end|>")
    return {tokens[token] for token in result}


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
        sampling: the sampling settings of the model's maker, by their names in SamplingOptions.
    """

    json: str
    bos_id: int | None
    eos_id: int | None
    eos_ids: frozenset[int]
    add_bos: bool
    template: str | None = None
    sampling: Mapping[str, Any] = field(default_factory=dict)


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
    if kind not in ("gpt2", "llama", "gemma4"):
        raise UnsupportedModel(
            f"the tokenizer kind {kind!r:.60} is not supported yet",
            hint="Choose a model with gpt2 (byte-level BPE), llama (SentencePiece BPE) or gemma4.",
        )
    tokens = _list(metadata, "tokens", str)
    if metadata.get("tokenizer.ggml.token_type") is None:  # files before 2023-09
        types = _types(metadata, kind, tokens)
    else:
        types = _list(metadata, "token_type", int)
    if len(types) != len(tokens):
        raise _bad(f"{len(tokens):,} tokens but {len(types):,} token types")
    if kind != "gpt2" or pre == "gemma4":
        merges = None if kind == "llama" else _list(metadata, "merges", str)
        text, begins = _sentencepiece(metadata, tokens, types, merges), True
    else:
        text, begins = _byte_level(metadata, pre, tokens, types), pre in BEGINS
    ids = {name: _id(metadata, f"{name}_token_id", len(tokens)) for name in ("bos", "eos", "eot", "eom")}
    ends = end_tokens(
        {
            token: id
            for id, token in enumerate(tokens)
            # Many vocabularies have it as an ordinary word: HTML's.
            if token in ENDS and (token != "</s>" or types[id] != NORMAL)  # noqa: S105  # a token, no secret
        }
    )
    template = metadata.get("tokenizer.chat_template")
    return TokenizerSpec(
        json=text,
        bos_id=None if kind == "gpt2" and pre in NO_BOS else ids["bos"],
        eos_id=ids["eos"],
        eos_ids=frozenset(ends | {id for name in ("eos", "eot", "eom") if (id := ids[name]) is not None}),
        # Gemma 4's first files say no, and mean yes: llama.cpp does not ask them either.
        add_bos=kind == "gemma4" or metadata.get("tokenizer.ggml.add_bos_token", begins) is True,
        template=template if isinstance(template, str) and template.strip() else None,
        sampling=sampling_defaults.from_gguf(metadata),
    )


def _byte_level(metadata: Mapping[str, Any], pre: str, tokens: list[str], types: list[int]) -> str:
    if pre not in PRE_TOKENIZERS:
        raise UnsupportedModel(
            f"the pre-tokenizer {pre!r:.60} is not supported yet",
            hint="Choose a model with one of " + ", ".join(PRE_TOKENIZERS) + ".",
        )
    vocab = {token: id for id, token in enumerate(tokens)}
    if len(vocab) != len(tokens):
        raise _bad("two tokens are the same")
    added = [
        (id, token, type_ == _CONTROL)
        for id, (token, type_) in enumerate(zip(tokens, types, strict=True))
        if type_ in (_CONTROL, _USER_DEFINED)
    ]
    return byte_level_json(pre, vocab, _merges(_list(metadata, "merges", str), vocab), added)


def byte_level_json(
    pre: str, vocab: Mapping[str, int], merges: list[str], added: Iterable[tuple[int, str, bool]]
) -> str:
    """Return the text of tokenizer.json for a byte-level BPE tokenizer.

    Args:
        pre: a name of PRE_TOKENIZERS.
        vocab: token → id.
        merges: "left right", checked.
        added: id, text and whether it is a special one, of each token that is found before anything else
            happens.
    """
    data = {
        "version": "1.0",
        "added_tokens": [
            {
                "id": id,
                "content": token,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": special,
            }
            for id, token, special in added
        ],
        "normalizer": {"type": "NFC"} if pre in NORMALIZED else None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": PRE_TOKENIZERS[pre]},
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": pre in WHOLE_WORDS,
            "vocab": vocab,
            "merges": merges,
        },
    }
    return json.dumps(data, ensure_ascii=False)


def _sentencepiece(
    metadata: Mapping[str, Any], tokens: list[str], types: list[int], merges: list[str] | None
) -> str:
    """Build a SentencePiece tokenizer as llama.cpp reads it.

    Scores order the merges, and a space goes before a text unless the file says no; Gemma 4's files have the
    merges themselves, and no such space.
    """
    flags = {"add_space_prefix": merges is None, "remove_extra_whitespaces": False}
    for key in flags:
        flags[key] = metadata.get(f"tokenizer.ggml.{key}", flags[key])
        if not isinstance(flags[key], bool):
            raise _bad(f"tokenizer.ggml.{key} is of the wrong type")
    vocab = {token: id for id, token in enumerate(tokens)} if merges else {}
    pieces = SentencePieceModel(
        tokens,
        [0.0] * len(tokens) if merges else _list(metadata, "scores", float),
        types,
        merges=merges and _merges(merges, vocab),
        prefix=flags["add_space_prefix"],
        squeeze=flags["remove_extra_whitespaces"],
    )
    # The format has no place for it: llama.cpp goes by the name too.
    name = str(metadata.get("general.name", "")).lower()
    swallow = "phi-3" in name or "phi3" in name
    controls = {token for token, type_ in zip(tokens, types, strict=True) if type_ == _CONTROL}
    return tokenizer_json(pieces, rstrip=frozenset(controls - {"<s>", "<|endoftext|>"} if swallow else ()))


def _merges(lines: list[str], vocab: Mapping[str, int]) -> list[str]:
    """Return the merges that can be: those of tokens that exist.

    llama.cpp keeps the others too, among them "# version" lines, but they never apply. A merge stays one
    string: `tokenizers` reads pairs too, but takes a quarter longer to load them.

    Raises:
        ModelFileError: none of them can be.
    """
    result = []
    for line in lines:
        left, space, right = line.partition(" ")
        if space and left + right in vocab and left in vocab and right in vocab:
            result.append(line)
    if lines and not result:
        raise _bad(f"none of its merges names known tokens, such as {lines[0]!r:.100}")
    return result


def _types(metadata: Mapping[str, Any], kind: str, tokens: list[str]) -> list[int]:
    """Return the types of tokens where a file gives none.

    Ordinary ones, but for what their names and roles say.
    """
    roles = {metadata.get(f"tokenizer.ggml.{name}_token_id") for name in ("bos", "eos", "eot", "eom")}
    unknown = metadata.get("tokenizer.ggml.unknown_token_id", 0 if kind == "llama" else None)
    result = []
    for id, token in enumerate(tokens):
        control = id in roles or (token in ENDS and (kind != "gpt2" or token != "</s>"))  # noqa: S105
        byte = kind == "llama" and len(token) == 6 and token.startswith("<0x") and token.endswith(">")
        result.append(_UNKNOWN if id == unknown else _CONTROL if control else _BYTE if byte else NORMAL)
    return result


def _list(metadata: Mapping[str, Any], key: str, kind: type) -> list[Any]:
    value = metadata.get(f"tokenizer.ggml.{key}")
    if not isinstance(value, list) or not all(isinstance(item, kind) for item in value):
        raise _bad(f"tokenizer.ggml.{key} is missing or of the wrong type")
    return value


def _id(metadata: Mapping[str, Any], key: str, vocab: int) -> int | None:
    value = metadata.get(f"tokenizer.ggml.{key}")
    if value == _NO_TOKEN:
        return None
    if value is not None and (
        isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < vocab
    ):
        raise _bad(f"tokenizer.ggml.{key} is {value!r:.60}")
    return value


def _bad(what: str) -> ModelFileError:
    return ModelFileError(f"the tokenizer in the model file is damaged: {what}", hint=REDOWNLOAD)
