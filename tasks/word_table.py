"""A table of words that starts from published word vectors."""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped

from data.tokenizer import Tokenizer
from data.word_vectors import read_word_vectors, word_vector_dimension
from errors import InputError
from tasks.texts import vocab_rows

TABLE = "encoder.embeddings.word.embedding"


def check_word_vectors(config: Any) -> None:
    """Reads no more than the file's beginning.

    Raises:
      InputError: the file's vectors are not as wide as the table, or `init_from` gives the table too.
    """
    path, model = config.model.word_vectors, config.model
    if not path or config.mode not in ("train", "plan"):
        return
    if config.init_from:
        raise InputError(f"model.word_vectors={path} and init_from both give the table of words; leave one empty")
    wide, there = model.embedding_width or model.width, word_vector_dimension(path)
    if there != wide:
        raise InputError(
            f"{path} holds vectors of {there} numbers and the table of words is {wide} wide; set "
            f"model.embedding_width={there}"
        )


def words_from_vectors(
    config: Any, tokenizer: Tokenizer, counts: Callable[[], Shaped[np.ndarray, " V"]]
) -> dict[str, Float[np.ndarray, "V E"]]:
    """The table by its path, for `Task.initial_params`; nothing where `model.word_vectors` is empty.

    A token that is a whole word, or a mark, has the word's vector, else that of the word in small letters. The others
    are drawn with the mean and the spread of these (Kim 2014, section 3.1, found that better than a smaller spread).
    Prints what share of the entries has a vector, and of the training tokens, which `counts` counts by id; special ones
    are left out.
    `optimizer.rules` such as ((r"encoder.embeddings.word.*", {"learning_rate": 0.0}),) keeps the table as it is.
    """
    path = config.model.word_vectors
    if not path:
        return {}
    words = whole_words(tokenizer)
    asked = {form for word in words.values() for form in (word, word.lower())}
    found = read_word_vectors(path, asked)
    rows = {i: word if word in found.vectors else word.lower() for i, word in words.items()}
    rows = {i: word for i, word in rows.items() if word in found.vectors}
    if not rows:
        raise InputError(f"{path} has none of the {len(words)} words of the tokenizer; is it of another language?")
    from_parts = sum(word in found.from_parts for word in rows.values())
    print(_told(path, list(rows), from_parts, tokenizer, counts()), flush=True)
    known = np.stack([found.vectors[word] for word in rows.values()])  # [covered E]
    rng = np.random.default_rng(config.seed)
    shape = vocab_rows(config, tokenizer), found.dimension
    table = rng.normal(known.mean(), known.std(), shape).astype(np.float32)
    table[list(rows)] = known
    return {TABLE: table}


def whole_words(tokenizer: Tokenizer) -> dict[int, str]:
    """By id, the words without their mark of a space; not what stands within a word, nor special tokens."""
    ids = np.setdiff1d(np.flatnonzero(tokenizer.starts_word), tokenizer.special_ids).tolist()
    words = {i: tokenizer.decode([i]).strip() for i in ids}
    return {i: word for i, word in words.items() if word and "\ufffd" not in word}


def _told(path: str, ids: list[int], from_parts: int, tokenizer: Tokenizer, counts: np.ndarray) -> str:
    ordinary = np.setdiff1d(np.arange(tokenizer.vocab_size), tokenizer.special_ids)
    parts = f", {from_parts} of them from parts of words" if from_parts else ""
    return (
        f"{path}: a vector for {len(ids)} of {len(ordinary)} entries ({len(ids) / len(ordinary):.1%}{parts}), which "
        f"are {counts[ids].sum() / max(counts[ordinary].sum(), 1):.1%} of the training tokens"
    )
