"""``--map``: one prompt for each row of a column; the answers go back into the table."""

from __future__ import annotations

import time
from collections import ChainMap
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ...core import progress
from ...core.output import FrameClock, Output, is_captured
from ...core.records import Generation
from ...errors import ClusterError, Interrupted, LLMMagicsError, ServerError, UsageError
from ...sanitize import safe_print, single_line
from ..parsing.cell_request import CellRequest
from ..parsing.expand import expand
from .forms import form_options, labels

if TYPE_CHECKING:
    from ...models.cluster.dask_workers import DaskWorkers
    from ...models.language_model import LanguageModel

FRAME_S = 1.0


@dataclass(frozen=True, slots=True)
class RowSource:
    """The rows of a run.

    Attributes:
        name: as it was written, such as "df.review".
        values: one for each row.
        table: the DataFrame that they are a column of; None for a list.
        column: the name of the column; empty for a list.
    """

    name: str
    values: list[Any]
    table: Any = None
    column: str = ""

    def variables(self, number: int) -> dict[str, Any]:
        """Return what a prompt may name of a row: its columns, and ``row`` for the value."""
        own = {"row": self.values[number]}
        if self.table is None:
            return own
        record = self.table.iloc[number]
        return {**own, **{str(name): record[name] for name in self.table.columns}}


def read_rows(text: str, namespace: Mapping[str, Any], flag: str = "--map") -> RowSource:
    """Return the rows that an option names: "df.column", or a list, or a column.

    Raises:
        UsageError: there is no such thing.
    """
    name, _, column = text.strip().partition(".")
    value: Any = namespace.get(name)
    if column:
        if not hasattr(value, "columns") or not hasattr(value, "iloc"):
            raise UsageError(
                f"{flag} names {single_line(text)!r:.60}, and {single_line(name)} is no table of pandas",
                hint=f"Write the name of a DataFrame and a column: {flag} df.review.",
            )
        if column not in value.columns:
            known = ", ".join(map(str, list(value.columns)[:8]))
            raise UsageError(
                f"{single_line(name)} has no column {single_line(column)!r:.60}", hint=f"Choose from {known}."
            )
        return RowSource(text.strip(), list(value[column]), value, column)
    if value is None or isinstance(value, (str, bytes, Mapping)) or hasattr(value, "columns"):
        raise UsageError(
            f"{flag} names {single_line(text)!r:.60}, which is no list and no column",
            hint=f"Write for example {flag} df.review, or the name of a list.",
        )
    return RowSource(text.strip(), list(value))


def check_target(name: str | None, namespace: Mapping[str, Any]) -> None:
    """Check where the answers go, before anything is computed.

    Raises:
        UsageError: the table does not exist, or it is no table of pandas.
    """
    if name is None or "." not in name:
        return
    first = name.partition(".")[0]
    if not hasattr(namespace.get(first), "iloc"):
        raise UsageError(
            f"-o names a column of {single_line(first)}, which is no table of pandas",
            hint="Write the name of a DataFrame and a new column: -o df.label.",
        )


def find_workers(text: str, namespace: Mapping[str, Any]) -> Any:
    """Return the cluster that ``--on`` names: the address of a scheduler, or an object of the notebook.

    Raises:
        UsageError: there is no such thing.
    """
    if "://" in text:
        return text
    if namespace.get(text) is None:
        raise UsageError(
            f"--on names {single_line(text)!r:.60}, which is not defined",
            hint="Write an address such as tcp://127.0.0.1:8786, or the name of a client or a cluster.",
        )
    return namespace[text]


def row_prompts(
    template: str, source: RowSource, namespace: Mapping[str, Any], *, evaluate: bool
) -> list[Any]:
    """Return the prompt of each row; a row without a value is itself, which is an error of that row.

    Raises:
        UsageError: the prompt names nothing of a row.
    """
    names = source.variables(0) if source.values else {"row": ""}
    if not any(f"{{{name}" in template for name in names):
        wanted = source.column or "row"
        raise UsageError(
            "the prompt names nothing of a row", hint=f"Write {{{wanted}}} where the value belongs."
        )
    prompts: list[Any] = []
    for number, value in enumerate(source.values):
        if _is_missing(value):
            prompts.append(value)
            continue
        text, _ = expand(template, ChainMap(source.variables(number), dict(namespace)), evaluate=evaluate)
        prompts.append(text)
    return prompts


class RowsRunner:
    """Run one prompt for each row, and show how far it is.

    Args:
        shell: IPython's shell.
        request: the cell.
        source: the rows.
        prompts: of the rows.
        truth: the true labels; empty where there are none.
        workers: the cluster that answers; None where this process does.
    """

    def __init__(
        self,
        shell: Any,
        request: CellRequest,
        source: RowSource,
        prompts: list[Any],
        truth: list[Any],
        workers: Any = None,
    ) -> None:
        from ...inspection.answers.rows import RowsState

        self._client = workers
        self._workers: DaskWorkers | None = None
        self._shell, self._request, self._source, self._prompts = shell, request, source, prompts
        known = {n: str(value) for n, value in enumerate(truth) if not _is_missing(value)}
        self.state = RowsState(source.name, len(source.values), truth=known)
        self.values: list[Any] = [None] * len(source.values)
        self._notebook = getattr(shell, "kernel", None) is not None and not is_captured()
        self._output, self._frames, self._began = Output(), FrameClock(), 0.0
        self._model: LanguageModel | None = None

    def run(self, model: LanguageModel, system: str | None, *, output: Output | None = None) -> None:
        """Run all rows; each is shown and kept when it is finished.

        Args:
            model: answers.
            system: the system message.
            output: where the run is shown; None takes a new one.

        Raises:
            Interrupted: the user stopped it; the finished rows are kept.
            ClusterError, ServerError: the workers or the server are gone; the finished rows are kept.
        """
        self._model, self._began = model, time.monotonic()
        self._output = output or self._output
        try:
            with progress.quiet():
                if self._client is not None:
                    from ...models.cluster.dask_workers import DaskWorkers

                    self._workers = DaskWorkers(self._client)
                if self._request.choices is not None:
                    self._choose(model, system)
                else:
                    self._generate(model, system)
            self.state.state = "done"
        except KeyboardInterrupt:
            self.state.state = "stopped"
            raise Interrupted(
                f"stopped after {len(self.state.results):,} of {self.state.total:,} rows; they are kept",
                hint="Run the cell again to continue.",
            ) from None
        except (ClusterError, ServerError):
            self.state.state = "stopped"
            raise
        finally:
            self._write()
            self._show(last=True)
            if self._workers is not None:
                self._workers.cancel()

    def _generate(self, model: LanguageModel, system: str | None) -> None:
        request = self._request
        form = form_options(request, self._shell.user_ns)
        model.map(
            self._prompts,
            system=system,
            raw=request.raw,
            progress=False,
            keep=request.keep,
            fresh=request.fresh,
            on=self._workers,
            seen=self._take,
            **request.options,
            **form,
        )

    def _choose(self, model: LanguageModel, system: str | None) -> None:
        spellings = labels(self._request.choices or "")
        choices = model.choose_rows(
            self._prompts,
            spellings,
            system=system,
            raw=self._request.raw,
            keep=self._request.keep,
            fresh=self._request.fresh,
            on=self._workers,
        )
        for number, choice in choices:
            self._take(number, choice)

    def _take(self, number: int, result: Any) -> None:
        """Take the answer, the label or the error of a row."""
        from ...inspection.answers.rows import RowResult

        text = str(self._source.values[number])
        if isinstance(result, (LLMMagicsError, Interrupted)):
            if isinstance(result, LLMMagicsError):
                self.state.results[number] = RowResult(number, text, error=result.message)
        elif isinstance(result, Generation):
            form = result.options.grammar is not None
            self.values[number] = result.value if form else result.answer
            self.state.results[number] = RowResult(number, text, result.answer)
        else:
            self.values[number] = result
            p = max(result.probabilities.values())
            shares = result.probabilities
            self.state.results[number] = RowResult(number, text, str(result), p, shares=shares)
        self._show()

    def _write(self) -> None:
        """Write the answers into the table, or into the variable."""
        target = self._request.variable
        if not target:
            return
        name, _, column = target.partition(".")
        if not column:
            self._shell.user_ns[name] = list(self.values)
            self.state.columns = (name,)
            return
        frame, series = self._shell.user_ns[name], {column: self.values}
        fields = _fields(self.values)
        if fields:
            series = {f"{column}_{key}": [_field(value, key) for value in self.values] for key in fields}
        if self._request.choices is not None:
            series = {
                column: [None if value is None else str(value) for value in self.values],
                f"{column}_p": [
                    None if value is None else max(value.probabilities.values()) for value in self.values
                ],
            }
        errors = {n: item.error for n, item in self.state.results.items() if item.error}
        if errors:
            series[f"{column}_error"] = [errors.get(n) for n in range(len(self.values))]
        import pandas as pd

        for title, values in series.items():
            frame[title] = pd.Series(values, index=frame.index)
        self.state.columns = tuple(f"{name}.{title}" for title in series)

    def _show(self, *, last: bool = False) -> None:
        """Show how far it is, about once a second."""
        if self._request.quiet or self._model is None or not (self._frames.is_due() or last):
            return
        self.state.seconds = time.monotonic() - self._began
        self.state.moments.append((self.state.seconds, len(self.state.results)))
        from ...inspection.answers.rows import rows_run

        if self._workers is not None:
            self.state.workers = [asdict(worker) for worker in self._workers.snapshot()]
        record = rows_run(self.state, self._model.info)
        if not self._notebook:
            if last:
                safe_print(repr(record), flush=True)
            return
        with suppress(RuntimeError):
            self._output.show(*(record._repr_mimebundle_() if last else (record.mime_bundle(),)))
        self._frames.shown(FRAME_S)


def _is_missing(value: Any) -> bool:
    """Return whether a row has no value: None, or a number that is none."""
    return value is None or (isinstance(value, float) and value != value) or type(value).__name__ == "NAType"


def _fields(values: list[Any]) -> list[str]:
    """Return the names of the fields of values that are objects, in order; empty for others."""
    first = next((value for value in values if value is not None), None)
    if isinstance(first, dict):
        return list(dict.fromkeys(key for value in values if isinstance(value, dict) for key in value))
    fields = getattr(first, "__dataclass_fields__", None) or getattr(type(first), "model_fields", None)
    return list(fields or ())


def _field(value: Any, name: str) -> Any:
    if value is None:
        return None
    return value.get(name) if isinstance(value, dict) else getattr(value, name, None)
