"""What the ``tokenizers`` library does to a bad text or file becomes an error of ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import REDOWNLOAD, ModelFileError


@contextmanager
def tokenizer_errors() -> Iterator[None]:
    """Convert exceptions and panics of the tokenizers library into ModelFileError.

    A vocabulary may lack what its tokenizer needs; an expression to split by may take too many steps on some
    text.
    """
    try:
        yield
    except BaseException as error:
        if type(error) is not Exception and type(error).__name__ != "PanicException":
            raise
        raise ModelFileError(f"the model's tokenizer fails: {error}", hint=REDOWNLOAD) from error
