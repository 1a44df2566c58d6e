"""Damaged and hostile files: one clear error each, within two seconds and 500 MB, and nothing of them is
run.
"""

from __future__ import annotations

import json
import resource
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llm_magics import LLMMagicsError, TemplateError
from llm_magics.chat.prompt import render
from llm_magics.formats.gguf import GgufFile
from llm_magics.formats.safetensors import Safetensors
from llm_magics.models.loading.convert import convert
from tests.support import tiny

HUGE = 1 << 60
CONFIG = {
    "model_type": "llama",
    "hidden_size": 64,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 96,
    "vocab_size": 300,
    "max_position_embeddings": 256,
}


@pytest.fixture(autouse=True)
def bounded() -> Any:
    start, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert (
        time.monotonic() - start < 2 and resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000
    )


def refused(source: Path, tmp_path: Path) -> LLMMagicsError:
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(LLMMagicsError) as error:
        convert(source, out)
    assert error.value.hint and len(str(error.value)) < 1000
    assert not (out / "model.json").exists()
    return error.value


def header(*parts: tuple[str, Any]) -> bytes:
    """A GGUF header of packed values."""
    return b"GGUF" + b"".join(struct.pack("<" + form, value) for form, value in parts)


GGUF = {
    "empty": b"",
    "magic only": b"GGUF",
    "zip": b"PK\3\4" + b"\0" * 100,
    "version 1": header(("I", 1), ("Q", 0), ("Q", 0)),
    "version 99": header(("I", 99), ("Q", 0), ("Q", 0)),
    "big endian": b"GGUF" + struct.pack(">IQQ", 3, 1, 1),
    "tensors without end": header(("I", 3), ("Q", HUGE), ("Q", 0)),
    "keys without end": header(("I", 3), ("Q", 0), ("Q", HUGE)),
    "key without end": header(("I", 3), ("Q", 0), ("Q", 1), ("Q", HUGE)),
    "string without end": header(("I", 3), ("Q", 0), ("Q", 1), ("Q", 1), ("s", b"k"), ("I", 8), ("Q", HUGE)),
    "array without end": header(
        ("I", 3), ("Q", 0), ("Q", 1), ("Q", 1), ("s", b"k"), ("I", 9), ("I", 4), ("Q", HUGE)
    ),
    "strings without end": header(
        ("I", 3), ("Q", 0), ("Q", 1), ("Q", 1), ("s", b"k"), ("I", 9), ("I", 8), ("Q", 4_000_000)
    ),
    "array of arrays": header(
        ("I", 3), ("Q", 0), ("Q", 1), ("Q", 1), ("s", b"k"), ("I", 9), ("I", 9), ("Q", 1)
    ),
    "no such type": header(("I", 3), ("Q", 0), ("Q", 1), ("Q", 1), ("s", b"k"), ("I", 255)),
    "nine dimensions": header(("I", 3), ("Q", 1), ("Q", 0), ("Q", 1), ("s", b"t"), ("I", 9)),
    "no dimensions": header(("I", 3), ("Q", 1), ("Q", 0), ("Q", 1), ("s", b"t"), ("I", 0)),
    "2^120 weights": header(
        ("I", 3),
        ("Q", 1),
        ("Q", 0),
        ("Q", 1),
        ("s", b"t"),
        ("I", 3),
        *[("Q", 1 << 40)] * 3,
        ("I", 0),
        ("Q", 0),
    ),
    "offset outside": header(
        ("I", 3), ("Q", 1), ("Q", 0), ("Q", 1), ("s", b"t"), ("I", 1), ("Q", 64), ("I", 0), ("Q", 1 << 62)
    ),
    "no such kind": header(
        ("I", 3), ("Q", 1), ("Q", 0), ("Q", 1), ("s", b"t"), ("I", 1), ("Q", 64), ("I", 4096), ("Q", 0)
    ),
    "nothing inside": header(("I", 3), ("Q", 0), ("Q", 0)),
}


@pytest.mark.parametrize("name", GGUF)
def test_gguf_headers(name: str, tmp_path: Path) -> None:
    path = tmp_path / "hostile.gguf"
    path.write_bytes(GGUF[name] + (b"\0" * 64 if GGUF[name] else b""))
    refused(path, tmp_path)


METADATA: dict[str, dict[str, Any]] = {
    "no heads": {"llama.attention.head_count": 0},
    "a million layers": {"llama.block_count": 1_000_000},
    "a layer too many": {"llama.block_count": 3},
    "heads that do not share": {"llama.attention.head_count_kv": 3},
    "wide as the sea": {"llama.embedding_length": (1 << 32) - 1},
    "heads of no size": {"llama.attention.key_length": 0},
    "endless experts": {"llama.expert_count": 1 << 31, "llama.expert_used_count": 1 << 31},
    "no architecture": {"general.architecture": "😀" * 1000},
    "rope without end": {"llama.rope.freq_base": float("inf")},
    "epsilon of nothing": {"llama.attention.layer_norm_rms_epsilon": float("nan")},
}


@pytest.mark.parametrize("name", METADATA)
def test_gguf_metadata(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "hostile.gguf"
    tiny.write(path, tiny.random_weights(tiny.SHAPE, 0), tiny.SHAPE)
    monkeypatch.setattr(GgufFile, "_tensor_header", _after_metadata(METADATA[name], GgufFile._tensor_header))
    refused(path, tmp_path)


def _after_metadata(changes: dict[str, Any], original: Callable[..., Any]) -> Callable[..., Any]:
    """The file's metadata is what it says, but for ``changes``: they are put in as soon as it was read."""

    def header(self: GgufFile) -> Any:
        self.metadata.update(changes)
        return original(self)

    return header


def safetensors(table: Any, body: bytes = b"\0" * 64, *, size: int | None = None) -> bytes:
    text = table if isinstance(table, bytes) else json.dumps(table).encode()
    return struct.pack("<Q", len(text) if size is None else size) + text + body


def entry(shape: Any, offsets: Any, dtype: Any = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


SAFETENSORS = {
    "empty": b"",
    "header bomb": safetensors({}, size=HUGE),
    "header past its end": safetensors({}, size=4096),
    "no JSON": safetensors(b"{" * 1000),
    "deep JSON": safetensors(b"[" * 100_000 + b"]" * 100_000),
    "a list": safetensors([1, 2]),
    "entry of nothing": safetensors({"a": None}),
    "offsets outside": safetensors({"a": entry([4], [0, HUGE])}),
    "offsets backwards": safetensors({"a": entry([4], [32, 16])}),
    "negative": safetensors({"a": entry([-4], [0, 16])}),
    "shape without end": safetensors({"a": entry([1 << 40, 1 << 40], [0, 16])}),
    "true is no number": safetensors({"a": entry([True], [0, 4])}),
    "wrong size": safetensors({"a": entry([3], [0, 16])}),
    "no such type": safetensors({"model.embed_tokens.weight": entry([4], [0, 16], "F4")}),
    "shape of words": safetensors({"a": entry("wide", [0, 16])}),
}


@pytest.mark.parametrize("name", SAFETENSORS)
def test_safetensors_headers(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "model.safetensors").write_bytes(SAFETENSORS[name])
    with pytest.raises(LLMMagicsError):
        tensors = Safetensors(folder)
        for key in tensors:
            tensors[key].dequantize()
    refused(folder, tmp_path)


@pytest.mark.parametrize(
    "index",
    [
        {"weight_map": {"a": "../../etc/passwd"}},
        {"weight_map": {"a": "/etc/passwd.safetensors"}},
        {"weight_map": {}},
        {"weight_map": 3},
        {"weight_map": {"a": "missing.safetensors"}},
        [],
        {"x": 1},
        {"weight_map": {str(n): f"{n}.safetensors" for n in range(5000)}},
    ],
)
def test_index_files(index: Any, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    refused(tmp_path, tmp_path)


CONFIGS: list[Any] = [
    [],
    {},
    {"model_type": 7},
    *(
        {**CONFIG, **change}
        for change in (
            {"hidden_size": 1 << 40},
            {"num_hidden_layers": 10**9},
            {"vocab_size": -1},
            {"num_attention_heads": 0},
            {"num_attention_heads": "many"},
            {"rms_norm_eps": "small"},
            {"rope_scaling": {"rope_type": "llama3", "factor": 0}},
            {"rope_scaling": {"rope_type": "spiral"}},
            {"rope_scaling": 5},
            {"hidden_act": "explode"},
            {"head_dim": 7},
            {"model_type": "whale"},
            {"max_position_embeddings": 0},
            {"vocab_size": 1 << 50},
            {"head_dim": True},
        )
    ),
]


@pytest.mark.parametrize("config", CONFIGS, ids=range(len(CONFIGS)))
def test_configs(config: Any, tmp_path: Path) -> None:
    weights = tiny.random_weights(tiny.SHAPE, 0)
    names = {"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight"}
    table, body = {}, b""
    for theirs, name in names.items():
        data = np.ascontiguousarray(weights[theirs]).tobytes()
        table[name] = entry(list(weights[theirs].shape), [len(body), len(body) + len(data)])
        body += data
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(safetensors(table, body))
    (folder / "config.json").write_text(json.dumps(config))
    refused(folder, tmp_path)


def test_a_config_too_large(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes(b'{"a": "' + b"x" * (5 << 20) + b'"}')
    refused(tmp_path, tmp_path)


TEMPLATES = [
    "{% for a in range(10**9) %}x{% endfor %}",
    "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "{{ 'x' * 10**9 }}",
    "{{ messages.__class__.__mro__ }}",
    "{{ ''.__class__.__base__.__subclasses__() }}",
    "{{ self.__init__.__globals__ }}",
    "{{ messages.append(1) }}",
    "{% include '/etc/passwd' %}",
    "{% import 'os' as os %}",
    "{{ 2 ** (2 ** (2 ** (2 ** (2 ** 2)))) }}",
    "{{ raise_exception('no') }}",
    "{{ undefined.thing }}",
    "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "{{ '%1000000000d' % 1 }}",
    "{{ '{:>1000000000}'.format(1) }}",
    "{{ '{0:{1}}'.format('x', 10**9) }}",
    "{{ 'x'.center(10**9) }}",
    "{{ 'x'.zfill(10**9) }}",
    "{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}{{ ns.s "
    "}}",
    "{% if %}",
]


@pytest.mark.parametrize("template", TEMPLATES)
def test_chat_templates(template: str) -> None:
    with pytest.raises(TemplateError):
        render([{"role": "user", "content": "hi"}], template)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 255)), min_size=1, max_size=8))
def test_gguf_with_some_bytes_changed(
    tmp_path_factory: pytest.TempPathFactory, tiny_gguf: Path, changes: list[tuple[int, int]]
) -> None:
    """Whatever is changed in the header: it converts, or says what is wrong."""
    data = bytearray(tiny_gguf.read_bytes())
    for at, byte in changes:
        data[at] = byte
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "a.gguf").write_bytes(data)
    _converts_or_says_why(folder / "a.gguf", folder)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), min_size=1, max_size=4))
def test_safetensors_with_some_bytes_changed(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]]
) -> None:
    data = bytearray(safetensors({f"layer.{n}": entry([2, 2], [16 * n, 16 * n + 16]) for n in range(4)}))
    for at, byte in changes:
        data[at] = byte
    path = tmp_path_factory.mktemp("fuzz") / "a.safetensors"
    path.write_bytes(data)
    try:
        tensors = Safetensors(path)
        for name in tensors:
            tensors[name].dequantize()
    except LLMMagicsError as error:
        assert error.hint


def _converts_or_says_why(source: Path, folder: Path) -> None:
    (folder / "out").mkdir()
    try:
        convert(source, folder / "out")
    except LLMMagicsError as error:
        assert error.hint
