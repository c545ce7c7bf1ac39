"""From `sys.argv` to a locked config, with every mistake told in one sentence."""

import difflib
import logging
import os
import re

from absl import flags
from ml_collections import ConfigDict, config_flags

from configs import defaults
from errors import InputError

USAGE = "usage: python train.py --config=configs/RECIPE.py[:size,key=value] [--config.KEY=VALUE ...]"


def parse(argv: list[str]) -> ConfigDict:
    """The config that `argv[1:]` names, overrides applied.

    Raises:
      InputError: no config, a missing or broken recipe file, an unknown key (with what was probably meant), a value of
        the wrong type, or an argument that is no flag.
    """
    _check_recipe(argv)
    _check_overrides(argv)
    logging.getLogger("absl").setLevel(logging.ERROR)  # ml_collections announces each override on stderr
    holder = flags.FlagValues()
    config_flags.DEFINE_config_file("config", flag_values=holder)
    try:
        left_over = holder(argv)
        config = holder["config"].value
        if not isinstance(config, ConfigDict):  # a stand-in that raises the recipe's own error when it is read
            config.lock()
    except InputError:
        raise
    except flags.Error as error:
        raise InputError(_first_line(error)) from error
    except (AttributeError, KeyError) as error:
        raise InputError(
            f"the recipe {_recipe(argv)} sets a key that configs/defaults.py does not have: {_first_line(error)}"
        ) from error
    except (SyntaxError, ImportError, TypeError, ValueError) as error:
        raise InputError(f"the recipe {_recipe(argv)} cannot be read: {_first_line(error)}") from error
    if len(left_over) > 1:
        raise InputError(f"{left_over[1]!r} is not a flag; {USAGE}")
    return config


def _recipe(argv: list[str]) -> str | None:
    for position, argument in enumerate(argv):
        if match := re.fullmatch(r"--?config=(.*)", argument):
            return match[1].partition(":")[0]
        if re.fullmatch(r"--?config", argument) and position + 1 < len(argv):
            return argv[position + 1].partition(":")[0]
    return None


def _check_recipe(argv: list[str]) -> None:
    recipe = _recipe(argv)
    if recipe is None:
        raise InputError(f"no config was given; {USAGE}")
    if not os.path.isfile(recipe):
        folder = os.path.dirname(recipe) or "."
        near = sorted(name for name in os.listdir(folder) if name.endswith(".py")) if os.path.isdir(folder) else []
        close = difflib.get_close_matches(os.path.basename(recipe), near, n=1)
        hint = f"; did you mean {os.path.join(folder, close[0])}?" if close else ""
        raise InputError(f"there is no recipe file {recipe}{hint}")


def _check_overrides(argv: list[str]) -> None:
    known = list(_paths(defaults.get_config()))
    for argument in argv[1:]:
        match = re.match(r"--?(?:no)?config\.([^=]+)", argument)
        if match and match[1] not in known:
            close = difflib.get_close_matches(match[1], known, n=1, cutoff=0.5)
            tail = [path for path in known if path.split(".")[-1] == match[1].split(".")[-1]]
            meant = (tail or close)[:1]
            hint = f"; did you mean --config.{meant[0]}?" if meant else "; configs/defaults.py lists all keys"
            raise InputError(f"there is no config key {match[1]!r}{hint}")


def _paths(config: ConfigDict, prefix: str = ""):
    for key, value in config.items():
        if isinstance(value, ConfigDict):
            yield from _paths(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def _first_line(error: BaseException) -> str:
    return (
        str(error.args[0] if error.args else error).strip("'\"").splitlines()[0] if str(error) else type(error).__name__
    )
