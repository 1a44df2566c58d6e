"""Records as MIME bundles: what a notebook keeps, and reads back with no kernel."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from ..core.records import Generation, Trace
from ..errors import RUN_CELL, ModelFileError, UsageError
from ..sanitize import printable, replace_surrogates, single_line
from . import answer_text, static_tokens
from .mime import GENERATION_MIME
from .record_codec import decode_record, encode_record
from .standalone_html import write_html
from .widget import attach_widget


class TokensView:
    """A record shown as its tokens, where it is a cell's last value. Made by :func:`tokens`."""

    def __init__(self, record: Generation | Trace) -> None:
        self.record = record

    def __repr__(self) -> str:
        return static_tokens.plain(self.record)

    def save_html(self, path: str | Path) -> Path:
        """Write a page that shows them by itself, in any browser, with nothing fetched from anywhere.

        Raises:
            StoreError: it cannot be written.
        """
        return write_html(
            path, tokens_bundle(self.record), GENERATION_MIME, title=f"tokens · {self.record.model.name}"
        )

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        return attach_widget("tokens", tokens_bundle(self.record), GENERATION_MIME)


def show_tokens(record: Generation | Trace) -> TokensView:
    """Show what the model weighed: how likely each token was, and what it would rather have said.

    Raises:
        UsageError: it is no record.
    """
    if not isinstance(record, (Generation, Trace)):
        raise UsageError(
            f"show_tokens needs a Generation or a Trace, got {type(record).__name__}",
            hint="Pass the result of model.generate(…) or model.score(…).",
        )
    return TokensView(record)


def tokens_bundle(
    record: Generation | Trace,
    note: str = "",
    *,
    id: str = "",
    conversation: Mapping[str, Any] | None = None,
    fold: bool = True,
) -> dict[str, Any]:
    """Return the tokens as HTML with no script and as plain text, and the record.

    Args:
        record: the record.
        note: a remark for the user.
        id: the id of the stream.
        conversation: the turn and its conversation.
        fold: put the model's reasoning into a fold.
    """
    shown = {"text/plain": static_tokens.plain(record), "text/html": static_tokens.html(record)}
    if not isinstance(record, Generation):
        return {**shown, GENERATION_MIME: _payload(record, "tokens", id)}
    words = [word for word in (answer_text.stop_notice(record), note) if word]
    shown["text/plain"] += "".join(f"\n{printable(word)}" for word in words)
    shown["text/html"] += "".join(f"\n<p>{escape(single_line(word))}</p>" for word in words)
    bundle = generation_bundle(record, note, id=id, conversation=conversation, fold=fold)
    bundle[GENERATION_MIME]["view"] = "tokens"
    return {**bundle, **shown}


def generation_bundle(
    generation: Generation,
    note: str = "",
    *,
    id: str = "",
    conversation: Mapping[str, Any] | None = None,
    fold: bool = True,
) -> dict[str, Any]:
    """Return text/plain, text/markdown and the whole record.

    Args:
        generation: the answer.
        note: one more line, which says what the user should know of how the answer came about.
        id: by which a live view knows that this is what it has been showing.
        conversation: the name of the answer's conversation, and which turn of it the answer is.
        fold: put the model's reasoning into a fold.
    """
    prose = answer_text.prose(generation, fold=fold)
    payload = _payload(generation, "text", id)
    # What stands below the answer in the Markdown is shown in another way by a view.
    payload |= {"prose": len(prose.encode("utf-16-le", "replace")) // 2, **context_notes(note, conversation)}
    if not fold:
        payload["fold"] = False
    return {
        "text/plain": answer_text.plain(generation, note),
        "text/markdown": answer_text.markdown(generation, note, fold=fold),
        GENERATION_MIME: payload,
    }


def context_notes(note: str, conversation: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the fields of a payload that tell how the answer came about."""
    return {
        **({"note": replace_surrogates(printable(note))} if note else {}),
        **({"conversation": replace_surrogates(dict(conversation))} if conversation else {}),
    }


def _payload(record: Generation | Trace, view: str, id: str) -> dict[str, Any]:
    payload: dict[str, Any] = replace_surrogates({"view": view, **encode_record(record)})
    if id:
        payload["run"]["id"] = id
    return payload


def read_output(bundle: Mapping[str, Any]) -> Generation:
    """Return the answer in a bundle, of this schema or of an earlier one.

    Raises:
        ModelFileError: it holds none, or one that is damaged.
    """
    payload = bundle.get(GENERATION_MIME) if isinstance(bundle, Mapping) else None
    if not isinstance(payload, Mapping):
        raise ModelFileError("this output has no record", hint=RUN_CELL)
    record = decode_record(payload)
    if not isinstance(record, Generation):
        raise ModelFileError(
            "this output has a trace, not an answer", hint="Run the cell that generated the answer again."
        )
    return record
