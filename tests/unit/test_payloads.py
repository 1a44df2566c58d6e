"""What travels to the views has the same fields in Python and in TypeScript."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from llm_magics.core import payloads
from tests.support import pictures

PROTOCOL = Path(__file__).parents[2] / "labextension" / "src" / "protocol"
SHAPES: list[Any] = [
    value for name, value in vars(payloads).items() if name.endswith("Payload") and isinstance(value, type)
]


def interface(file: str, name: str) -> set[str]:
    """The fields of a TypeScript interface."""
    text = (PROTOCOL / file).read_text("utf-8")
    body = re.search(rf"export interface {name}(?: extends \w+)? \{{\n(.*?)\n\}}", text, re.DOTALL)
    assert body, (file, name)
    return set(re.findall(r"^  (\w+)\??:", body[1], re.MULTILINE))


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_the_fields_are_those_of_the_interface(shape: Any) -> None:
    twin = re.search(r"Twin: (\w+) in (\w+\.ts)", shape.__doc__)
    assert twin
    ours = set(shape.__annotations__)
    if shape is payloads.TuningRecordPayload:
        ours -= {"schema", "kind"}  # the view reads neither
    assert ours == interface(twin[2], twin[1])


def test_there_are_shapes() -> None:
    assert len(SHAPES) >= 8


@pytest.mark.parametrize("kind", list(pictures.KINDS))
def test_an_inspection_record_has_these_fields(kind: str) -> None:
    payload = pictures.KINDS[kind]().to_payload()
    assert set(payload) == {*payloads.InspectionPayload.__annotations__, "encoding"}
