"""What is written of a text that was read, as a program reads it."""

import json

import numpy as np

from data.tokenizer import Tokenizer
from tasks.translation import Translation
from tests.tasks.files import config_of, write_lines


def test_texts_that_a_search_did_not_find_are_not_told(tmp_path):
    for split in ("train", "validation", "test"):
        write_lines(tmp_path / f"{split}.jsonl", [{"text": "a b", "to": "b a"}] * 2)
    tokenizer = Tokenizer.train("wordpiece", ["a b"] * 4, vocab_size=40)
    config = config_of(tmp_path, "translation", **{"data.target": "to", "data.target_length": 8})
    config.decoding.update(num_beams=3, num_return_sequences=3)
    written = np.tile(tokenizer.encode("b a"), (3, 1)).astype(np.int32)

    def answer(batch):
        rows = len(batch["index"])
        scores = np.array([-0.5, -0.75, -np.inf], np.float32)
        lengths = np.full((rows, 3), written.shape[1])
        return {"tokens": np.tile(written, (rows, 1, 1)), "scores": np.tile(scores, (rows, 1)), "lengths": lengths}

    lines = list(Translation(config, tokenizer, tmp_path / "run").predictions(answer, "test"))
    assert [line["score"] for line in lines] == [-0.5, -0.5]
    assert [line["others"] for line in lines] == [[{"text": "b a", "score": -0.75}]] * 2
    json.dumps(lines, allow_nan=False)
