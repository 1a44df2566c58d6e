from __future__ import annotations

import time
import tracemalloc

import pytest

from llm_magics import TemplateError, UsageError
from llm_magics.core import prompt
from llm_magics.core.prompt import render, segments
from tests.tiny import TEMPLATE

HI = [{"role": "user", "content": "hi"}]


def test_render() -> None:
    assert render(HI, TEMPLATE) == "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"
    assert (
        render(
            HI, "{{ bos_token }}{{ messages[0].content | trim }}{{ eos_token }}", bos_token="B", eos_token="E"
        )
        == "BhiE"
    )


def test_loop_variables_and_controls_work() -> None:
    messages = [{"role": role, "content": role[0]} for role in ("system", "user", "assistant")]
    body = "{% if loop.first %}{% continue %}{% endif %}{{ loop.index }}{{ m.content }}{{ loop.last }}"
    template = "{% for m in messages %}" + body + "{% endfor %}"
    assert render(messages, template) == "2uFalse3aTrue"
    assert (
        render(HI, "{% for key, value in messages[0].items() %}{{ key }}={{ value }};{% endfor %}")
        == "role=user;content=hi;"
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
        "{{ [1] | slice(10) }}",
        "{{ lipsum() }}",
        "{{ (1).to_bytes(10**9, 'big') }}",
        "{{ '{0.__class__}'.format(1) }}{{ undefined() }}",
        "{% for a in range(1) %}" * 25 + "{% endfor %}" * 25,
        "{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}",
        "x" * (1 << 17),
    ],
)
def test_a_template_that_fails_or_reaches_out(template: str) -> None:
    with pytest.raises(TemplateError) as error:
        render(HI, template)
    assert error.value.hint


@pytest.mark.parametrize(
    "template",
    [  # each once ran on, or took a gigabyte in one step
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}",
        "{% set _counted = range %}{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% "
        "endfor %}",
        "{% macro m(n) %}{{ m(n) }}{% endmacro %}{{ m(1) }}",
        "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}",
        "{% block b %}{{ self.b() }}{{ self.b() }}{% endblock %}",
        "{% set l = range(99999) | list %}{{ ([l] * 1000) | map('sort') | map('length') | sum }}",
        "{% set l = range(99999) | list %}{{ l | select('in', l) | list | reverse | select('in', l) | list "
        "| length }}",
        "{% set l = range(99999) | list %}{{ ([l] * 600) | sum(start=[]) | length }}",
        "{{ 'x' * 10**12 }}",
        "{{ ('x' * 99999) * 99999 }}",
        "{{ [0] * 10**10 }}",
        "{{ 9 ** 9 ** 9 }}",
        "{{ 'x' | center(10**9) }}",
        "{{ 'x'.ljust(10000000000) }}",
        "{{ '%9999999999d' % 1 }}",
        "{{ 'a' | indent(10**10) }}",
        "{{ [1] | tojson(indent=10**10) }}",
        "{{ [1] | tojson(separators=('x' * 1000, 'x' * 1000)) }}",
        "{{ strftime_now('%c' * 4000000) }}",
        "{% set s = 'x' * 40000 %}{{ s.replace('x', s) | length }}",
        "{% set s = 'x' * 40000 %}{{ s | replace('x', s) | length }}",
        "{% set s = 'x' * 40000 %}{{ s.join(s) | length }}",
        "{% set s = 'x' * 40000 %}{{ s | join(s) | length }}",
        "{% set s = 'x' * 1000000 %}{% set n = namespace(l=[]) %}"
        "{% for i in range(9999) %}{% set n.l = n.l + [s[1:]] %}{% endfor %}",
        "{% set ns = namespace(s='xxxxxxxx') %}{% for i in range(60) %}{% set ns.s = ns.s ~ ns.s %}{{ ns.s "
        "}}{% endfor %}",
        "{% set ns = namespace(s='xxxxxxxx') %}{% for i in range(60) %}{% set ns.s = ns.s ~ ns.s %}{% "
        "endfor %}",
        "{% set ns = namespace(s='xxxxxxxx') %}{% for i in range(60) %}{% set ns.s = ns.s + ns.s %}{% "
        "endfor %}",
        "{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s %}{{ ns.s }}{{ ns.s }}{% endset "
        "%}{% endfor %}",
        "{% set s %}{% for i in range(99999) %}" + "x" * 60_000 + "{% endfor %}{% endset %}",
        "{% set ns = namespace(n=3) %}{% for i in range(60) %}{% set ns.n = ns.n * ns.n %}{% endfor %}",
    ],
)
def test_a_template_without_end(template: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompt, "MAX_SECONDS", 0.3)
    start = time.monotonic()
    tracemalloc.start()
    try:
        with pytest.raises(TemplateError):
            render(HI, template)
        assert tracemalloc.get_traced_memory()[1] < 512 << 20
    finally:
        tracemalloc.stop()
    assert time.monotonic() - start < 5


def test_what_honest_templates_do() -> None:
    messages = [{"role": "user", "content": "a b"}, {"role": "assistant", "content": "<think>x</think>\n c"}]
    template = (
        "{%- if tools is not none %}T{% endif %}{%- for m in messages[::-1] if m.role != 'system' %}"
        "{{ loop.index ~ '/' ~ loop.length }}{{ m['content'].split('</think>')[-1].lstrip('\\n') | trim | "
        "upper }}{% endfor %}"
        "{% generation %}{{ messages | map(attribute='role') | join(', ') | replace('user', 'U') }}{% "
        "endgeneration %}"
        "{{ {'é': [1]} | tojson }}{{ messages | selectattr('role', 'equalto', 'user') | list | length }}"
        "{{ '-'.join(['a', 'b']) ~ 'a\nb' | indent(2) ~ [1, 2] | sum }}{{ messages | sum(attribute='n', "
        "start=0) if false }}"
    )
    assert render(messages, template) == '1/2C2/2A BU, assistant{"é": [1]}1a-ba\n  b3'


def test_a_long_conversation_fits() -> None:
    messages = [{"role": "user", "content": "word " * 2000}] * 200  # 2 million characters
    assert len(render(messages, TEMPLATE)) > 2_000_000


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [{"role": "user"}],
        [{"role": "robot", "content": "x"}],
        [{"content": "x"}],
        ["x"],
        [{"role": "user", "content": "x", "name": "<|im_end|>"}],
    ],
)
def test_malformed_messages(messages: list) -> None:
    with pytest.raises(UsageError):
        render(messages, TEMPLATE)


def test_segments_tell_the_template_from_the_messages() -> None:
    parts = segments(
        [{"role": "user", "content": " <|im_end|> "}, {"role": "user", "content": "b"}], TEMPLATE
    )
    assert "".join(part.text for part in parts) == render(
        [{"role": "user", "content": " <|im_end|> "}, {"role": "user", "content": "b"}], TEMPLATE
    )
    assert [part.text for part in parts if not part.trusted] == [" <|im_end|> ", "b"]
    trimmed = segments([{"role": "user", "content": " a "}], "<s>{{ messages[0].content.strip() }}</s>")
    assert [(part.text, part.trusted) for part in trimmed] == [("<s>", True), ("a", False), ("</s>", True)]


def test_a_template_that_hides_its_messages_is_not_trusted() -> None:
    (part,) = segments([{"role": "user", "content": "abc"}], "<s>{{ messages[0].content[:2] }}")
    assert part.text == "<s>ab" and not part.trusted
