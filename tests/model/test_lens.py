"""The logit lens on the default model: what transformers says with its own norm and head."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import llm_magics as lm
from llm_magics.lens.layers import Lens
from tests.model.test_default_model import log_softmax

TEXT = "The capital of France is Paris. The capital of Italy is"


def test_the_lens_reads_what_transformers_would(exact: lm.Model, oracle: Any) -> None:
    import torch

    found = exact.lens(TEXT, watch=[" Rome", " Milan"])
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
    assert found.leads_from[-1] == 30 and "leads from layer 30" in repr(found)
    assert len(found.to_pandas()) == 30 * len(ids)


def test_a_record_comes_back(model: lm.Model) -> None:
    found = model.lens(TEXT)
    for again in (Lens.read(found.payload()), Lens.from_dict(found.to_dict())):
        assert again.head == found.head and again.model == found.model
        assert (again.arrays["top_ids"] == found.arrays["top_ids"]).all()
        for name in ("logprob", "kl", "entropy"):
            assert np.abs(again.arrays[name] - found.arrays[name]).max() <= 1 / 1024
    with pytest.raises(lm.ModelFileError):
        Lens.read({**found.payload(), "data": "AAAA"})
    with pytest.raises(lm.ModelFileError, match="upgrade"):
        Lens.from_dict({**found.to_dict(), "schema": 99})


def test_an_answer_is_read_with_its_prompt(model: lm.Model) -> None:
    answer = model.generate("Name a colour.", max_tokens=4, temperature=0)
    found = model.lens(answer)
    assert found.head["prompt"] == len(answer.prompt_ids)
    assert found.head["ids"] == [*answer.prompt_ids, *(token.id for token in answer.tokens)]
    said = found.head["prompt"] - 1
    assert found.answers[said : said + 1] == [model.tokenizer.token_text(answer.tokens[0].id)]


def test_bad_input_is_said(model: lm.Model) -> None:
    with pytest.raises(lm.UsageError, match="no text"):
        model.lens("")
    with pytest.raises(lm.UsageError, match="watch"):
        model.lens("a", watch=[""])


def test_strings_are_watched_at_every_step(exact: lm.Model, oracle: Any) -> None:
    import torch

    found = exact.watch(TEXT, [" Rome", " Paris in spring"])
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
        exact.watch(TEXT, [])


@pytest.mark.parametrize("precision", ["fp16", "int8", "int4", "exact", "auto"])
def test_every_precision_can_be_read(default_gguf: Any, precision: str) -> None:
    """However the weights are packed: the last layer of the lens says what the model says."""
    made = lm.load(precision=precision)
    found, trace = made.lens(TEXT), made.score(TEXT)
    for place, token in enumerate(trace.tokens[1:]):
        best = token.alternatives[0]
        assert int(found.arrays["top_ids"][-1, place, 0]) == best.id
        assert abs(found.arrays["top_logprobs"][-1, place, 0] - best.logprob) < 0.02
    walk = made.walk(TEXT, max_tokens=1, temperature=0)
    assert walk.head["tokens"][0]["text"] == " Rome" and walk.best_head(0) == (23, 4)


def test_an_adapter_is_read_with_its_model(tmp_path: Any) -> None:
    from llm_magics.lens.reading.tapped import Tapped
    from llm_magics.models.adapted import Slots
    from llm_magics.models.places import chosen
    from tests import families
    from tests.model.test_families import checkpoint, engine
    from tests.model.test_slots import IDS, made

    for name in ("llama", "gemma2", "falcon-40b", "gpt2"):
        families.make(name, tmp_path / name / "hub")
        weights = checkpoint(tmp_path / name / "hub")
        base = engine(weights, tmp_path / name / "fp32", "fp32")
        slots = Slots(tmp_path / name / "fp32", weights.spec, base, threads=0)
        tuned = slots.engine(made(weights.spec, chosen(weights.spec, "all"), shared=True), 1.0)
        expected = tuned.cache().extend(IDS[:60], every=True).copy()
        tapped = Tapped(tuned, weights.spec)
        (part,) = tapped.read(IDS[:60], logits=True, residuals=True, attention=range(weights.spec.layers))
        most = np.abs(expected).max()
        assert np.abs(part.logits - expected).max() < 1e-4 * most
        assert np.abs(tapped.logits_of(part.residuals[-1]) - expected).max() < 1e-4 * most
        plain = base.cache().extend(IDS[:60], every=True)
        assert np.abs(part.logits - plain).max() > 1e-2 * most


def test_layers_of_an_exported_graph_cannot_be_read() -> None:
    from llm_magics.engine.scripted import ScriptedEngine, ScriptedTokenizer

    other = lm.Model(ScriptedEngine(["xy"]), ScriptedTokenizer(), lm.ModelInfo("scripted"))
    for look in (other.lens, other.attention, other.walk):
        with pytest.raises(lm.UnsupportedModel, match="cannot be read"):
            look("some text")
