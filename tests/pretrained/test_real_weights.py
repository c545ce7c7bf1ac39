"""A published ALBERT of reaction SMILES reads as its authors left it. Skipped where the files are not at hand."""

import json
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest
from flax import nnx
from safetensors.numpy import save_file

import pretrained

HERE = Path(__file__).resolve().parents[3] / "shared/data/pretrained/albert_rxnmapper"
pytestmark = pytest.mark.skipif(not HERE.is_dir(), reason=f"{HERE} is not there")


@pytest.fixture(scope="module")
def albert(tmp_path_factory):
    directory = tmp_path_factory.mktemp("albert")
    shutil.copy(HERE / "config.json", directory)
    with np.load(HERE / "albert_rxn_weights.npz") as weights:
        save_file({name: np.ascontiguousarray(weights[name]) for name in weights}, directory / "model.safetensors")
    graph, state = nnx.split(pretrained.load(directory))
    return jax.jit(lambda ids, mask: nnx.merge(graph, state)(ids, attention_mask=mask))


def test_reference_activations_are_met(albert):
    with np.load(HERE / "albert_rxn_reference.npz") as reference:
        for number in range(3):
            ids = reference[f"{number}/input_ids"][None]
            found = albert(ids, np.ones_like(ids))
            for name in ("last_hidden_state", "logits"):
                want = reference[f"{number}/{name}"]
                error = np.abs(np.asarray(getattr(found, name)[0]) - want).max() / want.std()
                print(f"{name}: {error:.1e} of the spread")
                assert error < 1e-4  # seen 6e-6


@pytest.mark.slow
def test_masked_tokens_are_found_as_often_as_was_measured(albert):
    rows = [json.loads(line) for line in (HERE / "mlm_check.jsonl").read_text().splitlines()]
    length = max(len(row["input_ids"]) for row in rows)
    ids, mask = (np.zeros((len(rows), length), np.int32) for _ in range(2))
    for at, row in enumerate(rows):
        ids[at, : len(row["input_ids"])], mask[at, : len(row["input_ids"])] = row["input_ids"], 1
    right = total = differing = 0
    loss = 0.0
    for first in range(0, len(rows), 50):
        logits = np.asarray(albert(ids[first : first + 50], mask[first : first + 50]).logits, np.float64)
        for row, scores in zip(rows[first : first + 50], logits, strict=True):
            scores, labels = scores[row["masked_positions"]], np.array(row["labels"])
            top = scores.argmax(-1)
            right, total = right + (top == labels).sum(), total + len(labels)
            differing += (top != np.array(row["top1"])).sum()
            loss += (np.log(np.exp(scores).sum(-1)) - scores[np.arange(len(labels)), labels]).sum()
    print(f"{right} of {total} tokens ({right / total:.2%}), {loss / total:.4f} nats; {differing} others than measured")
    assert (total, differing) == (3395, 0)
    assert round(100 * right / total, 2) == 98.32
    assert round(loss / total, 4) == 0.0558


def test_its_pickled_file_is_read_by_the_weights_only_reader():
    pytest.importorskip("torch")
    model = pretrained.load(HERE)
    with np.load(HERE / "albert_rxn_weights.npz") as weights:
        table = weights["albert.embeddings.word_embeddings.weight"]
    assert (np.asarray(model.encoder.embeddings.word.embedding[...]) == table).all()
