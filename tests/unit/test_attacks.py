"""Records and folders of strangers, and several at once: nothing is run, read elsewhere, or half written."""

from __future__ import annotations

import ast
import base64
import copy
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import llm_magics as lm
from llm_magics import Generation, LLMMagicsError, Model, ModelFileError, ModelInfo, UsageError
from llm_magics.core.files import json_object
from llm_magics.engine.scripted import ScriptedEngine, ScriptedTokenizer
from llm_magics.magics.playground.cells import branches
from llm_magics.sources import store
from llm_magics.views.array_codec import decode_arrays, encode_arrays
from llm_magics.views.record_codec import decode_record, encode_record

ODD = [
    None,
    True,
    -1,
    1.5,
    10**400,
    "x",
    "0); import os; os.system('x') #",
    [],
    {},
    [None],
    {"a": 1},
    float("nan"),
]


def answer() -> Generation:
    model = Model(ScriptedEngine(["Hello you", "Help"]), ScriptedTokenizer(), ModelInfo("scripted"))
    first = model.generate("hi", temperature=0)
    other = model.branch(first, at=3, token=first.tokens[3].alternatives[1].id)
    return first.with_branch(other, at=3)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if len(path) > 4:
        return
    for key in (
        [*value][:4]
        if isinstance(value, dict)
        else range(min(len(value), 3))
        if isinstance(value, list)
        else ()
    ):
        yield (*path, key)
        yield from places(value[key], (*path, key))


def put(root: Any, path: tuple[Any, ...], value: Any) -> None:
    for key in path[:-1]:
        root = root[key]
    root[path[-1]] = value


def changed(payload: dict[str, Any], change: Any) -> dict[str, Any]:
    """A kept record with another header."""
    data = zlib.decompress(base64.b64decode(payload["data"]))
    size = int.from_bytes(data[:4], "little")
    head = json.loads(data[4 : 4 + size])
    change(head)
    text = json.dumps(head).encode()
    whole = len(text).to_bytes(4, "little") + text + data[4 + size :]
    return {**payload, "data": base64.b64encode(zlib.compress(whole)).decode()}


def is_plain(source: str) -> bool:
    """Whether Python source holds nothing but calls of ours with constants."""
    names = {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}
    return names <= {"lm", "model", "answer"} and "system" not in source


def test_values_of_a_record_never_become_code() -> None:
    """A2: Branch.at and Token.id went into source text that a cell was made of."""
    whole = answer()
    assert whole.branches and is_plain(branches(whole, 1, model="m"))
    records = [whole.to_dict()]
    payload = encode_record(whole)
    for raw in records:
        for path in places(raw):
            for odd in ODD:
                data = copy.deepcopy(raw)
                put(data, path, odd)
                try:
                    record = Generation.from_dict(data)
                    assert is_plain(branches(record, 1, model="m") if record.branches else "")
                except (LLMMagicsError, KeyError, TypeError, ValueError, AttributeError, IndexError):
                    continue
    head: dict[str, Any] = {}
    changed(payload, head.update)
    for path in places(head):
        for odd in ODD:
            try:
                record = decode_record(
                    changed(payload, lambda each, path=path, odd=odd: put(each, path, odd))
                )
            except LLMMagicsError:
                continue
            assert isinstance(record, Generation)
            assert is_plain(branches(record, 1, model="m") if record.branches else "")


def test_what_a_record_claims_is_bounded_before_it_is_made() -> None:
    """A4 and A5, on this side."""
    payload = encode_record(answer())
    start = time.monotonic()
    for change in (
        lambda head: head["lengths"].update(id=1_000_000),
        lambda head: head["lengths"].update(prompt=10**9),
        lambda head: head["branches"][0].update(at=10**9),
        lambda head: head["branches"][0].update(parent=7),
        lambda head: head["branches"].extend([head["branches"][0]] * 4000),
    ):
        with pytest.raises(ModelFileError):
            decode_record(changed(payload, change))
    many = 200_000
    columns = zlib.compress(b"\0" * many)
    with pytest.raises(ModelFileError):
        decode_record({**payload, "run": {**payload["run"], "times": base64.b64encode(columns).decode()}})
    with pytest.raises(ModelFileError, match="too many tokens"):
        decode_record(payload, most=3)
    for shape in ([10**9, 0], [0, 10**9], [-1], [1.5], "x", None, [[1]]):
        text = encode_arrays({}, {"a": np.zeros((2, 3), np.float32)}, {"a": ("f4", 1)})
        raw = changed({"data": text}, lambda head, shape=shape: head["arrays"][0].__setitem__(3, shape))[
            "data"
        ]
        with pytest.raises((ValueError, TypeError)):
            decode_arrays(raw)
    assert time.monotonic() - start < 20


def test_two_at_a_time_have_one_winner(tmp_path: Path) -> None:
    """A6: the loser removed the winner's half, and both said that all was well."""
    for number in range(40):
        target, told = tmp_path / f"saved {number}", []

        def save(name: str, target: Path = target, told: list[str] = told) -> None:
            def build(making: Path) -> None:
                for part in range(6):
                    (making / f"{part}.bin").write_text(name * 1000)
                    time.sleep(0.0005)

            try:
                store.build_atomically(target, build)
                told.append(name)
            except UsageError:
                told.append("")

        threads = [threading.Thread(target=save, args=(name,)) for name in "abc"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        (winner,) = filter(None, told)
        assert {path.read_text() for path in target.iterdir()} == {winner * 1000} and len(
            [*target.iterdir()]
        ) == 6
    assert not list(tmp_path.glob(".*"))


def test_what_a_killed_save_leaves_is_removed_by_the_next(tmp_path: Path) -> None:
    """A26: 129 MB lay there for ever."""
    code = (
        "import sys, os, signal\nfrom pathlib import Path\nfrom llm_magics.sources import store\n"
        "def build(making):\n    (making / 'half.bin').write_bytes(b'x' * 1000)\n    "
        "os.kill(os.getpid(), signal.SIGKILL)\n"
        f"store.build_atomically(Path({str(tmp_path / 'saved')!r}), build)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], timeout=60)
    assert ran.returncode == -signal.SIGKILL and len(list(tmp_path.glob(".saved.making-*"))) == 1
    alive = tmp_path / ".saved.making-alive"
    alive.mkdir()
    for path in tmp_path.glob(".saved.making-*"):
        os.utime(path, (1, 1))
    with store._claim(alive):
        store.build_atomically(tmp_path / "saved", lambda making: (making / "x").write_text("x"))
    assert [path.name for path in tmp_path.glob(".saved.making-*")] == [alive.name]
    with pytest.raises(lm.StoreError):
        store.build_atomically(tmp_path / ("x" * 300), lambda making: None)


def test_manifests_name_files_of_their_folder(tmp_path: Path, home: Path) -> None:
    """A9: a device was summed for ever, and a pipe waited for."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/zero")
    for name in ("/dev/zero", "../x", "pipe", "link", "", ".", "a\\b", "c:x"):
        (tmp_path / store.MANIFEST).write_text(json.dumps({"files": {name: [0, 1, "x"]}}))
        start = time.monotonic()
        assert not store.is_intact(tmp_path) and time.monotonic() - start < 5
    for path in (tmp_path / "pipe", tmp_path / "link", Path("/dev/zero")):
        with pytest.raises(OSError, match="regular"):
            json_object(path)
    (tmp_path / store.MANIFEST).unlink()
    os.mkfifo(tmp_path / store.MANIFEST)
    assert not store.is_intact(tmp_path)
    folder = tmp_path / "model"
    folder.mkdir()
    os.mkfifo(folder / "config.json")
    (folder / "model.safetensors").write_bytes(b"x" * 100)
    with pytest.raises(LLMMagicsError):
        lm.load(folder)


def test_the_cache_key_has_128_bits(tiny_gguf: Path, home: Path, tmp_path: Path) -> None:
    """A22"""
    # A file of its own: another test's model may still be alive, and nothing would be written then.
    lm.load(shutil.copy(tiny_gguf, tmp_path / "own.gguf"))
    (key,) = store.entries()
    assert len(key.rpartition("-")[2]) == 32


def test_a_model_that_computes_no_numbers(tiny_gguf: Path) -> None:
    """A25: NaN logits ended in "zero-size array"."""

    class Broken(ScriptedEngine):
        def cache(self) -> Any:
            real = super().cache()
            extend = real.extend
            real.extend = lambda ids, **more: extend(ids, **more) * np.nan  # type: ignore[method-assign]
            return real

    model = Model(Broken(["x"]), ScriptedTokenizer(), ModelInfo("broken"))  # type: ignore[arg-type]
    for options in (
        {"temperature": 0},
        {"temperature": 1},
        {"temperature": 1, "top_p": 1, "min_p": 0, "top_k": 0},
    ):
        with pytest.raises(ModelFileError, match="computes nan"):
            model.generate("hi", **options)


def test_a_graph_of_other_dimensions_or_with_a_loop(tiny_gguf: Path, home: Path, tmp_path: Path) -> None:
    """A10: a loop of 2^62 rounds could not be interrupted. A25: another graph's error was raw."""
    import onnx_ir as ir

    lm.load(tiny_gguf).save(tmp_path / "saved")
    graph = ir.load(tmp_path / "saved" / "decoder.onnx")
    body = ir.Graph([], [], nodes=[], name="body")
    loop = ir.Node("", "Loop", [], [ir.AttrGraph("body", body)], num_outputs=0)
    graph.graph.append(loop)
    ir.save(graph, tmp_path / "saved" / "decoder.onnx")
    (tmp_path / "saved" / store.MANIFEST).unlink()
    store._seal(tmp_path / "saved")
    with pytest.raises(lm.UnsupportedModel, match="has a Loop"):
        lm.load(tmp_path / "saved")
    lm.load(tiny_gguf).save(tmp_path / "other")
    data = json.loads((tmp_path / "other" / "model.json").read_text())
    data["spec"] |= {"kv_heads": data["spec"]["heads"], "layers": data["spec"]["layers"]}
    (tmp_path / "other" / "model.json").write_text(json.dumps(data))
    (tmp_path / "other" / store.MANIFEST).unlink()
    store._seal(tmp_path / "other")
    with pytest.raises(LLMMagicsError):
        lm.load(tmp_path / "other").generate("hi", raw=True, max_tokens=2)
