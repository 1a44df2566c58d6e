"""Keep what the cells of a notebook work with: its model, conversations, answers and views.

It is made for the first cell of ``%%llm``, or when a view first asks, so that ``%load_ext`` is quick.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..errors import Interrupted, UsageError
from ..views.bundle import generation_bundle
from . import settings
from .answering import AnswerRunner
from .answers.background import BackgroundAnswer
from .channel import Channel, Transport
from .commands import CommandRouter
from .context.cell_log import CellLog
from .context.composition import Composition
from .conversations import Conversations, Turn, TurnPosition
from .corrections import Corrections
from .inspection.output import ProgressOutput
from .inspection.subcommands import SUBCOMMANDS
from .parsing.cell_request import CellRequest
from .parsing.expand import note
from .parsing.request import parse
from .playground_view import PlaygroundView
from .session import ModelSession
from .settings import Settings
from .subcommands.table import TABLE

if TYPE_CHECKING:
    from ..core.records import Generation
    from ..serving.server import ModelServer
    from ..views.inspection_record import InspectionRecord
    from .playground.playground import Playground


class Workspace:
    """Run the cells of ``%%llm``; keep the model and the conversations. Implements :class:`CommandHost`.

    Args:
        shell: IPython's shell.
        stated: the settings.
        channel: the way to the views of the notebook.
        log: the cells of the session.
        corrections: the corrected cells of errors.
    """

    def __init__(
        self, shell: Any, stated: Settings, channel: Channel, log: CellLog, corrections: Corrections
    ) -> None:
        self.shell, self.settings, self.log = shell, stated, log
        self.conversations = Conversations()
        self.playgrounds: dict[str, Playground] = {}  # by the cell that shows it
        self.models = ModelSession(lambda: self.shell.user_ns)
        self.commands = CommandRouter(self.models, self.answer_extended, channel, corrections)
        self.streams, self.ghost = self.commands.streams, self.commands.ghost
        self.running = self.commands.panel.jobs
        self.composition: Composition | None = None  # of the last prompt
        self.jobs: list[BackgroundAnswer] = []  # those that run, and the newest
        self.server: ModelServer | None = None  # of %llm serve
        self.tokens_on = False  # whether every answer is shown as its tokens
        self.answers = AnswerRunner(self)
        self.ghost.watch(shell, busy=log.is_running)

    def close(self) -> None:
        """Stop what runs, and release the model."""
        if self.server is not None:
            self.server.stop()
        self.models.clear()
        self.ghost.unwatch(self.shell)
        self.commands.panel.close()
        self.ghost.model.clear()

    def router(self, channel: Transport) -> CommandRouter:
        """Return what handles the messages of one widget."""
        return CommandRouter(self.models, self.answer_extended, channel)

    def run_cell(self, line: str, cell: str | None, namespace: Mapping[str, Any]) -> Any:
        """Answer a cell or a line, or run its subcommand, and return what comes of it."""
        request = parse(line, cell, namespace)
        if request.command != "config":
            request = self._with_settings(request)
        if request.command in TABLE:
            return TABLE[request.command].run(self, request)
        return self.answers.run(request)

    def _with_settings(self, request: CellRequest) -> CellRequest:
        """Add the settings; a change of those about the model counts for the next cell."""
        values = settings.resolve(self.settings)
        self.models.set_defaults(settings.loading(values), settings.sampling(values))
        return settings.apply(request, values) if request.command == "generate" else request

    def ask(self, request: CellRequest, prompt: str, system: str | None) -> Generation:
        """Answer a prompt of a subcommand, with the options that its line states."""
        options = {"temperature": 0.0, **request.options}
        asked = replace(
            request, command="generate", prompt=prompt, system=system, options=options, format=None
        )
        return self.answers.answer(self._with_settings(asked))

    def inspect(self, request: CellRequest) -> InspectionRecord:
        """Look inside: at a text, at an answer that a variable holds, or at the last one."""
        making = ProgressOutput(self.shell, quiet=request.quiet)
        with making.capture_progress():
            look = {**request.inspection_options, **request.options}
            if isinstance(request.record, tuple):
                from ..models.compare import compare

                return self._finish_inspection(making, compare(*request.record), request)
            if request.command == "compare":
                model, look["other"] = self.models.pair_for(request)
            else:
                model = self.models.use_for(request)
            text = request.record or request.prompt or model.last
            if text is None:
                raise UsageError(
                    f"%llm {request.command} has no text, and there is no earlier answer",
                    hint=f"Write for example {SUBCOMMANDS[request.command].example}.",
                )
            try:
                picture = SUBCOMMANDS[request.command].run(model, text, look)
            except KeyboardInterrupt:
                raise Interrupted("stopped without a result") from None
        return self._finish_inspection(making, picture, request)

    def _finish_inspection(
        self, making: ProgressOutput, picture: InspectionRecord, request: CellRequest
    ) -> InspectionRecord:
        making.show_result(picture, note(request.unresolved))
        if request.variable:
            self.shell.user_ns[request.variable] = picture
        return picture

    def mark_stale(self, number: int, later: list[Turn]) -> None:
        """Tell the views of these turns that turn ``number`` is another one now."""
        for turn in later:
            if turn.view:
                self.streams.channel.send({"type": "stale", "id": turn.view, "turn": number})

    def answer_again(self, place: TurnPosition, turn: Turn) -> str:
        """Answer a turn of a conversation again, show it where the page shows the turn, and return it."""
        generation = self.answers.answer_again(place, turn)
        if turn.view:
            bundle = generation_bundle(generation, id=turn.view, conversation=place.label)
            self.streams.channel.send({"type": "record", "id": turn.view, "bundle": bundle})
        return generation.answer

    def answer_extended(self, view: str, before: Generation, after: Generation) -> None:
        """Replace an answer of a conversation by its extended version."""
        self.mark_stale(*self.conversations.lengthen(view, before.text, after.text))
        for name, value in list(self.shell.user_ns.items()):
            if isinstance(value, type(before)) and _same_answer(value, before):
                self.shell.user_ns[name] = after

    def playground(self, model: str | None = None) -> PlaygroundView:
        """Return a playground that shares the model with the cells."""
        return PlaygroundView(self, model)


def _same_answer(one: Generation, other: Generation) -> bool:
    """Return whether both are the same tokens of the same request; what a notebook keeps is rounded."""

    def key(answer: Generation) -> object:
        ids = [token.id for token in answer.tokens]
        return answer.prompt_ids, answer.options, answer.model.fingerprint, ids

    return key(one) == key(other)
