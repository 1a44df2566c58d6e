"""Several typed questions about one text, each answered by the exact probabilities of its labels."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, ClassVar

from ...core.format import percent
from ...core.records import ModelInfo
from ...errors import UsageError
from ...sanitize import printable, single_line
from ...views.inspection_record import InspectionRecord, Stored, table
from .choices import Choice

MOST_QUESTIONS, MOST_NUMBERS = 20, 21
_HINT = 'Write for example "team: billing|tech|sales; urgent?; severity 1-5".'
_NAME = r"[A-Za-z_][\w -]{0,59}?"
_LABELS = re.compile(rf"({_NAME})\s*:\s*(.+)")
_YES_NO = re.compile(rf"({_NAME})\s*\?")
_RANGE = re.compile(rf"({_NAME})\s+(-?\d{{1,4}})\s*-\s*(-?\d{{1,4}})")


@dataclass(frozen=True, slots=True)
class Question:
    """One question.

    Attributes:
        name: what is asked.
        kind: "label", "yes or no" or "number".
        labels: the answers that there are.
    """

    name: str
    kind: str
    labels: tuple[str, ...]

    def prompt(self, text: str) -> str:
        """Return the prompt of the question about a text."""
        ask = f"{self.name}?" if self.kind == "yes or no" else self.name
        return f"{text}\n\n{ask}\nAnswer with one of: {', '.join(self.labels)}."

    def value(self, label: str) -> str | bool | int:
        """Return a label as a value of the question's type."""
        if self.kind == "number":
            return int(label)
        return label == "yes" if self.kind == "yes or no" else label


class Decisions(InspectionRecord):
    """Typed answers with their probabilities. Made by :meth:`Model.decide`.

    ``head["questions"]``: of each its ``name``, ``kind``, ``value``, the ``share`` of the value, and of each
    label its ``name``, ``share`` and ``of_all`` (see Choices). A number also has its ``mean`` over the
    shares.
    """

    kind = "decisions"
    storage: ClassVar[Stored] = {}

    @property
    def values(self) -> dict[str, Any]:
        """Return the value of each question, by name."""
        return {item["name"]: item["value"] for item in self.head["questions"]}

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    @property
    def probabilities(self) -> dict[str, dict[str, float]]:
        """Return the shares of the labels of each question, by name."""
        return {
            item["name"]: {label["name"]: label["share"] for label in item["labels"]}
            for item in self.head["questions"]
        }

    def to_text(self) -> str:
        """Return a line for each question."""
        width = max(len(single_line(item["name"])) for item in self.head["questions"])
        lines = []
        for item in self.head["questions"]:
            mean = f", {item['mean']:.1f} on average" if item["kind"] == "number" else ""
            name = f"{single_line(item['name']):<{width}}"
            lines.append(f"{name}  {printable(str(item['value']))}  {percent(item['share'])}{mean}")
        return "\n".join(lines)

    def page(self) -> str:
        """Return the questions as a table."""
        rows = "".join(
            f"<tr><td>{escape(printable(item['name']))}</td><td><b>{escape(printable(str(item['value'])))}</b></td>"
            f"<td>{percent(item['share'])}</td></tr>"
            for item in self.head["questions"]
        )
        return f"<table><tr><th>question</th><th>answer</th><th>share</th></tr>{rows}</table>"

    def to_pandas(self) -> Any:
        """Return one row for each question."""
        names = ("name", "kind", "value", "share")
        return table({name: [item[name] for item in self.head["questions"]] for name in names})


def questions_of(spec: str) -> list[Question]:
    """Read questions such as "team: billing|tech|sales; urgent?; severity 1-5".

    Raises:
        UsageError: one cannot be read, or two have one name.
    """
    questions: list[Question] = []
    for part in filter(None, (item.strip() for item in spec.split(";"))):
        if match := _RANGE.fullmatch(part):
            low, high = int(match[2]), int(match[3])
            numbers = tuple(str(n) for n in range(low, high + 1))
            if not 2 <= len(numbers) <= MOST_NUMBERS:
                raise UsageError(f"the question {part!r:.60} needs 2 to {MOST_NUMBERS} numbers", hint=_HINT)
            question = Question(match[1], "number", numbers)
        elif match := _YES_NO.fullmatch(part):
            question = Question(match[1], "yes or no", ("yes", "no"))
        elif match := _LABELS.fullmatch(part):
            labels = tuple(filter(None, (item.strip() for item in match[2].split("|"))))
            if len(labels) < 2 or len(set(labels)) < len(labels):
                raise UsageError(f"the question {part!r:.60} needs two different labels", hint=_HINT)
            question = Question(match[1], "label", labels)
        else:
            raise UsageError(f"the question {single_line(part)!r:.60} cannot be read", hint=_HINT)
        questions.append(question)
    if not questions or len(questions) > MOST_QUESTIONS:
        raise UsageError(f"there must be 1 to {MOST_QUESTIONS} questions", hint=_HINT)
    if len({question.name for question in questions}) < len(questions):
        raise UsageError("two questions have the same name", hint=_HINT)
    return questions


def decide(
    info: ModelInfo, text: str, questions: Sequence[Question], choose: Callable[[str, Sequence[str]], Choice]
) -> Decisions:
    """Return the answers to questions about a text.

    Args:
        info: the model in the record.
        text: what the questions are about.
        questions: in order.
        choose: gives the likeliest label of a prompt.
    """
    rows = []
    for question in questions:
        choice = choose(question.prompt(text), question.labels)
        shares = choice.probabilities
        row: dict[str, Any] = {
            "name": question.name,
            "kind": question.kind,
            "value": question.value(str(choice)),
            "share": shares[str(choice)],
            "labels": [
                {"name": name, "share": shares[name], "of_all": choice.record.of_all[name]} for name in shares
            ],
        }
        if question.kind == "number":
            row["mean"] = sum(int(name) * share for name, share in shares.items())
        rows.append(row)
    return Decisions(info, {"questions": rows})
