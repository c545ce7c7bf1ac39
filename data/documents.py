"""Documents of sentences of words, with clusters of the mentions that are of one thing."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

from data.records import Record
from errors import InputError

Span = tuple[int, int]
"""First and last word of a mention, counted through its document."""


@dataclass(frozen=True)
class Document:
    """`clusters` are None where nobody asked for them; no span is in two. `speakers` has one name for each sentence, ""
    where none is told. `twice` counts the mentions that stood in a second cluster, or twice in one, and were left out.
    """

    key: str
    sentences: tuple[tuple[str, ...], ...]
    speakers: tuple[str, ...]
    clusters: tuple[tuple[Span, ...], ...] | None
    origin: str
    twice: int = 0

    @cached_property
    def words(self) -> tuple[str, ...]:
        return tuple(chain.from_iterable(self.sentences))


def documents_of(records: Iterable[Record], *, text: str, labelled: bool) -> list[Document]:
    """Documents from records with the fields of data/conll2012.py, their sentences in the field `text`.

    Where no "doc_key" is told it is the record's origin. The speaker of a sentence is that of its first word.

    Raises:
      InputError: with file and line, for sentences or speakers that are no lists of texts, clusters that are no lists
        of mentions in the document, or a "doc_key" that another document has: a scorer would take both for one.
    """
    found: dict[str, Document] = {}
    for document in (_document(record, text, labelled) for record in records):
        first = found.setdefault(document.key, document)
        if first is not document:
            raise InputError(
                f"{document.origin}: the doc_key {document.key!r} is also that of {first.origin}; give each its own"
            )
    return list(found.values())


def _document(record: Record, field: str, labelled: bool) -> Document:
    sentences = _texts(record, field)
    if not all(word.strip() for word in chain.from_iterable(sentences)) or not any(sentences):
        raise InputError(f"{record.origin}: {field!r} must hold at least one word, and none of white space alone")
    speakers = _texts(record, "speakers") if "speakers" in record.values else [["-"] * len(s) for s in sentences]
    if [len(s) for s in speakers] != [len(s) for s in sentences]:
        raise InputError(f"{record.origin}: 'speakers' must have one name for each word of {field!r}")
    told = [(tuple(words), who[0]) for words, who in zip(sentences, speakers, strict=True) if words]
    clusters, twice = _clusters(record, sum(map(len, sentences))) if labelled else (None, 0)
    return Document(
        key=str(record.values.get("doc_key", record.origin)),
        sentences=tuple(words for words, _ in told),
        speakers=tuple("" if who.strip() in ("", "-") else who.replace("_", " ").strip() for _, who in told),
        clusters=clusters,
        origin=record.origin,
        twice=twice,
    )


def _texts(record: Record, field: str) -> list[list[str]]:
    value = record.get(field)
    lists = isinstance(value, list) and all(isinstance(each, list) for each in value)
    if not lists or not all(isinstance(word, str) for word in chain.from_iterable(value)):
        raise InputError(f"{record.origin}: {field!r} must be a list of sentences, each a list of texts")
    return value


def _clusters(record: Record, words: int) -> tuple[tuple[tuple[Span, ...], ...], int]:
    seen, twice, found = set(), 0, []
    value = record.get("clusters")
    for cluster in value if isinstance(value, list) else [value]:
        kept = []
        for mention in cluster if isinstance(cluster, list) else [cluster]:
            pair = isinstance(mention, list | tuple) and len(mention) == 2 and all(type(n) is int for n in mention)
            if not pair or not 0 <= mention[0] <= mention[1] < words:
                raise InputError(
                    f"{record.origin}: the mention {str(mention)[:80]} in 'clusters' is no pair [first, last] of the "
                    f"document's {words} words, counted from 0"
                )
            span = tuple(mention)
            twice += span in seen
            kept += [] if span in seen else [span]
            seen.add(span)
        found.append(tuple(kept))
    return tuple(found), twice
