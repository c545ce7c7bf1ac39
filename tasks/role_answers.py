"""What a net that labels roles says, put together by sentence: counts for scores, frames for people and programs."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from data.semantic_roles import Item, RoleExamples
from data.sentences import Sentence, Span, spans_of
from metrics.srl import Counts, count_arguments
from tasks.task import Batch

Spans = list[Span]


@dataclass
class Found:
    """What was found in the sentences of a pass: `roles` by (sentence, number of its predicate); `predicates` are words
    by sentence; `asked` are the words of it that were shown without a mark.
    """

    roles: dict[tuple[int, int], Spans] = field(default_factory=dict)
    predicates: dict[int, list[int]] = field(default_factory=dict)
    asked: dict[int, int] = field(default_factory=Counter)

    def add(self, item: Item, tags: Sequence[int], labels: Sequence[str]) -> None:
        spans = [(begin + item.first, end + item.first, label) for begin, end, label in spans_of(tags, labels)]
        if item.predicate is not None:
            self.roles[item.sentence, item.predicate] = spans
        else:
            self.predicates.setdefault(item.sentence, []).extend(begin for begin, _, _ in spans)
            self.asked[item.sentence] += item.last - item.first


def gathered(answered: Iterable[tuple[Batch, Batch]], examples: RoleExamples, labels: Sequence[str]) -> Found:
    """All that the answers to batches of `examples` say."""
    found = Found()
    for batch, answers in answered:
        for row in np.flatnonzero(batch["example_weights"]):
            tags = answers["tags"][row][batch["word_starts"][row] == 1]
            found.add(examples.items[batch["index"][row]], tags.tolist(), labels)
    return found


def role_counts(found: Found, sentences: Sequence[Sentence]) -> Counts:
    """Of the predicates that are given, as far as they were asked for."""
    pairs = ((spans, sentences[n].spans[k]) for (n, k), spans in found.roles.items())
    return sum((count_arguments(one, other) for one, other in pairs), Counts())


def whole_sentences(found: Found, sentences: Sequence[Sentence]) -> list[int]:
    """Those of which every word was shown without a mark, and every predicate with one."""
    complete = (n for n in found.asked if found.asked[n] == len(sentences[n].words))
    return [n for n in complete if all((n, k) in found.roles for k in range(len(sentences[n].predicates)))]


def predicate_counts(found: Found, sentences: Sequence[Sentence], among: Iterable[int]) -> Counts:
    total = Counts()
    for n in among:
        here, wanted = set(found.predicates[n]), {p["index"] for p in sentences[n].predicates}
        total += Counts(len(here & wanted), len(here - wanted), len(wanted - here))
    return total


def end_to_end_counts(found: Found, extra: Found, sentences: Sequence[Sentence], among: Iterable[int]) -> Counts:
    """Counts of arguments where the predicates are those that were found: all of a predicate that is none are excess,
    all of one that was not found are missed. `extra` has the roles of the former, numbered from 0 in each sentence.
    """
    total = Counts()
    for n in among:
        for k, predicate in enumerate(sentences[n].predicates):
            spans = found.roles[n, k] if predicate["index"] in found.predicates[n] else []
            total += count_arguments(spans, sentences[n].spans[k])
    chosen = set(among)
    return sum((count_arguments(spans, []) for (n, _), spans in extra.roles.items() if n in chosen), total)


def without_given(found: Found, sentences: Sequence[Sentence], n: int) -> tuple[dict[str, Any], ...]:
    """The predicates that were found in sentence n but are none."""
    wanted = {p["index"] for p in sentences[n].predicates or ()}
    return as_predicates(at for at in found.predicates.get(n, ()) if at not in wanted)


def as_predicates(words: Iterable[int]) -> tuple[dict[str, Any], ...]:
    return tuple({"index": at} for at in sorted(words))


def frames(sentence: Sentence, spans: Sequence[Spans]) -> dict[str, Any]:
    """One JSON object: the words with the characters of "text" where each begins and ends, and each predicate's roles.

    A role has the first word and the one past its last, and likewise its characters; V is the predicate itself.
    """
    told = []
    for predicate, roles in zip(sentence.predicates, spans, strict=True):
        at = predicate["index"]
        more = {name: value for name, value in predicate.items() if name != "index"}
        own = {"word": at, "text": sentence.words[at], "characters": list(sentence.places[at])} | more
        told.append({"predicate": own, "roles": [_role(sentence, *span) for span in roles]})
    return {
        "origin": sentence.origin,
        "begins": sentence.begin,
        "text": sentence.text,
        "words": list(sentence.words),
        "characters": [list(place) for place in sentence.places],
        "frames": told,
    }


def _role(sentence: Sentence, begin: int, end: int, label: str) -> dict[str, Any]:
    first, last = sentence.places[begin][0], sentence.places[end - 1][1]
    return {"label": label, "words": [begin, end], "characters": [first, last], "text": sentence.text[first:last]}


def bracketed(sentence: Sentence, spans: Spans) -> str:
    """One line for a person: "[ARG0 Cats] [V chase] [ARG1 mice] ."."""
    words = list(sentence.words)
    for begin, end, label in spans:
        words[begin] = f"[{label} {words[begin]}"
        words[end - 1] += "]"
    return " ".join(words)


def as_columns(prediction: Mapping[str, Any]) -> dict[str, Any]:
    """A prediction in the form that data/conll.py writes."""
    given = [frame["predicate"] for frame in prediction["frames"]]
    return {
        "words": prediction["words"],
        "predicates": [{"index": p["word"]} | {k: p[k] for k in ("lemma", "frame") if k in p} for p in given],
        "spans": [[(*role["words"], role["label"]) for role in frame["roles"]] for frame in prediction["frames"]],
    }


@dataclass(frozen=True)
class NextWords:
    """A rule that looks at no word: the word before the predicate has one label, and those after it up to the next
    mark of punctuation another; each the commonest on its side in `sentences`.
    """

    before: str
    after: str

    @classmethod
    def learned(cls, sentences: Iterable[Sentence]) -> "NextWords":
        sides = Counter(), Counter()
        for sentence in sentences:
            for predicate, spans in zip(sentence.predicates, sentence.spans, strict=True):
                for begin, _, label in spans:
                    if label != "V":
                        sides[begin > predicate["index"]][label] += 1
        return cls(*(side.most_common(1)[0][0] if side else "V" for side in sides))

    def __call__(self, sentence: Sentence, at: int) -> Spans:
        after = range(at + 1, len(sentence.words))
        end = next((i for i in after if not any(map(str.isalnum, sentence.words[i]))), len(sentence.words))
        before = [(at - 1, at, self.before)] if at else []
        return [*before, (at + 1, end, self.after)] if end > at + 1 else before
