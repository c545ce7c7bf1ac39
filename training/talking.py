"""A person writes a line, the model replies."""

import contextlib
import io
import statistics
import sys
import time
from collections.abc import Iterable

import jax

from errors import InputError
from training.evaluation import Evaluation
from training.run import Run


def talk(run: Run, params: dict[str, jax.Array], *, lines: Iterable[str]) -> None:
    """Prints the reply to each line, as soon as it is there; a line that has none is told why, and the next is read.

    Standard output has the replies alone, for other programs; whatever else is told goes to standard error.

    All that has to be compiled is compiled before the first line. How long replies took is told at the end.

    Raises:
      InputError: there are several processes, or what the task gets ready beforehand cannot be had.
    """
    if jax.process_count() > 1:
        raise InputError("mode=talk is one process's: leave cluster.address empty")
    if isinstance(lines, io.TextIOWrapper):
        lines.reconfigure(errors="surrogateescape")  # a line that is no text is refused by itself, and ends no session
    answer = Evaluation(run, graded=False).answerer(params)
    began = time.perf_counter()
    with contextlib.redirect_stdout(sys.stderr):
        run.task.rehearse(answer)
    _tell(f"ready after {time.perf_counter() - began:.1f} s; write a line, or end with Ctrl-D")
    spent = []
    for line in lines:
        if not line.strip():
            continue
        began = time.perf_counter()
        try:
            with contextlib.redirect_stdout(sys.stderr):
                reply = run.task.reply(answer, _text_of(line))
        except InputError as error:
            _tell(str(error))
            continue
        print(reply, flush=True)
        spent.append(time.perf_counter() - began)
    if spent:
        _tell(f"{len(spent)} replies, median {statistics.median(spent):.2f} s, longest {max(spent):.2f} s")


def _text_of(line: str) -> str:
    """Without its end; raises InputError for bytes that are no characters."""
    if any("\ud800" <= character <= "\udfff" for character in line):
        raise InputError("the line is not UTF-8 text; write it so, or convert it with iconv")
    return line.rstrip("\r\n")


def _tell(line: str) -> None:
    """Beside the replies, which another program may read."""
    print(line, file=sys.stderr, flush=True)
