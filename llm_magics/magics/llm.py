"""``%%llm`` and ``%llm``: parse, answer, show."""

from __future__ import annotations

from collections import ChainMap
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand

from .. import __version__, doctor
from ..errors import Interrupted, LLMMagicsError, UsageError
from ..sanitize import safe_print
from ..sanitize import single_line as one_line
from ..sources import catalog
from .commands import CommandRouter
from .conversations import Conversations, Turn
from .inspection.output import ProgressOutput
from .inspection.subcommands import SUBCOMMANDS
from .output import view_for
from .parsing.expand import note
from .parsing.request import LOADING, CellRequest, parse, usage
from .playground_view import PlaygroundView, caller, cell_of, value_is_used
from .session import ModelSession

if TYPE_CHECKING:
    from ..core.records import Generation
    from ..engine.base import Engine
    from ..models.model import Model
    from ..views.inspection_record import InspectionRecord
    from .playground.playground import Playground

LONG_PROMPT = 500  # tokens; reading them takes about a second


@magics_class
class LLMMagics(Magics):
    """Run the cells of ``%%llm``; keep the model and the conversations."""

    shell: Any

    def __init__(self, shell: Any) -> None:
        super().__init__(shell)
        self.conversations = Conversations()
        self.playgrounds: dict[str, Playground] = {}  # by the cell that shows it
        self.models = ModelSession(lambda: self.shell.user_ns)
        self.commands = CommandRouter(self.models, self.answer_extended)
        self.streams = self.commands.streams
        self._tokens_on = False  # whether every answer is shown as its tokens

    # IPython would expand {…} and $… in the line by itself: expansion happens once, in cell.py.
    @no_var_expand
    @line_cell_magic
    def llm(self, line: str, cell: str | None = None) -> Generation | InspectionRecord | None:
        """Run an open language model: %%llm and a cell, or %llm TEXT. %llm --help lists the options.

        Returns:
            The answer, or what a verb shows, where the calling code takes it: ``a = %llm …``.
        """
        frame = caller()
        used = value_is_used(frame)
        # As in Python: a function's own variables, and a script's, go before those of the notebook.
        namespace = ChainMap(dict(frame.f_locals) if frame else {}, self.shell.user_ns)
        del frame
        output: Generation | InspectionRecord | None = None
        try:
            request = parse(line, cell, namespace)
            if request.command == "help":
                safe_print(usage(request.prompt))
            elif request.command == "version":
                safe_print(__version__)
            elif request.command == "doctor":
                safe_print(doctor.report(doctor.run_checks()))
            elif request.command == "tokens":
                self._tokens(request.prompt)
            elif request.command == "playground":
                from IPython.display import display

                if getattr(self.shell, "kernel", None) is None:
                    raise UsageError("a playground needs a notebook", hint="Run it in JupyterLab.")
                display(self.playground())  # type: ignore[no-untyped-call]  # IPython has no types for it
            elif request.command == "status":
                safe_print(self._status(request))
            elif request.command in ("models", "card"):
                output = self._show_catalog(request)
            elif request.command == "licenses":
                safe_print(self._licenses(request.prompt))
            elif request.command == "rm":
                from ..sources import cache_admin

                safe_print(cache_admin.remove(request.prompt))
            elif request.command == "search":
                from ..models.catalog import hub_search

                safe_print(hub_search.listing(request.prompt))
            elif request.command == "fit":
                safe_print(str(self.models.fit(request)))
            elif request.command in ("use", "pull"):
                self._fetch(request)
            elif request.command == "adapters":
                from ..sources import adapters

                safe_print(adapters.delete(request.prompt) if request.prompt else adapters.listing())
            elif request.command in SUBCOMMANDS:
                output = self._inspect(request)
            else:
                output = self._answer(request)
        except (LLMMagicsError, Interrupted) as error:
            # IPython keeps the last traceback, and with its frames a model that should be gone.
            error.__cause__ = error.__context__ = None
            raise error.with_traceback(None) from None
        return output if used else None

    def _answer(self, request: CellRequest) -> Generation:
        from ..core.options import sampling_options

        sampling_options(request.options)  # a wrong option is said before a model is fetched for it
        cell = cell_of(self.shell)
        if request.raw and request.conversation is not None:
            raise UsageError("--raw and -c cannot be combined", hint="Omit one of them.")
        place = (
            self.conversations.begin(cell, request.system)
            if request.conversation is None
            else self.conversations.resume(request.conversation, cell, request.system)
        )
        tokens = request.tokens or self._tokens_on
        view = view_for(
            self.shell, self.streams, quiet=request.quiet, tokens=tokens, conversation=place.label
        )
        from ..models.catalog.speed import note_speed

        warnings: list[str] = []
        try:
            with view.loading(warnings):
                model = self.models.use_for(request)
        except KeyboardInterrupt:
            raise Interrupted("stopped before the model was loaded") from None
        prompt = place.messages(request.prompt) if place.index else request.prompt
        stream = model.stream(prompt, system=place.conversation.system, raw=request.raw, **request.options)
        interrupted = False
        try:
            view.begin(stream, "; ".join(filter(None, [*warnings, request.notice, note(request.unresolved)])))
            if (length := stream.generation.timing.prompt_tokens) > LONG_PROMPT:
                view.status(f"reading {length:,} tokens …")
            for token in stream:
                view.add(token)
        except KeyboardInterrupt:
            stream.close()
            interrupted = True
        generation = stream.generation
        view.finish(generation, tokens=tokens)
        note_speed(generation)
        if generation.text and not request.raw:
            turn = Turn(cell, request.prompt, generation.text, view.id)
            self._mark_stale(place.index + 1, self.conversations.commit(place, turn))
        if request.variable:
            self.shell.user_ns[request.variable] = generation
        if interrupted:
            # The cell fails, so that "Run All" stops here too.
            raise Interrupted(f"stopped after {len(generation.tokens):,} tokens; the text so far is kept")
        return generation

    def _inspect(self, request: CellRequest) -> InspectionRecord:
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

    def _fetch(self, request: CellRequest) -> None:
        """Load the model that a line names: to use it, or to have it on the disk."""
        output = ProgressOutput(self.shell, quiet=request.quiet)
        named = replace(request, model=request.prompt)
        try:
            with output.capture_progress():
                model = self.models.use_for(named) if request.command == "use" else self.models.fetch(named)
        except KeyboardInterrupt:
            raise Interrupted("stopped; what was downloaded is kept") from None
        verb = "in use" if request.command == "use" else "ready"
        output.show_text(
            f"{one_line(model.name)} is {verb}: {model.info.precision}, "
            f"{model.weights_bytes / 1e6:,.0f} MB, {model.context_length:,} tokens of context, "
            f"licence {one_line(model.info.license)}"
        )

    def _show_catalog(self, request: CellRequest) -> InspectionRecord:
        """Show the models that have a name, or the card of one."""
        from ..models.catalog.card import card
        from ..models.catalog.model_table import list_models

        making, loaded = ProgressOutput(self.shell, quiet=False), self.models.loaded
        with making.capture_progress():
            if request.command == "card":
                own = loaded if loaded and not request.prompt else None
                record: InspectionRecord = own.card() if own else card(request.prompt or None)
            else:
                words = [word for word in request.prompt.split() if word != "--measure"]
                record = list_models(
                    " ".join(words),
                    measure="--measure" in request.prompt.split(),
                    in_use=loaded.name if loaded else "",
                )
        making.show_result(record, "")
        return record

    def _licenses(self, path: str) -> str:
        """Return the licenses of a notebook's file, or of the models that this session used."""
        from ..models.catalog import notebook_licenses as licenses

        if path:
            return licenses.licenses(path)
        loaded = self.models.loaded
        used = {**self.models.used, **({loaded.name: loaded.info.license} if loaded else {})}
        if not used:
            raise UsageError(
                "no model was used in this session",
                hint="Write the name of a notebook: %llm licenses FILE.ipynb.",
            )
        return licenses.joined(used)

    def _tokens(self, switch: str) -> None:
        """Show the last answer's tokens, or switch it on or off for all that follow."""
        if switch:
            self._tokens_on = switch == "on"
            safe_print(
                "Every answer is shown as its tokens." if self._tokens_on else "Answers are shown as text."
            )
            return
        newest = self.models.active
        last = newest.last if newest else None
        if last is None:
            raise UsageError("there is no answer yet", hint="Ask something first: %llm Why is the sky blue?")
        view_for(self.shell, self.streams, quiet=False).finish(last, tokens=True)

    def _mark_stale(self, number: int, later: list[Turn]) -> None:
        """Tell the views of these turns that turn ``number`` is another one now."""
        for turn in later:
            if turn.view:
                self.streams.channel.send({"type": "stale", "id": turn.view, "turn": number})

    def answer_extended(self, view: str, before: Generation, after: Generation) -> None:
        """Replace an answer of a conversation by its extended version."""
        self._mark_stale(*self.conversations.lengthen(view, before.text, after.text))
        for name, value in list(self.shell.user_ns.items()):
            if isinstance(value, type(before)) and _same_answer(value, before):
                self.shell.user_ns[name] = after

    def playground(self, model: str | None = None) -> PlaygroundView:
        """Return a playground that shares the model with the cells."""
        return PlaygroundView(self, model)

    def _status(self, request: CellRequest) -> str:
        named = {getattr(request, option) for option in LOADING}
        model = self.models.loaded if named == {None} else self.models.use_for(request)
        if model is None:
            entry = catalog.find()
            return (
                f"No model is loaded yet. The first %%llm loads {entry.name}\n"
                f"({entry.title}, {entry.size_bytes / 1e6:.0f} MB to fetch once, licence {entry.license})."
            )
        last = model.last
        rows = {
            "model": model.name,
            "revision": f"{model.info.revision}, fingerprint {model.info.fingerprint[:12]}…",
            "licence": model.info.license,
            "precision": model.info.precision,
            "fidelity": str(model.fidelity or "not measured yet: Model.measure_fidelity() does it"),
            "context": f"{model.context_length:,} tokens",
            "memory": f"{model.weights_bytes / 1e6:,.0f} MB weights, {_caches(model)}",
            "speed": f"{last.timing.decode_tokens_per_s:.0f} tokens/s, first after "
            f"{last.timing.first_token_s * 1000:.0f} ms"
            if last and last.tokens
            else "nothing generated yet",
            "threads": _threads(model.engine),
            "conversations": f"{self.conversations}; -c goes on with one",
        }
        return "\n".join(f"{name:<13} {one_line(value)}" for name, value in rows.items())


# What IPython shows for %llm? and behind Shift-Tab.
LLMMagics.llm.__doc__ = f"{LLMMagics.llm.__doc__}\n\n{usage()}"


def _same_answer(one: Generation, other: Generation) -> bool:
    """Return whether both are the same tokens of the same request; what a notebook keeps is rounded."""

    def key(answer: Generation) -> object:
        ids = [token.id for token in answer.tokens]
        return answer.prompt_ids, answer.options, answer.model.fingerprint, ids

    return key(one) == key(other)


def _threads(engine: Engine) -> str:
    """Return the threads of the engine, next to the cores that there are."""
    from ..models.loading.load import physical_cores

    count = getattr(engine, "threads", 0)
    cores = physical_cores()
    return f"{count or cores} of {cores} core{'s' * (cores != 1)}" + (
        " (more than there are: slower; --threads sets it)" if count > cores else " (--threads sets it)"
    )


def _caches(model: Model) -> str:
    pool = model.pool
    count = f"{pool.count} KV cache{'s' if pool.count != 1 else ''}"
    return f"{pool.nbytes / 1e6:,.0f} MB in {count} of at most {pool.budget / 1e6:,.0f} MB (--cache-mb)"
