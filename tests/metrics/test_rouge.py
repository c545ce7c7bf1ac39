"""ROUGE against hand-counted pairs, and a thousand pairs with known scores (skipped where they are not at hand)."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from errors import InputError
from metrics.rouge import KINDS, bootstrap, rouge_of_each, rouge_scores

HERE = Path(__file__).resolve().parents[3] / "shared/data/metric_checks/rouge"


def test_one_pair_counted_by_hand():
    found = rouge_scores(["the cat sat"], [["the cat lay down"]])
    assert found["rouge1"] == pytest.approx(100 * 2 * 2 / (3 + 4))
    assert found["rouge2"] == pytest.approx(100 * 2 * 1 / (2 + 3))
    assert found["rougeL"] == found["rougeLsum"] == pytest.approx(100 * 2 * 2 / (3 + 4))


def test_lines_are_sentences_for_lsum_alone():
    found = rouge_scores(["c d\na b"], [["a b\nc d"]])
    assert found["rougeL"] == 50  # the longest common subsequence of a b c d and c d a b
    assert found["rougeLsum"] == 100


def test_of_several_references_the_one_with_the_highest_f_counts_in_each_kind():
    answer, references = "a b c d", ["d c b a", "a b x y z"]
    both = rouge_scores([answer], [references])
    for kind in KINDS:
        assert both[kind] == max(rouge_scores([answer], [[one]])[kind] for one in references)
    assert both["rouge1"] == 100
    assert both["rouge2"] == pytest.approx(100 * 2 * 1 / (3 + 4))


def test_words_may_be_stemmed_and_empty_answers_score_nothing():
    assert rouge_scores(["running dogs"], [["run dog"]])["rouge1"] == 0
    assert rouge_scores(["running dogs"], [["run dog"]], stemmed=True)["rouge1"] == 100
    assert rouge_scores(["does"], [["doe"]], stemmed=True)["rouge1"] == 100
    assert rouge_scores(["its"], [["it"]], stemmed=True)["rouge1"] == 0  # three letters stay as they are
    assert rouge_scores([""], [["a"]])["rouge1"] == rouge_scores(["é"], [["é"]])["rouge1"] == 0


def test_what_does_not_go_together_is_refused():
    with pytest.raises(InputError, match="2 answers do not go with 1 references"):
        rouge_scores(["a", "b"], [["a"]])
    with pytest.raises(InputError, match=r"answer 1 .* needs a list of at least one reference, got \[\]"):
        rouge_scores(["a", "b"], [["a"], []])
    with pytest.raises(InputError, match="got 'a'"):
        rouge_scores(["a"], ["a"])
    with pytest.raises(InputError, match="no answer"):
        rouge_scores([], [])


def test_the_bootstrap_of_equal_values_is_their_value_and_its_spread_is_that_of_a_mean():
    assert bootstrap(np.full(5, 3.0)) == (3, 3, 3)
    values = np.arange(400.0)
    low, middle, high = bootstrap(values)
    error = values.std() / 20
    print(f"{low:.2f} {middle:.2f} {high:.2f}, standard error {error:.2f}")  # 188.35 199.68 210.16, 5.77 seen
    assert abs(middle - values.mean()) < 0.2 * error
    assert (high - low) / (2 * 1.96 * error) == pytest.approx(1, abs=0.1)


@pytest.mark.skipif(not HERE.is_dir(), reason=f"{HERE} is not there")
def test_a_thousand_pairs_score_what_is_recorded():
    def read(name: str) -> list[str]:  # the record was made with a line for each sentence
        lines = gzip.decompress((HERE / name).read_bytes()).decode().splitlines()
        return [line.replace(" . ", " .\n") for line in lines]

    answers, references = read("prediction_large.txt.gz"), read("target_large.txt.gz")
    each = rouge_of_each(answers, [[one] for one in references])
    means = {kind: round(float(values.mean()), 4) for kind, values in each.items()}
    assert {kind: means[kind] for kind in ("rouge1", "rouge2", "rougeLsum")} == {
        "rouge1": 38.5525,
        "rouge2": 22.1449,
        "rougeLsum": 38.3265,
    }
    for kind, wanted in json.loads((HERE / "expected_bootstrap_results.json").read_text()).items():
        low, middle, high = bootstrap(each[kind])
        print(f"{kind} bootstrap {middle:.4f} in {low:.2f}..{high:.2f}, recorded {wanted:.4f}")
        # Medians of 1000 draws differ by chance: 0.025, 0.001 and 0.009 of the interval seen.
        assert abs(middle - wanted) < 0.05 * (high - low)
