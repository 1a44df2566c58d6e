"""A ``%%llm_tune`` cell → a TuneRequest. Pure: the namespace is read, nothing is loaded or shown."""

from __future__ import annotations

import keyword
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import UsageError
from ..parsing.expand import expand
from ..parsing.option_parser import Option, listed, read_options
from .labels import EVAL_FRACTION, LabelledRows, labelled_rows


@dataclass(frozen=True, slots=True)
class TuneRequest:
    """What a cell asks for.

    Attributes:
        command: "tune", "resume" (continue the run in the variable ``name``) or "help".
        rows: the cell's text, or the value that ``--data`` names: a variable's value or a path.
        source: the name of the rows.
        save: whether the adapter is saved on the disk: true where the user named it.
        options: the fields of TuneOptions that the user set.
        unresolved: notes on text that looks like a variable and was not replaced.
        labels: the rows of ``--decide``; None without it.
    """

    command: str
    rows: Any = None
    source: str = "cell"
    model: str | None = None
    precision: str | None = None
    name: str = "tuned"
    prompts: tuple[str, ...] = ()
    folder: str | None = None
    quiet: bool = False
    save: bool = False
    options: dict[str, Any] = field(default_factory=dict)
    unresolved: tuple[str, ...] = ()
    labels: LabelledRows | None = None


def _depth(text: str) -> str | int:
    return int(text) if text.isdigit() else text


def _rate(text: str) -> str | float:
    return text if text == "auto" else float(text)


def _names(text: str) -> str | tuple[str, ...]:
    return text if text == "all" else tuple(name.strip() for name in text.split(","))


OPTIONS = (
    Option(("-d", "--data"), "data", "NAME of a variable with rows (pandas, datasets, a list), or of a file"),
    Option(
        ("-n", "--name"),
        "name",
        "NAME of the variable for the run (tuned); a run with a name saves its adapter under it",
    ),
    Option(
        ("-p", "--prompt"),
        "prompts",
        "TEXT of a prompt that is answered during the run; may be repeated",
        many=True,
    ),
    Option(
        ("--decide",),
        "decide",
        "TABLE.COLUMN with true labels to learn; the cell is the prompt of a row, with {column} names",
    ),
    Option(("-m", "--model"), "model", "NAME of the catalogue, org/name on the Hub, or a path"),
    Option(("--minutes",), "minutes", "time limit N of the whole run, in minutes (1)", float),
    Option(("--steps",), "steps", "number N of steps, without a time limit", int),
    Option(("--depth",), "depth", "number of trainable layers from the top, full, or auto", _depth),
    Option(("--rank",), "rank", "rank N of the LoRA (8)", int),
    Option(("--alpha",), "alpha", "alpha X of the LoRA (16)", float),
    Option(("--targets",), "targets", "modules to train, such as q_proj,v_proj, or all", _names),
    Option(("--learning-rate",), "learning_rate", "peak learning rate X, or auto", _rate),
    Option(
        ("--eval-fraction",), "eval_fraction", "share X of the prompts for validation and test (0.1)", float
    ),
    Option(("--batch",), "batch", "N rows per step (8)", int),
    Option(("--max-length",), "max_length", "N tokens of a row; longer rows are truncated (512)", int),
    Option(("--max-tokens",), "max_tokens", "N tokens of the answers to the prompts (60)", int),
    Option(("--seed",), "seed", "seed N of everything random (0)", int),
    Option(("--checkpoint",), "folder", "FOLDER for checkpoints; an interrupted run continues from it"),
    Option(("--resume",), "resume", "continue the run in the variable NAME after an interrupt", None),
    Option(
        ("--precision",), "precision", "precision of the model: auto, fp32, fp16, int8, w8a8, int4 or exact"
    ),
    Option(("-q", "--quiet"), "quiet", "show no output", None),
    Option(("-h", "--help"), "help", "show this help", None),
)
_OURS = ("model", "precision", "name", "prompts", "folder", "quiet")


def usage() -> str:
    """Return the help text."""
    return "\n".join(
        [
            "%%llm_tune [options]            the cell has the rows: question ⇒ answer, or JSON lines",
            "%llm_tune --data rows [options]  the variable or file has them",
            "%%llm_tune --decide df.label    the cell is the prompt of a row; labels are learned",
            "%llm_tune --resume              continue after an interrupt",
            "",
            *listed(OPTIONS),
        ]
    )


def parse(line: str, cell: str | None, namespace: Mapping[str, Any]) -> TuneRequest:
    """Parse a magic's line and cell.

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
            f"{rest[:40]!r} is not an option", hint="Write the rows into the cell, or name them with --data."
        )
    name = values.get("name", "tuned")
    if not name.isidentifier() or keyword.iskeyword(name):
        raise UsageError(f"{name!r:.60} is not a valid variable name", hint="Write for example -n pirate.")
    ours = {item: values.pop(item) for item in _OURS if item in values}
    ours |= {"save": "name" in ours, "unresolved": tuple(left)}
    data, resume = values.pop("data", None), values.pop("resume", False)
    decide = values.pop("decide", None)
    text = cell if cell is not None and cell.strip() else None
    if resume:
        if text or data or decide:
            raise UsageError("--resume uses the rows of the run", hint="Omit --data and the cell.")
        return TuneRequest("resume", name=name, quiet=ours.get("quiet", False), options=values)
    if decide is not None:
        if text is None or data is not None:
            raise UsageError(
                "--decide needs the prompt of a row in the cell, and no --data",
                hint="Write for example: Review: {review}",
            )
        labels = labelled_rows(decide, text.strip(), namespace)
        values.setdefault("eval_fraction", EVAL_FRACTION)
        return TuneRequest("tune", labels.to_rows(), decide, options=values, labels=labels, **ours)
    if (text is None) == (data is None):
        raise UsageError(
            "there are no rows" if text is None else "there are rows in the cell and in --data",
            hint="Write lines of question ⇒ answer into the cell, or name a file: --data rows.csv.",
        )
    if data is None:
        return TuneRequest("tune", text, options=values, **ours)
    rows = namespace[data] if data in namespace else Path(data)
    return TuneRequest("tune", rows, data, options=values, **ours)
