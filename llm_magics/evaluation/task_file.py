"""Read a task of lm-evaluation-harness from its YAML file and its data files: nothing is executed.

A field that would change the numbers is used, or refused by name. Source of the format:
github.com/EleutherAI/lm-evaluation-harness, docs/task_guide.md.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..core.validation import format_value
from ..errors import UsageError
from ..sanitize import single_line

METRICS = ("acc", "acc_norm")
_MOST_BYTES = 256 << 20  # of a data file
_MOST_YAML = 1 << 20
_MOST_INCLUDES = 8
_IGNORED = {
    "task",
    "task_alias",
    "tag",
    "group",
    "group_alias",
    "metadata",
    "dataset_name",
    "should_decontaminate",
    "doc_to_decontamination_query",
    "training_split",
    "repeats",
    "filter_list",
}
_USED = {
    "dataset_path",
    "dataset_kwargs",
    "output_type",
    "test_split",
    "validation_split",
    "fewshot_split",
    "doc_to_text",
    "doc_to_target",
    "doc_to_choice",
    "description",
    "target_delimiter",
    "fewshot_delimiter",
    "num_fewshot",
    "fewshot_config",
    "metric_list",
}
_FORMATS = ("json", "csv")


@dataclass(frozen=True, slots=True)
class TaskFile:
    """A task as its file states it.

    Attributes:
        name: of the task.
        documents: of the split that is evaluated.
        examples: those that few-shot examples are drawn from.
        draws_without_own: whether the document itself is left out of its examples.
        first_examples: whether the first ones are taken, instead of random ones.
        fields: the fields of the file, checked.
    """

    name: str
    documents: list[dict[str, Any]]
    examples: list[dict[str, Any]]
    draws_without_own: bool
    first_examples: bool
    fields: dict[str, Any] = field(repr=False)

    @property
    def shots(self) -> int:
        """Return the number of examples before each question."""
        return int(self.fields.get("num_fewshot") or 0)


def read_task(path: str | Path) -> TaskFile:
    """Read a task.

    Args:
        path: of its YAML file; its data files lie beside it, or where they say.

    Raises:
        UsageError: it cannot be read, or it has something that is not supported.
    """
    file = Path(path)
    fields = _load(file, 0)
    name = single_line(str(fields.get("task") or file.stem))
    if odd := sorted(str(key) for key in fields.keys() - _USED - _IGNORED):
        raise _refused(name, f"the field {single_line(odd[0])}", "Remove it, or use lm_eval.")
    if fields.get("output_type", "multiple_choice") != "multiple_choice":
        raise _refused(name, f"output_type {format_value(fields['output_type'])}", "Use lm_eval.")
    for needed in ("doc_to_text", "doc_to_target", "doc_to_choice"):
        if needed not in fields:
            raise _refused(name, f"a missing {needed}", "Add it to the file.")
    _check_metrics(name, fields.get("metric_list"))
    shots = fields.get("num_fewshot")
    if shots is not None and (type(shots) is not int or not 0 <= shots <= 100):
        raise _refused(name, f"num_fewshot {format_value(shots)}", "Use a number from 0 to 100.")
    first = _sampler(name, fields.get("fewshot_config"))
    splits = _splits(name, file.parent, fields)
    asked = fields.get("test_split") or fields.get("validation_split") or next(iter(splits))
    fewshot = fields.get("fewshot_split")
    order = (fewshot, fields.get("training_split"), fields.get("validation_split"), fields.get("test_split"))
    drawn = next((split for split in order if split), asked)
    for split in (asked, drawn):
        if split not in splits:
            raise _refused(
                name,
                f"the split {format_value(split)}, which no data file has",
                "Name its file in data_files.",
            )
    if not splits[asked]:
        raise UsageError(f"the task {name} has no rows", hint="Name another data file.")
    return TaskFile(name, splits[asked], splits[drawn], fewshot == fields.get("test_split"), first, fields)


def _load(file: Path, depth: int) -> dict[str, Any]:
    """Return the fields of a file, with those of the file that it includes."""
    try:
        import yaml
    except ImportError:
        raise UsageError(
            "reading a task needs PyYAML", hint="Run pip install 'open-llm-magics[eval]'."
        ) from None
    try:
        if file.stat().st_size > _MOST_YAML:
            raise UsageError(f"{file} is too long for a task", hint="Name the YAML file of a task.")
        fields = yaml.safe_load(file.read_text("utf-8"))
    except OSError as error:
        raise UsageError(
            f"{file} cannot be read: {error.strerror}", hint="Name the YAML file of a task."
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        text = single_line(str(error), most=200)
        if "!function" in text:
            raise UsageError(
                f"{file.name} uses Python code (!function), which is not run",
                hint="Write templates instead, or use lm_eval.",
            ) from None
        raise UsageError(f"{file.name} is no valid YAML: {text}", hint="Correct the file.") from None
    if not isinstance(fields, dict):
        raise UsageError(f"{file.name} is no task", hint="Name the YAML file of a task.")
    base = fields.pop("include", None)
    if base is None:
        return fields
    if not isinstance(base, str) or depth >= _MOST_INCLUDES:
        raise UsageError(f"{file.name} includes {format_value(base)}", hint="Name one file.")
    return {**_load(file.parent / base, depth + 1), **fields}


def _check_metrics(name: str, metrics: Any) -> None:
    for item in metrics if isinstance(metrics, list) else [] if metrics is None else [metrics]:
        metric = item.get("metric") if isinstance(item, Mapping) else item
        if metric not in METRICS:
            raise _refused(name, f"the metric {format_value(metric)}", f"Use {' and '.join(METRICS)}.")


def _sampler(name: str, config: Any) -> bool:
    """Return whether examples are the first ones; random ones are the default."""
    if config is None:
        return False
    if not isinstance(config, Mapping) or config.keys() - {"sampler"}:
        raise _refused(name, "a fewshot_config with other fields than sampler", "Use lm_eval.")
    if config.get("sampler", "default") not in ("default", "first_n"):
        raise _refused(name, f"the sampler {format_value(config['sampler'])}", "Use default or first_n.")
    return config.get("sampler") == "first_n"


def _splits(name: str, folder: Path, fields: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of each split."""
    kind, stated = fields.get("dataset_path"), fields.get("dataset_kwargs")
    more = stated if isinstance(stated, Mapping) else {}
    files = more.get("data_files")
    if kind not in _FORMATS or files is None:
        raise _refused(
            name,
            f"the dataset {format_value(kind)}: data must be in local files",
            "Write dataset_path: json, and dataset_kwargs with data_files.",
        )
    if odd := set(more) - {"data_files"}:
        raise _refused(name, f"{single_line(str(min(odd, key=str)))} in dataset_kwargs", "Remove it.")
    named = files if isinstance(files, Mapping) else {"train": files}
    rows: dict[str, list[dict[str, Any]]] = {}
    for split, part in named.items():
        parts = part if isinstance(part, list) else [part]
        rows[str(split)] = [row for item in parts for row in _rows(folder, item)]
    return rows


def _rows(folder: Path, name: Any) -> list[dict[str, Any]]:
    """Return the rows of a data file, which is beside the task or in the current folder."""
    if not isinstance(name, str):
        raise UsageError(f"a data file must be a path, got {format_value(name)}", hint="Name a file.")
    path = folder / name if (folder / name).is_file() else Path(name)
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise UsageError(f"{path} has more than {_MOST_BYTES >> 20} MB", hint="Use a part of it.")
        text = path.read_text("utf-8-sig")
        if path.suffix == ".csv":
            return [dict(row) for row in csv.DictReader(text.splitlines(keepends=True))]
        many = text.lstrip()[:1] == "["
        lines = [line for line in text.splitlines() if line.strip()]
        rows = json.loads(text) if many else [json.loads(line) for line in lines]
    except OSError as error:
        raise UsageError(
            f"the data file {path} cannot be read: {error.strerror}",
            hint="Put it into the folder of the task.",
        ) from None
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"the data file {path} is no JSON: {single_line(str(error), most=100)}", hint="Correct the file."
        ) from None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise UsageError(f"the data file {path} has a row that is no object", hint="Write one object a row.")
    return rows


def _refused(name: str, what: str, hint: str) -> UsageError:
    return UsageError(f"the task {name} has {what}, which is not supported", hint=hint)
