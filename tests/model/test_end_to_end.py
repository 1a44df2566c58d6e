"""The newest families, from a folder to an answer, its views, an adapter and a merged model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import llm_magics as lm
from llm_magics.formats.gguf import GgufFile
from llm_magics.formats.tokenizers.gguf import tokenizer_spec
from tests.support import families, tiny

ROWS = [(f"what is {n}", f"aye, {n} be {n + 1} less one") for n in range(20)]


NEWER = ["qwen3.5", "lfm2-moe", "gemma4"] if families.TRANSFORMERS >= 5 else []


@pytest.fixture(params=["olmo3", "granite-4", "lfm2", "gpt-oss", "gpt-neo", "gptj", *NEWER])
def folder(request: pytest.FixtureRequest, home: Path, tmp_path: Path) -> Path:
    """A checkpoint as the Hub has it, with a tokenizer and a chat template."""
    place = tmp_path / request.param
    families.make(request.param, place)
    shape = tiny.Shape(vocab=293)
    tiny.write(tmp_path / "t.gguf", {"token_embd.weight": np.zeros((293, 64), np.float32)}, shape)
    (place / "tokenizer.json").write_text(tokenizer_spec(GgufFile(tmp_path / "t.gguf").metadata).json)
    config = {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "chat_template": tiny.TEMPLATE}
    (place / "tokenizer_config.json").write_text(json.dumps(config))
    (place / "generation_config.json").write_text(json.dumps({"temperature": 0.3, "top_k": 5}))
    return place


def test_from_a_folder_to_a_merged_model(folder: Path, tmp_path: Path) -> None:
    assert lm.fit(folder).verdict == "fits"
    model = lm.load(folder)
    answer = model.generate("the river", max_tokens=12, temperature=0)
    again = model.generate("the river", max_tokens=12, temperature=0)  # from the cache of the first
    assert answer.tokens and again.text == answer.text
    # What its maker recommends counts where a call states nothing.
    assert model.sampling_defaults == {"temperature": 0.3, "top_k": 5}
    options = model.generate("the river", max_tokens=1, top_k=6).options
    assert (options.temperature, options.top_k, options.top_p) == (0.3, 6, 0.95)
    other = model.branch(answer, at=2, token=" x", max_tokens=12)
    ids = [[token.id for token in item.tokens[:2]] for item in (other, answer)]
    assert ids[0] == ids[1] and other.text != answer.text
    together = model.map(["the river", "a", "b c"], max_tokens=12, temperature=0)
    assert not any(together.errors) and together.texts[0] == answer.text
    spec = model.lora_sessions.spec if model.lora_sessions else None
    convolutions = bool(spec and (spec.conv_layers or spec.linear_layers))
    for record in (
        model.logit_lens("the river runs"),
        model.attention("the river runs"),
        model.attribution("the river"),
        model.probe("the river", ["a", "b"]),
        model.memorization("the river runs to the sea"),
    ):
        assert record.to_text() and record.save_html(tmp_path / f"{record.kind}.html").is_file()
    if convolutions:
        with pytest.raises(lm.UnsupportedModel, match="needs attention in every layer"):
            model.walkthrough("the river")
    else:
        assert model.walkthrough("the river", max_tokens=2).to_text()

    if spec and (spec.linear_layers or spec.value_norm):
        with pytest.raises(lm.UnsupportedModel, match="cannot be tuned here yet"):
            lm.tune(model, ROWS, steps=4, show=False)
        return
    run = lm.tune(model, ROWS, steps=4, eval_fraction=0.2, max_tokens=4, show=False)
    assert run.state == "done" and run.perplexity is not None and run.perplexity.after < run.perplexity.before
    saved = run.save(tmp_path / "adapter")
    merged = lm.load(run.merge(tmp_path / "merged", precision="fp32"))
    adapted = lm.load(folder, precision="fp32").with_adapter(saved)
    assert merged.sampling_defaults == adapted.sampling_defaults == model.sampling_defaults
    ids = list(range(20, 60))
    logits = [item.engine.cache().extend(ids, all_logits=True) for item in (merged, adapted)]
    assert np.abs(logits[0] - logits[1]).max() < 1e-4 * np.abs(logits[1]).max()
    assert "LoraConfig(" in run.script(tmp_path / "script").read_text()
