"""The playground as a notebook keeps it: its state for our view, and the conversation for everyone else."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from ..core.records import Generation
from ..sanitize import printable, replace_surrogates, single_line
from . import answer_text, static_tokens
from .mime import PLAYGROUND_MIME

SCHEMA = 1


def playground_bundle(
    state: dict[str, Any], turns: Sequence[tuple[str, Generation | None]]
) -> dict[str, Any]:
    """Return a MIME bundle.

    Args:
        state: plain JSON; what the view draws.
        turns: what was asked, and the answers.
    """
    return {
        "text/plain": _plain(turns),
        "text/html": _html(state, turns),
        PLAYGROUND_MIME: replace_surrogates({"schema": SCHEMA, **state}),
    }


def _plain(turns: Sequence[tuple[str, Generation | None]]) -> str:
    lines = [
        f"You: {printable(asked)}\n{single_line(record.model.name)}: {answer_text.plain(record)}"
        for asked, record in turns
        if record
    ]
    return "\n\n".join(lines) or "llm-magics playground: nothing was asked yet"


def _html(state: dict[str, Any], turns: Sequence[tuple[str, Generation | None]]) -> str:
    settings = ", ".join(f"{name} {value}" for name, value in state["settings"].items())
    parts = [f"<p><b>Playground</b> · {escape(single_line(str(state['model'] or 'default model')))}</p>"]
    for asked, record in turns:
        if record is None:
            continue
        parts += [f"<p><b>You</b></p>\n<p>{escape(printable(asked))}</p>"]
        parts += [f"<p><b>{escape(single_line(record.model.name))}</b></p>", static_tokens.html(record)]
    if len(parts) == 1:
        parts.append("<p>Nothing was asked yet. The live view needs a running kernel and JavaScript.</p>")
    return "\n".join([*parts, f"<p>{escape(single_line(settings))}</p>"])
