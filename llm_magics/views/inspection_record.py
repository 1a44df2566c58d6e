"""What every view of a model's inside is made from: a record with arrays, that can show itself."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..core.payloads import InspectionPayload
from ..core.records import ModelInfo
from ..errors import RUN_CELL, ModelFileError, UsageError
from ..sanitize import printable, replace_surrogates
from .array_codec import Stored as Stored
from .array_codec import decode_arrays, encode_arrays
from .mime import INSPECTION_MIME

if TYPE_CHECKING:
    from typing_extensions import Self

    from .drawing import Drawing

SCHEMA = 1


class InspectionRecord:
    """A record of one kind: plain values in ``head``, numbers in ``arrays``.

    Attributes:
        kind: which view shows it.
        stored: how the notebook keeps each array.
        model: which weights it is of.
    """

    kind: ClassVar[str]
    storage: ClassVar[Stored] = {}

    def __init__(
        self, model: ModelInfo, header: dict[str, Any], arrays: dict[str, NDArray[Any]] | None = None
    ) -> None:
        self.model, self.head, self.arrays = model, header, arrays or {}
        assert not self.head.keys() & self.arrays.keys(), "to_dict would lose one of them"

    def __repr__(self) -> str:
        return printable(self.to_text())

    def to_text(self) -> str:
        """Return what a terminal shows."""
        raise NotImplementedError

    def figure(self) -> Drawing | None:
        """Return the main figure, for pages where no script runs; None where text says it as well."""
        return None

    def to_pandas(self) -> Any:
        """Return a table (pandas.DataFrame)."""
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types; numbers that are not finite are None."""
        return {
            "schema": SCHEMA,
            "kind": self.kind,
            "model": self.model.to_dict(),
            **self.head,
            **{name: _listed(array) for name, array in self.arrays.items()},
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read what :meth:`to_dict` wrote.

        Raises:
            ModelFileError: it is a record of another kind, or of a later schema.
        """
        _check(data, cls.kind)
        arrays = {name: np.array(data[name], _type(kind, step)) for name, (kind, step) in cls.storage.items()}
        left = {"schema", "kind", "model", *arrays}
        head = {key: value for key, value in data.items() if key not in left}
        return cls(_model(data["model"]), head, arrays)

    def to_payload(self) -> InspectionPayload:
        """Return what a notebook keeps, and a view reads."""
        head = {"view": self.kind, "schema": SCHEMA, "model": self.model.to_dict()}
        output: InspectionPayload = replace_surrogates(
            {
                **head,
                "encoding": "deflate+base64",
                "data": encode_arrays(self.head, self.arrays, self.storage),
            }
        )
        return output

    def mime_bundle(self) -> dict[str, Any]:
        """Return text, HTML with no script, and the record."""
        return {"text/plain": repr(self), "text/html": self.page(), INSPECTION_MIME: self.to_payload()}

    def page(self) -> str:
        """Return HTML with no script, for pages without our views: the main figure and the text."""
        figure = self.figure()
        picture = figure.html() if figure else ""
        # code: some pages set pre in another face
        return f"{picture}<pre><code>{escape(repr(self))}</code></pre>"

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        from .widget import attach_widget

        return attach_widget("inside", self.mime_bundle(), INSPECTION_MIME)

    def save_html(self, path: str | Path) -> Path:
        """Write a page that shows it by itself, in any browser, with nothing fetched from anywhere.

        Raises:
            StoreError: it cannot be written.
        """
        from .standalone_html import write_html

        return write_html(path, self.mime_bundle(), INSPECTION_MIME, title=f"{self.kind} · {self.model.name}")

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> Self:
        """Read what :meth:`to_payload` wrote.

        Raises:
            ModelFileError: it is damaged, of another kind, or of a later schema.
        """
        _check({**payload, "kind": payload.get("view")}, cls.kind)
        try:
            head, arrays = decode_arrays(payload["data"])
            if missing := set(cls.storage) - set(arrays):
                raise ValueError(f"{', '.join(sorted(missing))} is missing")
            return cls(_model(payload["model"]), head, arrays)
        except (KeyError, TypeError, ValueError, AttributeError, zlib.error) as error:
            raise ModelFileError(f"this output has no readable record: {error}", hint=RUN_CELL) from error


def table(columns: Mapping[str, Any]) -> Any:
    """Return a pandas.DataFrame of these columns.

    Raises:
        UsageError: pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError:
        raise UsageError("a table needs pandas", hint="Run pip install pandas.") from None
    return pd.DataFrame(dict(columns))


def _check(data: Mapping[str, Any], kind: str) -> None:
    if data.get("kind") != kind or not isinstance(data.get("schema"), int):
        raise ModelFileError(f"not a {kind} record", hint="Pass a dictionary that to_dict() returned.")
    if data["schema"] > SCHEMA:
        raise ModelFileError(
            f"this {kind} record has schema {data['schema']}; this version reads up to {SCHEMA}",
            hint="Upgrade with pip install -U open-llm-magics.",
        )


def _model(data: Mapping[str, Any]) -> ModelInfo:
    return ModelInfo.from_dict({name: str(value) for name, value in data.items()})


def _type(kind: str, step: float) -> str:
    return "f4" if step != 1 else kind


def _listed(array: NDArray[Any]) -> Any:
    whole: Any = array.tolist()
    if array.dtype.kind != "f" or np.isfinite(array).all():
        return whole

    def clean(item: Any) -> Any:
        if isinstance(item, list):
            return [clean(part) for part in item]
        return item if np.isfinite(item) else None

    return clean(whole)
