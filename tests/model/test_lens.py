"""The logit lens on the default model: what transformers says with its own norm and head."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import llm_magics as lm
from llm_magics.inspection.logit_lens import LogitLens
from tests.support.decoders import log_softmax

TEXT = "The capital of France is Paris. The capital of Italy is"


def test_the_lens_reads_what_transformers_would(exact: lm.Model, oracle: Any) -> None:
    import torch

    found = exact.logit_lens(TEXT, track=[" Rome", " Milan"])
    ids = found.head["ids"]
    with torch.no_grad():
        told = oracle(torch.tensor([ids]), output_hidden_states=True)
        hidden = [*told.hidden_states[1:-1]]
        read = [oracle.lm_head(oracle.model.norm(each))[0].numpy() for each in hidden]
    expected = np.stack([log_softmax(each) for each in [*read, told.logits[0].numpy()]])
    a, answers = found.arrays, expected[-1].argmax(-1)
    assert a["rank"].shape == (30, len(ids))
    here = np.arange(len(ids))
    assert np.abs(a["logprob"] - expected[:, here, answers]).max() < 2e-3
    top = expected.argmax(-1)
    assert (a["top_ids"][..., 0] == top).mean() > 0.995
    assert np.abs(a["top_logprobs"][..., 0] - expected.max(-1)).max() < 2e-3
    ranks = (expected > expected[:, here, answers][..., None]).sum(-1)
    assert (a["rank"] == ranks).mean() > 0.98 and (a["rank"][-1] == 0).all()
    p = np.exp(expected)
    assert np.abs(a["entropy"] + (p * expected).sum(-1)).max() < 5e-3
    kl = (p[-1] * (expected[-1] - expected)).sum(-1)
    assert np.abs(a["kl"] - kl).max() < 5e-3 * max(kl.max(), 1) and np.abs(a["kl"][-1]).max() < 1e-4
    rome = exact.tokenizer.encode(" Rome")[0]
    assert np.abs(a["watch_logprob"][0] - expected[..., rome]).max() < 2e-3
    assert found.answers[-1] == " Rome" and found.head["watch"][0] == {"text": " Rome", "id": rome}
    assert found.settled_layers[-1] == 30 and "leads from layer 30" in repr(found)
    assert len(found.to_pandas()) == 30 * len(ids)


def test_a_record_comes_back(model: lm.Model) -> None:
    found = model.logit_lens(TEXT)
    for again in (LogitLens.from_payload(found.to_payload()), LogitLens.from_dict(found.to_dict())):
        assert again.head == found.head and again.model == found.model
        assert (again.arrays["top_ids"] == found.arrays["top_ids"]).all()
        for name in ("logprob", "kl", "entropy"):
            assert np.abs(again.arrays[name] - found.arrays[name]).max() <= 1 / 1024
    with pytest.raises(lm.ModelFileError):
        LogitLens.from_payload({**found.to_payload(), "data": "AAAA"})
    with pytest.raises(lm.ModelFileError, match="Upgrade"):
        LogitLens.from_dict({**found.to_dict(), "schema": 99})


def test_an_answer_is_read_with_its_prompt(model: lm.Model) -> None:
    answer = model.generate("Name a colour.", max_tokens=4, temperature=0)
    found = model.logit_lens(answer)
    assert found.head["prompt"] == len(answer.prompt_ids)
    assert found.head["ids"] == [*answer.prompt_ids, *(token.id for token in answer.tokens)]
    said = found.head["prompt"] - 1
    assert found.answers[said : said + 1] == [model.tokenizer.token_text(answer.tokens[0].id)]


def test_bad_input_is_said(model: lm.Model) -> None:
    with pytest.raises(lm.UsageError, match="no text"):
        model.logit_lens("")
    with pytest.raises(lm.UsageError, match="track"):
        model.logit_lens("a", track=[""])


def test_strings_are_watched_at_every_step(exact: lm.Model, oracle: Any) -> None:
    import torch

    found = exact.track(TEXT, [" Rome", " Paris in spring"])
    ids = found.head["ids"]
    with torch.no_grad():
        expected = log_softmax(oracle(torch.tensor([ids])).logits[0].numpy())
    for n, text in enumerate((" Rome", " Paris")):
        id = exact.tokenizer.encode(text)[0]
        assert np.abs(found.arrays["logprob"][n] - expected[:, id]).max() < 1e-3
        assert (found.arrays["rank"][n] == (expected > expected[:, [id]]).sum(1)).mean() > 0.9
    assert [each["longer"] for each in found.head["watch"]] == [False, True]
    assert "at the end 6" in repr(found) and len(found.to_pandas()) == len(ids)
    with pytest.raises(lm.UsageError, match="1 to 8"):
        exact.track(TEXT, [])


@pytest.mark.parametrize("precision", ["fp16", "int8", "int4", "exact", "auto", "w8a8"])
def test_every_precision_can_be_read(default_gguf: Any, precision: str) -> None:
    """However the weights are packed: the last layer of the lens says what the model says."""
    made = lm.load(precision=precision)
    found, trace = made.logit_lens(TEXT), made.score(TEXT)
    for place, token in enumerate(trace.tokens[1:]):
        best = token.alternatives[0]
        assert int(found.arrays["top_ids"][-1, place, 0]) == best.id
        assert abs(found.arrays["top_logprobs"][-1, place, 0] - best.logprob) < 0.02
    walk = made.walkthrough(TEXT, max_tokens=1, temperature=0)
    assert walk.head["tokens"][0]["text"] == " Rome" and walk.best_head(0) == (23, 4)


def test_an_adapter_is_read_with_its_model(tmp_path: Any) -> None:
    from llm_magics.inspection.reading.instrumented import InstrumentedDecoder
    from llm_magics.models.adapters.sessions import LoraSessions
    from llm_magics.models.adapters.targets import resolve_targets
    from tests.support import families
    from tests.support.adapters import IDS, made
    from tests.support.decoders import checkpoint, engine

    for name in ("llama", "gemma2", "falcon-40b", "gpt2"):
        families.make(name, tmp_path / name / "hub")
        weights = checkpoint(tmp_path / name / "hub")
        base = engine(weights, tmp_path / name / "fp32", "fp32")
        slots = LoraSessions(tmp_path / name / "fp32", weights.spec, base, threads=0)
        tuned = slots.engine(made(weights.spec, resolve_targets(weights.spec, "all"), shared=True), 1.0)
        expected = tuned.cache().extend(IDS[:60], all_logits=True).copy()
        tapped = InstrumentedDecoder(tuned, weights.spec)
        (part,) = tapped.read(IDS[:60], logits=True, residuals=True, attention=range(weights.spec.layers))
        most = np.abs(expected).max()
        assert np.abs(part.logits - expected).max() < 1e-4 * most
        assert np.abs(tapped.logits_of(part.residuals[-1]) - expected).max() < 1e-4 * most
        plain = base.cache().extend(IDS[:60], all_logits=True)
        assert np.abs(part.logits - plain).max() > 1e-2 * most


def test_layers_of_an_exported_graph_cannot_be_read() -> None:
    from llm_magics.engine.scripted import ScriptedEngine, ScriptedTokenizer

    other = lm.Model(ScriptedEngine(["xy"]), ScriptedTokenizer(), lm.ModelInfo("scripted"))
    for look in (other.logit_lens, other.attention, other.walkthrough):
        with pytest.raises(lm.UnsupportedModel, match="exported ONNX graph"):
            look("some text")
