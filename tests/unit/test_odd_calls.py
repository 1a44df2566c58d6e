"""Every public function with every odd value in place of every argument: an error of ours, or an answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import llm_magics as lm
from llm_magics.core.options import sampling_options
from llm_magics.tuning.dataset import read_rows
from llm_magics.tuning.options import TuneOptions, tune_options

FEW = {"max_tokens": 2}
Call = Callable[["Things", Any], Any]


class Things:
    """What the calls are made on."""

    def __init__(self, path: Path) -> None:
        self.path, self.model = path, lm.load(path)
        self.answer = self.model.generate("hi", max_tokens=3)
        self.trace = self.model.score("a b")

    def odd(self) -> dict[str, Any]:
        return {
            "None": None,
            "True": True,
            "-1": -1,
            "0": 0,
            "3.5": 3.5,
            "nan": float("nan"),
            "inf": float("inf"),
            "huge": 10**30,
            "vast": 10**5000,
            "empty": "",
            "text": "a",
            "bytes": b"a",
            "list": [],
            "nones": [None],
            "dict": {},
            "object": object(),
            "numpy": np.float64(2),
            "integers": [1, 2],
            "texts": ("a", "b"),
            "half a pair": "a\ud800",
            "space": " ",
            "path": Path("x"),
            "array": np.zeros(3),
            "set": {1},
            "nested": [["a"]],
            "message": [{"role": "user", "content": "x"}],
            "half a message": [{"role": "user"}],
            "answer": self.answer,
            "trace": self.trace,
            "model": self.model,
            "iterator": iter([1]),
            "class": lm.Model,
        }


@pytest.fixture(scope="module")
def things(tiny_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Things]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LLM_MAGICS_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.chdir(tmp_path_factory.mktemp("here"))
        own = tmp_path_factory.mktemp("own") / "own.gguf"
        own.write_bytes(tiny_gguf.read_bytes())
        yield Things(own)


CALLS: dict[str, Call] = {
    "render": lambda t, v: t.model.render(v),
    "render system": lambda t, v: t.model.render("a", system=v),
    "encode": lambda t, v: t.model.encode(v),
    "generate": lambda t, v: t.model.generate(v, **FEW),
    "generate raw": lambda t, v: t.model.generate(v, raw=True, **FEW),
    "generate system": lambda t, v: t.model.generate("a", system=v, **FEW),
    "stream": lambda t, v: list(t.model.stream(v, **FEW)),
    "branch": lambda t, v: t.model.branch(v, 1, "a", **FEW),
    "branch at": lambda t, v: t.model.branch(t.answer, v, "a", **FEW),
    "branch token": lambda t, v: t.model.branch(t.answer, 1, v, **FEW),
    "with_adapter": lambda t, v: t.model.with_adapter(v),
    "with_adapter strength": lambda t, v: t.model.with_adapter("x", v),
    "map": lambda t, v: t.model.map(v, progress=False, **FEW),
    "map one": lambda t, v: t.model.map([v], progress=False, **FEW),
    "map rows": lambda t, v: t.model.map(["a"], rows=v, progress=False, **FEW),
    "map system": lambda t, v: t.model.map(["a"], system=v, progress=False, **FEW),
    "map answers": lambda t, v: t.model.map(["a"], answers=v, progress=False, **FEW),
    "save": lambda t, v: t.model.save(v),
    "save_html of a view": lambda t, v: t.model.tokenize("a").save_html(v),
    "save_html of tokens": lambda t, v: lm.show_tokens(t.answer).save_html(v),
    "score": lambda t, v: t.model.score(v),
    "score prompt": lambda t, v: t.model.score("a", prompt=v),
    "score alternatives": lambda t, v: t.model.score("a", alternatives=v),
    "score_answer": lambda t, v: t.model.score_answer(v),
    "score_answer alternatives": lambda t, v: t.model.score_answer(t.answer, alternatives=v),
    "tokenize": lambda t, v: t.model.tokenize(v),
    "lens": lambda t, v: t.model.logit_lens(v),
    "lens watch": lambda t, v: t.model.logit_lens("a b", track=v),
    "attention": lambda t, v: t.model.attention(v),
    "attention layers": lambda t, v: t.model.attention("a b", layers=v),
    "probe": lambda t, v: t.model.probe(v, ["a"]),
    "probe strings": lambda t, v: t.model.probe("a", v),
    "replay": lambda t, v: t.model.replay(v),
    "tree": lambda t, v: t.model.sample_tree(v, samples=1, **FEW),
    "tree samples": lambda t, v: t.model.sample_tree("a", samples=v, **FEW),
    "tree had": lambda t, v: t.model.sample_tree("a", samples=1, extend_from=v, **FEW),
    "attribute": lambda t, v: t.model.attribution(v),
    "attribute target": lambda t, v: t.model.attribution("a b", target=v),
    "attribute against": lambda t, v: t.model.attribution("a b", against=v),
    "memorised": lambda t, v: t.model.memorization(v),
    "memorised given": lambda t, v: t.model.memorization("a b c", prompt_tokens=v),
    "watch": lambda t, v: t.model.track(v, ["a"]),
    "watch strings": lambda t, v: t.model.track("a b", v),
    "walk": lambda t, v: t.model.walkthrough(v, max_tokens=1),
    "load precision": lambda t, v: lm.load(t.path, precision=v),
    "load threads": lambda t, v: lm.load(t.path, threads=v),
    "load file": lambda t, v: lm.load(t.path, file=v),
    "load cache_mb": lambda t, v: lm.load(t.path, cache_mb=v),
    "load adapter": lambda t, v: lm.load(t.path, adapter=v),
    "load_adapter": lambda t, v: lm.load_adapter(v),
    "compare": lambda t, v: lm.compare(v, t.model, "a b"),
    "compare text": lambda t, v: lm.compare(t.model, t.model, v),
    "compare records": lambda t, v: lm.compare(t.answer, v),
    "tokenizers": lambda t, v: lm.compare_tokenizers(v, [t.model]),
    "tokenizers models": lambda t, v: lm.compare_tokenizers("a", v),
    "tokens": lambda t, v: lm.show_tokens(v),
    "playground": lambda t, v: lm.playground(v),
    "rows to tune with": lambda t, v: read_rows(v),
    **{
        f"option {name}": lambda t, v, name=name: sampling_options({name: v})
        for name in lm.SamplingOptions.__dataclass_fields__
    },
    **{
        f"tuning's {name}": lambda t, v, name=name: tune_options({name: v})
        for name in TuneOptions.__dataclass_fields__
    },
    "load": lambda t, v: None if v is None or (isinstance(v, str) and not v) else lm.load(v),
}


@pytest.mark.parametrize("name", CALLS)
def test_an_odd_value_is_an_error_of_ours_or_an_answer(name: str, things: Things) -> None:
    for value in things.odd().values():
        try:
            CALLS[name](things, value)
        except lm.LLMMagicsError as error:
            assert len(str(error)) < 1000 and error.hint, value


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.binary(max_size=4),
    lambda some: st.lists(some, max_size=2) | st.dictionaries(st.text(max_size=3), some, max_size=2),
    max_leaves=4,
)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(sorted(CALLS)), ANYTHING)
def test_anything_else_too(things: Things, name: str, value: Any) -> None:
    with suppress(lm.LLMMagicsError):
        CALLS[name](things, value)
