"""A ``%%llm_tune`` cell → a TuneRequest. Pure: the namespace is read, nothing is loaded or shown."""

from __future__ import annotations

import keyword
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import UsageError
from ..expand import expand
from ..line import Option, listed, read_options


@dataclass(frozen=True, slots=True)
class TuneRequest:
    """What a cell asks for.

    Attributes:
        verb: "tune", "resume" (go on with what ``name`` holds) or "help".
        rows: the cell's text, or what ``--data`` names: a variable's value or a path.
        source: what the rows are called.
        keep: whether the adapter is kept on the disk: it was given a name.
        options: fields of TuneOptions that were given.
        left: notes on what looked like a variable and stayed as text.
    """

    verb: str
    rows: Any = None
    source: str = "cell"
    model: str | None = None
    precision: str | None = None
    name: str = "tuned"
    prompts: tuple[str, ...] = ()
    folder: str | None = None
    quiet: bool = False
    keep: bool = False
    options: dict[str, Any] = field(default_factory=dict)
    left: tuple[str, ...] = ()


def _depth(text: str) -> str | int:
    return int(text) if text.isdigit() else text


def _rate(text: str) -> str | float:
    return text if text == "auto" else float(text)


def _names(text: str) -> str | tuple[str, ...]:
    return text if text == "all" else tuple(name.strip() for name in text.split(","))


OPTIONS = (
    Option(("-d", "--data"), "data", "NAME of a variable with rows (pandas, datasets, a list), or a file"),
    Option(
        ("-n", "--name"),
        "name",
        "NAME of the variable that takes the run (tuned), and of the adapter that is kept on the disk",
    ),
    Option(("-p", "--prompt"), "prompts", "TEXT that is answered on the way; may be given again", many=True),
    Option(("-m", "--model"), "model", "NAME of a model, org/name on the Hub, or a path"),
    Option(("--minutes",), "minutes", "the whole run takes at most so long (1)", float),
    Option(("--steps",), "steps", "N steps, however long they take", int),
    Option(("--depth",), "depth", "full, the number of last layers that learn, or auto", _depth),
    Option(("--rank",), "rank", "of the LoRA (8)", int),
    Option(("--alpha",), "alpha", "of the LoRA (16)", float),
    Option(("--targets",), "targets", "all, or modules such as q_proj,v_proj", _names),
    Option(("--learning-rate",), "learning_rate", "at its highest, or auto", _rate),
    Option(("--eval-fraction",), "eval_fraction", "of the prompts, put aside to judge by (0.1)", float),
    Option(("--batch",), "batch", "N rows a step (8)", int),
    Option(("--max-length",), "max_length", "N tokens of a row; what is longer is cut (512)", int),
    Option(("--max-tokens",), "max_tokens", "of the answers to the prompts (60)", int),
    Option(("--seed",), "seed", "of everything that is drawn (0)", int),
    Option(("--checkpoint",), "folder", "FOLDER that keeps the run; one that was cut off goes on from it"),
    Option(("--resume",), "resume", "go on with the run in NAME, after an interrupt", None),
    Option(("--precision",), "precision", "of the model that answers: auto, fp32, fp16, int8, int4 or exact"),
    Option(("-q", "--quiet"), "quiet", "show nothing", None),
    Option(("-h", "--help"), "help", "show this", None),
)
_OURS = ("model", "precision", "name", "prompts", "folder", "quiet")


def usage() -> str:
    """The help text."""
    return "\n".join(
        [
            "%%llm_tune [options]            the cell holds the rows: question ⇒ answer, or JSON lines",
            "%llm_tune --data rows [options]  the variable or file has them",
            "%llm_tune --resume              go on after an interrupt",
            "",
            *listed(OPTIONS),
        ]
    )


def parse(line: str, cell: str | None, namespace: Mapping[str, Any]) -> TuneRequest:
    """Understand a magic's line and cell.

    Raises:
        UsageError: an unknown option, a value that does not fit, no rows, or rows twice.
    """
    left: list[str] = []

    def fill(text: str) -> str:
        filled, notes = expand(text, namespace)
        left.extend(notes)
        return filled

    values, rest = read_options(line, OPTIONS, whole=True, help="%llm_tune --help", fill=fill)
    if values.pop("help", False):
        return TuneRequest("help")
    if rest:
        raise UsageError(
            f"{rest[:40]!r} is not an option", hint="the rows go into the cell, or behind --data"
        )
    name = values.get("name", "tuned")
    if not name.isidentifier() or keyword.iskeyword(name):
        raise UsageError(f"{name!r:.60} cannot be the name of a variable", hint="for example -n pirate")
    ours = {each: values.pop(each) for each in _OURS if each in values}
    ours |= {"keep": "name" in ours, "left": tuple(left)}
    data, resume = values.pop("data", None), values.pop("resume", False)
    text = cell if cell is not None and cell.strip() else None
    if resume:
        if text or data:
            raise UsageError("--resume goes on with the rows it had", hint="leave out --data and the cell")
        return TuneRequest("resume", name=name, quiet=ours.get("quiet", False), options=values)
    if (text is None) == (data is None):
        raise UsageError(
            "there are no rows" if text is None else "there are rows in the cell and behind --data",
            hint="write question ⇒ answer lines into the cell, or name what has them: --data rows.csv",
        )
    if data is None:
        return TuneRequest("tune", text, options=values, **ours)
    rows = namespace[data] if data in namespace else Path(data)
    return TuneRequest("tune", rows, data, options=values, **ours)
