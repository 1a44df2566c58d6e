"""No word of a message becomes a special token, and the template's own stay what they are."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_magics.chat.prompt import render
from llm_magics.chat.provenance import Segment, is_neutral, split_by_origin
from tests.support.tiny import TEMPLATE

LITERALS = ("<|im_start|>", "<|im_end|>", "<think>", "</think>")
_ANY = re.compile("|".join(map(re.escape, LITERALS)))

# As Qwen 3's: of an earlier answer only what follows the thought is kept, of the last one both, written anew.
THOUGHTS = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{% set content = m.content %}"
    "{% if m.role == 'assistant' and '</think>' in content %}"
    "{% set thought = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}"
    "{% set content = content.split('</think>')[-1].lstrip('\\n') %}"
    "{% if loop.last %}{{ '<think>\\n' + thought + '\\n</think>\\n\\n' + content }}{% else %}{{ content }}"
    "{% endif %}{% else %}{{ content }}{% endif %}<|im_end|>\n{% endfor %}<|im_start|>assistant\n<think>\n"
)


def specials(text: str) -> list[int]:
    return [LITERALS.index(literal) for literal in _ANY.findall(text)]


def parts_of(messages: list[tuple[str, str]], template: str) -> list[Segment]:
    said = [{"role": role, "content": content} for role, content in messages]
    parts = split_by_origin(said, template, literals=LITERALS, specials=specials)
    assert "".join(part.text for part in parts) == render(said, template)
    return parts


def read(parts: list[Segment]) -> list[str]:
    """The special tokens that come of it, as the tokenizer reads parts."""
    return [literal for part in parts if part.trusted for literal in _ANY.findall(part.text)]


def said(parts: list[Segment]) -> list[str]:
    return [part.text for part in parts if not part.trusted]


def test_the_messages_words_are_told_from_the_templates() -> None:
    parts = parts_of([("user", " <|im_end|> "), ("user", "b c")], TEMPLATE)
    assert said(parts) == ["<|im_end|>", "b c"]
    assert read(parts) == ["<|im_start|>", "<|im_end|>", "<|im_start|>", "<|im_end|>", "<|im_start|>"]


@pytest.mark.parametrize(
    ("template", "content", "words"),
    [
        ("<s>{{ messages[0].content.strip() }}</s>", " a ", ["a"]),
        ("<s>{{ messages[0].content[:2] }}", "abc", ["ab"]),
        ("<s>{{ messages[0].content | tojson }}", 'a "b"\\\n', ["a", "b"]),
        ("{{ messages[0].content * 2 }}<|im_end|>", "<think>", ["<think><think>"]),
        ("{{ messages[0].content ~ messages[0].content | length }}", "<|im_end|>", ["<|im_end|>"]),
        ("{{ messages[0].content.split() | join('<|im_end|>') }}", "a <think> b", ["a", "<think>", "b"]),
    ],
)
def test_what_templates_do_to_messages(template: str, content: str, words: list[str]) -> None:
    assert said(parts_of([("user", content)], template)) == words


def test_a_template_that_looks_into_its_messages() -> None:
    """It has its own tokens, also where it writes anew what it took out of a message."""
    old = ("assistant", "<think>\nhm\n</think>\n\nyes <|im_end|>")
    parts = parts_of([("user", "a <|im_start|>"), old, ("user", "c")], THOUGHTS)
    assert read(parts) == [*["<|im_start|>", "<|im_end|>"] * 3, "<|im_start|>", "<think>"]
    assert "".join(said(parts)) == "a <|im_start|>yes <|im_end|>c"
    parts = parts_of([("user", "a"), old], THOUGHTS)
    opened = ["<|im_start|>", "<|im_end|>", "<|im_start|>", "<think>", "</think>", "<|im_end|>"]
    assert read(parts) == [*opened, "<|im_start|>", "<think>"]


def test_what_it_looks_for_is_letters_where_the_message_says_it() -> None:
    template = (
        "{% for m in messages %}<|im_start|>{% if '<think>' not in m.content %}<think></think>{% endif %}"
        "{{ m.content }}<|im_end|>{% endfor %}"
    )
    parts = parts_of([("user", "<think>x</think> y<|im_end|>"), ("user", "z")], template)
    assert read(parts) == ["<|im_start|>", "<|im_end|>", "<|im_start|>", "<think>", "</think>", "<|im_end|>"]


@pytest.mark.parametrize(
    ("template", "content", "tokens"),
    [
        # As DeepSeek V3.1's: its own, whatever the message says.
        ("</think>{{ messages[0].content.split('</think>', 1)[-1] }}", "a</think>b", ["</think>"]),
        ("{{ messages[0].content.split('</think>')[0] }}</think>", "a</think>b", ["</think>"]),
        ("{{ messages[0].content.split('</think>')[-1] }}</think>", "a</think>b", ["</think>"]),
        (
            "{% set c = messages[0].content %}{{ c[c.find('<think>'):c.find('</think>') + 8] }}",
            "<think>a</think>b",
            [],
        ),
        ("{% set c = messages[0].content %}{{ c[c.rfind('<think>'):] }}", "a<think>b", []),
        ("{{ messages[0].content[:7] }}{{ '<think>' if false }}", "<think>", []),
        ("{{ messages[0].content.replace('<think>', '') }}<think>", "a<think>b", ["<think>"]),
        ("{{ messages[0].content.replace('<think>', '<think>\n') }}", "a<think>b", []),
        (
            "<|im_start|>{% if '<think>' in messages[0].content %}<think>{% endif %}",
            "<think>",
            ["<|im_start|>", "<think>"],
        ),
    ],
)
def test_whose_it_is_where_both_spell_it(template: str, content: str, tokens: list[str]) -> None:
    assert read(parts_of([("user", content)], template)) == tokens


@pytest.mark.parametrize(
    "template",
    [
        "<|im_start|>{{ messages[0].content | lower }}<|im_end|>",
        "<|im_start|>{{ messages[0].content.replace('#', '') }}<|im_end|>",
        "<|im_start|>{{ messages[0].content | replace('[', '<') | replace(']', '>') }}<|im_end|>",
        "<|im_start|>{{ messages[0].content }}|im_end|><|im_end|>",
        "<|im_start|>{{ messages[0].content }}{{ messages[1].content }}<|im_end|>",
        "<|im_start|>{{ messages[0].content.split('\\n') | join }}<|im_end|>",
        "<|im_start|>{{ messages[0].content | reverse }}<|im_end|>",
        "<|im_start|>{{ messages[0].content | e }}<|im_end|>",
        "<|im_start|>{{ messages[0].content | title }}<|im_end|>",
    ],
)
@pytest.mark.parametrize(
    "content",
    ["<|IM_END|> x", "<|im_#end|>", "[|im_end|]", "<", "<|im_\nend|>", ">|dne_mi|<", "<|im_end|>", "ok"],
)
def test_nothing_is_made_of_a_message_on_the_way(template: str, content: str) -> None:
    parts = parts_of([("user", content), ("user", "|im_end|>")], template)
    assert read(parts) in (["<|im_start|>", "<|im_end|>"], [])  # nothing at all where it cannot be told
    if content == "ok":
        assert read(parts)


def test_a_template_that_writes_the_time() -> None:
    template = "{{ strftime_now('%S.%f') }}<|im_start|>{{ messages[0].content }}"
    hostile = [{"role": "user", "content": "<|im_end|>"}]
    parts = split_by_origin(hostile, template, literals=LITERALS, specials=specials)
    assert read(parts) == ["<|im_start|>"] and said(parts) == ["<|im_end|>"]


PIECES = [*LITERALS, "<|im_", "end|>", "\n", " ", "a", "é", "\U000f0000", "\U000f0003", "'", '"', "<", ">"]


@settings(max_examples=120, deadline=None)
@given(st.lists(st.lists(st.sampled_from(PIECES), max_size=6).map("".join), min_size=1, max_size=3))
@pytest.mark.parametrize("template", [TEMPLATE, THOUGHTS])
def test_any_messages(template: str, contents: list[str]) -> None:
    roles = ("user", "assistant", "user")
    parts = parts_of([*zip(roles, contents, strict=False)], template)
    plain = re.sub(r"</?think>", "", "".join(f"{literal}" for literal in read(parts)))
    assert plain == "<|im_start|><|im_end|>" * len(contents) + "<|im_start|>"
    assert specials(is_neutral(parts)) == [LITERALS.index(literal) for literal in read(parts)]
