"""From `sys.argv` to a locked config, with every mistake told in one sentence.

The flags are those of ml_collections' config_flags. Its parser is not used: it reads `sys.argv` behind its caller's
back, ends in a traceback at a misspelt key, and loads recipes by a call that Python has deprecated.
"""

import ast
import difflib
from collections.abc import Iterator
from typing import Any

from ml_collections import ConfigDict

from configs import defaults
from configs.described import described
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
    config = described(recipes[0], function="get_config", what="recipe")
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
