"""The catalog, its table and cards: every row is valid, what is not known says so."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

import llm_magics as lm
from llm_magics.decoder.families import FAMILIES, spec_of
from llm_magics.formats.config import Config
from llm_magics.models.catalog import model_table, speed
from llm_magics.models.catalog.card import ModelCard, card, card_of
from llm_magics.models.catalog.model_table import ModelTable, list_models, matches
from llm_magics.sources import catalog, store
from llm_magics.sources.source import Source
from llm_magics.trust import licenses

LANGUAGES = set(["en", "de", "fr", "es", "it", "pt", "hi", "th", "ar", "cs", "ja", "ko", "nl", "zh"])


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LLM_MAGICS_HOME", str(tmp_path / "home"))
    return store.home()


def test_there_are_at_least_forty_rows_and_one_default() -> None:
    rows = catalog.entries()
    assert len(rows) >= 40 and next(iter(rows)) == catalog.DEFAULT
    assert [name for name, row in rows.items() if row.package] == [catalog.DEFAULT]
    assert len({row.repository for row in rows.values()}) == len(rows)


@pytest.mark.parametrize("entry", catalog.entries().values(), ids=lambda entry: entry.name)
def test_a_row_is_valid(entry: catalog.CatalogEntry) -> None:
    assert entry.repository.count("/") == 1 and entry.title and entry.good_for
    assert entry.gated in (True, False, None) and set(entry.languages) <= LANGUAGES
    assert entry.license == catalog.UNKNOWN or licenses.find(entry.license).known
    assert catalog.of_repository(entry.repository.upper()) is entry
    assert set(entry.training or {}) <= {"texts", "until", "made_from"}
    if entry.config is not None:
        assert entry.config["model_type"] in FAMILIES
        config = Config(dict(entry.config))
        spec = spec_of(config)
        config.check_unread()
        assert 0 < spec.context <= entry.context and 0 < entry.bits <= 32
        assert 1e7 < lm.fit(entry.name).parameters < 1e11 if entry.package is None else True


@pytest.mark.parametrize(
    ("name", "billions"),
    [
        ("smollm2-360m-instruct", 0.362),
        ("qwen2.5-0.5b-instruct", 0.494),
        ("qwen3-0.6b", 0.596),
        ("llama-3.2-1b-instruct", 1.236),
        ("llama-3.1-8b-instruct", 8.03),
        ("mixtral-8x7b-instruct", 46.7),
        ("gpt-oss-20b", 20.9),
        ("falcon-7b-instruct", 6.92),
        ("lfm2-350m", 0.354),
    ],
)
def test_the_weights_are_as_many_as_the_makers_say(name: str, billions: float) -> None:
    assert lm.fit(name).parameters / 1e9 == pytest.approx(billions, rel=0.02)


def test_the_table_says_what_is_not_known(home: Path) -> None:
    rows = {row["name"]: row for row in list_models().head["rows"]}
    unknown = rows["granite-4-1b"]
    assert unknown["memory"] is unknown["speed"] is unknown["context"] is unknown["fetch"] is None
    assert rows["qwen3.5-2b"]["license"]["commercial"] == "unknown"
    line = next(line for line in str(list_models()).splitlines() if line.startswith("granite-4-1b"))
    assert line.split()[1:] == ["Apache-2.0", "yes", "unknown", "unknown", "–", "unknown"]
    assert rows["smollm2-135m-instruct"]["fetch_known"] and not rows["gpt2"]["fetch_known"]
    assert rows["gpt2"]["fetch"] == pytest.approx(4 * 124e6, rel=0.02)


def test_the_table_is_a_sequence_of_rows_by_memory(home: Path) -> None:
    table = list_models()
    assert isinstance(table, ModelTable) and len(table) == len(list(table)) == len(catalog.entries())
    assert table[0].name == "pythia-70m" and {row.name for row in table} == set(catalog.entries())
    sizes = [row["memory"]["expected"] for row in table.head["rows"] if row["memory"]]
    assert sizes == sorted(sizes)
    assert ModelTable.from_payload(json.loads(json.dumps(table.to_payload()))).head == table.head
    assert lm.models()[0] == table[0]  # the name of 0.1


def test_words_choose_rows(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_table, "free_bytes", lambda: 2_000_000_000)
    rows = {row["name"]: row for row in list_models().head["rows"]}
    rows["gpt2"] |= {"speed": {"value": 30.0, "measured": True}, "state": "in the cache"}

    def name(words: str) -> set[str]:
        return {name for name, row in rows.items() if matches(row, words)}

    assert name("llama-3.2") == {"llama-3.2-1b-instruct", "llama-3.2-3b-instruct"}
    assert name("cached") == name("> 20 tok/s") == name("<31 tokens/s") == {"gpt2"}
    qwen = {item for item in rows if item.startswith("qwen") and not item.startswith("qwen3.5")}
    assert name("qwen commercial") == qwen - {"qwen2.5-3b-instruct"}
    small = name("< 300 MB")
    assert small and all(rows[item]["memory"]["expected"] < 3e8 for item in small)
    assert name("< 0.3 GB") == small and name("") == set(rows) and name("nonsense") == set()
    assert {"en", "de"} <= set(rows["llama-3.2-1b-instruct"]["languages"])


def test_a_card_has_the_conditions_with_their_sections(home: Path) -> None:
    found = card("llama-3.2-1b-instruct")
    text = str(found)
    assert "name of a derivative: begins with “Llama” §1.b.i" in text and "read 2026-11-29" in text
    assert "December 2023" in text and licenses.ADVICE in text and "fits up to" in text
    assert ModelCard.from_payload(json.loads(json.dumps(found.to_payload()))).head == found.head
    assert "| commercial use | yes, up to 700 million" in found.to_markdown()
    assert card("meta-llama/llama-3.2-1b-instruct").head["row"]["name"] == "llama-3.2-1b-instruct"
    assert card().head["row"]["name"] == catalog.DEFAULT


def test_a_card_without_a_known_license_guesses_nothing(home: Path) -> None:
    info = lm.ModelInfo("org/odd", "main", "ab", license="odd-1.0")
    found = card_of(info, None, None)
    assert found.head["license"]["commercial"] == "unknown" and found.head["license"]["name"] == "odd-1.0"
    assert found.head["saving"]["left"] == ["find out what the license allows: no rule of it is applied"]
    assert "memory with tokens of context: unknown" in str(found) and "texts: unknown" in str(found)


def test_what_was_measured_is_on_the_card(home: Path) -> None:
    info = lm.ModelInfo("smollm2-135m-instruct", "r", "ab", "repacked", license="Apache-2.0")
    rows = card_of(info, None, lm.Fidelity(0.002, 0.97, 600)).head["precisions"]
    assert {row["name"]: row["kl"] for row in rows} == {
        "fp32": 0.0,
        "int8": None,
        "auto": 0.002,
        "int4": None,
    }


def test_the_speed_of_an_answer_replaces_what_was_expected(home: Path) -> None:
    here = speed.Machine(20e9, 20e9, 1e-6, 0.0)
    row = model_table.describe(catalog.find("gpt2"), machine=here)
    assert not row["speed"]["measured"] and 80 < row["speed"]["value"] < 160
    token = lm.Token(1, "a", 0.0, 0.0, 1)
    timing = lm.Timing(first_token_s=0.1, decode_tokens_per_s=40.0)
    info = lm.ModelInfo("gpt2", "", "", "repacked")
    answer = lm.Generation("", (token,) * 41, "length", "", model=info, timing=timing)
    speed.note_speed(answer)
    measured = speed.measured_speeds()
    assert measured == {"gpt2/repacked": 40.0}
    row = model_table.describe(catalog.find("gpt2"), machine=here, used=measured)
    assert row["speed"] == {"value": measured["gpt2/repacked"], "measured": True}
    speed.note_speed(replace(answer, tokens=answer.tokens[:3]))  # too short for a measurement
    assert speed.measured_speeds() == measured
    (store.home() / "speeds.json").write_text("{")
    assert speed.measured_speeds() == {}


def test_the_machine_is_measured_once_a_day(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert speed.machine(measure=False) is None
    monkeypatch.setattr(speed, "_BYTES", 20_000_000)
    found = speed.machine()
    assert found is not None and speed.machine(measure=False) == found
    assert 1e8 < found.four_bits < 1e12 and 1e8 < found.eight_bits < 1e12 and 1e-8 < found.node < 1e-3
    path = store.home() / "machine.json"
    old = {**json.loads(path.read_text()), "measured_at": found.measured_at - speed.KEPT_S - 1}
    path.write_text(json.dumps(old))
    assert speed.machine(measure=False) is None
    path.write_text("[]")
    assert speed.machine(measure=False) is None


def test_experts_that_are_idle_cost_no_time() -> None:
    here = speed.Machine(20e9, 20e9, 1e-6, 0.0)
    spec = spec_of(Config(dict(catalog.find("gpt-oss-20b").config or {})))
    assert here.tokens_per_s(spec, 8) > 4  # 3.6 B of 21 B weights are read


def test_licenses_of_a_notebook(tmp_path: Path) -> None:
    def output(name: str, licence: str) -> dict[str, object]:
        payload = {"model": {"name": name, "licence": licence}}
        return {
            "output_type": "display_data",
            "data": {"application/vnd.llm-magics.generation+json": payload},
        }

    cells = [
        {"outputs": [output("gpt2", "mit"), output("llama-3.2-1b-instruct", "unknown")]},
        {"outputs": [output("org/odd", "odd"), {"data": {"text/plain": "x"}}, 3]},
        {"cell_type": "markdown"},
    ]
    path = tmp_path / "a.ipynb"
    path.write_text(json.dumps({"cells": cells}))
    text = lm.licenses(path)
    assert "llama-3.2-1b-instruct: Llama 3.2 Community License, commercial use: on terms" in text
    assert "they ask you to:" in text and "nothing is known of: odd" in text and licenses.ADVICE in text
    path.write_text("{}")
    assert lm.licenses(path) == "No output of a model was found."
    for wrong in ("none.ipynb", str(tmp_path), "x.txt"):
        with pytest.raises(lm.UsageError, match="is not a notebook"):
            lm.licenses(wrong)
    path.write_text("[")
    with pytest.raises(lm.UsageError, match="cannot be read"):
        lm.licenses(path)


def test_a_name_stands_for_its_repository(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a tokenizer that is compared, no weights are fetched."""
    from llm_magics.sources import hub, resolve

    asked: list[tuple[object, ...]] = []

    def listed(repository: str, revision: str | None, *, file: str | None = None) -> Source:
        asked.append((repository, revision, file))
        return Source("gguf", repository, "main", "f" * 64, "unknown", lambda: Path("none"))

    monkeypatch.setattr(hub, "resolve", listed)
    source = resolve.resolve("gpt2")
    assert asked == [("openai-community/gpt2", None, None)] and source.license == "MIT"
    with pytest.raises(lm.ModelFileError, match="no tokenizer"):  # the stand-in has no file
        lm.compare_tokenizers("a b", ["gpt2"])
    assert asked[1:] == [("openai-community/gpt2", None, hub.TOKENIZER)]
