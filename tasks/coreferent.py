"""What a net that links mentions says, put together by document; and a rule that needs no net."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from data.coreference import CoreferenceExamples
from data.documents import Document, Span
from tasks.task import Batch

Clusters = list[list[Span]]
"""Each of two mentions or more, in the order of the text."""


def linked(examples: CoreferenceExamples, rows: Iterable[tuple[int, Batch]]) -> Iterator[tuple[int, Clusters]]:
    """The clusters of each document whose rows are all in `rows`: their numbers, in order, and the answer to each."""
    whole = Counter(row.document for row in examples.rows)
    for document, group in groupby(rows, key=lambda row: examples.rows[row[0]].document):
        of_rows = [_clusters(examples.rows[number].words, found) for number, found in group]
        if len(of_rows) == whole[document]:
            yield document, [cluster for clusters in of_rows for cluster in clusters]


def _clusters(words: np.ndarray, found: Batch) -> Clusters:
    first, last, antecedents = (found[name][0] for name in ("first_tokens", "last_tokens", "antecedents"))
    clusters: Clusters = []
    owners: dict[int, int] = {}  # cluster of each mention, by the mention's place
    spans = [(int(words[a]), int(words[b])) for a, b in zip(first, last, strict=True)]
    for place in np.flatnonzero(antecedents).tolist():
        before = int(antecedents[place]) - 1
        if before not in owners:
            owners[before] = len(clusters)
            clusters.append([spans[before]])
        owners[place] = owners[before]
        clusters[owners[before]].append(spans[place])
    return clusters


def wanted(document: Document) -> list[frozenset[Span]]:
    """Clusters of a document as sets, without those of one mention: nothing goes back to anything there."""
    return [frozenset(cluster) for cluster in document.clusters if len(cluster) > 1]


def bracketed(document: Document, clusters: Clusters) -> str:
    """One line for a person: "[1 Ann] saw [2 Bo]. [1 She] waved to [2 him]."."""
    words = list(document.words)
    spans = [(a, b, number) for number, cluster in enumerate(clusters, 1) for a, b in cluster]
    for a, b, number in sorted(spans, key=lambda span: (span[1] - span[0], -span[0])):  # the inner ones first
        words[a] = f"[{number} {words[a]}"
        words[b] += "]"
    return " ".join(words)


@dataclass(frozen=True)
class SameWords:
    """Spans of words in `known` are mentions, the longest first and none over another; the same words, whatever their
    case, are of one thing.
    """

    known: frozenset[tuple[str, ...]]

    @classmethod
    def learned(cls, documents: Sequence[Document], *, longest: int = 5) -> "SameWords":
        """Those that are mentions in at least half of the places where `documents` have them."""
        named, seen = Counter(), Counter()
        for document in documents:
            named.update(_words(document, a, b) for cluster in document.clusters for a, b in cluster if b - a < longest)
        for document in documents:
            seen.update(words for _, _, words in _spans(document, longest) if words in named)
        return cls(frozenset(words for words, count in named.items() if 2 * count >= seen[words]))

    def __call__(self, document: Document) -> list[frozenset[Span]]:
        longest = max(map(len, self.known), default=0)
        spans = [(a, b, words) for a, b, words in _spans(document, longest) if words in self.known]
        taken: set[int] = set()
        found: dict[tuple[str, ...], list[Span]] = {}
        for a, b, words in sorted(spans, key=lambda span: span[0] - span[1]):
            if taken.isdisjoint(range(a, b + 1)):
                taken.update(range(a, b + 1))
                found.setdefault(words, []).append((a, b))
        return [frozenset(cluster) for cluster in found.values() if len(cluster) > 1]


def _words(document: Document, first: int, last: int) -> tuple[str, ...]:
    return tuple(word.lower() for word in document.words[first : last + 1])


def _spans(document: Document, longest: int) -> Iterator[tuple[int, int, tuple[str, ...]]]:
    """All of up to `longest` words within a sentence."""
    begin = 0
    for sentence in document.sentences:
        lower = tuple(word.lower() for word in sentence)
        for a in range(len(lower)):
            for b in range(a, min(a + longest, len(lower))):
                yield begin + a, begin + b, lower[a : b + 1]
        begin += len(sentence)
