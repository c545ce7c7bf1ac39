"""The names of the classes: those of the config, those that the training split holds, or another model's."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from data.classification import classes_of
from data.records import Record
from errors import InputError
from tasks.task import CLASSES
from whole_files import read_json, write_json

NAMELESS = re.compile(r"LABEL_\d+")  # what transformers calls a class that nobody named
FINISHED = ("evaluate", "predict", "talk", "export")  # modes that ask a trained model, whose classes are settled


def class_names(config: Any, directory: Path, training_records: Callable[[], Sequence[Record]]) -> tuple[str, ...]:
    """`data.classes`; where that is empty, the labels of the training split, sorted, with `data.outside` among them.

    Training writes what it first found into the work directory, and what is asked of the finished model reads it there
    or in `init_from`: other files may hold fewer classes, or others.

    Raises:
      InputError: fewer than two classes, one named twice, `data.outside` is none of them, or a trained model's are not
        known.
    """
    names, outside = tuple(config.data.classes), config.data.outside
    if not names:
        names = _kept(config, directory) if config.mode in FINISHED else _found(config, directory, training_records())
    if len(names) < 2:
        raise InputError("data.classes must name at least two different classes, as in ('negative', 'positive')")
    if len(set(names)) < len(names):
        raise InputError(f"data.classes names {next(n for n in names if names.count(n) > 1)!r} more than once")
    if outside and outside not in names:
        raise InputError(f"data.outside={outside!r} is not one of data.classes: {', '.join(names[:20])}")
    return names


def classes_there(directory: Path) -> tuple[str, ...]:
    """The classes that a run, or a model in transformers' format, tells apart, in their order; () = it does not say.

    Raises:
      InputError: the file that says so is damaged.
    """
    config, found = (
        read_json(file) if file.exists() else {} for file in (directory / "config.json", directory / CLASSES)
    )
    try:
        if names := config.get("data", {}).get("classes") or found:
            return tuple(names)
        names = tuple(name for _, name in sorted((int(n), name) for n, name in config["id2label"].items()))
    except (ValueError, KeyError, AttributeError):
        return ()
    return () if any(not isinstance(name, str) or NAMELESS.fullmatch(name) for name in names) else names


def _kept(config: Any, directory: Path) -> tuple[str, ...]:
    places = [directory, *([Path(config.init_from)] if config.init_from else [])]
    for place in places:
        if names := classes_there(place):
            return names
    told = " nor ".join(str(place / CLASSES) for place in places)
    raise InputError(f"there is no {told}: say in data.classes which the model tells apart")


def _found(config: Any, directory: Path, records: Sequence[Record]) -> tuple[str, ...]:
    names = classes_of(records, config.data.label, also=(config.data.outside,) if config.data.outside else ())
    shown = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
    print(f"{len(names)} classes found in data.train: {shown}", flush=True)
    if config.mode == "train" and not (directory / CLASSES).exists():
        write_json(directory / CLASSES, names, indent=None, ensure_ascii=False)
    return names
