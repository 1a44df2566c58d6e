"""What a subcommand is, and the ways in which their lines are read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ...errors import UsageError
from ...sources import catalog
from ...sources.resolve import local
from ..parsing.cell_request import CellRequest
from ..parsing.option_parser import Option, read_options
from ..parsing.options import OPTIONS, flag_of

if TYPE_CHECKING:
    from ...core.records import Generation
    from ...serving.server import ModelServer
    from ..answers.background import BackgroundAnswer
    from ..context.cell_log import CellLog
    from ..context.composition import Composition
    from ..conversations import Conversations, Turn, TurnPosition
    from ..ghost.commands import GhostCommands
    from ..panel.jobs import JobList
    from ..session import ModelSession
    from ..settings import Settings
    from ..stream_sender import ActiveStreams


class CommandHost(Protocol):
    """What subcommands use of the magics of a notebook.

    Attributes:
        shell: IPython's shell.
        models: the model in use.
        conversations: those of this kernel.
        streams: the answers that views follow.
        tokens_on: whether every answer is shown as its tokens.
        ghost: suggestions at the cursor.
        running: what runs now, for the panel of models.
        log: the cells of the session.
        composition: the parts of the last prompt, or None.
        jobs: the answers that are generated in the background.
        server: of %llm serve, or None.
    """

    shell: Any
    models: ModelSession
    conversations: Conversations
    streams: ActiveStreams
    ghost: GhostCommands
    running: JobList
    tokens_on: bool
    log: CellLog
    composition: Composition | None
    jobs: list[BackgroundAnswer]
    server: ModelServer | None

    @property
    def settings(self) -> Settings: ...
    def playground(self, model: str | None = None) -> Any: ...
    def inspect(self, request: CellRequest) -> Any: ...
    def mark_stale(self, number: int, later: list[Turn]) -> None: ...
    def answer_again(self, place: TurnPosition, turn: Turn) -> str: ...
    def ask(self, request: CellRequest, prompt: str, system: str | None) -> Generation: ...


@dataclass(frozen=True, slots=True)
class CommandLine:
    """What stands behind ``%llm``, where the first word names a subcommand.

    Attributes:
        name: of the subcommand.
        typed: the word as it was typed.
        words: those behind it.
        text: all that stands behind the first word, as it stands.
        before: the options before the first word, by name.
    """

    name: str
    typed: str
    words: tuple[str, ...]
    text: str
    before: dict[str, Any]


Parse = Callable[[CommandLine], CellRequest | None]


def alone(line: CommandLine) -> CellRequest | None:
    """Read a subcommand without arguments."""
    return None if line.words or line.before else CellRequest(line.name)


@dataclass(frozen=True, slots=True)
class Subcommand:
    """One subcommand.

    Attributes:
        usage: how it is written.
        help: what it does, in one sentence.
        run: does it. What it returns is the value of the line: ``x = %llm …``.
        parse: reads the line; None where the line is a prompt.
        options: the names of the options that it takes.
        example: a line that works.
        details: further sentences of its help.
        strict: a line that begins with this word and does not fit is an error. Words with which prompts
            begin are not strict: such a line is a prompt.
        needs: what it needs, where it cannot stand alone; empty where it can.
    """

    usage: str
    help: str
    run: Callable[[CommandHost, CellRequest], Any]
    parse: Parse = alone
    options: tuple[str, ...] = ()
    example: str = ""
    details: str = ""
    strict: bool = True
    needs: str = ""


def words_up_to(most: int, least: int = 0, *, ends: str = "") -> Parse:
    """Read at most so many words, as one text; ``ends``: what the last one ends in."""

    def parse(line: CommandLine) -> CellRequest | None:
        if line.before or not least <= len(line.words) <= most:
            return None
        if ends and line.words and not line.words[-1].endswith(ends):
            return None
        return CellRequest(line.name, " ".join(line.words))

    return parse


def one_of(*allowed: str) -> Parse:
    """Read nothing, or one of these words."""

    def parse(line: CommandLine) -> CellRequest | None:
        fits = not line.before and (not line.words or (len(line.words) == 1 and line.words[0] in allowed))
        return CellRequest(line.name, " ".join(line.words)) if fits else None

    return parse


def number_needed(line: CommandLine) -> CellRequest | None:
    """Read a whole number."""
    fits = not line.before and len(line.words) == 1 and line.words[0].isdecimal()
    return CellRequest(line.name, line.words[0]) if fits else None


def model_name(*, optional: bool, options: tuple[str, ...] = ()) -> Parse:
    """Read the name of a model, with options on either side.

    A line that does not fit is a prompt: "%llm use fewer words from now on".
    """

    def parse(line: CommandLine) -> CellRequest | None:
        own: list[Option] = [option for option in OPTIONS if option.name in options]
        name, _, behind = line.text.strip().partition(" ")
        if name.startswith("-"):
            name, behind = "", line.text
        if name and not names_a_model(name):
            return None
        after, text = read_options(behind, own, whole=False, help=f"%llm {line.name} --help", fill=str)
        if text or not (name or optional):
            return None
        if odd := sorted({*line.before} - {option.name for option in own}):
            flag = flag_of(odd[0])
            raise UsageError(
                f"%llm {line.name} has no option {flag}",
                hint=f"Use {', '.join(option.flags[-1] for option in own)}. "
                f"To ask the model, write %llm {flag} … -- {line.typed} …",
            )
        return CellRequest(line.name, name, **line.before, **after)

    return parse


def names_a_model(word: str) -> bool:
    """Return whether a word is a name as :func:`load` takes it."""
    known = word in ("default", *catalog.entries()) or "/" in word or word.endswith(".gguf")
    return known or local(word) is not None
