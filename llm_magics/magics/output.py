"""The answer as it comes: one output that is updated, then replaced by the bundle that the notebook keeps.

Where our views are in the page they are sent the tokens (live.py); the output itself is then renewed only a
few times a second, for a save in the middle and for pages without them.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from html import escape
from typing import TYPE_CHECKING, Any, Protocol

from ..core import progress
from ..core.output import FrameClock, Output, is_captured
from ..core.records import SCHEMA, Generation, Token
from ..sanitize import printable, replace_surrogates, safe_print
from ..views import answer_text, static_tokens
from ..views.bundle import context_notes, generation_bundle, tokens_bundle
from ..views.markdown import preload
from ..views.mime import GENERATION_MIME
from ..views.widget import attach_widget
from .channel import new_id
from .stream_sender import ActiveStream, ActiveStreams
from .terminal import Writer

if TYPE_CHECKING:
    from ..models.language_model import AnswerStream

FRAME_S = 0.05  # at most 20 updates a second: more would flood the IOPub channel and nobody sees them
SAVED_S = 0.25  # where a view is sent the tokens, and shows the Markdown of the output


class View(Protocol):
    @property
    def id(self) -> str: ...
    def loading(self, warnings: list[str]) -> AbstractContextManager[None]: ...
    def status(self, text: str) -> None: ...
    def begin(self, stream: AnswerStream, note: str) -> None: ...
    def add(self, token: Token) -> None: ...
    def remark(self, text: str) -> None: ...
    def finish(self, generation: Generation, *, tokens: bool = False) -> None: ...


def view_for(
    ipython: Any,
    lives: ActiveStreams,
    *,
    quiet: bool,
    tokens: bool = False,
    conversation: Mapping[str, Any] | None = None,
    plain: bool = False,
    fold: bool = True,
) -> View:
    """Return the view that suits the front end: a kernel's, a terminal's, or none.

    Args:
        ipython: the shell.
        lives: the active streams.
        quiet: whether to show no output.
        tokens: show the answer as its tokens.
        conversation: what is said of the conversation that the answer is a turn of.
        plain: show the text as it is, without Markdown and without a view.
        fold: put the model's reasoning into a fold.
    """
    if quiet:
        return Silent()
    if getattr(ipython, "kernel", None) is None:
        return Terminal(tokens=tokens)
    # What %%capture catches is looked at later: the answer alone, not every frame of it.
    if plain:
        return Plain(lives, False, frames=False)
    return Notebook(lives, tokens, frames=not is_captured(), conversation=conversation, fold=fold)


class Notebook:
    """One display, re-rendered in place."""

    def __init__(
        self,
        lives: ActiveStreams,
        tokens: bool,
        *,
        frames: bool = True,
        conversation: Mapping[str, Any] | None = None,
        fold: bool = True,
    ) -> None:
        # The parser is imported while the model is loaded: the first frame need not wait for it.
        threading.Thread(target=preload, daemon=True).start()
        self._lives, self._tokens, self._frames = lives, tokens, frames
        self._conversation, self._fold, self._prompt = conversation, fold, ""
        self._live: ActiveStream | None = None
        self._head: dict[str, Any] = {}
        self._output = Output()
        self._text = self._note = ""
        self._clock = FrameClock()

    def status(self, text: str) -> None:
        if not self._frames:
            return
        if self._head:
            self._output.show({"text/plain": text, "text/markdown": f"*{text}*", **self._headed(status=text)})
        else:
            self._output.status(text)

    def loading(self, warnings: list[str]) -> AbstractContextManager[None]:
        return progress.shown_in(self._output, warnings)

    def begin(self, stream: AnswerStream, note: str) -> None:
        """Start the output of a stream; ``note`` is a remark for the user about the answer."""
        self._note, self._prompt = note, stream.generation.prompt[-200:]
        if not self._lives.channel.connected or not self._frames:
            return
        most = stream.room + len(stream.generation.tokens)
        self._live = self._lives.begin(new_id(), most, stream.close)
        self._head = {
            "schema": SCHEMA,
            "kind": "generation",
            "view": "tokens" if self._tokens else "text",
            "final": False,
            "max_tokens": most,
            "model": replace_surrogates(stream.generation.model.to_dict()),
            "run": {"id": self._live.id},
            **({"missing": list(missing)} if (missing := stream.generation.missing) else {}),
            **context_notes(note, self._conversation),
        }
        self._output.show({"text/plain": "…", "text/markdown": "…", **self._headed()})

    def add(self, token: Token) -> None:
        if self._live:
            self._live.add([token])
        self._text += token.text
        if self._frames and self._text.strip() and self._clock.is_due():
            markdown = answer_text.partial(self._text, self._prompt, fold=self._fold)
            frame = {"text/plain": printable(self._text), "text/markdown": markdown}
            self._output.show({**frame, **self._headed()})
            self._clock.shown(SAVED_S if self._live else FRAME_S)

    def remark(self, text: str) -> None:
        """Add a remark on the answer, which is shown when it is finished."""
        self._note = "; ".join(filter(None, (self._note, text)))

    def finish(self, generation: Generation, *, tokens: bool = False) -> None:
        id, turn = self.id, self._conversation
        if tokens:
            bundle = tokens_bundle(generation, self._note, id=id, conversation=turn, fold=self._fold)
        else:
            bundle = generation_bundle(generation, self._note, id=id, conversation=turn, fold=self._fold)
        if self._live:
            self._live.end(bundle)
        self._output.show(*(attach_widget("tokens", bundle, GENERATION_MIME) if tokens else (bundle,)))

    @property
    def id(self) -> str:
        """Return the id by which a view in the page knows this answer; empty where there is none."""
        return self._live.id if self._live else ""

    def _headed(self, **more: Any) -> dict[str, Any]:
        return {GENERATION_MIME: {**self._head, **more}} if self._head else {}


class Plain(Notebook):
    """The text of the answer as it is, when it is finished."""

    def finish(self, generation: Generation, *, tokens: bool = False) -> None:
        text = answer_text.plain(generation, self._note)
        self._output.show({"text/plain": text, "text/html": f"<pre>{escape(text)}</pre>"})


class Terminal:
    """Plain text, word by word."""

    id = ""

    def __init__(self, *, tokens: bool) -> None:
        self._writer = Writer(tokens=tokens)
        self._streamed = False
        self._remarks: list[str] = []

    def loading(self, warnings: list[str]) -> AbstractContextManager[None]:
        return nullcontext()

    def status(self, text: str) -> None:
        safe_print(printable(text), file=sys.stderr, flush=True)

    def begin(self, stream: AnswerStream, note: str) -> None:
        if note:
            safe_print(printable(note), file=sys.stderr, flush=True)

    def add(self, token: Token) -> None:
        self._streamed = True
        self._writer.add(token)

    def remark(self, text: str) -> None:
        self._remarks.append(text)

    def finish(self, generation: Generation, *, tokens: bool = False) -> None:
        self._writer.flush()
        lines = [answer_text.stop_notice(generation), *map(printable, self._remarks)]
        if tokens:
            lines.append(static_tokens.plain(generation, text=not self._streamed))
        elif sys.stdout.isatty():
            lines.append(static_tokens.summary(generation))
        safe_print("".join(f"\n{item}" for item in lines if item), flush=True)


class Silent:
    """Shows nothing."""

    id = ""

    def loading(self, warnings: list[str]) -> AbstractContextManager[None]:
        return progress.quiet(warnings)

    def status(self, text: str) -> None: ...
    def begin(self, stream: AnswerStream, note: str) -> None: ...
    def add(self, token: Token) -> None: ...
    def remark(self, text: str) -> None: ...
    def finish(self, generation: Generation, *, tokens: bool = False) -> None: ...


def show_value(shell: Any, value: Any) -> None:
    """Show a Python value behind an answer: as JSON in a notebook, which folds; a table as itself."""
    if getattr(shell, "kernel", None) is None:
        return safe_print(printable(repr(value)), flush=True)
    from IPython.display import display

    if isinstance(value, (dict, list)):
        bundle = {"application/json": replace_surrogates(value), "text/plain": printable(repr(value))}
        display(bundle, raw=True, metadata={"application/json": {"expanded": False}})  # type: ignore[no-untyped-call]  # IPython has no types for it
    else:
        display(value)  # type: ignore[no-untyped-call]  # IPython has no types for it
    return None
