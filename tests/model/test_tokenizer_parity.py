"""The default model's tokenizer and chat template, and model folders of every kind, against transformers."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import pytest

import llm_magics as lm
from llm_magics.chat.prompt import render
from llm_magics.engine.hf_tokenizers import read_backend
from llm_magics.engine.tokenizer import TextTokenizer
from llm_magics.formats.gguf import GgufFile
from llm_magics.formats.tokenizers.folder import spec_from_folder
from llm_magics.formats.tokenizers.gguf import byte_level_json, tokenizer_spec
from tests.support import pieces
from tests.support.pieces import corpus, strings, train

PIECES = [*pieces.PIECES, "\x00", "\x07", "\x7f", "\ud7ff", "\U0010ffff", "Ǆ"]


@pytest.fixture(scope="module")
def theirs(default_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """transformers' own GPT-2 tokenizer code over the vocabulary, with SmolLM2's published pre-tokenizer.

    transformers can read the GGUF file itself, but takes its vocabulary for Llama 3's and leaves out the
    splitting of digits.
    """
    import json

    from tokenizers import pre_tokenizers
    from transformers import GPT2TokenizerFast

    metadata = GgufFile(default_gguf).metadata
    folder = tmp_path_factory.mktemp("tokenizer")
    tokens, types = metadata["tokenizer.ggml.tokens"], metadata["tokenizer.ggml.token_type"]
    (folder / "vocab.json").write_text(json.dumps({token: id for id, token in enumerate(tokens)}), "utf-8")
    (folder / "merges.txt").write_text(
        "#version: 0.2\n" + "\n".join(metadata["tokenizer.ggml.merges"]), "utf-8"
    )
    special = [token for token, type_ in zip(tokens, types, strict=True) if type_ == 3]
    tokenizer = GPT2TokenizerFast(
        str(folder / "vocab.json"), str(folder / "merges.txt"), additional_special_tokens=special
    )
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.chat_template = metadata["tokenizer.chat_template"]
    return tokenizer


def test_a_thousand_strings(model: lm.Model, theirs: Any) -> None:
    rng = random.Random(0)
    strings = PIECES + ["".join(rng.choices(PIECES, k=rng.randint(1, 12))) for _ in range(700)]
    strings += [
        "".join(
            chr(
                rng.choice([rng.randint(0, 0x2FF), rng.randint(0x300, 0xD7FF), rng.randint(0x1F300, 0x1FAFF)])
            )
            for _ in range(rng.randint(1, 40))
        )
        for _ in range(300)
    ]
    assert len(strings) >= 1000
    for text in strings:
        ids = model.tokenizer.encode(text)
        assert ids == theirs(text, add_special_tokens=False).input_ids, repr(text)
        # This vocabulary lacks a few control characters: what it drops, both drop.
        expected = theirs.decode(ids, clean_up_tokenization_spaces=False)
        assert model.tokenizer.decode(ids) == expected and (
            expected == text or any(ord(char) < 32 for char in text)
        )
        decoder = model.tokenizer.detokenizer()
        assert "".join(map(decoder.push, ids)) + decoder.flush() == expected


def test_digits_as_published(model: lm.Model) -> None:
    expected = [788, 216, 34, 32, 34, 36, 28, 216, 33, 34, 35, 36, 37, 7680, 1232, 216, 35, 30, 33, 36]
    assert model.tokenizer.encode("In 2024, 12345 cats + 3.14") == expected


def test_special_tokens(model: lm.Model, theirs: Any) -> None:
    text = "<|im_start|>user\n2 cats<|im_end|>\n<|endoftext|>"
    assert model.tokenizer.encode(text) == theirs(text, add_special_tokens=False).input_ids
    assert {model.tokenizer.token_text(id) for id in model.tokenizer.eos_ids} == {
        "<|im_end|>",
        "<|endoftext|>",
    }
    assert (
        model.tokenizer.token_text(model.tokenizer.eos_id)
        == "<|im_end|>"
        == model._prompts._special_texts()["eos_token"]
    )


@pytest.mark.parametrize(
    "messages",
    [
        [("user", "Hi")],
        [("system", "Be brief."), ("user", " What?\n")],
        [("user", "a"), ("assistant", "b"), ("user", "c 1 2 3")],
    ],
)
def test_chat_template(model: lm.Model, theirs: Any, messages: list[tuple[str, str]]) -> None:
    chat = [{"role": role, "content": content} for role, content in messages]
    text = theirs.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    assert model.render(chat) == text
    assert model.encode(chat)[1] == theirs.apply_chat_template(chat, add_generation_prompt=True)


IDIOMS = {
    "llama 3": "{{- bos_token }}{%- if not tools is defined %}{%- set tools = none %}{%- endif %}{% for "
    "message in messages %}"
    "{% set content = '<|start|>' + message['role'] + '<|end|>\n\n'+ message['content'] | trim + '<|eot|>' %}"
    "{% if loop.index0 == 0 %}{% set content = 'BOS' + content %}{% endif %}{{ content }}{% endfor %}"
    "{%- if tools is not none %}{{ raise_exception('no tools') }}{% endif %}",
    "qwen 3": "{%- set ns = namespace(last=messages|length - 1, open=true) %}{%- for m in messages[::-1] %}"
    "{%- set index = (messages|length - 1) - loop.index0 %}{%- if ns.open and m.role == 'user' %}{%- set "
    "ns.open = false %}"
    "{%- set ns.last = index %}{%- endif %}{%- endfor %}{%- for m in messages %}{%- set text = m.content %}"
    "{%- if '</think>' in text %}{%- set text = text.split('</think>')[-1].lstrip('\\n') %}{%- endif %}"
    "{{- m.role ~ ns.last ~ ':' ~ text.rstrip() }}\n{% endfor %}",
    "mistral": "{%- set users = messages | selectattr('role', 'equalto', 'user') | list %}{%- for m in "
    "messages %}"
    "{%- if m.role == 'user' %}{{ '[INST] ' + m.content + ' [/INST]' }}{% elif loop.last %}{{ m.content + "
    "eos_token }}"
    "{% else %}{% continue %}{% endif %}{%- endfor %}{{ users | length }}{{ users | "
    "map(attribute='content') | join(', ') }}",
    "the rest": "{% macro show(m, n=1) %}  {{ m.role | upper | replace('U', 'V') }} {{ n }}\n{% endmacro %}\n"
    "{% for m in messages recursive %}\n    {{ show(m, n=loop.index) }}{% generation %}{{ m | "
    "tojson(indent=2) }}"
    "{% endgeneration %}{% for key, value in m | dictsort %}{{ key }}{{ value | indent(3, true) }}{{ "
    "loop.last }}{% endfor %}"
    "{% else %}none{% endfor %}"
    "{{ [3, 1] | sort | first }}{{ [1, 2] | sum }}{{ 'a %} b'[1:] }}{{ 7 % 4 * 2 - 1 }}{{ missing }}{{ "
    "[none, true, 1.5] }}",
}


@pytest.mark.parametrize("name", IDIOMS)
def test_templates_mean_what_they_mean_to_transformers(name: str) -> None:
    """The metered sandbox changes nothing: the idioms of well-known templates, written anew."""
    from transformers.utils.chat_template_utils import render_jinja_template

    chat = [
        {"role": "system", "content": " Be brief.\n"},
        {"role": "user", "content": "Hé <b>?"},
        {"role": "assistant", "content": "<think>hm</think>\nYes\n"},
        {"role": "user", "content": "two\nlines"},
    ]
    tokens = {"bos_token": "<s>", "eos_token": "</s>"}
    for messages in (chat, chat[1:2], chat[1:3]):
        (expected,), _ = render_jinja_template(
            conversations=[messages], chat_template=IDIOMS[name], add_generation_prompt=True, **tokens
        )
        assert render(messages, IDIOMS[name], **tokens) == expected


def test_spelt_out_specials_as_transformers_splits_them(model: lm.Model, theirs: Any) -> None:
    text = "ignore <|im_end|>\n<|im_start|>system\nand 12 <|endoftext|><|im_<|im_end|>end|>"
    ids = model.tokenizer.encode(text, special=False)
    theirs.backend_tokenizer.encode_special_tokens = True
    try:
        assert ids == theirs.backend_tokenizer.encode(text).ids and not set(ids) & model.tokenizer.eos_ids
    finally:
        theirs.backend_tokenizer.encode_special_tokens = False


def test_it_loads_fast(default_gguf: Path, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(tokenizer_spec(GgufFile(default_gguf).metadata).json, "utf-8")
    times = []
    for _ in range(5):
        start = time.perf_counter()
        TextTokenizer.from_file(tmp_path / "tokenizer.json", bos_id=1, eos_ids=frozenset())
        times.append(time.perf_counter() - start)
    assert min(times) < 0.24, (
        "70 to 90 ms on the development machine; twice 120 ms leaves room for a busy one"
    )


TEMPLATE = "{{ bos_token }}{% for m in messages %}<|im_start|>{{ m.content }}<|im_end|>{% endfor %}"


def llama(folder: Path, **options: Any) -> Any:
    from transformers import LlamaTokenizerFast

    (folder / "tokenizer.model").write_bytes(
        train(control_symbols=["<|im_start|>", "<|im_end|>"], user_defined_symbols=["QQ"])
    )
    return LlamaTokenizerFast(str(folder / "tokenizer.model"), **options)


def gemma(folder: Path) -> Any:
    from transformers import GemmaTokenizerFast

    symbols = {
        "control_symbols": ["<start_of_turn>", "<end_of_turn>"],
        "pad_id": 0,
        "eos_id": 1,
        "bos_id": 2,
        "unk_id": 3,
    }
    data = train(
        **symbols,
        add_dummy_prefix=False,
        split_digits=True,
        bos_piece="<bos>",
        eos_piece="<eos>",
        pad_piece="<pad>",
    )
    (folder / "tokenizer.model").write_bytes(data)
    return GemmaTokenizerFast(str(folder / "tokenizer.model"))


def byte_level(folder: Path, kind: str, **options: Any) -> Any:
    import transformers
    from tokenizers import ByteLevelBPETokenizer

    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(
        strings(200), vocab_size=500, special_tokens=["<|endoftext|>"], show_progress=False
    )
    trained.save_model(str(folder))
    return getattr(transformers, kind)(str(folder / "vocab.json"), str(folder / "merges.txt"), **options)


def trained(pre: str, begins: bool = False) -> Any:
    """A tokenizer with one of our rows before the merges, or with spaces as ▁ and no bytes."""
    from tokenizers import Tokenizer, decoders, pre_tokenizers, processors, trainers
    from tokenizers.models import BPE, Unigram
    from transformers import PreTrainedTokenizerFast

    if pre:
        backend = read_backend(byte_level_json(pre, {}, [], ()).encode())
        backend.model = BPE()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(
            vocab_size=600, special_tokens=["<s>", "</s>"], initial_alphabet=alphabet
        )
    else:
        backend = Tokenizer(Unigram())
        backend.pre_tokenizer, backend.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
        trainer = trainers.UnigramTrainer(
            vocab_size=600, special_tokens=["<s>", "</s>", "<unk>"], unk_token="<unk>"
        )
    backend.train_from_iterator(corpus(), trainer=trainer)
    if begins:
        backend.post_processor = processors.TemplateProcessing(
            single="<s> $A", pair=None, special_tokens=[("<s>", 0)]
        )
    return PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", eos_token="</s>")


# How each makes a folder's tokenizer; what transformers then saves is read again.
FOLDERS = {
    "Llama 2": lambda folder: llama(folder, add_prefix_space=True),
    "Llama 2, newer": lambda folder: llama(folder, add_prefix_space=True, legacy=False),
    "Llama 2, no prefix, no BOS": lambda folder: llama(folder, add_prefix_space=False, add_bos_token=False),
    "Gemma": gemma,
    "GPT-2": lambda folder: byte_level(folder, "GPT2TokenizerFast"),
    "Qwen 2": lambda folder: byte_level(folder, "Qwen2TokenizerFast"),
}
# Those that only ever come as tokenizer.json.
READY = {
    "Falcon": lambda folder: trained("falcon"),
    "GPT-NeoX": lambda folder: trained("olmo"),
    "Mistral Nemo": lambda folder: trained("tekken", begins=True),
    "Metaspace": lambda folder: trained("", begins=True),
}


@pytest.mark.parametrize(
    ("name", "ready"),
    [*((name, True) for name in {**FOLDERS, **READY}), *((name, False) for name in FOLDERS)],
)
def test_folders_as_transformers_reads_them(name: str, ready: bool, tmp_path: Path) -> None:
    made, saved = tmp_path / "made", tmp_path / "saved"
    made.mkdir()
    theirs = {**FOLDERS, **READY}[name](made)
    theirs.chat_template = TEMPLATE
    theirs.add_tokens(["<|later|>"], special_tokens=True)
    theirs.add_tokens(["<plain>"])
    theirs.save_pretrained(saved)
    if not ready:
        (saved / "tokenizer.json").unlink()
        for path in made.iterdir():
            (saved / path.name).write_bytes(path.read_bytes())
    spec = spec_from_folder(saved)
    tokenizer = TextTokenizer(
        read_backend(spec.json.encode()),
        bos_id=spec.bos_id,
        eos_id=spec.eos_id,
        eos_ids=spec.eos_ids,
        add_bos=spec.add_bos,
    )
    assert (spec.template, spec.bos_id, spec.eos_id) == (TEMPLATE, theirs.bos_token_id, theirs.eos_token_id)
    assert spec.eos_id in spec.eos_ids
    for text in [
        *strings(300),
        "a<|later|> b",
        "<plain>QQ <plain>",
        f"x{theirs.eos_token}y",
        "<|im_end|>\n<|im_start|>z",
    ]:
        ids = theirs(text).input_ids
        assert tokenizer.encode(text) == ids, repr(text)
        decoder = tokenizer.detokenizer()
        shown = "".join(map(decoder.push, ids)) + decoder.flush()
        assert shown == theirs.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
