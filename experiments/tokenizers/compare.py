r"""Every line of three corpora through five published vocabularies, against transformers: ids and character offsets.

    python -m experiments.tokenizers.compare DATA

DATA holds vocab/, gutenberg_novels/, multi30k/ and tiny_shakespeare/. Writes results/lines.json.
"""

import argparse
import gzip
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from data import tokenizer_files
from data.tokenizer import Tokenizer
from experiments.machine import provenance
from experiments.tokenizers.peers import VOCABULARIES, Vocabulary, lay_out
from whole_files import write_json

RESULTS = Path(__file__).with_name("results")
CORPORA = {
    "gutenberg_novels": "gutenberg_novels/*/*.txt.gz",
    "multi30k, English": "multi30k/*.en.gz",
    "multi30k, German": "multi30k/*.de.gz",
    "tiny_shakespeare": "tiny_shakespeare/*.txt.gz",
}
PACKAGES = ("tokenizers", "sentencepiece", "transformers", "tiktoken", "protobuf")
LINES_AT_ONCE = 5_000
EXAMPLES = 5


def read_lines(data: Path, pattern: str) -> list[str]:
    """All lines of the files, in the order of their names, as they are: empty ones and carriage returns too."""
    files = sorted(data.glob(pattern))
    if not files:
        raise SystemExit(f"{data}: holds no {pattern}")
    return [line for file in files for line in gzip.decompress(file.read_bytes()).decode("utf-8").split("\n")]


class Comparison:
    """One vocabulary, read by us, by transformers and, where there is one, by its maker's own library."""

    def __init__(self, vocabulary: Vocabulary, path: Path):
        self.vocabulary = vocabulary
        self.face = Tokenizer.load(path)
        self.ours = tokenizer_files.load(path)
        self.theirs = vocabulary.peer(path)
        self.maker = vocabulary.maker(path) if vocabulary.maker else None

    def run(self, lines: list[str]) -> dict[str, Any]:
        """Counts of lines, tokens and lines that differ, with the first examples; seconds for ids with offsets."""
        found: dict[str, Any] = {"lines": len(lines), "tokens": 0, "ids": 0, "ids_renamed": 0, "offsets": 0, "face": 0}
        found |= {"maker_ids": 0 if self.maker else None, "seconds_ours": 0.0, "seconds_theirs": 0.0, "examples": []}
        for start in range(0, len(lines), LINES_AT_ONCE):
            self._add(found, lines[start : start + LINES_AT_ONCE])
        return found

    def _add(self, found: dict[str, Any], lines: list[str]) -> None:
        began = time.perf_counter()
        faces = self.face.encode_with_starts(lines)
        found["seconds_ours"] += time.perf_counter() - began
        began = time.perf_counter()
        theirs = self.theirs(lines, add_special_tokens=False, return_offsets_mapping=True)
        found["seconds_theirs"] += time.perf_counter() - began
        ours = self.ours.encode_batch(lines, add_special_tokens=False)
        makers = self.maker(lines) if self.maker else [None] * len(lines)
        compared = zip(lines, ours, faces, theirs["input_ids"], theirs["offset_mapping"], makers, strict=True)
        for line, our, (face_ids, _), ids, offsets, maker_ids in compared:
            found["tokens"] += len(our.ids)
            found["face"] += face_ids.tolist() != our.ids
            found["ids"] += our.ids != ids
            found["ids_renamed"] += our.ids != self._renamed(ids)
            found["offsets"] += our.offsets != offsets
            if maker_ids is not None:
                found["maker_ids"] += our.ids != maker_ids
            unlike = our.ids != self._renamed(ids) or our.offsets != offsets or maker_ids not in (None, our.ids)
            if unlike and len(found["examples"]) < EXAMPLES:
                found["examples"].append({"line": line, "ours": our.ids, "theirs": ids, "maker": maker_ids})

    def _renamed(self, ids: list[int]) -> list[int]:
        if self.vocabulary.renamed is None:
            return ids
        wrong, right = self.vocabulary.renamed
        return [right if i == wrong else i for i in ids]


def compare_all(data: Path) -> Iterator[dict[str, Any]]:
    for vocabulary in VOCABULARIES:
        with tempfile.TemporaryDirectory() as directory:
            comparison = Comparison(vocabulary, lay_out(vocabulary, data, Path(directory)))
            for corpus, pattern in CORPORA.items():
                row = {"vocabulary": vocabulary.name, "corpus": corpus}
                row |= comparison.run(read_lines(data, pattern))
                print({key: value for key, value in row.items() if key != "examples"}, flush=True)
                yield row


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="the folder that holds vocab/ and the corpora")
    given = parser.parse_args(arguments)
    origin = provenance("python -m experiments.tokenizers.compare", PACKAGES)
    origin["command"] = "python -m experiments.tokenizers.compare DATA"  # where DATA lies says nothing to others
    rows: list[dict[str, Any]] = []
    for row in compare_all(given.data):
        rows.append(row)
        write_json(RESULTS / "lines.json", origin | {"rows": rows})
    return 0


if __name__ == "__main__":
    sys.exit(main())
