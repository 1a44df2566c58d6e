"""A card that computes on the CPU: all that is done before and around it is the real thing."""

from __future__ import annotations

import pytest

from llm_magics.engine import device
from llm_magics.engine.caches import kv_buffer
from llm_magics.engine.caches.kv_memory import DeviceMemory
from llm_magics.engine.device import Device
from llm_magics.engine.sessions import session


def pretend_card(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let "cuda" be there, with the memory and the kernels of the CPU."""
    monkeypatch.setattr(device, "why_unavailable", lambda wanted: ("", ""))
    monkeypatch.setattr(Device, "providers", lambda self, cuda_graph=False: ["CPUExecutionProvider"])
    monkeypatch.setattr(session, "require_provider", lambda providers, wanted: None)
    monkeypatch.setattr(
        kv_buffer, "DeviceMemory", lambda size, dtype, place: DeviceMemory(size, dtype, ("cpu", 0))
    )
