"""A cell's text → a CellRequest. Pure: the namespace is read, nothing is loaded or shown."""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ...errors import UsageError
from ..inspection.subcommands import NAMES, SUBCOMMANDS, canonical, record_named, record_pair
from ..subcommands.table import is_known, options_of, parse_command
from .cell_request import CellRequest
from .expand import expand
from .option_parser import read_options
from .options import LOADING, OPTIONS, SAMPLING, flag_of

_MOST_SAMPLES = 64
# ``name <<`` before the prompt, as jupysql has it.
_ASSIGNED = re.compile(r"([^\W\d]\w*)\s*<<\s*")


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

    quiet = line.rstrip().endswith(";")
    if quiet:  # as IPython has it
        line = line.rstrip()[:-1]
    values, rest = read_options(line, OPTIONS, whole=cell is not None, help="%llm --help", fill=fill)
    if quiet:
        values["quiet"] = True
    several = _named_models(values)
    if assigned := _ASSIGNED.match(rest):
        values["variable"], rest = assigned[1], rest[assigned.end() :]
    if values.pop("help", False):
        return CellRequest("help", rest if is_known(rest) else "")
    escaped = bool(re.search(r"(^|\s)--\s", line))
    said = ""
    request = None if escaped else _parse_inspection(values, rest, cell, namespace, fill)
    if request is not None and several:
        raise UsageError(
            f"%llm {request.command} takes one model", hint="Name the other one with --with, or omit it."
        )
    if request is not None:
        return replace(request, unresolved=left + request.unresolved)
    evaluate = values.pop("evaluate", False)
    samples = _sample_count(values)
    for name in NAMES:
        if name in values:
            takes = ", ".join(f"%llm {name}" for name, verb in SUBCOMMANDS.items() if name in verb.options)
            raise UsageError(
                f"--{name} is only valid with a subcommand", hint=f"Use it with {takes or '%llm logit_lens'}."
            )
    _check_out(values)
    if cell is None and not escaped:
        request, said = parse_command(rest, values)
        if request is not None:
            return request
    if cell is None and not rest:
        if set(values) - LOADING:
            raise UsageError(
                "the prompt is missing",
                hint="Write it after the options, or use %%llm and write it in the cell.",
            )
        return CellRequest("status", **values)
    if cell is not None and rest and values.get("variable") in SAMPLING:  # -o temperature 0.5, as llm has it
        flag = flag_of(values["variable"])
        raise UsageError(
            f"{rest[:40]!r} is not an option", hint=f"Write {flag} {rest[:40]}: -o names a variable here."
        )
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
    typed = rest if cell is None else cell.removesuffix("\n")
    # The template of a row is expanded for each row.
    prompt, more_left = (typed, ()) if "rows" in values else expand(typed, namespace, evaluate=evaluate)
    if not prompt.strip():
        raise UsageError("the prompt is empty", hint="Write a prompt.")
    options = {name: values.pop(name) for name in list(values) if name in SAMPLING}
    _check_label_options(values, options)
    return CellRequest(
        "generate",
        prompt,
        options=options,
        notice=said,
        unresolved=left + more_left,
        models=several,
        samples=samples,
        evaluate=evaluate,
        **values,
    )


def _named_models(values: dict[str, Any]) -> tuple[str, ...]:
    """Return the models where there are several; a single one stays in ``values``."""
    named: tuple[str, ...] = values.pop("model", ())
    if len(named) == 1:
        values["model"] = named[0]
        return ()
    return named


def _sample_count(values: dict[str, Any]) -> int:
    """Return how many answers a cell asks for.

    Raises:
        UsageError: the number is out of its range.
    """
    count = values.pop("samples", 1)
    if not 1 <= count <= _MOST_SAMPLES:
        raise UsageError(
            f"--samples must be from 1 to {_MOST_SAMPLES}, got {count}", hint="Use for example --samples 4."
        )
    return int(count)


def _check_label_options(values: Mapping[str, Any], options: Mapping[str, Any]) -> None:
    """Refuse options of sampling where labels are compared: nothing is drawn."""
    labels = next((name for name in ("choices", "decide") if name in values), None)
    if labels is not None and options:
        stated = flag_of(next(iter(options)))
        raise UsageError(
            f"{stated} has no effect with {flag_of(labels)}: the probabilities of labels are exact",
            hint=f"Omit {stated}.",
        )


def _check_out(values: Mapping[str, Any]) -> None:
    out = values.get("variable")
    if out is not None and "rows" in values and out.count(".") == 1:
        out = out.partition(".")[0]  # a column of a table
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
    if isinstance(values.get("model"), tuple):
        values["model"] = values["model"][-1]
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
        flag = flag_of(odd[0])
        takes = ", ".join(option.flags[-1] for option in OPTIONS if option.name in verb.options)
        takes = takes or "no options of its own"
        raise UsageError(
            f"%llm {first} has no option {flag}",
            hint=f"Use {takes}. To ask the model, write %llm {flag} … -- {typed} …",
        )
    record = pair or named
    evaluate = values.pop("evaluate", False)
    prompt, left = expand(text if cell is None else cell.removesuffix("\n"), namespace, evaluate=evaluate)
    options = {name: values.pop(name) for name in list(values) if name in SAMPLING}
    known = {name: values[name] for name in (*LOADING, "quiet", "variable") if name in values}
    return CellRequest(
        first, prompt, options=options, inspection_options=look, record=record, unresolved=left, **known
    )
