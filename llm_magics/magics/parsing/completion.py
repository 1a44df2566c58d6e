"""Complete options, their values, verbs and variables after ``%llm``, ``%%llm`` and ``%%llm_tune``.

One matcher of IPython does it, so that it works in a terminal, JupyterLab and Notebook with no front end of
ours. It runs before IPython's own matchers, which would offer Python's names inside a prompt.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

from IPython.core.completer import SimpleCompletion, context_matcher, provisionalcompleter

from ...errors import LLMMagicsError
from .option_parser import Option
from .options import OPTIONS

_ID = "llm_magics"
_FIRST = 1000  # the priority: jedi is not started for a prompt
_MAGIC = re.compile(r"\s*(?:[\w.,\s]+=\s*)?(%{1,2})(llm(?:_tune)?)[ \t]+(.*)", re.DOTALL)
_CELL = re.compile(r"\s*%%(llm(?:_tune)?)(?=\s|$)")
_FIELD = re.compile(r"(?<!\{)(?:\{\{)*\{([^{}]*)$")  # {{ is a brace of the text
_SAFE = re.compile(r"[\w./:@+-]+")  # a name from the disk that a line takes without quotes
_PATH = ("~", "/", "./", "../", ".\\", "..\\")
_BEHIND = {
    "tokens": ("on", "off"),
    "adapters": ("rm",),
    "threads": ("show", "fork", "undo", "clear", "export"),
}


class _Nothing(list[Any]):
    """No completions, and none of other matchers: IPython heeds ``suppress`` only where there is a length."""

    def __len__(self) -> int:
        return 1


Result = dict[str, Any]  # of a matcher; IPython adds to it, so that it is a new one each time


def register(shell: Any, conversations: Callable[[], Sequence[str]]) -> None:
    """Add the matcher to a shell; one that is there from before is replaced.

    Args:
        shell: IPython's shell.
        conversations: returns the names of the conversations.
    """
    unregister(shell)
    shell.Completer.custom_matchers.append(_matcher(shell, conversations))


def unregister(shell: Any) -> None:
    """Take the matcher out of a shell."""
    matchers = shell.Completer.custom_matchers
    matchers[:] = [matcher for matcher in matchers if getattr(matcher, "matcher_identifier", "") != _ID]


def _only(words: Iterable[str], start: str, kind: str) -> Result:
    """Offer those of the words that begin so, and nothing else."""
    offered = [SimpleCompletion(word, type=kind) for word in words if word.startswith(start)]
    return {
        "completions": offered or _Nothing(),
        "suppress": True,
        "ordered": True,
        "matched_fragment": start if offered else "",
    }


def _matcher(shell: Any, conversations: Callable[[], Sequence[str]]) -> Any:
    def variables() -> list[str]:
        hidden = shell.user_ns_hidden
        return sorted(name for name in shell.user_ns if not name.startswith("_") and name not in hidden)

    values: dict[str, Callable[[], Sequence[str]]] = {
        "model": _models,
        "others": _models,
        "adapter": _adapters,
        "precision": _precisions,
        "device": lambda: ("auto", "cpu", "cuda"),
        "kv_cache": _kv_caches,
        "conversation": conversations,
        "variable": variables,
        "data": variables,
        "see": lambda: ("above", *variables()),
        "format": _formats,
        "think": lambda: ("off",),
        "depth": lambda: ("auto", "full"),
        "targets": lambda: ("all",),
        "learning_rate": lambda: ("auto",),
    }

    def llm(context: Any) -> Result:
        before = context.text_until_cursor
        cell = _CELL.match(context.full_text)
        first = context.full_text[: cell.end()].count("\n") if cell else -1
        if cell and context.cursor_line > first:
            return _in_braces(shell, before, variables) if cell[1] == "llm" else _only((), "", "")
        line = _MAGIC.match(before)
        if line is None or (line[1] == "%%" and context.cursor_line != first):
            return {"completions": []}
        if _FIELD.search(before):
            return _in_braces(shell, before, variables)
        return _in_line(line[3], line[1], line[2], values)

    return context_matcher(identifier=_ID, priority=_FIRST)(llm)


def _in_line(text: str, marks: str, magic: str, values: dict[str, Callable[[], Sequence[str]]]) -> Result:
    """Complete the last word of a magic's line."""
    from ..inspection.subcommands import SUBCOMMANDS, canonical
    from ..subcommands.table import TABLE, options_of

    *words, word = re.split(r"\s+", text)
    if "--" in words:  # a prompt
        return _only((), "", "")
    options: Sequence[Option] = OPTIONS
    if magic == "llm_tune":
        from ..tuning.request import OPTIONS as options
    verb = (
        next((canonical(item) for item in words if canonical(item) in SUBCOMMANDS), "")
        if magic == "llm"
        else ""
    )
    by_flag = {flag: option for option in options for flag in option.flags}
    flag, equals, part = word.partition("=")
    option = by_flag.get(flag if equals else words[-1] if words else "")
    takes = option is not None and option.convert is not None
    # The value of -c is optional; in a line it is only the one behind "=".
    if option is not None and takes and (equals or not word.startswith("-")):
        part = (part if equals else word).lstrip("\"'")
        if equals or not option.optional or marks == "%%":
            return _value(option, part, values)
    if word.startswith("-"):
        offered = options_of(verb) if verb else options
        flags = [flag for option in offered for flag in option.flags]
        return _only(sorted(flags, key=lambda flag: (not flag.startswith("--"), flag)), word, "option")
    if magic == "llm" and not words:
        return _only(SUBCOMMANDS if marks == "%%" else sorted(TABLE), word, "verb")
    if marks == "%" and words in (["rm"], ["adapters", "rm"]):
        return _only(_adapters() if len(words) == 2 else _converted(), word, "value")
    if marks == "%" and words in (["use"], ["pull"], ["fit"], ["card"]):
        return _only(_models(), word, "value")
    if marks == "%" and words[:1] in (["threads"], ["refresh"]) and len(words) <= 2 and words != ["threads"]:
        return _only(values["conversation"](), word, "value")
    if marks == "%" and words[:1] == ["diff"] and len(words) <= 2:
        return _only(values["variable"](), word, "variable")
    if marks == "%" and len(words) == 1:
        return _only(sorted(TABLE) if words == ["help"] else _BEHIND.get(words[0], ()), word, "verb")
    return _only((), "", "")


def _value(option: Option, part: str, values: dict[str, Callable[[], Sequence[str]]]) -> Result:
    if option.name in ("file", "folder") or part.startswith(_PATH):
        return {"completions": []}  # IPython completes paths
    with suppress(LLMMagicsError, OSError):
        return _only(values.get(option.name, tuple)(), part, "value")
    return _only((), "", "")


def _in_braces(shell: Any, before: str, variables: Callable[[], Sequence[str]]) -> Result:
    """Complete a variable inside ``{…}`` of a prompt; in the prompt itself nothing."""
    field = _FIELD.search(before)
    if field is None:
        return _only((), "", "")
    code = field[1]
    if not re.search(r"[.\[]", code):
        return _only(variables(), code, "variable")
    # Of the expression alone: the prose around it is no Python.
    with provisionalcompleter():
        offered = list(shell.Completer.completions(code, len(code)))
    start = max((item.start for item in offered), default=len(code))
    return _only([item.text[start - item.start :] for item in offered], code[start:], "variable")


def _models() -> list[str]:
    from ...sources import catalog, hub

    return ["default", *catalog.entries(), *_safe(hub.repositories())]


def _converted() -> list[str]:
    """List what ``%llm rm`` takes."""
    from ...sources import store

    return sorted(_safe({key.rsplit("/", 1)[0] for key in store.entries()}))


def _adapters() -> list[str]:
    from ...sources import adapters

    return _safe(adapter.name for adapter in adapters.entries())


def _precisions() -> list[str]:
    from ...decoder.precision import PRECISIONS

    return [*PRECISIONS]


def _formats() -> list[str]:
    from ..answers.formats import FORMATS

    return [*FORMATS]


def _kv_caches() -> list[str]:
    from ...decoder.precision import KV_CACHES

    return [*KV_CACHES]


def _safe(names: Iterable[str]) -> list[str]:
    return [name for name in names if _SAFE.fullmatch(name)]
