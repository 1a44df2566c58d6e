"""The choice of a device: by name, by what is there, and never in silence another one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnxruntime
import pytest

import llm_magics as lm
from llm_magics import UsageError
from llm_magics.engine.device import (
    CPU,
    CUDA_PROVIDER,
    Device,
    parse_device,
    require_provider,
    resolve_device,
)


def test_names() -> None:
    assert parse_device("auto") is None and parse_device("cpu") == CPU
    assert parse_device("cuda") == Device("cuda") and parse_device("cuda:3") == Device("cuda", 3)
    assert str(CPU) == "cpu" and str(Device("cuda", 1)) == "cuda:1"
    for name in ("gpu", "cuda:", "cuda:-1", "cuda:1000", "CUDA", "cpu:0", "", None, 1):
        with pytest.raises(UsageError, match="unknown device"):
            parse_device(name)  # type: ignore[arg-type]


def test_without_the_provider(tiny_gguf: Path, home: Path) -> None:
    """The package of ONNX Runtime that is installed here has no CUDA provider."""
    assert CUDA_PROVIDER not in onnxruntime.get_available_providers()
    assert resolve_device("auto") == (CPU, False)
    with pytest.raises(
        UsageError, match=r"cuda:0 cannot be used: this ONNX Runtime has no CUDA provider\n.*\[cuda\]"
    ):
        lm.load(str(tiny_gguf), device="cuda")
    assert lm.load(str(tiny_gguf)).engine.device == CPU  # type: ignore[attr-defined]


class Driver:
    """A driver that says that there are so many cards, or fails."""

    def __init__(self, count: int, result: int = 0) -> None:
        self.count, self.result = count, result

    def cuInit(self, flags: int) -> int:
        return self.result

    def cuDeviceGetCount(self, pointer: Any) -> int:
        pointer._obj.value = self.count
        return 0


@pytest.mark.parametrize(
    ("driver", "name", "reason"),
    [
        (None, "cuda", "no NVIDIA driver is installed"),
        (Driver(0, result=100), "cuda", "there are 0 cards"),
        (Driver(1), "cuda:1", "there is 1 card"),
        (Driver(2), "cuda:1", ""),
    ],
)
def test_with_the_provider(
    monkeypatch: pytest.MonkeyPatch, driver: Driver | None, name: str, reason: str
) -> None:
    providers = [CUDA_PROVIDER, "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: providers)

    def library(path: str) -> Driver:
        if driver is None:
            raise OSError(f"{path}: cannot open shared object file")
        return driver

    monkeypatch.setattr("ctypes.CDLL", library)
    if not reason:
        assert resolve_device(name) == (Device("cuda", 1), False)
        assert resolve_device("auto") == (Device("cuda"), True)
        return
    with pytest.raises(UsageError, match=f"{parse_device(name)} cannot be used: {reason}"):
        resolve_device(name)
    assert resolve_device("auto")[0].kind == ("cuda" if driver and driver.count else "cpu")


def test_a_session_that_fell_back_is_an_error() -> None:
    require_provider(["CPUExecutionProvider"], CPU)
    require_provider([CUDA_PROVIDER, "CPUExecutionProvider"], Device("cuda"))
    with pytest.raises(UsageError, match="could not load its CUDA provider"):
        require_provider(["CPUExecutionProvider"], Device("cuda"))
