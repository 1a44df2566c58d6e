"""Ghost text: what is read, what is suggested, who stops it."""

from __future__ import annotations

import threading
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest

from llm_magics import Model, UsageError
from llm_magics.engine.scripted import ScriptedEngine, ScriptedTokenizer
from llm_magics.magics.ghost.commands import GhostCommands
from llm_magics.magics.ghost.context import MOST_ABOVE, MOST_PREFIX, join_context
from llm_magics.magics.ghost.model import GhostModel
from llm_magics.models.completion import Completion, Cursor, fim_tokens
from tests.support.room import INFO, Room, until


def completed(answer: str, prefix: str, **options: Any) -> str:
    model = Model(ScriptedEngine([answer]), ScriptedTokenizer(), INFO)
    return [*Completion(model, Cursor(prefix, **options), max_tokens=60), ""][-2 if answer else -1]


def test_a_line_of_code_ends_with_its_line() -> None:
    assert completed("(values)\nprint(2)", "total = sum") == "(values)"


def test_a_block_on_a_fresh_line_ends_with_a_blank_line() -> None:
    assert completed("\n    if n:\n        return 1\n\nx = 1", "def f(n):\n    ") == "if n:\n        return 1"


def test_prose_ends_with_its_line() -> None:
    assert completed(" blue.\nNext", "The sky is", code=False) == " blue."


def test_white_space_before_the_cursor_is_not_suggested_twice() -> None:
    assert completed(" 3 + 4", "x = ") == "3 + 4"
    assert completed("3 + 4", "x = ") == "3 + 4"


def test_white_space_alone_is_no_suggestion() -> None:
    model = Model(ScriptedEngine([" "]), ScriptedTokenizer(), INFO)
    assert list(Completion(model, Cursor("x = "))) == []


class FimTokenizer(ScriptedTokenizer):
    """Byte tokens, and three of fill-in-the-middle where a text is trusted."""

    def encode(self, text: str, *, special: bool = True, begin: bool = True) -> list[int]:
        names = {"<fim_prefix>": 1, "<fim_suffix>": 2, "<fim_middle>": 3}
        return [names[text]] if text in names and special else super().encode(text)

    def encode_parts(self, parts: Any) -> list[int]:
        return [id for text, special in parts for id in self.encode(text, special=special)]


def test_the_text_behind_the_cursor_is_read_where_the_tokenizer_can() -> None:
    assert fim_tokens(ScriptedTokenizer()) is None
    model = Model(ScriptedEngine(["n - 1"]), FimTokenizer(), INFO)
    completion = Completion(model, Cursor("f(", ") <fim_prefix>"))
    assert list(completion)[-1] == "n - 1"
    # What the user wrote is plain text, whatever it spells.
    read = [1, *b"f(", 2, *b") <fim_prefix>", 3]
    assert completion._stream.answer.ids[: len(read) + 1] == [*read, ord("n")]


def test_the_cache_keeps_the_prompt_alone() -> None:
    model = Model(ScriptedEngine(["abc def"]), ScriptedTokenizer(), INFO)
    list(Completion(model, Cursor("x = y.")))
    assert [len(entry.cache.cached) for entry in model.pool._entries] == [len("x = y.")]
    again = Completion(model, Cursor("x = y.z"))
    list(again)
    assert again.cached_tokens >= len("x = y.") - 1 and model.pool.count == 1


def test_cells_above_are_taken_whole_and_do_not_depend_on_the_cell() -> None:
    above = ["a = 1", "b" * MOST_ABOVE, "import os\n", " \n", "c = 2"]
    assert join_context(above, "d = ") == "import os\n\nc = 2\n\nd = "
    long = "".join(f"line {n}\n" for n in range(1000))
    contexts = [join_context(["c = 2"], long[:end]) for end in range(MOST_PREFIX + 100, MOST_PREFIX + 400)]
    # A key more is a letter more at the end: almost every text begins with the one before it.
    jumps = [one for one, two in pairwise(contexts) if not two.startswith(one)]
    assert len(jumps) <= 1 and all(len(text) <= MOST_PREFIX + 20 for text in contexts)
    assert all(text.startswith("c = 2\n\nline") for text in contexts)


def started(room: Room, **order: Any) -> tuple[GhostCommands, list[dict[str, Any]]]:
    ghost = GhostCommands(room, GhostModel(room))  # type: ignore[arg-type]
    ghost.handle("g", "start", {"prefix": "x = ", **order})
    return ghost, room.sent


def test_tokens_with_their_bits_are_sent() -> None:
    room = Room(" 3 + 4\nrest")
    room.loaded = room.model
    _, sent = started(room)
    last = until(lambda: next((message for message in sent if message.get("done")), None))
    assert last["text"] == "3 + 4" and last["model"] == "scripted" and last["ms"] >= 0
    assert "".join(text for text, _ in last["tokens"]) == " 3 + 4\n"
    assert all(bits >= 0 for _, bits in last["tokens"])


def test_a_running_cell_goes_first() -> None:
    room = Room("abc" * 300)
    room.model.engine.pause = 0.01  # type: ignore[attr-defined]
    room.loaded = room.model
    ghost, sent = started(room, max_tokens=150)
    until(lambda: sent)
    handlers: dict[str, Any] = {}
    events = SimpleNamespace(register=handlers.__setitem__, unregister=lambda name, _: handlers.pop(name))
    ghost.watch(SimpleNamespace(events=events))
    handlers["pre_run_cell"](None)
    count = until(lambda: len(sent))
    until(lambda: not [thread for thread in threading.enumerate() if "_answer" in thread.name])
    assert len(sent) <= count + 1
    ghost.handle("h", "start", {"prefix": "x", "automatic": True})
    assert sent[-1] == {"type": "ghost", "id": "h", "text": "", "done": True}
    ghost.handle("i", "start", {"prefix": "x"})  # asked for with Alt+\
    until(lambda: sent[-1]["id"] == "i")
    handlers["post_run_cell"](None)
    ghost.handle("j", "start", {"prefix": "x", "automatic": True})
    until(lambda: sent[-1]["id"] == "j" and sent[-1]["text"])
    ghost.unwatch(SimpleNamespace(events=events))
    assert not handlers


def test_only_the_newest_request_is_answered() -> None:
    room = Room("abc" * 300)
    room.model.engine.pause = 0.005  # type: ignore[attr-defined]
    room.loaded = room.model
    ghost, sent = started(room, max_tokens=150)
    until(lambda: sent)
    ghost.handle("h", "start", {"prefix": "y = ", "max_tokens": 3})
    until(lambda: sent[-1].get("done") and sent[-1]["id"] == "h")
    ghost.handle("g", "stop", {})  # an older one: nothing happens
    after = [message["id"] for message in sent]
    assert after == sorted(after)  # nothing of the first one behind the second


def test_a_warm_request_fills_the_cache_and_says_nothing() -> None:
    room = Room("abc", "def")
    room.loaded = room.model
    ghost, sent = started(room, prefix="import os", warm=True)
    until(lambda: room.model.pool.count and room.model.pool._entries[0].is_idle)
    assert sent == []
    ghost.handle("h", "start", {"prefix": "import os"})
    until(lambda: sent and sent[-1].get("done"))


@pytest.mark.parametrize("value", [3, None, ["x"]])
def test_a_wrong_message_is_refused(value: Any) -> None:
    room = Room("abc")
    room.loaded = room.model
    _, sent = started(room, prefix=value)
    failed = until(lambda: next((message for message in sent if message["type"] == "failed"), None))
    assert "prefix must be a string" in failed["what"]


def test_typing_never_downloads(monkeypatch: pytest.MonkeyPatch) -> None:
    from llm_magics.magics.ghost import model
    from llm_magics.sources import store

    monkeypatch.setattr(store, "entries", lambda: {"gpt2/auto-1-ab": 5})
    ghost = GhostModel(Room("a"))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="no model is loaded"):
        ghost.use()
    with pytest.raises(UsageError, match="is not on this machine"):
        ghost.use("smollm2-360m-instruct")
    assert model.is_here("gpt2") and model.is_here("openai-community/gpt2") and not model.is_here("x/gpt2")


def test_a_server_has_no_ghost_text() -> None:
    room = Room("a")
    room.remote = object()
    with pytest.raises(UsageError, match="needs a model on this machine"):
        GhostModel(room).use()  # type: ignore[arg-type]
