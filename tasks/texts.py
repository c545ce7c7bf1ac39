"""The texts that a config's data section names, and the tokenizer that goes with them."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from data.parallel import is_parallel, read_parallel
from data.records import Record, read_records
from data.stdlib import read_stdlib
from data.tokenizer import Tokenizer
from errors import InputError, NoSplitError

SOURCES = ("stdlib", "files", "tfds")
SPLITS = ("train", "validation", "test")


def read_split(settings: Any, split: str, *, fields: Sequence[str], optional: Sequence[str] = ()) -> Sequence[Record]:
    """The records of `split` of the config's data section, each with all of `fields`, and of `optional` what there is.

    Raises:
      InputError: an unknown source, a split that the config does not name, or whatever is wrong with the files.
    """
    if settings.source not in SOURCES:
        raise InputError(f"data.source={settings.source!r} is not one of {', '.join(SOURCES)}")
    if split not in SPLITS:
        raise InputError(f"there is no split {split!r}; choose one of {', '.join(SPLITS)}")
    if split == "train" and settings.mixture:
        return [record for records, _ in read_mixture(settings, fields=fields) for record in records]
    if not settings[split]:
        raise NoSplitError(f"data.{split} is empty: say which file or split it is, or choose another split")
    return _read(settings, settings[split], key=f"data.{split}", fields=fields, optional=optional)


def read_mixture(settings: Any, *, fields: Sequence[str]) -> list[tuple[Sequence[Record], float]]:
    """The records of each part of `data.mixture`, with its weight.

    Raises:
      InputError: what is no part with a weight; else as `read_split`.
    """
    for part in settings.mixture:
        pair = isinstance(part, tuple | list) and len(part) == 2
        if not pair or not isinstance(part[0], str) or isinstance(part[1], bool | str):
            raise InputError(f"data.mixture: {part!r} is not a pair such as ('books/*.txt', 0.7)")
    return [(_read(settings, place, key="data.mixture", fields=fields), weight) for place, weight in settings.mixture]


def _read(
    settings: Any, place: str, *, key: str, fields: Sequence[str], optional: Sequence[str] = ()
) -> Sequence[Record]:
    if settings.source == "files" and is_parallel(place):
        return read_parallel(place, fields=fields)
    if settings.source == "files":
        return read_records(place, columns=settings.columns, fields=fields, documents=settings.documents)
    if settings.source == "tfds":
        from data.tfds import read_tfds  # tensorflow-datasets is slow to import

        where = {"data_dir": settings.directory or None, "prepare": settings.prepare}
        return read_tfds(settings.name, split=place, fields=fields, optional=optional, **where)
    corpus = read_stdlib(max_bytes=settings.max_bytes or None)
    if place not in ("train", "validation"):
        raise InputError(f"{key}={place!r}: the standard library has the splits train and validation")
    if tuple(fields) != ("text",):
        raise InputError(
            f"the standard library has no {', '.join(f for f in fields if f != 'text')}; set data.source to "
            "files or tfds"
        )
    return getattr(corpus, place)


def load_tokenizer(config: Any, directory: Path, *, inherited: Path | None) -> Tokenizer:
    """The run's tokenizer: that of the weights that are `inherited`, else the one in its directory, else the one named,
    else a new one.

    A new one is trained on the training split, once; a resumed run, which inherits nothing, finds it in the directory.
    What lies there is no word against `inherited`: a plan may have left it, or weights that were since made anew.

    Raises:
      InputError: the tokenizer named differs from that of `init_from`, whose weights would then mean other words.
    """
    own = directory / "tokenizer"
    if inherited in (None, own) and own.is_dir():
        return Tokenizer.load(own)
    settings = config.tokenizer
    tokenizer = Tokenizer.load(inherited) if inherited else None
    if settings.path:
        named = Tokenizer.load(settings.path)
        if tokenizer and named.sha256 != tokenizer.sha256:
            raise InputError(
                f"tokenizer.path={settings.path} differs from the tokenizer of init_from, which lies in {inherited}; "
                "leave it empty"
            )
        tokenizer = named
    if tokenizer is None:
        records = read_split(config.data, "train", fields=_text_fields(config.data))
        limited = _up_to(
            (text for record in records for field in _text_fields(config.data) for text in record.texts(field)),
            settings.train_characters,
        )
        tokenizer = Tokenizer.train(settings.kind, limited, vocab_size=settings.vocab_size)
    tokenizer.save(own)
    return tokenizer


def vocab_rows(config: Any, tokenizer: Tokenizer) -> int:
    """Rows of the table of words: one for each entry of the tokenizer, and the spare ones that `model.vocab_size` asks.

    Raises:
      InputError: it says fewer.
    """
    asked, entries = config.model.vocab_size, tokenizer.vocab_size
    if asked and asked < entries:
        raise InputError(f"model.vocab_size={asked} is less than the {entries} entries of the tokenizer; 0 is as many")
    return asked or entries


def _text_fields(settings: Any) -> tuple[str, ...]:
    named = (settings.text, settings.text_pair, settings.choices, settings.target)
    return tuple(field for field in named if field)


def _up_to(texts: Iterable[str], characters: int) -> list[str]:
    taken, left = [], characters
    for text in texts:
        if left <= 0:
            break
        taken.append(text[:left])
        left -= len(text)
    return taken
