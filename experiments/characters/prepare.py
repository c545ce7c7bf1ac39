"""One text into train, validation and test files: the last tenth to test, a twentieth from the middle to validate.

python -m experiments.characters.prepare input.txt.gz --to=runs/data/characters

What others, who trained on all that stands before it, told of a text's last tenth is what its test file tells here; no
choice is made by it. The piece to validate on begins and ends between paragraphs, so that the text around it joins.
"""

import argparse
from pathlib import Path

from data.records import read_text

VALIDATION = (45, 50)  # percent of the text
TEST = 90  # percent, from there on
PARAGRAPH = "\n\n"


def parts(text: str) -> dict[str, str]:
    """By split; together they hold each character once."""
    begin, end = (_paragraph(text, len(text) * percent // 100) for percent in VALIDATION)
    test = len(text) * TEST // 100
    return {"train": text[:begin] + text[end:test], "validation": text[begin:end], "test": text[test:]}


def _paragraph(text: str, place: int) -> int:
    """Where the first paragraph after `place` begins; `place` itself in a text without."""
    found = text.find(PARAGRAPH, place)
    return place if found < 0 else found + len(PARAGRAPH)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", type=Path)
    parser.add_argument("--to", type=Path, required=True)
    given = parser.parse_args()
    given.to.mkdir(parents=True, exist_ok=True)
    for name, part in parts(read_text(given.text)).items():
        (given.to / f"{name}.txt").write_text(part, encoding="utf-8")
        print(f"{given.to / f'{name}.txt'}: {len(part)} characters")


if __name__ == "__main__":
    main()
