"""The tokens of each word of a text whose words are known."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from data.tokenizer import Tokenizer
from errors import InputError


def words_tokens(
    texts: Sequence[str],
    ends: Sequence[Sequence[int]],
    tokenizer: Tokenizer,
    *,
    room: int,
    origins: Sequence[str],
) -> list[tuple[Int[np.ndarray, " n"], Int[np.ndarray, " w"]]]:
    """Of each text the ids, and the first of each word and their number; `ends` are the characters after each word.

    A token is of the first word that ends after the token's start: that may be the space before the word. A word
    without a token gets the unknown one.

    Raises:
      InputError: naming the text's origin, for a word that alone has more than `room` tokens.
    """
    encoded = tokenizer.encode_with_starts(texts)
    given = zip(texts, ends, origins, encoded, strict=True)
    return [_by_word(text, last, tokenizer, room, origin, *pair) for text, last, origin, pair in given]


def _by_word(
    text: str,
    ends: Sequence[int],
    tokenizer: Tokenizer,
    room: int,
    origin: str,
    ids: Int[np.ndarray, " n"],
    at: Int[np.ndarray, " n"],
) -> tuple[Int[np.ndarray, " m"], Int[np.ndarray, " w"]]:
    words = len(ends)
    owner = np.minimum(np.searchsorted(ends, at, side="right"), words - 1)
    bare = np.setdiff1d(np.arange(words), owner)
    if len(bare):
        ids = np.insert(ids, np.searchsorted(owner, bare), tokenizer.unk_id)
        owner = np.sort(np.concatenate([owner, bare]))
    sizes = np.bincount(owner, minlength=words)
    if sizes.max() > room:
        worst = int(sizes.argmax())
        word = text[ends[worst - 1] if worst else 0 : ends[worst]].strip()
        raise InputError(
            f"{origin}: the word {word[:40]!r} has {sizes.max()} tokens, more than the {room} that fit into "
            "data.length; raise it, or take the word out"
        )
    return ids, np.concatenate([[0], np.cumsum(sizes)])


def parts_of(starts: Int[np.ndarray, " w"], room: int) -> list[tuple[int, int]]:
    """All words in turn, first and one past the last of each part, as many in each as fit into `room` tokens."""
    found, first = [], 0
    while first < len(starts) - 1:
        last = int(np.searchsorted(starts, starts[first] + room, side="right")) - 1
        found.append((first, last))
        first = last
    return found
