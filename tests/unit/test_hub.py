"""Names of the Hugging Face Hub, through huggingface_hub itself, against a stand-in of its API on this
machine.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants
from huggingface_hub.utils import are_progress_bars_disabled as disabled  # type: ignore[attr-defined]

import llm_magics as lm
from llm_magics.core import progress
from llm_magics.errors import Interrupted
from llm_magics.formats.gguf import GgufFile
from llm_magics.formats.tokenizers.gguf import tokenizer_spec
from llm_magics.sources import hub as hub_module
from llm_magics.sources import resolve
from llm_magics.sources.select_files import select_files
from tests.support import tiny
from tests.support.hubstub import COMMIT, OTHER, Hub, serve

REPO = "tiny-lab/tiny-llama"


def checkpoint(tmp_path: Path) -> dict[str, bytes]:
    """A tiny Llama's files as a repository has them, and its GGUF file."""
    import numpy as np
    from safetensors.numpy import save

    weights, shape = tiny.random_weights(tiny.SHAPE, 5), tiny.SHAPE
    tiny.write(tmp_path / "a.gguf", weights, shape, kind="Q8_0", embed_kind="Q8_0")
    state = {
        "model.embed_tokens.weight": weights["token_embd.weight"],
        "model.norm.weight": weights["output_norm.weight"],
    }
    for name, array in weights.items():
        if name.startswith("blk."):
            _, layer, part, _ = name.split(".")
            state[f"model.layers.{layer}.{tiny.HUB_NAMES[part]}.weight"] = np.ascontiguousarray(array)
    config = {
        "model_type": "llama",
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "intermediate_size": 96,
        "vocab_size": 300,
        "max_position_embeddings": 256,
        "rms_norm_eps": 1e-5,
        "eos_token_id": 2,
        "bos_token_id": 1,
        "tie_word_embeddings": True,
    }
    return {
        "config.json": json.dumps(config).encode(),
        "model.safetensors": save(state),
        "tokenizer.json": tokenizer_spec(GgufFile(tmp_path / "a.gguf").metadata).json.encode(),
        "tokenizer_config.json": json.dumps(
            {"eos_token": "<|im_end|>", "chat_template": tiny.TEMPLATE}
        ).encode(),
        "README.md": b"# tiny",
        "pytorch_model.bin": b"a pickle",
        "modeling_evil.py": b"raise SystemExit",
    }


# huggingface_hub writes ten megabytes at a time; what is dropped before that is not kept.
SMALL_CHUNKS = "from huggingface_hub import constants; constants.DOWNLOAD_CHUNK_SIZE = 1 << 12"


@pytest.fixture
def hub(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serve(Hub({REPO: checkpoint(tmp_path)})) as made:
        monkeypatch.setenv("HF_ENDPOINT", made.url)
        monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hf cache"))
        for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "HUGGING_FACE_HUB_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "no token"))
        monkeypatch.setattr(hub_module, "_LONGEST_WAIT_S", 0.05)
        monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1 << 12)
        yield made


def answer(name: str = REPO) -> str:
    return lm.load(name, precision="fp32").generate("hello", max_tokens=12, temperature=0).text


def test_a_checkpoint_answers_and_only_what_it_needs_is_fetched(hub: Hub) -> None:
    model = lm.load(REPO)
    assert model.name == REPO and model.info.revision == COMMIT and model.info.license == "apache-2.0"
    assert model.generate("hello", max_tokens=5).tokens
    fetched = {
        path.rpartition("/")[2] for method, path, _ in hub.requests if method == "GET" and "/resolve/" in path
    }
    assert fetched == {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}


def test_a_tokenizer_is_fetched_without_weights(hub: Hub, tmp_path: Path) -> None:
    found = lm.compare_tokenizers("hello you", [REPO, str(tmp_path / "a.gguf")])
    fetched = {path.rpartition("/")[2] for method, path, _ in hub.requests if "/resolve/" in path}
    assert fetched == {"config.json", "tokenizer.json", "tokenizer_config.json"}
    one, other = found.head["columns"]
    assert one["name"] == REPO and one["ids"] == other["ids"] and "".join(one["texts"]) == "hello you"


def test_progress_is_told_where_somebody_listens(hub: Hub) -> None:
    told: list[tuple[str, float | None]] = []
    with progress.listening(lambda what, share: told.append((what, share))):
        lm.load(REPO)
    files = [(what, share) for what, share in told if what.startswith(REPO)]
    assert len(files) == 4 and files[0][1] == 0 and "config.json" in files[0][0]
    shares = [share for _, share in files if share is not None]
    assert shares == sorted(shares) and shares[-1] < 1
    assert any(what.startswith("converting") for what, _ in told)


def test_who_stops_at_a_file_fetches_it_not(hub: Hub) -> None:
    def listener(what: str, share: float | None) -> None:
        if "model.safetensors" in what:
            raise Interrupted("stopped")

    with progress.listening(listener), pytest.raises(Interrupted):
        lm.load(REPO)
    weights = [path for method, path, _ in hub.requests if method == "GET" and "model.safetensors" in path]
    assert weights == [] and not disabled()
    assert lm.load(REPO).generate("hello", max_tokens=5).tokens


def test_the_second_time_takes_one_question_and_offline_none(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = answer()
    hub.requests.clear()
    assert answer() == first and all("/api/" in path for _, path, _ in hub.requests)
    hub.fail = [(503, {})] * 50  # out of reach: the cache will do
    assert answer() == first
    hub.requests.clear()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert answer() == first and not hub.requests
    with pytest.raises(lm.FetchError, match="HF_HUB_OFFLINE"):
        lm.load("tiny-lab/another")


def test_revisions(hub: Hub) -> None:
    assert resolve.resolve(f"{REPO}@v1").revision == OTHER
    assert resolve.resolve(REPO).fingerprint != resolve.resolve(f"{REPO}@v1").fingerprint
    lm.load(f"{REPO}@{COMMIT}")
    hub.requests.clear()
    lm.load(f"{REPO}@{COMMIT}", threads=1)
    assert not hub.requests, "a commit never changes"
    with pytest.raises(lm.ModelNotFound, match="no revision 'v9'"):
        lm.load(f"{REPO}@v9")


def test_gguf_and_choosing_a_file(hub: Hub, tmp_path: Path) -> None:
    data = (tmp_path / "a.gguf").read_bytes()
    hub.repositories["tiny-lab/quants"] = {"tiny.Q8_0.gguf": data, "tiny.Q4_0.gguf": b"x", "README.md": b""}
    assert lm.load("tiny-lab/quants").info.precision == "repacked"
    assert lm.load("tiny-lab/quants", file="tiny.Q8_0.gguf").generate("hi", max_tokens=3).tokens
    with pytest.raises(lm.ModelNotFound, match="no file") as error:
        lm.load("tiny-lab/quants", file="tiny.Q8.gguf")
    assert "tiny.Q8_0.gguf" in error.value.hint


@pytest.mark.parametrize(
    "failures", [[(503, {})], [(429, {"Retry-After": "1"}), (500, {})], [(500, {}), (502, {}), (504, {})]]
)
def test_passing_errors_are_tried_again(hub: Hub, failures: list[tuple[int, dict[str, str]]]) -> None:
    hub.fail = list(failures)
    assert answer()


def test_connections_that_drop_half_way_are_resumed(hub: Hub) -> None:
    hub.drops = 3
    assert answer()
    resumed = [
        asked
        for method, path, asked in hub.requests
        if method == "GET" and path.endswith("model.safetensors") and asked
    ]
    assert hub.drops == 0 and any(not asked.startswith("bytes=0-") for asked in resumed)


@pytest.mark.parametrize(
    ("status", "said", "advice"),
    [(429, "too many requests", "Wait"), (500, "answered 500", "later"), (403, "does not let you", "access")],
)
def test_lasting_errors_say_what_to_do(hub: Hub, status: int, said: str, advice: str) -> None:
    hub.fail = [(status, {})] * 50
    with pytest.raises(lm.FetchError, match=said) as error:
        lm.load(REPO)
    assert advice in error.value.hint


def test_no_such_repository(hub: Hub) -> None:
    with pytest.raises(lm.ModelNotFound, match="no repository tiny-lab/nothing"):
        lm.load("tiny-lab/nothing")
    with pytest.raises(lm.ModelNotFound):
        lm.load("tiny lab/no name!")


def test_gated_needs_a_token(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.gated.add(REPO)
    for token in (None, "hf_secret_but_wrong"):
        if token:
            monkeypatch.setenv("HF_TOKEN", token)
        with pytest.raises(lm.FetchError, match="gated") as error:
            lm.load(REPO)
        assert f"{hub.url}/{REPO}" in error.value.hint and "HF_TOKEN" in error.value.hint
        assert "hf_secret" not in str(error.value)
    monkeypatch.setenv("HF_TOKEN", hub.token)
    assert answer()


@pytest.mark.parametrize("name", ["../../evil.safetensors", "/etc/passwd", "a\\b.safetensors"])
def test_a_hostile_listing(hub: Hub, name: str) -> None:
    hub.listing = [name]
    with pytest.raises(lm.FetchError, match="lists a file outside"):
        lm.load(REPO)


def test_other_bytes_than_promised(hub: Hub) -> None:
    hub.lie["model.safetensors"] = hub.repositories[REPO]["model.safetensors"][:-500]
    with pytest.raises(lm.LLMMagicsError):
        lm.load(REPO)
    hub.lie.clear()
    assert answer()


def test_no_network_at_all(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(lm.FetchError, match="could not be downloaded") as error:
        lm.load(REPO)
    assert "copy" in error.value.hint


def test_too_little_room(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    usage = type(shutil.disk_usage("/"))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9, 1000))
    with pytest.raises(lm.StoreError, match="MB free"):
        lm.load(REPO)


@pytest.mark.skipif(os.name == "nt", reason="kill -9 is POSIX")
def test_killed_while_fetching_goes_on(hub: Hub) -> None:
    import numpy as np

    rest = np.random.default_rng(0).bytes(6 << 20)
    repository = hub.repositories[REPO]
    padded = bytearray(repository["model.safetensors"])
    size = int.from_bytes(padded[:8], "little")
    header = json.loads(padded[8 : 8 + size])
    end = len(padded) - 8 - size
    header["padding"] = {"dtype": "U8", "shape": [len(rest)], "data_offsets": [end, end + len(rest)]}
    text = json.dumps(header).encode()
    repository["model.safetensors"] = (
        len(text).to_bytes(8, "little") + text + bytes(padded[8 + size :]) + rest
    )
    hub.drops = 10**9  # never whole
    process = subprocess.Popen(
        [sys.executable, "-c", f"{SMALL_CHUNKS}; import llm_magics as lm; lm.load({REPO!r})"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    cache, deadline = Path(os.environ["HF_HUB_CACHE"]), time.monotonic() + 30
    while not any(part.stat().st_size for part in cache.rglob("*.incomplete")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    hub.drops = 0
    assert answer()


def test_what_a_listing_means() -> None:
    def chosen(*names: str, file: str | None = None) -> tuple[str, ...]:
        return select_files("a/b", dict.fromkeys(names, 1), file, shards=lambda index: shards).files

    shards = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
    assert chosen(
        "config.json", "model.safetensors.index.json", *shards, "consolidated.safetensors", "x.bin"
    ) == ("config.json", "model.safetensors.index.json", *shards)
    assert chosen("m-Q4_K_M.gguf", "m-Q5_K_M.gguf", "m-F16.gguf", "mmproj-F16.gguf") == ("m-Q5_K_M.gguf",)
    assert chosen("config.json", "onnx/model.onnx", "onnx/model.onnx_data", "onnx/model_q4.onnx") == (
        "config.json",
        "onnx/model.onnx",
        "onnx/model.onnx_data",
    )
    assert chosen("onnx/model.onnx", "onnx/model_q4.onnx", file="onnx/model_q4.onnx") == (
        "onnx/model_q4.onnx",
    )
    for files, error in [
        (("pytorch_model.bin",), lm.UnsupportedModel),
        (("README.md",), lm.ModelNotFound),
        ((), lm.ModelNotFound),
        (("adapter_model.safetensors",), lm.UnsupportedModel),
        (("a.gguf", "b.gguf"), lm.UsageError),
        (("onnx/a.onnx", "onnx/b.onnx"), lm.UsageError),
    ]:
        with pytest.raises(error):
            chosen(*files)
    with pytest.raises(lm.UsageError):
        chosen("config.json", file="config.json")


def test_names_of_the_catalogue_do_not_ask_the_hub() -> None:
    code = (
        "import sys; from llm_magics.sources import resolve; resolve.resolve(None); "
        "print('huggingface_hub' in sys.modules)"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.strip()
        == "False"
    )


def test_a_folder_is_read_by_the_same_rule_as_a_repository(tmp_path: Path) -> None:
    names_of = ["m-Q4_0.gguf", "m-Q8_0.gguf", "m-F16.gguf", "mmproj-F16.gguf"]
    for name in names_of:
        (tmp_path / name).write_bytes(b"GGUF")
    source = resolve.resolve(str(tmp_path))
    assert (
        source.name == "m-Q8_0"
        and source.fetch().name
        == select_files("a/b", dict.fromkeys(names_of, 4), shards=lambda index: []).path
    )
    assert resolve.resolve(str(tmp_path), file="m-Q4_0.gguf").name == "m-Q4_0"
    with pytest.raises(lm.ModelNotFound, match="has no file") as error:
        resolve.resolve(str(tmp_path), file="m-Q4_1.gguf")
    assert "m-Q4_0.gguf" in error.value.hint
    with pytest.raises(lm.ModelNotFound):
        resolve.resolve(str(tmp_path), file="../secret.gguf")


def test_a_silent_hub_does_not_hold_up_the_cache(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    first = resolve.resolve(REPO)
    first.fetch()
    monkeypatch.setattr(hub_module, "_HASTY_S", 0.2)
    hub.silent_s = 2.0
    hub.requests.clear()
    assert (
        resolve.resolve(REPO).fingerprint == first.fingerprint and len(hub.requests) == 1
    )  # four times twenty seconds, before


def test_offline_asks_for_nothing_whenever_it_was_said(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    resolve.resolve(REPO).fetch()
    (path,) = Path(os.environ["HF_HUB_CACHE"]).glob("models--*/snapshots/*/model.safetensors")
    path.unlink()
    hub.requests.clear()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")  # huggingface_hub is imported by now, and would not notice
    with pytest.raises(lm.FetchError, match="cache is incomplete"):
        resolve.resolve(REPO).fetch()
    assert not hub.requests


def test_the_checkpoint_that_was_asked_for(hub: Hub, tmp_path: Path) -> None:
    from safetensors.numpy import load, save

    files = hub.repositories[REPO]
    other = {name: array[::-1].copy() for name, array in load(files["model.safetensors"]).items()}
    both = {**files, "other.safetensors": save(other)}
    hub.repositories["tiny-lab/two"] = both
    (tmp_path / "two").mkdir()
    for name, data in both.items():
        (tmp_path / "two" / name).write_bytes(data)
    for where in ("tiny-lab/two", str(tmp_path / "two")):
        plain, asked = (lm.load(where, precision="fp32", file=file) for file in (None, "other.safetensors"))
        assert plain.info.fingerprint != asked.info.fingerprint
        scores = [model.score("hello you").tokens[-1].logprob for model in (plain, asked)]
        assert abs(scores[0] - scores[1]) > 1e-3


def fetched(hub: Hub) -> set[str]:
    return {path.rpartition("/")[2] for _, path, _ in hub.requests if "/resolve/" in path}


def test_the_memory_is_estimated_from_the_configuration_alone(hub: Hub) -> None:
    found = lm.fit(REPO, context=100)
    assert fetched(hub) == {"config.json"}
    assert (found.name, found.context, found.model_context, found.verdict) == (REPO, 100, 256, "fits")
    assert found.cache == 100 * 8 * 2 * 2 * 16


def test_what_cannot_fit_is_refused_before_its_weights_are_fetched(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    from llm_magics.engine.caches import cache_pool

    monkeypatch.setattr(cache_pool, "free_bytes", lambda: 30_000_000)
    with pytest.raises(lm.MemoryNeeded, match=f"{REPO} needs about .* and 30 MB are free") as error:
        lm.load(REPO)
    assert fetched(hub) == {"config.json"}
    assert "a machine with more memory" in error.value.hint and "--anyway" in error.value.hint
    assert lm.load(REPO, anyway=True).generate("hello", max_tokens=3).tokens


def test_a_search_tells_what_this_version_can_run(hub: Hub) -> None:
    hub.found = [
        {
            "id": "meta/llama-x",
            "downloads": 1234,
            "gated": "manual",
            "tags": ["safetensors", "license:llama3.2"],
            "config": {"model_type": "llama"},
            "safetensors": {"total": 1_240_000_000},
        },
        {"id": "lab/odd", "downloads": "many", "tags": ["license:mit"], "config": {"model_type": "mamba"}},
        {"id": "lab/files", "tags": ["gguf"]},
        {"id": 3},
        "nonsense",
        {"id": "lab/<b>\x1b[31mred", "tags": None, "config": [], "safetensors": 1},
    ]
    one, odd, files, red = lm.search("  some   words ", limit=5)
    assert (one.name, one.downloads, one.license, one.gated) == ("meta/llama-x", 1234, "llama3.2", True)
    assert (one.parameters, one.family, one.supported) == (1_240_000_000, "llama", True)
    assert (odd.downloads, odd.supported, odd.license) == (0, False, "mit")
    assert (files.family, files.supported, red.license) == ("gguf", None, "unknown")
    assert "\x1b" not in red.name
    path = hub.requests[-1][1]
    assert "search=some+words" in path and "filter=text-generation" in path and "limit=5" in path
    from llm_magics.models.catalog.hub_search import listing

    text = listing("some words")
    assert "1.24 B" in text and "accept its terms first" in text and "not supported" in text


@pytest.mark.parametrize(
    ("found", "what"), [({"a": 1}, "it is no list"), (None, "it is no list"), ([], "has no language model")]
)
def test_a_search_that_finds_nothing_useful(hub: Hub, found: object, what: str) -> None:
    from llm_magics.models.catalog.hub_search import listing

    hub.found = found
    if found == []:
        assert what in listing("x")
        return
    with pytest.raises(lm.FetchError, match=what):
        lm.search("x")


def test_a_search_needs_words_and_a_network(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    for words in ("", "  "):
        with pytest.raises(lm.UsageError, match="nothing to search for"):
            lm.search(words)
    hub.fail = [(503, {})] * 4
    with pytest.raises(lm.FetchError):
        lm.search("x")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(lm.FetchError, match="HF_HUB_OFFLINE"):
        lm.search("x")
