"""The tokenizer of a model folder as the Hugging Face Hub lays it out → :class:`~.gguf.TokenizerSpec`.

The tokens come from ``tokenizer.json``, else from ``tokenizer.model`` (SentencePiece), else from
``vocab.json`` and ``merges.txt`` (GPT-2). Other files say which of them begin and end a text, and how a chat
is written. Everything is data: nothing named in these files is ever imported or run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...core.files import json_object
from ...core.tokenizer_errors import tokenizer_errors
from ...errors import REDOWNLOAD, ModelFileError, UnsupportedModel
from ...sanitize import single_line
from .. import sampling_defaults
from ..config import unused
from .gguf import TokenizerSpec, byte_level_json, end_tokens
from .sentencepiece import read_model, tokenizer_json

if TYPE_CHECKING:
    from tokenizers import Tokenizer as Backend

MAX_TOKENIZER = 128 << 20  # bytes of tokenizer.json; Gemma 3's has 33 million
MAX_SMALL = 16 << 20  # bytes of any other file

# transformers' classes that put BOS before a text by add_bos_token alone, whatever tokenizer.json has.
_REBUILT = {"LlamaTokenizer", "CodeLlamaTokenizer", "GemmaTokenizer", "CohereTokenizer"}
# The pre-tokenizers of classes that come as vocab.json and merges.txt.
_BYTE_LEVEL = {"GPT2Tokenizer": "gpt-2", "CodeGenTokenizer": "gpt-2", "Qwen2Tokenizer": "qwen2"}
_CHANGING = ("do_lower_case", "remove_space", "keep_accents")  # tokenizer.json has them in itself
_NAMED = ("bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token", "mask_token")


def spec_from_folder(folder: Path, *, ignore: Iterable[str] = ()) -> TokenizerSpec:
    """Read the tokenizer of a model folder.

    Args:
        folder: with tokenizer.json or the older files.
        ignore: fields of tokenizer_config.json that the user lets pass unused.

    Raises:
        ModelFileError: there is none, or a file is damaged, too large or does not fit the others.
        UnsupportedModel: it is of a kind that this version cannot use.
    """
    config = _table(folder / "tokenizer_config.json")
    names, special = _names(config, _table(folder / "special_tokens_map.json"))
    kind = _typed(config, "tokenizer_class", str, "").removesuffix("Fast")
    for key in _CHANGING:
        if config.get(key) and key not in ignore and not (folder / "tokenizer.json").is_file():
            raise unused("tokenizer_config.json", key, config[key])
    if config.get("split_special_tokens") and "split_special_tokens" not in ignore:
        raise unused("tokenizer_config.json", "split_special_tokens", True)
    ready = (folder / "tokenizer.json").is_file()
    text, kind = _tokenizer_json(folder, config, names, kind)
    backend = _backend(folder / "tokenizer.json", text)
    changed = _complete(
        backend, _declared(folder, config, special), special | set(names.values()), strict=not ready
    )
    if ready:
        changed |= _set_prefix(backend, config)

    bos_id, eos_id = (
        None if name is None else backend.token_to_id(name) for name in map(names.get, _NAMED[:2])
    )
    first = _first_added(backend)
    begins = first is not None
    # transformers 5 writes no add_bos_token: there the post-processor of tokenizer.json says it.
    modern = ready and "backend" in config and config.get("add_bos_token") is None
    if kind in _REBUILT and not modern:
        begins = _typed(config, "add_bos_token", bool, True)
    elif first is not None:
        bos_id = first
    named = {
        id for id in (*_end_ids(folder), eos_id) if id is not None and backend.id_to_token(id) is not None
    }
    added = backend.get_added_tokens_decoder()
    return TokenizerSpec(
        json=backend.to_str() if changed else text,
        bos_id=bos_id,
        eos_id=eos_id,
        eos_ids=frozenset(
            named | end_tokens({token.content: id for id, token in added.items() if token.special})
        ),
        add_bos=begins and bos_id is not None,
        template=_template(folder, config, ignore),
        sampling={} if "generation_config" in ignore else sampling_defaults.from_folder(folder),
    )


def _tokenizer_json(
    folder: Path, config: dict[str, Any], names: dict[str, str], kind: str
) -> tuple[str, str]:
    """Return the content of tokenizer.json, read or converted from older files, and the tokenizer's class.

    Raises:
        ModelFileError: there is no tokenizer.
    """
    if (folder / "tokenizer.json").is_file():
        return _text(folder / "tokenizer.json", MAX_TOKENIZER), kind
    if (folder / "tokenizer.model").is_file():
        return _from_sentencepiece(folder / "tokenizer.model", config, names), kind or "LlamaTokenizer"
    if (folder / "vocab.json").is_file() and (folder / "merges.txt").is_file():
        return _from_vocab(folder, config, kind or "GPT2Tokenizer"), kind
    raise ModelFileError(
        f"{folder} has no tokenizer.json, no tokenizer.model, and no vocab.json with merges.txt",
        hint="Choose a copy of the model that comes with tokenizer.json.",
    )


def _from_sentencepiece(path: Path, config: dict[str, Any], names: dict[str, str]) -> str:
    pieces = read_model(_read(path, MAX_SMALL))
    pieces = replace(pieces, prefix=_typed(config, "add_prefix_space", bool, pieces.prefix))
    for name, text in (("bos_token", pieces.bos), ("eos_token", pieces.eos)):
        if pieces.control(text) is not None:
            names.setdefault(name, text)
    return tokenizer_json(pieces, every=_typed(config, "legacy", bool, True))


def _from_vocab(folder: Path, config: dict[str, Any], kind: str) -> str:
    if kind not in _BYTE_LEVEL or config.get("add_prefix_space"):
        raise UnsupportedModel(
            f"the tokenizer class {kind!r:.60} cannot be built from vocab.json and merges.txt"
            + (" with a prefix space" if kind in _BYTE_LEVEL else ""),
            hint="Choose a copy of the model that comes with tokenizer.json.",
        )
    path = folder / "vocab.json"
    vocab = _table(path)
    ids = vocab.values()
    if (
        not vocab
        or not all(type(id) is int and 0 <= id < 1 << 24 for id in ids)
        or len(set(ids)) != len(vocab)
    ):
        raise _bad(path, "it must give every token an id of its own")
    lines = _text(folder / "merges.txt", MAX_SMALL).split("\n")
    merges = [line for line in lines if line.strip() and not line.startswith("#version")]
    return byte_level_json(_BYTE_LEVEL[kind], vocab, merges, ())


def _names(config: dict[str, Any], special_map: dict[str, Any]) -> tuple[dict[str, str], set[str]]:
    """Return the tokens with a role, by role, and the texts of other special tokens."""
    names: dict[str, str] = {}
    special: set[str] = set()
    for table in (config, special_map):
        for key in _NAMED:
            if key in table and table[key] is not None:
                names.setdefault(key, _content(table[key], key))
        special |= {_content(item, "additional_special_tokens") for item in _extra_special_tokens(table)}
    return names, special


def _extra_special_tokens(table: dict[str, Any]) -> list[Any]:
    """Return the extra special tokens: newer files have a table, older ones a list."""
    value = table.get("additional_special_tokens") or []
    result = list(value.values()) if isinstance(value, dict) else value
    if not isinstance(result, list):
        raise _bad("tokenizer_config.json", f"additional_special_tokens is {value!r:.60}")
    return result


def _content(value: Any, key: str) -> str:
    """Return a token written as a text or as a table."""
    text = value.get("content") if isinstance(value, dict) else value
    if not isinstance(text, str):
        raise _bad("tokenizer_config.json", f"{key} is {value!r:.60}")
    return text


def _declared(folder: Path, config: dict[str, Any], special: set[str]) -> dict[int, dict[str, Any]]:
    """Return tokens that were added to a vocabulary, by id.

    In tokenizer_config.json, or added_tokens.json in older folders.
    """
    result: dict[int, dict[str, Any]] = {}
    for text, id in _table(folder / "added_tokens.json").items():
        result[_as_id(id)] = {"content": text, "special": text in special}
    for id, token in _typed(config, "added_tokens_decoder", dict, {}).items():
        flags = ("special", "lstrip", "rstrip", "single_word", "normalized")
        if not isinstance(token, dict) or any(not isinstance(token.get(flag, False), bool) for flag in flags):
            raise _bad("tokenizer_config.json", f"added_tokens_decoder has {token!r:.60}")
        known = {flag: token[flag] for flag in flags if flag in token}
        result[_as_id(id)] = {**known, "content": _content(token, "added_tokens_decoder")}
    return {id: token for id, token in sorted(result.items()) if token["content"]}


def _as_id(value: Any) -> int:
    number = int(value) if isinstance(value, str) and value.isdecimal() and len(value) < 9 else value
    if type(number) is not int or not 0 <= number < 1 << 24:
        raise _bad("tokenizer_config.json", f"{value!r:.60} is not a token id")
    return number


def _complete(
    backend: Backend, declared: dict[int, dict[str, Any]], special: set[str], *, strict: bool
) -> bool:
    """Add the tokens that other files declare, and mark special ones; whether there was anything to do."""
    from tokenizers import AddedToken

    known = {token.content for token in backend.get_added_tokens_decoder().values()}
    new, end = [], backend.get_vocab_size()
    for id, token in declared.items():
        place = backend.token_to_id(token["content"])
        if token["content"] in known or (place is None and id != end):
            if strict and place is None:
                raise _bad(
                    "tokenizer_config.json", f"the token {token['content']!r:.60} cannot have the id {id:,}"
                )
            continue
        end += place is None
        new.append(
            AddedToken(
                **{
                    "normalized": False,
                    **token,
                    "special": token.get("special", False) or token["content"] in special,
                }
            )
        )
        known.add(token["content"])
    new += [
        AddedToken(text, special=True, normalized=False)
        for text in sorted(special - known)
        if text and backend.token_to_id(text) is not None
    ]
    backend.add_tokens(new)
    return bool(new)


def _set_prefix(backend: Backend, config: dict[str, Any]) -> bool:
    """Set the prefix space as transformers does.

    What the configuration says of the space before a text goes for a byte-level pre-tokenizer.
    """
    from tokenizers.pre_tokenizers import ByteLevel

    now, wanted = backend.pre_tokenizer, _typed(config, "add_prefix_space", bool, False)
    if not config or not isinstance(now, ByteLevel) or now.add_prefix_space == wanted:
        return False
    now.add_prefix_space = wanted
    backend.pre_tokenizer = now
    return True


def _backend(path: Path, text: str) -> Backend:
    from tokenizers import Tokenizer as Backend

    try:
        with tokenizer_errors():
            return Backend.from_buffer(text.encode())
    except (ModelFileError, ValueError) as error:
        raise _bad(path, str(error).splitlines()[0]) from error


def _first_added(backend: Backend) -> int | None:
    """Return the one token that the post-processor puts before a text; several are left to chat templates."""
    backend.no_truncation()
    backend.no_padding()
    with tokenizer_errors():
        plain: list[int] = backend.encode("a", add_special_tokens=False).ids
        full: list[int] = backend.encode("a", add_special_tokens=True).ids
    return full[0] if plain and full[1 : 1 + len(plain)] == plain and full[: len(plain)] != plain else None


def _end_ids(folder: Path) -> Iterator[int]:
    """Yield the end tokens that generation_config.json and config.json name."""
    for path in (folder / "generation_config.json", folder / "config.json"):
        table = _table(path)
        for part in (table, table.get("text_config")):
            value = part.get("eos_token_id") if isinstance(part, dict) else None
            for id in value if isinstance(value, list) else [value]:
                if id is not None and type(id) is not int:
                    raise _bad(path, f"eos_token_id is {value!r:.60}")
                if id is not None and 0 <= id < 1 << 31:
                    yield id


def _template(folder: Path, config: dict[str, Any], ignore: Iterable[str]) -> str | None:
    """Return the chat template; of several, the one named "default"."""
    result: Any = config.get("chat_template")
    if (folder / "chat_template.jinja").is_file():
        result = _text(folder / "chat_template.jinja", MAX_SMALL)
    elif result is None:
        result = _table(folder / "chat_template.json").get("chat_template")
    if isinstance(result, list):
        named = {
            item.get("name"): item.get("template")
            for item in result
            if isinstance(item, dict) and isinstance(item.get("name"), str)
        }
        result = named.get("default")
        if result is None and named and "chat_template" not in ignore:
            raise UnsupportedModel(
                f"{folder} has chat templates ({single_line(', '.join(map(str, named)), most=80)}), and none "
                f"is named default",
                hint='Name one of them "default", or pass ignore_config="chat_template" to use none.',
            )
    if result is not None and not isinstance(result, str):
        raise _bad(folder / "tokenizer_config.json", f"chat_template is {result!r:.60}")
    return result if result and result.strip() else None


def _typed(table: dict[str, Any], key: str, kind: type, default: Any) -> Any:
    """Return a value of that type; null is as good as missing."""
    value = table.get(key)
    if value is not None and not isinstance(value, kind):
        raise _bad("tokenizer_config.json", f"{key} is {value!r:.60}")
    return default if value is None else value


def _table(path: Path) -> dict[str, Any]:
    """Return a JSON object; empty when there is no such file."""
    if not path.is_file():
        return {}
    try:
        return json_object(path, MAX_SMALL)
    except (OSError, ValueError) as error:
        raise _bad(path, str(error)) from error


def _text(path: Path, limit: int) -> str:
    try:
        return _read(path, limit).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _bad(path, str(error)) from error


def _read(path: Path, limit: int) -> bytes:
    try:
        with open(path, "rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise _bad(path, str(error)) from error
    if len(data) > limit:
        raise _bad(path, f"it has more than {limit:,} bytes")
    return data


def _bad(path: Path | str, what: str) -> ModelFileError:
    return ModelFileError(f"{path} cannot be used: {what}", hint=REDOWNLOAD)
