import math

import numpy as np

from metrics import binary_f1, confusion_accuracy, macro_f1, majority_baseline, perplexity

# rows: truth; columns: answer
CONFUSION = np.array([[5, 1], [2, 2]])


def test_scores_of_a_confusion_counted_by_hand():
    assert confusion_accuracy(CONFUSION) == 7 / 10
    assert math.isclose(binary_f1(CONFUSION), 2 * 2 / (2 * 2 + 1 + 2))
    assert math.isclose(macro_f1(CONFUSION), (10 / 13 + 4 / 7) / 2)


def test_a_class_never_found_scores_zero_and_no_examples_score_nan():
    assert binary_f1(np.array([[3, 0], [2, 0]])) == 0.0
    assert math.isnan(confusion_accuracy(np.zeros((2, 2))))


def test_the_majority_baseline_answers_the_commonest_training_label():
    confusion = majority_baseline(np.array([1, 1, 0]), np.array([0, 0, 1]), 2)
    assert confusion.tolist() == [[0, 2], [0, 1]]


def test_perplexity_is_the_exponential_of_nats_and_never_overflows():
    assert math.isclose(perplexity(math.log(50)), 50)
    assert perplexity(1e6) == math.inf
