"""A table of words that starts from word vectors."""

import numpy as np
import pytest

from data.tokenizer import Tokenizer
from errors import InputError
from tasks.classification import Classification
from tasks.regression import Regression
from tasks.word_table import TABLE, whole_words
from tests.tasks.files import config_of, write_lines

TEXTS = ["see The cat sat", "a cat, a hat", "cats sat on hats"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vectors")
    for split in ("train", "validation"):
        write_lines(folder / f"{split}.jsonl", [{"text": text, "label": n % 2} for n, text in enumerate(TEXTS)])
    (folder / "v.txt").write_text("cat 1 2 3 4\nthe 5 6 7 8\n, 9 9 9 9\ns -1 -1 -1 -1\nsat 2 2 2 2\nhat 3 3 3 3\n")
    return folder


def task_of(place, kind, task=Classification, **keys):
    name = "regression" if task is Regression else "classification"
    config = config_of(place, name, **{"model.word_vectors": f"{place}/v.txt", "model.embedding_width": 4} | keys)
    return task(config, Tokenizer.train(kind, TEXTS * 3, vocab_size=300), place / "run")


@pytest.mark.parametrize("kind", ["wordpiece", "byte_bpe", "unigram"])
def test_whole_words_have_their_vectors_and_what_continues_a_word_has_none(kind, place):
    task = task_of(place, kind)
    table, words = task.initial_params()[TABLE], whole_words(task.tokenizer)
    by_word = {word: table[i].tolist() for i, word in words.items()}
    assert by_word["cat"] == [1, 2, 3, 4]
    assert by_word.get(",", [9] * 4) == [9, 9, 9, 9]  # a trained vocabulary this small may lack it
    assert kind == "unigram" or by_word["sat"] == [2, 2, 2, 2]
    assert table.shape == (task.tokenizer.vocab_size, 4)
    assert table.dtype == np.float32
    assert not set(words) & set(task.tokenizer.special_ids.tolist())
    assert not any(word.startswith(("##", "Ġ", "▁", " ")) for word in words.values())


def test_a_capital_takes_the_vector_of_the_small_letters_where_the_file_has_no_other(place):
    task = task_of(place, "byte_bpe")
    words = {word: i for i, word in whole_words(task.tokenizer).items()}
    assert "The" in words
    assert task.initial_params()[TABLE][words["The"]].tolist() == [5, 6, 7, 8]


def test_the_other_rows_have_the_spread_of_the_known_ones(place):
    """Of a vocabulary of 256 bytes nearly all rows are drawn; the known ones have mean 3.6 and deviation 2.4 or so."""
    task = task_of(place, "byte_bpe")
    table = task.initial_params()[TABLE]
    known = np.stack([row for row in table if np.array_equal(row, row.round())])
    drawn = np.stack([row for row in table if not np.array_equal(row, row.round())])
    print(f"mean {drawn.mean():.2f} and {known.mean():.2f}, deviation {drawn.std():.2f} and {known.std():.2f}")
    assert len(drawn) > 200
    assert abs(drawn.mean() - known.mean()) < 0.5
    assert abs(drawn.std() / known.std() - 1) < 0.2
    assert np.array_equal(table, task_of(place, "byte_bpe").initial_params()[TABLE])
    assert not np.array_equal(table, task_of(place, "byte_bpe", seed=1).initial_params()[TABLE])


def test_the_share_that_is_covered_is_told_in_one_line(place, capfd):
    task = task_of(place, "wordpiece")
    task.initial_params()
    (line,) = [line for line in capfd.readouterr().out.splitlines() if "v.txt" in line]
    words = {i for i, word in whole_words(task.tokenizer).items() if word in ("cat", ",", "s", "sat", "hat", "the")}
    ids = np.concatenate(task.examples("train").ids)
    ids = ids[~np.isin(ids, task.tokenizer.special_ids)]
    share, entries = np.isin(ids, list(words)).mean(), task.tokenizer.vocab_size - len(task.tokenizer.special_ids)
    assert f"a vector for {len(words)} of {entries} entries" in line
    assert f"which are {share:.1%} of the training tokens" in line


def test_regression_starts_from_both_the_vectors_and_the_mean(place):
    assert set(task_of(place, "wordpiece", Regression).initial_params()) == {TABLE, "head.output.bias"}


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            {"model.embedding_width": 0},
            r"v.txt holds vectors of 4 numbers and the table of words is 128 wide; set model.",
        ),
        ({"model.word_vectors": "nowhere.txt"}, "nowhere.txt: cannot be read"),
        ({"init_from": "runs/x"}, "model.word_vectors=.* and init_from both give the table of words"),
    ],
)
def test_vectors_that_do_not_fit_are_refused_before_anything_long(keys, message, place):
    with pytest.raises(InputError, match=message):
        task_of(place, "wordpiece", **keys)


def test_vectors_of_another_language_are_refused(place, tmp_path):
    (tmp_path / "el.txt").write_text("γάτα 1 2 3 4\n")
    task = task_of(place, "wordpiece", **{"model.word_vectors": f"{tmp_path}/el.txt"})
    with pytest.raises(InputError, match=r"el.txt has none of the \d+ words of the tokenizer"):
        task.initial_params()
