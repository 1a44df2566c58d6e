"""A cell's text → a CellRequest. Pure: the namespace is read, nothing is loaded or shown."""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any

from ...errors import UsageError
from ...sanitize import single_line as line_of
from ...sources import catalog
from ...sources.resolve import local
from ..inspection.subcommands import NAMES, OTHER_NAMES, SUBCOMMANDS, canonical, record_named, record_pair
from ..inspection.subcommands import OPTIONS as LOOKING
from .expand import expand
from .option_parser import Option, listed, read_options


@dataclass(frozen=True, slots=True)
class CellRequest:
    """A parsed cell. Fields that are not listed are the options of that name, None where not stated.

    Attributes:
        command: "generate", "status" (``%llm`` alone), a value of COMMANDS, a key of WRITTEN, or a
            subcommand that inspects a text (inspection/subcommands.py).
        prompt: the text, its variables expanded; of "help" the command that is meant, of "tokens" on or
            off, of "rm", "use", "pull", "fit", "card" and "adapters" a name, of "search" and "models"
            the words.
        variable: the name that the answer gets in the notebook.
        conversation: None, or the conversation to continue: empty for that of the last answer.
        options: the stated fields of SamplingOptions.
        inspection_options: the stated options of a subcommand.
        record: the answer that a subcommand inspects, or two to compare; None: the prompt, or the last
            answer where that is empty.
        notice: a note on the command that a prompt may have meant.
        unresolved: notes on what looked like a variable and stayed as text.
    """

    command: str
    prompt: str = ""
    model: str | None = None
    adapter: str | None = None
    precision: str | None = None
    threads: int | None = None
    cache_mb: int | None = None
    file: str | None = None
    ignore_config: tuple[str, ...] | None = None
    anyway: bool | None = None
    system: str | None = None
    raw: bool = False
    tokens: bool = False
    quiet: bool = False
    variable: str | None = None
    conversation: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    inspection_options: dict[str, Any] = field(default_factory=dict)
    record: Any = None
    notice: str = ""
    unresolved: tuple[str, ...] = ()


def _unescape(text: str) -> str:
    return text.replace("\\n", "\n").replace("\\t", "\t")


OPTIONS = (
    Option(
        ("-m", "--model"),
        "model",
        "NAME of the catalogue, org/name on the Hub, or a path; later cells reuse it (-m default resets it)",
        sampling=False,
    ),
    Option(
        ("-a", "--adapter"),
        "adapter",
        "NAME[:strength] of an adapter (%llm adapters lists them), or the folder of a LoRA adapter",
        sampling=False,
    ),
    Option(
        ("-s", "--system"),
        "system",
        "TEXT of the system message; '' removes the model's own",
        sampling=False,
    ),
    Option(("-n", "--max-tokens"), "max_tokens", "generate at most N tokens (256)", int),
    Option(("-t", "--temperature"), "temperature", "sampling temperature T; 0 is greedy (0.7)", float),
    Option(("--top-k",), "top_k", "sample from the K most likely tokens; 0 is all (40)", int),
    Option(
        ("--top-p",),
        "top_p",
        "sample from the most likely tokens with a total probability of P (0.95)",
        float,
    ),
    Option(
        ("--min-p",),
        "min_p",
        "sample from tokens with at least P times the highest probability (0.05)",
        float,
    ),
    Option(
        ("--repetition-penalty",), "repetition_penalty", "penalty R on repeated tokens; 1 is none (1)", float
    ),
    Option(("--seed",), "seed", "seed N of the sampling; the same seed gives the same text (0)", int),
    Option(
        ("--stop",),
        "stop",
        "TEXT that ends the answer; \\n is a line break; may be repeated",
        _unescape,
        many=True,
    ),
    Option(
        ("-c", "--continue"),
        "conversation",
        "continue the last conversation, or the conversation NAME (in a line: -c=NAME)",
        sampling=False,
        optional=True,
    ),
    Option(("-o", "--out"), "variable", "store the answer in the variable VAR", sampling=False),
    Option(
        ("-p", "--precision"),
        "precision",
        "precision of the weights: auto, fp32, fp16, int8, int4 or exact",
        sampling=False,
    ),
    Option(
        ("--file",), "file", "FILE of a repository or folder that has several model files", sampling=False
    ),
    Option(
        ("--ignore-config",),
        "ignore_config",
        "load the model although its configuration field NAME is not supported; may be repeated",
        sampling=False,
        many=True,
    ),
    Option(("--threads",), "threads", "number N of threads", int, sampling=False),
    Option(
        ("--cache-mb",), "cache_mb", "N MB of memory for the KV caches of conversations", int, sampling=False
    ),
    Option(
        ("--anyway",),
        "anyway",
        "load the model although it does not fit into the free memory",
        None,
        sampling=False,
    ),
    Option(
        ("--tokens",),
        "tokens",
        "show the probability and the alternatives of every token",
        None,
        sampling=False,
    ),
    Option(
        ("--eval",),
        "evaluate",
        "evaluate any Python expression in {…} of this cell",
        None,
        sampling=False,
    ),
    Option(("--raw",), "raw", "continue the text without a chat template", None, sampling=False),
    *LOOKING,
    Option(("-q", "--quiet"), "quiet", "show no output", None, sampling=False),
    Option(("-h", "--help"), "help", "show this help", None, sampling=False),
)
LOADING = {"model", "adapter", "precision", "threads", "file", "ignore_config", "cache_mb", "anyway"}
_SAMPLING = {option.name for option in OPTIONS if option.sampling}


WRITTEN = {
    "tokens": ("%llm tokens [on|off]", "show the tokens of the last answer; on, off: of every answer"),
    "models": (
        "%llm models [WORDS]",
        "list the known models: what fits, licenses, speed; --measure times this machine",
    ),
    "card": ("%llm card [NAME]", "what the license of a model asks, and what the model costs to run"),
    "licenses": (
        "%llm licenses [FILE]",
        "the licenses of the models used in this session, or in a notebook's file",
    ),
    "rm": ("%llm rm NAME", "delete a model from the cache"),
    "use": ("%llm use NAME [-p P]", "use another model in the cells that follow"),
    "pull": ("%llm pull NAME [-p P]", "download a model and convert it, without using it"),
    "search": ("%llm search WORDS", "search the Hugging Face Hub for models, at most three words"),
    "fit": (
        "%llm fit [NAME] [-p P]",
        "estimate whether a model fits into the free memory; nothing is loaded",
    ),
    "adapters": ("%llm adapters [rm NAME]", "list the saved adapters of %%llm_tune -n NAME; rm deletes one"),
    "playground": ("%llm playground", "an interactive chat with settings and tokens"),
    "status": ("%llm status", "show the model in use, its memory and its speed"),
    "version": ("%llm version", "show the version"),
    "doctor": ("%llm doctor", "check the installation, and say how to repair it"),
}


def usage(word: str = "") -> str:
    """Describe every option in a line; or how one verb is written, with its options and an example."""
    word = COMMANDS.get(word, canonical(word))
    if word in SUBCOMMANDS:
        written, does = SUBCOMMANDS[word].usage
        own = [option for option in OPTIONS if option.name in SUBCOMMANDS[word].options]
        example = f"for example: {SUBCOMMANDS[word].example}"
        return "\n".join(
            [f"{written}  {does}", example, *(listed(own) if own else ()), "%llm --help lists everything"]
        )
    if word in WRITTEN:
        return "\n".join(["  ".join(WRITTEN[word]), "%llm --help lists everything"])
    return "\n".join(
        [
            "%%llm [options]      the cell is the prompt",
            "%llm [options] TEXT  the rest of the line is the prompt",
            "%llm                 show the model in use",
            *(f"{line:<20} {words}" for line, words in WRITTEN.values()),
            *(f"{line:<20} {words}" for line, words in (verb.usage for verb in SUBCOMMANDS.values())),
            "                     without [TEXT], a subcommand uses the last answer",
            "%%llm_tune           fine-tune the model on the rows in the cell; --help lists its options",
            "",
            *listed(OPTIONS),
        ]
    )


def parse(line: str, cell: str | None, namespace: Mapping[str, Any]) -> CellRequest:
    """Parse a magic's line and cell.

    Raises:
        UsageError: an unknown option, a value that does not fit, unbalanced quotes, no prompt.
        TemplateError: with --eval, an expression that fails.
    """
    evaluate = re.search(r"(^|\s)--eval(\s|$)", line) is not None
    left: tuple[str, ...] = ()

    def fill(text: str) -> str:
        nonlocal left
        filled, more = expand(text, namespace, evaluate=evaluate)
        left += more
        return filled

    values, rest = read_options(line, OPTIONS, whole=cell is not None, help="%llm --help", fill=fill)
    if values.pop("help", False):
        return CellRequest("help", rest if rest in _KNOWN else "")
    escaped = bool(re.search(r"(^|\s)--\s", line))
    said = ""
    request = None if escaped else _parse_inspection(values, rest, cell, namespace, fill)
    if request is not None:
        return replace(request, unresolved=left + request.unresolved)
    evaluate = values.pop("evaluate", False)
    for name in NAMES:
        if name in values:
            takes = ", ".join(f"%llm {name}" for name, verb in SUBCOMMANDS.items() if name in verb.options)
            raise UsageError(
                f"--{name} is only valid with a subcommand", hint=f"Use it with {takes or '%llm logit_lens'}."
            )
    _check_out(values)
    if cell is None and not escaped:
        request, said = _parse_command(rest, values)
        if request is not None:
            return request
    if cell is None and not rest:
        if set(values) - LOADING:
            raise UsageError(
                "the prompt is missing",
                hint="Write it after the options, or use %%llm and write it in the cell.",
            )
        return CellRequest("status", **values)
    if cell is not None and rest:
        dash = rest[0] in "\u2013\u2014\u2212"
        raise UsageError(
            f"{rest[:40]!r} is not an option",
            hint="Write two hyphens before an option: --system."
            if dash
            else "Quote a value that has blanks with \" or '."
            if any(quote in line for quote in "\u201c\u201d\u2018\u2019")
            else "Write the prompt into the cell; %llm TEXT takes one line.",
        )
    # Every cell ends with one line break that nobody wrote.
    prompt, more_left = expand(
        rest if cell is None else cell.removesuffix("\n"), namespace, evaluate=evaluate
    )
    if not prompt.strip():
        raise UsageError("the prompt is empty", hint="Write a prompt.")
    options = {name: values.pop(name) for name in list(values) if name in _SAMPLING}
    return CellRequest(
        "generate", prompt, options=options, notice=said, unresolved=left + more_left, **values
    )


# Words that are a command when they stand alone, and what they are.
COMMANDS = {
    "help": "help",
    "status": "status",
    "version": "version",
    "doctor": "doctor",
    "playground": "playground",
    "models": "models",
    "card": "card",
    "licenses": "licenses",
    "licences": "licenses",
    "adapters": "adapters",
    "list": "models",
    "ls": "models",
    "tokens": "tokens",
}
# Commands with the name of a model, and the options that they take.
_SOURCE = ("precision", "file", "ignore_config")
_NAMED = {
    "fit": _SOURCE,
    "pull": (*_SOURCE, "anyway", "quiet"),
    "use": (*_SOURCE, "anyway", "quiet", "threads", "cache_mb"),
}
_KNOWN = {**SUBCOMMANDS, **OTHER_NAMES, **COMMANDS, **WRITTEN}.keys()
_FEW = 3  # words of a line that may have been meant as a command


def options_of(verb: str) -> list[Option]:
    """List the options that a verb takes which looks inside."""
    names = {*SUBCOMMANDS[verb].options, *LOADING, "variable", "quiet", "evaluate", "help"}
    names |= _SAMPLING if SUBCOMMANDS[verb].samples else set()
    return [option for option in OPTIONS if option.name in names]


def _parse_command(rest: str, values: Mapping[str, Any]) -> tuple[CellRequest | None, str]:
    """Return a command, where the line is one; and a note, where it nearly is."""
    words = rest.split()
    if not words:
        return None, ""
    word = words[0].removesuffix("?")
    name = canonical(word)
    alone = len(words) == 1 and rest.endswith("?")
    if name in _KNOWN and (alone or words[1:] in (["--help"], ["-h"])):
        return CellRequest("help", word), ""
    near = get_close_matches(name, [*SUBCOMMANDS, *OTHER_NAMES, *COMMANDS], 1, 0.8) if word.islower() else []
    if near and near[0] != name:
        return None, f"did you mean %llm {canonical(near[0])}?"
    if word in _NAMED and (request := _parse_model_command(word, rest, values)) is not None:
        return request, ""
    if values:
        return None, ""
    if rest in COMMANDS:
        return CellRequest(COMMANDS[rest]), ""
    if rest in ("tokens on", "tokens off"):
        return CellRequest("tokens", words[1]), ""
    if rest == "search":
        raise UsageError(
            "search needs WORDS",
            hint="Write for example %llm search smollm2. To ask the model, write %llm -- search.",
        )
    if rest in ("rm", "use", "pull"):
        raise UsageError(
            f"{rest} needs the NAME of a model",
            hint=f"Run %llm models to list them. To ask the model, write %llm -- {rest}.",
        )
    if words[0] == "models" and 1 < len(words) <= _FEW + 2 and not rest.endswith("?"):
        return CellRequest("models", " ".join(words[1:])), ""
    if words[0] == "card" and len(words) == 2 and _names_a_model(words[1]):
        return CellRequest("card", words[1]), ""
    if words[0] in ("licenses", "licences") and len(words) == 2 and words[1].endswith(".ipynb"):
        return CellRequest("licenses", words[1]), ""
    if words[0] == "search" and 1 < len(words) <= _FEW + 1:
        return CellRequest("search", " ".join(words[1:])), ""
    if words[:2] == ["adapters", "rm"] and len(words) == 3:
        return CellRequest("adapters", words[2]), ""
    if words[0] == "rm" and len(words) == 2:
        return CellRequest("rm", words[1]), ""
    if word in WRITTEN and len(words) <= _FEW and not rest.endswith("?"):
        raise UsageError(
            f"%llm {word} does not take {line_of(' '.join(words[1:]))!r}",
            hint=f"Write {WRITTEN[word][0]}. To ask the model, write %llm -- {word} …",
        )
    if word in COMMANDS and len(words) <= _FEW:  # "help me", "list three cities"
        return None, f"taken as a prompt: %llm {word} takes no {line_of(' '.join(words[1:]))}"
    return None, ""


def _parse_model_command(word: str, rest: str, before: Mapping[str, Any]) -> CellRequest | None:
    """Return the request of ``fit [NAME]`` and its like with options on either side.

    None where the word begins a prompt: "%llm use fewer words from now on".

    Raises:
        UsageError: an option that the command does not take.
    """
    own = [option for option in OPTIONS if option.name in _NAMED[word]]
    arguments = rest.partition(" ")[2]
    name, _, options = arguments.strip().partition(" ")
    if name.startswith("-"):
        name, options = "", arguments
    if name and not _names_a_model(name):
        return None
    behind, text = read_options(options, own, whole=False, help=f"%llm {word} --help", fill=str)
    if text or (word != "fit" and not name):
        return None
    if odd := sorted({*before} - {option.name for option in own}):
        flag = _flag(odd[0])
        raise UsageError(
            f"%llm {word} has no option {flag}",
            hint=f"Use {', '.join(option.flags[-1] for option in own)}. "
            f"To ask the model, write %llm {flag} … -- {word} …",
        )
    return CellRequest(word, name, **before, **behind)


def _names_a_model(word: str) -> bool:
    """Return whether a word is a name as :func:`load` takes it."""
    known = word in ("default", *catalog.entries()) or "/" in word or word.endswith(".gguf")
    return known or local(word) is not None


def _flag(name: str) -> str:
    """Return how an option is written in full."""
    return next(option.flags[-1] for option in OPTIONS if option.name == name)


def _check_out(values: Mapping[str, Any]) -> None:
    out = values.get("variable")
    if out is not None and (not out.isidentifier() or keyword.iskeyword(out)):
        raise UsageError(f"{out!r} is not a valid variable name", hint="Write for example -o answer.")


def _parse_inspection(
    values: dict[str, Any],
    rest: str,
    cell: str | None,
    namespace: Mapping[str, Any],
    fill: Callable[[str], str],
) -> CellRequest | None:
    """Return a request to look inside, where the first word is such a verb.

    Raises:
        UsageError: the verb lacks something. The model is not asked in its place.
    """
    typed, _, behind = rest.partition(" ")
    first = canonical(typed)
    verb = SUBCOMMANDS.get(first)
    if verb is None:
        return None
    more, text = read_options(behind, OPTIONS, whole=cell is not None, help=f"%llm {first} --help", fill=fill)
    if more.pop("help", False):
        return CellRequest("help", first)
    values = {**values, **more}
    look = {name: values.pop(name) for name in NAMES if name in values}
    pair = record_pair(text, namespace) if first == "compare" and cell is None else None
    named = record_named(text, namespace) if cell is None else None
    if (
        pair is None
        and named is None
        and not verb.accepts(text if cell is None else cell, {**values, **look})
    ):
        raise UsageError(
            f"%llm {first} needs a text"
            if cell is None and not text
            else f"%llm {first} got arguments that it does not take",
            hint=f"Write {verb.usage[0]}, for example {verb.example}. "
            f"To ask the model, write %llm -- {typed}{' …' if text else ''}",
        )
    _check_out(values)
    if cell is not None and text:
        raise UsageError(f"{text[:40]!r} is not an option", hint="Write the text into the cell.")
    if odd := sorted({*look, *values} - {option.name for option in options_of(first)}):
        flag = _flag(odd[0])
        takes = ", ".join(option.flags[-1] for option in OPTIONS if option.name in verb.options)
        takes = takes or "no options of its own"
        raise UsageError(
            f"%llm {first} has no option {flag}",
            hint=f"Use {takes}. To ask the model, write %llm {flag} … -- {typed} …",
        )
    record = pair or named
    evaluate = values.pop("evaluate", False)
    prompt, left = expand(text if cell is None else cell.removesuffix("\n"), namespace, evaluate=evaluate)
    options = {name: values.pop(name) for name in list(values) if name in _SAMPLING}
    known = {name: values[name] for name in (*LOADING, "quiet", "variable") if name in values}
    return CellRequest(
        first, prompt, options=options, inspection_options=look, record=record, unresolved=left, **known
    )
