"""SQuAD's JSON, versions 1.1 and 2.0: articles of paragraphs, each with questions and the places of their answers."""

import json
from collections.abc import Iterator
from typing import Any

from data.json_values import json_value
from errors import InputError

PLACES = "data, each with paragraphs, each with context and qas"


def squad_questions(file: str, text: str) -> Iterator[tuple[dict[str, Any], str]]:
    """For each question of a file its values and its origin, "file: question id".

    Values: id (text, whatever the file has), title ("" if there is none), context, question, and as the file has them
    answers, is_impossible and sentences (data/supporting.py). Questions and answers are verified where they are made
    use of (data/questions.py).

    Raises:
      InputError: naming article and paragraph, counted from 0, for what is not built as SQuAD's JSON is.
    """
    for number, article in enumerate(_listed(_parsed(file, text), "data", file)):
        here = f"{file}: article {number}"
        title = _object(article, here).get("title", "")
        for at, paragraph in enumerate(_listed(article, "paragraphs", here)):
            there = f"{here}, paragraph {at}"
            for order, asked in enumerate(_listed(_object(paragraph, there), "qas", there)):
                around = {"title": title, "context": _member(paragraph, "context", there)}
                values = _question(asked, around, f"{there}, question {order}")
                yield values, f"{file}: question {values['id']}"


def _question(asked: Any, around: dict[str, Any], origin: str) -> dict[str, Any]:
    number = _member(_object(asked, origin), "id", origin)
    if isinstance(number, bool) or not isinstance(number, str | int):
        raise InputError(f"{origin}: its id is {type(number).__name__}, not text or a whole number")
    kept = {name: asked[name] for name in ("answers", "is_impossible", "sentences") if name in asked}
    return {"id": str(number), **around, "question": _member(asked, "question", origin), **kept}


def _parsed(file: str, text: str) -> dict[str, Any]:
    try:
        value = json_value(text)
    except (ValueError, RecursionError) as error:
        line = f":{error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise InputError(f"{file}{line}: is not valid JSON ({getattr(error, 'msg', error)})") from error
    if not isinstance(value, dict) or "data" not in value:
        raise InputError(f"{file}: is not SQuAD's JSON, an object with {PLACES}; other records go into a .jsonl file")
    return value


def _listed(value: Any, name: str, origin: str) -> list[Any]:
    found = _member(_object(value, origin), name, origin)
    if not isinstance(found, list):
        raise InputError(f"{origin}: its {name} are {type(found).__name__}, not a list")
    return found


def _object(value: Any, origin: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InputError(f"{origin}: is {type(value).__name__}, not an object")
    return value


def _member(value: dict[str, Any], name: str, origin: str) -> Any:
    if name not in value:
        raise InputError(f"{origin}: has no {name}; SQuAD's JSON is an object with {PLACES}")
    return value[name]
