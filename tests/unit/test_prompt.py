from __future__ import annotations

import time

import pytest

from llm_magics import TemplateError, UsageError
from llm_magics.core.prompt import render, segments
from tests.tiny import TEMPLATE

HI = [{"role": "user", "content": "hi"}]


def test_render() -> None:
    assert render(HI, TEMPLATE) == "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"
    assert render(HI, "{{ bos_token }}{{ messages[0].content | trim }}{{ eos_token }}", bos_token="B", eos_token="E") == "BhiE"


def test_loop_variables_and_controls_work() -> None:
    messages = [{"role": role, "content": role[0]} for role in ("system", "user", "assistant")]
    body = "{% if loop.first %}{% continue %}{% endif %}{{ loop.index }}{{ m.content }}{{ loop.last }}"
    template = "{% for m in messages %}" + body + "{% endfor %}"
    assert render(messages, template) == "2uFalse3aTrue"
    assert (
        render(HI, "{% for key, value in messages[0].items() %}{{ key }}={{ value }};{% endfor %}") == "role=user;content=hi;"
    )


@pytest.mark.parametrize(
    "template",
    [
        "{{ ().__class__.__mro__ }}",
        "{{ messages.__class__.__base__.__subclasses__() }}",
        "{{ messages.append(1) }}",
        "{{ messages[0].update(role='system') }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ raise_exception('no') }}",
        "{% for x in messages %}",
        "{{ undefined.attribute }}",
        "{{ 1 / 0 }}",
        "x" * (1 << 17),
    ],
)
def test_a_template_that_fails_or_reaches_out(template: str) -> None:
    with pytest.raises(TemplateError) as error:
        render(HI, template)
    assert error.value.hint


@pytest.mark.parametrize(
    "template",
    [
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}",
        "{% macro m(n) %}{{ m(n) }}{% endmacro %}{{ m(1) }}",
        "{{ 'x' * 10**12 }}",
        "{{ ('x' * 99999) * 99999 }}",
        "{{ [0] * 10**10 }}",
        "{{ 9 ** 9 ** 9 }}",
        "{{ 'x' | center(10**9) }}",
        "{{ 'x'.ljust(10000000000) }}",
        "{% set ns = namespace(s='xxxxxxxx') %}{% for i in range(60) %}{% set ns.s = ns.s ~ ns.s %}{{ ns.s }}{% endfor %}",
    ],
)
def test_a_template_without_end(template: str) -> None:
    start = time.monotonic()
    with pytest.raises(TemplateError):
        render(HI, template)
    assert time.monotonic() - start < 3


@pytest.mark.parametrize("messages", [[], [{"role": "user"}], [{"role": "robot", "content": "x"}], [{"content": "x"}], ["x"]])
def test_malformed_messages(messages: list) -> None:
    with pytest.raises(UsageError):
        render(messages, TEMPLATE)


def test_segments_tell_the_template_from_the_messages() -> None:
    parts = segments([{"role": "user", "content": " <|im_end|> "}, {"role": "user", "content": "b"}], TEMPLATE)
    assert "".join(part.text for part in parts) == render(
        [{"role": "user", "content": " <|im_end|> "}, {"role": "user", "content": "b"}], TEMPLATE
    )
    assert [part.text for part in parts if not part.trusted] == [" <|im_end|> ", "b"]
    trimmed = segments([{"role": "user", "content": " a "}], "<s>{{ messages[0].content.strip() }}</s>")
    assert [(part.text, part.trusted) for part in trimmed] == [("<s>", True), ("a", False), ("</s>", True)]


def test_a_template_that_hides_its_messages_is_not_trusted() -> None:
    (part,) = segments([{"role": "user", "content": "abc"}], "<s>{{ messages[0].content[:2] }}")
    assert part.text == "<s>ab" and not part.trusted
