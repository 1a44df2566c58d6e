"""Chat templates: what they make, what they may not do, and whose words are whose."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from llm_magics import TemplateError, UsageError
from llm_magics.chat import template_process
from llm_magics.chat.prompt import render
from tests.support.tiny import TEMPLATE

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


ABUSES = [
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
    "{{ 9 ** (9 ** 9) }}",
    "{{ 'x' | center(10**9) }}",
    "{{ 'x'.ljust(10000000000) }}",
    "{{ '%9999999999d' % 1 }}",
    "{{ 'a' | indent(10**10) }}",
    "{{ [1] | tojson(indent=10**10) }}",
    "{{ strftime_now('%c' * 4000000) }}",
    "{% set s = 'x' * 40000 %}{{ s.replace('x', s) | length }}",
    "{% set s = 'x' * 40000 %}{{ s | replace('x', s) | length }}",
    "{% set s = 'x' * 40000 %}{{ s.join(s) | length }}",
    "{% set s = 'x' * 40000 %}{{ s | join(s) | length }}",
    "{% set s = 'x' * 1000000 %}{% set n = namespace(l=[]) %}"
    "{% for i in range(9999) %}{% set n.l = n.l + [s[1:]] %}{% endfor %}",
    "{% set ns = namespace(s='xxxxxxxx') %}{% for i in range(60) %}{% set ns.s = ns.s ~ ns.s %}{{ ns.s "
    "}}{% endfor %}",
    "{% set ns = namespace(s='xxxxxxxx') %}{% for i in range(60) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
    "{% set ns = namespace(s='xxxxxxxx') %}{% for i in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
    "{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s %}{{ ns.s }}{{ ns.s }}{% endset "
    "%}{% endfor %}",
    "{% set s %}{% for i in range(99999) %}" + "x" * 60_000 + "{% endfor %}{% endset %}",
    "{% set ns = namespace(n=3) %}{% for i in range(60) %}{% set ns.n = ns.n * ns.n %}{% endfor %}",
    "{{ ['x' * 1000000] * 300 }}",
    "{{ ['x' * 1000000] * 300 | sort }}",
    "{{ '{:>1000000000}'.format(1) }}",
    "{{ (10 ** 10000000) | string | length }}",
    "{% set l = ['x' * 1000] * 99999 %}{% for i in range(9999) %}{{ l | unique | list | length }}"
    "{{ l | tojson | length }}{% endfor %}",
    "{% set n = namespace(a=[], b=[]) %}{% for i in range(60) %}{% set n.a = [n.a, n.a] %}"
    "{% set n.b = [n.b, n.b] %}{% endfor %}{{ n.a == n.b }}",
    "{% set n = namespace(l=[1]) %}{% for i in range(60) %}{% set n.l = n.l + n.l %}{% endfor %}",
    "{{ (range(99999) | list * 40) | map('string') | sort(reverse=true) | join | length }}",
]


@pytest.fixture
def most_held() -> Iterator[Callable[[], float]]:
    """The most bytes that the helper process was seen to hold so far, a look every few milliseconds."""
    seen, done = [0.0], threading.Event()

    def look() -> None:
        while not done.wait(0.003):
            process = template_process._process
            with suppress(psutil.Error):
                seen.append(psutil.Process(process.pid).memory_info().rss if process else 0)

    thread = threading.Thread(target=look)
    thread.start()
    yield lambda: max(seen)
    done.set()
    thread.join()


@pytest.mark.parametrize("template", ABUSES)
def test_no_template_takes_all_there_is(template: str, most_held: Callable[[], float]) -> None:
    start = time.monotonic()
    with pytest.raises(TemplateError) as error:
        render(HI, template)
    assert time.monotonic() - start < 10 and error.value.hint  # a bound against disasters
    assert most_held() < 150e6
    assert render(HI, TEMPLATE), "and the next one is answered"


@pytest.mark.parametrize(
    ("template", "limit"),
    [
        ("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "longer than 1 s"),
        ("{{ 'x' * 10**9 }}", "more than 100 MB of memory"),
        ("{% for i in range(9) %}{{ 'x' * 1000000 }}{% endfor %}", "more than 4,194,304 characters"),
    ],
)
@pytest.mark.parametrize("watched", [False, True])
def test_the_limit_is_named(
    template: str, limit: str, watched: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kept by the system, or, where that cannot do it, by looking on."""
    template_process.stop()
    monkeypatch.setattr(template_process, "WATCHED", watched)
    with pytest.raises(TemplateError, match=limit):
        # A step at a time: looking on comes too late for a single one.
        render(HI, template.replace("10**9 }}", "10**8 }}") if watched else template)
    template_process.stop()


def test_the_process_has_nothing_to_reach_for() -> None:
    os.environ["A_SECRET"] = "x"
    try:
        template_process.stop()
        render(HI, TEMPLATE)
        process = psutil.Process(template_process._process.pid)  # type: ignore[union-attr]
        if sys.platform == "linux":
            assert "A_SECRET" not in process.environ() and process.num_fds() == 3
            assert process.rlimit(psutil.RLIMIT_NOFILE) == (0, 0)
    finally:
        del os.environ["A_SECRET"]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM] if os.name == "posix" else [signal.SIGTERM])
def test_it_starts_again_when_it_was_ended(how: signal.Signals) -> None:
    render(HI, TEMPLATE)
    before = template_process._process.pid  # type: ignore[union-attr]
    os.kill(before, how)
    time.sleep(0.1)
    assert render(HI, TEMPLATE).startswith("<|im_start|>")
    assert template_process._process.pid != before  # type: ignore[union-attr]


def test_one_process_serves_all_threads() -> None:
    render(HI, TEMPLATE)
    pid, made = template_process._process.pid, []  # type: ignore[union-attr]

    def work(number: int) -> None:
        for _ in range(20):
            text = render([{"role": "user", "content": f"n{number}"}], TEMPLATE)
            made.append(f"n{number}<" in text)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 160 and all(made) and template_process._process.pid == pid  # type: ignore[union-attr]


def test_an_interrupt_leaves_no_answer_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    render(HI, TEMPLATE)
    real = template_process._read

    def interrupted(process: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(template_process, "_read", interrupted)
    with pytest.raises(KeyboardInterrupt):
        render([{"role": "user", "content": "one"}], TEMPLATE)
    monkeypatch.setattr(template_process, "_read", real)
    assert "two" in render([{"role": "user", "content": "two"}], TEMPLATE)


PROGRAM = """
import os, sys, time
from llm_magics.chat import template_process
from llm_magics.chat.prompt import render
hi = [{"role": "user", "content": "hi"}]
render(hi, "{{ messages[0].content }}")
print(template_process._process.pid, flush=True)
"""


def _ran(rest: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM + rest],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )


def _gone(pid: int) -> bool:
    for _ in range(100):
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("rest", ["", "os._exit(1)", "time.sleep(99)"])
def test_it_ends_with_the_kernel(rest: str) -> None:
    with _ran(rest) as program:
        pid = int(program.stdout.readline())  # type: ignore[union-attr]
        if "sleep" in rest:
            program.kill()
        program.wait(30)
    assert _gone(pid)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_process_has_one_of_its_own() -> None:
    rest = """
if (child := os.fork()) == 0:
    render(hi, "{{ messages[0].content }}")
    print(template_process._process.pid, flush=True)
    time.sleep(0.2)
    os._exit(0)
os.waitpid(child, 0)
print(render(hi, "{{ messages[0].content }}"), template_process._process.pid, flush=True)
"""
    with _ran(rest) as program:
        first, second, third = program.communicate(timeout=60)[0].split("\n")[:3]
    assert first != second and third == f"hi {first}"
    assert _gone(int(first)) and _gone(int(second))


def test_no_interpreter_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    template_process.stop()
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    template_process.start()  # says nothing: perhaps no template is ever to run
    with pytest.raises(TemplateError, match="cannot be started") as error:
        render(HI, TEMPLATE)
    assert "--raw" in error.value.hint
    monkeypatch.setattr(sys, "executable", "/bin/false" if os.path.exists("/bin/false") else "/no/such")
    with pytest.raises(TemplateError, match="cannot be started"):
        render(HI, TEMPLATE)
    monkeypatch.undo()
    assert render(HI, TEMPLATE)


@pytest.mark.parametrize(
    ("template", "expected"),
    [  # each was refused before
        ("{% for m in messages %}{% set c = m.content %}{{ c.replace('h', 'b') }}{% endfor %}", "bi"),
        ("{{ '<{}>'.format('x') }}{{ '%s-%d' % ('a', 2) }}", "<x>a-2"),
        ("{% set x = 1 %}{% generation %}{% set x = 2 %}{{ x }}{% endgeneration %}{{ x }}", "21"),
        ("{{ strftime_now('%Y') | length }}", "4"),
        ("{% for m in [1, 2, 3] %}{% if m == 2 %}{% break %}{% endif %}{{ m }}{% endfor %}", "1"),
        ("{{ 'abc' | center(7) }}|{{ 2 ** 10 }}", "  abc  |1024"),
    ],
)
def test_what_the_templates_of_real_models_do(template: str, expected: str) -> None:
    assert render(HI, template) == expected


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
