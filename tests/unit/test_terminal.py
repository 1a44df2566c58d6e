"""A23: an answer in a terminal."""

from __future__ import annotations

import io
import sys

import pytest

from llm_magics import Token
from llm_magics.magics.terminal import Writer


class Screen(io.StringIO):
    encoding = "utf-8"

    def __init__(self, tty: bool) -> None:
        super().__init__()
        self._tty = tty

    def isatty(self) -> bool:
        return self._tty


def written(
    monkeypatch: pytest.MonkeyPatch,
    *texts: str,
    tty: bool = True,
    tokens: bool = False,
    logprob: float = -0.1,
) -> str:
    screen = Screen(tty)
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.delenv("NO_COLOR", raising=False)
    writer = Writer(tokens=tokens)
    for text in texts:
        writer.add(Token(1, text, logprob, 0.0, 0))
    writer.flush()
    return screen.getvalue()


def test_words_are_not_broken_at_the_edge(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["light", " scatters", " sp", "ecific", "ally", " in\nthe", " air", " ", "x" * 30]
    shown = written(monkeypatch, *texts)
    assert shown == "light scatters \nspecifically in\nthe air \n" + "x" * 30
    assert all(len(line.rstrip()) <= 20 or " " not in line.rstrip() for line in shown.split("\n"))


def test_a_file_gets_the_text_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    text = ["a long line that is", " much longer than the", " terminal is wide"]
    assert written(monkeypatch, *text, tty=False, tokens=True, logprob=-9) == "".join(text)


def test_unlikely_tokens_have_a_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    assert written(monkeypatch, "so", tokens=True, logprob=-9) == "\x1b[38;5;208;4mso\x1b[0m"
    assert written(monkeypatch, "so", tokens=True, logprob=-0.1) == "so"
    assert "\x1b" not in written(monkeypatch, "so", tokens=False, logprob=-9)
    assert written(monkeypatch, "\x1b[31mred", tokens=True) == "red"
