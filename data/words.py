"""Plain text into sentences and words, as places in it: nothing of the text is changed."""

import re

ABBREVIATIONS = frozenset(
    ("mr", "mrs", "ms", "dr", "prof", "st", "jr", "sr", "vs", "etc", "e.g", "i.e", "inc", "ltd", "co", "u.s")
)
_QUOTES = "\"'\u2018\u2019\u201c\u201d"
_ENDS = re.compile(rf"[.!?\u2026]+[{_QUOTES})\]]*(?=\s+[{_QUOTES}(\[]*[A-Z0-9])|\n\s*\n")
_ROUGH_ENDS = re.compile(r"(?<=[.!?])\s+|\n+")
_LONGEST = max(map(len, ABBREVIATIONS))
_LAST_WORD = re.compile(rf"[^\s({_QUOTES}]+$")


def sentence_places(text: str) -> list[tuple[int, int]]:
    """Where each sentence begins and ends, without the white space around it.

    A sentence ends after a full stop, question or exclamation mark before a capital letter or digit, and at a blank
    line; a full stop after an abbreviation that is known here or after one capital letter ends none. These rules are
    plain and err at times: give one sentence a line where that matters.
    """
    begins, ends = [0], []
    for match in _ENDS.finditer(text):
        near = max(begins[-1], match.start() - _LONGEST - 1)  # one more than any abbreviation: no end of a word is one
        word = _LAST_WORD.search(text, near, match.start())
        before = word.group() if word else ""
        short = match.group() == "." and (before.lower() in ABBREVIATIONS or (len(before) == 1 and before.isupper()))
        if not short:
            ends.append(match.end())
            begins.append(match.end())
    found = zip(begins, [*ends, len(text)], strict=True)
    trimmed = ((b + len(text[b:e]) - len(text[b:e].lstrip()), b + len(text[b:e].rstrip())) for b, e in found)
    return [(begin, end) for begin, end in trimmed if begin < end]


def rough_sentences(text: str) -> list[str]:
    """Cut at line breaks, and after a full stop, question or exclamation mark before white space: for scores."""
    return [each for each in _ROUGH_ENDS.split(text.strip()) if each]


def word_places(sentence: str) -> list[tuple[int, int]]:
    """Where each word begins and ends, as the Penn Treebank divides: "can't" is "ca" and "n't", a comma is a word."""
    from nltk.tokenize import NLTKWordTokenizer  # slow to import, and needed for plain text alone

    return list(NLTKWordTokenizer().span_tokenize(sentence))
