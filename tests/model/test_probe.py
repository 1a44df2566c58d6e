"""Probabilities of whole strings: those that transformers gives the same tokens."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import llm_magics as lm
from llm_magics.engine.scripted import ScriptedEngine, ScriptedTokenizer
from tests.support.decoders import log_softmax

PROMPT = "The capital of France is"
STRINGS = [" Paris", " London", " Marseille", " the city of light", " not Paris", "…", " 🥐", "\n"]


def test_logprobs_are_those_of_transformers(exact: lm.Model, oracle: Any) -> None:
    import torch

    found = exact.probe(PROMPT, STRINGS)
    prompt = found.head["ids"]
    at = 0
    for each in found.head["strings"]:
        ids = [*prompt, *each["ids"]]
        with torch.no_grad():
            expected = log_softmax(oracle(torch.tensor([ids])).logits[0].numpy())
        for place, id in enumerate(each["ids"], len(prompt) - 1):
            assert abs(found.arrays["logprob"][at] - expected[place, id]) < 1e-4
            assert found.arrays["rank"][at] == (expected[place] > expected[place, id]).sum()
            best = np.sort(expected[place])[::-1][:5]
            assert np.abs(found.arrays["instead_logprobs"][at] - best).max() < 1e-4
            at += 1
    assert at == len(found.arrays["logprob"])
    assert found[" Paris"] == max(found.logprobs.values())
    frame = found.to_pandas()
    assert abs(frame["share"].sum() - 1) < 1e-12 and frame["tokens"][3] == 4
    assert "␣Paris" in repr(found).splitlines()[1]


def test_many_strings_go_side_by_side_as_each_alone(exact: lm.Model) -> None:
    strings = [f" {a} {b} {c}" for a in ("red", "green") for b in ("old", "new") for c in "abcdefg"]
    together = exact.probe("I saw a", strings)
    for n in (0, 9, 27):
        assert abs(exact.probe("I saw a", strings[n : n + 1])[strings[n]] - together[strings[n]]) < 1e-4


def test_seams_and_bad_input(model: lm.Model) -> None:
    found = model.probe("The capit", ["al", " city"])
    assert [each["joined"] for each in found.head["strings"]] == [True, False]
    assert len(model.probe("a", [" b", " b"]).head["strings"]) == 1
    for strings, words in (([], "list of strings"), ("x", "list of strings"), ([""], "no tokens")):
        with pytest.raises(lm.UsageError, match=words):
            model.probe("a", strings)
    with pytest.raises(lm.ContextOverflow):
        model.probe("a " * 8190, [" b c d e"])


def test_an_engine_that_holds_one_sequence_can_do_it() -> None:
    made = lm.Model(ScriptedEngine(["xy"]), ScriptedTokenizer(), lm.ModelInfo("scripted"))
    found = made.probe("q", ["ab", "c"])
    assert len(found.arrays["logprob"]) == 3 and np.isfinite(found.arrays["logprob"]).all()


def test_a_shared_prefix_gives_the_same_bits(model: lm.Model) -> None:
    from llm_magics.inspection.probe import probe
    from llm_magics.inspection.reading.batch_score import ContinuationReader

    head = "Label the review. Be careful, and answer with one word. " * 6
    cases = [
        (f"{head}Review: it broke.", [" good", " bad"]),
        (f"{head}Review: it broke, and nobody answered my letters.", [" good", " bad"]),
        (f"{head}Review: it", [" good", " very bad indeed", " neutral", " unclear"]),
        ("Something else", [" good"]),
        (f"{head}Review: it broke.", [" bad", " good"]),
        (f"{head}Review: it broke.", [" bad", " good"]),
    ]
    reader = ContinuationReader(model.runtime)
    for prompt, strings in cases:
        alone = probe(model.runtime, model.info, prompt, strings)
        shared = probe(model.runtime, model.info, prompt, strings, reader)
        for name, array in alone.arrays.items():
            assert (shared.arrays[name] == array).all(), (prompt, name)
    # An interrupt in the middle leaves a reader that can be used.
    prefix = model.tokenizer.encode(cases[0][0])
    with pytest.raises(KeyboardInterrupt):
        reader.read(prefix + prefix, [[5, 6]], _interrupted)
    again = probe(model.runtime, model.info, *cases[1], reader)
    assert (again.arrays["logprob"] == probe(model.runtime, model.info, *cases[1]).arrays["logprob"]).all()


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt
