"""Two answers side by side, several models and samples."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_magics import Alternative, Generation, ModelInfo, SamplingOptions, Token, UsageError
from llm_magics.inspection.answers.side_by_side import Parting, parting, side_by_side
from llm_magics.magics.answers.columns import Columns
from llm_magics.magics.parsing.request import parse


def made(*pieces: str, seed: int = 0) -> Generation:
    tokens = tuple(Token(n, piece, -0.5, 0.1, 0) for n, piece in enumerate(pieces))
    options = SamplingOptions(seed=seed)
    return Generation("".join(pieces), tokens, "stop", "?", options=options, model=ModelInfo("m<1>"))


def test_answers_part_at_a_token() -> None:
    a, b = made("The", " sky", " is", " blue"), made("The", " sky", " was", " red")
    assert parting(a, b) == Parting(7, (3, 3))
    record = side_by_side([a, b])
    (pair,) = record.head["pairs"]
    assert pair["sentence"] == 'they part at token 3, after "…The sky": A " is" 61 %, B " was" 61 %'
    assert pair["common"] == [2, 2] and pair["next"] == [[" is", -0.5, None], [" was", None, -0.5]]
    page = record.page()
    assert "<b> is</b> blue" in page and "m&lt;1&gt;" in page and "<pre>The sky</pre>" in page


def test_a_token_is_never_cut() -> None:
    assert parting(made("un", "able"), made("unab", "ashed")) == Parting(0, (1, 1))


def test_equal_answers_and_ends_are_said() -> None:
    def sentence(a: Generation, b: Generation) -> str:
        return str(side_by_side([a, b]).head["pairs"][0]["sentence"])

    assert sentence(made("a", "b"), made("a", "b")) == "both answers are the same text"
    assert 'A ends, B "b"' in sentence(made("a"), made("a", "b"))


def test_an_answer_that_may_go_on_has_not_parted_yet() -> None:
    record = side_by_side([made("a"), made("a", "b")], running=[True, True])
    assert record.head["pairs"][0] | {"next": []} == {
        "common": [1, 1],
        "token": [0, 0],
        "next": [],
        "sentence": "",
    }
    # Where both went on and differ, they have parted, whatever follows.
    assert side_by_side([made("a"), made("b")], running=[True, True]).head["pairs"][0]["token"] == [1, 1]


def test_what_both_weighed_is_told() -> None:
    def weighed(own: str, other: str, p: float) -> Generation:
        alternatives = (Alternative(1, own, math.log(p)), Alternative(2, other, math.log(1 - p)))
        token = Token(1, own, math.log(p), 0.1, 0, alternatives)
        return Generation(own, (token,), "stop", "?", model=ModelInfo("m"))

    (pair,) = side_by_side([weighed("x", "y", 0.51), weighed("y", "x", 0.52)]).head["pairs"]
    assert [row[0] for row in pair["next"]] == ["y", "x"] and "nearly even in both" in pair["sentence"]
    assert pair["next"][0][1] == pytest.approx(math.log(0.49))
    (pair,) = side_by_side([weighed("x", "y", 0.9), weighed("y", "x", 0.52)]).head["pairs"]
    assert "nearly" not in pair["sentence"]


def test_how_many_can_stand_side_by_side() -> None:
    for count in (0, 1, 9):
        with pytest.raises(UsageError, match=f"{count} answers cannot stand side by side"):
            side_by_side([made("a")] * count)


@given(st.lists(st.text(max_size=3), max_size=6), st.lists(st.text(max_size=3), max_size=6), st.booleans())
def test_any_two_answers_can_be_shown(a: list[str], b: list[str], running: bool) -> None:
    one, other = made(*a), made(*b)
    assert one.text[: parting(one, other).common] == other.text[: parting(one, other).common]
    record = side_by_side([one, other], running=[running, False])
    (pair,) = record.head["pairs"]
    assert "".join(a[: pair["common"][0]]) == "".join(b[: pair["common"][1]])
    assert record.to_text() and "<script" not in record.page()


class Failing:
    """A stream that ends with an error."""

    def __init__(self, pieces: list[str], *, fails: bool) -> None:
        self._pieces, self._fails, self.closed = pieces, fails, False
        self.generation = made()

    def __iter__(self) -> Iterator[Token]:
        for count in range(1, len(self._pieces) + 1):
            self.generation = made(*self._pieces[:count])
            yield self.generation.tokens[-1]
        if self._fails:
            raise UsageError("the model broke")

    def close(self) -> None:
        self.closed = True


class Shown:
    """An output that keeps what it was given."""

    def __init__(self) -> None:
        self.frames: list[dict[str, Any]] = []

    def show(self, bundle: dict[str, Any], metadata: object = None) -> None:
        self.frames.append(bundle)


def test_an_answer_that_fails_leaves_the_others_alone() -> None:
    shown = Shown()
    columns = Columns(shown, [Failing(["a"], fails=True), Failing(["a", "b"], fails=False)], ["", "note"])  # type: ignore[arg-type]
    assert [answer.text for answer in columns.run()] == ["a", "ab"] and not columns.interrupted
    assert "the model broke" in shown.frames[-1]["text/plain"] and "note" in shown.frames[-1]["text/plain"]
    both = Columns(Shown(), [Failing(["a"], fails=True), Failing([], fails=True)], ["", ""])  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="the model broke"):
        both.run()


def test_an_interrupt_stops_all_answers() -> None:
    class Stopped(Failing):
        def __iter__(self) -> Iterator[Token]:
            yield made("a").tokens[0]
            raise KeyboardInterrupt

    streams = [Failing(["a", "b", "c"], fails=False), Stopped([], fails=False)]
    columns = Columns(Shown(), streams, ["", ""])  # type: ignore[arg-type]
    assert len(columns.run()) == 2 and columns.interrupted and all(stream.closed for stream in streams)


def test_several_models_and_samples_are_read() -> None:
    request = parse("-m a -m b -n 3 hi", None, {})
    assert (request.model, request.models, request.samples) == (None, ("a", "b"), 1)
    request = parse("-m a --samples 4 hi", None, {})
    assert (request.model, request.models, request.samples) == ("a", (), 4)
    for count in ("0", "65"):
        with pytest.raises(UsageError, match="--samples must be from 1 to 64"):
            parse(f"--samples {count} hi", None, {})
    assert parse("lens -m a x", None, {}).model == "a" and parse("-m a lens x", None, {}).model == "a"
    with pytest.raises(UsageError, match="takes one model"):
        parse("-m a -m b lens x", None, {})
    assert parse("sample_tree --samples 3 x", None, {}).inspection_options == {"samples": 3}
