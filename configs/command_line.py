"""From `sys.argv` to a locked config, with every mistake told in one sentence.

The flags are those of ml_collections' config_flags. Its parser is not used: it reads `sys.argv` behind its caller's
back, ends in a traceback at a misspelt key, and loads recipes by a call that Python has deprecated.
"""

import ast
import difflib
import importlib.util
import inspect
import os
from collections.abc import Iterator
from typing import Any

from ml_collections import ConfigDict

from configs import defaults
from errors import InputError

USAGE = "usage: python train.py --config=configs/RECIPE.py[:size,key=value] [--config.KEY=VALUE ...]"


def parse(argv: list[str]) -> ConfigDict:
    """The config that `argv[1:]` names, overrides applied, locked.

    Raises:
      InputError: no config, a missing or broken recipe file, an unknown key (with what was probably meant), a value of
        the wrong type, or an argument that is no flag.
    """
    given = list(_flags(argv[1:]))
    recipes = [value for name, value in given if name == "config"]
    if len(recipes) != 1:
        raise InputError(f"{'no' if not recipes else 'more than one'} config was given; {USAGE}")
    config = _load(recipes[0])
    for name, value in given:
        if name != "config":
            _override(config, name.removeprefix("config."), value)
    return config.lock()


def _flags(arguments: list[str]) -> Iterator[tuple[str, str]]:
    """`--name=value` and `--name value`, as pairs."""
    left = iter(arguments)
    for argument in left:
        name, equals, value = argument.lstrip("-").partition("=")
        if not argument.startswith("-") or not (name == "config" or name.startswith("config.")):
            raise InputError(f"{argument!r} is not a flag; {USAGE}")
        if not equals:
            value = next(left, None)
        if value is None or (not equals and value.startswith("--")):
            raise InputError(f"--{name} has no value; write --{name}=VALUE")
        yield name, value


def _load(recipe: str) -> ConfigDict:
    path, colon, argument = recipe.partition(":")
    if not os.path.isfile(path):
        folder = os.path.dirname(path) or "."
        near = [name for name in os.listdir(folder) if name.endswith(".py")] if os.path.isdir(folder) else []
        close = difflib.get_close_matches(os.path.basename(path), near, n=1)
        hint = f"; did you mean {os.path.join(os.path.dirname(path), close[0])}?" if close else ""
        raise InputError(f"there is no recipe file {path}{hint}")
    spec = importlib.util.spec_from_file_location("recipe", path)
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        takes_argument = bool(inspect.signature(module.get_config).parameters)
        if colon and not takes_argument:
            raise InputError(f"the recipe {path} takes no argument after a colon")
        return module.get_config(argument) if takes_argument else module.get_config()
    except InputError:
        raise
    except Exception as error:  # whatever a recipe's author got wrong, the place is what helps
        raise InputError(
            f"the recipe {place_of(error, path)} fails: {type(error).__name__}: {_first_line(error)}"
        ) from error


def place_of(error: Exception, path: str) -> str:
    """The file's path, with the line at fault where the traceback or the syntax error tells it."""
    line = error.lineno if isinstance(error, SyntaxError) else None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == path:
            line = trace.tb_lineno
        trace = trace.tb_next
    return f"{path}:{line}" if line else path


def _override(config: ConfigDict, path: str, text: str) -> None:
    known = list(_paths(defaults.get_config()))
    if path not in known:
        last = path.split(".")[-1]
        meant = [key for key in known if key.split(".")[-1] == last]
        meant = meant or difflib.get_close_matches(path, known, n=1, cutoff=0.5)
        hint = f"; did you mean --config.{meant[0]}?" if meant else "; configs/defaults.py lists all keys"
        raise InputError(f"there is no config key {path!r}{hint}")
    section, _, key = path.rpartition(".")
    for part in filter(None, section.split(".")):
        config = config[part]
    config[key] = _value(path, text, config[key])


def _value(path: str, text: str, present: Any) -> Any:
    """`text` as the type of the value that is there now."""
    if isinstance(present, str):
        return text
    if isinstance(present, bool):
        text = text.capitalize()
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        value = None
    if isinstance(present, float) and type(value) is int:
        value = float(value)
    if isinstance(present, tuple) and isinstance(value, list):
        value = tuple(value)
    if type(value) is not type(present):
        raise InputError(f"--config.{path}={text} should be of type {type(present).__name__}, as {present!r} is")
    return value


def _paths(config: ConfigDict, prefix: str = "") -> Iterator[str]:
    for key, value in config.items():
        if isinstance(value, ConfigDict):
            yield from _paths(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def _first_line(error: Exception) -> str:
    words = str(error.args[0] if error.args else error).replace("\\n", "\n").strip("'\"").split()
    return " ".join(words)
