"""Where a model runs: on the CPU, or on a CUDA card.

ONNX Runtime falls back to the CPU where it cannot load its CUDA provider, and prints a warning. Here that is
an error with the reason, or, for "auto", a decision that is made before.
"""

from __future__ import annotations

import ctypes
import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ..core.validation import format_value
from ..errors import UsageError

CUDA_PROVIDER = "CUDAExecutionProvider"
_NAME = re.compile(r"cpu|cuda(?::(\d{1,3}))?")


@dataclass(frozen=True, slots=True)
class Device:
    """A device that computes.

    Attributes:
        kind: "cpu" or "cuda".
        index: the number of the card.
    """

    kind: str = "cpu"
    index: int = 0

    def __str__(self) -> str:
        return self.kind if self.kind == "cpu" else f"{self.kind}:{self.index}"

    def providers(self, *, cuda_graph: bool = False) -> list[Any]:
        """Return the execution providers of ONNX Runtime, the preferred one first.

        Args:
            cuda_graph: let the provider capture calls as CUDA graphs.
        """
        if self.kind == "cpu":
            return ["CPUExecutionProvider"]
        options = {"device_id": self.index} | ({"enable_cuda_graph": "1"} if cuda_graph else {})
        return [(CUDA_PROVIDER, options), "CPUExecutionProvider"]


CPU = Device()


def parse_device(text: str) -> Device | None:
    """Return the device of a name; None for "auto".

    Raises:
        UsageError: there is no such name.
    """
    name = _NAME.fullmatch(text) if isinstance(text, str) else None
    if text == "auto":
        return None
    if name is None:
        raise UsageError(
            f"unknown device {format_value(text)}",
            hint="Choose from auto, cpu, cuda, cuda:N (the card's number).",
        )
    return CPU if text == "cpu" else Device("cuda", int(name[1] or 0))


def why_unavailable(device: Device) -> tuple[str, str]:
    """Return why a device cannot be used, and what to do about it; empty texts where it can be tried."""
    if device.kind == "cpu":
        return "", ""
    import onnxruntime

    if CUDA_PROVIDER not in onnxruntime.get_available_providers():
        return (
            "this ONNX Runtime has no CUDA provider",
            "Run pip install 'open-llm-magics[cuda]', then pip uninstall onnxruntime, then pip install "
            "--force-reinstall --no-deps onnxruntime-gpu, and restart the kernel.",
        )
    count = _cards()
    if count is None:
        return "no NVIDIA driver is installed", "Install the driver, or use the CPU (--device cpu)."
    if device.index >= count:
        cards = f"{count} card{'s' * (count != 1)}"
        return (
            f"there {'is' if count == 1 else 'are'} {cards}",
            "Choose a smaller number, or use the CPU.",
        )
    return "", ""


def resolve_device(text: str) -> tuple[Device, bool]:
    """Return the device to try, and whether the CPU is to be taken where the trial fails.

    Raises:
        UsageError: there is no such device, or it cannot be used.
    """
    device = parse_device(text)
    if device is None:
        card = Device("cuda")
        return (CPU, False) if why_unavailable(card)[0] else (card, True)
    reason, hint = why_unavailable(device)
    if reason:
        raise UsageError(f"{device} cannot be used: {reason}", hint=hint)
    return device, False


def require_provider(providers: Sequence[str], device: Device) -> None:
    """Check that a session runs where it was asked to.

    Args:
        providers: of the session.
        device: the device that was asked for.

    Raises:
        UsageError: ONNX Runtime has fallen back to the CPU.
    """
    if device.kind != "cpu" and CUDA_PROVIDER not in providers:
        raise UsageError(
            f"{device} cannot be used: ONNX Runtime could not load its CUDA provider",
            hint="Run pip install 'onnxruntime-gpu[cuda,cudnn]' for the libraries that it needs.",
        )


def _cards() -> int | None:
    """Return the number of CUDA cards; None where there is no driver."""
    with suppress(OSError, AttributeError):
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
        count = ctypes.c_int(0)
        if driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0:
            return count.value
        return 0
    return None
