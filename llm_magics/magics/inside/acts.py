"""What each order of a view does: the model, the record that is shown, and the order → another record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ...core.records import Generation, Trace
from ...errors import ModelFileError, UsageError
from ...lens.attention import Attention
from ...lens.compare import Comparison
from ...lens.layers import Lens
from ...lens.probe import Probe
from ...views.picture import Picture
from ..channel import whole

if TYPE_CHECKING:
    from ...models.model import Model

Act = dict[str, Any]
Source = Picture | Generation | Trace
KINDS: dict[str, type[Picture]] = {kind.kind: kind for kind in (Attention, Comparison, Lens, Probe)}


def read(payload: Mapping[str, Any]) -> Picture:
    """The record of a view's bundle.

    Raises:
        ModelFileError: it is damaged, or of no kind that is known.
    """
    kind = KINDS.get(str(payload.get("view")))
    if kind is None:
        raise ModelFileError("this output holds no record", hint="run the cell again")
    return kind.read(payload)


def text_of(source: Source) -> Any:
    """What a record is of, as a view's call takes it.

    Raises:
        UsageError: it is of no single text.
    """
    if not isinstance(source, Picture):
        return source
    ids = source.head.get("ids")
    if not isinstance(ids, list) or not all(isinstance(id, int) for id in ids):
        raise UsageError("this record is of no single text", hint="call the view with a text")
    return ids


OPEN: dict[str, Callable[[Model, Source, Act], Picture]] = {
    "attention": lambda model, source, act: model.attention(text_of(source)),
    "lens": lambda model, source, act: model.lens(text_of(source)),
}
ACTS: dict[tuple[str, str], Callable[[Model, Picture, Act], Picture]] = {
    ("attention", "layer"): lambda model, picture, act: model.attention(
        text_of(picture), layers=[whole(act, "layer")]
    ),
    ("probe", "add"): lambda model, picture, act: model.probe(
        text_of(picture), [*(each["text"] for each in picture.head["strings"]), str(act.get("text", ""))]
    ),
}
