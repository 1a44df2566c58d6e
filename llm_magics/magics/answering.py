"""Generate the answers that cells ask for: prepare, stream, show and note them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from ..core.output import Output, is_captured
from ..errors import Interrupted, TemplateError, UsageError
from ..inspection.answers.side_by_side import MOST_ANSWERS, side_by_side
from .answers import history, kept
from .answers.background import BackgroundAnswer
from .answers.bounded_reasoning import BoundedReasoning
from .answers.columns import Columns, ColumnView
from .answers.formats import value_of
from .answers.forms import form_options, labels
from .answers.rows import RowsRunner, check_target, find_workers, read_rows, row_prompts
from .answers.tool_calls import run_call
from .answers.tools import ROUNDS, Exchange, calls_in, steps_of, tools_of
from .context.collect import collect
from .context.compose import compose
from .conversations import Turn, TurnPosition
from .inspection.output import ProgressOutput
from .output import View, show_value, view_for
from .parsing.calling_code import cell_of
from .parsing.cell_request import CellRequest
from .parsing.expand import note
from .subcommands.base import CommandHost

if TYPE_CHECKING:
    from ..core.records import Generation
    from ..engine.generate import Stream
    from ..models.language_model import LanguageModel
    from ..models.remote.stream import RemoteStream
    from ..views.inspection_record import InspectionRecord

NewStream: TypeAlias = "Stream | BoundedReasoning | RemoteStream"
AnyStream: TypeAlias = "NewStream | kept.KeptStream"
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
        value: makes the value of an answer of a given form; None for other answers.
    """

    request: CellRequest
    place: TurnPosition
    turn: Turn
    stream: AnyStream
    view: View
    tokens: bool
    note: str
    key: str
    value: Callable[[Generation], Any] | None = None


class AnswerRunner:
    """Answer cells with the model, the conversations and the settings of a notebook.

    Args:
        host: the magics of the notebook.
    """

    def __init__(self, host: CommandHost) -> None:
        self._host = host

    def run(self, request: CellRequest) -> Any:
        """Answer with one model, or with several; or several times, with seeds one after the other."""
        several = bool(request.models) or request.samples > 1
        _check_labels(request)
        if request.rows is not None:
            return self._map_rows(request, several=several)
        if request.truth is not None:
            raise UsageError("--truth is only valid with --map", hint="Add --map TABLE.COLUMN.")
        if request.workers is not None:
            raise UsageError("--on is only valid with --map", hint="Add --map TABLE.COLUMN.")
        if request.tools is not None:
            if several or request.background:
                raise UsageError("--tools gives one answer", hint="Omit --background, --samples and models.")
            return self._formatted(self._answer_with_tools(request), request)
        if request.choices is not None or request.decide is not None:
            return self._choose(request, several=several)
        if request.background:
            if several or request.format:
                raise UsageError(
                    "--background gives one answer", hint="Omit -f, --samples and further models."
                )
            return self._answer_in_background(request)
        if not several:
            return self._formatted(self.answer(request), request)
        if request.conversation is not None or request.format:
            flag = "-c" if request.conversation is not None else "-f"
            raise UsageError(
                f"{flag} and several answers cannot be combined", hint="Ask for one answer, or omit it."
            )
        return self._several(request)

    def answer(self, request: CellRequest) -> Generation:
        """Generate one answer, show it and note it.

        Raises:
            Interrupted: the user stopped it; the text so far is kept.
        """
        return self._complete(self._prepare(request))

    def _map_rows(self, request: CellRequest, *, several: bool) -> list[Any]:
        """Answer one prompt for each row; return what came of the rows, None for those with an error."""
        other = (request.background, request.format, request.tools, request.see)
        if several or any(other) or request.conversation is not None:
            raise UsageError(
                "--map gives one answer a row",
                hint="Omit -c, -f, --see, --tools, --background, --samples and further models.",
            )
        host, namespace = self._host, self._host.shell.user_ns
        source = read_rows(request.rows or "", namespace)
        truth = [] if request.truth is None else read_rows(request.truth, namespace, "--truth").values
        if truth and len(truth) != len(source.values):
            raise UsageError(
                f"--truth has {len(truth):,} rows, and --map {len(source.values):,}",
                hint="Use columns of one table.",
            )
        workers = None if request.workers is None else find_workers(request.workers, namespace)
        check_target(request.variable, namespace)
        prompts = row_prompts(request.prompt, source, namespace, evaluate=request.evaluate)
        runner = RowsRunner(host.shell, request, source, prompts, truth, workers)
        output = ProgressOutput(host.shell, quiet=request.quiet)
        try:
            with output.capture_progress():
                model = host.models.answering_for(request)
        except KeyboardInterrupt:
            raise Interrupted("stopped before the first row") from None
        host.running.rows = runner.state
        runner.run(model, request.system, output=output.output)
        return runner.values

    def _choose(self, request: CellRequest, *, several: bool) -> Any:
        """Return the likeliest label, or the answers to typed questions, and show their probabilities."""
        flag = "--choices" if request.decide is None else "--decide"
        if several or request.background or request.format or request.conversation is not None:
            raise UsageError(
                f"{flag} gives one label" if flag == "--choices" else f"{flag} gives one answer a question",
                hint="Omit -c, -f, --background, --samples and further models.",
            )
        host, shell = self._host, self._host.shell
        place = host.conversations.begin(cell_of(shell), request.system)
        blocks = collect(request.see, host.log, shell.user_ns)
        output = ProgressOutput(shell, quiet=request.quiet)
        told: dict[str, Any] = {"system": request.system, "raw": request.raw}
        value: Any
        try:
            with output.capture_progress():
                if request.decide is not None:
                    text = "\n\n".join([*(block.text for block in blocks), request.prompt])
                    record: InspectionRecord = host.models.use_for(request).decide(
                        text, request.decide, **told
                    )
                    value = record
                else:
                    model = host.models.answering_for(request)
                    asked = compose(model, place, request, blocks)
                    value = model.choose(asked.messages, labels(request.choices or ""), **told)
                    record = value.record
        except KeyboardInterrupt:
            raise Interrupted("stopped without a label") from None
        output.show_result(record, note(request.unresolved))
        if request.variable:
            shell.user_ns[request.variable] = value
        return value

    def answer_again(self, place: TurnPosition, turn: Turn) -> Generation:
        """Answer a turn of a conversation again, without a view.

        Raises:
            Interrupted: the user stopped it.
        """
        model = self._host.models.answering or self._host.models.use()
        stream = _bounded(
            model,
            place.messages(turn.prompt),
            turn.think,
            system=place.conversation.system,
            **turn.options,
        )
        try:
            for _ in stream:
                pass
        except KeyboardInterrupt:
            stream.close()
            raise Interrupted("stopped; the turns that were answered again are kept") from None
        return stream.generation

    def _complete(self, prepared: Prepared) -> Generation:
        """Generate a prepared answer, note it and store it in its variable."""
        request = prepared.request
        generation, interrupted = self.generate(prepared)
        self._note_answer(prepared, generation)
        if prepared.value is not None and not interrupted:
            generation = self._with_value(prepared, generation)
        elif request.variable:
            self._host.shell.user_ns[request.variable] = generation
        if interrupted:
            # The cell fails, so that "Run All" stops here too.
            raise _stopped(generation)
        return generation

    def _with_value(self, prepared: Prepared, generation: Generation) -> Generation:
        """Return an answer of a given form with its value, which is shown and stored in the variable.

        Raises:
            IncompleteAnswer: the answer was cut off inside a value; its text is shown.
        """
        assert prepared.value is not None
        request, shell = prepared.request, self._host.shell
        value = prepared.value(generation)
        if not request.quiet and not isinstance(value, str):
            show_value(shell, value)
        if request.variable:
            shell.user_ns[request.variable] = value
        return replace(generation, built=value)

    def _answer_in_background(self, request: CellRequest) -> BackgroundAnswer:
        """Load the model here, and generate the answer in a thread, while other cells run."""
        host, prepared = self._host, self._prepare(request)
        prepared.view.status("generating in the background …")  # the output appears while the cell runs

        def work() -> Generation:
            generation, interrupted = self.generate(prepared)
            self._note_answer(prepared, generation)
            if prepared.value is not None and not interrupted:
                generation = replace(generation, built=prepared.value(generation))
            return generation

        job = BackgroundAnswer(prepared.stream, work)
        if request.variable:
            host.shell.user_ns[request.variable] = job
        host.jobs = [*(item for item in host.jobs if not item.done), job]
        job.start()
        return job

    def _answer_with_tools(self, request: CellRequest) -> Generation:
        """Answer, run the calls that the answer holds, and let the model go on with their results."""
        tools = tools_of(request.tools or "", self._host.shell.user_ns)
        schemas = [tool.schema for tool in tools.values()]
        exchanges: list[Exchange] = []
        for _ in range(ROUNDS):
            prepared = self._prepare_with_calls(request, schemas, exchanges)
            generation, interrupted = self.generate(prepared)
            if interrupted:
                raise _stopped(generation)
            calls = tuple(calls_in(generation.spelled))
            if not calls:
                break
            results = tuple(run_call(call, tools, ask=not request.tools_run) for call in calls)
            exchanges.append(Exchange(generation.spelled, calls, results))
        else:
            raise UsageError(
                f"the model still calls functions after {ROUNDS} answers", hint="Ask a simpler question."
            )
        self._note_answer(prepared, generation)
        if request.variable:
            self._host.shell.user_ns[request.variable] = generation
        return generation

    def _prepare_with_calls(
        self, request: CellRequest, schemas: list[dict[str, Any]], exchanges: Sequence[Exchange]
    ) -> Prepared:
        """Return the prepared answer behind calls and their results, as the model's template takes them."""
        model = self._host.models.active
        structured = model is not None and "tool_calls" in (model.template or "")
        try:
            return self._prepare(request, tools=schemas, steps=steps_of(exchanges, structured=structured))
        except TemplateError:
            if not (structured and exchanges):
                raise
        return self._prepare(request, tools=schemas, steps=steps_of(exchanges, structured=False))

    def _several(self, request: CellRequest) -> list[Generation]:
        """Answer with several models, or several times with one; the answers of a pair are compared."""
        shell, seed = self._host.shell, request.options.get("seed", 0)
        if request.models and request.samples == 1 and self._has_columns(request):
            return self._stream_columns(request)
        answers: list[Generation] = []
        for model in request.models or (request.model,):
            for number in range(request.samples):
                options = {**request.options, "seed": (seed + number) % 2**64}
                one = replace(request, model=model, models=(), samples=1, variable=None, options=options)
                answers.append(self.answer(one))
                if request.variable:  # what there is, should the next one be stopped
                    shell.user_ns[request.variable] = list(answers)
        if request.models:
            record = side_by_side(answers[:: request.samples][:MOST_ANSWERS])
            ProgressOutput(shell, quiet=request.quiet).show_result(record, "")
        return answers

    def _has_columns(self, request: CellRequest) -> bool:
        """Return whether the front end can show the answers of a cell side by side."""
        notebook = getattr(self._host.shell, "kernel", None) is not None and not is_captured()
        return notebook and not request.quiet and 1 < len(request.models) <= MOST_ANSWERS

    def _stream_columns(self, request: CellRequest) -> list[Generation]:
        """Answer with several models at once, in one output with a column for each."""
        output = Output()
        prepared = [
            self._prepare(replace(request, model=model, models=(), variable=None), view=ColumnView(output))
            for model in request.models
        ]
        columns = Columns(output, [item.stream for item in prepared], [item.note for item in prepared])
        answers = columns.run()
        if request.variable:
            self._host.shell.user_ns[request.variable] = answers
        for item, answer in zip(prepared, answers, strict=True):
            self._note_answer(item, answer)
        if columns.interrupted:
            raise Interrupted("stopped; the texts so far are kept")
        return answers

    def _formatted(self, generation: Generation, request: CellRequest) -> Any:
        """Return what ``-f`` makes of an answer, and show it.

        Raises:
            UsageError: the answer holds no such thing; the answer itself is kept.
        """
        if request.format in (None, "text", "markdown"):
            return generation
        shell, value = self._host.shell, value_of(generation.answer, request.format or "")
        if request.format == "code":
            shell.set_next_input(value, replace=False)
        elif not request.quiet:
            show_value(shell, value)
        if request.variable:
            shell.user_ns[request.variable] = value
        return value

    def _prepare(
        self,
        request: CellRequest,
        *,
        tools: list[dict[str, Any]] | None = None,
        steps: Sequence[Mapping[str, Any]] = (),
        view: View | None = None,
    ) -> Prepared:
        """Load the model and compose the prompt of an answer.

        Args:
            request: the cell.
            tools: schemas of functions that the model may call.
            steps: calls and their results, behind the prompt.
            view: shows the answer; None chooses the one that suits the front end.
        """
        from ..core.options import sampling_options
        from ..engine.generate import Stream
        from ..models.model import Model

        host = self._host
        sampling_options(request.options)  # a wrong option is said before a model is fetched for it
        cell = cell_of(host.shell)
        if request.raw and request.conversation is not None:
            raise UsageError("--raw and -c cannot be combined", hint="Omit one of them.")
        place = (
            host.conversations.begin(cell, request.system)
            if request.conversation is None
            else host.conversations.resume(request.conversation, cell, request.system)
        )
        form = form_options(request, host.shell.user_ns)
        blocks = collect(request.see, host.log, host.shell.user_ns)
        tokens = request.tokens or host.tokens_on
        view = view or view_for(
            host.shell,
            host.streams,
            quiet=request.quiet,
            tokens=tokens,
            conversation=place.label,
            plain=request.format == "text",
            fold=not request.reasoning,
        )
        warnings: list[str] = []
        try:
            with view.loading(warnings):  # an error takes its progress away
                model = host.models.answering_for(request)
                asked = compose(model, place, request, blocks)
                messages = asked.messages
                if steps:
                    first = [{"role": "user", "content": messages}] if isinstance(messages, str) else messages
                    messages = [*first, *steps]
                bounded = _bounded(
                    model,
                    messages,
                    request.think,
                    tools=tools,
                    system=place.conversation.system,
                    raw=request.raw,
                    draft=host.models.draft(request.draft) if request.draft else None,
                    **request.options,
                    **form,
                )
        except KeyboardInterrupt:
            raise Interrupted("stopped before the answer began") from None
        host.composition = asked.composition
        asked.composition.complete(bounded.prompt_tokens, bounded.room)
        stream: AnyStream = bounded
        key, there = "", None
        if request.keep and isinstance(model, Model) and isinstance(bounded, (Stream, BoundedReasoning)):
            if model.info.fingerprint:
                key = kept.key_of(model, bounded.answer.ids, bounded.answer.options, request.think)
            there = kept.find(key) if key and not request.fresh else None
            if there is not None:
                model.set_last(there)
                stream, key = kept.KeptStream(there), ""
        told = kept.NOTE if there is not None else ""
        notes = [*warnings, request.notice, note(request.unresolved), asked.note, told]
        turn = Turn(cell, asked.prompt, "", options=dict(request.options), think=request.think)
        value = partial(_value_of, bounded, form) if form else None
        return Prepared(
            request, place, turn, stream, view, tokens, "; ".join(filter(None, notes)), key, value
        )

    def generate(self, prepared: Prepared) -> tuple[Generation, bool]:
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
        if cut := getattr(stream, "cut", ""):
            view.remark(cut)
        guessed, right = getattr(stream, "drafted", (0, 0))
        if prepared.request.draft and not isinstance(stream, kept.KeptStream):
            view.remark(f"the draft guessed {guessed:,} tokens, {right:,} of them right")
        view.finish(generation, tokens=prepared.tokens)
        return generation, interrupted

    def _note_answer(self, prepared: Prepared, generation: Generation) -> None:
        """Note an answer: its speed, the kept answers, the conversation and the history."""
        from ..models.catalog.speed import note_speed

        request, place, turn = prepared.request, prepared.place, prepared.turn
        if generation.model.fingerprint and not isinstance(prepared.stream, kept.KeptStream):
            note_speed(generation)
        if prepared.key:
            kept.keep(prepared.key, generation)
        if generation.text and not request.raw:
            turn.answer, turn.view = generation.answer, prepared.view.id
            self._host.mark_stale(place.index + 1, self._host.conversations.commit(place, turn))
        if request.logs:
            logged = request.prompt if request.logs == "prompts" else None
            history.log(generation, logged, place.conversation.system)


def _check_labels(request: CellRequest) -> None:
    """Check the options that are about labels: none is ignored.

    Raises:
        UsageError: an option of theirs cannot be combined with another one.
    """
    other = {
        "--schema": request.schema,
        "--regex": request.regex,
        "--grammar": request.grammar,
        "--tools": request.tools,
        "--draft": request.draft,
        "--think": request.think,
    }
    stated = [flag for flag, value in other.items() if value]
    if request.choices is not None and request.decide is not None:
        stated.append("--decide")
    if request.decide is not None and request.rows is not None:
        raise UsageError("--decide and --map cannot be combined", hint="Use --choices for each question.")
    if stated and (request.choices is not None or request.decide is not None):
        flag = "--decide" if request.choices is None else "--choices"
        raise UsageError(f"{flag} and {stated[0]} cannot be combined", hint="Omit one of them.")
    if request.draft and request.rows is not None:
        raise UsageError("--map and --draft cannot be combined", hint="Omit --draft.")


def _bounded(model: LanguageModel, messages: Any, think: int | None, **arguments: Any) -> NewStream:
    """Return the stream of an answer with at most ``think`` tokens of reasoning; None: no limit, 0: none."""
    from ..models.model import Model
    from ..models.remote.model import RemoteModel

    if isinstance(model, RemoteModel):
        return model.stream(messages, **arguments)
    assert isinstance(model, Model)
    stream = model.stream(messages, thinking=False if think == 0 else None, **arguments)
    return BoundedReasoning(model, stream, think) if think else stream


def _value_of(stream: NewStream, form: Mapping[str, Any], generation: Generation) -> Any:
    """Return the value of an answer of a given form."""
    from ..models.forms import form_value

    answer = getattr(stream, "answer", None)  # a server has none
    constraint = answer.constraint if answer is not None and generation.tokens else None
    return form_value(generation, form, constraint)


def _stopped(generation: Generation) -> Interrupted:
    return Interrupted(f"stopped after {len(generation.tokens):,} tokens; the text so far is kept")
