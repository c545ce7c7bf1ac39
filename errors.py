"""The one exception that means: what the user gave cannot be used; and how errors are told."""

import difflib
import errno
import sys
from collections.abc import Callable, Mapping
from typing import Any


class InputError(ValueError):
    """Bad input, told in one sentence: the file, line or key at fault and what to do about it.

    `train.py` prints the sentence and exits with `status_of` it; a traceback would only hide it. Anything else that is
    raised is a defect of ours and keeps its traceback.
    """


class NoSplitError(InputError):
    """A split that the config does not name."""


class ApartError(InputError):
    """The processes of one run did not find each other, which may be so once and not the next time."""


PASSING = (errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN)  # of a share that is away
LASTS, MAY_PASS = 2, 1  # statuses of train.py


def status_of(error: Exception) -> int:
    """LASTS where the same command would end the same way, so that what starts it again need not."""
    away = isinstance(error, ApartError) or (isinstance(error, OSError) and error.errno in PASSING)
    return LASTS if told_in_one_sentence(error) and not away else MAY_PASS


def told_in_one_sentence(error: Exception) -> str | None:
    """What to print instead of a traceback; None for a defect of ours."""
    if isinstance(error, (InputError, FloatingPointError)):
        return str(error)
    if any(words in str(error) for words in ("No space left on device", "Disk quota exceeded", "File too large")):
        what = str(error).partition(" [")[0]  # TensorStore adds a page of settings in brackets
        return f"the disk is full ({what}); no checkpoint is lost: free some space and start the same command again"
    if isinstance(error, BrokenPipeError):
        return f"what is printed is read no more ({error.strerror}); nothing that was written to files is lost"
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return None


def told_status(run: Callable[[], int], *, who: str = "") -> int:
    """The status that `run` returns; or, once its sentence stands on standard error, that of what it was given."""
    try:
        return run()
    except (InputError, OSError) as error:
        if (sentence := told_in_one_sentence(error)) is None:
            raise
        print(f"{who}{sentence}", file=sys.stderr)
        return status_of(error)


def pick(table: Mapping[str, Any], name: str, *, key: str) -> Any:
    """`table[name]`, or an InputError that lists what there is."""
    if name not in table:
        close = difflib.get_close_matches(name, table, n=1)
        meant = f"; did you mean {close[0]!r}?" if close else ""
        raise InputError(f"{key}={name!r} is not one of {', '.join(table)}{meant}")
    return table[name]
