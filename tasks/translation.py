"""Machine translation (Vaswani et al. 2017, section 5), scored by BLEU and chrF as sacrebleu computes them."""

from collections.abc import Sequence
from typing import ClassVar

from metrics.translation import translation_scores
from tasks.pairs import Pairs


class Translation(Pairs):
    """Write each text of `data.text` in the language of `data.target`."""

    graded_names: ClassVar[tuple[str, ...]] = ("bleu", "chrf")

    def graded_texts(self, texts: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
        scores, signatures = translation_scores(texts, references)
        print("\n".join(f"{name}: {signature}" for name, signature in signatures.items()), flush=True)
        return scores

    def trivial(self, split: str) -> tuple[str, list[str]]:
        return "the source as it is", self.texts(split, self.config.data.text)
