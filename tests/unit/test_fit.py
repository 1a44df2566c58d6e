"""Whether a model fits: the rules, the words, and what is asked for before a load."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import llm_magics as lm
from llm_magics.core.format import size
from llm_magics.decoder.spec import DecoderSpec
from llm_magics.engine.caches import cache_pool
from llm_magics.magics.parsing.request import parse
from llm_magics.models.catalog.fit import Fit, estimate, weight_bytes, working_bytes

# Llama 3.2 1B and SmolLM2 360M: their tables, matrices and measured memory are in benchmarks/memory.py.
LLAMA = DecoderSpec("llama", 16, 2048, 32, 8, 64, 8192, 128_256, 131_072, 1e-5)
MB = 1_000_000


def made(free: int, **changes: Any) -> Fit:
    values = {
        "name": "org/m",
        "precision": "int8",
        "context": 4096,
        "model_context": 8192,
        "weights": (900 * MB, 1000 * MB, 1200 * MB),
        "token_bytes": 20_000,
        "working": 50 * MB,
        "free": free,
    }
    return Fit(**{**values, **changes})


def test_weights_by_precision() -> None:
    matrices, table = 16 * (2048 * (2 * 2048 + 2 * 512) + 3 * 2048 * 8192), 128_256 * 2048
    sizes = {precision: weight_bytes(LLAMA, precision)[1] for precision in ("fp32", "fp16", "int8", "int4")}
    assert sizes["fp32"] == sizes["fp16"] > 4 * (matrices + table)  # float16 is widened
    tables = 2.5 * table + 131_072 * 64 * 4  # of embeddings, and of the rotary embedding
    assert sizes["int8"] == pytest.approx(1.25 * matrices + tables, rel=1e-3)
    assert sizes["int4"] == pytest.approx(0.875 * matrices + tables, rel=1e-3)
    assert weight_bytes(LLAMA, "auto", "Q4_0")[1] < sizes["int8"]
    assert weight_bytes(LLAMA, "w8a8", "Q4_0")[1] == sizes["int8"]
    assert weight_bytes(LLAMA, "exact", "F16")[1] == sizes["fp32"]
    assert weight_bytes(LLAMA, "exact", "Q8_0")[1] == sizes["int8"]
    for precision in ("auto", "fp32", "int8", "int4", "exact"):
        low, expected, high = weight_bytes(LLAMA, precision)
        assert low <= expected <= high
    assert 30 * MB < working_bytes(LLAMA) < 100 * MB


@pytest.mark.parametrize(
    ("free", "verdict", "tokens"),
    [
        (4000 * MB, "fits", 8192),
        (1200 * MB, "tight", 7500),
        (1100 * MB, "too large", 2500),
        (MB, "too large", 0),
    ],
)
def test_verdicts(free: int, verdict: str, tokens: int) -> None:
    found = made(free)
    assert (found.verdict, found.max_tokens) == (verdict, tokens)
    words = {"fits": "fits: about 1.1 GB", "tight": "fits tightly", "too large": "is too large"}
    assert words[verdict] in str(found) and repr(found) == str(found)
    assert ("not even its weights fit" in str(found)) == (tokens == 0)


def test_the_cache_of_longer_contexts_is_stated() -> None:
    text = str(estimate("x", replace(LLAMA, context=40_000), "F16", "int8", context=4096))
    token = LLAMA.layers * 2 * LLAMA.kv_heads * LLAMA.head_dim * 4
    assert text.splitlines()[-1] == (
        f"cache of longer contexts: 8,192 tokens {size(8192 * token)} · 32,768 tokens {size(32_768 * token)}"
    )
    small = str(estimate("x", replace(LLAMA, context=40_000), "F16", "int8", context=4096, kv_cache="int8"))
    assert f"32,768 tokens {size(8192 * token)}" in small


def test_a_files_own_shape(tiny_gguf: Path, home: Path) -> None:
    found = lm.fit(tiny_gguf, precision="int8", context=99_999)
    assert found.context == found.model_context == 256
    model = lm.load(tiny_gguf, precision="int8")
    assert found.token_bytes == model.engine.cache().nbytes_for(256) // 256  # type: ignore[attr-defined]
    saved = model.save(home / "saved")
    assert lm.fit(saved).token_bytes == found.token_bytes


def test_what_is_not_known_is_said(tmp_path: Path, home: Path) -> None:
    with pytest.raises(lm.UnsupportedModel, match="is not known before it is downloaded"):
        lm.fit()  # in an empty cache
    (tmp_path / "model.onnx").write_bytes(b"x")
    with pytest.raises(lm.UnsupportedModel, match="an ONNX file does not state its shape"):
        lm.fit(tmp_path / "model.onnx")
    (tmp_path / "model.onnx").unlink()
    config = {"model_type": "mamba", "num_hidden_layers": 2, "hidden_size": 8}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "model.safetensors").write_bytes(b"x")
    with pytest.raises(lm.UnsupportedModel, match="'mamba' is not supported"):
        lm.fit(tmp_path)
    for wrong in ({"context": 0}, {"context": "x"}, {"precision": "int3"}):
        with pytest.raises(lm.UsageError):
            lm.fit(tmp_path, **wrong)


def test_the_ways_out_of_a_model_that_is_too_large(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.support.families import COMMON

    large = {**COMMON, "hidden_size": 4096, "intermediate_size": 11_008, "num_hidden_layers": 32}
    large |= {"num_attention_heads": 32, "num_key_value_heads": 32, "max_position_embeddings": 4096}
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama", **large}))
    (tmp_path / "model.safetensors").write_bytes(b"x")
    monkeypatch.setattr(cache_pool, "free_bytes", lambda: 7_000 * MB)
    with pytest.raises(
        lm.MemoryNeeded, match=r"needs about 8\.7 GB of memory, and 7\.0 GB are free"
    ) as error:
        lm.load(tmp_path, precision="int8")
    hint = error.value.hint
    assert hint.startswith("Use precision int4 (") and "smollm3-3b, which fits" in hint
    monkeypatch.setattr(cache_pool, "free_bytes", lambda: 100 * MB)
    with pytest.raises(lm.MemoryNeeded) as error:
        lm.load(tmp_path, precision="int8")
    assert error.value.hint.startswith("Run it on a machine with more memory")


def test_lines() -> None:
    def read(line: str) -> tuple[str, str, object]:
        request = parse(line, None, {})
        return request.command, request.prompt, request.precision

    assert read("fit") == ("fit", "", None)
    assert read("fit org/name") == ("fit", "org/name", None)
    assert read("fit org/name -p int4") == ("fit", "org/name", "int4")
    assert read("-p int4 fit smollm2-135m-instruct") == ("fit", "smollm2-135m-instruct", "int4")
    assert read("fit -p fp32") == ("fit", "", "fp32")
    for prompt in ("fit this into a haiku", "fit org/name into it"):
        assert read(prompt)[0] == "generate"
    with pytest.raises(lm.UsageError, match="%llm fit does not take 'me'"):
        read("fit me")
    assert read("use org/name -p int4") == ("use", "org/name", "int4")
    assert read("pull smollm2-135m-instruct")[:2] == ("pull", "smollm2-135m-instruct")
    assert read("use fewer words from now on")[0] == "generate"
    assert parse("-q use org/name", None, {}).quiet and parse("pull org/name -q", None, {}).quiet
    with pytest.raises(lm.UsageError, match="%llm use has no option --temperature"):
        read("--temperature 0.5 use org/name")
    assert read("--temperature 0.5 -- use org/name")[:2] == ("generate", "use org/name")
    for word in ("use", "pull"):
        with pytest.raises(lm.UsageError, match=f"{word} needs the NAME of a model"):
            read(word)
    assert parse("--anyway hello", None, {}).anyway is True
