"""The cells that give what a view shows: ``%%llm`` where its options can say it, else Python."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ...core.options import SamplingOptions
from ...core.records import Generation
from ...errors import UsageError
from ..parsing.options import OPTIONS
from ..parsing.request import parse
from .versions import Turn, messages

_FLAGS = {option.name: option.flags[0] for option in OPTIONS}
_BRACES = re.compile(r"(?<!\{)\{(?=[^\W\d])([^{}\n]*)\}(?!\})")


class _AnyName(Mapping[str, Any]):
    """A namespace that has every name: whatever would be expanded in somebody's is in this one."""

    def __getitem__(self, name: str) -> Any:
        return "?"

    def __contains__(self, name: object) -> bool:
        return True

    def __iter__(self) -> Any:
        return iter(())

    def __len__(self) -> int:
        return 0


def conversation(
    turns: Sequence[Turn], *, model: str | None, adapter: str, system: str, raw: bool
) -> list[str]:
    """Return the sources of cells that give this conversation, one or two a turn."""
    cells: list[str] = []
    turned = False
    for number, turn in enumerate(turns):
        if turn.record is None:
            continue
        options = turn.record.options
        try:
            if turned:  # an earlier answer was a branch: cells would hold another one
                raise UsageError(
                    "cells that follow one another hold answers as they came", hint="Copy the text instead."
                )
            cells.append(
                magic(
                    turn.prompt,
                    options,
                    model=model,
                    adapter=adapter,
                    system=(system or None) if number == 0 or raw else None,
                    raw=raw,
                    follow=number > 0 and not raw,
                    out="answer" if turn.path else "",
                )
            )
        except UsageError:
            prompt = turn.prompt if raw else messages(turns, number)
            cells.append(python(prompt, options, model=model, adapter=adapter, system=system or None))
        if turn.path:
            cells.append(branches(turn.record, turn.path, model=model, adapter=adapter))
            turned = not raw
    return cells


def magic(
    prompt: str,
    options: SamplingOptions,
    *,
    model: str | None = None,
    adapter: str = "",
    system: str | None = None,
    raw: bool = False,
    follow: bool = False,
    out: str = "",
    tokens: bool = True,
) -> str:
    """Return the ``%%llm`` cell that asks just this.

    Raises:
        UsageError: no cell can say it.
    """
    words = [*(["-c"] if follow else []), *(["-o", out] if out else [])]
    if model:
        words += [_FLAGS["model"], _quoted(model)]
    if adapter:
        words += [_FLAGS["adapter"], _quoted(adapter)]
    if system:
        words += [_FLAGS["system"], _quoted(_escaped(system))]
    defaults = SamplingOptions()
    settings = {
        name: value
        for name, value in options.as_dict().items()
        if name in _FLAGS and value != getattr(defaults, name)
    }
    for name, value in settings.items():
        item = (
            [value] if name != "stop" else [text.replace("\n", "\\n").replace("\t", "\\t") for text in value]
        )
        for one in item:
            words += [_FLAGS[name], _quoted(one) if isinstance(one, str) else repr(one)]
    words += [*(["--raw"] if raw else []), *(["--tokens"] if tokens else [])]
    line, body = " ".join(words), _escaped(prompt)
    read = parse(line, body + "\n", _AnyName())
    if (read.prompt, read.system or None, read.options) != (prompt, system or None, settings) or "\n" in line:
        raise UsageError("this prompt can't be written as a cell", hint="Copy the text instead.")
    return f"%%llm {line}".rstrip() + f"\n{body}"


def python(
    messages: str | Sequence[Mapping[str, str]],
    options: SamplingOptions,
    *,
    model: str | None,
    system: str | None,
    adapter: str = "",
) -> str:
    """Return the same in Python, where a magic can't say it."""
    defaults = SamplingOptions()
    settings = {name: value for name, value in options.as_dict().items() if value != getattr(defaults, name)}
    arguments = [repr(messages), *([f"system={system!r}"] if system else [])]
    if isinstance(messages, str):
        arguments.append("raw=True")
    arguments += [f"{name}={value!r}" for name, value in settings.items()]
    call = f"{_load(model, adapter)}.generate({', '.join(arguments)})"
    return f"import llm_magics as lm\n\nanswer = {call}\nlm.show_tokens(answer)"


def branches(generation: Generation, path: int, *, model: str | None, adapter: str = "") -> str:
    """Return Python that goes from ``answer`` to one of its branches."""
    steps: list[str] = []
    while path:
        branch = generation.branches[path - 1]
        steps.append(f"answer = model.branch(answer, at={branch.at}, token={branch.tokens[0].id})")
        path = branch.parent
    return "\n".join(
        [
            "import llm_magics as lm",
            "",
            f"model = {_load(model, adapter)}",
            *reversed(steps),
            "lm.show_tokens(answer)",
        ]
    )


def _load(model: str | None, adapter: str) -> str:
    arguments = [*([repr(model)] if model else []), *([f"adapter={adapter!r}"] if adapter else [])]
    return f"lm.load({', '.join(arguments)})"


def _escaped(text: str) -> str:
    return _BRACES.sub(r"{{\1}}", text)


def _quoted(text: str) -> str:
    if re.fullmatch(r"[\w./@:+-]+", text) and not text.startswith("-"):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
