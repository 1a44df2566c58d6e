"""The rows of a task → questions with their choices, as lm-evaluation-harness writes them."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from ..chat import template_process
from ..core.validation import format_value
from ..errors import UsageError
from .task_file import TaskFile

SHOTS_SEED = 1234  # of lm-evaluation-harness


@dataclass(frozen=True, slots=True)
class Item:
    """One question.

    Attributes:
        context: all that stands before a choice.
        choices: as they are written.
        delimiter: stands between the context and a choice.
        gold: the places of the right choices.
    """

    context: str
    choices: tuple[str, ...]
    delimiter: str
    gold: tuple[int, ...]


def items_of(task: TaskFile, limit: int | None = None) -> Iterator[Item]:
    """Yield the questions of a task, in order.

    Args:
        task: its file.
        limit: the first so many; None: all.

    Raises:
        UsageError: a row does not fit the templates. TemplateError: a template fails.
    """
    random = Random(SHOTS_SEED)  # noqa: S311  # the same draws as the harness
    for number, row in enumerate(task.documents[:limit], 1):
        yield _item(task, row, number, random)


def _item(task: TaskFile, row: dict[str, Any], number: int, random: Random) -> Item:
    fields, what = task.fields, f"row {number} of {task.name}"
    choices = _choices(task, row, what)
    question = _question(task, row, what)
    description = fields.get("description")
    parts = [_text(task, row, description)] if description else []
    for example in _examples(task, row, random, what):
        answer = _answer(task, example, f"an example of {what}")
        parts += [_question(task, example, what), fields.get("target_delimiter", " "), answer]
        parts.append(fields.get("fewshot_delimiter", "\n\n"))
    return Item(
        "".join(map(str, [*parts, question])),
        choices,
        str(fields.get("target_delimiter", " ")),
        _gold(task, row, choices, what),
    )


def _examples(task: TaskFile, row: dict[str, Any], random: Random, what: str) -> Sequence[dict[str, Any]]:
    """Return the examples before a question: the same as lm-evaluation-harness draws."""
    count = task.shots
    if not count:
        return []
    own = task.draws_without_own
    others = [item for item in task.examples if not (own and item == row)]
    if len(others) < count or (own and len(task.examples) < count + 1):
        raise UsageError(f"{what} has no {count} examples", hint="Use a smaller num_fewshot.")
    if task.first_examples:
        return others[:count]
    if not own:
        return random.sample(task.examples, count)
    drawn = [item for item in random.sample(task.examples, count + 1) if item != row][:count]
    return drawn if len(drawn) == count else random.sample(others, count)


def _question(task: TaskFile, row: dict[str, Any], what: str) -> str:
    text = _text(task, row, task.fields["doc_to_text"])
    if not isinstance(text, str) or text.isdigit():
        raise UsageError(
            f"{what} has the place of a choice as its text, which is not supported", hint="Use lm_eval."
        )
    return text


def _choices(task: TaskFile, row: dict[str, Any], what: str) -> tuple[str, ...]:
    stated = task.fields["doc_to_choice"]
    value: Any = stated
    if isinstance(stated, dict):
        value = list(stated.values())
    elif isinstance(stated, str):
        value = _text(task, row, stated)
        if isinstance(value, str):
            try:
                value = ast.literal_eval(value)
            except (ValueError, SyntaxError, MemoryError, RecursionError):
                value = None
    if (
        not isinstance(value, (list, tuple))
        or len(value) < 2
        or not all(isinstance(v, str) and v for v in value)
    ):
        raise UsageError(
            f"doc_to_choice of {what} is {format_value(value)}, and not a list of texts",
            hint="Correct the template or the row.",
        )
    return tuple(value)


def _target(task: TaskFile, row: dict[str, Any]) -> Any:
    value = task.fields["doc_to_target"]
    if isinstance(value, str):
        value = _text(task, row, value)
        if isinstance(value, str) and value.isdigit() and task.fields["doc_to_target"] not in row:
            return int(value)
    return value


def _gold(task: TaskFile, row: dict[str, Any], choices: tuple[str, ...], what: str) -> tuple[int, ...]:
    """Return the places of the right choices."""
    value = _target(task, row)
    places = []
    for item in value if isinstance(value, list) else [value]:
        place = choices.index(item) if isinstance(item, str) and item in choices else item
        if type(place) is not int or not 0 <= place < len(choices):
            raise UsageError(
                f"doc_to_target of {what} is {format_value(item)}, which is not one of its choices",
                hint="Correct the template or the row.",
            )
        places.append(place)
    return tuple(places)


def _answer(task: TaskFile, row: dict[str, Any], what: str) -> str:
    choices = _choices(task, row, what)
    return choices[_gold(task, row, choices, what)[0]]


def _text(task: TaskFile, row: dict[str, Any], template: Any) -> Any:
    """Return the value of a field that the template names; else the template with the row filled in."""
    if not isinstance(template, str):
        raise UsageError(
            f"the task {task.name} has a template that is {format_value(template)}", hint="Write a text."
        )
    return row[template] if template in row else template_process.render_text(template, row)
