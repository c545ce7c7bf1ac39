"""A RoBERTa made into a Longformer, a BART into an LED: `python -m pretrained.lengthen SHORT LONG`."""

import argparse
import shutil
import sys
from pathlib import Path

from errors import InputError
from pretrained.exchange import load
from pretrained.longer import bart_to_led, roberta_to_longformer
from pretrained.saving import save
from whole_files import read_json, write_json

TOKENIZER = (
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "merges.txt",
    "vocab.txt",
    "special_tokens_map.json",
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m pretrained.lengthen", description=__doc__.splitlines()[0])
    parser.add_argument("short", type=Path, help="directory of a RoBERTa or BART in transformers' format")
    parser.add_argument("long", type=Path, help="directory to write a Longformer or LED to")
    parser.add_argument("--max-positions", type=int, default=4096, help="tokens in the longest text")
    parser.add_argument("--window", type=int, default=256, help="tokens seen to each side")
    given = parser.parse_args()
    try:
        if given.long.exists():
            raise InputError(f"{given.long} exists; choose another directory")
        model = load(given.short)
        lengthened = bart_to_led if hasattr(model, "net") else roberta_to_longformer
        longer = lengthened(model, windows=(given.window,), max_positions=given.max_positions)
        save(longer, given.long, like=given.short)
        for name in TOKENIZER:
            if (given.short / name).exists():
                shutil.copy(given.short / name, given.long / name)
        _cut_later(given.long / "tokenizer_config.json", given.max_positions)
    except InputError as error:
        sys.exit(f"python -m pretrained.lengthen: {error}")
    print(f"{given.long}: texts of up to {given.max_positions} tokens, {given.window} seen to each side")


def _cut_later(settings: Path, tokens: int) -> None:
    """Where transformers' tokenizer cuts a text; a RoBERTa's says 512 there."""
    if settings.exists():
        write_json(settings, read_json(settings) | {"model_max_length": tokens})


if __name__ == "__main__":
    main()
