"""Pathfinder: whether two dots lie on one dashed curve (Linsley et al. 2018, section 4; Tay et al. 2020, section 2.2).

    python -m experiments.long_range.pathfinder --to=runs/data/pathfinder
    python -m experiments.long_range.pathfinder --to=runs/data/path_x --side=128

Drawn by rules of our own after the description, so that scores stand beside published ones without being their equals:
two long curves of `dashes` dashes and several short ones that cross nothing, and two dots: at both ends of one long
curve (connected), or at one end of each (apart). Every length is in units of a 32nd of the side. Written are
{train,validation,test}.jsonl, brightness pixel by pixel, and tokenizer.json.
"""

import math
import random
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from errors import InputError
from experiments.finetuning.prepare import Example, Summary
from experiments.long_range.sequences import GREYS, SPLITS, command, generator, of_pixels, write_task

DASH, GAP = 1.6, 0.9  # length of a dash and of the hole after it
BEND = 0.5  # largest change of direction from dash to dash, radians
APART = 2.4  # least distance of a dash's ends and middle from those of another curve, or of a part further back
ALIKE = 2.0  # most that the distance of the dots may differ between the two answers
BORDER = 1.5  # kept free of curves
FINE = 2  # cells to a unit, each way, in which room is looked for: the bits of one number, row by row
REACH = math.ceil(APART * FINE)
ROW = 32 * FINE + 2 * REACH
CENTRE = 1 << (REACH * ROW + REACH)
DISC = sum(
    1 << ((REACH + down) * ROW + REACH + across)
    for down in range(-REACH, REACH + 1)
    for across in range(-REACH, REACH + 1)
    if math.hypot(across, down) < APART * FINE
)
THICKNESS, DOT = 0.9, 1.3  # width of a dash; radius of a dot
SMOOTH = 4  # pictures are drawn so many times larger, then shrunk
TRIES = 12  # directions tried before a curve is begun anew
STARTS = 10_000  # pictures begun before their settings are refused, half a minute; the published ones need some ten
CLASSES = {True: "connected", False: "apart"}

Point = tuple[float, float]
Dash = tuple[Point, Point]  # both ends
Curve = list[Dash]
Dots = tuple[Point, Point]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The published data have 200,000 pictures of a kind, of which 160,000 are trained on."""

    train: int = 160_000
    validation: int = 20_000
    test: int = 20_000
    side: int = 32
    dashes: int = 14
    distractors: int = 5
    seed: int = 0

    def __post_init__(self):
        if min(self.train, self.validation, self.test) < 1 or self.distractors < 0:
            raise InputError("train, validation and test should be 1 or more, distractors 0 or more")
        if self.side < 16:
            raise InputError(f"side={self.side} pixels is too small to draw in; give 16 or more")
        if not 3 <= self.dashes <= 16:
            raise InputError(f"dashes={self.dashes} should be 3 to 16: more find no place beside each other")


def picture(settings: Settings, split: str, number: int) -> Example:
    """That picture of the split, whichever others are drawn."""
    random = generator(settings.seed, "pathfinder", split, str(number))
    connected = random.random() < 0.5
    curves, dots = placed(random, settings.dashes, settings.distractors)
    return of_pixels(drawn(curves, dots[connected], settings.side), CLASSES[connected])


def placed(random: random.Random, dashes: int, distractors: int) -> tuple[list[Curve], dict[bool, Dots]]:
    """Curves, the two of `dashes` first and then short ones, a third as long; and the dots of either answer.

    A picture is kept only if its dots would be about as far from each other with either answer: otherwise their
    distance alone would tell 72 % of the answers.

    Raises:
      InputError: so many curves find no place.
    """
    lengths = (dashes, dashes, *[max(2, dashes // 3)] * distractors)
    for _ in range(STARTS):
        curves, taken = [], 0
        for length in lengths:
            found = next(filter(None, (_grown(random, length, taken) for _ in range(50))), None)
            if found is None:
                break  # the picture is full: begin anew
            curve, taken = found
            curves.append(curve)
            if len(curves) == 2 and (dots := _alike(random, *curves)) is None:
                break
        else:
            return curves, dots
    raise InputError(
        f"two curves of {dashes} dashes and {distractors} short ones found no place beside each other in {STARTS:,} "
        "pictures; give fewer dashes or distractors"
    )


def _alike(random: random.Random, first: Curve, second: Curve) -> dict[bool, Dots] | None:
    one, other = (first, second) if random.random() < 0.5 else (second, first)
    connected = (one[0][0], one[-1][1])
    wanted = math.dist(*connected)
    apart = [(near, far) for near in connected for far in (other[0][0], other[-1][1])]
    best = min(apart, key=lambda pair: abs(math.dist(*pair) - wanted))
    return {True: connected, False: best} if abs(math.dist(*best) - wanted) <= ALIKE else None


def _grown(random: random.Random, dashes: int, taken: int) -> tuple[Curve, int] | None:
    """A curve that keeps away from what is taken, from itself and from the border; None if it ran into one."""
    at = (random.uniform(BORDER, 32 - BORDER), random.uniform(BORDER, 32 - BORDER))
    direction = random.uniform(0, 2 * math.pi)
    curve: Curve = []
    for _ in range(dashes):
        for _ in range(TRIES):
            turned = direction + random.uniform(-BEND, BEND)
            dash = (at, _moved(at, turned, DASH))
            if _has_room(dash, taken):
                break
        else:
            return None
        if curve:
            taken |= _around(curve[-1])  # not yet around this one, or nothing could follow it
        curve.append(dash)
        direction, at = turned, _moved(dash[1], turned, GAP)
    return curve, taken | _around(curve[-1])


def _points(dash: Dash) -> tuple[Point, Point, Point]:
    (a, b), (c, d) = dash
    return (a, b), ((a + c) / 2, (b + d) / 2), (c, d)


def _moved(at: Point, direction: float, length: float) -> Point:
    return at[0] + length * math.cos(direction), at[1] + length * math.sin(direction)


def _has_room(dash: Dash, taken: int) -> bool:
    inside = all(BORDER <= coordinate <= 32 - BORDER for point in dash for coordinate in point)
    return inside and not any(taken >> _cell(point) & CENTRE for point in _points(dash))


def _around(dash: Dash) -> int:
    """The cells that are too near to it."""
    first, middle, last = _points(dash)
    return DISC << _cell(first) | DISC << _cell(middle) | DISC << _cell(last)


def _cell(point: Point) -> int:
    return int(point[1] * FINE) * ROW + int(point[0] * FINE)


def drawn(curves: list[Curve], dots: Dots, side: int) -> np.ndarray:
    """The picture, uint8 [side, side], white on black."""
    unit = side * SMOOTH / 32
    picture = Image.new("L", (side * SMOOTH, side * SMOOTH))
    pen = ImageDraw.Draw(picture)
    for (a, b), (c, d) in (dash for curve in curves for dash in curve):
        pen.line([(a * unit, b * unit), (c * unit, d * unit)], fill=255, width=round(THICKNESS * unit))
    for a, b in dots:
        pen.ellipse([(a - DOT) * unit, (b - DOT) * unit, (a + DOT) * unit, (b + DOT) * unit], fill=255)
    return np.asarray(picture.resize((side, side), Image.Resampling.BOX))


def write(settings: Settings, directory: Path) -> list[Summary]:
    """Drawn on all cores."""
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        drawn = {
            split: pool.map(partial(picture, settings, split), range(getattr(settings, split)), chunksize=64)
            for split in SPLITS
        }
        return write_task(directory, GREYS, drawn)


def main(arguments: list[str] | None = None) -> int:
    return command(Settings, write, description=__doc__.splitlines()[0], arguments=arguments)


if __name__ == "__main__":
    sys.exit(main())
