"""The text that ghost text continues: the cells above, as far as they fit, and the cell up to the cursor."""

from __future__ import annotations

from collections.abc import Sequence

MOST_ABOVE = 1_500  # characters of the cells above
MOST_PREFIX = 3_000  # characters of the cell itself
STEP = 1_000  # a long cell loses so many characters at a time, so that most requests begin alike
MOST_SUFFIX = 500


def join_context(above: Sequence[str], prefix: str) -> str:
    """Return the text before the cursor.

    The beginning is the same from one key to the next: whole cells are taken, whatever the length of the cell
    that is written. So the KV cache holds almost all of it.

    Args:
        above: the sources of the cells above, in their order.
        prefix: the cell up to the cursor.
    """
    taken: list[str] = []
    room = MOST_ABOVE
    for source in reversed(above):
        text = source.strip("\n")
        if not text.strip():
            continue
        room -= len(text)
        if room < 0:
            break
        taken.append(text)
    if len(prefix) > MOST_PREFIX:
        cut = -(-(len(prefix) - MOST_PREFIX) // STEP) * STEP
        line = prefix.find("\n", cut)
        prefix = prefix[cut if line < 0 else line + 1 :]
    return "".join(f"{text}\n\n" for text in reversed(taken)) + prefix
