"""Records as MIME bundles: what a notebook keeps, and reads back with no kernel."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from ..clean import line, printable, sound
from ..core.records import Generation, Trace
from ..errors import ModelFileError, UsageError
from . import fallback, static
from .kept import kept, read_kept
from .markdown import safe
from .page import write
from .widget import with_view

MIME = "application/vnd.llm-magics.generation+json"


class Tokens:
    """A record shown as its tokens, where it is a cell's last value. Made by :func:`tokens`."""

    def __init__(self, record: Generation | Trace) -> None:
        self.record = record

    def __repr__(self) -> str:
        return fallback.plain(self.record)

    def save_html(self, path: str | Path) -> Path:
        """Write a page that shows them by itself, in any browser, with nothing fetched from anywhere.

        Raises:
            StoreError: it cannot be written.
        """
        return write(path, tokens_bundle(self.record), MIME, title=f"tokens · {self.record.model.name}")

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        return with_view("tokens", tokens_bundle(self.record), MIME)


def tokens(record: Generation | Trace) -> Tokens:
    """Show what the model weighed: how likely each token was, and what it would rather have said.

    Raises:
        UsageError: it is no record.
    """
    if not isinstance(record, (Generation, Trace)):
        raise UsageError(
            f"tokens shows a Generation or a Trace, got {type(record).__name__}",
            hint="pass what model.generate(…) or model.score(…) gave",
        )
    return Tokens(record)


def tokens_bundle(
    record: Generation | Trace, note: str = "", *, id: str = "", conversation: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the tokens as HTML with no script and as plain text, and the record.

    Args:
        note, id, conversation: as for :func:`generation_bundle`.
    """
    shown = {"text/plain": fallback.plain(record), "text/html": fallback.html(record)}
    if not isinstance(record, Generation):
        return {**shown, MIME: _payload(record, "tokens", id)}
    words = [word for word in (static.ending(record), note) if word]
    shown["text/plain"] += "".join(f"\n{printable(word)}" for word in words)
    shown["text/html"] += "".join(f"\n<p>{escape(line(word))}</p>" for word in words)
    bundle = generation_bundle(record, note, id=id, conversation=conversation)
    bundle[MIME]["view"] = "tokens"
    return {**bundle, **shown}


def generation_bundle(
    generation: Generation, note: str = "", *, id: str = "", conversation: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return text/plain, text/markdown and the whole record (kept.py).

    Args:
        note: one more line, which says what the user should know of how the answer came about.
        id: by which a live view knows that this is what it has been showing.
        conversation: the name of the answer's conversation, and which turn of it the answer is.
    """
    prose = safe(generation.text)
    payload = _payload(generation, "text", id)
    # What stands below the answer in the Markdown is shown in another way by a view.
    payload |= {"prose": len(prose.encode("utf-16-le", "replace")) // 2, **about(note, conversation)}
    return {
        "text/plain": static.plain(generation, note),
        "text/markdown": static.markdown(generation, note),
        MIME: payload,
    }


def about(note: str, conversation: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the fields of a payload that tell how the answer came about."""
    return {
        **({"note": sound(printable(note))} if note else {}),
        **({"conversation": sound(dict(conversation))} if conversation else {}),
    }


def _payload(record: Generation | Trace, view: str, id: str) -> dict[str, Any]:
    payload: dict[str, Any] = sound({"view": view, **kept(record)})
    if id:
        payload["run"]["id"] = id
    return payload


def read_bundle(bundle: Mapping[str, Any]) -> Generation:
    """The answer in a bundle, of this schema or of an earlier one.

    Raises:
        ModelFileError: it holds none, or one that is damaged.
    """
    payload = bundle.get(MIME) if isinstance(bundle, Mapping) else None
    if not isinstance(payload, Mapping):
        raise ModelFileError("this output holds no record", hint="run the cell again")
    record = read_kept(payload)
    if not isinstance(record, Generation):
        raise ModelFileError("this output holds a trace, not an answer", hint="score the text again")
    return record


def register(ipython: Any) -> None:
    """Show Generation and Trace as themselves where they are a cell's last value."""
    formatter = ipython.display_formatter
    formatter.mimebundle_formatter.for_type(Generation, lambda value, **_: generation_bundle(value))
    formatter.mimebundle_formatter.for_type(
        Trace,
        lambda value, **_: tokens_bundle(value),
    )
