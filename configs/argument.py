"""The text after the colon of `--config=configs/recipe.py:size,key=value`."""

import ast
import difflib
from types import SimpleNamespace
from typing import Any

from errors import InputError


def parse_argument(argument: str, *, sizes: tuple[str, ...], **defaults: Any) -> SimpleNamespace:
    """Values for `size` (the first of `sizes` unless said) and for each key of `defaults`, cast to the default's type.

    `parse_argument("base,seed=3", sizes=("small", "base"), seed=0)` has `.size == "base"` and `.seed == 3`.

    Raises:
      InputError: an unknown size or key, or a value of another type; the message lists what there is.
    """
    values = SimpleNamespace(size=sizes[0], **defaults)
    for part in filter(None, (piece.strip() for piece in argument.split(","))):
        key, equals, text = part.partition("=")
        if not equals:
            key, text = "size", part
        if key == "size":
            values.size = _one_of("size", text, sizes)
        else:
            _one_of("key", key, tuple(defaults))
            setattr(values, key, _cast(key, text, defaults[key]))
    return values


def _one_of(kind: str, given: str, known: tuple[str, ...]) -> str:
    if given in known:
        return given
    close = difflib.get_close_matches(given, known, n=1)
    meant = f"; did you mean {close[0]!r}?" if close else ""
    raise InputError(f"the config argument has no {kind} {given!r} (there is {', '.join(known) or 'none'}){meant}")


def _cast(key: str, text: str, default: Any) -> Any:
    try:
        if isinstance(default, str):
            return text
        value = ast.literal_eval(text)
        if isinstance(default, float) and type(value) is int:
            value = float(value)
        if type(value) is type(default):
            return value
    except (ValueError, SyntaxError):
        pass
    wanted = type(default).__name__
    raise InputError(f"the config argument {key}={text} should be of type {wanted}, as in {key}={default!r}")
