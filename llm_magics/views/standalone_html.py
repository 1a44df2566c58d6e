"""A view as a page of its own: one file, with nothing fetched from anywhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from ..core import validation
from ..core.files import write_atomic
from ..errors import StoreError
from ..sanitize import single_line

SCRIPT = Path(__file__).parents[1] / "static" / "page.js"
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:">
<title>{title}</title>
<style>body{{margin:24px auto;max-width:1180px;padding:0 16px;font:15px/1.5 system-ui,sans-serif}}
@media (prefers-color-scheme:dark){{body{{background:#111;color:#e8e8e8}}}}</style>
</head>
<body>
<div id="view">{fallback}</div>
<script type="application/json" id="record">{record}</script>
<script>{script}</script>
</body>
</html>
"""


def write_html(path: str | Path, bundle: Mapping[str, Any], mime: str, *, title: str) -> Path:
    """Write the page of a bundle; gives its path.

    Raises:
        StoreError: it cannot be written.
    """
    # No letter of a record can end its element: "<" is written as JSON's escape.
    record = json.dumps({"mime": mime, "payload": bundle[mime]}).replace("<", "\\u003c")
    script = SCRIPT.read_text("utf-8").replace("</", "<\\/") if SCRIPT.exists() else ""
    page = _PAGE.format(
        title=escape(single_line(title)), fallback=bundle["text/html"], record=record, script=script
    )
    path = validation.require_path(path, "the page")
    try:
        write_atomic(path, page)
    except (OSError, ValueError) as error:  # a path with no name, too
        raise StoreError(f"{path} cannot be written: {error}", hint="Choose another folder.") from error
    return path
