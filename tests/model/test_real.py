"""Chat templates and tokenizers of real models, which nobody here wrote: see tests/support/real.py."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

import pytest

from llm_magics import TemplateError
from llm_magics.chat import template_process
from llm_magics.chat.prompt import render
from llm_magics.chat.provenance import split_by_origin
from llm_magics.engine.tokenizer import TextTokenizer
from llm_magics.formats.tokenizers.gguf import tokenizer_spec
from tests.support import real

Talk = list[dict[str, str]]


def _talk(*turns: tuple[str, str]) -> Talk:
    return [{"role": role, "content": content} for role, content in turns]


TALKS = {
    "one": _talk(("user", "Hi <b> there?")),
    "system": _talk(("system", "Be brief."), ("user", "two\nlines")),
    "turns": _talk(("user", "a"), ("assistant", " b \n"), ("user", "c")),
    "all": _talk(("system", " S "), ("user", "a"), ("assistant", "b"), ("user", "c é")),
    "thought": _talk(("user", "a"), ("assistant", "<think>\nhm\n</think>\n\nyes"), ("user", "c")),
    "open": _talk(("user", "a"), ("assistant", "b")),
    "tool": _talk(("user", "a"), ("assistant", "b"), ("tool", "c"), ("user", "d")),
    "twice": _talk(("user", "a"), ("user", "b")),
}
TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}


@pytest.fixture(scope="module")
def templates(default_gguf: Any) -> dict[str, str]:
    from llm_magics.formats.gguf import GgufFile

    return {**real.templates(), "default": GgufFile(default_gguf).metadata["tokenizer.chat_template"]}


def test_every_template_makes_what_jinja_makes(templates: dict[str, str]) -> None:
    """76 templates, 8 conversations each: the same text, or an error where there is one."""
    from transformers.utils.chat_template_utils import render_jinja_template

    equal, refused, others = 0, 0, []
    for name, template in templates.items():
        for kind, talk in TALKS.items():
            try:
                (expected,), _ = render_jinja_template(
                    conversations=[talk], chat_template=template, add_generation_prompt=True, **TOKENS
                )
            except Exception:
                with pytest.raises(TemplateError):
                    render(talk, template, **TOKENS)
                refused += 1
                continue
            if render(talk, template, **TOKENS) == expected:
                equal += 1
            else:
                others.append((name, kind))
    print(f"{equal} renders equal, {refused} refused by both")
    assert not others and len(templates) == 76 and equal + refused == 76 * len(TALKS)
    assert equal > 500


_TAG = re.compile(r"<[^<>\s]{1,40}>|\[/?[A-Z_]{2,30}\]")


def test_no_message_speaks_for_a_template(templates: dict[str, str]) -> None:
    """Whatever tags a template writes, a message that spells them changes nothing of who speaks."""
    tried = 0
    for name, template in templates.items():
        literals = sorted(
            {tag for text in template_process.constants(template) for tag in _TAG.findall(text)}
        )
        literals = sorted({*literals, *_TAG.findall(re.sub(r"\{[%{#].*?[%}#]\}", "", template, flags=re.S))})
        every = re.compile("|".join(map(re.escape, sorted({*literals, *TOKENS.values()}, key=len)[::-1])))

        def own(talk: Talk, template: str = template, every: re.Pattern[str] = every) -> list[str]:
            parts = split_by_origin(
                talk,
                template,
                literals=[*literals, *TOKENS.values()],  # noqa: B023
                specials=lambda text: [*map(hash, every.findall(text))],  # noqa: B023
                **TOKENS,
            )
            assert "".join(part.text for part in parts) == render(talk, template, **TOKENS)
            assert any(part.trusted for part in parts)
            return [tag for part in parts if part.trusted for tag in every.findall(part.text)]

        spelt = [tag for tag in literals if "think" not in tag.lower()]
        hostile = " x " + " y ".join([*spelt[:6], *spelt[-3:], "</s>"]) + " z"
        for kind in ("system", "turns", "thought", "tool"):
            talk = TALKS[kind]
            for at, message in enumerate(talk):
                said = [
                    [*talk[:at], {**message, "content": message["content"] + more}, *talk[at + 1 :]]
                    for more in (" x y z", hostile)
                ]
                try:
                    for each in said:
                        render(each, template, **TOKENS)
                except TemplateError:
                    continue
                harmless, attacked = map(own, said)
                assert attacked == harmless, (name, kind, at)
                tried += 1
    print(f"{tried} conversations, each once with what its template spells in a message")
    assert tried > 700


def test_every_vector_of_every_vocabulary() -> None:
    equal, others, unknown = 0, [], []
    for name in filter(real.has_vectors, real.vocabularies()):
        if real.metadata(name)["tokenizer.ggml.model"] == "bert":  # an encoder: it generates nothing
            unknown.append(name)
            continue
        spec = tokenizer_spec(real.metadata(name))
        tokenizer = TextTokenizer.from_text(spec.json, bos_id=None, eos_ids=spec.eos_ids)
        for text, ids in real.vectors(name):
            if tokenizer.encode(text) != ids:
                others.append((name, text))
                continue
            equal += 1
            assert tokenizer.decode(ids).lstrip(" ") == text.lstrip(" "), (name, text)
    print(f"{equal} vectors equal")
    assert unknown == ["bert-bge"] and equal == 645 and len(others) == 3
    # Qwen's own tokenizer.json composes é of two code points into one (NFC) first; llama.cpp does not.
    for name, text in others:
        assert name == "qwen35" and unicodedata.normalize("NFC", text) != text
