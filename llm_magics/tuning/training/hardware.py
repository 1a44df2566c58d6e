"""torch as training wants it, and what this machine has: the faster number format, memory and its limit."""

from __future__ import annotations

import os
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...engine.caches.cache_pool import free_bytes
from ...engine.sessions.threads import available_cpus
from ...errors import UsageError

if TYPE_CHECKING:
    from torch import device, dtype

    from ...engine.device import Device

FLOAT32_SHARE = 0.25  # of the free memory, for weights in float32 where bfloat16 is possible
HINT = "Run pip install torch, then pip install 'open-llm-magics[tune]'."
# Read when torch is imported. oneDNN and what stands around it keep a kernel for each shape that they have
# seen: so many are enough, and the 1024 that are usual cost 300 MB. Threads that wait spin for a tenth of a
# millisecond, so that short operators need not wake them, and then sleep, so that others can work.
_BEFORE = {
    "LRU_CACHE_CAPACITY": "16",
    "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "64",
    "GOMP_SPINCOUNT": "20000",
}


@cache
def import_torch() -> Any:
    """Import torch and return it.

    Raises:
        UsageError: it is not installed; says which extra has it.
    """
    for name, value in _BEFORE.items():
        os.environ.setdefault(name, value)
    try:
        import torch as module
    except ImportError as error:
        raise UsageError("tuning needs torch, which is not installed", hint=HINT) from error
    module.set_num_threads(max(1, min(module.get_num_threads(), available_cpus())))
    return module


def training_device(model: Device) -> tuple[device, str]:
    """Return where a run computes, and a note where that is not where the model answers.

    Args:
        model: where the model answers.
    """
    import torch

    if model.kind == "cpu":
        return torch.device("cpu"), ""
    if not torch.cuda.is_available() or model.index >= torch.cuda.device_count():
        return torch.device("cpu"), f"the run computes on the CPU: this torch cannot use {model}"
    return torch.device("cuda", model.index), ""


@cache
def fastest_dtype(kind: str = "cpu") -> dtype:
    """Return bfloat16 where the device has products in it, else float32.

    By what it can do, not by a measurement: the same run on the same machine is the same run.

    Args:
        kind: of the device: "cpu" or "cuda".
    """
    import torch

    if kind == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    features = _features()
    # Intel's processors have avx512_bf16 at half the rate: without AMX, a step takes 1.5 times as long as in
    # float32 (measured on a Xeon of model 207).
    fast = {"amx_bf16", "bf16"} if "GenuineIntel" in features else {"amx_bf16", "bf16", "avx512_bf16"}
    return torch.bfloat16 if features & fast else torch.float32


def dtype_for(place: device, weights: int, free: int) -> dtype:
    """Return the number format of a run: the fastest one, or bfloat16 where memory is short.

    Args:
        place: where the run computes.
        weights: how many the model has.
        free: the free memory of that device, in bytes.
    """
    import torch

    fastest = fastest_dtype(place.type)
    short = 4 * weights > FLOAT32_SHARE * free  # what is remembered for the way back doubles too
    if fastest == torch.float32 and short and place.type == "cpu" and "avx512_bf16" in _features():
        return torch.bfloat16
    return fastest


def named(name: str, kind: str = "cpu") -> dtype:
    """Return the number format that a checkpoint names; the usual one where it names none of ours."""
    import torch

    return {"bfloat16": torch.bfloat16, "float32": torch.float32}.get(name, fastest_dtype(kind))


def _features() -> set[str]:
    """Return what the processor says that it has, flags of x86 or features of Arm, and its vendor."""
    result: set[str] = set()
    with suppress(OSError):
        for item in Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines():
            if item.startswith(("vendor_id", "flags", "Features")):
                result |= set(item.partition(":")[2].split())
            if item.startswith(("flags", "Features")):
                return result
    return result


def free_memory(place: device) -> int:
    """Return the free memory of a device, in bytes."""
    if place.type == "cuda":
        import torch

        return int(torch.cuda.mem_get_info(place)[0])
    return free_bytes()


def used_memory(place: device) -> int:
    """Return the memory of a device that this process holds now, in bytes; on a card, that of torch."""
    if place.type == "cuda":
        import torch

        return int(torch.cuda.memory_allocated(place))
    import psutil

    return int(psutil.Process().memory_info().rss)


def peak_memory(place: device) -> int:
    """Return the memory of a device that this process held at most, in bytes; on a card, that of torch."""
    if place.type == "cuda":
        import torch

        return int(torch.cuda.max_memory_allocated(place))
    with suppress(OSError):
        for item in Path("/proc/self/status").read_text().splitlines():
            if item.startswith("VmHWM:"):
                return int(item.split()[1]) * 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
