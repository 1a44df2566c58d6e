"""What every view of a model's inside is made from: a record with arrays, that can show itself."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import asdict, fields
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..clean import printable, sound
from ..core.records import ModelInfo
from ..errors import ModelFileError, UsageError
from .packed import Stored as Stored
from .packed import packed, unpacked

if TYPE_CHECKING:
    from typing_extensions import Self

    from .drawing import Drawing

MIME = "application/vnd.llm-magics.inside+json"
SCHEMA = 1


class Picture:
    """A record of one kind: plain values in ``head``, numbers in ``arrays``.

    Attributes:
        kind: which view shows it.
        stored: how the notebook keeps each array.
        model: which weights it is of.
    """

    kind: ClassVar[str]
    stored: ClassVar[Stored] = {}

    def __init__(
        self, model: ModelInfo, head: dict[str, Any], arrays: dict[str, NDArray[Any]] | None = None
    ) -> None:
        self.model, self.head, self.arrays = model, head, arrays or {}
        assert not self.head.keys() & self.arrays.keys(), "to_dict would lose one of them"

    def __repr__(self) -> str:
        return printable(self.plain())

    def plain(self) -> str:
        """What a terminal shows."""
        raise NotImplementedError

    def figure(self) -> Drawing | None:
        """Return the main figure, for pages where no script runs; None where text says it as well."""
        return None

    def to_pandas(self) -> Any:
        """As a table (pandas.DataFrame)."""
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON types; numbers that are not finite are None."""
        return {
            "schema": SCHEMA,
            "kind": self.kind,
            "model": asdict(self.model),
            **self.head,
            **{name: _listed(array) for name, array in self.arrays.items()},
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """What :meth:`to_dict` gave.

        Raises:
            ModelFileError: it is a record of another kind, or of a later schema.
        """
        _check(data, cls.kind)
        arrays = {name: np.array(data[name], _type(kind, step)) for name, (kind, step) in cls.stored.items()}
        left = {"schema", "kind", "model", *arrays}
        head = {key: value for key, value in data.items() if key not in left}
        return cls(_model(data["model"]), head, arrays)

    def payload(self) -> dict[str, Any]:
        """What a notebook keeps, and a view reads."""
        head = {"view": self.kind, "schema": SCHEMA, "model": asdict(self.model)}
        made: dict[str, Any] = sound(
            {**head, "encoding": "deflate+base64", "data": packed(self.head, self.arrays, self.stored)}
        )
        return made

    def bundle(self) -> dict[str, Any]:
        """Return text, HTML with no script, and the record."""
        text, figure = repr(self), self.figure()
        picture = figure.html() if figure else ""
        page = f"{picture}<pre><code>{escape(text)}</code></pre>"  # code: some pages set pre in another face
        return {"text/plain": text, "text/html": page, MIME: self.payload()}

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        from .widget import with_view

        return with_view("inside", self.bundle(), MIME)

    def save_html(self, path: str | Path) -> Path:
        """Write a page that shows it by itself, in any browser, with nothing fetched from anywhere.

        Raises:
            StoreError: it cannot be written.
        """
        from .page import write

        return write(path, self.bundle(), MIME, title=f"{self.kind} · {self.model.name}")

    @classmethod
    def read(cls, payload: Mapping[str, Any]) -> Self:
        """What :meth:`payload` gave.

        Raises:
            ModelFileError: it is damaged, of another kind, or of a later schema.
        """
        _check({**payload, "kind": payload.get("view")}, cls.kind)
        try:
            head, arrays = unpacked(payload["data"])
            if missing := set(cls.stored) - set(arrays):
                raise ValueError(f"{', '.join(sorted(missing))} is missing")
            return cls(_model(payload["model"]), head, arrays)
        except (KeyError, TypeError, ValueError, AttributeError, zlib.error) as error:
            raise ModelFileError(
                f"this output holds no readable record: {error}", hint="run the cell again"
            ) from error


def table(columns: Mapping[str, Any]) -> Any:
    """A pandas.DataFrame of these columns.

    Raises:
        UsageError: pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError:
        raise UsageError("a table needs pandas", hint="pip install pandas") from None
    return pd.DataFrame(dict(columns))


def _check(data: Mapping[str, Any], kind: str) -> None:
    if data.get("kind") != kind or not isinstance(data.get("schema"), int):
        raise ModelFileError(f"this is no {kind} record", hint="pass what to_dict() gave")
    if data["schema"] > SCHEMA:
        raise ModelFileError(
            f"this {kind} record has schema {data['schema']}; this version reads up to {SCHEMA}",
            hint="upgrade: pip install -U open-llm-magics",
        )


def _model(data: Mapping[str, Any]) -> ModelInfo:
    return ModelInfo(**{each.name: str(data.get(each.name, "")) for each in fields(ModelInfo)})


def _type(kind: str, step: float) -> str:
    return "f4" if step != 1 else kind


def _listed(array: NDArray[Any]) -> Any:
    whole: Any = array.tolist()
    if array.dtype.kind != "f" or np.isfinite(array).all():
        return whole

    def clean(each: Any) -> Any:
        if isinstance(each, list):
            return [clean(part) for part in each]
        return each if np.isfinite(each) else None

    return clean(whole)
