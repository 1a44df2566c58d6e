"""A cell that a view writes asks just what was asked in it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from llm_magics import SamplingOptions, UsageError
from llm_magics.magics.parsing.request import parse
from llm_magics.magics.playground.cells import magic, python

TEXT = st.text(alphabet=st.sampled_from("ab {}\"'\\\n$-:.é\t"), min_size=1, max_size=30)


@given(TEXT, TEXT, TEXT, st.floats(0, 2), st.integers(0, 2**40), st.booleans())
def test_a_cell_says_what_was_asked(
    prompt: str, system: str, stop: str, temperature: float, seed: int, raw: bool
) -> None:
    options = SamplingOptions(temperature=temperature, seed=seed, stop=(stop,))
    try:
        cell = magic(prompt, options, system=None if raw else system, raw=raw, model="org/name")
    except UsageError:  # a prompt of blanks, or a line break in the line
        return
    head, _, body = cell.partition("\n")
    read = parse(head.removeprefix("%%llm"), body + "\n", {"a": "!", "b": "!", "ab": "!"})
    assert read.prompt == prompt and (raw or read.system == system) and read.raw == raw
    assert SamplingOptions(**read.options) == options and read.model == "org/name" and read.tokens


def test_what_it_looks_like() -> None:
    options = SamplingOptions(temperature=0.9, seed=3, max_tokens=120)
    assert magic("Why {name}?", options, tokens=False) == "%%llm -n 120 -t 0.9 --seed 3\nWhy {{name}}?"
    assert magic("Why?", SamplingOptions(), follow=True) == "%%llm -c --tokens\nWhy?"
    assert "answer = lm.load().generate([{'role': 'user', 'content': 'a'}], seed=3" in python(
        [{"role": "user", "content": "a"}], SamplingOptions(seed=3), model=None, system=None
    )
