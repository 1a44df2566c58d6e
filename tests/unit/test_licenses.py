"""Licenses as conditions, and what saving a model does for them."""

from pathlib import Path

import pytest

from llm_magics.core.records import ModelInfo
from llm_magics.sources.select_files import is_license_text
from llm_magics.trust import licenses, obligations

NAMES = [
    *("apache-2.0", "mit", "bsd-3-clause", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "openrail"),
    *("llama2", "llama3", "llama3.1", "llama3.2", "llama3.3", "llama4", "gemma", "falcon-llm"),
    *("qwen-research", "qwen", "deepseek", "mrl", "lfm1.0"),
]


@pytest.mark.parametrize("name", NAMES)
def test_a_license_is_complete(name: str) -> None:
    found = licenses.find(name)
    assert found.known and found.url.startswith("https://") and found.source and found.may and found.must
    assert found.commercial in ("yes", "on terms", "no") and len(found.asks.split()) <= 4
    assert found.read or "not read" in found.source or "summary" in found.source
    assert found.conditions[0].question == "commercial use"
    assert licenses.find(name.upper()) is found and licenses.find(name.replace("-", "_")) is found


def test_every_license_of_the_issue_is_there() -> None:
    assert {item.id for item in licenses.entries()} == set(NAMES)
    assert licenses.find("Tongyi-Qianwen").id == "qwen" and licenses.find("license:mit").known is False


@pytest.mark.parametrize("id", ["", None, "other", "unknown", "odd-1.0", "x" * 500, "\x1b[31mred"])
def test_what_is_not_known_stays_unknown(id: str | None) -> None:
    found = licenses.find(id)
    assert not found.known and found.commercial == found.asks == "unknown" and not found.name_prefix
    assert len(found.name) <= 80 and "\x1b" not in found.name


def test_names_of_derivatives() -> None:
    llama, llama3 = licenses.find("llama3.2"), licenses.find("llama3")
    assert (
        llama.derived_name("pirate") == "Llama-pirate" and llama3.derived_name("pirate") == "Llama-3-pirate"
    )
    assert llama.derived_name("Llama-pirate") == "Llama-pirate" == llama.derived_name("Llama-pirate")
    assert llama.derived_name("llama_pirate") == "llama_pirate"
    assert licenses.find("mit").derived_name("pirate") == "pirate"


@pytest.mark.parametrize(
    ("name", "size", "expected"),
    [
        ("LICENSE", 10, True),
        ("LICENCE.md", 10, True),
        ("NOTICE", 10, True),
        ("USE_POLICY.md", 10, True),
        ("license-model", 10, True),
        ("LICENSE", 0, False),
        ("LICENSE", 1 << 30, False),
        ("sub/LICENSE", 10, False),
        ("README.md", 10, False),
        ("model.safetensors", 10, False),
    ],
)
def test_license_texts(name: str, size: int, expected: bool) -> None:
    assert is_license_text(name, size) is expected


def test_notices_and_cards(tmp_path: Path) -> None:
    source, folder = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    folder.mkdir()
    (source / "LICENSE").write_text("the text")
    (source / "NOTICE").write_text("of another\n")
    (source / "model.gguf").write_text("x")
    obligations.copy_texts(source / "model.gguf", folder)
    assert sorted(path.name for path in folder.iterdir()) == ["LICENSE", "NOTICE"]
    info = ModelInfo("llama-3.2-1b-instruct", "rev|1", "abc", "int4", license="llama3.2")
    obligations.describe_model(info, folder, "mine", changes="an adapter was merged in")
    notice = (folder / "NOTICE").read_text()
    assert (
        notice.startswith("of another\n\nLlama 3.2 is licensed under") and notice.count("Llama 3.2 is") == 1
    )
    text = (folder / "README.md").read_text()
    assert text.startswith('---\nbase_model: "meta-llama/Llama-3.2-1B-Instruct"\nlicense: "llama3.2"\n')
    assert "**Built with Llama**" in text and "an adapter was merged in" in text and "rev\\|1" in text
    assert "LICENSE is a copy of the source's file" in text and "use-policy" in text
    obligations.describe_model(info, folder, "mine", changes="none")
    assert (folder / "NOTICE").read_text() == notice  # once is enough


def test_a_card_of_an_unknown_license(tmp_path: Path) -> None:
    for stated, words in (("unknown", "Its license is unknown."), ("odd", "is stated as odd.")):
        obligations.describe_model(ModelInfo("a", "", "", license=stated), tmp_path, "a", changes="none")
        assert words in (tmp_path / "README.md").read_text()
    assert not (tmp_path / "NOTICE").exists()


def test_a_folder_gets_the_name_that_the_license_asks_for(tmp_path: Path) -> None:
    assert obligations.licensed_path(tmp_path / "pirate", "llama3.1") == tmp_path / "Llama-pirate"
    assert obligations.licensed_path(tmp_path / "pirate", "Apache-2.0") == tmp_path / "pirate"


def test_joined() -> None:
    mit, llama = licenses.find("mit"), licenses.find("llama3.2")
    distinct, asked = licenses.join([mit, llama, mit])
    assert distinct == [mit, llama] and asked == [*mit.must, *llama.must]
