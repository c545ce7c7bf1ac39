"""Summarisation of a text, or of what of it a question asks for, scored by ROUGE (Lin 2004).

With a Longformer for an encoder the question, where there is one, is what sees everything (Beltagy et al. 2020,
section 7): `data.global_tokens="first"`.
"""

from collections.abc import Sequence
from typing import ClassVar

from data.words import rough_sentences
from metrics.rouge import rouge_scores
from tasks.pairs import Pairs

LEAD = 3  # sentences


class Summarisation(Pairs):
    """Write the `data.target` of each `data.text`; `data.text_pair` names the field of a question about it.

    Answers and references are scored sentence by sentence for "rougeLsum", without a stemmer; of several references the
    best counts.
    """

    graded_names: ClassVar[tuple[str, ...]] = ("rouge1", "rouge2", "rougeL", "rougeLsum")

    def graded_texts(self, texts: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
        lines = ["\n".join(rough_sentences(text)) for text in texts]
        return rouge_scores(lines, [["\n".join(rough_sentences(each)) for each in given] for given in references])

    def trivial(self, split: str) -> tuple[str, list[str]]:
        texts = self.texts(split, self.config.data.text)
        return f"lead {LEAD}", ["\n".join(rough_sentences(text)[:LEAD]) for text in texts]
