"""A graph with slots says what PEFT says, family by family; without an adapter nothing changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import PeftModel

import llm_magics
from llm_magics import LLMMagicsError, UnsupportedModel, UsageError
from llm_magics.decoder.spec import DecoderSpec
from llm_magics.models.adapters.lora import Adapter, LoraPair, with_strength
from llm_magics.models.adapters.sessions import LoraSessions
from llm_magics.models.adapters.targets import (
    ROLES,
    resolve_targets,
    to_layer_roles,
)
from tests.support import families
from tests.support.adapters import IDS, made
from tests.support.decoders import checkpoint, engine, pieces


@pytest.mark.parametrize("name", families.CASES)
def test_logits_are_those_of_peft(name: str, tmp_path: Path) -> None:
    families.make(name, tmp_path / "hub")
    weights = checkpoint(tmp_path / "hub")
    spec, base = weights.spec, engine(weights, tmp_path / "fp32", "fp32")
    plain = base.cache().extend(IDS, all_logits=True).copy()
    slots = LoraSessions(tmp_path / "fp32", spec, base, threads=0)
    for n, (wanted, shared) in enumerate([("all", True), ("all", False), (("q", "v"), False)]):
        adapter = made(spec, resolve_targets(spec, wanted), shared=shared, seed=n)
        adapter.save(tmp_path / f"adapter {n}")
        fresh = families.make(name, tmp_path / f"again {n}")
        theirs = PeftModel.from_pretrained(fresh, tmp_path / f"adapter {n}").eval()
        with torch.no_grad():
            expected = theirs(torch.tensor([IDS])).logits[0].numpy()
        most = np.abs(expected).max()
        assert np.abs(expected - plain).max() > 0.01 * most
        ours = slots.engine(adapter, 1.0)
        assert np.abs(ours.cache().extend(IDS, all_logits=True) - expected).max() <= 1e-4 * most
        assert np.abs(pieces(ours, IDS) - expected).max() <= 1e-4 * most
        assert np.array_equal(slots.engine(adapter, 0.0).cache().extend(IDS, all_logits=True), plain)
    assert np.array_equal(base.cache().extend(IDS, all_logits=True), plain)
    # The graphs with all slots and with q and v: the first serves both, and what is empty adds nothing.
    assert len(slots._sessions) == 1


@pytest.mark.parametrize("precision", ["auto", "w8a8"])
def test_packed_weights_have_slots_too(precision: str, home: Path, tiny_gguf: Path) -> None:
    """Where means stand behind the input, and where one matrix is apart: the change is that of float."""
    model = llm_magics.load(str(tiny_gguf), precision=precision)
    spec = model.lora_sessions.spec
    adapter = made(spec, ROLES, shared=True)
    ids = IDS[:30]
    plain = model.engine.cache().extend(ids, all_logits=True).copy()
    with_it = model.with_adapter(adapter).engine.cache().extend(ids, all_logits=True).copy()
    reference = llm_magics.load(str(tiny_gguf), precision="fp32")
    exact = reference.engine.cache().extend(ids, all_logits=True).copy()
    exact_with = reference.with_adapter(adapter).engine.cache().extend(ids, all_logits=True).copy()
    change, expected = with_it - plain, exact_with - exact
    assert np.corrcoef(change.ravel(), expected.ravel())[0, 1] > 0.99


@pytest.fixture
def tiny_model(home: Path, tiny_gguf: Path) -> Any:
    import llm_magics

    return llm_magics.load(str(tiny_gguf))


def test_models_with_adapters_answer_side_by_side(tiny_model: Any, tmp_path: Path) -> None:
    model, spec = tiny_model, tiny_model.lora_sessions.spec
    a, b = (made(spec, ROLES, shared=True, seed=seed) for seed in (1, 2))
    small = made(spec, ("q",), shared=True, seed=3)
    models = [
        model,
        model.with_adapter(a),
        model.with_adapter(b),
        model.with_adapter(small, 0.5, name="small"),
    ]
    options = {"max_tokens": 12, "temperature": 0, "raw": True}
    alone = [each.generate("hello there", **options) for each in models]
    assert len({answer.text for answer in alone}) == 4
    streams = [each.stream("hello there", **options) for each in models]
    running = list(streams)
    while running:
        running = [stream for stream in running if next(stream, None) is not None]
    assert [stream.generation.text for stream in streams] == [answer.text for answer in alone]
    assert len({answer.model.fingerprint for answer in alone}) == 4
    assert models[3].name == f"{model.name} + small:0.5"
    assert model.with_adapter(a) is models[1] and models[1].with_adapter(b) is models[2]
    assert model.variant(models[2].info.fingerprint) is models[2] and model.variant("no") is None
    # Read from a folder, with its strength in the name.
    a.save(tmp_path / "pirate")
    again = model.with_adapter(f"{tmp_path / 'pirate'}:0.5")
    assert again.name.endswith("+ pirate:0.5") and again is model.with_adapter(tmp_path / "pirate", 0.5)
    assert (
        again.generate("hello there", **options).text
        == model.with_adapter(a, 0.5).generate("hello there", **options).text
    )
    assert (
        models[1]
        .map(["hello there", "and you"], progress=False, max_tokens=12, temperature=0, raw=True)[0]
        .text
    )


def test_adapters_of_other_models_are_refused(tiny_model: Any) -> None:
    spec = tiny_model.lora_sessions.spec
    wide = LoraPair(np.zeros((2, 7), np.float32), np.zeros((9, 2), np.float32))
    for module, what in (
        ("model.layers.0.self_attn.q_proj", "9 × 7"),
        (f"model.layers.{spec.layers}.self_attn.q_proj", "does not have or cannot change"),
        ("lm_head", "cannot be changed without merging"),
        ("model.layers.0.mlp.experts.3.up_proj", "does not have or cannot change"),
    ):
        with pytest.raises(UnsupportedModel, match=what):
            tiny_model.with_adapter(Adapter({module: wide}, 4))
    with pytest.raises(UsageError, match="strength must be"):
        tiny_model.with_adapter(made(spec, ROLES, shared=True), -1)
    with pytest.raises(LLMMagicsError, match="unknown adapter 'nowhere'"):
        tiny_model.with_adapter("nowhere")


def test_names_with_strengths() -> None:
    assert with_strength("pirate") == ("pirate", 1.0)
    assert with_strength("pirate:0.8") == ("pirate", 0.8)
    assert with_strength("C:/x") == ("C:/x", 1.0)
    with pytest.raises(UsageError):
        with_strength("pirate:9")


def test_targets_are_roles_or_modules() -> None:
    spec = DecoderSpec("llama", 2, 32, 4, 2, 8, 48, 64, 32, 1e-5)
    assert resolve_targets(spec, "all") == ROLES[:7]  # the others are of other layers
    assert resolve_targets(spec, ["q_proj", "down"]) == ("q", "down")
    assert to_layer_roles(spec, made(spec, ("q",), shared=True)).keys() == {(1, "q")}
    with pytest.raises(UsageError, match="not a tunable module"):
        resolve_targets(spec, ["lm_head"])
    phi = DecoderSpec("phi3", 2, 32, 4, 2, 8, 48, 64, 32, 1e-5)
    assert resolve_targets(phi, ["q"]) == ("q", "k", "v")  # one matrix there
