"""Fields in a prompt: what is replaced, what stays text, and that nothing pasted is ever run."""

from __future__ import annotations

import math
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_magics import TemplateError
from llm_magics.magics.parsing.expand import expand, note
from llm_magics.magics.parsing.request import parse


class Person:
    name = "Ada"
    tags: list[str] = ["a", "b"]  # noqa: RUF012

    @property
    def broken(self) -> str:
        raise RuntimeError("no")


NS: dict[str, Any] = {
    "x": 5,
    "pi": math.pi,
    "obj": "abc",
    "d": {"k": "v", "}": 1, 3: {"z": "deep"}},
    "items": [1, 2, 3],
    "text": "{x} {{y}}",
    "a": 7,
    "b": 8,
    "n": 9,
    "i": 1,
    "person": Person(),
    "größe": 1.5,
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{x}", "5"),
        ("{pi:.2f} {obj!r} {obj!r:>6} {x:03d}", "3.14 'abc'  'abc' 005"),
        ("{d['}']} {d['k']} {d[\"k\"]} {d[3]['z']}", "1 v v deep"),
        (
            "{items[0]} {items[-1]} {items[0:2]} {items[:2]} {items[1:]} {obj[:2]}",
            "1 3 [1, 2] [1, 2] [2, 3] ab",
        ),
        ("{person.name} {person.tags[1]} {größe}", "Ada b 1.5"),
        ("{{x}} {{{x}}} {{{{x}}}}", "{x} {5} {{x}}"),
        ("{text}", "{x} {{y}}"),
        ("file_{x}_{obj}.txt, {x}{obj}, ({x})", "file_5_abc.txt, 5abc, (5)"),
        ("costs $5 and {x} costs $6, {a} for ${b}", "costs $5 and 5 costs $6, 7 for $8"),
    ],
)
def test_what_is_replaced(text: str, expected: str) -> None:
    assert expand(text, NS) == (expected, ())


@pytest.mark.parametrize(
    "text",
    [
        *("{", "}", "{}", "}}", "{{", "{{}}", "{ x }", "{x, y}", "{x; y}", "{x y}", "{x", "x}"),
        *('{"a": {"b": 1}}', "{1, 2}", "{'a': x}", "{x: 1}", "{a: b, c: d}", "{{ user.name }}", "{% if x %}"),
        "if (a) { return b; }",
        "body{color:red}",
        "f(x) = {x^2: no}",
        "${HOME}/bin",
        "Explain `int main(void){exit(0)}`",
        "for (const x of y) {log(x)}",
        "{__import__('os').popen('touch /tmp/never').read()}",
        *(
            "{exit()}",
            "{x()}",
            "{x.bit_length()}",
            "{obj.upper()}",
            "{(x)}",
            "{x+1}",
            "{x if x else 0}",
            "{x or 1}",
        ),
        *("{lambda: 1}", "{[1]}", "{obj[x]}", "{d[obj]}", "{d['k'](1)}", "{x!z}"),
        *(
            r"\frac{a}{b}",
            r"\frac{a} {x y}",
            r"\sqrt[n]{a}",
            r"\text{x}",
            r"\left\{x\right\}",
            r"\mathbb{a}_{b}",
        ),
        *(
            r"$x_{a}^{b}$",
            r"$$\sum_{i}^{n} {x}$$",
            r"\(x_{a} {b}\)",
            r"\[ {a} \over {b} \]",
            "x^{a}",
            "x_{i}",
            "x^{a}_{b}",
        ),
        *(r"\begin{x}{a}", r"\frac{{a}}{{b}}", r"\frac{a}{b}{x}", r"e^{-x^{a}}"),
    ],
)
def test_what_stays(text: str) -> None:
    assert expand(text, NS)[0] == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hello {itemz}", "{itemz} stayed as text: there is no variable itemz (items?)"),
        ("{nothing_like_it}", "{nothing_like_it} stayed as text: there is no variable nothing_like_it"),
        ("{person.nam}", "{person.nam} stayed as text: it has no nam"),
        ("{person.broken}", "{person.broken} stayed as text: it has no broken"),
        ("{d['q']}", "{d['q']} stayed as text: ['q'] fails (KeyError)"),
        ("{items[9]}", "{items[9]} stayed as text: [9] fails (IndexError)"),
        ("{x:>>>}", "{x:>>>} stayed as text: it cannot be written so (ValueError)"),
        ("{x:9999999999}", "{x:9999999999} stayed as text: its format is too wide"),
        ("{x.__class__}", "{x.__class__} stayed as text: __class__ is not read"),
    ],
)
def test_what_stays_is_said(text: str, said: str) -> None:
    assert expand(text, NS) == (text, (said,))


def test_the_line_about_it_is_one_line() -> None:
    _, left = expand("{q1} {q2} {q1} {q3} {q4} {q5}", NS)
    assert len(left) == 5
    assert note(left).endswith("; and 2 more") and "\n" not in note(left) and note(()) == ""
    request = parse("-s {q1}", "{q2} {x}", NS)
    assert request.prompt == "{q2} 5" and request.system == "{q1}" and len(request.unresolved) == 2
    assert not parse("", "{{q1}} {'a': 1}", NS).unresolved


def test_an_email_that_was_pasted_runs_nothing(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []
    namespace = {"__import__": ran.append, "os": ran, "exit": ran.append, "open": ran.append}
    for text in ("{__import__('os')}", "{exit(0)}", "{open('x')}", "{os.append('x')}", "{os.sort()}"):
        assert expand(text, namespace)[0] == text
    assert not ran


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{x+1} {(x)} {obj.upper()} {x if x else 0}", "6 5 ABC 5"),
        ("{d['}']} {items[0:2]} {obj!r:>6} {{x}} {{{x}}}", "1 [1, 2]  'abc' {x} {5}"),
        ("{'a' if x else 'b'} {1, 2} {x: 1} {}", "a {1, 2} {x: 1} {}"),
        (r"\frac{a}{b}", r"\frac{a}{b}"),
    ],
)
def test_expressions_when_they_are_asked_for(text: str, expected: str) -> None:
    assert expand(text, NS, evaluate=True) == (expected, ())
    assert parse("--eval", text, NS).prompt == expected


def test_an_expression_that_fails_is_an_error() -> None:
    for text, said in (("{itemz}", "NameError"), ("{x / 0}", "ZeroDivisionError")):
        with pytest.raises(TemplateError, match=said) as error:
            expand(text, NS, evaluate=True)
        assert error.value.hint


@pytest.mark.parametrize(
    "piece", ["{", "{}", "{{", "}", "{a b}", r"\a{", "$", r"\[", "x_{", "{x", "$x_{", "{x[0]", "{x."]
)
@pytest.mark.parametrize("evaluate", [False, True])
def test_long_bodies_are_quick(piece: str, evaluate: bool) -> None:
    began = time.process_time()
    expand(piece * (1_000_000 // len(piece) // (20 if evaluate else 1)), NS, evaluate=evaluate)
    assert time.process_time() - began < 10


@given(st.text(alphabet="{}x!:r'\"[] \\-=o$^_.a", max_size=60))
def test_any_text_is_kept_or_replaced(text: str) -> None:
    out, left = expand(text, {"x": "X", "a": ["{x}"]})
    assert all(line.count("stayed as text") == 1 for line in left)
    if "x" not in text and "a" not in text:
        assert out == text


NAMES = {"names": ["Oslo", "Rome"], "n": 3, "f": 1.5}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("{', '.join(names)}", "Oslo, Rome"),
        ("{[x for x in names]}", "['Oslo', 'Rome']"),
        ("{n > 2}", "True"),
        ("{not n}", "False"),
        ("{-n}", "-3"),
        ("{3*n}", "9"),
        ("{n and 1}", "1"),
        ("{n == 3}", "True"),
        ("{n, 4}", "(3, 4)"),
        ("{f'{n:02d}'}", "03"),
        ("{'lit'}", "lit"),
        ("{ n }", "3"),
        ("{n=}", "n=3"),
        ("{n = }", "n = 3"),
        ("{sum(x == 'Oslo' for x in names)}", "1"),
        ("{names[n - 2]!r:>7}", " 'Rome'"),
        ('{"a":1}', '{"a":1}'),
        ("{1, 2}", "{1, 2}"),
        ("a{3}", "a{3}"),
        ("{a: 1}", "{a: 1}"),
        ("{}", "{}"),
    ],
)
def test_eval_takes_any_expression(field: str, value: str) -> None:
    """N5: only some kinds of expression were run, and no word was said of the others."""
    assert expand(field, NAMES, evaluate=True)[0] == value


@pytest.mark.parametrize(
    "field",
    [
        "{names[0].upper()}",
        "{len(names)}",
        "{names[n]}",
        "{n+1}",
        "{ n }",
        "{n=}",
        "{n if n else 0}",
        "{(n)}",
    ],
)
def test_what_looks_like_a_field_and_is_none_is_said(field: str) -> None:
    """N6"""
    text, notes = expand(f"a {field} b", NAMES)
    assert text == f"a {field} b"
    assert notes == (f"{field} stayed as text: nothing is called or computed; --eval runs it",)


@pytest.mark.parametrize(
    "text",
    [
        "if (x) { return n; }",
        "{len(other)}",
        "{other()}",
        '{"n": n}',
        "{n: 1}",
        "{exit(0)}",
        "{open(f)}",
        "{n x}",
        "const {a, b} = c",
        r"\frac{n+1}{2}",
    ],
)
def test_code_gets_no_note(text: str) -> None:
    assert expand(text, NAMES) == (text, ())


def test_answers_are_their_text() -> None:
    """N1: a 20-token answer was 9,797 tokens in the next prompt."""
    from llm_magics import Generation, Trace

    answer = Generation("Blue.", (), "stop", "Name a colour.")
    other = Generation("Red.", (), "stop", "Another one.")
    trace = Trace("Once", ())
    space = {"short": answer, "both": [answer, other], "trace": trace}
    assert expand("Translate: {short}", space)[0] == "Translate: Blue."
    assert expand("{short:>7}|{both}|{trace}", space)[0] == "  Blue.|Blue.\n\nRed.|Once"
    assert expand("{both}", space, evaluate=True)[0] == "Blue.\n\nRed."
    assert f"{answer}" == str(answer) == "Blue." and str(trace) == "Once"
    assert len({answer, other, answer}) == 2


def test_a_date_wants_a_format_of_its_own() -> None:
    """N25: strftime takes any letters."""
    import datetime

    space = {"v": datetime.datetime(2024, 1, 2), "d": datetime.date(2024, 1, 2)}
    assert expand("{v:%Y} {d:%d.%m.}", space)[0] == "2024 02.01."
    text, notes = expand("Explain {v:k for k,v in d.items()} please", space)
    assert text == "Explain {v:k for k,v in d.items()} please" and "its format has no %" in notes[0]


def test_tables_and_arrays_that_are_cut_are_named() -> None:
    """N18: pandas and NumPy leave out the middle."""
    import numpy as np
    import pandas as pd

    space = {
        "df": pd.DataFrame({"id": range(100), "name": [f"n{i}" for i in range(100)]}),
        "small": pd.DataFrame({"id": [1, 2]}),
        "series": pd.Series(range(100)),
        "many": np.arange(5000),
        "few": np.arange(5),
        "words": "and so on ...",
    }
    assert expand("{df}", space)[1] == ("{df}: 10 of its 100 rows and 2 columns, as pandas prints it",)
    assert expand("{series}", space)[1][0].startswith("{series}: 10 of its 100 values")
    assert expand("{many}", space)[1] == ("{many}: a part of its 5,000 values, as numpy prints it",)
    assert expand("{small} {few} {words}", space)[1] == ()
    assert expand("{df.to_string()}", space, evaluate=True)[1] == ()
