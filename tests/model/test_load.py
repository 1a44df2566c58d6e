"""The ways to a model, end to end: a checkpoint's folder, a saved model, shards, precisions, what it cost."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import llm_magics as lm
from llm_magics.models.loading.convert import FORMAT
from tests.support import tiny


def test_a_checkpoint_answers_as_transformers_does(hub_folder: Path, home: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    model = lm.load(str(hub_folder), precision="fp32")
    answer = model.generate("the river", raw=True, max_tokens=40, temperature=0)
    oracle = AutoModelForCausalLM.from_pretrained(hub_folder, dtype=torch.float32).eval()
    ids = model.tokenizer.encode("the river")
    with torch.no_grad():
        theirs = oracle.generate(
            torch.tensor([ids]), max_new_tokens=40, do_sample=False, eos_token_id=None, pad_token_id=0
        )
    assert [token.id for token in answer.tokens] == theirs[0, len(ids) :].tolist()[: len(answer.tokens)]
    assert model.render("hi").startswith("<|im_start|>user\nhi<|im_end|>")
    assert 2 in model.tokenizer.eos_ids and model.info.precision == "fp32"


@pytest.mark.parametrize("precision", ["auto", "int8", "int4", "fp16", "exact"])
def test_precisions_and_what_they_cost(hub_folder: Path, home: Path, precision: str) -> None:
    model = lm.load(str(hub_folder), precision=precision)
    assert model.fidelity is None
    found = model.measure_fidelity()
    assert 0 <= found.kl < (1e-5 if precision in ("fp16", "exact") else 0.02) and found.same_argmax > 0.9
    assert model.info.precision == ("int8" if precision == "auto" else precision)
    del model
    assert lm.load(str(hub_folder), precision=precision).fidelity == found, "it is kept beside the model"


def test_saved_and_loaded_again_with_no_source(hub_folder: Path, home: Path, tmp_path: Path) -> None:
    model = lm.load(str(hub_folder))
    said = model.generate("hi", max_tokens=20, seed=3).text
    folder = model.save(tmp_path / "mine")
    with pytest.raises(lm.UsageError, match="exists already"):
        model.save(folder)
    again = lm.load(str(folder))
    assert again is not model and again.generate("hi", max_tokens=20, seed=3).text == said
    with pytest.raises(lm.UsageError, match="source"):
        again.measure_fidelity()
    (folder / "weights.bin").write_bytes(b"\0" * (folder / "weights.bin").stat().st_size)
    with pytest.raises(lm.ModelFileError, match="manifest"):
        lm.load(str(folder), threads=1)


def test_a_changed_checkpoint_is_converted_anew(hub_folder: Path, home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(hub_folder, folder)
    before = lm.load(str(folder)).info.fingerprint
    shard = sorted(folder.glob("*.safetensors"))[0]
    data = bytearray(shard.read_bytes())
    data[-1] ^= 1
    shard.write_bytes(data)
    assert lm.load(str(folder), threads=1).info.fingerprint != before


def test_map_keeps_the_order_and_its_errors(hub_folder: Path, home: Path) -> None:
    model = lm.load(str(hub_folder), precision="fp32")
    prompts: list[Any] = ["one", None, "the third", "x" * 4000, "five"]
    answers = model.map(prompts, raw=True, max_tokens=8, temperature=0, progress=False)
    assert list(answers.errors) == [1, 3] and isinstance(answers.errors[3], lm.ContextOverflow)
    for number in (0, 2, 4):
        assert (
            answers.texts[number]
            == model.generate(prompts[number], raw=True, max_tokens=8, temperature=0).text
        )


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ({}, "has no model"),
        ({"pytorch_model.bin": b"x"}, "pickled"),
        ({"a.gguf": b"x", "b.gguf": b"x"}, "2 GGUF files"),
    ],
)
def test_folders_that_will_not_do(made: dict[str, bytes], said: str, home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    for name, data in made.items():
        (folder / name).write_bytes(data)
    with pytest.raises(lm.LLMMagicsError, match=said) as error:
        lm.load(str(folder))
    assert error.value.hint


def test_names_that_are_nothing(home: Path) -> None:
    with pytest.raises(lm.ModelNotFound, match="nor a path") as error:
        lm.load("smollm2-135-instruct")
    assert "Did you mean smollm2-135m-instruct" in error.value.hint


@pytest.fixture
def own_gguf(tiny_gguf: Path, tmp_path: Path) -> Path:
    """A file that no other test has a model of: such a model would be given, from a cache of another test."""
    return Path(shutil.copy(tiny_gguf, tmp_path / "own.gguf"))


def test_a_path_is_the_file_that_lies_there_now(
    tiny_gguf: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n, folder in enumerate(("one", "two")):
        (tmp_path / folder).mkdir()
        tiny.write(tmp_path / folder / "m.gguf", tiny.random_weights(tiny.SHAPE, seed=n), tiny.SHAPE)
    monkeypatch.chdir(tmp_path / "one")
    first = lm.load("m.gguf")
    assert lm.load("m.gguf") is first and lm.load(str(tmp_path / "one" / "m.gguf")).info == first.info
    monkeypatch.chdir(tmp_path / "two")
    second = lm.load("m.gguf")
    assert second.info.fingerprint != first.info.fingerprint
    shutil.copy(tiny_gguf, "m.gguf")  # another one in its place
    assert lm.load("m.gguf").info.fingerprint not in (first.info.fingerprint, second.info.fingerprint)


def test_the_integers_of_numpy_are_integers(own_gguf: Path, home: Path) -> None:
    model = lm.load(own_gguf, threads=np.int64(1), cache_mb=np.int32(7))
    assert model.pool.budget == 7_000_000 and lm.load(own_gguf, threads=1) is model
    for odd in (0, True, 1.5, "2"):
        with pytest.raises(lm.UsageError, match="threads must be an integer"):
            lm.load(own_gguf, threads=odd)  # type: ignore[arg-type]


def test_a_precision_that_cannot_be_given_is_refused(own_gguf: Path, home: Path, tmp_path: Path) -> None:
    lm.load(own_gguf, precision="int8").save(tmp_path / "saved")
    assert lm.load(tmp_path / "saved").info.precision == "int8"
    assert lm.load(tmp_path / "saved", precision="int8").info.precision == "int8"
    with pytest.raises(lm.UsageError, match="another precision"):
        lm.load(tmp_path / "saved", precision="fp32")


def test_the_cache_is_listed_emptied_and_kept_clean(own_gguf: Path, home: Path, tmp_path: Path) -> None:
    from llm_magics.models.catalog.model_table import list_models
    from llm_magics.sources import cache_admin, store

    lm.load(own_gguf)
    (key,) = store.cached()
    old = key.replace(f"-{FORMAT}-", "-3-")
    shutil.copytree(home / "models" / key, home / "models" / old)  # what an earlier version would have left
    (home / "models" / old / "model.json").write_text("{")  # damaged besides
    assert store.entries().keys() == {key, old} and store.cached().keys() == {key}
    assert "damaged" in str(list_models())
    lm.load(own_gguf, precision="int8")
    assert old not in store.entries() and len(store.cached()) == 2 and "damaged" not in str(list_models())
    (home / "models" / key / "weights.bin").write_bytes(b"")
    assert key in str(list_models()) and "smollm2-135m-instruct" in str(list_models())
    name = key.split("/")[0]
    assert "removed" in cache_admin.remove(name) and store.entries() == {}
    with pytest.raises(lm.StoreError, match="the cache has no model"):
        cache_admin.remove(name)


def test_a_saved_model_of_another_version_is_named(own_gguf: Path, home: Path, tmp_path: Path) -> None:
    from llm_magics.models.loading.convert import ConvertedModel

    folder = lm.load(own_gguf).save(tmp_path / "saved")
    data = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**data, "format": 99}))
    with pytest.raises(lm.ModelFileError, match="another version \\(format 99\\)"):
        ConvertedModel.read(folder)


def test_a_long_download_holds_up_its_own_model_only(
    own_gguf: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib
    import threading

    module: Any = importlib.import_module("llm_magics.models.loading.load")
    began, go_on, really = threading.Event(), threading.Event(), module._load

    def slow(name: str, precision: str, *rest: Any, **more: Any) -> lm.Model:
        if precision == "fp32":
            began.set()
            assert go_on.wait(20)
        model: lm.Model = really(name, precision, *rest, **more)
        return model

    monkeypatch.setattr(module, "_load", slow)
    found: list[lm.Model] = []
    both = [threading.Thread(target=lambda: found.append(lm.load(own_gguf, precision="fp32"))) for _ in "ab"]
    for thread in both:
        thread.start()
    assert began.wait(10)
    assert lm.load(own_gguf, precision="int8").generate("hi", max_tokens=1).tokens  # while it lasts
    go_on.set()
    for thread in both:
        thread.join(20)
    assert found[0] is found[1]


def test_what_a_comparison_converts_goes_again(own_gguf: Path, home: Path) -> None:
    from llm_magics.sources import store

    model = lm.load(own_gguf, precision="int8")
    (key,) = store.cached()
    assert model.measure_fidelity().kl > 0 and store.cached().keys() == {key}
    exact = lm.load(own_gguf, precision="fp32")  # what was there stays
    assert exact.measure_fidelity().kl < 1e-6 and len(store.cached()) == 2
    assert model.measure_fidelity().kl > 0 and len(store.cached()) == 2


def test_odd_values_in_a_saved_model_are_said(own_gguf: Path, home: Path, tmp_path: Path) -> None:
    """Its manifest fits: it was made so."""
    from llm_magics.sources import store

    folder = lm.load(own_gguf).save(tmp_path / "saved")
    right = json.loads((folder / "model.json").read_text())
    odd = (None, True, "x", [], [None], {}, {"a": 1}, -1, 0, 1.5, 10**400, float("nan"), 1e308)
    refused = 0
    for table, name in [(None, name) for name in right] + [("spec", name) for name in right["spec"]]:
        for value in odd:
            raw = json.loads(json.dumps(right))
            (raw[table] if table else raw)[name] = value
            (folder / "model.json").write_text(json.dumps(raw))
            (folder / store.MANIFEST).unlink()
            store._seal(folder)
            try:
                lm.load(folder).generate("hi", max_tokens=1)
            except lm.LLMMagicsError:
                refused += 1
    assert refused > 300
