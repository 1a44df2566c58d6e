"""A value of the notebook as a short text for a model: what it is, its shape, its first rows."""

from __future__ import annotations

import dataclasses
import inspect
import types
from collections.abc import Mapping
from contextlib import suppress
from itertools import islice
from typing import Any

ROWS = 5
_LONGEST = 8_000  # characters of one description
_ITEM = 120  # characters of an item
_ITEMS = 12


def describe(value: Any, name: str = "") -> str:
    """Describe a value: by its own ``_repr_llm_``, else by its kind.

    Args:
        value: of the namespace.
        name: what it is called there.
    """
    own = getattr(type(value), "_repr_llm_", None)
    if callable(own):
        with suppress(Exception):  # of the user's class
            return _cut(str(value._repr_llm_()), _LONGEST)
    maker = type(value).__module__.partition(".")[0]
    describers = {"pandas": _pandas, "polars": _polars, "numpy": _numpy, "torch": _torch}
    try:
        text = describers.get(maker, _other)(value)
    except Exception:  # libraries change, and a __repr__ of the user's own may fail
        text = f"{type(value).__name__} (it cannot be described)"
    return _cut(f"{name} = {text}" if name else text, _LONGEST)


def _pandas(value: Any) -> str:
    kind = type(value).__name__
    if kind == "DataFrame":
        lines = [f"DataFrame, {len(value):,} rows × {len(value.columns):,} columns"]
        for column, dtype in islice(value.dtypes.items(), 40):
            missing = int(value[column].isna().sum()) if list(value.columns).count(column) == 1 else 0
            lines.append(f"  {column}: {dtype}" + (f", {missing:,} missing" if missing else ""))
        if len(value.columns) > 40:
            lines.append(f"  … and {len(value.columns) - 40:,} more columns")
        return "\n".join(
            [*lines, f"first {min(ROWS, len(value))} rows:", value.head(ROWS).to_csv(index=False)]
        )
    if kind == "Series":
        head = value.head(ROWS).to_csv(index=True, header=False)
        return f"Series {value.name!r}, {len(value):,} values of {value.dtype}\nfirst values:\n{head}"
    return _plain(value)


def _polars(value: Any) -> str:
    kind = type(value).__name__
    if kind == "DataFrame":
        rows, columns = value.shape
        types_ = [f"  {name}: {dtype}" for name, dtype in islice(value.schema.items(), 40)]
        head = value.head(ROWS).write_csv()
        return "\n".join([f"DataFrame, {rows:,} rows × {columns:,} columns", *types_, "first rows:", head])
    if kind == "Series":
        return f"Series {value.name!r}, {len(value):,} values of {value.dtype}: {value.head(ROWS).to_list()}"
    return _plain(value)


def _numpy(value: Any) -> str:
    if type(value).__name__ != "ndarray":
        return _plain(value)
    head = value.reshape(-1)[:_ITEMS].tolist()
    dots = ", …" if value.size > _ITEMS else ""
    return f"array, shape {value.shape}, {value.dtype}: [{', '.join(map(_item, head))}{dots}]"


def _torch(value: Any) -> str:
    if not hasattr(value, "shape") or not hasattr(value, "device"):
        return _plain(value)
    head = value.detach().reshape(-1)[:_ITEMS].tolist()
    dots = ", …" if value.numel() > _ITEMS else ""
    return (
        f"tensor, shape {tuple(value.shape)}, {value.dtype}, on {value.device}: "
        f"[{', '.join(map(_item, head))}{dots}]"
    )


def _other(value: Any) -> str:
    if isinstance(value, str):
        return value if len(value) <= _LONGEST else f"{value[:_LONGEST]}… ({len(value):,} characters)"
    if isinstance(value, (types.FunctionType, types.MethodType, type)):
        with suppress(OSError, TypeError):
            return inspect.getsource(value)
        return f"{_plain(value)}\n{inspect.getdoc(value) or ''}".rstrip()
    if isinstance(value, types.ModuleType):
        return f"module {value.__name__}: {(inspect.getdoc(value) or '').partition(chr(10))[0]}"
    if dataclasses.is_dataclass(value):
        pairs = ((item.name, getattr(value, item.name)) for item in dataclasses.fields(value))
        return f"{type(value).__name__}({', '.join(f'{name}={_item(item)}' for name, item in pairs)})"
    if isinstance(value, Mapping):
        shown = [f"  {_item(key)}: {_item(item)}" for key, item in islice(value.items(), _ITEMS)]
        more = [f"  … and {len(value) - _ITEMS:,} more"] if len(value) > _ITEMS else []
        return "\n".join([f"{type(value).__name__} with {len(value):,} keys", *shown, *more])
    if isinstance(value, (list, tuple, set, frozenset)):
        dots = f", … ({len(value):,} items)" if len(value) > _ITEMS else ""
        return f"{type(value).__name__} [{', '.join(map(_item, islice(value, _ITEMS)))}{dots}]"
    return _plain(value)


def _plain(value: Any) -> str:
    return _cut(repr(value), 1_000)


def _item(value: Any) -> str:
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple) and type(value).__module__.partition(".")[0] in (
        "pandas",
        "numpy",
        "torch",
        "polars",
    ):
        return f"<{type(value).__name__} {'×'.join(map(str, shape))}>"
    return _cut(repr(value), _ITEM)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
