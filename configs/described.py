"""What a file of Python describes: `FILE.py` or `FILE.py:ARGUMENT`, by a function of one name that it has."""

import difflib
import importlib.util
import inspect
import os
from typing import Any

from errors import InputError


def described(place: str, *, function: str, what: str) -> Any:
    """What `function` of the file returns, given the argument after the colon if it takes one.

    Raises:
      InputError: there is no such file (with what was probably meant), it fails (with the line), or it takes no
        argument. `what` names such files in the message: "the recipe".
    """
    path, colon, argument = place.partition(":")
    if not os.path.isfile(path):
        folder = os.path.dirname(path) or "."
        near = [name for name in os.listdir(folder) if name.endswith(".py")] if os.path.isdir(folder) else []
        close = difflib.get_close_matches(os.path.basename(path), near, n=1)
        hint = f"; did you mean {os.path.join(os.path.dirname(path), close[0])}?" if close else ""
        raise InputError(f"there is no {what} file {path}{hint}")
    spec = importlib.util.spec_from_file_location(what, path)
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        call = getattr(module, function)
        takes_argument = bool(inspect.signature(call).parameters)
        if colon and not takes_argument:
            raise InputError(f"the {what} {path} takes no argument after a colon")
        return call(argument) if takes_argument else call()
    except InputError:
        raise
    except Exception as error:  # whatever its author got wrong, the place is what helps
        raise InputError(
            f"the {what} {_place(error, path)} fails: {type(error).__name__}: {_first_line(error)}"
        ) from error


def _place(error: Exception, path: str) -> str:
    """The file's path, with the line at fault where the traceback or the syntax error tells it."""
    line = error.lineno if isinstance(error, SyntaxError) else None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == path:
            line = trace.tb_lineno
        trace = trace.tb_next
    return f"{path}:{line}" if line else path


def _first_line(error: Exception) -> str:
    words = str(error.args[0] if error.args else error).replace("\\n", "\n").strip("'\"").split()
    return " ".join(words)
