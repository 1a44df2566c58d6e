"""A cell's text → a CellRequest. Pure: the namespace is read, nothing is loaded or shown."""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any

from ..clean import line as line_of
from ..errors import UsageError
from .expand import expand
from .inside.verbs import NAMES, VERBS, pair_in, record_in
from .inside.verbs import OPTIONS as LOOKING
from .line import Option, listed, read_options


@dataclass(frozen=True, slots=True)
class CellRequest:
    """What a cell asks for.

    Attributes:
        verb: "generate", "status" (``%llm`` alone), "help", "playground", "models", "adapters", "rm",
            "tokens" (``%llm tokens [on|off]``, in the prompt), or one of those that look inside
            (inside/verbs.py).
        prompt: the text, its variables expanded; of "help" the verb that is meant.
        options: fields of SamplingOptions that were given.
        follow: None, or the conversation to go on with: empty for that of the last answer.
        look: the options of a verb that looks inside.
        record: the answer that it looks at, or two to compare; None: the prompt, or the last answer where
            that is empty.
        said: a note on the verb that a prompt may have meant.
        left: notes on what looked like a variable and stayed as text.
    """

    verb: str
    prompt: str = ""
    model: str | None = None
    adapter: str | None = None
    precision: str | None = None
    threads: int | None = None
    cache_mb: int | None = None
    file: str | None = None
    ignore_config: tuple[str, ...] | None = None
    system: str | None = None
    raw: bool = False
    tokens: bool = False
    quiet: bool = False
    out: str | None = None
    follow: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    look: dict[str, Any] = field(default_factory=dict)
    record: Any = None
    said: str = ""
    left: tuple[str, ...] = ()


def _unescape(text: str) -> str:
    return text.replace("\\n", "\n").replace("\\t", "\t")


OPTIONS = (
    Option(
        ("-m", "--model"),
        "model",
        "NAME of a model, org/name on the Hub, or a path; it stays in use (-m default goes back)",
        sampling=False,
    ),
    Option(
        ("-a", "--adapter"),
        "adapter",
        "NAME[:strength] of what %%llm_tune made (%llm adapters lists it), or the folder of a LoRA adapter",
        sampling=False,
    ),
    Option(
        ("-s", "--system"),
        "system",
        "TEXT of the system message; '' takes the model's own away",
        sampling=False,
    ),
    Option(("-n", "--max-tokens"), "max_tokens", "at most N new tokens (256)", int),
    Option(("-t", "--temperature"), "temperature", "0 is greedy; higher is more varied (0.7)", float),
    Option(("--top-k",), "top_k", "keep the K likeliest tokens; 0 keeps all (40)", int),
    Option(("--top-p",), "top_p", "keep the likeliest that together have probability P (0.95)", float),
    Option(("--min-p",), "min_p", "keep tokens of at least P times the best one's probability (0.05)", float),
    Option(("--repetition-penalty",), "repetition_penalty", "above 1 discourages repeating (1)", float),
    Option(("--seed",), "seed", "the same seed gives the same text (0)", int),
    Option(
        ("--stop",),
        "stop",
        "TEXT that ends the answer; \\n is a line break; may be given more than once",
        _unescape,
        many=True,
    ),
    Option(
        ("-c", "--continue"),
        "follow",
        "go on with the last answer's conversation, or with the conversation NAME (in a line: -c=NAME)",
        sampling=False,
        optional=True,
    ),
    Option(("-o", "--out"), "out", "VAR that takes the Generation", sampling=False),
    Option(("-p", "--precision"), "precision", "auto, fp32, fp16, int8, int4 or exact", sampling=False),
    Option(("--file",), "file", "which FILE of a repository or folder that has several", sampling=False),
    Option(
        ("--ignore-config",),
        "ignore_config",
        "let the field NAME of a model's configuration pass unused; may be given more than once",
        sampling=False,
        many=True,
    ),
    Option(("--threads",), "threads", "N threads for the engine", int, sampling=False),
    Option(("--cache-mb",), "cache_mb", "N MB that conversations may keep in memory", int, sampling=False),
    Option(
        ("--tokens",),
        "tokens",
        "show how likely each token was, and what the model would rather have said",
        None,
        sampling=False,
    ),
    Option(
        ("--eval",),
        "evaluate",
        "let {…} be any expression in this cell; it is run",
        None,
        sampling=False,
    ),
    Option(("--raw",), "raw", "continue the text, with no chat template", None, sampling=False),
    *LOOKING,
    Option(("-q", "--quiet"), "quiet", "show nothing", None, sampling=False),
    Option(("-h", "--help"), "help", "show this", None, sampling=False),
)
LOADING = {"model", "adapter", "precision", "threads", "file", "ignore_config", "cache_mb"}
_SAMPLING = {option.name for option in OPTIONS if option.sampling}


_WRITTEN = {
    "tokens": ("%llm tokens [on|off]", "the last answer's tokens; on or off: show those of every answer"),
    "models": ("%llm models", "what is known by name, and what takes room in the cache"),
    "rm": ("%llm rm NAME", "remove what was converted of a model"),
    "adapters": ("%llm adapters [rm NAME]", "what %%llm_tune -n NAME kept on the disk; rm removes it"),
    "playground": ("%llm playground", "a place to try: a conversation, its settings, its tokens"),
    "status": ("%llm status", "the model in use, its memory and its speed"),
    "version": ("%llm version", "the version of the extension"),
}


def usage(word: str = "") -> str:
    """Describe every option in a line; or how one verb is written, with its options and an example."""
    word = _COMMANDS.get(word, word)
    if word in VERBS:
        written, does = VERBS[word].line
        own = [option for option in OPTIONS if option.name in VERBS[word].options]
        example = f"for example: {VERBS[word].example}"
        return "\n".join(
            [f"{written}  {does}", example, *(listed(own) if own else ()), "%llm --help lists everything"]
        )
    if word in _WRITTEN:
        return "\n".join(["  ".join(_WRITTEN[word]), "%llm --help lists everything"])
    return "\n".join(
        [
            "%%llm [options]      the cell is the prompt",
            "%llm [options] TEXT  the rest of the line is",
            "%llm                 the model in use",
            *(f"{line:<20} {words}" for line, words in _WRITTEN.values()),
            *(f"{line:<20} {words}" for line, words in (verb.line for verb in VERBS.values())),
            "                     where a verb has [TEXT], none is the last answer",
            "%%llm_tune           teach it with the rows in the cell, and see before and after: --help",
            "",
            *listed(OPTIONS),
        ]
    )


def parse(line: str, cell: str | None, namespace: Mapping[str, Any]) -> CellRequest:
    """Understand a magic's line and cell.

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
    request = None if escaped else _looking(values, rest, cell, namespace, fill)
    if request is not None:
        return replace(request, left=left + request.left)
    evaluate = values.pop("evaluate", False)
    for name in NAMES:
        if name in values:
            takes = ", ".join(f"%llm {name}" for name, verb in VERBS.items() if name in verb.options)
            raise UsageError(f"--{name} goes with a verb", hint=f"for example {takes or '%llm lens'}")
    _check_out(values)
    if cell is None and not escaped:
        request, said = _command(rest, values)
        if request is not None:
            return request
    if cell is None and not rest:
        if set(values) - LOADING:
            raise UsageError(
                "there is no prompt", hint="write it behind the options, or use %%llm and a cell"
            )
        return CellRequest("status", **values)
    if cell is not None and rest:
        dash = rest[0] in "\u2013\u2014\u2212"
        raise UsageError(
            f"{rest[:40]!r} is not an option",
            hint="an option begins with hyphens: --system"
            if dash
            else "quote a value that has blanks with \" or '"
            if any(quote in line for quote in "\u201c\u201d\u2018\u2019")
            else "the prompt goes into the cell; %llm TEXT takes one line",
        )
    # Every cell ends with one line break that nobody wrote.
    prompt, more_left = expand(
        rest if cell is None else cell.removesuffix("\n"), namespace, evaluate=evaluate
    )
    if not prompt.strip():
        raise UsageError("the prompt is empty", hint="write something in the cell")
    options = {name: values.pop(name) for name in list(values) if name in _SAMPLING}
    return CellRequest("generate", prompt, options=options, said=said, left=left + more_left, **values)


# Words that are a command when they stand alone, and what they are.
_COMMANDS = {
    "help": "help",
    "status": "status",
    "version": "version",
    "playground": "playground",
    "models": "models",
    "adapters": "adapters",
    "list": "models",
    "ls": "models",
    "tokens": "tokens",
}
_KNOWN = {**VERBS, **_COMMANDS, **_WRITTEN}.keys()
_FEW = 3  # words of a line that may have been meant as a command


def _command(rest: str, values: Mapping[str, Any]) -> tuple[CellRequest | None, str]:
    """A command, where the line is one; and a note, where it nearly is."""
    words = rest.split()
    if not words:
        return None, ""
    word = words[0].removesuffix("?")
    alone = len(words) == 1 and rest.endswith("?")
    if word in _KNOWN and (alone or words[1:] in (["--help"], ["-h"])):
        return CellRequest("help", word), ""
    near = get_close_matches(word, [*VERBS, *_COMMANDS], 1, 0.8) if word.islower() else []
    if near and near[0] != word:
        return None, f"did you mean %llm {near[0]}?"
    if values:
        return None, ""
    if rest in _COMMANDS:
        return CellRequest(_COMMANDS[rest]), ""
    if rest in ("tokens on", "tokens off"):
        return CellRequest("tokens", words[1]), ""
    if rest == "rm":
        raise UsageError(
            "rm needs the NAME of a model", hint="%llm models lists them; to ask the model: %llm -- rm"
        )
    if words[:2] == ["adapters", "rm"] and len(words) == 3:
        return CellRequest("adapters", words[2]), ""
    if words[0] == "rm" and len(words) == 2:
        return CellRequest("rm", words[1]), ""
    if word in _WRITTEN and len(words) <= _FEW and not rest.endswith("?"):
        raise UsageError(
            f"%llm {word} does not take {line_of(' '.join(words[1:]))!r}",
            hint=f"it is written {_WRITTEN[word][0]}; to ask the model: %llm -- {word} …",
        )
    if word in _COMMANDS and len(words) <= _FEW:  # "help me", "list three cities"
        return None, f"taken as a prompt: %llm {word} takes no {line_of(' '.join(words[1:]))}"
    return None, ""


def _check_out(values: Mapping[str, Any]) -> None:
    out = values.get("out")
    if out is not None and (not out.isidentifier() or keyword.iskeyword(out)):
        raise UsageError(f"{out!r} cannot be the name of a variable", hint="for example -o answer")


def _looking(
    values: dict[str, Any],
    rest: str,
    cell: str | None,
    namespace: Mapping[str, Any],
    fill: Callable[[str], str],
) -> CellRequest | None:
    """A request to look inside, where the first word is such a verb.

    Raises:
        UsageError: the verb lacks something. The model is not asked in its place.
    """
    first, _, behind = rest.partition(" ")
    verb = VERBS.get(first)
    if verb is None:
        return None
    more, text = read_options(behind, OPTIONS, whole=cell is not None, help=f"%llm {first} --help", fill=fill)
    if more.pop("help", False):
        return CellRequest("help", first)
    values = {**values, **more}
    look = {name: values.pop(name) for name in NAMES if name in values}
    pair = pair_in(text, namespace) if first == "compare" and cell is None else None
    named = record_in(text, namespace) if cell is None else None
    if pair is None and named is None and not verb.fits(text if cell is None else cell, {**values, **look}):
        raise UsageError(
            f"{first} lacks what it looks at"
            if cell is None and not text
            else f"%llm {first} does not fit what is behind it",
            hint=f"it is written {verb.line[0]}, for example: {verb.example}; "
            f"to ask the model: %llm -- {first}{' …' if text else ''}",
        )
    _check_out(values)
    if cell is not None and text:
        raise UsageError(f"{text[:40]!r} is not an option", hint="the text goes into the cell")
    taken = {*verb.options, *LOADING, "out", "quiet", "evaluate", *(_SAMPLING if verb.samples else ())}
    if odd := sorted({*look, *values} - taken):
        flag = next(option.flags[-1] for option in OPTIONS if option.name == odd[0])
        takes = ", ".join(f"--{name}" for name in verb.options) or "no options of its own"
        raise UsageError(
            f"%llm {first} has no {flag}",
            hint=f"it takes {takes}; to ask the model: %llm {flag} … -- {first} …",
        )
    record = pair or named
    evaluate = values.pop("evaluate", False)
    prompt, left = expand(text if cell is None else cell.removesuffix("\n"), namespace, evaluate=evaluate)
    options = {name: values.pop(name) for name in list(values) if name in _SAMPLING}
    known = {name: values[name] for name in (*LOADING, "quiet", "out") if name in values}
    return CellRequest(first, prompt, options=options, look=look, record=record, left=left, **known)
