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
