"""Any TensorFlow Datasets text by name, read at random from array_record files; TensorFlow itself is never imported.

TFDS is imported inside the functions, as it is needed by these alone and takes a second or two.
"""

import dataclasses
import difflib
import importlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.records import Record
from errors import InputError

# Builders of these groups are known only once the group is imported; importing them needs no TensorFlow.
GROUPS = ("text", "question_answering", "translate", "summarization", "text_simplification", "structured")
FORMAT = "array_record"


@dataclass(frozen=True)
class TfdsSource(Sequence[Record]):
    """The records of one split, read when asked for; byte strings are decoded as UTF-8.

    Their origin is "name/split:index", the index from 0 within the split as asked for.
    """

    source: Any
    fields: tuple[str, ...]
    name: str  # "imdb_reviews/train"
    classes: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)  # as a record's

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int | slice) -> Record | list[Record]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        index = range(len(self))[index]  # counts from the end, and raises IndexError, as a list does
        example = self._example(index)
        values = {field: self._plain(example[field], field, index) for field in self.fields}
        return Record(values, f"{self.name}:{index}", self.classes)

    def _example(self, index: int) -> Any:
        damaged = f"{self.name}:{index}: the files of this data set are damaged or not all there"
        try:
            example = self.source[index]
        except RuntimeError as error:  # array_record's, for a file that is missing or whose digest is another
            raise InputError(f"{damaged} ({_first_line(error)}); remove them and prepare it again") from error
        if all(value is None for value in example.values()):  # what it reads past the end of a file cut short
            raise InputError(f"{damaged} (there is nothing); remove them and prepare it again")
        return example

    def _plain(self, value: Any, field: str, index: int) -> Any:
        if isinstance(value, dict):
            return {name: self._listed(each, f"{field}/{name}", index) for name, each in value.items()}
        if isinstance(value, list | tuple) or getattr(value, "dtype", "") == "object":  # texts; numbers stay arrays
            return self._listed(value, field, index)
        if not isinstance(value, bytes):
            return value.item() if getattr(value, "shape", None) == () else value
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError as error:
            raise InputError(
                f"{self.name}:{index}: the field {field!r} is not UTF-8 text (byte {error.start})"
            ) from error

    def _listed(self, value: Any, field: str, index: int) -> Any:
        """What a field inside a field holds, its sequences as lists, as in JSON."""
        many = isinstance(value, list | tuple) or getattr(value, "shape", ()) != ()
        return [self._listed(each, field, index) for each in value] if many else self._plain(value, field, index)


def read_tfds(
    name: str,
    *,
    split: str,
    data_dir: str | Path | None = None,
    fields: Sequence[str] = ("text",),
    optional: Sequence[str] = (),
    prepare: bool = False,
) -> TfdsSource:
    """Open a split ("train", "train[:10%]") of a data set ("imdb_reviews", "glue/sst2", "name/config:1.0.0").

    Of `optional` fields those are read that there are. A field of several parts becomes an object, its sequences lists.
    `data_dir` is TFDS's own (~/tensorflow_datasets unless given). With `prepare`, data that is not there is downloaded
    and written in the array_record format first; builders that unpack archives need TensorFlow for that one step.

    Raises:
      InputError: for an unknown name (with near matches), configuration, split or field, for data that is not prepared
        or not in a format that can be read at random, a preparation that fails, or a split without an example.
    """
    builder = _builder(name, data_dir)
    if not builder.is_prepared():
        if not prepare:
            raise InputError(
                f"{name} is not prepared in {builder.data_path}; where there is a network set data.prepare=True, or "
                f"{_how_to_prepare(name)}"
            )
        builder = _builder(name, data_dir, file_format=FORMAT)
        _prepare(builder, name)
    _refuse_unknown(name, "split", re.split(r"\W", split)[0], builder.info.splits)
    for field in fields:
        _refuse_unknown(name, "field", field, builder.info.features)
    _refuse_unreadable(name, builder)
    try:
        source = builder.as_data_source(split=split)
        count = len(source)
    except (ValueError, AssertionError) as error:
        raise InputError(f"{name} has no split {split!r}, or no example in it: {_first_line(error)}") from error
    if not count:
        raise InputError(f"{name}: the split {split!r} holds no example; ask for more of it")
    features = builder.info.features
    read = (*fields, *(each for each in optional if each in features))
    return TfdsSource(source, read, f"{name}/{split}", _class_names(features, read))


def _class_names(features: Any, fields: Sequence[str]) -> dict[str, tuple[str, ...]]:
    import tensorflow_datasets as tfds

    found = {field: features[field] for field in fields if isinstance(features[field], tfds.features.ClassLabel)}
    return {field: tuple(each.names) for field, each in found.items() if each.num_classes}


def _builder(name: str, data_dir: str | Path | None, **options: str) -> Any:
    import tensorflow_datasets as tfds

    if data_dir is not None:
        options["data_dir"] = str(data_dir)
    for group in ("", *GROUPS):
        if group:
            importlib.import_module(f"tensorflow_datasets.{group}")
        try:
            return tfds.builder(name, **options)
        except tfds.core.DatasetNotFoundError:
            continue
        except Exception as error:  # a name leads anywhere: to a damaged directory, or into a network that is not there
            told = f"{type(error).__name__}: {_first_line(error)}"
            raise InputError(f"the TFDS data set {name!r} cannot be opened ({told})") from error
    known = tfds.list_builders(with_community_datasets=False)
    near = difflib.get_close_matches(re.split(r"[/:]", name)[0], known, n=3)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    raise InputError(
        f"TFDS knows no data set {name!r}, and there is none prepared in {data_dir or 'its data directory'}{hint}"
    )


def _prepare(builder: Any, name: str) -> None:
    try:
        builder.download_and_prepare()
    except ImportError as error:
        package = error.name or "tensorflow"  # TFDS raises some anew, without the name
        raise InputError(
            f"{name} needs the package {package} to be prepared, though not to be read; install it, then "
            f"{_how_to_prepare(name)}"
        ) from error
    except Exception as error:  # a builder is anyone's code, and a download fails in many ways
        raise InputError(f"{name} could not be prepared ({type(error).__name__}: {_first_line(error)})") from error


def _how_to_prepare(name: str) -> str:
    return f"run once: tfds build {name} --file_format={FORMAT}"


def _refuse_unreadable(name: str, builder: Any) -> None:
    """TFDS stores a data set in one format or several, of which some have no place for each example."""
    import tensorflow_datasets as tfds

    formats = builder.info.available_file_formats()
    if not formats & tfds.core.FileFormat.with_random_access():
        stored = " and ".join(each.value for each in formats)
        raise InputError(
            f"{name} in {builder.data_path} is stored as {stored}, which cannot be read at random; prepare it again in "
            f"another directory: {_how_to_prepare(name)}"
        )


def _refuse_unknown(name: str, what: str, value: str, known: Any) -> None:
    if value not in known:
        raise InputError(f"{name} has no {what} {value!r}; it has {', '.join(map(str, known))}")


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
