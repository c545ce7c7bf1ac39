"""JSON of which nothing is lost: Python's own reader keeps the last of two values under one key, without a word."""

import json
from typing import Any


def json_value(text: str) -> Any:
    """Raises ValueError where the text is no JSON, or an object has a key twice; RecursionError as `json.loads`."""
    return json.loads(text, object_pairs_hook=_object)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} stands twice in one object")
    return found
