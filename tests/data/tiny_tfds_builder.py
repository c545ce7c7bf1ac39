"""A TFDS data set made of nothing, importable by name: TFDS registers a builder when its module is imported."""

import numpy as np
import tensorflow_datasets as tfds


class TinyReviews(tfds.core.GeneratorBasedBuilder):
    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        features = {
            "text": tfds.features.Text(),
            "label": tfds.features.ClassLabel(names=["neg", "pos"]),
            "stars": np.float32,
        }
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples(20), "test": self._generate_examples(3)}

    def _generate_examples(self, count):
        for i in range(count):
            yield i, {"text": f"review {i} é", "label": i % 2, "stars": i / 2}


class NeedsTensorflow(TinyReviews):
    def _split_generators(self, dl_manager):
        import tensorflow  # noqa: F401


class TinySquad(tfds.core.GeneratorBasedBuilder):
    """Built as TFDS's squad/v2.0 is."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        answers = {"text": tfds.features.Text(), "answer_start": np.int32}
        features = {name: tfds.features.Text() for name in ("title", "context", "question")}
        features |= {"id": np.str_, "is_impossible": np.bool_, "answers": tfds.features.Sequence(answers)}
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        for number, (texts, starts) in enumerate([(["Ålesund", "past"], [20, 15]), ([], []), (["whale"], [4])]):
            yield (
                number,
                {
                    "id": f"q{number}",
                    "title": "Sea",
                    "context": "The whale swam past Ålesund.",
                    "question": "What?",
                    "is_impossible": not texts,
                    "answers": {"text": texts, "answer_start": starts},
                },
            )
