"""One text into train, validation and test files: the last tenth to test, a twentieth from the middle to validate.

python -m experiments.characters.prepare input.txt.gz --to=runs/data/characters
python -m experiments.characters.prepare text8 --to=runs/data/text8 --in-order

What others, who trained on all that stands before it, told of a text's last tenth is what its test file tells here; no
choice is made by it. The piece to validate on begins and ends between paragraphs, so that the text around it joins.

With --in-order the first 90 per cent of the bytes are to train, the next 5 to validate, the last 5 to test, as text8
and enwik8 are cut (mattmahoney.net/dc/textdata; Beltagy et al. 2020, section 4.2). A cut moves on to a character's end.
"""

import argparse
from pathlib import Path

from data.records import read_text

VALIDATION = (45, 50)  # percent of the text
TEST = 90  # percent, from there on
IN_ORDER = (90, 95)  # percent of the bytes, where validation and test begin
PARAGRAPH = "\n\n"


def parts(text: str) -> dict[str, str]:
    """By split; together they hold each character once."""
    begin, end = (_paragraph(text, len(text) * percent // 100) for percent in VALIDATION)
    test = len(text) * TEST // 100
    return {"train": text[:begin] + text[end:test], "validation": text[begin:end], "test": text[test:]}


def parts_in_order(text: str) -> dict[str, str]:
    """Likewise, by bytes."""
    data = text.encode()
    begin, end = (_character(data, len(data) * percent // 100) for percent in IN_ORDER)
    pieces = {"train": data[:begin], "validation": data[begin:end], "test": data[end:]}
    return {name: piece.decode() for name, piece in pieces.items()}


def _character(data: bytes, place: int) -> int:
    """Where the first character at or after `place` begins; the bytes within one are 0b10xxxxxx in UTF-8."""
    while place < len(data) and data[place] & 0xC0 == 0x80:
        place += 1
    return place


def _paragraph(text: str, place: int) -> int:
    """Where the first paragraph after `place` begins; `place` itself in a text without."""
    found = text.find(PARAGRAPH, place)
    return place if found < 0 else found + len(PARAGRAPH)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", type=Path)
    parser.add_argument("--to", type=Path, required=True)
    parser.add_argument("--in-order", action="store_true")
    given = parser.parse_args()
    given.to.mkdir(parents=True, exist_ok=True)
    cut = parts_in_order if given.in_order else parts
    for name, part in cut(read_text(given.text)).items():
        (given.to / f"{name}.txt").write_text(part, encoding="utf-8")
        print(f"{given.to / f'{name}.txt'}: {len(part)} characters")


if __name__ == "__main__":
    main()
