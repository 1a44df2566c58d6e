"""``%%llm`` and ``%llm``: parse, answer, show."""

from __future__ import annotations

from collections import ChainMap
from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand

from .. import __version__
from ..clean import line as one_line
from ..clean import say
from ..errors import Interrupted, LLMMagicsError, UsageError
from ..sources import catalog
from ..sources.names import local
from .cell import LOADING, CellRequest, parse, usage
from .conversations import Conversations, Turn
from .expand import note
from .host import PlaygroundView, caller, cell_of, value_is_used
from .inside.show import Making
from .inside.verbs import VERBS
from .orders import Orders
from .show import view_for

if TYPE_CHECKING:
    from ..core.records import Generation, ModelInfo
    from ..engine.base import Engine
    from ..models.model import Model
    from ..views.picture import Picture
    from .playground.playground import Playground

LONG_PROMPT = 500  # tokens; reading them takes about a second


@magics_class
class LLMMagics(Magics):
    """Keeps the newest model, which the next cell goes on with, and the conversations."""

    shell: Any

    def __init__(self, shell: Any) -> None:
        super().__init__(shell)
        self._conversations = Conversations()
        self.playgrounds: dict[str, Playground] = {}  # by the cell that shows it
        self.orders = Orders(self)
        self.lives = self.orders.lives
        self._tokens_on = False  # whether every answer is shown as its tokens
        self._variant: Model | None = None  # the model with the adapter of the last answer
        self._model: Model | None = None  # the newest alone: another one gives its memory back
        self._asked: dict[str, Any] = {}  # how it was asked for

    # IPython would expand {…} and $… in the line by itself: expansion happens once, in cell.py.
    @no_var_expand
    @line_cell_magic
    def llm(self, line: str, cell: str | None = None) -> Generation | Picture | None:
        """An open model answers: %%llm and a cell, or %llm TEXT. %llm --help lists the options.

        Returns:
            The answer, or what a verb shows, where the calling code takes it: ``a = %llm …``.
        """
        frame = caller()
        used = value_is_used(frame)
        # As in Python: a function's own variables, and a script's, go before those of the notebook.
        namespace = ChainMap(dict(frame.f_locals) if frame else {}, self.shell.user_ns)
        del frame
        made: Generation | Picture | None = None
        try:
            request = parse(line, cell, namespace)
            if request.verb == "help":
                say(usage(request.prompt))
            elif request.verb == "version":
                say(__version__)
            elif request.verb == "tokens":
                self._tokens(request.prompt)
            elif request.verb == "playground":
                from IPython.display import display

                if getattr(self.shell, "kernel", None) is None:
                    raise UsageError("a playground needs a notebook", hint="run it in JupyterLab")
                display(self.playground())  # type: ignore[no-untyped-call]  # IPython has no types for it
            elif request.verb == "status":
                say(self._status(request))
            elif request.verb in ("models", "rm"):
                from ..sources import listing

                say(listing.listing() if request.verb == "models" else listing.remove(request.prompt))
            elif request.verb == "adapters":
                from ..sources import adapters

                say(adapters.remove(request.prompt) if request.prompt else adapters.listing())
            elif request.verb in VERBS:
                made = self._look(request)
            else:
                made = self._answer(request)
        except (LLMMagicsError, Interrupted) as error:
            # IPython keeps the last traceback, and with its frames a model that should be gone.
            error.__cause__ = error.__context__ = None
            raise error.with_traceback(None) from None
        return made if used else None

    def _answer(self, request: CellRequest) -> Generation:
        from ..core.options import sampling_options

        sampling_options(request.options)  # a wrong option is said before a model is fetched for it
        cell = cell_of(self.shell)
        if request.raw and request.follow is not None:
            raise UsageError("--raw has no conversation to go on with", hint="leave out --raw, or -c")
        place = (
            self._conversations.begin(cell, request.system)
            if request.follow is None
            else self._conversations.follow(request.follow, cell, request.system)
        )
        tokens = request.tokens or self._tokens_on
        view = view_for(self.shell, self.lives, quiet=request.quiet, tokens=tokens, conversation=place.shown)
        warnings: list[str] = []
        try:
            with view.loading(warnings):
                model = self._load(request)
        except KeyboardInterrupt:
            raise Interrupted("stopped before the model was loaded") from None
        prompt = place.messages(request.prompt) if place.index else request.prompt
        stream = model.stream(prompt, system=place.conversation.system, raw=request.raw, **request.options)
        interrupted = False
        try:
            view.begin(stream, "; ".join(filter(None, [*warnings, request.said, note(request.left)])))
            if (length := stream.generation.timing.prompt_tokens) > LONG_PROMPT:
                view.status(f"reading {length:,} tokens …")
            for token in stream:
                view.add(token)
        except KeyboardInterrupt:
            stream.close()
            interrupted = True
        generation = stream.generation
        view.finish(generation, tokens=tokens)
        if generation.text and not request.raw:
            turn = Turn(cell, request.prompt, generation.text, view.id)
            self._mark_stale(place.index + 1, self._conversations.keep(place, turn))
        if request.out:
            self.shell.user_ns[request.out] = generation
        if interrupted:
            # The cell fails, so that "Run All" stops here too.
            raise Interrupted(f"stopped after {len(generation.tokens):,} tokens; the text so far is kept")
        return generation

    def _look(self, request: CellRequest) -> Picture:
        """Look inside: at a text, at an answer that a variable holds, or at the last one."""
        making = Making(self.shell, quiet=request.quiet)
        with making.telling():
            look = {**request.look, **request.options}
            if isinstance(request.record, tuple):
                from ..models.beside import compare

                return self._looked(making, compare(*request.record), request)
            if request.verb == "compare":
                model, look["other"] = self._pair(request)
            else:
                model = self._load(request)
            text = request.record or request.prompt or model.last
            if text is None:
                raise UsageError(
                    f"there is nothing for {request.verb} to look at",
                    hint=f"for example: {VERBS[request.verb].example}",
                )
            try:
                picture = VERBS[request.verb].make(model, text, look)
            except KeyboardInterrupt:
                raise Interrupted("stopped; nothing is kept") from None
        return self._looked(making, picture, request)

    def _looked(self, making: Making, picture: Picture, request: CellRequest) -> Picture:
        making.finish(picture, note(request.left))
        if request.out:
            self.shell.user_ns[request.out] = picture
        return picture

    def _pair(self, request: CellRequest) -> tuple[Model, Model]:
        """The model in use, which stays it, and the one that the options name."""
        import llm_magics

        model = self._variant or self._model or self.use()
        asked = self._asking(
            request.model,
            precision=request.precision,
            threads=request.threads,
            file=request.file,
            ignore_config=request.ignore_config,
        )
        other = llm_magics.load(**asked)
        return model, other if request.adapter is None else self._with_adapter(other, request.adapter)

    def _tokens(self, switch: str) -> None:
        """Show the last answer's tokens, or switch it on or off for all that follow."""
        if switch:
            self._tokens_on = switch == "on"
            say("Every answer is shown as its tokens." if self._tokens_on else "Answers are shown as text.")
            return
        newest = self._variant or self._model
        last = newest.last if newest else None
        if last is None:
            raise UsageError("there is no answer yet", hint="ask something first: %llm Why is the sky blue?")
        view_for(self.shell, self.lives, quiet=False).finish(last, tokens=True)

    def forget(self) -> None:
        """Let go of the model."""
        if self._model is not None:
            from ..models.load import give_back_memory

            self._model = self._variant = None
            self._asked = {}
            give_back_memory()

    def model_of(self, info: ModelInfo) -> Model:
        """The model for what a view asks: the one that is loaded, else the default model if it is that.

        Raises:
            UsageError: it is another one. A notebook's file may name any, and is not asked to fetch it.
        """
        if self._model is None:
            if info.name != catalog.find().name:
                name = one_line(info.name)
                raise UsageError(f"{name} is not loaded", hint=f"run %llm -m {name} in a cell first")
            self.use()
        assert self._model is not None
        return self._model.variant(info.fingerprint) or self._model

    def _mark_stale(self, number: int, later: list[Turn]) -> None:
        """Tell the views of these turns that turn ``number`` is another one now."""
        for turn in later:
            if turn.view:
                self.lives.channel.send({"do": "stale", "id": turn.view, "turn": number})

    def grown(self, view: str, before: Generation, after: Generation) -> None:
        """Take an answer that a view went on with into its conversation, and into its variable."""
        self._mark_stale(*self._conversations.lengthen(view, before.text, after.text))
        for name, value in list(self.shell.user_ns.items()):
            if isinstance(value, type(before)) and _same_answer(value, before):
                self.shell.user_ns[name] = after

    @property
    def loaded(self) -> Model | None:
        """The model in use."""
        return self._model

    def use(
        self,
        name: str | None = None,
        *,
        precision: str | None = None,
        threads: int | None = None,
        file: str | None = None,
        ignore_config: tuple[str, ...] | None = None,
        cache_mb: int | None = None,
    ) -> Model:
        """Load a model, or have it already; an earlier one gives its memory back.

        What is not named stays as it is in the model in use: a cell with no options goes on with that, one
        with a precision has that model in it. "default" is the default model.
        """
        import llm_magics

        before = self._model
        given = {"precision": precision, "threads": threads, "file": file, "ignore_config": ignore_config}
        if before is not None and {name, cache_mb, *given.values()} == {None}:
            return before
        asked = self._asking(name, **given)
        model = llm_magics.load(**asked, cache_mb=cache_mb)
        if before is not None and before is not model:
            del before
            self.forget()
        self._model, self._asked = model, asked
        return model

    def _asking(self, name: str | None, **given: Any) -> dict[str, Any]:
        """What to load: what is not given is as it was asked for of the model in use, where none is named."""
        asked = {option: value for option, value in given.items() if value is not None}
        if name is None:
            return {**self._asked, **asked}
        if name == "default":
            return asked
        path = None if name in catalog.entries() else local(name)
        return {**asked, "name": name if path is None else str(path.resolve())}  # wherever the next cell runs

    def playground(self, model: str | None = None) -> PlaygroundView:
        """A playground that shares the model with the cells."""
        return PlaygroundView(self, model)

    def _load(self, request: CellRequest) -> Model:
        model = self.use(
            request.model,
            precision=request.precision,
            threads=request.threads,
            file=request.file,
            ignore_config=request.ignore_config,
            cache_mb=request.cache_mb,
        )
        if request.adapter is None:
            self._variant = None
            return model
        self._variant = self._with_adapter(model, request.adapter)
        return self._variant

    def _with_adapter(self, model: Model, given: str) -> Model:
        """The model with an adapter: a variable that holds a run or an adapter, else a folder.

        Raises:
            UsageError: there is none of that name.
        """
        from ..models.adapter import Adapter, with_strength

        name, strength = with_strength(given)
        found = self.shell.user_ns.get(name) if name.isidentifier() else None
        adapter = found if isinstance(found, Adapter) else getattr(found, "adapter", None)
        if isinstance(adapter, Adapter):
            return model.with_adapter(adapter, strength, name=name)
        return model.with_adapter(name, strength)

    def _status(self, request: CellRequest) -> str:
        named = {getattr(request, option) for option in LOADING}
        model = self._model if named == {None} else self._load(request)
        if model is None:
            entry = catalog.find()
            return (
                f"No model is loaded yet. The first %%llm loads {entry.name}\n"
                f"({entry.title}, {entry.size_bytes / 1e6:.0f} MB to fetch once, licence {entry.licence})."
            )
        last = model.last
        rows = {
            "model": model.name,
            "revision": f"{model.info.revision}, fingerprint {model.info.fingerprint[:12]}…",
            "licence": model.info.licence,
            "precision": model.info.precision,
            "fidelity": str(model.fidelity or "not measured yet: Model.measure_fidelity() does it"),
            "context": f"{model.context_length:,} tokens",
            "memory": f"{model.weights_bytes / 1e6:,.0f} MB weights, {_caches(model)}",
            "speed": f"{last.timing.decode_tokens_per_s:.0f} tokens/s, first after "
            f"{last.timing.first_token_s * 1000:.0f} ms"
            if last and last.tokens
            else "nothing generated yet",
            "threads": _threads(model.engine),
            "conversations": f"{self._conversations}; -c goes on with one",
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
    """The threads of the engine, beside the cores that there are."""
    from ..models.load import physical_cores

    count = getattr(engine, "threads", 0)
    cores = physical_cores()
    return f"{count or cores} of {cores} core{'s' * (cores != 1)}" + (
        " (more than there are: slower; --threads sets it)" if count > cores else " (--threads sets it)"
    )


def _caches(model: Model) -> str:
    pool = model.pool
    count = f"{pool.count} KV cache{'s' if pool.count != 1 else ''}"
    return f"{pool.nbytes / 1e6:,.0f} MB in {count} of at most {pool.budget / 1e6:,.0f} MB (--cache-mb)"
