"""``{file:notes.md}`` in a prompt: a text file in the folder of the notebook."""

from __future__ import annotations

from pathlib import Path

from ...errors import UsageError
from ...sanitize import single_line

MOST_BYTES = 256 << 10


def read_file(name: str, folder: Path | None = None) -> str:
    """Return the text of a file inside a folder.

    Args:
        name: the path as it was written, relative to the folder.
        folder: the folder of the notebook; None is the current one.

    Raises:
        UsageError: it lies outside the folder, is no text file, or is too large.
    """
    shown = single_line(name)
    folder = (folder or Path.cwd()).resolve()
    try:
        path = (folder / name.strip()).resolve()
        if not path.is_relative_to(folder):
            raise UsageError(
                f"{{file:{shown}}} lies outside the folder of the notebook",
                hint="Copy the file into the folder.",
            )
        if not path.is_file():
            raise UsageError(f"{{file:{shown}}}: there is no such file", hint="Correct the name.")
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        raise UsageError(f"{{file:{shown}}} cannot be read: {error}", hint="Correct the name.") from None
    if len(data) > MOST_BYTES:
        raise UsageError(
            f"{{file:{shown}}} is larger than {MOST_BYTES >> 10:,} kB", hint="Use a part of the file."
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{{file:{shown}}} is no text in UTF-8", hint="Save the file as UTF-8.") from None
