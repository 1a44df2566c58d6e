"""The playground as a notebook keeps it: its state for our view, and the conversation for everyone else."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from ..clean import line, printable, sound
from ..core.records import Generation
from . import fallback, static

MIME = "application/vnd.llm-magics.playground+json"
SCHEMA = 1


def playground_bundle(
    state: dict[str, Any], turns: Sequence[tuple[str, Generation | None]]
) -> dict[str, Any]:
    """A MIME bundle.

    Args:
        state: plain JSON; what the view draws.
        turns: what was asked, and the answers.
    """
    return {
        "text/plain": _plain(turns),
        "text/html": _html(state, turns),
        MIME: sound({"schema": SCHEMA, **state}),
    }


def _plain(turns: Sequence[tuple[str, Generation | None]]) -> str:
    said = [
        f"You: {printable(asked)}\n{line(record.model.name)}: {static.plain(record)}"
        for asked, record in turns
        if record
    ]
    return "\n\n".join(said) or "llm-magics playground: nothing was asked yet"


def _html(state: dict[str, Any], turns: Sequence[tuple[str, Generation | None]]) -> str:
    settings = ", ".join(f"{name} {value}" for name, value in state["settings"].items())
    parts = [f"<p><b>Playground</b> · {escape(line(str(state['model'] or 'default model')))}</p>"]
    for asked, record in turns:
        if record is None:
            continue
        parts += [f"<p><b>You</b></p>\n<p>{escape(printable(asked))}</p>"]
        parts += [f"<p><b>{escape(line(record.model.name))}</b></p>", fallback.html(record)]
    if len(parts) == 1:
        parts.append("<p>Nothing was asked yet. The live view needs a running kernel and JavaScript.</p>")
    return "\n".join([*parts, f"<p>{escape(line(settings))}</p>"])
