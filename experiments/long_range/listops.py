"""ListOps: nested lists of digits with an operator each, and their value (Nangia and Bowman 2018; Tay et al. 2020).

    python -m experiments.long_range.listops --to=runs/data/listops

The defaults are the published settings: 96,000, 2,000 and 2,000 expressions of 500 to 2,000 tokens, at most 10 deep
with at most 10 arguments. `[MAX 4 3 [MIN 2 3 ] 1 0 ]` is 4. Written are {train,validation,test}.jsonl and
tokenizer.json. The same arguments give the same bytes in every process, and no expression comes twice.
"""

import random
import statistics
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from errors import InputError
from experiments.finetuning.prepare import Example, Summary
from experiments.long_range.sequences import SPLITS, command, generator, write_task

OPERATORS: dict[str, Callable[[list[int]], int]] = {
    "[MAX": max,
    "[MED": lambda values: int(statistics.median(values)),  # of an even number: the mean of the middle two, cut
    "[MIN": min,
    "[SM": lambda values: sum(values) % 10,
}
END = "]"
WORDS = (*OPERATORS, END, *map(str, range(10)))
LIST = 0.25  # the chance that there is a list where there might be one; else there is a digit


@dataclass(frozen=True, kw_only=True)
class Settings:
    """`shortest` and `longest` are lengths in tokens, both excluded, as in the published generator."""

    train: int = 96_000
    validation: int = 2_000
    test: int = 2_000
    depth: int = 10
    arguments: int = 10
    shortest: int = 500
    longest: int = 2_000
    seed: int = 0

    def __post_init__(self):
        if min(self.train, self.validation, self.test, self.depth) < 1 or self.arguments < 2:
            raise InputError("train, validation, test and depth should be 1 or more, arguments 2 or more")
        if not 1 <= self.shortest + 1 < self.longest:
            raise InputError(f"no length lies between shortest={self.shortest} and longest={self.longest} tokens")
        most = longest_possible(self.depth, self.arguments)
        if self.shortest + 1 > most:
            raise InputError(
                f"depth={self.depth} and arguments={self.arguments} make at most {most} tokens, "
                f"and more than shortest={self.shortest} are asked for"
            )


def longest_possible(depth: int, arguments: int) -> int:
    """Tokens of the largest expression: every list full, digits at `depth` alone."""
    tokens = 1
    for _ in range(depth - 1):
        tokens = 2 + arguments * tokens
    return tokens


class _TooLongError(Exception):
    """An expression has grown past what was asked for."""


def expressions(settings: Settings, split: str) -> Iterator[Example]:
    """Random expressions without end; each call begins with the same one."""
    random = generator(settings.seed, "listops", split)
    while True:
        tokens: list[str] = []
        try:
            value = _grow(random, settings, tokens, depth=1)
        except _TooLongError:
            continue
        if len(tokens) > settings.shortest:
            yield Example(" ".join(tokens), str(value))


def _grow(random: random.Random, settings: Settings, tokens: list[str], *, depth: int) -> int:
    """Appends one expression to `tokens` and returns its value."""
    if depth == settings.depth or random.random() > LIST:
        value = random.randrange(10)
        tokens.append(str(value))
        return value
    count, operator = random.randint(2, settings.arguments), random.choice(tuple(OPERATORS))
    tokens.append(operator)
    values = []
    for _ in range(count):
        if len(tokens) >= settings.longest:
            raise _TooLongError
        values.append(_grow(random, settings, tokens, depth=depth + 1))
    tokens.append(END)
    if len(tokens) >= settings.longest:
        raise _TooLongError
    return OPERATORS[operator](values)


def evaluated(text: str) -> int:
    """The value of an expression, read from its text.

    Raises:
      ValueError: it is not one expression; the message says at which token.
    """
    lists: list[tuple[str, list[int]]] = []
    result = None
    for at, token in enumerate(text.split(), 1):
        if result is not None:
            raise ValueError(f"token {at}, {token!r}, comes after the end")
        if token in OPERATORS:
            lists.append((token, []))
            continue
        if token == END and lists and lists[-1][1]:
            operator, values = lists.pop()
            value = OPERATORS[operator](values)
        elif token.isdigit() and len(token) == 1:
            value = int(token)
        else:
            raise ValueError(f"token {at}, {token!r}, can not stand there")
        if lists:
            lists[-1][1].append(value)
        else:
            result = value
    if result is None:
        raise ValueError("a list is not closed" if lists else "there is no token")
    return result


def write(settings: Settings, directory: Path) -> list[Summary]:
    seen: set[str] = set()
    splits = {split: _new(expressions(settings, split), seen, getattr(settings, split)) for split in SPLITS}
    return write_task(directory, WORDS, splits)


def _new(sequences: Iterator[Example], seen: set[str], count: int) -> Iterator[Example]:
    """The first `count` whose texts are not in `seen`, where they are then put.

    Raises:
      InputError: a thousand in a row came before: the settings hardly allow for more.
    """
    made = repeated = 0
    for each in sequences:
        if each.text in seen:
            repeated += 1
            if repeated == 1000:
                raise InputError(f"only {made} of {count} different expressions were found; allow longer ones")
            continue
        repeated = 0
        seen.add(each.text)
        yield each
        made += 1
        if made == count:
            return


def main(arguments: list[str] | None = None) -> int:
    return command(Settings, write, description=__doc__.splitlines()[0], arguments=arguments)


if __name__ == "__main__":
    sys.exit(main())
