"""What the ``tokenizers`` library does to a bad text or file becomes an error of ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import ModelFileError, UsageError


def check_sound(text: str) -> None:
    """Raises: UsageError: it is no text, or one with half of a surrogate pair in it."""
    if not isinstance(text, str):
        raise UsageError(f"a text is wanted, got {type(text).__name__}", hint="pass a string")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UsageError(
            f"letter {error.start + 1} of the text is half of a surrogate pair",
            hint='text.encode("utf-16", "surrogatepass").decode("utf-16", "replace") makes it whole',
        ) from None


@contextmanager
def tokenizer_errors() -> Iterator[None]:
    """What a bad file makes the library do becomes a ModelFileError: plain Exceptions, and panics, which are
    not even that.

    A vocabulary may lack what its tokenizer needs; an expression to split by may take too many steps on some
    text.
    """
    try:
        yield
    except BaseException as error:
        if type(error) is not Exception and type(error).__name__ != "PanicException":
            raise
        raise ModelFileError(
            f"the model's tokenizer fails: {error}", hint="fetch the model again, or choose another"
        ) from error
