"""Whatever a user passes ends in an error of ours, or in what was asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import llm_magics as lm
from llm_magics.core.options import sampling_options
from llm_magics.core.sampling import candidates
from llm_magics.core.validation import as_int
from llm_magics.views.bundle import read_output

HALF = "a\ud800b"


@pytest.fixture(scope="module")
def model(tiny_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LLM_MAGICS_HOME", str(tmp_path_factory.mktemp("home")))
        yield lm.load(tiny_gguf)  # a path is as good as its text


def test_half_a_surrogate_pair_is_said_and_ends_nothing_else(model: lm.Model) -> None:
    answers = model.map([HALF, "hi"], max_tokens=2, progress=False)
    assert isinstance(answers.errors[0], lm.UsageError) and answers.texts[1] is not None
    for call in (model.generate, model.score, model.tokenize, model.logit_lens):
        with pytest.raises(lm.UsageError, match="character 2 is an unpaired surrogate"):
            call(HALF)
    with pytest.raises(lm.UsageError, match="surrogate"):
        model.probe("a", [HALF])


def test_numbers_of_numpy_are_numbers(model: lm.Model) -> None:
    options = sampling_options(
        {
            "max_tokens": np.int64(3),
            "top_k": np.int32(5),
            "seed": np.uint64(7),
            "temperature": np.float32(0.5),
        }
    )
    assert options == lm.SamplingOptions(max_tokens=3, top_k=5, seed=7, temperature=0.5)
    assert all(type(value) in (int, float, tuple, type(None)) for value in options.as_dict().values())
    answer = model.generate("a", max_tokens=np.int64(4))
    assert model.branch(answer, at=np.int64(1), token=np.int64(5), max_tokens=3).tokens[1].id == 5
    assert model.attention("a b", layers=np.array([1, 2])).head["kept"] == [1, 2]
    assert len(model.sample_tree("a", samples=np.int64(2), max_tokens=2).head["samples"]) == 2
    assert as_int(np.True_) is as_int(True) is as_int(3.0) is as_int("3") is None


def test_no_stop_is_none() -> None:
    assert sampling_options({"stop": None}).stop == ()
    with pytest.raises(lm.UsageError, match="stop must be a string"):
        sampling_options({"stop": 3})
    with pytest.raises(lm.UsageError, match="must be an integer"):
        sampling_options({"max_tokens": True})


@pytest.mark.parametrize("temperature", [1e-310, 5e-324, 1e-30, 1e-5])
def test_a_very_small_temperature_is_greedy(temperature: float) -> None:
    logits = np.array([1.0, 3.0, 2.0, 2.9], np.float32)
    for more in ({}, {"top_k": 0}, {"top_k": 0, "top_p": 1.0, "min_p": 0.0}):
        ids, odds = candidates(logits, lm.SamplingOptions(temperature=temperature, **more))
        assert ids[odds.argmax()] == 1 and odds.max() / odds.sum() > 0.999


@pytest.mark.parametrize(
    "name",
    ["~nouser-of-that-name/x", "~nouser-of-that-name/x.gguf", "x" * 5000, "./" + "x" * 5000, "a\0b", "/\0"],
)
def test_names_that_cannot_be_paths(home: Path, name: str) -> None:
    with pytest.raises(lm.ModelNotFound) as told:
        lm.load(name)
    assert len(str(told.value)) < 700


def test_a_name_is_a_text_or_a_path(home: Path) -> None:
    with pytest.raises(lm.UsageError, match="string or a path"):
        lm.load(3)  # type: ignore[arg-type]
    with pytest.raises(lm.ModelNotFound, match="file not found"):
        lm.load(Path("/nowhere/x.gguf"))


def test_a_bundle_of_another_shape() -> None:
    for odd in ([], None, {}, {"application/vnd.llm-magics.generation+json": {"schema": []}}):
        with pytest.raises(lm.ModelFileError):
            read_output(odd)  # type: ignore[arg-type]


ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=4),
    st.lists(st.integers(), max_size=2),
)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(lm.SamplingOptions.__dataclass_fields__)), ANYTHING)
def test_any_option_is_taken_or_refused_in_words(name: str, value: Any) -> None:
    try:
        options = sampling_options({name: value})
    except lm.UsageError as error:
        assert error.hint
    else:
        assert lm.SamplingOptions.from_dict(options.to_dict()) == options
