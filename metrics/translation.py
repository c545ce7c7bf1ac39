"""BLEU and chrF of a corpus of translations, counted by sacrebleu, with the signatures that make them comparable.

Source: Papineni et al. 2002; Popovic 2015; Post 2018 (signatures).
"""

from collections.abc import Sequence

from sacrebleu.metrics import BLEU, CHRF

from errors import InputError


def translation_scores(
    answers: Sequence[str], references: Sequence[Sequence[str]], *, tokenize: str = "13a", lowercase: bool = False
) -> tuple[dict[str, float], dict[str, str]]:
    """("bleu" and "chrf" of the whole corpus, 0 to 100; sacrebleu's signature of each).

    `references[i]` holds the references of answer i, as many for each. Texts are plain: sacrebleu cuts them into words
    itself, as `tokenize` says ("13a" is that of WMT; "char", "intl", "zh", "none").

    Raises:
      InputError: no answer, another number of references than of answers, or not as many references for each answer.
    """
    if len(answers) != len(references):
        raise InputError(f"{len(answers)} translations do not go with {len(references)} references")
    if not answers:
        raise InputError("there is no translation to score")
    for number, given in enumerate(references):
        if isinstance(given, str) or not given or len(given) != len(references[0]):
            raise InputError(
                f"translation {number} (0 = first) needs a list of {len(references[0])} references as the first has, "
                f"got {given!r}"
            )
    metrics = {"bleu": BLEU(tokenize=tokenize, lowercase=lowercase), "chrf": CHRF(lowercase=lowercase)}
    streams = [list(stream) for stream in zip(*references, strict=True)]
    scores = {name: metric.corpus_score(list(answers), streams).score for name, metric in metrics.items()}
    return scores, {name: str(metric.get_signature()) for name, metric in metrics.items()}
