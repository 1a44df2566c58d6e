"""``%%llm`` and ``%llm``: parse, answer, show."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand

from ..errors import Interrupted, LLMMagicsError, UsageError
from ..views.bundle import generation_bundle
from . import settings
from .answers import history, kept
from .answers.background import BackgroundAnswer
from .answers.bounded_reasoning import BoundedReasoning
from .answers.formats import code_of, json_of, table_of
from .answers.side_by_side import difference
from .answers.tool_calls import run_call
from .answers.tools import ROUNDS, calls_in, tools_of
from .commands import CommandRouter
from .context.cell_log import CellLog
from .context.collect import collect
from .context.compose import compose
from .context.composition import Composition
from .conversations import Conversations, Turn, TurnPosition
from .inspection.output import ProgressOutput
from .inspection.subcommands import SUBCOMMANDS
from .output import View, show_value, view_for
from .parsing.cell_request import CellRequest
from .parsing.expand import note
from .parsing.request import parse
from .playground_view import PlaygroundView, caller, cell_of, value_is_used
from .session import ModelSession
from .settings import Settings
from .subcommands.table import TABLE, usage

if TYPE_CHECKING:
    from ..core.records import Generation
    from ..engine.generate import Stream
    from ..views.inspection_record import InspectionRecord
    from .playground.playground import Playground

AnyStream: TypeAlias = "Stream | BoundedReasoning | kept.KeptStream"
LONG_PROMPT = 500  # tokens; reading them takes about a second


@dataclass(frozen=True, slots=True)
class Prepared:
    """An answer that only has to be generated.

    Attributes:
        request: the cell.
        place: its turn of a conversation.
        turn: what becomes the turn; its answer is still empty.
        stream: the tokens.
        view: shows them.
        tokens: show the answer as its tokens.
        note: a remark for the user.
        key: of the kept answers; empty where it is not kept, or was.
        logs: "answers" or "prompts", where the history is on; empty where it is off.
    """

    request: CellRequest
    place: TurnPosition
    turn: Turn
    stream: AnyStream
    view: View
    tokens: bool
    note: str
    key: str
    logs: str


@magics_class
class LLMMagics(Settings, Magics):
    """Run the cells of ``%%llm``; keep the model and the conversations."""

    shell: Any

    def __init__(self, shell: Any) -> None:
        super().__init__(shell=shell, parent=shell)
        self.conversations = Conversations()
        self.playgrounds: dict[str, Playground] = {}  # by the cell that shows it
        self.models = ModelSession(lambda: self.shell.user_ns)
        self.commands = CommandRouter(self.models, self.answer_extended)
        self.streams = self.commands.streams
        self.log = CellLog(shell)
        self.composition: Composition | None = None  # of the last prompt
        self.jobs: list[BackgroundAnswer] = []  # those that run, and the newest
        self.tokens_on = False  # whether every answer is shown as its tokens

    # IPython would expand {…} and $… in the line by itself: expansion happens once, in cell.py.
    @no_var_expand
    @line_cell_magic
    def llm(self, line: str, cell: str | None = None) -> Any:
        """Run an open language model: %%llm and a cell, or %llm TEXT. %llm --help lists the options.

        Returns:
            The answer, or what a verb shows, where the calling code takes it: ``a = %llm …``.
        """
        frame = caller()
        used = value_is_used(frame)
        # As in Python: a function's own variables, and a script's, go before those of the notebook.
        namespace = ChainMap(dict(frame.f_locals) if frame else {}, self.shell.user_ns)
        del frame
        output: Any = None
        try:
            request = parse(line, cell, namespace)
            if request.command != "config":
                request = self._with_settings(request)
            if request.command in TABLE:
                output = TABLE[request.command].run(self, request)
            else:
                output = self._answers(request)
        except (LLMMagicsError, Interrupted) as error:
            # IPython keeps the last traceback, and with its frames a model that should be gone.
            error.__cause__ = error.__context__ = None
            raise error.with_traceback(None) from None
        return output if used else None

    def _with_settings(self, request: CellRequest) -> CellRequest:
        """Add the settings; a change of those about the model counts for the next cell."""
        values = settings.resolve(self)
        self.models.set_defaults(settings.loading(values))
        return settings.apply(request, values) if request.command == "generate" else request

    def _answer(self, request: CellRequest) -> Generation:
        prepared = self._prepare(request)
        generation, interrupted = self._generate(prepared)
        self._note_answer(prepared, generation)
        if request.variable:
            self.shell.user_ns[request.variable] = generation
        if interrupted:
            # The cell fails, so that "Run All" stops here too.
            raise Interrupted(f"stopped after {len(generation.tokens):,} tokens; the text so far is kept")
        return generation

    def _answer_in_background(self, request: CellRequest) -> BackgroundAnswer:
        """Load the model here, and generate the answer in a thread, while other cells run."""
        prepared = self._prepare(request)
        prepared.view.status("generating in the background …")  # the output appears while the cell runs

        def work() -> Generation:
            generation, _ = self._generate(prepared)
            self._note_answer(prepared, generation)
            return generation

        job = BackgroundAnswer(prepared.stream, work)
        if request.variable:
            self.shell.user_ns[request.variable] = job
        self.jobs = [*(item for item in self.jobs if not item.done), job]
        job.start()
        return job

    def _answer_with_tools(self, request: CellRequest) -> Generation:
        """Answer, run the calls that the answer holds, and let the model go on with their results."""
        tools = tools_of(request.tools or "", self.shell.user_ns)
        schemas = [tool.schema for tool in tools.values()]
        steps: list[dict[str, str]] = []  # what was said behind the prompt
        for _ in range(ROUNDS):
            prepared = self._prepare(request, tools=schemas, steps=steps)
            generation, interrupted = self._generate(prepared)
            if interrupted:
                raise Interrupted(f"stopped after {len(generation.tokens):,} tokens; the text so far is kept")
            calls = [*calls_in(generation.answer)]
            if not calls:
                break
            steps.append({"role": "assistant", "content": generation.answer})
            for call in calls:
                told = run_call(call, tools, ask=not request.tools_run)
                steps.append({"role": "tool", "content": told})
        else:
            raise UsageError(
                f"the model still calls functions after {ROUNDS} answers", hint="Ask a simpler question."
            )
        self._note_answer(prepared, generation)
        if request.variable:
            self.shell.user_ns[request.variable] = generation
        return generation

    def _prepare(
        self,
        request: CellRequest,
        *,
        tools: list[dict[str, Any]] | None = None,
        steps: Sequence[Mapping[str, str]] = (),
    ) -> Prepared:
        """Load the model and compose the prompt of an answer.

        Args:
            request: the cell.
            tools: schemas of functions that the model may call.
            steps: calls and their results, behind the prompt.
        """
        from ..core.options import sampling_options

        values = settings.resolve(self)
        sampling_options(request.options)  # a wrong option is said before a model is fetched for it
        cell = cell_of(self.shell)
        if request.raw and request.conversation is not None:
            raise UsageError("--raw and -c cannot be combined", hint="Omit one of them.")
        place = (
            self.conversations.begin(cell, request.system)
            if request.conversation is None
            else self.conversations.resume(request.conversation, cell, request.system)
        )
        blocks = collect(request.see, self.log, self.shell.user_ns)
        tokens = request.tokens or self.tokens_on
        view = view_for(
            self.shell,
            self.streams,
            quiet=request.quiet,
            tokens=tokens,
            conversation=place.label,
            plain=request.format == "text",
            fold=not request.reasoning,
        )
        warnings: list[str] = []
        try:
            with view.loading(warnings):
                model = self.models.use_for(request)
        except KeyboardInterrupt:
            raise Interrupted("stopped before the model was loaded") from None
        asked = compose(model, place, request, blocks)
        self.composition = asked.composition
        messages = asked.messages
        if steps:
            first = [{"role": "user", "content": messages}] if isinstance(messages, str) else messages
            messages = [*first, *steps]
        plain = model.stream(
            messages,
            tools=tools,
            system=place.conversation.system,
            raw=request.raw,
            thinking=False if request.think == 0 else None,
            **request.options,
        )
        asked.composition.complete(len(plain.answer.ids), plain.answer.room)
        stream: AnyStream = BoundedReasoning(model, plain, request.think) if request.think else plain
        key = ""
        if values.get("keep_answers", (True,))[0] and model.info.fingerprint:
            key = kept.key_of(model, plain.answer.ids, plain.answer.options, request.think)
        there = kept.find(key) if key and not request.fresh else None
        if there is not None:
            model.set_last(there)
            stream, key = kept.KeptStream(there), ""
        told = kept.NOTE if there is not None else ""
        notes = [*warnings, request.notice, note(request.unresolved), asked.note, told]
        logs = "prompts" if values.get("history_prompts", (False,))[0] else "answers"
        return Prepared(
            request,
            place,
            Turn(cell, asked.prompt, "", options=dict(request.options)),
            stream,
            view,
            tokens,
            "; ".join(filter(None, notes)),
            key,
            logs if values.get("history", (False,))[0] else "",
        )

    def _generate(self, prepared: Prepared) -> tuple[Generation, bool]:
        """Generate an answer and show it; return it, and whether it was interrupted."""
        stream, view, interrupted = prepared.stream, prepared.view, False
        try:
            view.begin(stream, prepared.note)
            if (length := stream.generation.timing.prompt_tokens) > LONG_PROMPT:
                view.status(f"reading {length:,} tokens …")
            for token in stream:
                view.add(token)
        except KeyboardInterrupt:
            stream.close()
            interrupted = True
        generation = stream.generation
        view.finish(generation, tokens=prepared.tokens)
        return generation, interrupted

    def _note_answer(self, prepared: Prepared, generation: Generation) -> None:
        """Note an answer: its speed, the kept answers, the conversation and the history."""
        from ..models.catalog.speed import note_speed

        request, place, turn = prepared.request, prepared.place, prepared.turn
        if not isinstance(prepared.stream, kept.KeptStream):
            note_speed(generation)
        if prepared.key:
            kept.keep(prepared.key, generation)
        if generation.text and not request.raw:
            turn.answer, turn.view = generation.answer, prepared.view.id
            self._mark_stale(place.index + 1, self.conversations.commit(place, turn))
        if prepared.logs:
            logged = request.prompt if prepared.logs == "prompts" else None
            history.log(generation, logged, place.conversation.system)

    def _answers(self, request: CellRequest) -> Any:
        """Answer with one model, or with several; or several times, with seeds one after the other."""
        several = bool(request.models) or request.samples > 1
        if request.tools is not None:
            if several or request.background:
                raise UsageError("--tools gives one answer", hint="Omit --background, --samples and models.")
            return self._formatted(self._answer_with_tools(request), request)
        if request.background:
            if several or request.format:
                raise UsageError(
                    "--background gives one answer", hint="Omit -f, --samples and further models."
                )
            return self._answer_in_background(request)
        if not several:
            return self._formatted(self._answer(request), request)
        if request.conversation is not None or request.format:
            flag = "-c" if request.conversation is not None else "-f"
            raise UsageError(
                f"{flag} and several answers cannot be combined", hint="Ask for one answer, or omit it."
            )
        seed = request.options.get("seed", 0)
        answers: list[Generation] = []
        for model in request.models or (request.model,):
            for number in range(request.samples):
                options = {**request.options, "seed": (seed + number) % 2**64}
                one = replace(request, model=model, models=(), samples=1, variable=None, options=options)
                answers.append(self._answer(one))
                if request.variable:  # what there is, should the next one be stopped
                    self.shell.user_ns[request.variable] = list(answers)
        if request.models and not request.quiet:
            for other in answers[request.samples :: request.samples]:
                shown = difference(answers[0], other)
                ProgressOutput(self.shell, quiet=False).show_html(shown.to_text(), shown.to_html())
        return answers

    def _formatted(self, generation: Generation, request: CellRequest) -> Any:
        """Return what ``-f`` makes of an answer, and show it.

        Raises:
            UsageError: the answer holds no such thing; the answer itself is kept.
        """
        if request.format in (None, "text", "markdown"):
            return generation
        value: Any
        if request.format == "code":
            value = code_of(generation.text)
            self.shell.set_next_input(value, replace=False)
        else:
            value = table_of(generation.text) if request.format == "table" else json_of(generation.text)
            if not request.quiet:
                show_value(self.shell, value)
        if request.variable:
            self.shell.user_ns[request.variable] = value
        return value

    def ask(self, request: CellRequest, prompt: str, system: str | None) -> Generation:
        """Answer a prompt of a subcommand, with the options that its line states."""
        options = {"temperature": 0.0, **request.options}
        asked = replace(
            request, command="generate", prompt=prompt, system=system, options=options, format=None
        )
        return self._answer(self._with_settings(asked))

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

    def _mark_stale(self, number: int, later: list[Turn]) -> None:
        """Tell the views of these turns that turn ``number`` is another one now."""
        for turn in later:
            if turn.view:
                self.streams.channel.send({"type": "stale", "id": turn.view, "turn": number})

    def answer_again(self, place: TurnPosition, turn: Turn) -> str:
        """Answer a turn of a conversation again, show it where the page shows the turn, and return it."""
        model = self.models.active or self.models.use()
        try:
            generation = model.generate(
                place.messages(turn.prompt), system=place.conversation.system, **turn.options
            )
        except KeyboardInterrupt:
            raise Interrupted("stopped; the turns that were answered again are kept") from None
        if turn.view:
            bundle = generation_bundle(generation, id=turn.view, conversation=place.label)
            self.streams.channel.send({"type": "record", "id": turn.view, "bundle": bundle})
        return generation.answer

    def answer_extended(self, view: str, before: Generation, after: Generation) -> None:
        """Replace an answer of a conversation by its extended version."""
        self._mark_stale(*self.conversations.lengthen(view, before.text, after.text))
        for name, value in list(self.shell.user_ns.items()):
            if isinstance(value, type(before)) and _same_answer(value, before):
                self.shell.user_ns[name] = after

    @property
    def settings(self) -> Settings:
        """Return the settings: the traits of this object."""
        return self

    def playground(self, model: str | None = None) -> PlaygroundView:
        """Return a playground that shares the model with the cells."""
        return PlaygroundView(self, model)


# What IPython shows for %llm? and behind Shift-Tab.
LLMMagics.llm.__doc__ = f"{LLMMagics.llm.__doc__}\n\n{usage()}"


def _same_answer(one: Generation, other: Generation) -> bool:
    """Return whether both are the same tokens of the same request; what a notebook keeps is rounded."""

    def key(answer: Generation) -> object:
        ids = [token.id for token in answer.tokens]
        return answer.prompt_ids, answer.options, answer.model.fingerprint, ids

    return key(one) == key(other)
