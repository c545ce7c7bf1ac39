"""One text into train, validation and test files: the first 85 of a hundred characters, the next 5, and the last 10.

python -m experiments.characters.prepare input.txt.gz --to=runs/data/characters

What was told of a text's last tenth by others is what its test file tells here; no choice is made by it.
"""

import argparse
from pathlib import Path

from data.records import read_text

SHARES = {"train": (0, 85), "validation": (85, 90), "test": (90, 100)}  # percent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", type=Path)
    parser.add_argument("--to", type=Path, required=True)
    given = parser.parse_args()
    text = read_text(given.text)
    given.to.mkdir(parents=True, exist_ok=True)
    for name, (begin, end) in SHARES.items():
        part = text[len(text) * begin // 100 : len(text) * end // 100]
        (given.to / f"{name}.txt").write_text(part, encoding="utf-8")
        print(f"{given.to / f'{name}.txt'}: {len(part)} characters")


if __name__ == "__main__":
    main()
