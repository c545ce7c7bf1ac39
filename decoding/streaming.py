"""Texts piece by piece as they are written, up to a string at which they are to stop."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from jax import Array
from jaxtyping import Int

from decoding.generate import Decoder
from errors import InputError

UNFINISHED = "\ufffd"  # what a tokenizer writes for the first bytes of a character


def stream(
    decoder: Decoder,
    input_ids: Int[Array, "1 P"],
    decode: Callable[[Sequence[int]], str],
    *,
    stop: Sequence[str] = (),
    chunk: int = 8,
    **inputs: Array | None,
) -> Iterator[str]:
    """The text of one prompt in pieces, `chunk` tokens at a time; see `streams`."""
    if input_ids.shape[0] != 1:
        raise InputError(f"stream writes one text, got {input_ids.shape[0]} prompts: use streams")
    for pieces in streams(decoder, input_ids, decode, stop=stop, chunk=chunk, **inputs):
        if pieces[0]:
            yield pieces[0]


def streams(
    decoder: Decoder,
    input_ids: Int[Array, "B P"],
    decode: Callable[[Sequence[int]], str],
    *,
    stop: Sequence[str] = (),
    chunk: int = 8,
    **inputs: Array | None,
) -> Iterator[tuple[str, ...]]:
    """After every `chunk` tokens what is new of each text; joined, the pieces are the texts.

    A text goes to the first place where one of `stop` begins, wherever the tokens are cut; what may yet become one is
    held back, and so is half a character. `decode` makes text of tokens, as `Tokenizer.decode`.

    Raises:
      InputError: at once, for an empty stop string, or a `chunk` below 1.
    """
    if isinstance(chunk, bool) or not isinstance(chunk, int) or chunk < 1:
        raise InputError(f"chunk must be at least 1 token, a whole number, got {chunk!r}")
    if not isinstance(stop, Sequence) or isinstance(stop, str) or not all(isinstance(s, str) and s for s in stop):
        raise InputError(f"stop must be a list of strings, none of them empty, got {stop!r}")
    return _streams(decoder, input_ids, decode, tuple(stop), chunk, inputs)


def texts(
    decoder: Decoder,
    input_ids: Int[Array, "B P"],
    decode: Callable[[Sequence[int]], str],
    **how: Array | Sequence[str] | int | None,
) -> list[str]:
    """The whole texts; as `streams`. Writing ends as soon as all have stopped."""
    pieces = zip(*streams(decoder, input_ids, decode, **how), strict=True)
    return ["".join(each) for each in pieces]


def _streams(
    decoder: Decoder, input_ids: Array, decode: Callable, stop: tuple[str, ...], chunk: int, inputs: dict
) -> Iterator[tuple[str, ...]]:
    settings = decoder.settings
    state, until = decoder.begin(input_ids, **inputs), 0
    rows = [_Row(stop) for _ in range(state.lengths.shape[0])]
    while True:
        until = min(until + chunk, settings.max_new_tokens)
        state = decoder.advance(state, until)
        tokens = np.asarray(state.text.tokens[:, -settings.max_new_tokens :])
        lengths, ended = np.asarray(state.lengths), np.asarray(state.ended) | (until == settings.max_new_tokens)
        ends = np.isin(tokens, settings.ends)
        kept = [row[: n - bool(n and end[n - 1])] for row, n, end in zip(tokens, lengths, ends, strict=True)]
        yield tuple(row.piece(decode(ids.tolist()), last) for row, ids, last in zip(rows, kept, ended, strict=True))
        if all(row.stopped for row in rows):
            return


class _Row:
    """How much of a text was handed out, and whether that is all."""

    def __init__(self, stop: tuple[str, ...]):
        self._stop, self._given, self.stopped = stop, 0, False

    def piece(self, text: str, last: bool) -> str:
        """What is new of `text`, the whole so far; the `last` time all of it."""
        if self.stopped:
            return ""
        places = [at for each in self._stop if (at := text.find(each)) >= 0]
        self.stopped = last or bool(places)
        end = min(places) if places else len(text) if last else self._safe(text)
        new = text[self._given : end]
        self._given = max(self._given, end)
        return new

    def _safe(self, text: str) -> int:
        """So many characters stay as they are, whatever follows."""
        text = text.rstrip(UNFINISHED)
        begun = (n for each in self._stop for n in range(len(each) - 1, 0, -1) if text.endswith(each[:n]))
        return len(text) - max(begun, default=0)
