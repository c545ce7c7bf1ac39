"""A person writes a line, the model replies."""

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

    All that has to be compiled is compiled before the first line. How long replies took is told at the end.

    Raises:
      InputError: there are several processes, or what the task gets ready beforehand cannot be had.
    """
    if jax.process_count() > 1:
        raise InputError("mode=talk is one process's: leave cluster.address empty")
    answer = Evaluation(run, graded=False).answerer(params)
    began = time.perf_counter()
    run.task.rehearse(answer)
    _tell(f"ready after {time.perf_counter() - began:.1f} s; write a line, or end with Ctrl-D")
    spent = []
    for line in lines:
        if not line.strip():
            continue
        began = time.perf_counter()
        try:
            print(run.task.reply(answer, line.rstrip("\r\n")), flush=True)
        except InputError as error:
            _tell(str(error))
            continue
        spent.append(time.perf_counter() - began)
    if spent:
        _tell(f"{len(spent)} replies, median {statistics.median(spent):.2f} s, longest {max(spent):.2f} s")


def _tell(line: str) -> None:
    """Beside the replies, which another program may read."""
    print(line, file=sys.stderr, flush=True)
