"""JSON from files that nobody vouches for: of bounded size, and an object."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

SMALL = 16 << 20  # bytes


def json_object(path: Path, most: int = SMALL) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        OSError: it cannot be read. ValueError: it is larger than ``most`` bytes, damaged, or no object.
    """
    if path.stat().st_size > most:
        raise ValueError(f"it has more than {most:,} bytes")
    try:
        value = json.loads(path.read_text("utf-8-sig"))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(value, dict):
        raise ValueError("it is not a JSON object")
    return value
