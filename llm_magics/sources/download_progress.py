"""Progress of a download that huggingface_hub makes: how much of a file is on the disk already."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..core import progress
from ..errors import Interrupted

EVERY_S = 0.5


@contextmanager
def report_progress(blobs: Path, words: str, done: int, total: int) -> Iterator[None]:
    """Tell whoever listens how far the download is.

    huggingface_hub draws a bar of its own on stderr; where somebody listens it is switched off meanwhile.

    Args:
        blobs: the folder into which the file is written.
        words: what is downloaded.
        done: bytes that came before this file, of ``total``.
        total: bytes in total.
    """
    from huggingface_hub.utils.tqdm import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    if not progress.listened_to():
        yield
        return
    ended = threading.Event()

    def tell(now: int) -> None:
        progress.report(f"{words}: {now / 1e6:.0f} of {total / 1e6:.0f} MB", now / max(total, 1))

    def run() -> None:
        with suppress(Exception, Interrupted):  # who wants to stop is heard before the next file
            while not ended.wait(EVERY_S):
                tell(done + _incomplete(blobs))

    tell(done)  # in this thread: a listener that wants to stop raises, and nothing is fetched
    switched = not are_progress_bars_disabled()
    if switched:
        disable_progress_bars()
    # The context tells where progress is shown.
    thread = threading.Thread(target=contextvars.copy_context().run, args=(run,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()  # nothing is shown after the end
        if switched:
            enable_progress_bars()


def _incomplete(blobs: Path) -> int:
    """Return the bytes of the newest file that is being written."""
    with suppress(OSError):
        stats = sorted((path.stat() for path in blobs.glob("*.incomplete")), key=lambda item: item.st_mtime)
        return stats[-1].st_size if stats else 0
    return 0
