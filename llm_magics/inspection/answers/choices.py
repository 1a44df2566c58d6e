"""Which of several labels a model gives, by the exact probabilities of their spellings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...core.format import percent
from ...core.records import ModelInfo
from ...engine.runtime import Runtime
from ...errors import UsageError
from ...sanitize import printable, single_line
from ...views.inspection_record import InspectionRecord, Stored, table
from ..probe import probe
from ..reading.batch_score import ContinuationReader

MOST_SPELLINGS = 1_000
_OTHERS = 3  # of what the model would rather say, that are named


class Choices(InspectionRecord):
    """Labels with their probabilities behind one prompt. Made by :meth:`Model.choose`.

    ``head["labels"]``: of each its ``name``, the probability of its ``spellings`` together (``of_all``), its
    ``share`` among all labels, and of each spelling its ``text``, ``ids``, the ``texts`` of its tokens and
    its own probability ``p``. ``head["chosen"]``: the place of the likeliest. ``head["others"]``: the
    likeliest tokens with which no spelling begins, with their probabilities. ``head["prompt_ids"]``: the
    prompt, absent in records of earlier versions and of servers. ``head["approximate"]``: whether
    first tokens alone were counted, as for a model behind a server; absent otherwise. ``logprob`` (tokens of
    all spellings,), nats.
    """

    kind = "choices"
    storage: ClassVar[Stored] = {"logprob": ("f8", 1)}

    @property
    def label(self) -> str:
        """Return the likeliest label."""
        return str(self.head["labels"][self.head["chosen"]]["name"])

    @property
    def probabilities(self) -> dict[str, float]:
        """Return the share of each label among all of them."""
        return {item["name"]: item["share"] for item in self.head["labels"]}

    @property
    def of_all(self) -> dict[str, float]:
        """Return the probability of each label among everything that could follow."""
        return {item["name"]: item["of_all"] for item in self.head["labels"]}

    def to_text(self) -> str:
        """Return a row for each label, the likeliest first, and what they hold of everything."""
        labels = self.head["labels"]
        width = max(len(single_line(item["name"])) for item in labels)
        lines = []
        for item in sorted(labels, key=lambda item: -item["share"]):
            bar = "█" * round(20 * item["share"])
            name = f"{single_line(item['name']):<{width}}"
            lines.append(f"{name}  {percent(item['share']):>7}  {percent(item['of_all']):>7} of all  {bar}")
        return "\n".join([*lines, self.sentence()])

    def sentence(self) -> str:
        """Return what the labels hold of all that could follow, and what the model would rather say."""
        mass = sum(item["of_all"] for item in self.head["labels"])
        told = f"these hold {percent(mass)} of all that could follow"
        if self.head.get("approximate"):
            told += "; approximate: a server gives the probabilities of first tokens only"
        if mass >= 0.5 or not self.head["others"]:
            return told
        others = ", ".join(f'"{printable(text)}" {percent(p)}' for text, p in self.head["others"])
        return f"{told}; the likeliest other tokens are {others}"

    def page(self) -> str:
        """Return the rows as a table."""
        rows = "".join(
            f"<tr><td>{escape(printable(item['name']))}</td><td>{percent(item['share'])}</td>"
            f"<td>{percent(item['of_all'])}</td></tr>"
            for item in sorted(self.head["labels"], key=lambda item: -item["share"])
        )
        heads = "<tr><th>choice</th><th>share of these</th><th>of all</th></tr>"
        return f"<table>{heads}{rows}</table><p>{escape(printable(self.sentence()))}</p>"

    def to_pandas(self) -> Any:
        """Return one row for each label."""
        names = ("name", "share", "of_all")
        return table({name: [item[name] for item in self.head["labels"]] for name in names})


class Choice(str):
    """The likeliest of several labels: a text that knows the probabilities.

    Attributes:
        probabilities: the share of each label among all labels.
        record: the whole record.
    """

    probabilities: dict[str, float]
    record: Choices

    def __new__(cls, record: Choices) -> Choice:
        choice = super().__new__(cls, record.label)
        choice.probabilities, choice.record = record.probabilities, record
        return choice

    def __reduce__(self) -> Any:
        return str, (str(self),)


def label_spellings(choices: Any) -> dict[str, list[str]]:
    """Return the labels with their spellings.

    Args:
        choices: a list of labels, or a mapping of labels to lists of spellings.

    Raises:
        UsageError: there are fewer than two labels, or two share a spelling.
    """
    hint = 'Pass for example ["yes", "no"], or {"yes": ["yes", "Yes"], "no": ["no", "No"]}.'
    items = choices.items() if isinstance(choices, Mapping) else [(item, [item]) for item in choices or ()]
    labels: dict[str, list[str]] = {}
    for name, spellings in items:
        spellings = [spellings] if isinstance(spellings, str) else list(spellings)
        if (
            not isinstance(name, str)
            or not all(isinstance(text, str) and text for text in spellings)
            or not spellings
        ):
            raise UsageError("a choice must be a string that is not empty", hint=hint)
        labels[name] = list(dict.fromkeys(spellings))
    every = [text for spellings in labels.values() for text in spellings]
    if len(labels) < 2:
        raise UsageError("there must be two choices at least", hint=hint)
    if len(set(every)) < len(every):
        raise UsageError("two choices have the same spelling", hint=hint)
    if len(every) > MOST_SPELLINGS:
        raise UsageError(f"{len(every):,} choices are too many", hint=f"Use at most {MOST_SPELLINGS:,}.")
    return labels


def choose(
    runtime: Runtime,
    info: ModelInfo,
    ids: Sequence[int],
    labels: Mapping[str, Sequence[str]],
    reader: ContinuationReader | None = None,
) -> Choices:
    """Return the probabilities of labels behind a prompt.

    The probability of a spelling is that of all its tokens in a row. Where the tokens of a spelling begin
    those of another, the longer one's probability is taken off: an answer is not both.

    Args:
        runtime: of the model.
        info: the model in the record.
        ids: the prompt.
        labels: with their spellings.
        reader: of calls with prompts that begin alike; None takes a new one.

    Raises:
        ContextOverflow: the prompt with a spelling is too long.
    """
    texts = [text for spellings in labels.values() for text in spellings]
    read = probe(runtime, info, list(ids), texts, reader)
    strings = {item["text"]: item for item in read.head["strings"]}
    exact = {text: math.exp(logprob) for text, logprob in read.logprobs.items()}
    own = dict(exact)
    for text, item in strings.items():
        for other, longer in strings.items():
            begins = other != text and longer["ids"][: len(item["ids"])] == item["ids"]
            # Of several longer ones in a row only the next counts: it has the others in it.
            if begins and not _between(strings, text, other):
                own[text] -= exact[other]
    rows = []
    for name, spellings in labels.items():
        parts = [
            {
                "text": text,
                "ids": strings[text]["ids"],
                "texts": strings[text]["texts"],
                "p": max(own[text], 0.0),
            }
            for text in spellings
        ]
        rows.append({"name": name, "of_all": sum(part["p"] for part in parts), "spellings": parts})
    mass = math.fsum(row["of_all"] for row in rows)
    for row in rows:
        row["share"] = row["of_all"] / mass if mass else 1 / len(rows)
    chosen = max(range(len(rows)), key=lambda n: (rows[n]["share"], -n))
    head = {"labels": rows, "chosen": chosen, "others": _others(read, strings), "prompt_ids": list(ids)}
    return Choices(info, head, {"logprob": _logprobs(read)})


def _between(strings: Mapping[str, Mapping[str, Any]], text: str, other: str) -> bool:
    """Return whether a third spelling begins with ``text`` and begins ``other``."""
    short, long = strings[text]["ids"], strings[other]["ids"]
    return any(
        name not in (text, other)
        and item["ids"][: len(short)] == short
        and long[: len(item["ids"])] == item["ids"]
        for name, item in strings.items()
    )


def _others(read: Any, strings: Mapping[str, Mapping[str, Any]]) -> list[list[Any]]:
    """Return the likeliest first tokens with which no spelling begins, with their probabilities."""
    begins = {item["ids"][0] for item in strings.values()}
    words = read.head["words"]
    ids, logprobs = read.arrays["instead_ids"][0].tolist(), read.arrays["instead_logprobs"][0].tolist()
    others = [
        [words[str(id)], math.exp(logprob)]
        for id, logprob in zip(ids, logprobs, strict=True)
        if id not in begins
    ]
    return others[:_OTHERS]


def _logprobs(read: Any) -> NDArray[np.float64]:
    return np.asarray(read.arrays["logprob"], np.float64)
