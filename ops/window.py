"""What each head sees nearby, as a value: width, dilation, causality."""

from typing import NamedTuple

from errors import InputError


class Window(NamedTuple):
    """`width` keys before a query and, unless `causal`, as many after it, `dilation` tokens apart; and itself.

    `width` and `dilation` are one number for all heads or a tuple of one per head. The reach to one side is
    width * dilation tokens. A dilation of 1 leaves no gaps (the paper calls that none).

    Source: Beltagy et al. 2020, section 3.1.
    """

    width: int | tuple[int, ...]
    dilation: int | tuple[int, ...] = 1
    causal: bool = False

    @property
    def reach(self) -> int:
        """Tokens to one side that the farthest-seeing head spans."""
        widths, dilations = _several(self.width), _several(self.dilation)
        heads = max(len(widths), len(dilations))
        return max(w * d for w, d in zip(_repeat(widths, heads), _repeat(dilations, heads), strict=True))


class HeadWindow(NamedTuple):
    """The window of the heads in `heads`, all alike."""

    width: int
    dilation: int
    heads: tuple[int, ...]


def as_window(window: int | Window) -> Window:
    """A number alone is a width."""
    return window if isinstance(window, Window) else Window(window)


def windows_of_heads(window: int | Window, heads: int) -> list[HeadWindow]:
    """Heads that see alike, together, in the order of their first head.

    Raises:
      InputError: for a width or dilation below 1, or tuples that are not one number per head.
    """
    window = as_window(window)
    each = []
    for name, value in (("window", window.width), ("dilation", window.dilation)):
        numbers = _several(value)
        if isinstance(value, tuple) and len(numbers) != heads:
            raise InputError(f"{name} has {len(numbers)} numbers for {heads} heads: {value}.")
        for number in numbers:
            if number < 1:
                raise InputError(f"{name} must be at least 1 token, got {number}.")
        each.append(_repeat(numbers, heads))
    alike: dict[tuple[int, int], list[int]] = {}
    for head, kind in enumerate(zip(*each, strict=True)):
        alike.setdefault(kind, []).append(head)
    return [HeadWindow(*kind, tuple(found)) for kind, found in alike.items()]


def _several(value: int | tuple[int, ...]) -> tuple[int, ...]:
    return value if isinstance(value, tuple) else (value,)


def _repeat(numbers: tuple[int, ...], heads: int) -> tuple[int, ...]:
    return numbers * heads if len(numbers) == 1 else numbers
