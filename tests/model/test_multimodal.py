"""A checkpoint that also sees: its text model says what transformers' whole model says of a text."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from llm_magics.formats.safetensors import Safetensors
from tests.support import families
from tests.support.decoders import checkpoint, engine


def logits_of(oracle: Any, tmp_path: Path) -> tuple[Any, Any]:
    """Give the oracle random weights and save it; return our logits of 100 tokens, and its own."""
    import torch

    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in oracle.parameters():
            if parameter.ndim > 1:
                noise = torch.randn(parameter.shape, generator=generator)
                parameter.copy_(noise * 1.5 / np.sqrt(parameter.shape[-1]))
    oracle.save_pretrained(tmp_path / "hub")
    ids = np.random.default_rng(0).integers(11, 290, 100).tolist()
    with torch.no_grad():
        expected = oracle(input_ids=torch.tensor([ids])).logits[0].numpy()
    ours = engine(checkpoint(tmp_path / "hub"), tmp_path / "built", "fp32")
    return ours.cache().extend(ids, all_logits=True), expected


def test_the_text_model_of_mistral_3(tmp_path: Path) -> None:
    from transformers import Mistral3Config, Mistral3ForConditionalGeneration

    newer = {"model_type": "ministral3", "head_dim": 32, "rope_parameters": families.MINISTRAL}
    older = {"model_type": "mistral", "head_dim": 32, "sliding_window": None}
    text = {**families.COMMON, **(newer if families.TRANSFORMERS >= 5 else older)}
    vision = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    vision |= {"image_size": 28, "patch_size": 14, "head_dim": 16}
    config = Mistral3Config(
        text_config=text, vision_config={"model_type": "pixtral", **vision}, vision_feature_layer=-1
    )
    oracle = Mistral3ForConditionalGeneration(config).eval()
    ours, expected = logits_of(oracle, tmp_path)
    assert np.abs(ours - expected).max() < 1e-4
    assert Safetensors(tmp_path / "hub").left_out() == ["projector", "vision tower"]


@pytest.mark.skipif(families.TRANSFORMERS < 5, reason="transformers 4 has no Qwen 3.5")
def test_the_text_model_of_qwen3_5(tmp_path: Path) -> None:
    import transformers

    text = copy.deepcopy({**families.COMMON, **families.QWEN35})
    text["rope_parameters"] = {
        **text["rope_parameters"],
        "mrope_section": [2, 1, 1],
        "mrope_interleaved": True,
    }
    vision = {"depth": 1, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2, "out_hidden_size": 64}
    known: Any = transformers  # the checker sees transformers 4
    config = known.Qwen3_5Config(text_config=text, vision_config=vision)
    oracle = known.Qwen3_5ForConditionalGeneration(config).eval()
    ours, expected = logits_of(oracle, tmp_path)
    assert np.abs(ours - expected).max() < 1e-4 * np.abs(expected).max()
    assert Safetensors(tmp_path / "hub").left_out()
