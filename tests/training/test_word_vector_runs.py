"""Runs whose table of words starts from word vectors."""

import jax
import numpy as np
import pytest

from data.tokenizer import Tokenizer
from tasks.word_table import TABLE, whole_words
from training.mesh import make_mesh
from training.restore import restore_best

KEPT = 'optimizer.rules=((r"encoder.embeddings.word.*", {"learning_rate": 0.0, "weight_decay": 0.0}),)'


@pytest.mark.slow
def test_a_run_starts_from_them_and_a_rule_keeps_them(corpus, tmp_path, run):
    words = sorted({w.strip(".") for path in (corpus / "train").iterdir() for w in path.read_text().split()})
    vectors = np.random.default_rng(0).normal(size=(len(words), 4)).round(3)
    lines = [f"{word} {' '.join(map(str, row))}" for word, row in zip(words, vectors, strict=True)]
    (tmp_path / "v.vec").write_text(f"{len(lines)} 4\n" + "\n".join(lines) + "\n")
    settings = ["train.steps=2", "log.every=1", "optimizer.warmup_steps=0", "checkpoint.every=2", KEPT]
    settings += [f"model.word_vectors={tmp_path}/v.vec", "model.embedding_width=4", "evaluation.every=2"]
    run(tmp_path / "run", *settings)

    mesh = make_mesh({"data": -1, "fsdp": 1, "tensor": 1, "sequence": 1}, jax.devices())
    params, _ = restore_best(tmp_path / "run" / "checkpoints", mesh, best="loss", verify=True)
    table, by_word = np.asarray(params[TABLE]), dict(zip(words, vectors, strict=True))
    known = {
        i: by_word[w] for i, w in whole_words(Tokenizer.load(tmp_path / "run" / "tokenizer")).items() if w in by_word
    }
    print(f"{len(known)} entries known")  # 108 seen
    assert len(known) > 10
    assert np.array_equal(table[list(known)], np.float32(list(known.values())))
