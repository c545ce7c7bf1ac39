"""Scores, frames and files of the task that labels roles; its net's answers keep the rules."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import pretrained
from configs import defaults
from data.records import read_records
from data.sentences import spans_of
from data.tokenizer import Tokenizer
from errors import InputError
from models import HEADS, MODELS
from tasks.role_answers import NextWords, as_columns
from tasks.semantic_roles import SemanticRoles
from train import model_sizes

SENTENCES = """cats - (ARG0*) (ARG0*
that - (R-ARG0*) *
chase chase (V*) *
mice - (ARG1*) *)
sleep sleep * (V*)
. - * *

so - (ARGM-ADV*)
it - (ARG1*)
goes go (V*)
on - (C-V*)
and - *
on - (C-ARG1*)

no -
verb -

"""


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.train("wordpiece", [SENTENCES.replace("(", " ").replace("*", " ")] * 3, vocab_size=120)


def settings(folder, **model):
    config = defaults.get_config()
    config.task = "semantic_roles"
    config.model.update(name="transformer", width=16, depth=2, heads=2, mlp_width=32, max_positions=64, token_types=2)
    config.model.update(model)
    config.data.update(source="files", train=f"{folder}/train.conll", validation=f"{folder}/train.conll")
    config.data.update(test=f"{folder}/test.txt", documents="line", length=48, global_tokens="none")
    config.evaluation.batch_size = 4
    return config


@pytest.fixture
def make(tmp_path, tokenizer):
    (tmp_path / "train.conll").write_text(SENTENCES)
    (tmp_path / "test.txt").write_text("Cats chase mice. Mice sleep!\n\nno verb\n")

    def made(change=lambda config: None, **model) -> SemanticRoles:
        config = settings(tmp_path, **model)
        change(config)
        return SemanticRoles(config, tokenizer, tmp_path / "run")

    return made


def right(batch):
    """What a perfect net would say."""
    return {"tags": batch["labels"]}


def silent(batch):
    return {"tags": np.zeros_like(batch["input_ids"])}


def net(task):
    net_config, encoder = MODELS[task.config.model.name]
    task.config.model.vocab_size = task.tokenizer.vocab_size
    sizes = model_sizes(task.config, net_config)
    return HEADS["semantic_roles"](encoder(sizes, rngs=nnx.Rngs(0)), **task.head, rngs=nnx.Rngs(1))


@pytest.mark.parametrize("token_types", [0, 2, 12])
def test_a_perfect_net_scores_100_and_a_silent_one_0(make, token_types):
    task = make(token_types=token_types)
    assert task.graded(right, "validation") == dict.fromkeys(task.graded_names, 100.0)
    assert task.graded(silent, "validation") == dict.fromkeys(task.graded_names, 0.0)


def test_a_predicate_that_is_none_costs_precision_end_to_end_alone(make):
    task = make()
    labels, o_v = task.labels, 1 + 2 * task.labels.index("V")

    def one_too_many(batch):
        """Says that every word "so" or "no" is a predicate with an ARG0 after it."""
        if "labels" not in batch:  # asked for the roles of what it found
            tags = np.zeros_like(batch["input_ids"])
            tags[:, 2] = 1 + 2 * labels.index("ARG0")
            return {"tags": tags}
        tags = batch["labels"].copy()
        first = np.isin(batch["input_ids"][:, 1], [task.tokenizer.encode(w)[0] for w in ("so", "no")])
        tags[first & (batch["marks"].sum(1) == 0), 1] = o_v
        return {"tags": tags}

    found = task.graded(one_too_many, "validation")
    assert found["f1"] == 100
    assert found["predicate_f1"] == pytest.approx(100 * 2 * 3 / (2 * 3 + 2))
    arguments = 3 + 1 + 2  # of chase, sleep and goes: its ARG1 has two parts, V and C-V do not count
    assert found["end_to_end_f1"] == pytest.approx(100 * 2 * arguments / (2 * arguments + 2))


def test_grading_may_stop_early_and_then_counts_whole_sentences(make):
    task = make(lambda config: config.evaluation.update(batches=1, batch_size=2))
    assert task.graded(right, "validation") == {
        "precision": 100.0,
        "recall": 100.0,
        "f1": 100.0,
        "predicate_f1": 0.0,  # no sentence was seen as a whole
        "end_to_end_f1": 0.0,
    }


def test_what_does_not_fit_into_a_row_is_missed_and_told(make, capsys):
    task = make(lambda config: config.data.update(length=6))
    found = task.graded(right, "validation")
    assert "of a part of their sentence" in capsys.readouterr().out
    assert 0 < found["recall"] < 100
    assert found["predicate_f1"] == 100  # unmarked parts hold every word


def test_the_baseline_is_a_rule_counted_by_hand(make):
    task = make()
    rule = NextWords("ARG0", "ARG1")
    sentence = task.examples("train").sentences[0]
    assert rule(sentence, 2) == [(1, 2, "ARG0"), (3, 5, "ARG1")]
    assert rule(sentence, 0) == [(1, 5, "ARG1")]
    assert rule(sentence, 4) == [(3, 4, "ARG0")]
    # Left of their predicates stand two ARG0, one R-ARG0, ARGM-ADV and ARG1; right of them ARG1, C-V and C-ARG1.
    learned = NextWords.learned(task.examples("train").sentences)
    assert learned.before == "ARG0"
    found = task.baseline("validation")
    assert found["name"] == f"the word before is ARG0, those after it {learned.after}"
    assert found["f1"] == 0


def test_frames_have_their_words_and_characters(make):
    task = make()

    def finds(batch):
        """The third token is a predicate; roles: ARG0 before it."""
        tags = np.zeros_like(batch["input_ids"])
        marked = batch["marks"].any(1)
        tags[:, 2] = 1 + 2 * task.labels.index("V")
        tags[marked, 1] = 1 + 2 * task.labels.index("ARG0")
        return {"tags": tags * batch["word_starts"]}

    first, second, third = task.predictions(finds, "test")
    assert first["text"] == "Cats chase mice."
    assert (second["text"], second["begins"], second["origin"]) == ("Mice sleep!", 17, first["origin"])
    assert third["origin"].endswith("test.txt:3")
    (frame,) = first["frames"]
    assert frame["predicate"] == {"word": 1, "text": "chase", "characters": [5, 10]}
    assert frame["roles"][0] == {"label": "ARG0", "words": [0, 1], "characters": [0, 4], "text": "Cats"}
    assert second["words"] == ["Mice", "sleep", "!"]
    json.dumps([first, second, third])


def test_samples_show_the_roles_of_a_few_sentences(make):
    task = make()
    v = 1 + 2 * task.labels.index("V")
    shown = task.samples(lambda batch: {"tags": np.where(batch["marks"] == 1, v, 0) * batch["word_starts"]})
    assert shown == [
        "cats that [V chase] mice sleep .",
        "cats that chase mice [V sleep] .",
        "so it [V goes] on and on",
    ]


def test_given_predicates_are_kept_and_the_column_files_are_read_again(make, tmp_path):
    task = make(lambda config: config.data.update(test=f"{tmp_path}/train.conll"))
    gold = read_records(tmp_path / "train.conll")
    examples = task.examples("train")
    by_text = {
        (e["input_ids"].tobytes(), e["token_type_ids"].tobytes()): e["labels"]
        for e in (examples[i] for i in range(len(examples)))
    }

    def remembers(batch):
        tags = np.zeros_like(batch["input_ids"])
        for row in range(len(tags)):
            n = int(batch["attention_mask"][row].sum())
            key = batch["input_ids"][row, :n].tobytes(), batch["token_type_ids"][row, :n].tobytes()
            tags[row, :n] = by_text[key]
        return {"tags": tags}

    lines = list(task.predictions(remembers, "test"))
    assert lines[0]["frames"][0]["predicate"]["lemma"] == "chase"
    assert lines[2]["frames"] == []
    files = task.written(lines)
    (tmp_path / "again.conll").write_text(files[".conll"])
    again = read_records(tmp_path / "again.conll")
    assert [r.values for r in again] == [r.values for r in gold]
    assert [as_columns(line)["spans"] for line in lines] == [r.values["spans"] for r in gold]
    props = files[".props"].splitlines()
    assert props[:3] == ["- (ARG0*) (ARG0*", "- (R-ARG0*) *", "chase (V*) *"]


@pytest.mark.parametrize("token_types", [0, 12])
def test_the_net_marks_the_predicate_it_was_given_and_finds_only_predicates_unasked(make, token_types):
    task = make(token_types=token_types)
    model = net(task)
    for path, leaf in nnx.to_flat_state(nnx.state(model, nnx.Param)):
        leaf.set_value(leaf[...] * (8.0 if "kernel" in path else 1.0))  # tags that differ
    (batch, *_) = task.evaluation_batches("validation")
    shown = {name: jnp.asarray(batch[name]) for name in task.columns if name in batch}
    tags = np.asarray(jax.jit(task.answers)(model, shown)["tags"])
    v = task.labels.index("V")
    seen = set()
    for row in range(len(tags)):
        spans = spans_of(tags[row][batch["word_starts"][row] == 1].tolist(), task.labels)
        at = np.flatnonzero(batch["marks"][row] & batch["word_starts"][row])
        vs = [place for place in range(tags.shape[1]) if tags[row, place] == 1 + 2 * v]
        if len(at):
            assert vs == at.tolist()
            seen |= {label for *_, label in spans}
        else:
            assert {label for *_, label in spans} <= {"V"}
            assert all(end - begin == 1 for begin, end, _ in spans)
    assert len(seen) > 2  # or nothing was tried


@pytest.mark.parametrize(("positions", "token_types"), [("rotary", 12), ("learned", 0)])
def test_examples_in_one_row_train_as_if_each_stood_alone(make, positions, token_types):
    task = make(token_types=token_types, positions=positions, norm="pre", dropout_rate=0.0, attention_dropout_rate=0.0)
    model = net(task)
    rows = [task.training_source[i] for i in range(len(task.training_source))]
    packed = {name: jnp.asarray(value) for name, value in task.collate(rows).items()}
    assert packed["segment_ids"].max() > 1
    batches = task.evaluation_batches("train")
    alone = [{name: jnp.asarray(batch[name]) for name in task.columns if name in batch} for batch in batches]

    def total(model, batches):
        parts = [task.loss(model, batch, rngs=None) for batch in batches]
        return sum(part["loss"] for part in parts), sum(part["weight"] for part in parts)

    run = nnx.jit(nnx.value_and_grad(total, has_aux=True))
    (one, weight), gradient = run(model, [packed])
    (other, weight_alone), gradient_alone = run(model, alone)
    assert weight == weight_alone == 6 * 3 + 6 * 2 + 2
    error = abs(float(one) / float(other) - 1)
    pairs = zip(jax.tree.leaves(gradient), jax.tree.leaves(gradient_alone), strict=True)
    worst = max(float(jnp.abs(a - b).max() / (jnp.abs(b).max() + 1e-3)) for a, b in pairs)
    print(f"{positions}: relative difference of losses {error:.1e}, of gradients {worst:.1e}")  # 1e-7, 3e-7 seen
    assert error < 1e-5
    assert worst < 1e-5


REFUSED = [
    (lambda c: c.data.update(mixture=(("a", 1.0),)), "data.mixture draws rows for masked_lm"),
    (lambda c: (c.model.update(name="longformer"), c.data.update(global_tokens="first")), "data.global_tokens='none'"),
]


@pytest.mark.parametrize(("change", "message"), REFUSED)
def test_settings_that_cannot_work_are_refused(make, change, message):
    with pytest.raises(InputError, match=message):
        make(change)


def test_labels_are_kept_beside_the_run_and_others_are_refused(make, tmp_path):
    task = make()
    assert task.labels == ("ARG0", "ARG1", "ARGM-ADV", "C-ARG1", "C-V", "R-ARG0", "V")
    assert json.loads((tmp_path / "run" / "labels.json").read_text()) == list(task.labels)
    (tmp_path / "train.conll").write_text(SENTENCES.replace("ARGM-ADV", "ARGM-TMP"))
    with pytest.raises(
        InputError, match=r"train.conll:8: the label ARGM-TMP is none of the \d that the net was made for"
    ):
        make().examples("train")
    (tmp_path / "run" / "labels.json").write_text("{")
    with pytest.raises(InputError, match=r"labels.json: is not valid JSON"):
        make().head  # noqa: B018
    (tmp_path / "run" / "labels.json").write_text("{}")
    with pytest.raises(InputError, match=r"labels.json: should be a list of labels"):
        make().head  # noqa: B018
    (tmp_path / "run" / "labels.json").write_text('["ARG0", "ARG1"]')
    with pytest.raises(InputError, match="the labels ARG0, ARG1 should each be there once, and V"):
        make().head  # noqa: B018


def test_an_exported_net_has_the_names_of_its_tags(make, tmp_path):
    task = make(norm="post", positions="learned")
    pretrained.save(net(task), tmp_path / "exported", classes=task.classes)
    names = json.loads((tmp_path / "exported" / "config.json").read_text())["id2label"]
    begun = {f"B-{label}": 1 + 2 * number for number, label in enumerate(task.labels)}
    assert {int(number): name for number, name in names.items()} == dict(enumerate(task.classes))
    assert (names["0"], {name: task.classes.index(name) for name in begun}) == ("O", begun)


def test_labels_that_training_had_not_cost_no_loss_and_are_missed(make, tmp_path, capsys):
    make().head  # noqa: B018
    (tmp_path / "dev.conll").write_text(SENTENCES.replace("(ARGM-ADV*)", "(ARGM-TMP*)"))
    task = make(lambda config: config.data.update(validation=f"{tmp_path}/dev.conll"))
    found = task.graded(right, "validation")
    assert "1 spans have labels that training had not (ARGM-TMP)" in capsys.readouterr().out
    assert found["recall"] == pytest.approx(100 * 5 / 6)
    weights = sum(batch["label_weights"].sum() for batch in task.evaluation_batches("validation"))
    assert weights == 6 * 3 + 6 * 2 + 2 - 1


def test_a_split_without_roles_can_be_predicted_and_not_scored(make):
    with pytest.raises(InputError, match=r"test.txt:1: has no field 'spans'"):
        make().examples("test")
