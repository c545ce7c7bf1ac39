"""Column files of documents with coreference, as of the CoNLL-2012 shared task: a word a line, sentences apart.

A document lies between `#begin document (NAME); part 000` and `#end document`. Of its columns the first four are name,
part, number in the sentence and word; with twelve or more the tenth is the speaker; the last one has the mentions:
`(12` begins one of cluster 12, `12)` ends it, `(12)` is one of a single word, `|` divides several, `-` is none.
Source: Pradhan et al. 2012, section 4.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from errors import InputError

BEGIN = re.compile(r"#begin document \((.*)\);(?: part (\d+))?\s*")
_MENTION = re.compile(r"(\()?(\d+)(\))?")
_WORD, _SPEAKER, _WITH_SPEAKERS = 3, 9, 12  # columns from 0; how many there are where a speaker is told
NONE = ("-", "_", "*")


def is_conll2012(text: str) -> bool:
    return text.lstrip().startswith("#begin document")


def read_conll2012(file: Any, text: str) -> Iterator[tuple[dict[str, Any], str]]:
    """Each document's part with its "file:line": "doc_key" (NAME_0 for part 000), "sentences" (lists of words),
    "clusters" (lists of [first, last], words counted from 0 through the part, the last one included) and, where told,
    "speakers" (as "sentences"). These are the fields of the JSON lines that coreference systems exchange.

    Raises:
      InputError: with file and line, for a row outside a document or with too few columns, brackets that do not pair
        within their sentence, or a document without a word or an end.
    """
    lines = enumerate(text.split("\n"), 1)
    for number, line in lines:
        if not line.strip():
            continue
        match = BEGIN.fullmatch(line.strip())
        if match is None:
            raise InputError(f"{file}:{number}: stands in no document; '#begin document (name); part 000' comes first")
        key, origin = f"{match[1]}_{int(match[2] or 0)}", f"{file}:{number}"
        yield {"doc_key": key} | _document(_rows(lines, str(file), origin), str(file), origin), origin


def _rows(lines: Iterator[tuple[int, str]], file: str, origin: str) -> Iterator[tuple[int, list[str]]]:
    """Line and cells of each word; no cells where a sentence ends."""
    for number, line in lines:
        if line.strip() == "#end document":
            yield number, []
            return
        if line.startswith("#begin document"):
            break
        row = line.split()
        if row and len(row) <= _WORD + 1:
            raise InputError(f"{file}:{number}: has {len(row)} columns; a word has five or more, its mentions the last")
        yield number, row
    raise InputError(f"{origin}: the document that begins here has no '#end document'")


def _document(rows: Iterable[tuple[int, list[str]]], file: str, origin: str) -> dict[str, Any]:
    sentences: list[list[str]] = [[]]
    speakers: list[list[str]] = [[]]
    clusters: dict[str, list[list[int]]] = {}
    opened: dict[str, list[tuple[int, int]]] = {}  # of each cluster, word and line where its mentions began
    at, told = 0, True
    for number, row in rows:
        if not row:
            _refuse_open(opened, file)
            if sentences[-1]:
                sentences.append([])
                speakers.append([])
            continue
        sentences[-1].append(row[_WORD])
        told = told and len(row) >= _WITH_SPEAKERS
        speakers[-1].append(row[_SPEAKER] if told else "-")
        for cell in () if row[-1] in NONE else row[-1].split("|"):
            match = _MENTION.fullmatch(cell)
            if match is None or not (match[1] or match[3]):
                raise InputError(f"{file}:{number}: {cell!r} in the last column is no mention like (12, 12) or (12)")
            _, cluster, ends = match.groups()
            if match[1]:
                opened.setdefault(cluster, []).append((at, number))
            if ends:
                if not opened.get(cluster):
                    raise InputError(f"{file}:{number}: {cell!r} ends a mention of cluster {cluster} that is not open")
                clusters.setdefault(cluster, []).append([opened[cluster].pop()[0], at])
        at += 1
    if not at:
        raise InputError(f"{origin}: the document has no word")
    found = {"sentences": [s for s in sentences if s], "clusters": [sorted(c) for c in clusters.values()]}
    return found | ({"speakers": [s for s in speakers if s]} if told else {})


def _refuse_open(opened: Mapping[str, Sequence[tuple[int, int]]], file: str) -> None:
    for cluster, begun in opened.items():
        if begun:
            raise InputError(
                f"{file}:{begun[-1][1]}: the mention of cluster {cluster} that begins here does not end in its sentence"
            )


def conll2012_text(documents: Iterable[Mapping[str, Any]]) -> str:
    """The file that `read_conll2012` reads as these records, in five columns: what the official scorer reads.

    White space inside a word or a document's name becomes "_", which would begin another cell.
    """
    return "".join(_written(document) for document in documents)


def _written(document: Mapping[str, Any]) -> str:
    name, _, part = document["doc_key"].rpartition("_")
    if not name or not part.isdigit():
        name, part = document["doc_key"], "0"
    cell = "_".join(name.split()) or "_"
    cells = _cells(document["clusters"], sum(map(len, document["sentences"])))
    lines, at = [f"#begin document ({name}); part {int(part):03d}"], 0
    for sentence in document["sentences"]:
        for number, word in enumerate(sentence):
            lines.append(f"{cell} {int(part)} {number} {'_'.join(word.split())} {cells[at]}")
            at += 1
        lines.append("")
    return "\n".join([*lines, "#end document", ""])


def _cells(clusters: Sequence[Sequence[Sequence[int]]], words: int) -> list[str]:
    """Of mentions that begin at one word the longest comes first; of those that end at one, last."""
    begun: list[list[tuple[int, str]]] = [[] for _ in range(words)]
    ended: list[list[tuple[int, str]]] = [[] for _ in range(words)]
    for number, cluster in enumerate(clusters):
        for first, last in cluster:
            if first == last:
                ended[first].append((-first, f"({number})"))
            else:
                begun[first].append((-last, f"({number}"))
                ended[last].append((-first, f"{number})"))
    pairs = zip(begun, ended, strict=True)
    cells = ("|".join(cell for _, cell in [*sorted(one), *sorted(other)]) for one, other in pairs)
    return [cell or "-" for cell in cells]
