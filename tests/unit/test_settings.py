"""Settings: where each comes from, which one counts, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from traitlets.config import Config

from llm_magics import UsageError
from llm_magics.magics import settings
from llm_magics.magics.parsing.request import parse
from llm_magics.magics.settings import Settings


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


class LLMMagics(Settings):
    """Traits are configured by the name of the class."""


def project(folder: Path, text: str) -> None:
    (folder / "pyproject.toml").write_text(f"[tool.llm-magics]\n{text}\n")


def test_a_later_source_goes_before_an_earlier_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = Config({"LLMMagics": {"temperature": 0.1, "top_k": 1, "top_p": 0.1, "seed": 1}})
    own = LLMMagics(config=config)
    project(folder, "temperature = 0.2\ntop_k = 2\ntop_p = 0.2")
    monkeypatch.setenv("LLM_MAGICS_TOP_K", "3")
    monkeypatch.setenv("LLM_MAGICS_TOP_P", "0.3")
    own.top_p = 0.4
    found = settings.resolve(own)
    assert found["seed"] == (1, "ipython_config.py")
    assert found["temperature"] == (0.2, str(folder / "pyproject.toml"))
    assert found["top_k"] == (3, "LLM_MAGICS_TOP_K") and found["top_p"] == (0.4, "%config")
    request = settings.apply(parse("-t 0.9 hi", None, {}), found)
    assert request.options == {"temperature": 0.9, "top_k": 3, "top_p": 0.4, "seed": 1}
    own.top_p = None
    assert "top_p" not in settings.resolve(own)
    text = settings.table(own)
    assert "LLM_MAGICS_TOP_K" in text and "penalty R on repeated tokens" in text
    assert all(name in text for name in settings.names())


def test_the_nearest_file_upwards_counts(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project(folder, 'model = "own.gguf"\ntokens = true')
    inner = folder / "a" / "b"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    found = settings.resolve(LLMMagics())
    assert settings.loading(found) == {"model": "own.gguf"} and found["tokens"][0] is True
    (folder / "a" / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    assert settings.resolve(LLMMagics()) == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("temprature = 1", "unknown setting 'temprature'"),
        ("temperature = 'hot'", "must be a number"),
        ("top_k = 1.5", "must be a whole number"),
        ("tokens = 1", "must be true or false"),
        ("sampling = 'mine'", "must be 'model' or 'package'"),
        ("[tool", "cannot be read"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(folder: Path, text: str, said: str) -> None:
    project(folder, text)
    with pytest.raises(UsageError, match=said):
        settings.resolve(LLMMagics())


def test_variables_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_MAGICS_HOME", "/tmp")
    monkeypatch.setenv("LLM_MAGICS_TOKENS", "on")
    assert settings.resolve(LLMMagics())["tokens"] == (True, "LLM_MAGICS_TOKENS")
    monkeypatch.setenv("LLM_MAGICS_TOKENS", "perhaps")
    with pytest.raises(UsageError, match="LLM_MAGICS_TOKENS must be true or false"):
        settings.resolve(LLMMagics())
    monkeypatch.delenv("LLM_MAGICS_TOKENS")
    monkeypatch.setenv("LLM_MAGICS_MODLE", "x")
    with pytest.raises(UsageError, match="unknown setting 'modle'") as error:
        settings.resolve(LLMMagics())
    assert "Did you mean model?" in str(error.value)


def test_a_configuration_with_an_unknown_name_is_refused() -> None:
    with pytest.raises(UsageError, match="unknown setting 'modle'"):
        LLMMagics(config=Config({"LLMMagics": {"modle": "x"}}))


def test_sampling_of_the_package_states_every_setting() -> None:
    own = LLMMagics()
    own.sampling = "package"
    request = settings.apply(parse("-t 0.9 hi", None, {}), settings.resolve(own))
    assert request.options["temperature"] == 0.9 and request.options["top_p"] == 0.95
    own.system = "be brief"
    assert settings.apply(parse("hi", None, {}), settings.resolve(own)).system == "be brief"
    assert settings.apply(parse("-s x hi", None, {}), settings.resolve(own)).system == "x"
    assert settings.apply(parse("--raw hi", None, {}), settings.resolve(own)).system is None
