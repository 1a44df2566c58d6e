"""A playground with a scripted model, and the messages that it sends."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from llm_magics import Model, ModelInfo, UsageError
from llm_magics.core import progress
from llm_magics.engine.scripted import ScriptedEngine, ScriptedTokenizer

INFO = ModelInfo("scripted", fingerprint="f", license="none")


class Room:
    """A notebook without a page: what is sent is kept."""

    connected = True

    def __init__(self, *answers: str) -> None:
        self.model = Model(ScriptedEngine(list(answers)), ScriptedTokenizer(), INFO)
        self.loaded: Model | None = None
        self.remote: Any = None
        self.standing_adapter: tuple[str, float] | None = None
        self.sent: list[dict[str, Any]] = []
        self.data: list[Any] = []
        self.more: list[tuple[Any, Any]] = []
        self.pulled: list[str] = []
        self.sampling: dict[str, Any] = {}

    @property
    def active(self) -> Model | None:
        return self.loaded

    def use(self, name: str | None = None) -> Model:
        if name == "none/such":
            raise UsageError("there is no such model", hint="try another")
        progress.message("converting …")
        with progress.progress_bar("fetching", 10, unit="B") as step:
            step(5)
        self.loaded = self.model
        return self.model

    def set_adapter(self, name: str | None, strength: float = 1.0) -> None:
        self.standing_adapter = None if name is None else (name, strength)

    def model_of(self, info: ModelInfo) -> Model:
        return self.model

    def pull(self, name: str) -> Model:
        self.pulled.append(name)
        return self.model

    def answer_extended(self, view: str, before: Any, after: Any) -> None:
        self.more.append((before, after))

    def send(self, message: dict[str, Any], data: Any = (), *, as_text: bool = False) -> None:
        self.sent.append(message)
        self.data.append(list(data))


def until(what: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 10
    while not (found := what()):
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return found
