"""What reading a damaged file raises, made one kind of error that means: this checkpoint cannot be trusted."""

import contextlib
import errno
import gc
import logging
import sys
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")


class DamagedError(Exception):
    """A checkpoint that cannot be trusted; says what is wrong with it. Never reaches the user: another one is tried."""


def read_or_damaged(what: str, read: Callable[[], T]) -> T:
    """`read()`, with a DamagedError in the place of whatever it raises, but for what says nothing of the checkpoint.

    Orbax, TensorStore and JSON raise exceptions of many types for one and the same damage.
    """
    with without_echoes():
        try:
            return read()
        except DamagedError:
            raise
        except Exception as error:
            if _is_of_the_machine(error):
                raise
            cause = _first_cause(error)
        gc.collect()  # while nobody listens
    raise DamagedError(f"{what} cannot be read ({cause})")


def _is_of_the_machine(error: Exception) -> bool:
    """No memory, no file handle, no permission: another attempt may succeed."""
    return (
        isinstance(error, (MemoryError, PermissionError))
        or getattr(error, "errno", None) in (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
        or "RESOURCE_EXHAUSTED" in str(error)
    )


def _first_cause(error: BaseException) -> str:
    """In one line, without the page of settings that TensorStore adds."""
    while error.__cause__ is not None:
        error = error.__cause__
    words = " ".join(str(error).partition("[tensorstore_spec")[0].split())
    return f"{type(error).__name__}: {words if len(words) <= 400 else words[:400] + '...'}"


@contextlib.contextmanager
def without_echoes() -> Iterator[None]:
    """When one part of a parallel read or write of Orbax fails, each of the others tells a page beside it."""
    logger, hook = logging.getLogger("asyncio"), sys.unraisablehook
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    sys.unraisablehook = lambda unraisable: None if _is_echo(unraisable) else hook(unraisable)
    try:
        yield
    finally:
        logger.setLevel(level)
        sys.unraisablehook = hook


def _is_echo(unraisable: Any) -> bool:
    code = getattr(unraisable.object, "cr_code", None)
    return "orbax" in getattr(code, "co_filename", "") or str(unraisable.exc_value) == "Event loop is closed"
