"""ROUGE of summaries, counted by the rouge-score library; and how sure a mean over examples is.

Source: Lin 2004; the library's counts are those of ROUGE-1.5.5 in Perl, without its stop words.
"""

from collections.abc import Sequence

import numpy as np

from errors import InputError

KINDS = ("rouge1", "rouge2", "rougeL", "rougeLsum")


def rouge_of_each(
    answers: Sequence[str], references: Sequence[Sequence[str]], *, stemmed: bool = False
) -> dict[str, np.ndarray]:
    """For each kind, the F-measure of each answer in percent, against that of its references that gives the most.

    "rougeLsum" takes each line of a text as a sentence: put line breaks between sentences first. `stemmed`: Porter's
    stemmer cuts words of more than three letters, as most papers on English news do. Words are of a-z and digits alone.

    Raises:
      InputError: no answer, another number of references than of answers, or an answer without a reference.
    """
    from rouge_score.rouge_scorer import RougeScorer  # imports NLTK, slow, with a thread of its own (host_memory.py)

    if len(answers) != len(references):
        raise InputError(f"{len(answers)} answers do not go with {len(references)} references")
    if not answers:
        raise InputError("there is no answer to score")
    for number, given in enumerate(references):
        if isinstance(given, str) or not given:
            raise InputError(f"answer {number} (0 = first) needs a list of at least one reference, got {given!r}")
    scorer = RougeScorer(list(KINDS), use_stemmer=stemmed)
    found = [scorer.score_multi(list(given), answer) for answer, given in zip(answers, references, strict=True)]
    return {kind: np.asarray([100 * each[kind].fmeasure for each in found]) for kind in KINDS}


def rouge_scores(
    answers: Sequence[str], references: Sequence[Sequence[str]], *, stemmed: bool = False
) -> dict[str, float]:
    """The means of `rouge_of_each`."""
    each = rouge_of_each(answers, references, stemmed=stemmed)
    return {kind: float(values.mean()) for kind, values in each.items()}


def bootstrap(values: np.ndarray, *, samples: int = 1000, seed: int = 0) -> tuple[float, float, float]:
    """2.5%, 50% and 97.5% of the means of `samples` draws from `values`, each of as many as there are, with repeats."""
    rng = np.random.default_rng(seed)
    means = [values[rng.integers(0, len(values), len(values))].mean() for _ in range(samples)]
    low, middle, high = np.percentile(means, (2.5, 50, 97.5))
    return float(low), float(middle), float(high)
