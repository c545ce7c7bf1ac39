import math

import pytest

from errors import InputError
from metrics.translation import translation_scores


def test_bleu_counted_by_hand():
    scores, signatures = translation_scores(["a b c d e"], [["a b c d x y"]], tokenize="none")
    precisions = (4 / 5, 3 / 4, 2 / 3, 1 / 2)
    wanted = math.exp(1 - 6 / 5) * math.prod(precisions) ** (1 / 4) * 100
    assert scores["bleu"] == pytest.approx(wanted)
    assert "tok:none" in signatures["bleu"]
    assert signatures["bleu"].startswith("nrefs:1|case:mixed")
    assert "|version:" in signatures["chrf"]


def test_the_same_text_scores_100_in_both():
    scores, _ = translation_scores(["Ein Hund rennt über die Wiese."], [["Ein Hund rennt über die Wiese."]])
    assert scores == pytest.approx({"bleu": 100, "chrf": 100})


def test_counts_are_of_the_corpus_and_not_means_of_sentences():
    answers, references = ["a b c d e f", "x"], [["a b c d e f"], ["y z"]]
    together, _ = translation_scores(answers, references)
    assert together["bleu"] == pytest.approx(math.exp(1 - 8 / 7) * (6 / 7) ** (1 / 4) * 100)


def test_more_references_help_and_the_signature_says_how_many():
    scores, signatures = translation_scores(["a b c d"], [["w x y z", "a b c d"]])
    assert scores["bleu"] == pytest.approx(100)
    assert signatures["bleu"].startswith("nrefs:2|")


def test_case_counts_unless_asked():
    assert translation_scores(["A B C D"], [["a b c d"]])[0]["bleu"] < 1
    scores, signatures = translation_scores(["A B C D"], [["a b c d"]], lowercase=True)
    assert scores["bleu"] == pytest.approx(100)
    assert "case:lc" in signatures["bleu"]


def test_what_does_not_go_together_is_refused():
    with pytest.raises(InputError, match="2 translations do not go with 1 references"):
        translation_scores(["a", "b"], [["a"]])
    with pytest.raises(InputError, match=r"translation 1 .* needs a list of 1 references .* got \['a', 'b'\]"):
        translation_scores(["a", "b"], [["a"], ["a", "b"]])
    with pytest.raises(InputError, match="got 'a'"):
        translation_scores(["a"], ["a"])
    with pytest.raises(InputError, match="no translation"):
        translation_scores([], [])
